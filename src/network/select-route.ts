/**
 * Which routes a subnet has, and which one a packet takes.
 *
 * The platform's own, what gateways learned, the user's over them on the same prefix. Which of
 * several covering routes comes first is decided in routes.ts.
 *
 * @article Routes
 */
import { contains, encloses, parseCidr, prefixLength, type Cidr, type Ipv4 } from "./prefix.ts";
import type { NextHop, Route } from "./route.ts";
import { isEndpoint, isOwnSpace, preferred } from "./routes.ts";

export type UserRoute = {
  readonly name: string;
  readonly prefix: Cidr;
  readonly nextHop: NextHop;
  /** Resource id of the route table. */
  readonly table: string;
  /** The service tag it was written with. */
  readonly tag?: string;
};

/** Private and shared space that leads nowhere, unless the network has all of one. */
const NOWHERE = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"].map(literal);
const EVERYWHERE = literal("0.0.0.0/0");

export type SubnetRoutes = {
  /** Address space of the virtual network. */
  readonly prefixes: readonly Cidr[];
  readonly userRoutes: readonly UserRoute[];
  readonly peered?: readonly { readonly network: string; readonly prefixes: readonly Cidr[] }[];
  /** What gateways were told, statically or by BGP; not those whose propagation is off. */
  readonly learned?: readonly Cidr[];
  /** Services enabled on the subnet, and where they are. */
  readonly endpoints?: readonly { readonly service: string; readonly prefixes: readonly Cidr[] }[];
};

/** All routes of a subnet; those that another one of the same prefix replaces are `Invalid`. */
export function effectiveRoutes(of: SubnetRoutes): readonly Route[] {
  const { prefixes, userRoutes, peered = [], learned = [], endpoints = [] } = of;
  const inside = [...prefixes, ...peered.flatMap((other) => other.prefixes)];
  const system = (name: string, prefix: Cidr, nextHop: NextHop): Omit<Route, "state"> => ({
    name,
    source: "Default",
    prefix,
    nextHop,
  });
  const written = [
    ...endpoints.flatMap(({ service, prefixes: own }) =>
      own.map((prefix) =>
        system(service, prefix, { kind: "VirtualNetworkServiceEndpoint", service }),
      ),
    ),
    ...[...userRoutes]
      .sort((a, b) => tagRank(a) - tagRank(b))
      .map((route) => ({ ...route, source: "User" as const })),
    ...peered.flatMap(({ network, prefixes: own }) =>
      own.map((prefix) => system(`system ${prefix}`, prefix, { kind: "VNetPeering", network })),
    ),
    ...prefixes.map((prefix) => system(`system ${prefix}`, prefix, { kind: "VnetLocal" })),
    ...learned.map((prefix): Omit<Route, "state"> => ({
      name: `learned ${prefix}`,
      source: "VirtualNetworkGateway",
      prefix,
      nextHop: { kind: "VirtualNetworkGateway" },
    })),
    system(`system ${EVERYWHERE}`, EVERYWHERE, { kind: "Internet" }),
    ...NOWHERE.filter((space) => !inside.some((prefix) => encloses(prefix, space))).map((prefix) =>
      system(`system ${prefix}`, prefix, { kind: "None" }),
    ),
  ];
  // The first of a prefix counts: they were written in the order of precedence.
  const seen = new Set<string>();
  const routes = written.map((route): Route => {
    const state = seen.has(route.prefix) ? "Invalid" : "Active";
    seen.add(route.prefix);
    return { ...route, state };
  });
  // Listed as Azure does: its own, then what was learned, then the user's.
  return (["Default", "VirtualNetworkGateway", "User"] as const).flatMap((source) =>
    routes.filter((route) => route.source === source),
  );
}

/** A prefix that is written out comes before tags; of those the narrower: region, then service. */
function tagRank({ tag }: UserRoute): number {
  if (tag === undefined) return 0;
  const isCloud = /^AzureCloud(\.|$)/i.test(tag);
  return 1 + (isCloud ? 2 : 0) + (tag.includes(".") ? 0 : 1);
}

/** The route a packet takes; undefined: no route at all. Precedence is in routes.ts. */
export function selectRoute(routes: readonly Route[], address: Ipv4): Route | undefined {
  return preferred(
    routes
      .filter(({ state, prefix }) => state === "Active" && contains(prefix, address))
      .sort((a, b) => prefixLength(a.prefix) - prefixLength(b.prefix)),
  );
}

/**
 * Active routes without those that no packet takes: what a gateway learned inside the network's
 * or a peer's own space, and anything inside a service endpoint's. For tables that know nothing
 * but the longest prefix.
 */
export function carryingRoutes(routes: readonly Route[]): readonly Route[] {
  const active = routes.filter(({ state }) => state === "Active");
  const endpoints = active.filter(isEndpoint);
  const space = active.filter(isOwnSpace);
  const within = (outer: readonly Route[], { prefix }: Route) =>
    outer.some((one) => encloses(one.prefix, prefix));
  return active.filter(
    (route) =>
      isEndpoint(route) ||
      !(
        within(endpoints, route) ||
        (route.source === "VirtualNetworkGateway" && within(space, route))
      ),
  );
}

/** In space that no public address lies in. */
export function isPrivate(address: Ipv4): boolean {
  return NOWHERE.some((space) => contains(space, address));
}

function literal(text: string): Cidr {
  const parsed = parseCidr(text);
  if (!parsed.ok) throw new Error(`broken promise: ${text} is a prefix`);
  return parsed.value;
}
