/**
 * Links between networks, gateways and sites: made where both ends stand, gone when one goes.
 *
 * Told of every change, it works out which links there should be and touches what differs. What a
 * router does with its links is in router.ts.
 */
import {
  NO_CONNECTIONS,
  type Connections,
  type Gateway,
  type Host,
} from "../../../blueprint/blueprint.ts";
import { contains, type Cidr, type Ipv4 } from "../../../network/prefix.ts";
import { GatewaySpace, TO_NETWORK, TO_NETWORK_LINK } from "./gateway.ts";
import * as gates from "./gates.ts";
import type { Space } from "./kernel.ts";
import type { Namespace } from "./libc.ts";
import type { Rtnetlink } from "./netlink.ts";
import { NOTHING_BEYOND, type Beyond, type NetworkRouter } from "./router.ts";
import { SiteSpace } from "./site.ts";

/** Indexes of the world's ends of sites' links; those of networks lie below. */
const SITE_LINK_BASE = 5_000;
/** Tables of links that lead straight to one machine. */
const HOP_TABLE_BASE = 2_000;

type End = {
  readonly routes: Rtnetlink;
  readonly namespace: Namespace;
  readonly freeLink: () => number;
};

/** One link: at both ends the index it has there. */
type Joint = { readonly ends: readonly [End, End]; readonly links: readonly [number, number] };

/** From a network straight to one machine of another one: an appliance, or its gateway. */
type Hop = Joint & {
  readonly group: number;
  /** Id of the network it begins in. */
  readonly from: string;
  /** The appliance's address. */
  readonly to: Ipv4 | "gateway";
  readonly into: NetworkRouter;
};

export class Wiring {
  readonly #home: Namespace;
  readonly #world: Rtnetlink;
  readonly #router: (id: string) => NetworkRouter | undefined;
  readonly #sites = new Map<string, SiteSpace>();
  readonly #siteHosts = new Map<string, { readonly host: Host; readonly space: Space }>();
  readonly #gateways = new Map<string, GatewaySpace>();
  /** By what they join. */
  readonly #joints = new Map<string, Joint>();
  readonly #hops = new Map<string, Hop>();
  /** What is accepted by links into a network, as it stands in its router. */
  readonly #accepted = new Map<string, { readonly router: NetworkRouter; readonly link: number }>();
  #connections: Connections = NO_CONNECTIONS;
  #clientAddress: Ipv4 | undefined;
  #lastSite = 0;
  #lastHop = 0;

  constructor(
    home: Namespace,
    world: Rtnetlink,
    router: (id: string) => NetworkRouter | undefined,
  ) {
    this.#home = home;
    this.#world = world;
    this.#router = router;
  }

  put(connections: Connections, clientAddress: Ipv4 | undefined): void {
    this.#connections = connections;
    this.#clientAddress = clientAddress;
    for (const [id, site] of this.#sites)
      if (!connections.sites.some((one) => one.id === id)) {
        for (const [name, { host }] of this.#siteHosts)
          if (host.place.kind === "site" && host.place.site === id) this.#siteHosts.delete(name);
        this.#forget(site);
        site.close();
        this.#sites.delete(id);
      }
    for (const site of connections.sites) {
      const space = this.#sites.get(site.id) ?? this.#newSite(site.id);
      space.put(site, this.#clientAddress);
    }
    this.wire();
  }

  #newSite(id: string): SiteSpace {
    const site = new SiteSpace(this.#home, this.#world, SITE_LINK_BASE + (this.#lastSite += 1));
    this.#sites.set(id, site);
    return site;
  }

  /** Makes the links that should be and removes those that should not. */
  wire(): void {
    const { peerings, gateways } = this.#connections;
    if (peerings.length + gateways.length + this.#joints.size + this.#gateways.size === 0) return;
    this.#putGateways();
    this.#putPeers();
    this.#putHops();
    this.#putAccepted();
    for (const id of this.#networks()) this.#router(id)?.putBeyond(this.#beyondOf(id));
  }

  #networks(): ReadonlySet<string> {
    const { peerings, gateways } = this.#connections;
    return new Set([
      ...this.#wired,
      ...peerings.flatMap(({ from, into }) => [from, into]),
      ...gateways.flatMap(({ network }) => [network]),
    ]);
  }

  /** Networks that had anything beyond, so that they are told when it is gone. */
  readonly #wired = new Set<string>();

  #putGateways(): void {
    const { gateways } = this.#connections;
    for (const [id, gateway] of this.#gateways) {
      const wanted = gateways.find((one) => one.id === id);
      if (wanted !== undefined && this.#router(wanted.network) !== undefined) continue;
      this.#forget(gateway);
      gateway.close();
      this.#gateways.delete(id);
    }
    for (const wanted of gateways) {
      const router = this.#router(wanted.network);
      if (router === undefined) continue;
      const gateway = this.#gateways.get(wanted.id) ?? this.#newGateway(wanted.id, router);
      this.#putSitesOf(wanted, gateway);
    }
    for (const [id, site] of this.#sites)
      site.putWays(
        gateways.flatMap(({ id: gateway, advertises }) => {
          const link = this.#joints.get(`site ${gateway} ${id}`)?.links[1];
          return link === undefined ? [] : advertises.map((prefix) => ({ prefix, link }));
        }),
      );
  }

  #newGateway(id: string, router: NetworkRouter): GatewaySpace {
    const gateway = new GatewaySpace(this.#home);
    this.#gateways.set(id, gateway);
    const ends = [routerEnd(router), { ...gatewayEnd(gateway), freeLink: () => TO_NETWORK_LINK }];
    this.#join(`gateway ${id}`, ends as [End, End], {
      groups: [gates.GATEWAY_GROUP, 0],
      names: ["gateway", TO_NETWORK],
    });
    return gateway;
  }

  #putSitesOf(wanted: Gateway, gateway: GatewaySpace): void {
    const behind = wanted.sites.flatMap(({ site: id, prefixes }) => {
      const site = this.#sites.get(id);
      if (site === undefined) return [];
      const key = `site ${wanted.id} ${id}`;
      const joint =
        this.#joints.get(key) ??
        this.#join(key, [gatewayEnd(gateway), siteEnd(site)], { groups: [0, 0] });
      return prefixes.map((prefix) => ({ prefix, link: joint.links[0] }));
    });
    for (const key of this.#joints.keys())
      if (
        key.startsWith(`site ${wanted.id} `) &&
        !wanted.sites.some(({ site }) => key === `site ${wanted.id} ${site}`)
      )
        this.#unjoin(key);
    gateway.put({ outward: behind, inward: wanted.advertises });
  }

  #putPeers(): void {
    const wanted = new Map(
      this.#connections.peerings.map(({ from, into }) => [
        peerKey(from, into),
        [from, into].sort(),
      ]),
    );
    for (const key of this.#joints.keys())
      if (key.startsWith("peer ") && !wanted.has(key)) this.#unjoin(key);
    for (const [key, [one = "", other = ""]] of wanted) {
      const [a, b] = [this.#router(one), this.#router(other)];
      if (a === undefined || b === undefined || this.#joints.has(key)) continue;
      const groups = [gates.PEER_GROUP, gates.PEER_GROUP] as const;
      this.#join(key, [routerEnd(a), routerEnd(b)], { groups });
    }
  }

  #putHops(): void {
    const wanted = new Map(this.#hopsWanted().map((hop) => [hop.key, hop]));
    for (const [key, { group, into, links }] of this.#hops)
      if (!wanted.has(key)) {
        this.#hops.delete(key);
        into.ground.nft.run(gates.unmarkGroup(group));
        this.#dropAccepted(`${into.network?.id} ${links[1]}`);
        this.#unjoin(key);
      }
    for (const { key, fromId, from, to, into, link } of wanted.values()) {
      if (this.#hops.has(key)) continue;
      const number = (this.#lastHop += 1);
      const group = gates.FIRST_HOP_GROUP + number;
      const table = HOP_TABLE_BASE + number;
      const joint = this.#join(key, [routerEnd(from), routerEnd(into)], {
        groups: [gates.PEER_GROUP, group],
      });
      const { routes, nft } = into.ground;
      routes.putRoute({ prefix: EVERYWHERE, kind: "unicast", table, link });
      routes.addRule({ mark: table, table, priority: table });
      routes.flush();
      nft.run(gates.markGroup(group, table));
      this.#hops.set(key, { ...joint, group, into, to, from: fromId });
    }
  }

  /** Routes that lead to a machine of a peer, and gateways of peers. The link is the machine's. */
  #hopsWanted() {
    const { peerings, gateways } = this.#connections;
    return peerings.flatMap(({ from: fromId, into: intoId }) => {
      const [from, into] = [this.#router(fromId), this.#router(intoId)];
      if (from === undefined || into === undefined) return [];
      const hop = (to: Hop["to"], link: number) => ({
        key: `hop ${fromId} ${to} ${intoId} ${link}`,
        ...{ fromId, from, to, into, link },
      });
      const gateway = gateways.find(
        ({ network, usedBy }) => network === intoId && usedBy.includes(fromId),
      );
      const byGateway = gateway && this.#joints.get(`gateway ${gateway.id}`)?.links[0];
      return [
        ...appliancesIn(from, into).flatMap((address) => {
          const machine = into.attachedAt(address);
          return machine === undefined ? [] : [hop(address, machine.link)];
        }),
        ...(byGateway === undefined ? [] : [hop("gateway", byGateway)]),
      ];
    });
  }

  /** Into each network by each link: sources that its side of the peering accepts. */
  #putAccepted(): void {
    type Accepting = {
      readonly router: NetworkRouter;
      readonly link: number;
      readonly accepts: readonly Cidr[];
    };
    const wanted = new Map<string, Accepting>(
      this.#connections.peerings.flatMap(({ from, into, accepts }) => {
        const router = this.#router(into);
        if (router === undefined || accepts.includes(EVERYWHERE)) return [];
        const joint = this.#joints.get(peerKey(from, into));
        const peer = joint && (joint.ends[0].namespace === router.ground.namespace ? 0 : 1);
        const links = [
          ...(joint === undefined || peer === undefined ? [] : [joint.links[peer] ?? 0]),
          ...[...this.#hops]
            .filter(([, hop]) => hop.into === router && hop.from === from)
            .map(([, hop]) => hop.links[1]),
        ];
        return links.map(
          (link) => [`${into} ${link} ${accepts.join()}`, { router, link, accepts }] as const,
        );
      }),
    );
    for (const key of [...this.#accepted.keys()]) if (!wanted.has(key)) this.#dropAccepted(key);
    for (const [key, { router, link, accepts }] of wanted) {
      if (this.#accepted.has(key)) continue;
      router.ground.nft.run(gates.acceptFrom(link, accepts));
      this.#accepted.set(key, { router, link });
    }
  }

  #dropAccepted(prefix: string): void {
    for (const [key, { router, link }] of this.#accepted) {
      if (key !== prefix && !key.startsWith(`${prefix} `)) continue;
      router.ground.nft.run(gates.forgetFrom(link));
      this.#accepted.delete(key);
    }
  }

  #beyondOf(id: string): Beyond {
    const { peerings, gateways } = this.#connections;
    const router = this.#router(id);
    if (router === undefined) return NOTHING_BEYOND;
    this.#wired.add(id);
    const linkOf = (key: string) => {
      const joint = this.#joints.get(key);
      return joint?.links[joint.ends[0].namespace === router.ground.namespace ? 0 : 1];
    };
    const peers = peerings
      .filter(({ from }) => from === id)
      .flatMap(({ into }): readonly (readonly [string, number])[] => {
        const link = linkOf(peerKey(id, into));
        return link === undefined ? [] : [[into, link]];
      });
    const used = gateways.find(({ usedBy }) => usedBy.includes(id));
    const away = [...this.#hops.values()].filter(({ from }) => from === id);
    const byPeer = away.find(({ to }) => to === "gateway")?.links[0];
    const gateway = used?.network === id ? linkOf(`gateway ${used.id}`) : byPeer;
    const gatewaySubnet =
      used?.network === id
        ? router.network?.subnets.find((one) => one.id === used.subnet)
        : undefined;
    return {
      peers: new Map(peers),
      appliances: new Map(
        away.flatMap(({ to, links: [link], into }) => {
          const machine = to === "gateway" ? undefined : into.attachedAt(to);
          if (to === "gateway" || machine === undefined) return [];
          return [[to, { link, forwards: machine.forwards }] as const];
        }),
      ),
      ...(gateway === undefined ? {} : { gateway }),
      isExpressRoute: used?.kind === "ExpressRoute",
      ...(gatewaySubnet === undefined ? {} : { gatewaySubnet }),
      hops: [...this.#hops.values()]
        .filter(({ into }) => into === router)
        .map(({ group }) => group),
    };
  }

  /** A network is about to go: its ends of links go with it. */
  forgetNetwork(router: NetworkRouter): void {
    for (const [key, { router: of }] of this.#accepted)
      if (of === router) this.#accepted.delete(key);
    for (const [key, { into }] of this.#hops) if (into === router) this.#hops.delete(key);
    this.#forget(router.ground);
  }

  #forget({ namespace }: { readonly namespace: Namespace }): void {
    for (const [key, { ends }] of this.#joints)
      if (ends.some((end) => end.namespace === namespace)) {
        this.#joints.delete(key);
        this.#hops.delete(key);
      }
  }

  attach(host: Host): Space {
    const { place, name } = host;
    const site = place.kind === "site" ? this.#sites.get(place.site) : undefined;
    if (site === undefined) throw new Error(`the site of ${name} does not stand`);
    const space = site.attach(name, place.address);
    this.#siteHosts.set(name, { host, space });
    return space;
  }

  detach(name: string): boolean {
    const { place } = this.#siteHosts.get(name)?.host ?? {};
    if (place?.kind !== "site") return false;
    this.#siteHosts.delete(name);
    this.#sites.get(place.site)?.detach(name, place.address);
    return true;
  }

  find(name: string): { readonly host: Host; readonly space: Space } | undefined {
    return this.#siteHosts.get(name);
  }

  close(): void {
    for (const gateway of this.#gateways.values()) gateway.close();
    for (const site of this.#sites.values()) site.close();
  }

  #join(
    key: string,
    ends: readonly [End, End],
    of: { readonly groups: readonly [number, number]; readonly names?: readonly string[] },
  ): Joint {
    const [one, other] = ends;
    const links = [one.freeLink(), other.freeLink()] as const;
    const [a, b] = links;
    one.routes.addPair(
      { index: a, name: of.names?.[0] ?? `j${a}`, group: of.groups[0] },
      {
        index: b,
        name: of.names?.[1] ?? `j${b}`,
        group: of.groups[1],
        namespace: other.namespace,
      },
    );
    one.routes.linkUp(a);
    one.routes.flush();
    other.routes.linkUp(b);
    other.routes.flush();
    one.routes.waitForLink(a);
    const joint = { ends, links };
    this.#joints.set(key, joint);
    return joint;
  }

  #unjoin(key: string): void {
    const joint = this.#joints.get(key);
    this.#joints.delete(key);
    joint?.ends[0].routes.removeLink(joint.links[0]);
    joint?.ends[0].routes.flush(["ENODEV"]);
  }
}

/** Addresses of a peer that routes of a network name as appliances, and its own space does not hold. */
function appliancesIn(from: NetworkRouter, into: NetworkRouter): readonly Ipv4[] {
  const within = (prefixes: readonly Cidr[] | undefined, address: Ipv4) =>
    prefixes?.some((prefix) => contains(prefix, address)) === true;
  const named = (from.network?.subnets ?? []).flatMap(({ routes }) =>
    routes.flatMap(({ nextHop, state }) =>
      nextHop.kind === "VirtualAppliance" && state === "Active" ? [nextHop.address] : [],
    ),
  );
  return [...new Set(named)].filter(
    (address) =>
      within(into.network?.prefixes, address) && !within(from.network?.prefixes, address),
  );
}

function routerEnd(router: NetworkRouter): End {
  const { routes, namespace } = router.ground;
  return { routes, namespace, freeLink: () => router.freeLink() };
}

function gatewayEnd(gateway: GatewaySpace): End {
  const { routes, namespace } = gateway;
  return { routes, namespace, freeLink: () => gateway.freeLink() };
}

function siteEnd(site: SiteSpace): End {
  const { routes, namespace } = site;
  return { routes, namespace, freeLink: () => site.freeLink() };
}

function peerKey(one: string, other: string): string {
  return `peer ${[one, other].sort().join(" ")}`;
}

const EVERYWHERE = "0.0.0.0/0" as Cidr;
