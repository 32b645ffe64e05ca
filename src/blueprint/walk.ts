/**
 * Walks one packet through a blueprint, gate by gate, as the law has it.
 *
 * The same way a fabric takes it: outbound gate of the sender, route, appliances, peerings,
 * gateways, edge or balancer, inbound gate of the receiver. The way back is in walk-reply.ts.
 * Nothing is sent.
 */
import { PLATFORM_ADDRESS } from "../environment/ports.ts";
import { compileRules, type Evaluate } from "../network/evaluate.ts";
import type { Packet } from "../network/packet-set.ts";
import { contains, type Ipv4 } from "../network/prefix.ts";
import type { Route } from "../network/route.ts";
import { isPrivate } from "../network/select-route.ts";
import type { Direction, IpProtocol, SecurityRule } from "../network/rule.ts";
import type { Blueprint, Host, Network, Peering, Site, Subnet, Translation } from "./blueprint.ts";
import type { Probe } from "./probes.ts";
import { refusalOf } from "./admission.ts";
import { describeRoute, subnetOf, Topology, type Onward } from "./topology.ts";
import { listenerAt } from "./walk-listeners.ts";
import { MOST_HOPS, replyFrom, replyFromSite, type Lost, type Reply } from "./walk-reply.ts";

export type Flow = {
  readonly from:
    | { readonly kind: "host"; readonly name: string }
    | { readonly kind: "internet"; readonly address: Ipv4 }
    | { readonly kind: "load-balancer"; readonly network: string };
  readonly to: Ipv4;
  readonly protocol: IpProtocol;
  readonly fromPort: number;
  readonly toPort: number;
};

/** Who decided about a packet. */
export type Decider = {
  readonly kind:
    | "rule"
    | "route"
    | "balancer"
    | "peering"
    | "gateway"
    | "service"
    | "host"
    | "program";
  readonly name: string;
  /** Resource id of the group or table, where there is one. */
  readonly id?: string;
  readonly sentence: string;
};

type Packet4 = Packet & { readonly from: Ipv4; readonly to: Ipv4 };

export type WalkStep = {
  readonly at: string;
  readonly what: string;
  readonly decidedBy?: Decider;
  /** At a gate: where it stands (name of a subnet or host), the rule, and the packet it saw. */
  readonly gate?: { readonly at: string; readonly rule: SecurityRule; readonly packet: Packet4 };
};

export type Walk = {
  readonly delivered: boolean;
  /** Name of the host that got it, and of its program. */
  readonly host?: string;
  readonly program?: string;
  readonly steps: readonly WalkStep[];
  readonly stoppedBy?: Decider;
};

/** A port for questions in which the client's does not matter. */
const CLIENT_PORT = 50_000;

/** @returns where the flow ends; where several targets are possible, the worst of them */
export function walk(blueprint: Blueprint, flow: Flow): Walk {
  return openWalk(blueprint)(flow);
}

/** For many flows through one blueprint: each gate is compiled once. */
export function openWalk(blueprint: Blueprint): (flow: Flow) => Walk {
  const gates = new Map<Subnet | Host, Evaluate>();
  const topology = new Topology(blueprint);
  return (flow) => new Walker(topology, flow, gates).walk();
}

/** What stops a probe; undefined when the law lets it pass. */
export function explainProbe(blueprint: Blueprint, probe: Probe): Decider | undefined {
  return walk(blueprint, flowOf(probe)).stoppedBy;
}

export function flowOf(probe: Probe): Flow {
  const from: Flow["from"] =
    probe.from.kind === "host"
      ? { kind: "host", name: probe.from.name }
      : probe.from.kind === "internet"
        ? { kind: "internet", address: probe.from.address }
        : { kind: "load-balancer", network: probe.from.network };
  const { address: to, protocol, port: toPort } = probe.to;
  return { from, to, protocol, fromPort: CLIENT_PORT, toPort };
}

class Walker {
  readonly #topology: Topology;
  readonly #flow: Flow;
  readonly #gates: Map<Subnet | Host, Evaluate>;
  readonly #steps: WalkStep[] = [];
  /** Networks whose router has seen the flow: it is balanced on its first way in only. */
  readonly #seen = new Set<string>();
  /** Where the source address was exchanged: a reply must find back from each of them. */
  readonly #exchanges: Exchange[] = [];

  constructor(topology: Topology, flow: Flow, gates: Map<Subnet | Host, Evaluate>) {
    this.#topology = topology;
    this.#flow = flow;
    this.#gates = gates;
  }

  walk(): Walk {
    const walked = this.#there();
    if (!walked.delivered) return walked;
    for (const exchange of this.#exchanges) {
      const reply = this.#replyTo(exchange.source);
      const lost =
        exchange.at === "site"
          ? replyFromSite(reply, exchange.site)
          : replyFrom(reply, exchange.network, exchange.subnet);
      if (lost !== undefined) return this.#stopByLoss(lost);
    }
    return walked;
  }

  #there(): Walk {
    const { from } = this.#flow;
    switch (from.kind) {
      case "internet":
        return this.#fromOutside(from.address);
      case "load-balancer": {
        const network = this.#topology.network(from.network);
        if (network === undefined)
          return this.#stop("host", from.network, "the network does not exist");
        return this.#deliver(network, PLATFORM_ADDRESS as Ipv4, this.#flow.to, this.#flow.toPort);
      }
      case "host": {
        const host = this.#topology.host(from.name);
        if (host === undefined)
          return this.#stop("host", from.name, `the host ${from.name} does not exist`);
        return this.#fromHost(host);
      }
    }
  }

  #fromHost(host: Host): Walk {
    const { place } = host;
    if (place.kind === "internet") return this.#fromOutside(place.address);
    if (place.kind === "site") return this.#fromSite(place.site, place.address);
    const network = this.#topology.network(place.network);
    if (network === undefined) return this.#stop("host", host.name, "its network does not exist");
    if (place.kind === "visitor") return this.#inside(network, place.address, undefined, 0);
    const subnet = subnetOf(network, host);
    if (subnet === undefined) return this.#stop("host", host.name, "its subnet does not exist");
    const refused = this.#outbound(subnet, host, place.address);
    return refused ?? this.#inside(network, place.address, subnet, 0);
  }

  /** From a host's router on: its subnet's routes, appliances, peers, gateways, the edge. */
  #inside(network: Network, source: Ipv4, subnet: Subnet | undefined, hops: number): Walk {
    const { to, toPort } = this.#flow;
    if (to === PLATFORM_ADDRESS) return this.#atOutside(to);
    const { route, onward } = this.#topology.onward(network, subnet, to);
    // Routes are asked for the address the sender wrote; one that leads elsewhere passes the balancer by.
    const balancer = onward.kind === "local" ? this.#balancerOf(network, to, toPort) : undefined;
    this.#seen.add(network.id);
    if (balancer !== undefined) return this.#translated(network, source, balancer);
    if (route !== undefined)
      this.#steps.push({
        at: subnet?.name ?? network.name,
        what: `route ${route.prefix} -> ${route.nextHop.kind}`,
        decidedBy: routeDecider(route, to),
      });
    switch (onward.kind) {
      case "local":
        return this.#answered(network, source, to, this.#deliver(network, source, to, toPort));
      case "peer":
        return this.#intoPeer(onward, source);
      case "edge":
        return this.#leave(network, source);
      case "appliance":
        return this.#viaAppliance(route, onward, source, hops);
      case "gateway":
        return this.#viaGateway(onward, source, hops);
      case "service":
        return this.#atService(network, source);
      case "nowhere":
        return this.#stopByRoute(route, to, onward.because);
    }
  }

  /** By a service endpoint: the service sees the private address, and which network it is of. */
  #atService(network: Network, source: Ipv4): Walk {
    if (!network.prefixes.some((prefix) => contains(prefix, source)))
      return this.#stop("host", network.name, `${source} has no way back from a service endpoint`);
    return this.#atOutside(this.#flow.to, source, network.id);
  }

  /** An internal balancer that a flow meets when it comes into a network for the first time. */
  #balancerOf(network: Network, to: Ipv4, toPort: number): Translation | undefined {
    if (this.#seen.has(network.id)) return undefined;
    return translationAt(network, "router", to, toPort, this.#flow.protocol);
  }

  #intoPeer({ network, peering }: Extract<Onward, { kind: "peer" }>, source: Ipv4): Walk {
    const { to, toPort } = this.#flow;
    const refused = this.#refusedByPeering(peering, network, source);
    if (refused !== undefined) return refused;
    const balancer = this.#balancerOf(network, to, toPort);
    this.#seen.add(network.id);
    if (balancer !== undefined) return this.#translated(network, source, balancer);
    return this.#answered(network, source, to, this.#deliver(network, source, to, toPort));
  }

  #refusedByPeering(peering: Peering, into: Network, source: Ipv4): Walk | undefined {
    const from = this.#topology.network(peering.from)?.name ?? peering.from;
    if (peering.accepts.some((prefix) => contains(prefix, source))) {
      this.#steps.push({ at: into.name, what: `comes in by the peering with ${from}` });
      return undefined;
    }
    return this.#stop(
      "peering",
      into.name,
      `${into.name} does not allow traffic that ${from} forwards (allowForwardedTraffic), and ${source} is not an address of ${from}`,
      into.id,
    );
  }

  #viaAppliance(
    route: Route | undefined,
    { network, subnet, host, peering }: Extract<Onward, { kind: "appliance" }>,
    source: Ipv4,
    hops: number,
  ): Walk {
    const { to, toPort } = this.#flow;
    const { address } = host.place;
    if (!host.forwards && address !== to)
      return this.#stopByRoute(route, to, `${host.name} does not forward`);
    const refused = peering && this.#refusedByPeering(peering, network, source);
    if (refused !== undefined) return refused;
    this.#seen.add(network.id);
    if (address === to)
      return this.#answered(network, source, address, this.#deliver(network, source, to, toPort));
    if (MOST_HOPS <= hops) return this.#stopByRoute(route, to, "the packet goes round in circles");
    this.#steps.push({ at: host.name, what: "passed on" });
    const onward = host.translates === true && !isPrivate(to) ? address : source;
    if (onward !== source) this.#exchanges.push({ at: "appliance", network, subnet, source });
    const denied =
      this.#inbound(subnet, host, source, to, toPort) ?? this.#outbound(subnet, host, onward);
    return denied ?? this.#inside(network, onward, subnet, hops + 1);
  }

  #viaGateway(
    { gateway, peering }: Extract<Onward, { kind: "gateway" }>,
    source: Ipv4,
    hops: number,
  ): Walk {
    const home = this.#topology.network(gateway.network);
    const refused = peering && home && this.#refusedByPeering(peering, home, source);
    if (refused !== undefined) return refused;
    this.#seen.add(gateway.network);
    const { to } = this.#flow;
    const site = this.#topology.siteBehind(gateway, to);
    if (site === undefined)
      return this.#stop(
        "gateway",
        gateway.name,
        `${gateway.name} knows no way to ${to}`,
        gateway.id,
      );
    this.#steps.push({ at: gateway.name, what: `sent to ${site.name}` });
    const host = this.#topology.atSite(site, to);
    if (host !== undefined) {
      const walked = this.#arrive(host, this.#flow.toPort);
      const lost = walked.delivered ? replyFromSite(this.#replyTo(source), site) : undefined;
      return lost === undefined ? walked : this.#stopByLoss(lost);
    }
    if (MOST_HOPS <= hops)
      return this.#stop("gateway", gateway.name, "the packet goes round in circles", gateway.id);
    return this.#inBySite(site, source, hops + 1) ?? this.#leaveSite(site, source);
  }

  /** From a site into a network by a gateway; undefined: the site knows none that leads there. */
  #inBySite(site: Site, source: Ipv4, hops: number): Walk | undefined {
    const into = this.#topology.inBySite(site, this.#flow.to);
    if (into === undefined) return undefined;
    this.#steps.push({ at: site.name, what: `sent to ${into.gateway.name}` });
    return this.#inside(into.network, source, into.subnet, hops);
  }

  #fromSite(id: string, source: Ipv4): Walk {
    const { to } = this.#flow;
    const site = this.#topology.site(id);
    if (site === undefined) return this.#stop("host", id, "the site does not exist");
    const host = this.#topology.atSite(site, to);
    if (host !== undefined) return this.#arrive(host, this.#flow.toPort);
    return this.#inBySite(site, source, 0) ?? this.#leaveSite(site, undefined);
  }

  /** @param source of what came in by a gateway; undefined: it began at the site */
  #leaveSite(site: Site, source: Ipv4 | undefined): Walk {
    const { to } = this.#flow;
    if (isPrivate(to) || site.prefixes.some((prefix) => contains(prefix, to)))
      return this.#stop("host", site.name, `nobody at ${site.name} has the address ${to}`);
    this.#steps.push({ at: site.name, what: `leaves as ${site.publicAddress}` });
    if (source !== undefined) this.#exchanges.push({ at: "site", site, source });
    return this.#fromOutside(site.publicAddress);
  }

  /** Out by the edge, with a public source address. */
  #leave(network: Network, source: Ipv4): Walk {
    const own = network.publicAddresses.find(({ sourceOf }) =>
      sourceOf.some((prefix) => contains(prefix, source)),
    );
    if (own === undefined)
      return this.#stop(
        "balancer",
        network.name,
        `${network.name} has no public address for ${source}`,
      );
    this.#steps.push({ at: `edge of ${network.name}`, what: `leaves as ${own.address}` });
    return this.#fromOutside(own.address);
  }

  /** From the world outside to an endpoint or through a VIP. */
  #fromOutside(source: Ipv4): Walk {
    const { to, toPort, protocol } = this.#flow;
    for (const network of this.#topology.blueprint.networks) {
      const balancer = translationAt(network, "edge", to, toPort, protocol);
      if (balancer !== undefined) return this.#translated(network, source, balancer);
      if (network.publicAddresses.some(({ address }) => address === to))
        return this.#stop("balancer", to, `nothing is behind ${to}:${toPort}`);
    }
    if (to !== PLATFORM_ADDRESS) return this.#atOutside(to, source);
    return this.#stop("host", to, `${to} is reached from inside a virtual network only`);
  }

  /** At a host that stands in no network: of the internet, or the platform's own. */
  #atOutside(to: Ipv4, source?: Ipv4, network?: string): Walk {
    const host = this.#topology.outside(to);
    if (host !== undefined) {
      const walked = this.#arrive(host, this.#flow.toPort);
      const program = host.programs.find(({ name }) => name === walked.program);
      const admits = program?.kind === "endpoint" ? program.admits : undefined;
      const refused =
        admits && source && walked.delivered ? refusalOf(admits, source, network) : undefined;
      return refused === undefined ? walked : this.#stop("service", host.name, refused);
    }
    return this.#stop("host", to, `nobody on the internet has the address ${to}`);
  }

  #translated(network: Network, source: Ipv4, translation: Translation): Walk {
    const { address, port } = translation;
    this.#steps.push({
      at: translation.at === "edge" ? `edge of ${network.name}` : network.name,
      what: `${address}:${port} is balanced`,
    });
    this.#seen.add(network.id);
    const walks = translation.targets.map((target) => {
      if (source === target.address)
        return this.#stop(
          "balancer",
          address,
          `${address}:${port} may choose the sender ${source} itself, and then the reply never passes the balancer`,
        );
      const walked = this.#deliver(network, source, target.address, target.port);
      return this.#wayBack(network, target.address, source, walked, translation.at);
    });
    return (
      walks.find(({ delivered }) => !delivered) ??
      walks[0] ??
      this.#stop("balancer", address, `nothing is behind ${address}:${port}`)
    );
  }

  /** A reply must go straight back to where its flow was balanced, or nobody undoes the translation. */
  #wayBack(
    network: Network,
    replier: Ipv4,
    client: Ipv4,
    walked: Walk,
    at: Translation["at"],
  ): Walk {
    const subnet = network.subnets.find(({ prefix }) => contains(prefix, replier));
    if (!walked.delivered || subnet === undefined) return walked;
    const { route, onward } = this.#topology.onward(network, subnet, client);
    if (route === undefined) return walked;
    const astray = () =>
      this.#stop(
        "route",
        route.name,
        `the reply to ${client} leaves by another path: ${describeRoute(route)}`,
        route.table,
      );
    if (at === "edge") return onward.kind === "edge" ? walked : astray();
    if (
      this.#comesRound(network, client, onward) ||
      onward.kind === "edge" ||
      onward.kind === "nowhere"
    )
      return astray();
    return this.#answered(network, client, replier, walked);
  }

  /**
   * The reply leaves with the balancer's address and comes back to where it was balanced: there it
   * belongs to no flow any more.
   */
  #comesRound(network: Network, client: Ipv4, onward: Onward): boolean {
    if (onward.kind === "appliance")
      return onward.network.id === network.id && onward.host.place.address !== client;
    if (onward.kind !== "gateway") return false;
    const site = this.#topology.siteBehind(onward.gateway, client);
    if (site === undefined || this.#topology.atSite(site, client) !== undefined) return false;
    return this.#topology.inBySite(site, client)?.network.id === network.id;
  }

  /** A reply inside follows the routes of the replier's subnet. */
  #answered(network: Network, client: Ipv4, replier: Ipv4, walked: Walk): Walk {
    const subnet = network.subnets.find(({ prefix }) => contains(prefix, replier));
    if (!walked.delivered || subnet === undefined) return walked;
    const lost = replyFrom(this.#replyTo(client), network, subnet);
    return lost === undefined ? walked : this.#stopByLoss(lost);
  }

  #replyTo(client: Ipv4): Reply {
    return {
      topology: this.#topology,
      client,
      refusal: ({ network, subnet, host }) =>
        this.#refusedOnTheWayBack(network, subnet, host, client),
    };
  }

  /** To a network that did not see the flow, a datagram that answers is the first of another one. */
  #refusedOnTheWayBack(
    network: Network,
    subnet: Subnet,
    appliance: Host,
    client: Ipv4,
  ): string | undefined {
    if (this.#seen.has(network.id) || this.#flow.protocol === "Tcp") return undefined;
    const { to, toPort, fromPort } = this.#flow;
    const packet = {
      from: to,
      to: client,
      protocol: "Udp",
      fromPort: toPort,
      toPort: fromPort,
    } as const;
    const refused =
      this.#gate(subnet, subnet, "Inbound", packet) ??
      this.#gate(subnet, appliance, "Inbound", packet) ??
      this.#gate(subnet, appliance, "Outbound", packet) ??
      this.#gate(subnet, subnet, "Outbound", packet);
    return refused?.stoppedBy?.sentence;
  }

  /** To a host of the network, through its subnet's inbound gate. */
  #deliver(network: Network, source: Ipv4, to: Ipv4, toPort: number): Walk {
    const host = this.#topology.hostAt(network, to);
    const subnet = network.subnets.find(({ prefix }) => contains(prefix, to));
    if (subnet !== undefined) {
      const refused = this.#inbound(subnet, host, source, to, toPort);
      if (refused !== undefined) return refused;
    }
    if (host === undefined) return this.#stop("host", to, `no host has the address ${to}`);
    return this.#arrive(host, toPort);
  }

  /** The group at the interface first, then that of the subnet. */
  #outbound(subnet: Subnet, host: Host, from: Ipv4): Walk | undefined {
    const packet = this.#packet(from, this.#flow.to, this.#flow.toPort);
    return (
      this.#gate(subnet, host, "Outbound", packet) ?? this.#gate(subnet, subnet, "Outbound", packet)
    );
  }

  /** The group of the subnet first, then that at the interface, where there is one. */
  #inbound(
    subnet: Subnet,
    host: Host | undefined,
    from: Ipv4,
    to: Ipv4,
    toPort: number,
  ): Walk | undefined {
    const packet = this.#packet(from, to, toPort);
    const refused = this.#gate(subnet, subnet, "Inbound", packet);
    if (refused !== undefined || host === undefined) return refused;
    return this.#gate(subnet, host, "Inbound", packet);
  }

  #packet(from: Ipv4, to: Ipv4, toPort: number): Packet4 {
    const { protocol, fromPort } = this.#flow;
    return { from, to, protocol, fromPort, toPort };
  }

  /** @param at where the rules stand: the subnet itself, or a host of it */
  #gate(
    subnet: Subnet,
    at: Subnet | Host,
    direction: Direction,
    packet: Packet4,
  ): Walk | undefined {
    if (at.rules === undefined) return undefined;
    const evaluate =
      this.#gates.get(at) ??
      compileRules(at.rules, {
        virtualNetwork: subnet.virtualNetwork,
        platformAddress: PLATFORM_ADDRESS as Ipv4,
        published: (tag) => this.#topology.blueprint.tags[tag],
      });
    this.#gates.set(at, evaluate);
    const decided = evaluate(direction, packet);
    if (decided === undefined) return undefined;
    const { rule } = decided;
    const group = rule.group.split("/").at(-1) ?? rule.group;
    const words = `rule ${rule.name} (priority ${rule.priority}, ${direction.toLowerCase()}) of ${group}`;
    const said = decided.access === "Allow" ? "allowed" : "denied";
    const decider: Decider = {
      kind: "rule",
      name: rule.name,
      id: rule.group,
      sentence: `${said} by ${words}`,
    };
    this.#steps.push({
      at: `${direction.toLowerCase()} gate of ${at.name}`,
      what: decider.sentence,
      decidedBy: decider,
      gate: { at: at.name, rule, packet },
    });
    return decided.access === "Allow"
      ? undefined
      : { delivered: false, steps: [...this.#steps], stoppedBy: decider };
  }

  #arrive(host: Host, port: number): Walk {
    const { protocol } = this.#flow;
    const program = listenerAt(host, protocol, port);
    if (program === undefined)
      return this.#stop(
        "program",
        host.name,
        `nothing listens on ${protocol} ${port} of ${host.name}`,
      );
    this.#steps.push({ at: host.name, what: `arrives at ${program.name}` });
    return { delivered: true, host: host.name, program: program.name, steps: [...this.#steps] };
  }

  #stopByRoute(route: Route | undefined, to: Ipv4, because?: string): Walk {
    const why = because === undefined ? "" : `, and ${because}`;
    const sentence =
      route === undefined ? `no route leads to ${to}` : `stopped by ${describeRoute(route)}${why}`;
    return this.#stop("route", route?.name ?? "none", sentence, route?.table);
  }

  #stopByLoss({ route, sentence }: Lost): Walk {
    return this.#stop("route", route?.name ?? "none", sentence, route?.table);
  }

  #stop(kind: Decider["kind"], name: string, sentence: string, id?: string): Walk {
    const stoppedBy: Decider = { kind, name, sentence, ...(id === undefined ? {} : { id }) };
    this.#steps.push({ at: name, what: sentence, decidedBy: stoppedBy });
    return { delivered: false, steps: [...this.#steps], stoppedBy };
  }
}

type Exchange =
  | {
      readonly at: "appliance";
      readonly network: Network;
      readonly subnet: Subnet;
      readonly source: Ipv4;
    }
  | { readonly at: "site"; readonly site: Site; readonly source: Ipv4 };

function translationAt(
  network: Network,
  at: Translation["at"],
  address: Ipv4,
  port: number,
  protocol: IpProtocol,
) {
  return network.translations.find(
    (translation) =>
      translation.at === at &&
      translation.address === address &&
      translation.port === port &&
      translation.protocol === protocol,
  );
}

function routeDecider(route: Route, to: Ipv4): Decider {
  const sentence = `${describeRoute(route)} leads ${to}`;
  return {
    kind: "route",
    name: route.name,
    sentence,
    ...(route.table === undefined ? {} : { id: route.table }),
  };
}
