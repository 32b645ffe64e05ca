/**
 * Routing tables of one router: routes of a subnet as the kernel has them.
 *
 * The kernel knows nothing but the longest prefix, so that only routes that carry something are
 * put. Which link leads where is asked of the router; who puts what, and when, is in router.ts.
 */
import { encloses, type Cidr, type Ipv4 } from "../../../network/prefix.ts";
import type { Route } from "../../../network/route.ts";
import { carryingRoutes, selectRoute } from "../../../network/select-route.ts";
import { hostPrefix, type KernelRoute, type Rtnetlink } from "./netlink.ts";

/** Links that routes may lead to; undefined: there is none now. */
export type Ways = {
  readonly edge: number;
  /** To services, past the edge. */
  readonly services: () => number;
  /** Address space of the network. */
  readonly prefixes: readonly Cidr[];
  readonly appliance: (
    address: Ipv4,
  ) => { readonly link: number; readonly forwards: boolean } | undefined;
  readonly peer: (network: string) => number | undefined;
  readonly gateway: (source: Route["source"]) => number | undefined;
};

export class RoutingTables {
  readonly #routes: Rtnetlink;
  readonly #standing = new Map<number, readonly KernelRoute[]>();

  constructor(routes: Rtnetlink) {
    this.#routes = routes;
  }

  /** Packets with the table's number as mark look into it first. */
  put(table: number, written: readonly Route[], ways: Ways): void {
    const known = this.#standing.get(table);
    const carrying = carryingRoutes(written);
    const routes = carrying.flatMap((route) => [
      kernelRoute(route, table, ways),
      ...toApplianceItself(carrying, route, table, ways),
    ]);
    for (const route of routes) this.#routes.putRoute(route);
    for (const old of known ?? [])
      if (!routes.some(({ prefix }) => prefix === old.prefix)) this.#routes.removeRoute(old);
    if (known === undefined) this.#routes.addRule({ mark: table, table, priority: table });
    this.#routes.flush(["ESRCH"]);
    this.#standing.set(table, routes);
  }

  remove(table: number): void {
    for (const route of this.#standing.get(table) ?? []) this.#routes.removeRoute(route);
    this.#routes.removeRule({ mark: table, table, priority: table });
    this.#routes.flush(["ESRCH", "ENOENT"]);
    this.#standing.delete(table);
  }

  has(table: number): boolean {
    return this.#standing.has(table);
  }
}

function kernelRoute({ prefix, nextHop, source }: Route, table: number, ways: Ways): KernelRoute {
  const none = { prefix, table };
  const by = (link: number | undefined): KernelRoute =>
    link === undefined ? { ...none, kind: "unreachable" } : { ...none, kind: "unicast", link };
  switch (nextHop.kind) {
    case "VnetLocal":
      // On to the main table, which knows every host; space that is not the network's is nowhere.
      return ways.prefixes.some((own) => encloses(own, prefix) || encloses(prefix, own))
        ? { ...none, kind: "throw" }
        : { ...none, kind: "unreachable" };
    case "Internet":
      return by(ways.edge);
    case "None":
      return { ...none, kind: "blackhole" };
    case "VNetPeering":
      return by(ways.peer(nextHop.network));
    case "VirtualNetworkServiceEndpoint":
      return by(ways.services());
    case "VirtualNetworkGateway":
      return by(ways.gateway(source));
    case "VirtualAppliance": {
      const appliance = ways.appliance(nextHop.address);
      const itself = prefix === hostPrefix(nextHop.address);
      return by(appliance?.forwards === true || itself ? appliance?.link : undefined);
    }
  }
}

/** A host that does not forward is reached by routes through it nevertheless: itself, nobody else. */
function toApplianceItself(
  carrying: readonly Route[],
  route: Route,
  table: number,
  ways: Ways,
): readonly KernelRoute[] {
  const { nextHop } = route;
  if (nextHop.kind !== "VirtualAppliance") return [];
  if (selectRoute(carrying, nextHop.address) !== route) return [];
  const prefix = hostPrefix(nextHop.address);
  const appliance = ways.appliance(nextHop.address);
  if (appliance === undefined || appliance.forwards || prefix === route.prefix) return [];
  return [{ prefix, table, kind: "unicast", link: appliance.link }];
}
