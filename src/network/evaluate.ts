/**
 * What a list of security rules says to one packet: the first match ends.
 *
 * Rules are compiled once to sorted ranges and then asked often. Which rules and which meaning of
 * tags apply is given; routes and translations are not known here.
 *
 * @article Network Security Groups
 */
import { must } from "../base/problem.ts";
import { ipv4ToNumber, rangeOf, type AddressRange, type Cidr, type Ipv4 } from "./prefix.ts";
import type { Access, AddressMatch, Direction, PortRange, Protocol, SecurityRule } from "./rule.ts";

export type Packet = {
  readonly from: Ipv4;
  readonly to: Ipv4;
  readonly protocol: Exclude<Protocol, "*">;
  /** 0 for protocols without ports. */
  readonly fromPort: number;
  readonly toPort: number;
};

/** What tags mean in one network. */
export type TagMeaning = {
  /** Prefixes of the tag VirtualNetwork, the platform's address not included. */
  readonly virtualNetwork: readonly Cidr[];
  /** 168.63.129.16 */
  readonly platformAddress: Ipv4;
  /** Published prefixes; an unknown name is a broken promise: it was refused when it was read. */
  readonly published: (tag: string) => readonly Cidr[] | undefined;
};

export type Decision = { readonly access: Access; readonly rule: SecurityRule };

export type Evaluate = (direction: Direction, packet: Packet) => Decision | undefined;

/** Tags that make the platform's own services subject to rules; without them they are exempt. */
export const PLATFORM_TAGS = ["AzurePlatformDNS", "AzurePlatformIMDS", "AzurePlatformLKM"] as const;

/** Tags whose meaning comes from the network itself. */
export const COMPUTED_TAGS = ["VirtualNetwork", "Internet", "AzureLoadBalancer"] as const;

/**
 * @param rules sorted by priority within a direction
 * @returns the deciding rule; undefined when none matches, which with default rules cannot be
 */
export function compileRules(rules: readonly SecurityRule[], meaning: TagMeaning): Evaluate {
  const ranges = new Map<string, readonly AddressRange[]>();
  const tagRanges = (tag: string) => {
    const known = ranges.get(tag) ?? rangesOfTag(tag, meaning);
    ranges.set(tag, known);
    return known;
  };
  const compiled = rules.map((rule) => ({
    rule,
    from: addressTest(rule.sources, tagRanges),
    to: addressTest(rule.destinations, tagRanges),
  }));
  return (direction, packet) => {
    const from = ipv4ToNumber(packet.from);
    const to = ipv4ToNumber(packet.to);
    const exempt = isExempt(direction, packet, meaning);
    const match = compiled.find(
      ({ rule, from: fits, to: reaches }) =>
        rule.direction === direction &&
        (!exempt || namesPlatform(rule)) &&
        matchesProtocol(rule, packet) &&
        fits(from) &&
        reaches(to),
    );
    return match && { access: match.rule.access, rule: match.rule };
  };
}

/** Traffic to the platform's address passes unless a rule names one of its tags. */
export function isExempt(direction: Direction, packet: Packet, meaning: TagMeaning): boolean {
  return direction === "Outbound" && packet.to === meaning.platformAddress;
}

export function namesPlatform({ destinations }: SecurityRule): boolean {
  const tags: readonly string[] = PLATFORM_TAGS;
  return destinations.some((match) => match.kind === "tag" && tags.includes(match.tag));
}

/** Ports count for TCP and UDP only: a rule about some ports says nothing of other protocols. */
function matchesProtocol(rule: SecurityRule, packet: Packet): boolean {
  if (rule.protocol !== "*" && rule.protocol !== packet.protocol) return false;
  if (packet.protocol !== "Tcp" && packet.protocol !== "Udp")
    return isAnyPort(rule.sourcePorts) && isAnyPort(rule.destinationPorts);
  return within(rule.sourcePorts, packet.fromPort) && within(rule.destinationPorts, packet.toPort);
}

export function isAnyPort(ranges: readonly PortRange[]): boolean {
  return ranges.some(({ low, high }) => low === 0 && high === 65_535);
}

function within(ranges: readonly PortRange[], port: number): boolean {
  return ranges.some(({ low, high }) => low <= port && port <= high);
}

function addressTest(
  matches: readonly AddressMatch[],
  tagRanges: (tag: string) => readonly AddressRange[],
): (address: number) => boolean {
  if (matches.some(({ kind }) => kind === "any")) return () => true;
  const ranges = rangesOf(matches, tagRanges);
  return (address) => holds(ranges, address);
}

/** Addresses that any of these matches, sorted and merged; empty when no IPv4 packet does. */
export function rangesOf(
  matches: readonly AddressMatch[],
  tagRanges: (tag: string) => readonly AddressRange[],
): readonly AddressRange[] {
  const [only] = matches;
  // Shared, not copied: many rules name the same tag of ten thousand prefixes.
  if (matches.length === 1 && only?.kind === "tag") return tagRanges(only.tag);
  return merge(
    matches.flatMap((match) => {
      switch (match.kind) {
        case "any":
          return [{ low: 0, high: 0xffff_ffff }];
        case "prefix6":
          return [];
        case "prefix":
          return [rangeOf(match.prefix)];
        case "tag":
          return tagRanges(match.tag);
      }
    }),
  );
}

/** True for tags of published data: their meaning is the same in every network. */
export function isPublished(tag: string): boolean {
  const given: readonly string[] = [...COMPUTED_TAGS, ...PLATFORM_TAGS];
  return !given.includes(tag);
}

/** Addresses a tag stands for in this network, sorted and merged. */
export function rangesOfTag(tag: string, meaning: TagMeaning): readonly AddressRange[] {
  const platform = ipv4ToNumber(meaning.platformAddress);
  const network = () =>
    merge([...meaning.virtualNetwork.map(rangeOf), { low: platform, high: platform }]);
  const tags: readonly string[] = PLATFORM_TAGS;
  if (tag === "VirtualNetwork") return network();
  if (tag === "Internet") return complement(network());
  if (tag === "AzureLoadBalancer" || tags.includes(tag)) return [{ low: platform, high: platform }];
  const published = meaning.published(tag);
  must(published !== undefined, `the tag ${tag} is known`);
  return merge(published.map(rangeOf));
}

/** Sorted, without overlaps, neighbours joined. */
export function merge(ranges: readonly AddressRange[]): readonly AddressRange[] {
  const sorted = [...ranges].sort((a, b) => a.low - b.low);
  const merged: { low: number; high: number }[] = [];
  for (const { low, high } of sorted) {
    const last = merged.at(-1);
    if (last !== undefined && low <= last.high + 1) last.high = Math.max(last.high, high);
    else merged.push({ low, high });
  }
  return merged;
}

/** Everything else. */
export function complement(merged: readonly AddressRange[]): readonly AddressRange[] {
  const gaps: AddressRange[] = [];
  let next = 0;
  for (const { low, high } of merged) {
    if (next < low) gaps.push({ low: next, high: low - 1 });
    next = high + 1;
  }
  if (next <= 0xffff_ffff) gaps.push({ low: next, high: 0xffff_ffff });
  return gaps;
}

function holds(merged: readonly AddressRange[], address: number): boolean {
  let low = 0;
  let high = merged.length - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const range = merged[middle];
    if (range === undefined) return false;
    if (address < range.low) high = middle - 1;
    else if (range.high < address) low = middle + 1;
    else return true;
  }
  return false;
}
