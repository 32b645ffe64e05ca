/**
 * Where each address goes: the whole address space, parted by the routes of one subnet.
 *
 * Precedence is decided here for many addresses at once, from routes that are given; which routes
 * a subnet has is decided in select-route.ts.
 *
 * @article Routes
 */
import { RANGES4, type AddressSet } from "./address-set.ts";
import { prefixLength, rangeOf, type AddressRange } from "./prefix.ts";
import type { NextHop, Route } from "./route.ts";

export type NextHopPart = {
  readonly route: Route;
  readonly nextHop: NextHop;
  readonly to: AddressSet;
};

/** One entry for each route that any address takes; addresses without a route are in none. */
export function partitionByNextHop(routes: readonly Route[]): readonly NextHopPart[] {
  const parts = new Map<Route, AddressRange[]>();
  const give = (covering: readonly Placed[], low: number, high: number) => {
    const route = preferred(covering.map(({ route }) => route));
    if (route === undefined || high < low) return;
    const ranges = parts.get(route) ?? [];
    ranges.push({ low, high });
    parts.set(route, ranges);
  };
  // Prefixes lie inside each other or apart: those that cover a point are a stack.
  const stack: Placed[] = [];
  let next = 0;
  const leave = (before: number) => {
    for (let top = stack.at(-1); top !== undefined && top.high < before; top = stack.at(-1)) {
      give(stack, next, top.high);
      next = top.high + 1;
      stack.pop();
    }
  };
  for (const placed of inOrder(routes)) {
    leave(placed.low);
    give(stack, next, placed.low - 1);
    next = placed.low;
    stack.push(placed);
  }
  leave(2 ** 32);
  return [...parts].map(([route, ranges]) => ({
    route,
    nextHop: route.nextHop,
    to: { v4: RANGES4.normal(ranges), v6: [] },
  }));
}

/**
 * Which of several routes that all cover an address it takes.
 *
 * The longest prefix; of equal ones a user's before a learned before a system one. But a service
 * endpoint's route comes before all, and what a gateway learned never comes before the network's
 * own space or a peering, however long its prefix.
 *
 * @param covering shortest prefix first
 */
export function preferred(covering: readonly Route[]): Route | undefined {
  const endpoint = covering.findLast(isEndpoint);
  if (endpoint !== undefined) return endpoint;
  const ownSpace = covering.some(isOwnSpace);
  return covering
    .filter(({ source }) => !(ownSpace && source === "VirtualNetworkGateway"))
    .reduce<Route | undefined>((best, route) => {
      const longer =
        best === undefined ? 1 : prefixLength(route.prefix) - prefixLength(best.prefix);
      if (longer !== 0) return 0 < longer ? route : best;
      return best !== undefined && strength(best) <= strength(route) ? best : route;
    }, undefined);
}

function strength({ source }: Route): number {
  return ["User", "VirtualNetworkGateway", "Default"].indexOf(source);
}

export function isEndpoint({ nextHop }: Route): boolean {
  return nextHop.kind === "VirtualNetworkServiceEndpoint";
}

export function isOwnSpace({ source, nextHop: { kind } }: Route): boolean {
  return source === "Default" && (kind === "VnetLocal" || kind === "VNetPeering");
}

type Placed = AddressRange & { readonly route: Route };

function inOrder(routes: readonly Route[]): readonly Placed[] {
  return routes
    .filter(({ state }) => state === "Active")
    .map((route) => ({ ...rangeOf(route.prefix), route }))
    .sort((a, b) => a.low - b.low || b.high - a.high);
}
