/**
 * Which routes of a subnet count, and which one a packet takes.
 *
 * System routes, user routes over them on the same prefix, longest prefix first. Routes learned
 * from a gateway come with the gateway.
 *
 * @article Routes
 */
import { contains, encloses, parseCidr, prefixLength, type Cidr, type Ipv4 } from "./prefix.ts";
import type { NextHop, Route } from "./route.ts";

export type UserRoute = {
  readonly name: string;
  readonly prefix: Cidr;
  readonly nextHop: NextHop;
  /** Resource id of the route table. */
  readonly table: string;
};

/** Private and shared space that leads nowhere, unless the network has all of one. */
const NOWHERE = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"].map(literal);
const EVERYWHERE = literal("0.0.0.0/0");

/** All routes of a subnet; those that another one of the same prefix replaces are `Invalid`. */
export function effectiveRoutes(of: {
  /** Address space of the virtual network. */
  readonly prefixes: readonly Cidr[];
  readonly userRoutes: readonly UserRoute[];
}): readonly Route[] {
  const system: readonly { readonly prefix: Cidr; readonly nextHop: NextHop }[] = [
    ...of.prefixes.map((prefix) => ({ prefix, nextHop: { kind: "VnetLocal" } as const })),
    { prefix: EVERYWHERE, nextHop: { kind: "Internet" } },
    ...NOWHERE.filter((space) => !of.prefixes.some((prefix) => encloses(prefix, space))).map(
      (prefix) => ({
        prefix,
        nextHop: { kind: "None" } as const,
      }),
    ),
  ];
  const seen = new Set<string>();
  const users = of.userRoutes.map((route): Route => {
    const state = seen.has(route.prefix) ? "Invalid" : "Active";
    seen.add(route.prefix);
    return { ...route, source: "User", state };
  });
  const defaults = system.map(({ prefix, nextHop }): Route => ({
    name: `system ${prefix}`,
    source: "Default",
    prefix,
    nextHop,
    state: seen.has(prefix) ? "Invalid" : "Active",
  }));
  return [...defaults, ...users];
}

/** The active route with the longest prefix; undefined: no route at all. */
export function selectRoute(routes: readonly Route[], address: Ipv4): Route | undefined {
  return routes
    .filter(({ state, prefix }) => state === "Active" && contains(prefix, address))
    .reduce<Route | undefined>(
      (best, route) =>
        best === undefined || prefixLength(best.prefix) < prefixLength(route.prefix) ? route : best,
      undefined,
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
