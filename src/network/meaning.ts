/**
 * What the words of a rule stand for: tags, prefixes and groups as exact sets, a rule as a box.
 *
 * The one place that says which packets a rule matches. Proofs, the walk of one packet and the
 * kernel's rules all ask here. Which rule wins is in evaluate.ts and policy.ts.
 *
 * @article Network Security Groups
 */
import { must } from "../base/problem.ts";
import {
  differenceOf,
  EVERYWHERE,
  holdsAddress,
  setOfAddresses,
  setOfPrefixes,
  singleAddress,
  unionOf,
  type AddressSet,
  type AnyCidr,
} from "./address-set.ts";
import { boxOf, type PacketBox } from "./packet-set.ts";
import type { Ipv4 } from "./prefix.ts";
import { PROTOCOLS, type AddressMatch, type SecurityRule } from "./rule.ts";

/** What tags mean in one network. */
export type TagMeaning = {
  /** Prefixes of the tag VirtualNetwork, the platform's address not included. */
  readonly virtualNetwork: readonly AnyCidr[];
  /** 168.63.129.16 */
  readonly platformAddress: Ipv4;
  /**
   * Published prefixes, or their set; the same for the same tag, by identity. An unknown name is a
   * broken promise: it was refused when it was read.
   */
  readonly published: (tag: string) => readonly AnyCidr[] | AddressSet | undefined;
};

/** A rule and all packets it matches. */
export type RuleBox = { readonly rule: SecurityRule; readonly box: PacketBox };

/** Tags that make the platform's own services subject to rules; without them they are exempt. */
export const PLATFORM_TAGS = ["AzurePlatformDNS", "AzurePlatformIMDS", "AzurePlatformLKM"] as const;

/** Tags whose meaning comes from the network itself. */
export const COMPUTED_TAGS = ["VirtualNetwork", "Internet", "AzureLoadBalancer"] as const;

/** True for tags of published data: their meaning is the same in every network. */
export function isPublished(tag: string): boolean {
  const given: readonly string[] = [...COMPUTED_TAGS, ...PLATFORM_TAGS];
  return !given.includes(tag);
}

/**
 * All packets the rule matches. A rule about some ports says nothing of protocols without ports.
 * Going out, the platform's address is exempt from rules that do not name one of its tags.
 */
export function boxOfRule(rule: SecurityRule, meaning: TagMeaning): PacketBox {
  const to = setOfMatches(rule.destinations, meaning);
  const exempt = rule.direction === "Outbound" && !namesPlatform(rule);
  return boxOf({
    from: setOfMatches(rule.sources, meaning),
    to: exempt ? withoutPlatform(to, meaning) : to,
    protocols: rule.protocol === "*" ? PROTOCOLS : [rule.protocol],
    fromPorts: rule.sourcePorts,
    toPorts: rule.destinationPorts,
  });
}

export function namesPlatform({ destinations }: SecurityRule): boolean {
  const tags: readonly string[] = PLATFORM_TAGS;
  return destinations.some((match) => match.kind === "tag" && tags.includes(match.tag));
}

/** Addresses that any of these matches. Shared, not copied: many rules name one large tag. */
export function setOfMatches(matches: readonly AddressMatch[], meaning: TagMeaning): AddressSet {
  if (matches.some(({ kind }) => kind === "any")) return EVERYWHERE;
  const [only] = matches;
  if (only?.kind === "tag" && matches.length === 1) return setOfTag(only.tag, meaning);
  return unionOf([
    setOfPrefixes(
      matches.flatMap((match) =>
        match.kind === "prefix" || match.kind === "prefix6" ? [match.prefix] : [],
      ),
    ),
    ...matches.flatMap((match) => {
      if (match.kind === "tag") return [setOfTag(match.tag, meaning)];
      return match.kind === "asg" ? [setOfAddresses(match.addresses)] : [];
    }),
  ]);
}

/** Addresses a tag stands for in this network. The same meaning gives the same set, by identity. */
export function setOfTag(tag: string, meaning: TagMeaning): AddressSet {
  const published = isPublished(tag) ? meaning.published(tag) : undefined;
  must(!isPublished(tag) || published !== undefined, `the tag ${tag} is known`);
  if (published !== undefined) return "v4" in published ? published : setOfList(published);
  const own = remember(ofNetwork, meaning, () => new Map<string, AddressSet>());
  const set = own.get(tag) ?? computedTag(tag, meaning);
  own.set(tag, set);
  return set;
}

/** The set of a list that stays: worked out once. */
export function setOfList(prefixes: readonly AnyCidr[]): AddressSet {
  return remember(ofList, prefixes, () => setOfPrefixes(prefixes));
}

/** What a list of prefixes stands for, where that is known without reading them. */
export function rememberSet(prefixes: readonly AnyCidr[], set: AddressSet): void {
  ofList.set(prefixes, set);
}

function computedTag(tag: string, meaning: TagMeaning): AddressSet {
  const platform = singleAddress(meaning.platformAddress);
  if (tag === "VirtualNetwork") return unionOf([setOfPrefixes(meaning.virtualNetwork), platform]);
  if (tag === "Internet") return differenceOf(EVERYWHERE, setOfTag("VirtualNetwork", meaning));
  return platform;
}

/** By identity, like tags, so that whoever keeps sets can tell that they are the same. */
function withoutPlatform(set: AddressSet, meaning: TagMeaning): AddressSet {
  const made = remember(exempted, meaning, () => new WeakMap<AddressSet, AddressSet>());
  return remember(made, set, () => {
    const holds = holdsAddress(set, meaning.platformAddress);
    return holds ? differenceOf(set, singleAddress(meaning.platformAddress)) : set;
  });
}

/** Prefixes of a published tag are one list for the life of the data; a network's meaning is one value. */
const ofList = new WeakMap<readonly AnyCidr[], AddressSet>();
const ofNetwork = new WeakMap<TagMeaning, Map<string, AddressSet>>();
const exempted = new WeakMap<TagMeaning, WeakMap<AddressSet, AddressSet>>();

function remember<Key extends WeakKey, Value>(
  kept: WeakMap<Key, Value>,
  key: Key,
  make: () => Value,
): Value {
  const known = kept.get(key);
  if (known !== undefined) return known;
  const made = make();
  kept.set(key, made);
  return made;
}
