/**
 * Walks one packet through a blueprint, gate by gate, as the law has it.
 *
 * The same way a fabric takes it: outbound gate of the sender, route, appliances, edge or
 * balancer, inbound gate of the receiver, and the way back. Nothing is sent.
 */
import { PLATFORM_ADDRESS } from "../environment/ports.ts";
import { compileRules, type Evaluate } from "../network/evaluate.ts";
import type { Packet } from "../network/packet-set.ts";
import { contains, type Ipv4 } from "../network/prefix.ts";
import type { Route } from "../network/route.ts";
import { isPrivate, selectRoute } from "../network/select-route.ts";
import type { Direction, IpProtocol } from "../network/rule.ts";
import type { Blueprint, Host, Network, Subnet, Translation } from "./blueprint.ts";
import type { Probe } from "./probes.ts";
import { listenerAt } from "./walk-listeners.ts";

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
  readonly kind: "rule" | "route" | "balancer" | "host" | "program";
  readonly name: string;
  /** Resource id of the group or table, where there is one. */
  readonly id?: string;
  readonly sentence: string;
};

export type WalkStep = { readonly at: string; readonly what: string; readonly decidedBy?: Decider };

export type Walk = {
  readonly delivered: boolean;
  /** Name of the host that got it, and of its program. */
  readonly host?: string;
  readonly program?: string;
  readonly steps: readonly WalkStep[];
  readonly stoppedBy?: Decider;
};

/** Appliances that pass a packet on to one another at most; more is a loop. */
const MOST_HOPS = 8;
/** A port for questions in which the client's does not matter. */
const CLIENT_PORT = 50_000;

/** @returns where the flow ends; where several targets are possible, the worst of them */
export function walk(blueprint: Blueprint, flow: Flow): Walk {
  return openWalk(blueprint)(flow);
}

/** For many flows through one blueprint: each gate is compiled once. */
export function openWalk(blueprint: Blueprint): (flow: Flow) => Walk {
  const gates = new Map<Subnet | Host, Evaluate>();
  return (flow) => new Walker(blueprint, flow, gates).walk();
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
  readonly #blueprint: Blueprint;
  readonly #flow: Flow;
  readonly #gates: Map<Subnet | Host, Evaluate>;
  readonly #steps: WalkStep[] = [];

  constructor(blueprint: Blueprint, flow: Flow, gates: Map<Subnet | Host, Evaluate>) {
    this.#blueprint = blueprint;
    this.#flow = flow;
    this.#gates = gates;
  }

  walk(): Walk {
    const { from } = this.#flow;
    switch (from.kind) {
      case "internet":
        return this.#fromOutside(from.address);
      case "load-balancer": {
        const network = this.#network(from.network);
        if (network === undefined)
          return this.#stop("host", from.network, "the network does not exist");
        return this.#deliver(network, PLATFORM_ADDRESS as Ipv4, this.#flow.to, this.#flow.toPort);
      }
      case "host": {
        const host = this.#blueprint.hosts.find(({ name }) => name === from.name);
        if (host === undefined)
          return this.#stop("host", from.name, `the host ${from.name} does not exist`);
        return this.#fromHost(host);
      }
    }
  }

  #fromHost(host: Host): Walk {
    if (host.place.kind === "internet") return this.#fromOutside(host.place.address);
    const network = this.#network(host.place.network);
    if (network === undefined) return this.#stop("host", host.name, "its network does not exist");
    const source = host.place.address;
    if (host.place.kind === "visitor") return this.#inside(network, source, undefined, 0);
    const subnetId = host.place.subnet;
    const subnet = network.subnets.find(({ id }) => id === subnetId);
    if (subnet === undefined) return this.#stop("host", host.name, "its subnet does not exist");
    const refused = this.#outbound(subnet, host, source);
    return refused ?? this.#inside(network, source, subnet, 0);
  }

  /** From a host's router on: its subnet's routes, appliances, the edge. */
  #inside(network: Network, source: Ipv4, subnet: Subnet | undefined, hops: number): Walk {
    const { to, toPort } = this.#flow;
    if (to === PLATFORM_ADDRESS) return this.#atOutside(to);
    const balancer = translationAt(network, "router", to, toPort, this.#flow.protocol);
    const route = subnet === undefined ? undefined : selectRoute(subnet.routes, to);
    const local = network.prefixes.some((prefix) => contains(prefix, to));
    const kind = route?.nextHop.kind ?? (local ? "VnetLocal" : "Internet");
    // Routes are asked for the address the sender wrote; one that leads elsewhere passes the balancer by.
    if (balancer !== undefined && kind === "VnetLocal" && hops === 0)
      return this.#translated(network, source, balancer);
    if (route !== undefined)
      this.#steps.push({
        at: subnet?.name ?? network.name,
        what: `route ${route.prefix} -> ${kind}`,
        decidedBy: routeDecider(route, to),
      });
    switch (kind) {
      case "VnetLocal":
        return this.#replyInside(network, to, source, this.#deliver(network, source, to, toPort));
      case "Internet":
        return this.#leave(network, source);
      case "VirtualAppliance":
        return this.#viaAppliance(network, source, route, hops);
      case "None":
      case "VirtualNetworkGateway":
        return this.#stopByRoute(route, to);
    }
  }

  #viaAppliance(network: Network, source: Ipv4, route: Route | undefined, hops: number): Walk {
    if (route === undefined || route.nextHop.kind !== "VirtualAppliance")
      return this.#stopByRoute(route, source);
    const { address } = route.nextHop;
    const appliance = this.#hostAt(network, address);
    if (appliance !== undefined && address === this.#flow.to)
      return this.#replyInside(
        network,
        address,
        source,
        this.#deliver(network, source, address, this.#flow.toPort),
      );
    if (appliance === undefined || !appliance.forwards || appliance.place.kind !== "subnet")
      return this.#stopByRoute(
        route,
        this.#flow.to,
        appliance === undefined ? "no host has that address" : `${appliance.name} does not forward`,
      );
    if (MOST_HOPS <= hops)
      return this.#stopByRoute(route, this.#flow.to, "the packet goes round in circles");
    this.#steps.push({ at: appliance.name, what: "passed on" });
    const subnetId = appliance.place.subnet;
    const subnet = network.subnets.find(({ id }) => id === subnetId);
    if (subnet === undefined)
      return this.#stop("host", appliance.name, "its subnet does not exist");
    const onward = appliance.translates === true && !isPrivate(this.#flow.to) ? address : source;
    const refused =
      this.#inbound(subnet, appliance, source, this.#flow.to, this.#flow.toPort) ??
      this.#outbound(subnet, appliance, onward);
    return refused ?? this.#inside(network, onward, subnet, hops + 1);
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
    for (const network of this.#blueprint.networks) {
      const balancer = translationAt(network, "edge", to, toPort, protocol);
      if (balancer !== undefined) return this.#translated(network, source, balancer);
      if (network.publicAddresses.some(({ address }) => address === to))
        return this.#stop("balancer", to, `nothing is behind ${to}:${toPort}`);
    }
    if (to !== PLATFORM_ADDRESS) return this.#atOutside(to);
    return this.#stop("host", to, `${to} is reached from inside a virtual network only`);
  }

  /** At a host that stands in no network: of the internet, or the platform's own. */
  #atOutside(to: Ipv4): Walk {
    const host = this.#blueprint.hosts.find(
      ({ place }) => place.kind === "internet" && place.address === to,
    );
    if (host !== undefined) return this.#arrive(host, this.#flow.toPort);
    return this.#stop("host", to, `nobody on the internet has the address ${to}`);
  }

  #translated(network: Network, source: Ipv4, translation: Translation): Walk {
    const { address, port } = translation;
    this.#steps.push({
      at: translation.at === "edge" ? `edge of ${network.name}` : network.name,
      what: `${address}:${port} is balanced`,
    });
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
    const route = subnet && selectRoute(subnet.routes, client);
    if (!walked.delivered || route === undefined) return walked;
    const { nextHop } = route;
    const straight =
      at === "edge"
        ? nextHop.kind === "Internet"
        : nextHop.kind === "VnetLocal" ||
          (nextHop.kind === "VirtualAppliance" && nextHop.address === client);
    if (straight) return walked;
    return this.#stop(
      "route",
      route.name,
      `the reply to ${client} leaves by another path: ${describeRoute(route)}`,
      route.table,
    );
  }

  /** A reply inside the network passes all gates, and follows the routes of the replier's subnet. */
  #replyInside(network: Network, replier: Ipv4, client: Ipv4, walked: Walk): Walk {
    let subnet = network.subnets.find(({ prefix }) => contains(prefix, replier));
    for (let hops = 0; walked.delivered && subnet !== undefined; hops += 1) {
      const route = selectRoute(subnet.routes, client);
      if (route === undefined || route.nextHop.kind === "VnetLocal") return walked;
      const lost = (because: string) =>
        this.#stop(
          "route",
          route.name,
          `the reply to ${client} is lost by ${describeRoute(route)}${because}`,
          route.table,
        );
      if (route.nextHop.kind !== "VirtualAppliance") return lost("");
      const appliance = this.#hostAt(network, route.nextHop.address);
      if (appliance?.place.address === client) return walked;
      if (appliance?.forwards !== true) return lost(", and no host there forwards");
      if (MOST_HOPS <= hops) return lost(", and goes round in circles");
      subnet = subnetOf(network, appliance);
    }
    return walked;
  }

  /** To a host of the network, through its subnet's inbound gate. */
  #deliver(network: Network, source: Ipv4, to: Ipv4, toPort: number): Walk {
    const host = this.#hostAt(network, to);
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

  #packet(from: Ipv4, to: Ipv4, toPort: number): Packet {
    const { protocol, fromPort } = this.#flow;
    return { from, to, protocol, fromPort, toPort };
  }

  /** @param at where the rules stand: the subnet itself, or a host of it */
  #gate(subnet: Subnet, at: Subnet | Host, direction: Direction, packet: Packet): Walk | undefined {
    if (at.rules === undefined) return undefined;
    const evaluate =
      this.#gates.get(at) ??
      compileRules(at.rules, {
        virtualNetwork: subnet.virtualNetwork,
        platformAddress: PLATFORM_ADDRESS as Ipv4,
        published: (tag) => this.#blueprint.tags[tag],
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

  #stop(kind: Decider["kind"], name: string, sentence: string, id?: string): Walk {
    const stoppedBy: Decider = { kind, name, sentence, ...(id === undefined ? {} : { id }) };
    this.#steps.push({ at: name, what: sentence, decidedBy: stoppedBy });
    return { delivered: false, steps: [...this.#steps], stoppedBy };
  }

  #network(id: string): Network | undefined {
    return this.#blueprint.networks.find((network) => network.id === id);
  }

  #hostAt(network: Network, address: Ipv4): Host | undefined {
    return this.#blueprint.hosts.find(
      ({ place }) =>
        place.kind !== "internet" && place.network === network.id && place.address === address,
    );
  }
}

function subnetOf(network: Network, { place }: Host): Subnet | undefined {
  return place.kind === "subnet"
    ? network.subnets.find(({ id }) => id === place.subnet)
    : undefined;
}

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

/** For example `route Out (0.0.0.0/0 -> VirtualAppliance 10.0.2.4) of demo-routes`. */
function describeRoute({ name, prefix, nextHop, table }: Route): string {
  const hop =
    nextHop.kind === "VirtualAppliance" ? `${nextHop.kind} ${nextHop.address}` : nextHop.kind;
  const of = table === undefined ? "" : ` of ${table.split("/").at(-1) ?? table}`;
  return `route ${name} (${prefix} -> ${hop})${of}`;
}
