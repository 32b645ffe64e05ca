/**
 * Which rules decide about a box of packets, found by diagrams, kept, and mended after an edit.
 *
 * Where a diagram would grow beyond its budget, boxes are subtracted instead; where that is too much
 * as well, the box is halved until it is not. So an answer always comes, or the question is declined.
 */
import { ProblemError } from "../base/problem.ts";
import { BudgetSpent, NOTHING, type Budget } from "./diagram.ts";
import type { RuleBox } from "./meaning.ts";
import { countDisjoint, isEmptyBox, type PacketBox, type PacketSet } from "./packet-set.ts";
import type { Family } from "./plane.ts";
import type { Ranges } from "./ranges.ts";
import { Region, type Edit } from "./region.ts";
import type { SecurityRule } from "./rule.ts";
import { sharesOf } from "./shares.ts";
import { answersIn, boxesInside, countInside, someBox } from "./walks.ts";

/** What one rule decides of a box. Asked for piece by piece, because most proofs need little. */
export type Decided = {
  readonly rule: SecurityRule;
  /** A part of it. */
  readonly some: () => PacketBox;
  readonly boxes: () => Boxes;
  readonly packets: () => bigint;
};

/** The first of the boxes, and whether there are more. */
export type Boxes = { readonly boxes: PacketSet; readonly truncated: boolean };

export type DecisionOptions = { readonly budget?: Budget; readonly lastLabel?: number };

/** Steps of box subtraction before the box is halved. */
const MOST_BOXES = 100_000;
/** Boxes of one rule that are listed; more tell people nothing. */
export const MOST_LISTED = 20;
/** Halvings one inside the other. */
const MOST_HALVINGS = 10;

/** The standing question about one box. */
export class Decisions {
  readonly #box: PacketBox;
  readonly #regions: readonly Region[];
  #last: { readonly roots: string; readonly decided: readonly Decided[] } | undefined;

  constructor(box: PacketBox, options: DecisionOptions) {
    this.#box = box;
    this.#regions = familiesOf(box).map(
      (family) => new Region({ ...options, family, bounds: box, answers: "rules" }),
    );
  }

  /** In the order of rules; a rule may come once for each family of addresses. */
  among(rules: readonly RuleBox[], edit?: Edit): readonly Decided[] {
    try {
      for (const region of this.#regions) region.update(rules, edit);
      const roots = this.#regions.map(({ root, builds }) => `${builds}:${root}`).join();
      if (this.#last?.roots !== roots)
        this.#last = { roots, decided: this.#regions.flatMap(decidedIn) };
      return this.#last.decided;
    } catch (thrown) {
      if (!(thrown instanceof BudgetSpent)) throw thrown;
      this.#last = undefined;
      return bySubtraction(rules, this.#box, MOST_HALVINGS);
    }
  }
}

function familiesOf({ from, to }: PacketBox): readonly Family[] {
  const families = ["v4", "v6"] as const;
  return families.filter((family) => 0 < from[family].length && 0 < to[family].length);
}

function decidedIn(region: Region): readonly Decided[] {
  const { diagram, root } = region;
  return [...answersIn(diagram, root)]
    .filter((answer) => answer !== NOTHING)
    .map((answer) => ({ answer, rule: region.ruleOf(answer).rule }))
    .sort((a, b) => a.rule.priority - b.rule.priority)
    .map(({ answer, rule }): Decided => {
      const part = lazily(() => diagram.select(root, (other) => other === answer));
      return {
        rule,
        some: () => someBox(region, part()),
        boxes: lazily(() => boxesInside(region, part(), MOST_LISTED)),
        packets: lazily(() => countInside(region, part())),
      };
    });
}

function bySubtraction(
  rules: readonly RuleBox[],
  box: PacketBox,
  halvings: number,
): readonly Decided[] {
  const shares = sharesOf(rules, [box], MOST_BOXES);
  if (shares !== undefined)
    return shares.shares.map(({ rule, boxes }): Decided => {
      const [first = box] = boxes;
      return {
        rule,
        some: () => first,
        boxes: () => ({
          boxes: boxes.slice(0, MOST_LISTED),
          truncated: MOST_LISTED < boxes.length,
        }),
        packets: () => countDisjoint(boxes),
      };
    });
  if (halvings === 0)
    throw new ProblemError({
      code: "LawQuestionTooLarge",
      what: "The rules overlap in more ways than can be told apart within the budget of one question",
      fix: "Ask about fewer addresses or ports at a time, or merge rules that overlap.",
    });
  return halves(box, halvings % 2 === 0 ? "from" : "to").flatMap((half) =>
    bySubtraction(rules, half, halvings - 1),
  );
}

function halves(box: PacketBox, side: "from" | "to"): readonly PacketBox[] {
  const { v4, v6 } = box[side];
  const parts = halved(v4, (low, high) => low + Math.floor((high - low) / 2), 1);
  const parts6 = halved(v6, (low, high) => low + (high - low) / 2n, 1n);
  return [0, 1]
    .map((at) => ({ ...box, [side]: { v4: parts[at] ?? [], v6: parts6[at] ?? [] } }))
    .filter((half) => !isEmptyBox(half));
}

function halved<Num extends number | bigint>(
  ranges: Ranges<Num>,
  middle: (low: Num, high: Num) => Num,
  one: Num,
): readonly [Ranges<Num>, Ranges<Num>] {
  const [first] = ranges;
  if (first === undefined || 1 < ranges.length) {
    const half = Math.ceil(ranges.length / 2);
    return [ranges.slice(0, half), ranges.slice(half)];
  }
  const { low, high } = first;
  if (low === high) return [ranges, []];
  const cut = middle(low, high);
  return [[{ low, high: cut }], [{ low: ((cut as number) + (one as number)) as Num, high }]];
}

function lazily<Value>(make: () => Value): () => Value {
  let made: { readonly value: Value } | undefined;
  return () => (made ??= { value: make() }).value;
}
