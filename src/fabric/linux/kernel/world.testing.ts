/**
 * Pieces for tests that build worlds in the kernel: short ways to write networks, rules and hosts,
 * and one real use of a flow. Nothing is asserted here; that is in the tests.
 */
import { createServer } from "node:net";

import { describeProblem, must, type Result } from "../../../base/problem.ts";
import type { Host, Network, Subnet, Translation } from "../../../blueprint/blueprint.ts";
import type { Cidr, Ipv4 } from "../../../network/prefix.ts";
import type { NextHop, Route } from "../../../network/route.ts";
import {
  ANY_PORT,
  defaultRules,
  type AddressMatch,
  type PortRange,
  type SecurityRule,
} from "../../../network/rule.ts";
import type { Kernel, Space, SpaceName } from "./kernel.ts";
import { openKernel } from "./open-kernel.ts";

export const CLIENT = "203.0.113.10";
export const MANAGER = "198.51.100.7";
export const STRANGER = "203.0.113.99";
/** How long silence must last to count as silence. */
const PATIENCE_MS = 700;

export function ok<Value>(result: Result<Value>): Value {
  if (!result.ok) throw new Error(describeProblem(result.problem));
  return result.value;
}

/** A world with people outside, the platform's management, and one more outside. */
export function openWorld(): Kernel {
  const kernel = ok(openKernel());
  ok(
    kernel.putInternet({
      clientAddress: CLIENT as Ipv4,
      managementAddresses: [MANAGER as Ipv4],
      names: {},
    }),
  );
  ok(kernel.createHost(internetHost("stranger", STRANGER)));
  return kernel;
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
    put: (subnets, more) => void ok(kernel.putNetwork(network(subnets, { id, index, vip, ...more }))),
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
  } = {},
): Subnet {
  const id = more.id ?? (["one", "two", "three"][index - 1] ?? `subnet${index}`);
  return {
    id,
    name: id,
    index,
    prefix: `10.0.${index}.0/24` as Cidr,
    flushConnection: more.flushConnection ?? false,
    routes: more.routes ?? [LOCAL, OUT],
    ...(more.rules === undefined ? {} : { rules: more.rules }),
  };
}

export function network(
  subnets: readonly Subnet[],
  { vip, ...more }: Partial<Network> & { readonly vip: string },
): Network {
  const prefixes = more.prefixes ?? ["10.0.0.0/16" as Cidr];
  return {
    id: "net",
    name: "net",
    index: 1,
    prefixes,
    virtualNetwork: prefixes,
    subnets,
    publicAddresses: [{ address: vip as Ipv4, sourceOf: prefixes }],
    translations: [],
    ...more,
  };
}

/** Words for addresses: `any`, a tag, a prefix, or an IPv6 prefix. */
function address(word: string): AddressMatch {
  if (word === "any") return { kind: "any" };
  if (word.includes(":")) return { kind: "prefix6", text: word };
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
  const ports = more.ports?.map((port) => (typeof port === "number" ? { low: port, high: port } : port));
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
export async function answerAs(space: Space, at: string, port: number, name: string): Promise<void> {
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
  const socket = connected.value;
  return new Promise((resolve) => {
    const end = (said: string) => {
      socket.destroy();
      resolve(said);
    };
    setTimeout(() => setImmediate(() => end("connected, then silence")), PATIENCE_MS).unref();
    socket.once("error", (error) => end(error.message));
    socket.once("data", (said: Buffer) => end(said.toString().trim()));
  });
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
export async function answerDatagrams(space: Space, at: string, port: number): Promise<void> {
  const socket = ok(await space.sockets.udp({ address: at, port }));
  socket.on("error", () => {});
  socket.on("message", (_, sender) => socket.send(`seen ${sender.address}`, sender.port, sender.address));
}
