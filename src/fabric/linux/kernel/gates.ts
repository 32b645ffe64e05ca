/**
 * The two gates of a virtual network as nftables rules, in the network's router.
 *
 * Text only, nothing is carried out. Outbound rules stand at the sender, inbound rules at the
 * receiver, in chains of their own; a change builds the next generation of a chain beside the one
 * in force and swaps them in one small transaction.
 *
 * @article Network Security Groups
 */
import { PLATFORM_ADDRESS } from "../../../environment/ports.ts";
import { isAnyPort, isPublished, namesPlatform, rangesOf, rangesOfTag, type TagMeaning } from "../../../network/evaluate.ts";
import { numberToIpv4, type Cidr } from "../../../network/prefix.ts";
import type { AddressMatch, PortRange, SecurityRule } from "../../../network/rule.ts";
import type { Subnet, Translation } from "../../../blueprint/blueprint.ts";
import { balancerRule } from "./balance.ts";

/** Interface groups beside the subnets' own (1..200). */
export const VISITOR_GROUP = 250;
export const EDGE_GROUP = 251;
/** A subnet's mark and routing table are this plus its index. */
export const TABLE_BASE = 1_000;

const TABLE = "ip vnet";

/** The router before its first link: nothing passes. */
export function closedRouter(): string {
  return `
table ${TABLE} {
  map marks { type devgroup : mark; }
  map outbound { type devgroup : verdict; }
  map inbound { type devgroup : verdict; }
  map platform { type devgroup : verdict; }
  set forwarders { type ifname; }
  chain mark_in { type filter hook prerouting priority mangle; policy accept; meta mark set iifgroup map @marks; }
  chain gates {
    type filter hook forward priority filter; policy drop;
    ct state vmap { established : accept, related : accept, invalid : drop }
    iifgroup 1-${VISITOR_GROUP} iifname != @forwarders fib saddr . iif oif missing drop
    iifgroup vmap @outbound
    oifgroup vmap @inbound
    accept
  }
  chain from_platform {
    type filter hook output priority filter; policy accept;
    ct state vmap { established : accept, related : accept }
    oifgroup vmap @inbound
  }
  chain to_platform {
    type filter hook input priority filter; policy accept;
    ct state vmap { established : accept, related : accept }
    iifgroup vmap @platform
  }
}`;
}

export type TagSets = { readonly meaning: TagMeaning };

/** Name of an nftables set for a published tag. */
export function setName(tag: string): string {
  return `tag_${tag.replaceAll(/[^A-Za-z0-9]/g, "_")}`;
}

/** Commands that create a set with its elements. */
export function createSet(name: string, prefixes: readonly Cidr[]): string {
  const elements = prefixes.length === 0 ? "" : ` elements = { ${prefixes.join(", ")} };`;
  return `add set ${TABLE} ${name} { type ipv4_addr; flags interval; auto-merge;${elements} }`;
}

export function replaceSet(name: string, prefixes: readonly Cidr[]): string {
  const add = prefixes.length === 0 ? "" : `\nadd element ${TABLE} ${name} { ${prefixes.join(", ")} }`;
  return `flush set ${TABLE} ${name}${add}`;
}

/** A chain of one gate under construction, in portions small enough for one message each. */
export type GateChain = { readonly name: string; readonly portions: readonly string[] };

/** Rules per transaction: without privilege over the host the send buffer holds no more. */
const RULES_PER_PORTION = 150;

export function buildGate(
  direction: "outbound" | "inbound" | "platform",
  subnet: Subnet,
  generation: number,
  tags: TagSets,
): GateChain {
  const name = `${direction}_${subnet.index}_${generation}`;
  const wanted = direction === "inbound" ? "Inbound" : "Outbound";
  const lines = (subnet.rules ?? [])
    .filter((rule) => rule.direction === wanted && (direction !== "platform" || namesPlatform(rule)))
    .flatMap((rule) => gateRules(rule, tags))
    .map((line) => `add rule ${TABLE} ${name} ${line}`);
  const portions: string[] = [`add chain ${TABLE} ${name}`];
  for (let start = 0; start < lines.length; start += RULES_PER_PORTION)
    portions.push(lines.slice(start, start + RULES_PER_PORTION).join("\n"));
  return { name, portions };
}

/** Puts chains in force and takes the old ones away, in one transaction. */
export function swapGates(
  swaps: readonly { readonly gate: "outbound" | "inbound" | "platform"; readonly index: number; readonly to: string; readonly from: string | undefined }[],
): string {
  return swaps
    .flatMap(({ gate, index, to, from }) => [
      ...(from === undefined ? [] : [`delete element ${TABLE} ${gate} { ${index} }`]),
      `add element ${TABLE} ${gate} { ${index} : jump ${to} }`,
      ...(from === undefined ? [] : [`flush chain ${TABLE} ${from}`, `delete chain ${TABLE} ${from}`]),
    ])
    .join("\n");
}

/** Lets a subnet's packets find its routing table. */
export function markSubnet(index: number): string {
  return `add element ${TABLE} marks { ${index} : ${TABLE_BASE + index} }`;
}

export function unmarkSubnet(index: number): string {
  return `delete element ${TABLE} marks { ${index} }`;
}

/** Opens a gate: its subnet has no group any more. */
export function removeGate(gate: "outbound" | "inbound" | "platform", index: number, chain: string): string {
  return [
    `delete element ${TABLE} ${gate} { ${index} }`,
    `flush chain ${TABLE} ${chain}`,
    `delete chain ${TABLE} ${chain}`,
  ].join("\n");
}

export function addForwarder(link: string): string {
  return `add element ${TABLE} forwarders { "${link}" }`;
}

export function removeForwarder(link: string): string {
  return `delete element ${TABLE} forwarders { "${link}" }`;
}

/** The internal load balancers of a network; the client keeps its address. */
export function internalBalancers(translations: readonly Translation[], exists: boolean): string {
  const own = translations.filter(({ at }) => at === "router");
  const clear = exists ? [`flush chain ${TABLE} balancers`, `delete chain ${TABLE} balancers`] : [];
  // Without a balancer there is no chain: every new connection would pay for it.
  if (own.length === 0) return clear.join("\n");
  return [
    ...clear,
    `add chain ${TABLE} balancers { type nat hook prerouting priority dstnat; policy accept; }`,
    ...own.map((translation) => `add rule ${TABLE} balancers ${balancerRule(translation)}`),
  ].join("\n");
}

/** One nftables rule per way a security rule can match; several only where ports and none mix. */
function gateRules(rule: SecurityRule, tags: TagSets): readonly string[] {
  const destination = rule.direction === "Outbound" ? "ct original ip daddr" : "ip daddr";
  const from = addressMatch("ip saddr", rule.sources, tags);
  const to = addressMatch(destination, rule.destinations, tags);
  const how = protocolMatch(rule);
  if (from === undefined || to === undefined || how === undefined) return [];
  const verdict = rule.access === "Allow" ? "return" : "drop";
  return [[from, to, how, "counter", verdict, `comment "${rule.priority}"`].filter((part) => part !== "").join(" ")];
}

function protocolMatch({ protocol, sourcePorts, destinationPorts }: SecurityRule): string | undefined {
  const anyPorts = isAnyPort(sourcePorts) && isAnyPort(destinationPorts);
  const ports = [portMatch("sport", sourcePorts), portMatch("dport", destinationPorts)].filter((part) => part !== "");
  switch (protocol) {
    case "*":
      return anyPorts ? "" : ["meta l4proto { tcp, udp }", ...ports].join(" ");
    case "Tcp":
    case "Udp":
      return [`meta l4proto ${protocol.toLowerCase()}`, ...ports].join(" ");
    case "Icmp":
    case "Esp":
    case "Ah":
      return anyPorts ? `meta l4proto ${protocol.toLowerCase()}` : undefined;
  }
}

function portMatch(side: "sport" | "dport", ranges: readonly PortRange[]): string {
  if (isAnyPort(ranges)) return "";
  return `th ${side} { ${joined(ranges).map(({ low, high }) => (low === high ? low : `${low}-${high}`)).join(", ")} }`;
}

/** Sorted and joined: nftables takes no overlapping ranges in one set. */
function joined(ranges: readonly PortRange[]): readonly PortRange[] {
  const result: { low: number; high: number }[] = [];
  for (const { low, high } of [...ranges].sort((a, b) => a.low - b.low)) {
    const last = result.at(-1);
    if (last !== undefined && low <= last.high + 1) last.high = Math.max(last.high, high);
    else result.push({ low, high });
  }
  return result;
}

/**
 * One published tag is a named set, so that its prefixes are sent once; everything else is
 * worked out by the law itself and written as ranges.
 * @returns undefined when no IPv4 packet can match
 */
function addressMatch(
  field: string,
  matches: readonly AddressMatch[],
  tags: TagSets,
): string | undefined {
  if (matches.some(({ kind }) => kind === "any")) return "";
  const [only] = matches;
  if (matches.length === 1 && only?.kind === "tag" && isPublished(only.tag))
    return `${field} @${setName(only.tag)}`;
  const ranges = rangesOf(matches, (tag) => rangesOfTag(tag, tags.meaning));
  if (ranges.length === 0) return undefined;
  const words = ranges.map(({ low, high }) =>
    low === high ? numberToIpv4(low) : `${numberToIpv4(low)}-${numberToIpv4(high)}`,
  );
  return `${field} { ${words.join(", ")} }`;
}
