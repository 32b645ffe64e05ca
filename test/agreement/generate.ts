/**
 * Random small worlds and packets at the corners of their rules, from a seed.
 *
 * Prefixes and ports are drawn from few values that meet at hosts, so that rules overlap, replace
 * each other and end just before or just after a packet. Nothing is sent here.
 */
import {
  type Blueprint,
  type Connections,
  type Endpoint,
  type Host,
  type Network,
  type Peering,
  type Subnet,
  type Translation,
} from "../../src/blueprint/blueprint.ts";
import type { Flow } from "../../src/blueprint/walk.ts";
import type { Random } from "../../src/network/generate.testing.ts";
import type { Cidr, Ipv4 } from "../../src/network/prefix.ts";
import type { Cidr6 } from "../../src/network/prefix6.ts";
import type { NextHop } from "../../src/network/route.ts";
import {
  ANY_PORT,
  defaultRules,
  type AddressMatch,
  type PortRange,
  type SecurityRule,
} from "../../src/network/rule.ts";
import { effectiveRoutes, type SubnetRoutes } from "../../src/network/select-route.ts";

export const PLATFORM = "168.63.129.16" as Ipv4;
export const VIP = "198.18.0.4" as Ipv4;
export const BALANCER = "10.0.1.200" as Ipv4;
export const CLIENT = "203.0.113.10" as Ipv4;
export const NETWORK_ID = "net";
const SPOKE_ID = "spoke";
const SITE_ID = "site";
const PREFIX = "10.0.0.0/16" as Cidr;
const SPOKE_PREFIX = "10.1.0.0/16" as Cidr;
const SPOKE_VIP = "198.18.0.8" as Ipv4;
const SITE_ADDRESS = "198.18.0.9" as Ipv4;
const GATEWAY_SUBNET = 9;
/** Reached by service endpoints where a subnet has them. */
export const SERVICES = "198.51.100.16/28" as Cidr;
const EVERYTHING = "0.0.0.0/0" as Cidr;
const GUARD = "10.0.3.4" as Ipv4;

/** Around the ends of the tags below. */
const OUTSIDE = [
  "203.0.113.7",
  "203.0.113.8",
  CLIENT,
  "203.0.113.50",
  "203.0.113.51",
  "198.51.100.15",
  "198.51.100.16",
  "198.51.100.31",
  "198.51.100.32",
].map((text) => text as Ipv4);
const INSIDE = ["10.0.1.4", "10.0.1.5", "10.0.1.8", "10.0.2.4", "10.0.2.5", GUARD, "10.0.3.5"].map(
  (text) => text as Ipv4,
);
const IN_SPOKE = ["10.1.1.4", "10.1.1.5", "10.1.2.4"].map((text) => text as Ipv4);
const AT_SITE = ["192.168.1.10", "192.168.2.10"].map((text) => text as Ipv4);
const VISITOR = "10.0.255.254" as Ipv4;
const NOBODY = "10.0.2.77" as Ipv4;

const TAGS: Blueprint["tags"] = {
  Near: ["203.0.113.0/29", "203.0.113.50/32"] as Cidr[],
  Far: ["198.51.100.16/28", "203.0.113.8/29", "10.0.2.4/32"] as Cidr[],
};
const PREFIXES = [
  ...[...INSIDE, ...IN_SPOKE, ...AT_SITE, ...OUTSIDE, VIP, BALANCER, PLATFORM].map(
    (address) => `${address}/32`,
  ),
  ...["10.1.0.0/16", "10.1.1.0/24", "192.168.0.0/16", "192.168.1.0/24"],
  ...[
    "10.0.1.4/30",
    "10.0.1.4/31",
    "10.0.1.0/24",
    "10.0.2.0/24",
    "10.0.2.0/23",
    "10.0.0.0/16",
    "10.0.0.0/8",
  ],
  ...[
    "203.0.113.0/24",
    "203.0.113.8/29",
    "198.51.100.0/27",
    "198.18.0.0/15",
    "0.0.0.0/1",
    "128.0.0.0/1",
    "0.0.0.0/0",
  ],
].map((text) => text as Cidr);

/** Ports packets go to, and the ends of ranges in rules; ports they come from are above these. */
const PORTS = [1, 2, 53, 79, 80, 81, 442, 443, 444, 1_000, 1_999, 2_000, 2_001, 29_999];
const ENDS = [0, 1, 53, 80, 443, 1_000, 2_000, 29_999, 65_535];
const SOURCE_PORTS = [31_999, 32_000, 32_001, 32_099, 32_100, 32_101];
const SOURCE_ENDS = [0, 32_000, 32_100, 65_535];

export function randomBlueprint(random: Random, generation: number): Blueprint {
  const joined = randomJoining(random);
  return {
    generation,
    tags: TAGS,
    internet: { clientAddress: CLIENT, managementAddresses: [], names: {} },
    networks: [randomNetwork(random, joined), randomSpoke(random, joined)],
    connections: connectionsOf(random, joined),
    hosts: [
      ...INSIDE.map((address) => insideHost(random, NETWORK_ID, address)),
      ...IN_SPOKE.map((address) => insideHost(random, SPOKE_ID, address)),
      ...(joined.site
        ? AT_SITE.map((address) =>
            host(`host-${address}`, { kind: "site", site: SITE_ID, address }),
          )
        : []),
      host("visitor", { kind: "visitor", network: NETWORK_ID, address: VISITOR }),
      ...OUTSIDE.map((address) => host(`outside-${address}`, { kind: "internet", address })),
      {
        ...host("resolver", { kind: "internet", address: PLATFORM }),
        programs: [endpoint(PLATFORM, 53)],
      },
    ],
  };
}

/** What joins the network with its spoke and a site on premises. */
type Joining = {
  readonly peering: boolean;
  readonly site: boolean;
  /** The spoke reaches the site by the network's gateway. */
  readonly transit: boolean;
  readonly isExpressRoute: boolean;
  /** What the site announces. */
  readonly learned: readonly Cidr[];
  /** The gateway sends there what nobody has. */
  readonly isDefaultSite: boolean;
};

function randomJoining(random: Random): Joining {
  const peering = random.chance(0.8);
  const site = random.chance(0.8);
  const announced = ["0.0.0.0/0", "203.0.113.0/24", "10.0.1.0/24", "10.0.0.0/8"] as Cidr[];
  return {
    peering,
    site,
    transit: peering && site && random.chance(0.6),
    isExpressRoute: random.chance(0.3),
    learned: ["192.168.0.0/16" as Cidr, ...announced.filter(() => random.chance(0.15))],
    isDefaultSite: random.chance(0.5),
  };
}

function connectionsOf(random: Random, joined: Joining): Connections {
  const peering = (from: string, into: string, own: readonly Cidr[]): Peering => ({
    ...{ from, into },
    accepts: random.chance(0.5) ? [EVERYTHING] : own,
  });
  const behind = joined.transit ? joined.learned : [];
  return {
    peerings: joined.peering
      ? [
          peering(NETWORK_ID, SPOKE_ID, [PREFIX, ...behind]),
          peering(SPOKE_ID, NETWORK_ID, [SPOKE_PREFIX]),
        ]
      : [],
    gateways: joined.site
      ? [
          {
            id: "gateway",
            name: "gateway",
            kind: joined.isExpressRoute ? "ExpressRoute" : "Vpn",
            network: NETWORK_ID,
            subnet: `subnet${GATEWAY_SUBNET}`,
            usedBy: [NETWORK_ID, ...(joined.transit ? [SPOKE_ID] : [])],
            advertises: [PREFIX, ...(joined.transit ? [SPOKE_PREFIX] : [])],
            sites: [
              {
                site: SITE_ID,
                prefixes: [...joined.learned, ...(joined.isDefaultSite ? [EVERYTHING] : [])],
              },
            ],
          },
        ]
      : [],
    sites: joined.site
      ? [
          {
            id: SITE_ID,
            name: SITE_ID,
            index: 1,
            prefixes: ["192.168.0.0/16" as Cidr],
            publicAddress: SITE_ADDRESS,
          },
        ]
      : [],
  };
}

function insideHost(random: Random, network: string, address: Ipv4): Host {
  const subnet = `${network === SPOKE_ID ? "spoke" : "subnet"}${address.split(".")[2] ?? ""}`;
  return {
    ...host(`host-${address}`, { kind: "subnet", network, subnet, address }),
    forwards: address === GUARD,
    ...(address === GUARD && random.chance(0.3) ? { translates: true } : {}),
    ...(random.chance(0.25) ? { rules: randomRules(random, 5) } : {}),
  };
}

/** Listens at every port that packets go to. */
function host(name: string, place: Host["place"]): Host {
  const programs = PORTS.map((port) => endpoint(place.address, port));
  return { name, place, role: "Machine", forwards: false, programs };
}

function endpoint(address: Ipv4, port: number): Endpoint {
  return { kind: "endpoint", name: `port ${port}`, service: "dns", address, port };
}

function randomNetwork(random: Random, joined: Joining): Network {
  const known: Known = {
    prefixes: [PREFIX],
    peered: joined.peering ? [{ network: SPOKE_ID, prefixes: [SPOKE_PREFIX] }] : [],
    learned: joined.site ? joined.learned : [],
  };
  return {
    id: NETWORK_ID,
    name: NETWORK_ID,
    index: 1,
    prefixes: [PREFIX],
    routes: effectiveRoutes({ ...known, userRoutes: [] }),
    subnets: [1, 2, 3, GATEWAY_SUBNET].map((index) =>
      randomSubnet(random, index, {
        ...known,
        name: "subnet",
        prefix: `10.0.${index}.0/24` as Cidr,
      }),
    ),
    publicAddresses: [{ address: VIP, sourceOf: [PREFIX] }],
    translations: [
      randomTranslation(random, "edge", 80),
      randomTranslation(random, "edge", 443),
      randomTranslation(random, "router", 80),
    ],
  };
}

/** Without appliances of its own: those of the other network are its. */
function randomSpoke(random: Random, joined: Joining): Network {
  const known: Known = {
    prefixes: [SPOKE_PREFIX],
    peered: joined.peering ? [{ network: NETWORK_ID, prefixes: [PREFIX] }] : [],
    learned: joined.transit ? joined.learned : [],
  };
  return {
    id: SPOKE_ID,
    name: SPOKE_ID,
    index: 2,
    prefixes: [SPOKE_PREFIX],
    routes: effectiveRoutes({ ...known, userRoutes: [] }),
    subnets: [1, 2].map((index) =>
      randomSubnet(random, index, {
        ...known,
        name: "spoke",
        prefix: `10.1.${index}.0/24` as Cidr,
      }),
    ),
    publicAddresses: [{ address: SPOKE_VIP, sourceOf: [SPOKE_PREFIX] }],
    translations: [],
  };
}

function randomTranslation(random: Random, at: Translation["at"], port: number): Translation {
  const address = random.one(INSIDE);
  return {
    at,
    address: at === "edge" ? VIP : BALANCER,
    protocol: random.one(["Tcp", "Udp"] as const),
    port,
    targets: [{ host: `host-${address}`, address, port: random.one([80, 81, 443]) }],
  };
}

type Known = Required<Pick<SubnetRoutes, "prefixes" | "peered" | "learned">>;

function randomSubnet(
  random: Random,
  index: number,
  { name, prefix, ...known }: Known & { readonly name: string; readonly prefix: Cidr },
): Subnet {
  const userRoutes = Array.from(
    { length: random.chance(0.5) ? 0 : 1 + random.below(3) },
    (_, at) => ({
      name: `route${at}`,
      prefix: random.one(PREFIXES),
      nextHop: randomHop(random),
      table: "table",
    }),
  );
  return {
    id: `${name}${index}`,
    name: `${name}${index}`,
    index,
    prefix,
    virtualNetwork: random.chance(0.7) ? [PREFIX] : [PREFIX, random.one(PREFIXES)],
    flushConnection: false,
    ...(random.chance(0.75) ? { rules: randomRules(random, 14) } : {}),
    routes: effectiveRoutes({
      ...known,
      endpoints: random.chance(0.3) ? [{ service: "Far", prefixes: [SERVICES] }] : [],
      userRoutes,
      learned: random.chance(0.2) ? [] : known.learned,
    }),
  };
}

function randomRules(random: Random, most: number): readonly SecurityRule[] {
  const rules = Array.from({ length: random.below(most) }, (_, at) => randomRule(random, 100 + at));
  return [...rules, ...defaultRules("group")].sort(inOrder);
}

function inOrder(a: SecurityRule, b: SecurityRule): number {
  return a.direction === b.direction ? a.priority - b.priority : a.direction < b.direction ? -1 : 1;
}

function randomHop(random: Random): NextHop {
  const kind = random.one([
    "VnetLocal",
    "Internet",
    "None",
    "VirtualAppliance",
    "VirtualAppliance",
    "VirtualNetworkGateway",
  ] as const);
  return kind === "VirtualAppliance"
    ? { kind, address: random.one([GUARD, GUARD, GUARD, NOBODY, "10.0.3.5" as Ipv4]) }
    : { kind };
}

function randomRule(random: Random, priority: number): SecurityRule {
  const anyPort = random.chance(0.4);
  return {
    name: `rule${priority}`,
    group: "group",
    origin: "user",
    priority,
    direction: random.one(["Inbound", "Outbound"]),
    access: random.one(["Allow", "Deny"]),
    protocol: random.one(["Tcp", "Udp", "*", "*", "Icmp"]),
    sources: randomMatches(random),
    sourcePorts: random.chance(0.8) ? [ANY_PORT] : [randomRange(random, SOURCE_ENDS)],
    destinations: randomMatches(random),
    destinationPorts: anyPort
      ? [ANY_PORT]
      : Array.from({ length: 1 + random.below(3) }, () => randomRange(random, ENDS)),
  };
}

function randomMatches(random: Random): readonly AddressMatch[] {
  return Array.from({ length: random.chance(0.7) ? 1 : 2 }, (): AddressMatch => {
    switch (random.below(8)) {
      case 0:
      case 1:
        return { kind: "any" };
      case 2:
        return {
          kind: "tag",
          tag: random.one(["VirtualNetwork", "Internet", "AzureLoadBalancer", "AzurePlatformDNS"]),
        };
      case 3:
        return { kind: "tag", tag: random.one(["Near", "Far"]) };
      case 4:
        return random.chance(0.5)
          ? { kind: "prefix6", prefix: "2001:db8::/32" as Cidr6 }
          : { kind: "asg", id: "asg", addresses: [random.one(INSIDE), random.one(INSIDE)] };
      default:
        return { kind: "prefix", prefix: random.one(PREFIXES) };
    }
  });
}

function randomRange(random: Random, ends: readonly number[]): PortRange {
  const [one, other] = [random.one(ends), random.one(ends)];
  return random.chance(0.3)
    ? { low: one, high: one }
    : { low: Math.min(one, other), high: Math.max(one, other) };
}

/** No two of them could be taken for parts of one flow, before or after a translation. */
export function randomFlows(random: Random, blueprint: Blueprint, count: number): readonly Flow[] {
  const standing = new Set(blueprint.hosts.map(({ name }) => name));
  const flows: Flow[] = [];
  const taken = new Set<string>();
  const fresh = (...keys: readonly string[]) => {
    if (keys.some((key) => taken.has(key))) return false;
    for (const key of keys) taken.add(key);
    return true;
  };
  for (let attempt = 0; flows.length < count && attempt < 20 * count; attempt += 1) {
    const from = randomStart(random);
    const to = random.one([
      ...INSIDE,
      ...INSIDE,
      ...IN_SPOKE,
      ...IN_SPOKE,
      ...AT_SITE,
      ...AT_SITE,
      ...OUTSIDE,
      SITE_ADDRESS,
      VIP,
      VIP,
      VIP,
      BALANCER,
      BALANCER,
      PLATFORM,
      VISITOR,
      NOBODY,
    ]);
    const protocol = random.one(["Tcp", "Udp"] as const);
    const fromPort = random.chance(0.3) ? random.one(SOURCE_PORTS) : 40_000 + random.below(20_000);
    const toPort =
      to === VIP || to === BALANCER ? random.one([80, 443, 80, 81]) : random.one(PORTS);
    const address = addressOf(from);
    if (from.kind === "host" && !standing.has(from.name)) continue;
    if (address === to || (from.kind === "internet" && OUTSIDE.includes(to))) continue;
    // One namespace holds a whole site: what stays there meets nothing.
    if (AT_SITE.includes(address) && AT_SITE.includes(to)) continue;
    if (from.kind === "load-balancer" && (OUTSIDE.includes(to) || to === VIP || to === BALANCER))
      continue;
    if (!fresh(`${protocol} ${address} ${fromPort}`, `${protocol} ${fromPort} ${toPort}`)) continue;
    flows.push({ from, to, protocol, fromPort, toPort });
  }
  return flows;
}

function randomStart(random: Random): Flow["from"] {
  const chosen = random.below(10);
  if (chosen === 0) return { kind: "load-balancer", network: NETWORK_ID };
  if (chosen === 1) return { kind: "host", name: "visitor" };
  if (chosen < 4) return { kind: "internet", address: random.one(OUTSIDE) };
  if (chosen === 4) return { kind: "host", name: `host-${random.one(IN_SPOKE)}` };
  if (chosen === 5) return { kind: "host", name: `host-${random.one(AT_SITE)}` };
  return { kind: "host", name: `host-${random.one(INSIDE)}` };
}

export function addressOf(from: Flow["from"]): Ipv4 {
  switch (from.kind) {
    case "internet":
      return from.address;
    case "load-balancer":
      return PLATFORM;
    case "host":
      return from.name === "visitor" ? VISITOR : (from.name.replace("host-", "") as Ipv4);
  }
}
