/**
 * Who stands where in a blueprint, and where a packet goes next from a place.
 *
 * Look-ups only: one packet's whole way is walked in walk.ts, its reply's in walk-reply.ts.
 */
import { contains, prefixLength, type Cidr, type Ipv4 } from "../network/prefix.ts";
import type { Route } from "../network/route.ts";
import { selectRoute } from "../network/select-route.ts";
import type { Blueprint, Gateway, Host, Network, Peering, Site, Subnet } from "./blueprint.ts";

/** Where a route leads, with everything it needs found. */
export type Onward =
  | { readonly kind: "local" }
  | { readonly kind: "peer"; readonly network: Network; readonly peering: Peering }
  /** In its own network or in a peer; `host` may not forward. */
  | {
      readonly kind: "appliance";
      readonly network: Network;
      readonly subnet: Subnet;
      readonly host: Host;
      /** From one network into the other, where they differ. */
      readonly peering?: Peering;
    }
  | { readonly kind: "edge" }
  | { readonly kind: "gateway"; readonly gateway: Gateway; readonly peering?: Peering }
  /** To a service by the subnet's own endpoint: past the edge, with the private address. */
  | { readonly kind: "service"; readonly service: string }
  | { readonly kind: "nowhere"; readonly because?: string };

export class Topology {
  readonly blueprint: Blueprint;

  constructor(blueprint: Blueprint) {
    this.blueprint = blueprint;
  }

  network(id: string): Network | undefined {
    return this.blueprint.networks.find((network) => network.id === id);
  }

  host(name: string): Host | undefined {
    return this.blueprint.hosts.find((host) => host.name === name);
  }

  hostAt(network: Network, address: Ipv4): Host | undefined {
    return this.blueprint.hosts.find(
      ({ place }) =>
        "network" in place && place.network === network.id && place.address === address,
    );
  }

  outside(address: Ipv4): Host | undefined {
    return this.blueprint.hosts.find(
      ({ place }) => place.kind === "internet" && place.address === address,
    );
  }

  atSite({ id }: Site, address: Ipv4): Host | undefined {
    return this.blueprint.hosts.find(
      ({ place }) => place.kind === "site" && place.site === id && place.address === address,
    );
  }

  site(id: string): Site | undefined {
    return this.blueprint.connections.sites.find((site) => site.id === id);
  }

  /** From one network into another; undefined: they are not connected. */
  peering(from: string, into: string): Peering | undefined {
    return this.blueprint.connections.peerings.find(
      (peering) => peering.from === from && peering.into === into,
    );
  }

  /** To whom a gateway sends an address. */
  siteBehind(gateway: Gateway, address: Ipv4): Site | undefined {
    const best = longest(
      gateway.sites.flatMap(({ site, prefixes }) => prefixes.map((prefix) => ({ prefix, site }))),
      address,
    );
    return best && this.site(best.site);
  }

  /**
   * Where a packet comes in that a site sends to an address; undefined: it stays there or goes to
   * the internet.
   */
  inBySite(
    site: Site,
    address: Ipv4,
  ):
    | { readonly gateway: Gateway; readonly network: Network; readonly subnet: Subnet | undefined }
    | undefined {
    const ways = this.blueprint.connections.gateways
      .filter(({ sites }) => sites.some((one) => one.site === site.id))
      .flatMap((gateway) => gateway.advertises.map((prefix) => ({ prefix, gateway })));
    const gateway = longest(ways, address)?.gateway;
    const network = gateway && this.network(gateway.network);
    if (gateway === undefined || network === undefined) return undefined;
    return { gateway, network, subnet: network.subnets.find(({ id }) => id === gateway.subnet) };
  }

  /** @param subnet whose routes count; undefined: of those who stand in no subnet */
  onward(
    network: Network,
    subnet: Subnet | undefined,
    to: Ipv4,
  ): { readonly route: Route | undefined; readonly onward: Onward } {
    const route = selectRoute(subnet?.routes ?? network.routes, to);
    return { route, onward: route === undefined ? { kind: "nowhere" } : this.#by(network, route) };
  }

  #by(network: Network, route: Route): Onward {
    const { nextHop } = route;
    switch (nextHop.kind) {
      case "VnetLocal":
        return { kind: "local" };
      case "Internet":
        return { kind: "edge" };
      case "None":
        return { kind: "nowhere" };
      case "VirtualNetworkServiceEndpoint":
        return { kind: "service", service: nextHop.service };
      case "VNetPeering": {
        const peer = this.network(nextHop.network);
        const peering = this.peering(network.id, nextHop.network);
        if (peer === undefined || peering === undefined)
          return { kind: "nowhere", because: "the peering is not connected" };
        return { kind: "peer", network: peer, peering };
      }
      case "VirtualAppliance":
        return this.#appliance(network, nextHop.address);
      case "VirtualNetworkGateway":
        return this.#gateway(network, route);
    }
  }

  #appliance(network: Network, address: Ipv4): Onward {
    const peerings = this.blueprint.connections.peerings.filter(({ from }) => from === network.id);
    const networks = [
      { near: network },
      ...peerings.flatMap((peering) => {
        const near = this.network(peering.into);
        return near?.prefixes.some((prefix) => contains(prefix, address))
          ? [{ near, peering }]
          : [];
      }),
    ];
    for (const { near, ...by } of networks) {
      const host = this.hostAt(near, address);
      const subnet = host && subnetOf(near, host);
      if (host !== undefined && subnet !== undefined)
        return { kind: "appliance", network: near, subnet, host, ...by };
    }
    return { kind: "nowhere", because: "no host has that address" };
  }

  #gateway(network: Network, { source }: Route): Onward {
    const gateway = this.blueprint.connections.gateways.find(({ usedBy }) =>
      usedBy.includes(network.id),
    );
    if (gateway === undefined)
      return { kind: "nowhere", because: `${network.name} has no gateway` };
    if (source === "User" && gateway.kind === "ExpressRoute")
      return { kind: "nowhere", because: "a user's route cannot lead to an ExpressRoute gateway" };
    if (gateway.network === network.id) return { kind: "gateway", gateway };
    const peering = this.peering(network.id, gateway.network);
    if (peering === undefined)
      return {
        kind: "nowhere",
        because: "the peering with the gateway's network is not connected",
      };
    return { kind: "gateway", gateway, peering };
  }
}

export function subnetOf(network: Network, { place }: Host): Subnet | undefined {
  return place.kind === "subnet"
    ? network.subnets.find(({ id }) => id === place.subnet)
    : undefined;
}

/** For example `route Out (0.0.0.0/0 -> VirtualAppliance 10.0.2.4) of demo-routes`. */
export function describeRoute({ name, prefix, nextHop, table, tag }: Route): string {
  const hop =
    nextHop.kind === "VirtualAppliance" ? `${nextHop.kind} ${nextHop.address}` : nextHop.kind;
  const of = table === undefined ? "" : ` of ${table.split("/").at(-1) ?? table}`;
  const written = tag === undefined ? prefix : `${tag}, ${prefix}`;
  return `route ${name} (${written} -> ${hop})${of}`;
}

function longest<Way extends { readonly prefix: Cidr }>(
  ways: readonly Way[],
  address: Ipv4,
): Way | undefined {
  return ways
    .filter(({ prefix }) => contains(prefix, address))
    .reduce<Way | undefined>(
      (best, way) =>
        best === undefined || prefixLength(best.prefix) < prefixLength(way.prefix) ? way : best,
      undefined,
    );
}
