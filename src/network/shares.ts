/**
 * Which rule decides which part of a set of packets, by subtracting boxes one rule after another.
 *
 * Exact and simple: nothing is prepared, and every part keeps the sets it came from, so that they
 * can be told in words. With many overlapping rules it may need too many boxes: then it says so,
 * and the diagrams of region.ts answer instead.
 */
import type { RuleBox } from "./meaning.ts";
import { intersectBoxes, subtractBox, type PacketBox, type PacketSet } from "./packet-set.ts";
import type { SecurityRule } from "./rule.ts";

/** What one rule decides; its boxes do not overlap each other nor those of another share. */
export type Share = { readonly rule: SecurityRule; readonly boxes: PacketSet };

export type Shares = {
  readonly shares: readonly Share[];
  /** What no rule matches: exempt traffic. */
  readonly unmatched: PacketSet;
};

/**
 * @param set boxes that do not overlap
 * @param mostBoxes how many steps may be taken
 * @returns undefined when that was not enough
 */
export function sharesOf(
  rules: readonly RuleBox[],
  set: PacketSet,
  mostBoxes: number,
): Shares | undefined {
  const shares: Share[] = [];
  let left: PacketSet = set;
  let made = 0;
  for (const { rule, box } of rules) {
    if (left.length === 0) break;
    const taken: PacketBox[] = [];
    const rest: PacketBox[] = [];
    for (const piece of left) {
      const common = intersectBoxes(piece, box);
      if (common === undefined) rest.push(piece);
      else {
        taken.push(common);
        const pieces = subtractBox(piece, box);
        rest.push(...pieces);
        made += 1 + pieces.length;
      }
    }
    if (mostBoxes < made) return undefined;
    if (0 < taken.length) {
      shares.push({ rule, boxes: taken });
      left = rest;
    }
  }
  return { shares, unmatched: left };
}
