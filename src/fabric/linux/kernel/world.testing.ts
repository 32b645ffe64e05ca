/**
 * Pieces for tests that build worlds in the kernel: short ways to write networks, rules and hosts,
 * and one real use of a flow. Nothing is asserted here; that is kernel.test.ts.
 */
import { createServer } from "node:net";

import { describeProblem, must, type Result } from "../../../base/problem.ts";
import type { Host, Network, Subnet } from "../../../blueprint/blueprint.ts";
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
export const VIP = "198.18.0.4";
/** How long silence must last to count as silence. */
const PATIENCE_MS = 300;

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

export function subnetHost(
  name: string,
  address: string,
  more: { readonly subnet?: string; readonly network?: string; readonly forwards?: boolean } = {},
): Host {
  return {
    name,
    place: {
      kind: "subnet",
      network: more.network ?? "net",
      subnet: more.subnet ?? "one",
      address: address as Ipv4,
    },
    role: "Machine",
    forwards: more.forwards ?? false,
    programs: [],
  };
}

export function visitor(name: string, address: string): Host {
  return {
    name,
    place: { kind: "visitor", network: "net", address: address as Ipv4 },
    role: "Visitor",
    forwards: false,
    programs: [],
  };
}

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
  more: {
    readonly id?: string;
    readonly index?: number;
    readonly publicAddresses?: Network["publicAddresses"];
  } = {},
): Network {
  const prefixes = ["10.0.0.0/16" as Cidr];
  return {
    id: more.id ?? "net",
    name: more.id ?? "net",
    index: more.index ?? 1,
    prefixes,
    virtualNetwork: prefixes,
    subnets,
    publicAddresses: more.publicAddresses ?? [{ address: VIP as Ipv4, sourceOf: prefixes }],
    translations: [],
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

export const hostSpace = (kernel: Kernel, name: string) => spaceIn(kernel, { kind: "host", name });
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
    socket.setTimeout(PATIENCE_MS, () => end("connected, then silence"));
    socket.once("error", (error) => end(error.message));
    socket.once("data", (said: Buffer) => end(said.toString().trim()));
  });
}

/** A datagram with an answer, or `silence`. */
export async function ask(from: Space, own: string, to: string, port: number): Promise<string> {
  const socket = ok(await from.sockets.udp({ address: own, port: 0 }));
  return new Promise((resolve) => {
    const timer = setTimeout(() => end("silence"), PATIENCE_MS);
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
