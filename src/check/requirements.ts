/**
 * The flows of environment/flows.ts as they are for one environment in its network: which packets,
 * by which gates and routes. Judging them is in prove-flow.ts.
 *
 * @article ASE dependencies
 */
import type { Blueprint, Network, Subnet, Translation } from "../blueprint/blueprint.ts";
import { isInternal, REQUIRED_FLOWS, type RequiredFlow } from "../environment/flows.ts";
import type { LoadBalancingMode } from "../environment/kind.ts";
import {
  differenceOf,
  isEmpty,
  setOfAddresses,
  setOfPrefixes,
  type AddressSet,
} from "../network/address-set.ts";
import { boxOf, PORTS, type PacketBox } from "../network/packet-set.ts";
import { contains, prefixLength, type Ipv4 } from "../network/prefix.ts";
import { ANY_PORT, PROTOCOLS, type AddressMatch, type PortRange } from "../network/rule.ts";
import { PLATFORM, publicAddresses, setOfSubnet } from "./named-sets.ts";
import { join, wayBack, wayIn, wayOut, type At, type Way } from "./way.ts";

/** Where an environment stands, and what the proofs of its flows need to know beside. */
export type Ground = {
  readonly blueprint: Blueprint;
  readonly network: Network;
  readonly subnet: Subnet;
  readonly mode: LoadBalancingMode;
  /** Declared DNS servers of the network; empty: the platform's resolver alone. */
  readonly dnsServers: readonly Ipv4[];
  /** IPv4 addresses of a published tag, whether a rule names it or not. */
  readonly tag: (name: string) => AddressSet;
  /** Translations to hosts of this environment. */
  readonly translations: readonly Translation[];
};

export type Requirement = {
  /** `flow/keep-alive`, `reply/management`. */
  readonly id: string;
  readonly title: string;
  readonly flow: RequiredFlow;
  readonly way: Way;
  /** Both ends as a rule would name them, to write a fix. */
  readonly ends: { readonly from: readonly AddressMatch[]; readonly to: readonly AddressMatch[] };
};

/** Commands and monitoring come from the same addresses to neighbouring ports: one rule, one proof. */
const PROVED_FLOWS: readonly RequiredFlow[] = REQUIRED_FLOWS.flatMap((flow) => {
  if (flow.from !== "management-addresses") return [flow];
  const all = REQUIRED_FLOWS.filter(({ from }) => from === flow.from);
  if (flow !== all[0]) return [];
  return [
    {
      ...flow,
      id: "management",
      title: all.map(({ title }) => title).join(", "),
      ports: PORTS.normal(all.flatMap(({ ports }) => ports)),
    },
  ];
});

type Ends = { readonly set: AddressSet; readonly match: readonly AddressMatch[] };

export function requirementsOf(ground: Ground): readonly Requirement[] {
  return [
    ...PROVED_FLOWS.flatMap((flow) => flowRequirement(ground, flow)),
    ...addressRequirements(ground),
    ...replyRequirements(ground),
  ];
}

function flowRequirement(ground: Ground, flow: RequiredFlow): readonly Requirement[] {
  const [from, to] = [endOf(ground, flow, flow.from), endOf(ground, flow, flow.to)];
  if (isEmpty(from.set) || isEmpty(to.set)) return [];
  return [
    {
      id: `flow/${flow.id}`,
      title: flow.title,
      flow,
      way: wayOf(ground, flow, packetsOf(flow, from.set, to.set)),
      ends: { from: from.match, to: to.match },
    },
  ];
}

function packetsOf(flow: RequiredFlow, from: AddressSet, to: AddressSet): PacketBox {
  return boxOf({
    from,
    to,
    protocols: flow.protocol === "*" ? PROTOCOLS : [flow.protocol],
    toPorts: flow.ports,
  });
}

function wayOf(ground: Ground, flow: RequiredFlow, packets: PacketBox): Way {
  const { blueprint } = ground;
  if (flow.direction === "Inbound" && flow.from !== "subnet") return wayIn(ground, packets);
  switch (flow.to) {
    // The platform's address is reached from everywhere; no route leads there.
    case "platform-resolver":
      return {
        ...wayIn(ground, packets),
        legs: [{ ...at(ground), direction: "Outbound", packets }],
      };
    case "network-resolvers":
      return join([wayOut(blueprint, ground, packets), ...repliesOfNeighbours(ground, packets)]);
    // What stands elsewhere has gates of its own; those are not the environment's matter.
    case "network": {
      const way = wayOut(blueprint, ground, packets);
      return { ...way, legs: way.legs.filter(({ subnet }) => subnet === ground.subnet) };
    }
    default:
      return wayOut(blueprint, ground, packets);
  }
}

/** Replies of hosts in other subnets back to the environment. */
function repliesOfNeighbours(ground: Ground, packets: PacketBox): readonly Way[] {
  return ground.network.subnets
    .filter(
      ({ prefix, id }) =>
        id !== ground.subnet.id && ground.dnsServers.some((server) => contains(prefix, server)),
    )
    .map((subnet) =>
      wayBack(ground.blueprint, { network: ground.network, subnet }, packets, "inside"),
    );
}

function endOf(ground: Ground, flow: RequiredFlow, end: RequiredFlow["from"]): Ends {
  const { subnet, network } = ground;
  const tag = (name: string): Ends => ({
    set: ground.tag(name),
    match: [{ kind: "tag", tag: name }],
  });
  const own: Ends = {
    set: setOfSubnet(subnet),
    match: [{ kind: "prefix", prefix: subnet.prefix }],
  };
  const anybody: Ends = { set: publicAddresses(network), match: [{ kind: "any" }] };
  switch (end) {
    case "management-addresses":
      return tag("AppServiceManagement");
    case "sql":
      return tag("Sql");
    case "load-balancer":
      return { set: PLATFORM, match: [{ kind: "tag", tag: "AzureLoadBalancer" }] };
    case "platform-resolver":
      return { set: PLATFORM, match: [{ kind: "tag", tag: "AzurePlatformDNS" }] };
    case "subnet":
    // What arrives at the VIP or at the load balancer goes on to hosts of the subnet.
    case "vip":
    case "apps":
      return own;
    case "internet":
      return anybody;
    case "clients":
      return isInternal(flow, ground.mode) ? insideOf(ground) : anybody;
    case "network-resolvers":
      return {
        set: setOfAddresses(ground.dnsServers),
        match: ground.dnsServers.map((server) => ({
          kind: "prefix",
          prefix: `${server}/32` as Subnet["prefix"],
        })),
      };
    case "network": {
      const inside = insideOf(ground);
      return { ...inside, set: differenceOf(inside.set, own.set) };
    }
  }
}

/** The virtual network with what is connected to it. */
function insideOf({ network, subnet }: Ground): Ends {
  const connected = subnet.routes
    .filter(({ source, nextHop }) => source !== "User" && !OUTSIDE.includes(nextHop.kind))
    .map(({ prefix }) => prefix)
    .filter((prefix) => prefixLength(prefix) > 0);
  return {
    set: setOfPrefixes([...network.prefixes, ...connected]),
    match: [{ kind: "tag", tag: "VirtualNetwork" }],
  };
}

/** Next hops that lead to nobody inside. */
const OUTSIDE: readonly string[] = ["Internet", "None", "VirtualNetworkServiceEndpoint"];

/**
 * Addresses of single apps: the pair of ports inside the subnet that each of them takes.
 *
 * @article App-assigned IP addresses
 */
function addressRequirements(ground: Ground): readonly Requirement[] {
  const vips = new Set(
    ground.translations
      .filter(({ port, targets }) => targets.every((target) => target.port === port))
      .map(({ address }) => address),
  );
  const ports = ground.translations
    .filter(({ address }) => !vips.has(address))
    .flatMap(({ targets }) => targets.map(({ port }) => port));
  if (ports.length === 0) return [];
  const flow: RequiredFlow = {
    id: "app-addresses",
    title: "addresses of single apps",
    heading: "App-assigned IP addresses",
    direction: "Inbound",
    from: "clients",
    to: "apps",
    protocol: "Tcp",
    ports: [...new Set(ports)]
      .sort((a, b) => a - b)
      .map((port): PortRange => ({ low: port, high: port })),
    grade: "app",
    consequence: "the apps that have an address of their own are not reached at it",
  };
  return flowRequirement(ground, flow);
}

/** What comes in from outside must go back out where it came in. */
function replyRequirements(ground: Ground): readonly Requirement[] {
  const management = PROVED_FLOWS.filter(({ from }) => from === "management-addresses");
  const apps = PROVED_FLOWS.filter(({ to }) => to === "apps");
  const inside = apps.filter((flow) => isInternal(flow, ground.mode));
  return [
    ...reply(ground, "reply/management", "replies to management", management, "edge"),
    ...reply(
      ground,
      "reply/clients",
      "replies to users of the apps",
      apps.filter((flow) => !inside.includes(flow)),
      "edge",
    ),
    ...reply(
      ground,
      "reply/clients-inside",
      "replies to users in the virtual network",
      inside,
      "inside",
    ),
  ];
}

function reply(
  ground: Ground,
  id: string,
  title: string,
  flows: readonly RequiredFlow[],
  cameBy: "edge" | "inside",
): readonly Requirement[] {
  const [first] = flows;
  if (first === undefined) return [];
  const ports = PORTS.normal(flows.flatMap((flow) => flow.ports));
  const [from, to] = [endOf(ground, first, first.from), endOf(ground, first, first.to)];
  if (isEmpty(from.set)) return [];
  const asymmetric = "the path is asymmetric: connections are never established";
  const { sources: _, ...rest } = first;
  const flow: RequiredFlow = {
    ...rest,
    ...{ id: id.replace("/", "-"), title, ports },
    consequence: `${asymmetric}; ${first.consequence}`,
  };
  const way = wayBack(
    ground.blueprint,
    ground,
    boxOf({
      from: from.set,
      to: to.set,
      protocols: ["Tcp"],
      fromPorts: [ANY_PORT],
      toPorts: ports,
    }),
    cameBy,
  );
  return [{ id, title, flow, way, ends: { from: from.match, to: to.match } }];
}

function at({ network, subnet }: At): At {
  return { network, subnet };
}
