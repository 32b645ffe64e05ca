/**
 * Ranges of tags, worked out once for each list of prefixes.
 *
 * The same list gives the same array, so that whoever keeps sets of them can tell by identity.
 */
import { isPublished, rangesOfTag, type TagMeaning } from "../../../network/evaluate.ts";
import type { AddressRange, Cidr } from "../../../network/prefix.ts";
import type { SecurityRule } from "../../../network/rule.ts";

export type Tags = Readonly<Record<string, readonly Cidr[]>>;

const known = new WeakMap<readonly Cidr[], readonly AddressRange[]>();

/** One without IPv4 prefixes matches no IPv4 packet. */
export function tagRangesOf(meaning: TagMeaning): (tag: string) => readonly AddressRange[] {
  const own = new Map<string, readonly AddressRange[]>();
  return (tag) => {
    const prefixes = isPublished(tag) ? meaning.published(tag) : undefined;
    if (prefixes?.length === 0) return [];
    const ranges =
      (prefixes === undefined ? own.get(tag) : known.get(prefixes)) ?? rangesOfTag(tag, meaning);
    if (prefixes === undefined) own.set(tag, ranges);
    else known.set(prefixes, ranges);
    return ranges;
  };
}

export function tagsNamed(rules: readonly SecurityRule[]): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { sources, destinations } of rules)
    for (const list of [sources, destinations])
      for (const match of list) if (match.kind === "tag") names.add(match.tag);
  return names;
}
