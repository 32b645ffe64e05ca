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
        made += 1 + pieces.length + Math.floor(rangesIn(common) / RANGES_OF_A_BOX);
        if (mostBoxes < made) return undefined;
      }
    }
    if (0 < taken.length) {
      shares.push({ rule, boxes: taken });
      left = rest;
    }
  }
  return { shares, unmatched: left };
}

/** A box of longer lists counts as more than one. */
const RANGES_OF_A_BOX = 64;

function rangesIn({ from, to, fromPorts, toPorts }: PacketBox): number {
  const addresses = from.v4.length + from.v6.length + to.v4.length + to.v6.length;
  return addresses + fromPorts.length + toPorts.length;
}

/**
 * One box that a rule stops, found without looking for all of them: rule by rule, what is before it
 * is cut away depth first, until something is left.
 * @returns "none" if there is none, undefined if that would take more steps
 */
export function someStopped(
  rules: readonly RuleBox[],
  box: PacketBox,
  mostSteps: number,
): { readonly rule: SecurityRule; readonly box: PacketBox } | "none" | undefined {
  let steps = 0;
  const left = (
    piece: PacketBox,
    before: readonly RuleBox[],
    from: number,
  ): PacketBox | undefined => {
    for (let at = from; at < before.length; at += 1) {
      steps += 1;
      const rule = before[at];
      if (mostSteps < steps || rule === undefined) return undefined;
      if (intersectBoxes(piece, rule.box) === undefined) continue;
      for (const part of subtractBox(piece, rule.box)) {
        const found = left(part, before, at + 1);
        if (found !== undefined || mostSteps < steps) return found;
      }
      return undefined;
    }
    return piece;
  };
  for (const [at, rule] of rules.entries()) {
    const own = rule.rule.access === "Deny" ? intersectBoxes(box, rule.box) : undefined;
    if (own === undefined) continue;
    const meeting = rules
      .slice(0, at)
      .filter((before) => intersectBoxes(own, before.box) !== undefined);
    const found = left(own, meeting, 0);
    if (found !== undefined) return { rule: rule.rule, box: found };
    if (mostSteps < steps) return undefined;
  }
  return "none";
}
