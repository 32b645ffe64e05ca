/**
 * Pieces for tests that build worlds in the kernel: short ways to write networks, rules and hosts,
 * and one real use of a flow. Nothing is asserted here; that is in the tests.
 */
import { createSocket } from "node:dgram";
import { writeFileSync } from "node:fs";
import { createServer, Socket } from "node:net";

import koffi from "koffi";

import { describeProblem, must, type Result } from "../../../base/problem.ts";
import type { Host, Network, Subnet, Translation } from "../../../blueprint/blueprint.ts";
import type { Cidr, Ipv4 } from "../../../network/prefix.ts";
import type { NextHop, Route } from "../../../network/route.ts";
import { effectiveRoutes } from "../../../network/select-route.ts";
import {
  ANY_PORT,
  defaultRules,
  type AddressMatch,
  type PortRange,
  type SecurityRule,
} from "../../../network/rule.ts";
import type { Cidr6 } from "../../../network/prefix6.ts";
import type { Kernel, Space, SpaceName } from "./kernel.ts";
import { tcpSocket } from "./libc.ts";
import { Rtnetlink } from "./netlink.ts";
import { openKernel } from "./open-kernel.ts";

export const CLIENT = "203.0.113.10";
export const MANAGER = "198.51.100.7";
export const STRANGER = "203.0.113.99";
export const OTHER = "203.0.113.98";
const ECHO = 7;
/** How long silence must last to count as silence. */
const PATIENCE_MS = 1_500;

export function ok<Value>(result: Result<Value>): Value {
  if (!result.ok) throw new Error(describeProblem(result.problem));
  return result.value;
}

export const TAGS: Readonly<Record<string, readonly Cidr[]>> = {
  Known: [`${STRANGER}/32` as Cidr, "192.0.2.0/24" as Cidr],
  Fleeting: [`${STRANGER}/32` as Cidr],
  // Apart from each other, the stranger the last of them.
  Large: [
    ...Array.from({ length: 4_999 }, (_, at) => `100.${at >> 8}.${at & 255}.0/25` as Cidr),
    `${STRANGER}/32` as Cidr,
  ],
};

/** A world with people outside and the platform's management. */
export function openWorld(): Kernel {
  const kernel = ok(openKernel());
  ok(
    kernel.putInternet({
      clientAddress: CLIENT as Ipv4,
      managementAddresses: [MANAGER as Ipv4],
      names: {},
    }),
  );
  ok(kernel.putTags(TAGS));
  return kernel;
}

/** Two more outside, who answer at port 7. */
export async function standOutside(kernel: Kernel): Promise<void> {
  for (const [name, address] of Object.entries({ stranger: STRANGER, other: OTHER })) {
    const space = ok(kernel.createHost(internetHost(name, address)));
    await answerAs(space, address, ECHO, name);
    await answerDatagrams(space, address, ECHO);
  }
}

export function internetHost(name: string, address: string): Host {
  return {
    name,
    place: { kind: "internet", address: address as Ipv4 },
    role: "Endpoint",
    forwards: false,
    programs: [],
  };
}

export function subnetHost(name: string, address: string): Host {
  return {
    name,
    place: { kind: "subnet", network: "net", subnet: "one", address: address as Ipv4 },
    role: "Machine",
    forwards: false,
    programs: [],
  };
}

/** One network of the world, for one scenario: others stand beside it at the same time. */
export type Place = {
  readonly kernel: Kernel;
  readonly id: string;
  readonly vip: string;
  readonly put: (subnets: readonly Subnet[], more?: Partial<Network>) => void;
  readonly balance: (translations: readonly Translation[]) => void;
  /** In the subnet the third number of its address names. */
  readonly host: (name: string, address: string, forwards?: "forwards") => Space;
  readonly visitor: (name: string, address: string) => Space;
  readonly platform: () => Space;
  readonly removeHost: (name: string) => void;
};

export function placeIn(kernel: Kernel, index: number): Place {
  const id = `net${index}`;
  const vip = `198.18.${index}.4`;
  const create = (name: string, place: Host["place"], forwards: boolean) =>
    ok(
      kernel.createHost({ name: `${id}-${name}`, place, role: "Machine", forwards, programs: [] }),
    );
  return {
    kernel,
    id,
    vip,
    put: (subnets, more) =>
      void ok(kernel.putNetwork(network(subnets, { id, index, vip, ...more }))),
    balance: (translations) => void ok(kernel.putTranslations(id, translations)),
    host: (name, address, forwards) =>
      create(
        name,
        {
          kind: "subnet",
          network: id,
          subnet: subnet(Number(address.split(".")[2])).id,
          address: address as Ipv4,
        },
        forwards !== undefined,
      ),
    visitor: (name, address) =>
      create(name, { kind: "visitor", network: id, address: address as Ipv4 }, false),
    platform: () => spaceIn(kernel, { kind: "load-balancer", network: id }),
    removeHost: (name) => void ok(kernel.removeHost(`${id}-${name}`)),
  };
}

/** What a scenario saw, as JSON; its test says what it should have been. */
export type Scenario = (at: Place) => Promise<unknown>;

export function route(prefix: string, nextHop: NextHop): Route {
  return { name: prefix, source: "User", prefix: prefix as Cidr, nextHop, state: "Active" };
}

export const LOCAL = route("10.0.0.0/16", { kind: "VnetLocal" });
export const OUT = route("0.0.0.0/0", { kind: "Internet" });

export function subnet(
  index: number,
  more: {
    readonly id?: string;
    readonly rules?: readonly SecurityRule[];
    readonly routes?: readonly Route[];
    readonly flushConnection?: boolean;
    readonly virtualNetwork?: readonly Cidr[];
  } = {},
): Subnet {
  const id = more.id ?? ["one", "two", "three"][index - 1] ?? `subnet${index}`;
  return {
    id,
    name: id,
    index,
    prefix: `10.0.${index}.0/24` as Cidr,
    virtualNetwork: more.virtualNetwork ?? ["10.0.0.0/16" as Cidr],
    flushConnection: more.flushConnection ?? false,
    routes: more.routes ?? [LOCAL, OUT],
    ...(more.rules === undefined ? {} : { rules: more.rules }),
  };
}

export function network(
  subnets: readonly Subnet[],
  { vip = "198.18.0.4", ...more }: Partial<Network> & { readonly vip?: string } = {},
): Network {
  const prefixes = more.prefixes ?? ["10.0.0.0/16" as Cidr];
  return {
    id: "net",
    name: "net",
    index: 1,
    prefixes,
    routes: effectiveRoutes({ prefixes, userRoutes: [] }),
    subnets,
    publicAddresses: [{ address: vip as Ipv4, sourceOf: prefixes }],
    translations: [],
    ...more,
  };
}

/** Words for addresses: `any`, a tag, a prefix, or an IPv6 prefix. */
function address(word: string): AddressMatch {
  if (word === "any") return { kind: "any" };
  if (word.includes(":")) return { kind: "prefix6", prefix: word as Cidr6 };
  if (/^\d/.test(word))
    return { kind: "prefix", prefix: (word.includes("/") ? word : `${word}/32`) as Cidr };
  return { kind: "tag", tag: word };
}

export function rule(
  direction: SecurityRule["direction"],
  priority: number,
  access: SecurityRule["access"],
  more: {
    readonly protocol?: SecurityRule["protocol"];
    readonly from?: readonly string[];
    readonly to?: readonly string[];
    readonly ports?: readonly (number | PortRange)[];
    readonly sourcePorts?: readonly PortRange[];
  } = {},
): SecurityRule {
  const ports = more.ports?.map((port) =>
    typeof port === "number" ? { low: port, high: port } : port,
  );
  return {
    name: `${access}${direction}${priority}`,
    group: "group",
    origin: "user",
    priority,
    direction,
    access,
    protocol: more.protocol ?? "*",
    sources: (more.from ?? ["any"]).map(address),
    sourcePorts: more.sourcePorts ?? [ANY_PORT],
    destinations: (more.to ?? ["any"]).map(address),
    destinationPorts: ports ?? [ANY_PORT],
  };
}

/** As a group with these rules has them: sorted, the default ones at the end. */
export function withDefaults(...rules: readonly SecurityRule[]): readonly SecurityRule[] {
  return [...rules, ...defaultRules("group")].sort(
    (a, b) => a.direction.localeCompare(b.direction) || a.priority - b.priority,
  );
}

export function spaceIn(kernel: Kernel, of: SpaceName): Space {
  const space = kernel.space(of);
  must(space !== undefined, `there is ${JSON.stringify(of)}`);
  return space;
}

export const outside = (kernel: Kernel, from: string) =>
  spaceIn(kernel, { kind: "internet", address: from });

/** Listens; every caller is told the name of who answers and the address it was seen with. */
export async function answerAs(
  space: Space,
  at: string,
  port: number,
  name: string,
): Promise<void> {
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    socket.write(`${name} sees ${socket.remoteAddress}\n`);
    socket.pipe(socket);
  });
  ok(await space.sockets.listen(server, { address: at, port }));
}

/** What a caller gets: who answered and what it saw, or how the call failed. */
export async function call(from: Space, to: string, port: number): Promise<string> {
  const connected = await from.sockets.connect({ address: to, port, timeoutMs: PATIENCE_MS });
  if (!connected.ok)
    return connected.problem.what.includes("within")
      ? "silence"
      : connected.problem.what.replace(/^.*: /, "");
  return firstWords(connected.value);
}

/** The same from a port of its own. */
export async function callFrom(
  space: Space,
  own: string,
  localPort: number,
  to: string,
  port: number,
): Promise<string> {
  const fd = space.inside(() => tcpSocket({ address: own, port: localPort }));
  const socket = new Socket({ fd, readable: true, writable: true, manualStart: true } as {
    fd: number;
  });
  socket.connect({ host: to, port });
  return firstWords(socket);
}

async function firstWords(socket: Socket): Promise<string> {
  return new Promise((resolve) => {
    const end = (said: string) => {
      socket.destroy();
      resolve(said);
    };
    // What came while this process was busy is read first.
    setTimeout(() => setImmediate(() => end("silence")), PATIENCE_MS);
    socket.once("error", (error) => end(error.message));
    socket.once("data", (said: Buffer) => end(said.toString().trim()));
  });
}

/** An open connection to somebody who answers: is what is said now heard and echoed? */
export async function conversation(from: Space, to: string, port: number) {
  const socket = ok(await from.sockets.connect({ address: to, port, timeoutMs: PATIENCE_MS }));
  socket.on("error", () => undefined);
  let heard = "";
  socket.on("data", (chunk: Buffer) => (heard += chunk.toString()));
  let count = 0;
  return {
    goesOn: async () => {
      const word = `word ${(count += 1)}\n`;
      socket.write(word);
      return until(() => heard.includes(word));
    },
    end: () => void socket.destroy(),
  };
}

/** Waits until something holds; false when it did not within the usual patience. */
export async function until(holds: () => boolean): Promise<boolean> {
  for (let waitedMs = 0; waitedMs < PATIENCE_MS; waitedMs += 10) {
    if (holds()) return true;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return holds();
}

const ICMP = 1;
const SOCK_DGRAM = 2;
const AF_INET = 2;
const socketCall = koffi.load("libc.so.6").func("int socket(int domain, int type, int protocol)");

/** One echo request. */
export async function ping(from: Space, to: string): Promise<"echo" | "silence"> {
  const fd = from.inside(() => {
    writeFileSync("/proc/sys/net/ipv4/ping_group_range", "0 0");
    return Number(socketCall(AF_INET, SOCK_DGRAM, ICMP));
  });
  const socket = createSocket("udp4");
  await new Promise<void>((resolve) => socket.bind({ fd }, resolve));
  let heard = false;
  socket.on("message", () => (heard = true));
  const request = Buffer.from([8, 0, 0, 0, 0, 1, 0, 1]);
  request.writeUInt16BE(0xffff - 0x0802, 2);
  socket.send(request, 1, to);
  const answered = await until(() => heard);
  socket.close();
  return answered ? "echo" : "silence";
}

/** Sends a datagram as somebody else. */
export async function spoof(
  from: Space,
  of: { readonly pretended: string; readonly to: string; readonly port: number },
): Promise<void> {
  from.inside(() => {
    const links = new Rtnetlink();
    links.addAddress(of.pretended as Ipv4);
    links.flush();
    links.close();
  });
  const socket = ok(await from.sockets.udp({ address: of.pretended, port: 0 }));
  await new Promise((resolve) => socket.send("spoofed", of.port, of.to, resolve));
  socket.close();
}

/** A datagram with an answer, or `silence`. */
export async function ask(from: Space, own: string, to: string, port: number): Promise<string> {
  const socket = ok(await from.sockets.udp({ address: own, port: 0 }));
  return new Promise((resolve) => {
    // What came while this process was busy is read first.
    const timer = setTimeout(() => setImmediate(() => end("silence")), PATIENCE_MS);
    const end = (said: string) => {
      clearTimeout(timer);
      socket.close();
      resolve(said);
    };
    socket.once("message", (message: Buffer) => end(message.toString()));
    socket.on("error", (error) => end(error.message));
    socket.send("hello", port, to);
  });
}

/** Answers every datagram with its sender's address. */
export async function answerDatagrams(
  space: Space,
  at: string,
  port: number,
  heard: (message: string) => void = () => undefined,
): Promise<void> {
  const socket = ok(await space.sockets.udp({ address: at, port }));
  socket.on("error", () => {});
  socket.on("message", (message, sender) => {
    heard(message.toString());
    socket.send(`seen ${sender.address}`, sender.port, sender.address);
  });
}
