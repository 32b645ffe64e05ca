/**
 * One virtual network in the kernel: its edge, its router with gates and tables, its hosts' links.
 *
 * Puts in force what it is given and remembers it, so that only differences are touched. Who asks
 * for what, and in which order, is open-kernel.ts.
 */
import type { Host, Network, Subnet, Translation } from "../../../blueprint/blueprint.ts";
import { PLATFORM_ADDRESS } from "../../../environment/ports.ts";
import { addressAt, parseCidr, type Cidr, type Ipv4 } from "../../../network/prefix.ts";
import type { Route } from "../../../network/route.ts";
import {
  ownAddressOutside,
  closedEdge,
  publicBalancers,
  sourceAddresses,
  TO_NETWORK,
  TO_WORLD,
} from "./edge.ts";
import { readDenied } from "./denied.ts";
import type { FlowBook } from "../../../blueprint/seen-flows.ts";
import { FlowWatch } from "./flow-watch.ts";
import { GateKeeper, placeOfLabel } from "./gate-keeper.ts";
import { Backbone } from "./backbone.ts";
import * as gates from "./gates.ts";
import { closeNamespace, createNamespace, inNamespace, type Namespace } from "./libc.ts";
import { hostPrefix, MAIN_TABLE, Rtnetlink, type KernelRoute } from "./netlink.ts";
import { Nft } from "./nft.ts";
import { spaceOf } from "./space.ts";
import { RoutingTables, type Ways } from "./tables.ts";
import { applySettings, trackStrictly, trustOwnRules } from "./sysctl.ts";
import { tagsNamed, type Tags } from "./tags.ts";
import { RouterWatch } from "./trace.ts";
import type { DeniedCount, Space, WatchedPacket } from "./kernel.ts";

/** Indexes of links are chosen, so that nobody has to look them up. */
const WORLD_LINK_BASE = 1_000;
const FIRST_LINK = 2;
const SECOND_LINK = 3;
const FIRST_HOST_LINK = 10;

type Attached = {
  readonly host: Host;
  readonly namespace: Namespace;
  readonly link: number;
  readonly space: Space;
};

/** Links of a router to what lies beyond its network. */
export type Beyond = {
  /** By id of the network. */
  readonly peers: ReadonlyMap<string, number>;
  /** Straight to machines of peers that forward, by address. */
  readonly appliances: ReadonlyMap<string, { readonly link: number; readonly forwards: boolean }>;
  readonly gateway?: number;
  readonly isExpressRoute: boolean;
  /** Whose routes count for what comes in from the network's own gateway. */
  readonly gatewaySubnet?: Subnet;
  /** Groups of links by which peers come straight to a machine here. */
  readonly hops: readonly number[];
};

export const NOTHING_BEYOND: Beyond = {
  peers: new Map(),
  appliances: new Map(),
  isExpressRoute: false,
  hops: [],
};

export type Ground = {
  readonly namespace: Namespace;
  readonly routes: Rtnetlink;
  readonly nft: Nft;
};

export class NetworkRouter {
  readonly #home: Namespace;
  readonly #world: Rtnetlink;
  readonly #worldLink: number;
  readonly #edge: Namespace;
  readonly #router: Namespace;
  readonly #edgeRoutes: Rtnetlink;
  readonly #routes: Rtnetlink;
  readonly #edgeNft: Nft;
  readonly #nft: Nft;
  readonly #hosts = new Map<string, Attached>();
  readonly #keeper: GateKeeper;
  readonly #tables: RoutingTables;
  /** What stands for services that are reached by endpoints; made when a route first leads there. */
  #backbone: Backbone | undefined;
  /** Links to other networks; nothing before somebody joins them. */
  beyond: Beyond = NOTHING_BEYOND;
  readonly platform: Space;
  #network: Network | undefined;
  #tags: Tags = {};
  #translations: readonly Translation[] = [];
  /** Rules of the internal load balancers in force. */
  #balancers = "";
  #nextLink = FIRST_HOST_LINK;
  /** Stands while a group of the network is logged. */
  #flows: FlowWatch | undefined;

  constructor(home: Namespace, world: Rtnetlink, index: number) {
    this.#home = home;
    this.#world = world;
    this.#worldLink = WORLD_LINK_BASE + index;
    this.#edge = createNamespace(home);
    this.#router = createNamespace(home);
    // Closed before the first link.
    [this.#edgeRoutes, this.#edgeNft] = this.#enter(this.#edge, closedEdge());
    [this.#routes, this.#nft] = this.#enter(this.#router, gates.closedRouter());
    this.#keeper = inNamespace(this.#router, home, () => {
      trustOwnRules();
      return new GateKeeper();
    });
    this.#tables = new RoutingTables(this.#routes);
    this.#link(index);
    this.platform = spaceOf(this.#router, home, PLATFORM_ADDRESS);
  }

  #enter(namespace: Namespace, rules: string): readonly [Rtnetlink, Nft] {
    return inNamespace(namespace, this.#home, () => {
      applySettings("router");
      const nft = new Nft();
      nft.run(rules);
      trackStrictly();
      const routes = new Rtnetlink();
      routes.loopbackUp();
      routes.flush();
      return [routes, nft] as const;
    });
  }

  #link(index: number): void {
    const everywhere = prefixOf("0.0.0.0/0");
    this.#world.addPair(
      { index: this.#worldLink, name: `e${index}`, group: 0 },
      { index: FIRST_LINK, name: TO_WORLD, group: 0, namespace: this.#edge },
    );
    this.#world.linkUp(this.#worldLink);
    this.#world.flush();
    this.#edgeRoutes.linkUp(FIRST_LINK);
    this.#edgeRoutes.addPair(
      { index: SECOND_LINK, name: TO_NETWORK, group: 0 },
      { index: FIRST_LINK, name: "edge", group: gates.EDGE_GROUP, namespace: this.#router },
    );
    this.#edgeRoutes.linkUp(SECOND_LINK);
    this.#edgeRoutes.putRoute({
      prefix: everywhere,
      kind: "unicast",
      table: MAIN_TABLE,
      link: FIRST_LINK,
    });
    this.#edgeRoutes.flush();
    this.#routes.linkUp(FIRST_LINK);
    this.#routes.addAddress(PLATFORM_ADDRESS as Ipv4);
    // The main table leads to hosts only: a subnet without a route to the internet has none.
    this.#routes.flush();
    this.#world.waitForLink(this.#worldLink);
    this.#edgeRoutes.waitForLink(SECOND_LINK);
  }

  /** @param clientAddress source of what the world itself sends to public addresses */
  put(network: Network, tags: Tags, clientAddress: Ipv4 | undefined): void {
    const before = this.#network;
    this.#putPublicAddresses(before, network, clientAddress);
    this.#putPrefixes(before, network);
    this.#tags = tags;
    this.#network = network;
    this.putRoutes();
    this.#watchFlows();
    this.#putGates();
    for (const old of before?.subnets ?? [])
      if (!network.subnets.some(({ index }) => index === old.index)) this.#removeSubnet(old);
    this.#putBalancers();
  }

  #putPublicAddresses(
    before: Network | undefined,
    network: Network,
    source: Ipv4 | undefined,
  ): void {
    const routeTo = (address: Ipv4): KernelRoute => ({
      prefix: hostPrefix(address),
      kind: "unicast",
      table: MAIN_TABLE,
      link: this.#worldLink,
      ...(source === undefined ? {} : { source }),
    });
    const now = network.publicAddresses.map(({ address }) => address);
    for (const { address } of before?.publicAddresses ?? [])
      if (!now.includes(address)) this.#world.removeRoute(routeTo(address));
    for (const address of now) this.#world.putRoute(routeTo(address));
    this.#world.flush(["ESRCH"]);
    this.#edgeNft.run(sourceAddresses(network.publicAddresses));
  }

  #putPrefixes(before: Network | undefined, network: Network): void {
    const toNetwork = (prefix: Cidr): KernelRoute => ({
      prefix,
      kind: "unicast",
      table: MAIN_TABLE,
      link: SECOND_LINK,
    });
    const nobody = (prefix: Cidr): KernelRoute => ({
      prefix,
      kind: "unreachable",
      table: MAIN_TABLE,
    });
    for (const prefix of before?.prefixes ?? []) {
      if (network.prefixes.includes(prefix)) continue;
      this.#edgeRoutes.removeRoute(toNetwork(prefix));
      this.#routes.removeRoute(nobody(prefix));
    }
    for (const prefix of network.prefixes) {
      this.#edgeRoutes.putRoute(toNetwork(prefix));
      this.#routes.putRoute(nobody(prefix));
    }
    this.#edgeRoutes.flush(["ESRCH"]);
    this.#routes.flush(["ESRCH"]);
  }

  #putSubnet({ index, routes }: Subnet): void {
    const table = gates.TABLE_BASE + index;
    const isNew = !this.#tables.has(table);
    this.#tables.put(table, routes, this.#ways());
    if (isNew) this.#nft.run(gates.markGroup(index, table));
  }

  #removeSubnet({ index }: Subnet): void {
    this.#tables.remove(gates.TABLE_BASE + index);
    this.#nft.run(gates.unmarkGroup(index));
  }

  /** All routes anew: links to others came or went. */
  putRoutes(): void {
    const network = this.#network;
    if (network === undefined) return;
    this.#tables.put(gates.VISITOR_TABLE, network.routes, this.#ways());
    for (const subnet of network.subnets) this.#putSubnet(subnet);
  }

  #ways(): Ways {
    return {
      edge: FIRST_LINK,
      services: () => this.#services().link,
      prefixes: this.#network?.prefixes ?? [],
      appliance: (address) => this.attachedAt(address) ?? this.beyond.appliances.get(address),
      peer: (network) => this.beyond.peers.get(network),
      // Over ExpressRoute only what was learned goes.
      gateway: (source) =>
        source === "User" && this.beyond.isExpressRoute ? undefined : this.beyond.gateway,
    };
  }

  #services(): Backbone {
    this.#backbone ??= new Backbone(this.#home, this.ground, this.freeLink());
    return this.#backbone;
  }

  /** A service's own address, as subnets with an endpoint reach it; undefined: none of them does. */
  service(address: Ipv4): Space | undefined {
    return this.#backbone?.spaceAt(address);
  }

  forgetService(address: Ipv4): void {
    this.#backbone?.forget(address);
  }

  attachedAt(address: Ipv4): { readonly link: number; readonly forwards: boolean } | undefined {
    const attached = [...this.#hosts.values()].find(({ host }) => host.place.address === address);
    return attached && { link: attached.link, forwards: attached.host.forwards };
  }

  /** The index for one more link; never given twice. */
  freeLink(): number {
    return (this.#nextLink += 1);
  }

  get network(): Network | undefined {
    return this.#network;
  }

  /** What joins this network with others changed. */
  putBeyond(beyond: Beyond): void {
    const before = this.beyond;
    if (contentOf(before) === contentOf(beyond)) return;
    this.beyond = beyond;
    const table = (index: number | undefined) => gates.TABLE_BASE + (index ?? 0);
    if (before.gatewaySubnet?.index !== beyond.gatewaySubnet?.index) {
      if (before.gatewaySubnet !== undefined) this.#nft.run(gates.unmarkGroup(gates.GATEWAY_GROUP));
      if (beyond.gatewaySubnet !== undefined)
        this.#nft.run(gates.markGroup(gates.GATEWAY_GROUP, table(beyond.gatewaySubnet.index)));
    }
    this.putRoutes();
    this.#putBalancers();
  }

  tagsNamed(): ReadonlySet<string> {
    return tagsNamed(this.#guarded().flatMap(({ rules }) => rules));
  }

  putTags(tags: Tags): void {
    this.#tags = tags;
    this.#putGates();
  }

  #putGates(): void {
    this.#keeper.put(this.#guarded(), this.#tags);
  }

  #guarded(): readonly gates.Guarded[] {
    const cards = [...this.#hosts.values()].flatMap(({ host, link }) => {
      const subnet = host.rules === undefined ? undefined : this.#subnetOf(host);
      return subnet === undefined ? [] : [gates.guardedCard(subnet, host, link)];
    });
    const logged = this.#network?.loggedGroups ?? [];
    return [...(this.#network?.subnets ?? []).map(gates.guardedSubnet), ...cards].map((one) =>
      logged.includes(one.rules[0]?.group ?? "") ? { ...one, isLogged: true } : one,
    );
  }

  putTranslations(translations: readonly Translation[]): void {
    this.#edgeNft.run(publicBalancers(translations));
    this.#translations = translations;
    this.#putBalancers();
  }

  /** Depends on the routes of the subnets, too. */
  #putBalancers(): void {
    const ways = {
      subnets: this.#network?.subnets ?? [],
      hops: this.beyond.hops,
      gatewaySubnet: this.beyond.gatewaySubnet?.id,
    };
    const wanted = gates.internalBalancers(this.#translations, ways, false);
    if (wanted === this.#balancers) return;
    this.#nft.run(gates.internalBalancers(this.#translations, ways, this.#balancers !== ""));
    this.#balancers = wanted;
  }

  /** For those who link this router with others. */
  get ground(): Ground {
    return { namespace: this.#router, routes: this.#routes, nft: this.#nft };
  }

  get translations(): readonly Translation[] {
    return this.#translations;
  }

  /** A host of a subnet or a visitor: a namespace with one link to the router. */
  attach(host: Host): Space {
    const { place } = host;
    const subnet = this.#subnetOf(host);
    const group = subnet?.index ?? gates.VISITOR_GROUP;
    const inPrefix = subnet?.prefix ?? this.#network?.prefixes[0] ?? prefixOf("0.0.0.0/0");
    const namespace = createNamespace(this.#home);
    const link = this.freeLink();
    this.#routes.addPair(
      { index: link, name: `v${link}`, group },
      { index: FIRST_LINK, name: "eth0", group: 0, namespace },
    );
    const space = spaceOf(namespace, this.#home, place.address);
    this.#hosts.set(host.name, { host, namespace, link, space });
    if (host.rules !== undefined) this.#putGates();
    this.#routes.linkUp(link);
    this.#routes.putRoute({
      prefix: hostPrefix(place.address),
      kind: "unicast",
      table: MAIN_TABLE,
      link,
    });
    this.#routes.flush();
    inNamespace(namespace, this.#home, () => {
      applySettings(host.forwards ? "appliance" : "host");
      const own = new Rtnetlink();
      own.loopbackUp();
      own.addAddress(place.address, FIRST_LINK);
      own.linkUp(FIRST_LINK);
      own.putRoute({
        prefix: prefixOf("0.0.0.0/0"),
        kind: "unicast",
        table: MAIN_TABLE,
        link: FIRST_LINK,
        gateway: addressAt(inPrefix, 1),
      });
      own.flush();
      own.close();
      if (host.translates === true) {
        const nft = new Nft();
        nft.run(ownAddressOutside());
        nft.close();
      }
    });
    this.#routes.waitForLink(link);
    if (host.forwards) this.#nft.run(gates.addForwarder(`v${link}`));
    this.#routeAnew(host);
    return space;
  }

  /** Takes over what may change while the host stays: the rules of its interface. */
  change(host: Host): void {
    const attached = this.#hosts.get(host.name);
    if (attached === undefined) return;
    this.#hosts.set(host.name, { ...attached, host });
    this.#putGates();
  }

  detach(name: string): boolean {
    const attached = this.#hosts.get(name);
    if (attached === undefined) return false;
    const { host, link, namespace } = attached;
    this.#hosts.delete(name);
    this.#routes.removeRoute({
      prefix: hostPrefix(host.place.address),
      kind: "unicast",
      table: MAIN_TABLE,
      link,
    });
    this.#routes.flush(["ESRCH"]);
    if (host.forwards) this.#nft.run(gates.removeForwarder(`v${link}`));
    if (host.rules !== undefined) this.#putGates();
    this.#routeAnew(host);
    closeNamespace(namespace);
    return true;
  }

  find(name: string): { readonly host: Host; readonly space: Space } | undefined {
    return this.#hosts.get(name);
  }

  /** Routes through a host follow its link. */
  #routeAnew({ place }: Host): void {
    const through = ({ nextHop }: Route) =>
      nextHop.kind === "VirtualAppliance" && nextHop.address === place.address;
    for (const subnet of this.#network?.subnets ?? [])
      if (subnet.routes.some(through)) this.#putSubnet(subnet);
  }

  #subnetOf({ place }: Host): Subnet | undefined {
    if (place.kind !== "subnet") return undefined;
    return this.#network?.subnets.find(({ id }) => id === place.subnet);
  }

  readDenied(): readonly DeniedCount[] {
    return readDenied(this.#keeper, this.#guarded());
  }

  /** Tells which gates a packet meets here, until it is closed. */
  watch(packet: WatchedPacket): RouterWatch {
    const told = {
      network: this.#network?.name ?? "",
      ruleOf: (chain: string, handle: bigint) => this.#ruleOf(chain, handle),
      behind: (link: number) => this.#behind(link),
    };
    return new RouterWatch({ namespace: this.#router, home: this.#home }, told, packet);
  }

  /** Before the first rule logs. */
  #watchFlows(): void {
    const wanted = (this.#network?.loggedGroups ?? []).length > 0;
    if (wanted)
      this.#flows ??= inNamespace(
        this.#router,
        this.#home,
        () => new FlowWatch((label) => this.#ruleAt(placeOfLabel(label))?.rule),
      );
    else {
      this.#flows?.close();
      this.#flows = undefined;
    }
  }

  /** Writes down which flows the logged groups saw. */
  tellFlows(book: FlowBook, now: number): void {
    this.#flows?.tell(book, now);
  }

  #ruleOf(chain: string, handle: bigint) {
    const place = this.#keeper.placeOf(chain, handle);
    if (place === undefined) return undefined;
    return this.#ruleAt(place);
  }

  #ruleAt(place: { readonly gate: string; readonly index: number; readonly priority: number }) {
    const { index, priority } = place;
    const gate = [...gates.SUBNET_GATES, ...gates.CARD_GATES].find((one) => one === place.gate);
    if (gate === undefined) return undefined;
    const one = this.#guarded().find(
      (guarded) => guarded.index === index && guarded.gates.includes(gate),
    );
    const rule = one && gates.rulesAt(gate, one).find((rule_) => rule_.priority === priority);
    if (one === undefined || rule === undefined) return undefined;
    const subnet = this.#network?.subnets.find(({ id }) => id === one.name);
    return { at: subnet?.name ?? one.name, rule };
  }

  #behind(link: number): { readonly by: string; readonly address?: string } {
    if (link === FIRST_LINK) return { by: "the edge" };
    if (link === this.beyond.gateway) return { by: "the gateway" };
    const attached = [...this.#hosts.values()].find((one) => one.link === link);
    if (attached !== undefined)
      return { by: attached.host.name, address: attached.host.place.address };
    const [peer] = [...this.beyond.peers].find(([, at]) => at === link) ?? [];
    if (peer !== undefined) return { by: `the peer ${peer.split("/").at(-1) ?? peer}` };
    const [appliance] = [...this.beyond.appliances].find(([, one]) => one.link === link) ?? [];
    return { by: appliance === undefined ? `link ${link}` : `the appliance ${appliance}` };
  }

  close(): void {
    for (const name of [...this.#hosts.keys()]) this.detach(name);
    for (const { address } of this.#network?.publicAddresses ?? [])
      this.#world.removeRoute({
        prefix: hostPrefix(address),
        kind: "unicast",
        table: MAIN_TABLE,
        link: this.#worldLink,
      });
    this.#world.flush(["ESRCH"]);
    this.#keeper.close();
    this.#flows?.close();
    this.#backbone?.close();
    for (const nft of [this.#edgeNft, this.#nft]) nft.close();
    for (const routes of [this.#edgeRoutes, this.#routes]) routes.close();
    for (const namespace of [this.#edge, this.#router]) closeNamespace(namespace);
  }
}

function contentOf({ peers, appliances, ...others }: Beyond): string {
  return JSON.stringify([[...peers], [...appliances], others]);
}

function prefixOf(text: string): Cidr {
  const parsed = parseCidr(text);
  if (!parsed.ok) throw new Error(`broken promise: ${text} is a prefix`);
  return parsed.value;
}
