/**
 * The two gates of a virtual network as nftables rules, in the network's router.
 *
 * Nothing is carried out here. Outbound rules stand at the sender, inbound rules at the receiver,
 * in chains of their own. How chains come in force is in gate-keeper.ts.
 *
 * @article Network Security Groups
 */
import { PLATFORM_ADDRESS } from "../../../environment/ports.ts";
import { namesPlatform, setOfMatches, type TagMeaning } from "../../../network/meaning.ts";
import { isAllPorts, PORTS } from "../../../network/packet-set.ts";
import { RANGES4 } from "../../../network/address-set.ts";
import { cidrAround, type AddressRange, type Cidr } from "../../../network/prefix.ts";
import { selectRoute } from "../../../network/select-route.ts";
import type { AddressMatch, Direction, PortRange, SecurityRule } from "../../../network/rule.ts";
import type { Host, Subnet, Translation } from "../../../blueprint/blueprint.ts";
import { balancerRule } from "./balance.ts";
import type { Expression, Field, SetKind, TableRule } from "./nf-tables.ts";

/** Interface groups beside the subnets' own (1..200). */
export const VISITOR_GROUP = 250;
export const EDGE_GROUP = 251;
/** Links to peers, and to the network's gateway. */
export const PEER_GROUP = 252;
export const GATEWAY_GROUP = 253;
/** Links from a peer straight to one machine here (an appliance, a gateway): a group for each. */
export const FIRST_HOP_GROUP = 300;
/** All links that lead to other networks. */
const BEYOND = `${PEER_GROUP}-65535`;
const MOST_GROUPS = 1_024;
const MOST_FORWARDERS = 1_024;
/** A subnet's mark and routing table are this plus its index. */
export const TABLE_BASE = 1_000;
export const VISITOR_TABLE = TABLE_BASE + VISITOR_GROUP;

export const TABLE_NAME = "vnet";
const TABLE = `ip ${TABLE_NAME}`;
/** Protocols that have ports. */
const WITH_PORTS = "with_ports";
const PROTOCOL_NUMBERS = { Icmp: 1, Tcp: 6, Udp: 17, Esp: 50, Ah: 51 } as const;

/**
 * The router before its first link: nothing passes.
 *
 * A reply to somebody outside counts only from the link of whom was asked: passed on by an
 * appliance it would never meet the translation it belongs to. Nobody but the router itself
 * speaks as the platform; the kernel does not look (sysctl.ts). A map with a size is a plain hash
 * table, half the price of one that grows, and one of them is asked for every packet.
 */
export function closedRouter(): string {
  return `
table ${TABLE} {
  map marks { type devgroup : mark; size ${MOST_GROUPS}; elements = { ${VISITOR_GROUP} : ${VISITOR_TABLE} } }
  map outbound { type devgroup : verdict; size ${MOST_GROUPS}; }
  map inbound { type devgroup : verdict; size ${MOST_GROUPS}; }
  map platform { type devgroup : verdict; size ${MOST_GROUPS}; }
  map card_outbound { type iface_index : verdict; }
  map card_inbound { type iface_index : verdict; }
  map card_platform { type iface_index : verdict; }
  set forwarders { type ifname; size ${MOST_FORWARDERS}; }
  set ${WITH_PORTS} { type inet_proto; elements = { tcp, udp } }
  map peers { type iface_index : verdict; }
  chain mark_in { type filter hook prerouting priority mangle; policy accept; meta mark set iifgroup map @marks; }
  chain strangers {
    # What only passes through on its way between networks is known to the routers at its ends.
    iifgroup ${BEYOND} oifgroup ${BEYOND} accept
    iifgroup ${BEYOND} oifname @forwarders accept
    iifname @forwarders oifgroup ${BEYOND} accept
    drop
  }
  chain gates {
    type filter hook forward priority filter; policy drop;
    oifgroup ${EDGE_GROUP} iifname @forwarders ct direction reply fib saddr . iif oif missing drop
    ct state vmap { established : accept, related : accept, invalid : jump strangers }
    ip saddr ${PLATFORM_ADDRESS} drop
    iifgroup 1-${VISITOR_GROUP} iifname != @forwarders fib saddr . iif oif missing drop
    iif vmap @peers
    iif vmap @card_outbound
    iifgroup vmap @outbound
    oifgroup vmap @inbound
    oif vmap @card_inbound
    accept
  }
  chain from_platform {
    type filter hook output priority filter; policy accept;
    ct state vmap { established : accept, related : accept }
    oifgroup vmap @inbound
    oif vmap @card_inbound
  }
  chain to_platform {
    type filter hook input priority filter; policy accept;
    ct state vmap { established : accept, related : accept, invalid : drop }
    iifgroup 1-65535 ip saddr ${PLATFORM_ADDRESS} drop
    iifgroup 1-${VISITOR_GROUP} fib saddr . iif oif missing drop
    iif vmap @card_platform
    iifgroup vmap @platform
  }
}`;
}

/**
 * outbound: at the sender; inbound: at the receiver; platform: outbound, to 168.63.129.16. Each
 * stands at subnets, found by interface group, and at single interfaces (cards), by their index.
 */
export type Gate = SubnetGate | CardGate;
type SubnetGate = "outbound" | "inbound" | "platform";
type CardGate = `card_${SubnetGate}`;
export const SUBNET_GATES: readonly Gate[] = ["outbound", "inbound", "platform"];
export const CARD_GATES: readonly Gate[] = ["card_outbound", "card_inbound", "card_platform"];

/** What has gates of its own: a subnet, or the interface of one host. */
export type Guarded = {
  readonly gates: readonly Gate[];
  /** Of the subnet, or of the link. */
  readonly index: number;
  /** Resource id or name, for those who read counters. */
  readonly name: string;
  readonly prefix: Cidr;
  readonly virtualNetwork: readonly Cidr[];
  readonly rules: readonly SecurityRule[];
  readonly flushConnection: boolean;
  /** Flows are told as they begin or are denied. */
  readonly isLogged?: boolean;
};

export function guardedSubnet(subnet: Subnet): Guarded {
  const { id, index, prefix, virtualNetwork, rules = [], flushConnection } = subnet;
  const gates = SUBNET_GATES;
  return { gates, index, name: id, prefix, virtualNetwork, rules, flushConnection };
}

/** @param link index of the host's link */
export function guardedCard(subnet: Subnet, host: Host, link: number): Guarded {
  return {
    gates: CARD_GATES,
    index: link,
    name: host.name,
    prefix: cidrAround(host.place.address, 32),
    virtualNetwork: subnet.virtualNetwork,
    rules: host.rules ?? [],
    flushConnection: host.flushConnection ?? false,
  };
}

/** A shared set of ranges by its content; the name is chosen by whoever keeps the sets. */
export type NameSet = (kind: SetKind, ranges: readonly AddressRange[]) => string;

export function directionOf(gate: Gate): Direction {
  return gate === "inbound" || gate === "card_inbound" ? "Inbound" : "Outbound";
}

/** Rules that stand at one of the gates, in order. */
export function rulesAt(gate: Gate, { rules }: Guarded): readonly SecurityRule[] {
  const direction = directionOf(gate);
  const toPlatform = gate === "platform" || gate === "card_platform";
  return rules.filter(
    (rule) => rule.direction === direction && (!toPlatform || namesPlatform(rule)),
  );
}

/** One rule of nf_tables for each security rule that any IPv4 packet can match. */
export function tableRules(
  rules: readonly SecurityRule[],
  meaning: TagMeaning,
  nameSet: NameSet,
): readonly TableRule[] {
  return rules.flatMap((rule) => {
    const from = addressMatch("source", rule.sources, meaning, nameSet);
    const seen = rule.direction === "Outbound" ? "original destination" : "destination";
    const to = addressMatch(seen, rule.destinations, meaning, nameSet);
    const how = protocolMatch(rule, nameSet);
    if (from === undefined || to === undefined || how === undefined) return [];
    const verdict = rule.access === "Allow" ? "return" : "drop";
    return [{ expressions: [...from, ...to, ...how], verdict, comment: String(rule.priority) }];
  });
}

/** Lets packets from links of a group find their routing table. */
export function markGroup(group: number, table: number): string {
  return `add element ${TABLE} marks { ${group} : ${table} }`;
}

export function unmarkGroup(group: number): string {
  return `delete element ${TABLE} marks { ${group} }`;
}

/** Sources that may begin flows by a link from another network. */
export function acceptFrom(link: number, accepts: readonly Cidr[]): string {
  return [
    `add chain ${TABLE} peer_${link}`,
    `add rule ${TABLE} peer_${link} ip saddr { ${accepts.join(", ")} } return`,
    `add rule ${TABLE} peer_${link} drop`,
    `add element ${TABLE} peers { ${link} : jump peer_${link} }`,
  ].join("\n");
}

export function forgetFrom(link: number): string {
  return [
    `delete element ${TABLE} peers { ${link} }`,
    `flush chain ${TABLE} peer_${link}`,
    `delete chain ${TABLE} peer_${link}`,
  ].join("\n");
}

/** Why a packet does not pass that a chain of the router itself drops. */
export function closedBy(chain: string): string {
  if (chain === "strangers") return "an answer to a flow that did not begin here";
  if (chain === "balanced") return "a reply that went round by another path";
  if (chain.startsWith("peer_")) return "the peering does not let its source in";
  return "no way through the router, or a source address that is not the sender's";
}

export function addForwarder(link: string): string {
  return `add element ${TABLE} forwarders { "${link}" }`;
}

export function removeForwarder(link: string): string {
  return `delete element ${TABLE} forwarders { "${link}" }`;
}

export type Ways = {
  readonly subnets: readonly Subnet[];
  /** Groups of links from peers straight to a machine here. */
  readonly hops: readonly number[];
  /** Id of the subnet whose routes packets from the gateway follow. */
  readonly gatewaySubnet: string | undefined;
};

/**
 * The internal load balancers of a network; the client keeps its address.
 *
 * Routes are asked for the balancer's address, which is what the sender wrote: where one leads
 * elsewhere, nothing is balanced. What is balanced goes straight to its target, past the routes.
 */
export function internalBalancers(
  translations: readonly Translation[],
  { subnets, hops, gatewaySubnet }: Ways,
  exists: boolean,
): string {
  const own = translations.filter(({ at, targets }) => at === "router" && targets.length > 0);
  const clear = exists
    ? ["balancers", "balanced"].flatMap((chain) => [
        `flush chain ${TABLE} ${chain}`,
        `delete chain ${TABLE} ${chain}`,
      ])
    : [];
  // Without a balancer there is no chain: every new connection would pay for it.
  if (own.length === 0) return clear.join("\n");
  return [
    ...clear,
    `add chain ${TABLE} balancers { type nat hook prerouting priority dstnat; policy accept; }`,
    `add chain ${TABLE} balanced { type filter hook prerouting priority dstnat + 10; policy accept; }`,
    // A reply that went round by an appliance was translated back before: it is nobody's.
    `add rule ${TABLE} balanced ip saddr { ${[...new Set(own.map(({ address }) => address))].join(", ")} } drop`,
    `add rule ${TABLE} balanced ct status dnat ct direction original meta mark set 0`,
    ...own.map((translation) => {
      const elsewhere = subnets
        .filter(
          ({ routes }) => selectRoute(routes, translation.address)?.nextHop.kind !== "VnetLocal",
        )
        .flatMap(({ id, index }) => (id === gatewaySubnet ? [index, GATEWAY_GROUP] : [index]))
        .concat(hops);
      const not = elsewhere.length === 0 ? "" : `iifgroup != { ${elsewhere.join(", ")} } `;
      return `add rule ${TABLE} balancers ${not}${balancerRule(translation)}`;
    }),
  ].join("\n");
}

/** @returns undefined when no packet can match */
function protocolMatch(
  { direction, protocol, sourcePorts, destinationPorts }: SecurityRule,
  nameSet: NameSet,
): readonly Expression[] | undefined {
  const anyPorts = [sourcePorts, destinationPorts].every((one) => isAllPorts(PORTS.normal(one)));
  const ports = [
    ...portMatch("source port", sourcePorts, nameSet),
    ...portMatch(
      direction === "Outbound" ? "original destination port" : "destination port",
      destinationPorts,
      nameSet,
    ),
  ];
  switch (protocol) {
    case "*":
      return anyPorts ? [] : [{ protocolSet: WITH_PORTS }, ...ports];
    case "Tcp":
    case "Udp":
      return [{ protocol: PROTOCOL_NUMBERS[protocol] }, ...ports];
    case "Icmp":
    case "Esp":
    case "Ah":
      return anyPorts ? [{ protocol: PROTOCOL_NUMBERS[protocol] }] : undefined;
  }
}

function portMatch(
  match: Field,
  ports: readonly PortRange[],
  nameSet: NameSet,
): readonly Expression[] {
  const ranges = PORTS.normal(ports);
  return isAllPorts(ranges) ? [] : [rangesMatch(match, ranges, "ports", nameSet)];
}

/**
 * Everything about addresses is worked out by the law itself and matched as ranges.
 * @returns undefined when no IPv4 packet can match
 */
function addressMatch(
  match: Field,
  matches: readonly AddressMatch[],
  meaning: TagMeaning,
  nameSet: NameSet,
): readonly Expression[] | undefined {
  const ranges = setOfMatches(matches, meaning).v4;
  if (RANGES4.covers(ranges, RANGES4.everything)) return [];
  return ranges.length === 0 ? undefined : [rangesMatch(match, ranges, "addresses", nameSet)];
}

function rangesMatch(
  match: Field,
  ranges: readonly AddressRange[],
  kind: SetKind,
  nameSet: NameSet,
): Expression {
  const [only] = ranges;
  if (ranges.length === 1 && only !== undefined) return { match, within: only };
  return { match, set: nameSet(kind, ranges) };
}
