/**
 * Which published tags rules name, and what a world is told they stand for.
 */
import type { Cidr } from "../../../network/prefix.ts";
import type { SecurityRule } from "../../../network/rule.ts";

export type Tags = Readonly<Record<string, readonly Cidr[]>>;

export function tagsNamed(rules: readonly SecurityRule[]): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { sources, destinations } of rules)
    for (const list of [sources, destinations])
      for (const match of list) if (match.kind === "tag") names.add(match.tag);
  return names;
}
