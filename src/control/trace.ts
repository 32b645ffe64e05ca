/**
 * A packet in words, sent for real: who sends it and from where, and the law beside what was seen.
 *
 * Names become addresses, places where nobody stands get somebody for the time of the trace. The
 * packet is sent by a fabric; law and packet are compared in blueprint/seen.ts.
 */
import { declined, found, type Problem, type Result } from "../base/problem.ts";
import type { Blueprint, Host } from "../blueprint/blueprint.ts";
import { compare } from "../blueprint/seen.ts";
import { walk, type Flow } from "../blueprint/walk.ts";
import { parsePacketWords, type PacketWords } from "../check/explain.ts";
import { FIRST_HOST_OFFSET } from "../environment/addresses.ts";
import { PLATFORM_ADDRESS } from "../environment/ports.ts";
import type { Fabric } from "../fabric/fabric.ts";
import { describePacket } from "../network/naming.ts";
import { addressAt, contains, parseIpv4, type Ipv4 } from "../network/prefix.ts";
import type { TraceView } from "./control-plane.ts";
import { placeOf } from "./places.ts";

/** Shorter than a second, after which the kernel would send a first packet once more. */
const TIMEOUT_MS = 900;
/** Above those that the kernel gives to clients: nobody else's packets are taken for the traced one. */
const CLIENT_PORTS = { first: 61_000, count: 4_000 } as const;

export async function tracePacket(
  words: string,
  blueprint: Blueprint | undefined,
  fabric: Fabric,
): Promise<Result<TraceView>> {
  if (blueprint === undefined) return declined(nothingStands());
  const port = CLIENT_PORTS.first + Math.floor(Math.random() * CLIENT_PORTS.count);
  const parsed = parsePacketWords(words, port);
  if (!parsed.ok) return parsed;
  const planned = plan(parsed.value, blueprint);
  if (!planned.ok) return planned;
  const { flow, network, notes, standIns } = planned.value;
  const whole = { ...blueprint, hosts: [...blueprint.hosts, ...standIns] };
  const seen = await fabric.trace({
    flow,
    standIns,
    timeoutMs: TIMEOUT_MS,
    ...(network === undefined ? {} : { network }),
  });
  if (!seen.ok) return seen;
  const from = planned.value.source;
  const walked = walk(whole, flow);
  const { stoppedBy } = walked;
  return found({
    packet: describePacket({ ...flow, from }),
    notes: [...notes, ...standIns.map(({ place }) => `${place.address}: ${STOOD_IN}`)],
    answer: seen.value.answer,
    ...(stoppedBy === undefined ? {} : { stoppedBy }),
    ...compare(walked, seen.value, flow.protocol),
  });
}

const STOOD_IN = "nobody stands there; somebody did for this trace";

type Planned = {
  readonly flow: Flow;
  readonly source: Ipv4;
  readonly network?: string;
  readonly standIns: readonly Host[];
  readonly notes: readonly string[];
};

function plan(words: PacketWords, blueprint: Blueprint): Result<Planned> {
  const [from, meant] = [
    addressOf(words.from, blueprint),
    addressOf(words.to, blueprint, words.toPort),
  ];
  if (!from.ok) return from;
  if (!meant.ok) return meant;
  const source = from.value;
  const sender = senderAt(source, words, blueprint);
  const way = isOutside(source, sender, blueprint)
    ? wayIn(meant.value, words, blueprint)
    : undefined;
  const to = way?.address ?? meant.value;
  const standIns = [
    ...(sender === undefined && source !== PLATFORM_ADDRESS ? [standIn(source, blueprint)] : []),
    ...(needsSomebody(to, blueprint) ? [standIn(to, blueprint)] : []),
  ];
  const [first] = standIns;
  const host = sender ?? (first?.place.address === source ? first : undefined);
  const within = networkAt(host, source, to, blueprint);
  const flow: Flow = {
    from: flowFrom(host, source, within),
    to,
    protocol: words.protocol,
    fromPort: words.fromPort,
    toPort: way?.port ?? words.toPort,
  };
  return found({
    flow,
    source,
    standIns,
    ...(within === undefined ? {} : { network: within }),
    notes:
      way === undefined
        ? []
        : [
            `${meant.value} is reached from outside by the public address ${way.address}:${way.port}`,
          ],
  });
}

function flowFrom(
  host: Host | undefined,
  address: Ipv4,
  network: string | undefined,
): Flow["from"] {
  if (address === PLATFORM_ADDRESS && network !== undefined)
    return { kind: "load-balancer", network };
  return host === undefined || host.place.kind === "internet"
    ? { kind: "internet", address }
    : { kind: "host", name: host.name };
}

/** Of the sender; the platform stands in every network, so in that of the receiver. */
function networkAt(
  host: Host | undefined,
  source: Ipv4,
  to: Ipv4,
  { networks }: Blueprint,
): string | undefined {
  if (host !== undefined && "network" in host.place) return host.place.network;
  if (source !== PLATFORM_ADDRESS) return undefined;
  const own = networks.find(({ prefixes }) => prefixes.some((prefix) => contains(prefix, to)));
  return own?.id;
}

function senderAt(address: Ipv4, { from }: PacketWords, blueprint: Blueprint): Host | undefined {
  const named = placeOf(blueprint, from);
  const name = named.ok && named.value.kind === "host" ? named.value.name : undefined;
  const { clientAddress, managementAddresses } = blueprint.internet;
  if (address === clientAddress || managementAddresses.includes(address))
    return outsider(address, "internet");
  return blueprint.hosts.find((host) =>
    name === undefined ? host.place.address === address : host.name === name,
  );
}

function isOutside(source: Ipv4, sender: Host | undefined, { networks }: Blueprint): boolean {
  if (source === PLATFORM_ADDRESS) return false;
  if (sender !== undefined) return sender.place.kind === "internet";
  return !networks.some(({ prefixes }) => prefixes.some((prefix) => contains(prefix, source)));
}

/** What has a private address is reached from outside by a public one that leads there. */
function wayIn(
  to: Ipv4,
  { toPort, protocol }: PacketWords,
  { networks }: Blueprint,
): { readonly address: Ipv4; readonly port: number } | undefined {
  const network = networks.find(({ subnets }) =>
    subnets.some(({ prefix }) => contains(prefix, to)),
  );
  const subnet = network?.subnets.find(({ prefix }) => contains(prefix, to));
  const leading = (network?.translations ?? []).filter(
    (one) =>
      one.at === "edge" &&
      one.protocol === protocol &&
      one.targets.some(({ port }) => port === toPort),
  );
  return (
    leading.find(({ targets }) => targets.some(({ address }) => address === to)) ??
    leading.find(({ targets }) =>
      targets.some(({ address }) => subnet !== undefined && contains(subnet.prefix, address)),
    )
  );
}

/** In a subnet where nobody stands and nothing is balanced. */
function needsSomebody(address: Ipv4, { hosts, networks }: Blueprint): boolean {
  const inside = networks.some(({ subnets }) =>
    subnets.some(({ prefix }) => contains(prefix, address)),
  );
  const taken =
    hosts.some(({ place }) => place.kind !== "internet" && place.address === address) ||
    networks.some(({ translations }) => translations.some((one) => one.address === address));
  return inside && !taken;
}

function standIn(address: Ipv4, { networks }: Blueprint): Host {
  const network = networks.find(({ prefixes }) =>
    prefixes.some((prefix) => contains(prefix, address)),
  );
  if (network === undefined) return outsider(address, `stand-in-${address.replaceAll(".", "-")}`);
  const subnet = network.subnets.find(({ prefix }) => contains(prefix, address));
  return {
    name: `stand-in-${address.replaceAll(".", "-")}`,
    place:
      subnet === undefined
        ? { kind: "visitor", network: network.id, address }
        : { kind: "subnet", network: network.id, subnet: subnet.id, address },
    role: "Machine",
    forwards: false,
    programs: [],
  };
}

function outsider(address: Ipv4, name: string): Host {
  const place = { kind: "internet", address } as const;
  return { name, place, role: "Endpoint", forwards: false, programs: [] };
}

/** @param port of a receiver: which of several load balancers is meant */
function addressOf(name: string, blueprint: Blueprint, port?: number): Result<Ipv4> {
  if (/^[\d.]+$/.test(name)) return parseIpv4(name);
  const { internet, networks } = blueprint;
  const wanted = name.toLowerCase();
  const balancer = (kind: "edge" | "router") => {
    const all = networks.flatMap(({ translations }) =>
      translations.filter(({ at }) => at === kind),
    );
    return (all.find((one) => one.port === port) ?? all[0])?.address;
  };
  const subnets = networks.flatMap((network) => network.subnets);
  const named: Readonly<Record<string, Ipv4 | undefined>> = {
    internet: internet.clientAddress,
    management: internet.managementAddresses[0],
    appservicemanagement: internet.managementAddresses[0],
    "load-balancer": PLATFORM_ADDRESS as Ipv4,
    azureloadbalancer: PLATFORM_ADDRESS as Ipv4,
    vip: balancer("edge"),
    ilb: balancer("router"),
  };
  const place = placeOf(blueprint, name);
  const host =
    place.ok && place.value.kind === "host"
      ? blueprint.hosts.find((one) => place.value.kind === "host" && one.name === place.value.name)
      : undefined;
  const subnet = subnets.find((one) => one.name.toLowerCase() === wanted);
  const address =
    named[wanted] ??
    host?.place.address ??
    internet.names[wanted] ??
    (subnet === undefined ? undefined : addressAt(subnet.prefix, FIRST_HOST_OFFSET));
  if (address !== undefined) return found(address);
  return declined({
    code: "InvalidPacket",
    what: `"${name}" is neither an IPv4 address nor the name of somebody in this world`,
    fix: `Write an address, a host or place that \`ase hosts\` lists, a subnet, or one of: ${Object.keys(named).join(", ")}.`,
    where: name,
  });
}

function nothingStands(): Problem {
  return {
    code: "TraceNotPossible",
    what: "no world stands yet",
    fix: "Deploy a network first, with `ase up`.",
  };
}
