/**
 * Which rules decide about a box of packets, found by diagrams, kept, and mended after an edit.
 *
 * No question is without end. A diagram that tells rules apart has a budget; when it is spent, boxes
 * are subtracted; when that is too much as well, a diagram that tells verdicts only has a larger
 * budget; and last, one stopped packet is searched for. So an answer comes, with less said about
 * it, or the question is declined. Steps are counted, never time: the same question, the same answer.
 */
import { must, ProblemError } from "../base/problem.ts";
import { ALLOW_BY_DEFAULT, BudgetSpent, DENY, NOTHING, type Budget } from "./diagram.ts";
import { decidingRule } from "./evaluate.ts";
import type { RuleBox } from "./meaning.ts";
import {
  countDisjoint,
  firstPacket,
  packetBox,
  type PacketBox,
  type PacketSet,
} from "./packet-set.ts";
import type { Family } from "./plane.ts";
import { Region, type Edit } from "./region.ts";
import type { SecurityRule } from "./rule.ts";
import { sharesOf, someStopped } from "./shares.ts";
import { answersIn, boxesInside, countInside, someBox } from "./walks.ts";

/** What is known about all packets of a box. */
export type Answer = {
  readonly decided: readonly Decided[];
  /** True: other rules decide as well, which are not among these. */
  readonly incomplete: boolean;
  /** How many packets are stopped; undefined: more than can be counted. */
  readonly stopped: () => bigint | undefined;
};

/** What one rule decides of a box. Asked for piece by piece, because most proofs need little. */
export type Decided = {
  readonly rule: SecurityRule;
  /** A part of it. */
  readonly some: () => PacketBox;
  readonly boxes: () => Boxes;
};

/** The first of the boxes, and whether there are more. */
export type Boxes = { readonly boxes: PacketSet; readonly truncated: boolean };

/** What a question may take, one way after the other. */
export type Limits = {
  /** Of diagrams that tell rules apart. */
  readonly rules: Budget;
  /** Of box subtraction, and of the search for one packet. */
  readonly boxes: number;
  /** Of diagrams that tell verdicts. */
  readonly verdicts: Budget;
};

export type DecisionOptions = { readonly limits?: Limits; readonly lastLabel?: number };

/** A real group of a thousand rules needs half a million edges to be told as a whole. */
const USUAL_LIMITS: Limits = {
  rules: { edges: 4_000_000, steps: 16_000_000 },
  boxes: 50_000,
  verdicts: { edges: 24_000_000, steps: 80_000_000 },
};
/** Boxes that are listed; more tell people nothing. */
export const MOST_LISTED = 20;

const WAYS = ["rules", "boxes", "verdicts", "search"] as const;

/** The standing question about one box. */
export class Decisions {
  readonly #box: PacketBox;
  readonly #limits: Limits;
  readonly #regions: { readonly rules: readonly Region[]; readonly verdicts: readonly Region[] };
  /** The way that answered last: what was too much once is not tried again after an edit. */
  #way = 0;
  #last: { readonly roots: string; readonly answer: Answer } | undefined;

  constructor(box: PacketBox, options: DecisionOptions) {
    const { limits = USUAL_LIMITS, ...rest } = options;
    this.#box = box;
    this.#limits = limits;
    const regions = (answers: "rules" | "kinds", budget: Budget) =>
      familiesOf(box).map(
        (family) => new Region({ ...rest, budget, family, bounds: box, answers }),
      );
    this.#regions = {
      rules: regions("rules", limits.rules),
      verdicts: regions("kinds", limits.verdicts),
    };
  }

  /** Those decided in the order of rules; a rule may come once for each family of addresses. */
  among(rules: readonly RuleBox[], edit?: Edit): Answer {
    for (; this.#way < WAYS.length; this.#way += 1)
      try {
        const answer = this.#by(WAYS[this.#way] ?? "search", rules, edit);
        if (answer !== undefined) return answer;
      } catch (thrown) {
        if (!(thrown instanceof BudgetSpent)) throw thrown;
        for (const region of [...this.#regions.rules, ...this.#regions.verdicts]) region.forget();
        this.#last = undefined;
      }
    // Another edit may make it small again.
    this.#way = 0;
    throw tooLarge();
  }

  #by(
    way: (typeof WAYS)[number],
    rules: readonly RuleBox[],
    edit: Edit | undefined,
  ): Answer | undefined {
    switch (way) {
      case "rules":
        return this.#byDiagram(this.#regions.rules, decidedIn, rules, edit);
      case "boxes":
        return bySubtraction(rules, this.#box, this.#limits.boxes);
      case "verdicts":
        return this.#byDiagram(this.#regions.verdicts, (one) => kindsIn(one, rules), rules, edit);
      case "search":
        return bySearch(rules, this.#box, this.#limits.boxes);
    }
  }

  #byDiagram(
    regions: readonly Region[],
    look: (region: Region) => Answer,
    rules: readonly RuleBox[],
    edit: Edit | undefined,
  ): Answer {
    for (const region of regions) region.update(rules, edit);
    const roots = regions.map(({ root, builds }) => `${builds}:${root}`).join();
    // The same verdicts may come from other rules; the same rules, from no others.
    if (this.#last?.roots !== roots || regions !== this.#regions.rules)
      this.#last = { roots, answer: together(regions.map(look)) };
    return this.#last.answer;
  }
}

/** For questions that have no smaller way out: where the budget is spent, they are declined. */
export function withinBudget<Value>(ask: () => Value): Value {
  try {
    return ask();
  } catch (thrown) {
    throw thrown instanceof BudgetSpent ? tooLarge() : thrown;
  }
}

function tooLarge(): ProblemError {
  return new ProblemError({
    code: "LawQuestionTooLarge",
    what: "The rules overlap in more ways than can be told apart within the budget of one question",
    fix: "Ask about fewer addresses or ports at a time, or merge rules that overlap.",
  });
}

function familiesOf({ from, to }: PacketBox): readonly Family[] {
  const families = ["v4", "v6"] as const;
  return families.filter((family) => 0 < from[family].length && 0 < to[family].length);
}

function together(answers: readonly Answer[]): Answer {
  return {
    decided: answers.flatMap(({ decided }) => decided),
    incomplete: answers.some(({ incomplete }) => incomplete),
    stopped: lazily(() => {
      const counts = answers.map(({ stopped }) => stopped());
      if (!counts.every((count) => count !== undefined)) return undefined;
      return counts.reduce((sum, count) => sum + count, 0n);
    }),
  };
}

function decidedIn(region: Region): Answer {
  const { diagram, root } = region;
  const told = [...answersIn(diagram, root)]
    .filter((answer) => answer !== NOTHING)
    .map((answer) => ({ answer, rule: region.ruleOf(answer).rule }))
    .sort((a, b) => a.rule.priority - b.rule.priority);
  const denying = new Set(
    told.filter(({ rule }) => rule.access === "Deny").map(({ answer }) => answer),
  );
  return {
    decided: told.map(({ answer, rule }) => ({
      rule,
      ...partIn(region, (other) => other === answer),
    })),
    incomplete: false,
    stopped: countIn(region, (answer) => denying.has(answer)),
  };
}

/** Verdicts only: of the rules that stop, the one that stops the first packet is told. */
function kindsIn(region: Region, rules: readonly RuleBox[]): Answer {
  const answers = answersIn(region.diagram, region.root);
  const denied = partIn(region, (answer) => answer === DENY);
  const byDefault = partIn(region, (answer) => answer === ALLOW_BY_DEFAULT);
  const granting = region.met
    .map(({ rule }) => rule)
    .filter(({ access, origin }) => access === "Allow" && origin !== "default");
  const granted = granting.map((rule): Decided => ({
    rule,
    some: () => denied.some(),
    boxes: none,
  }));
  const defaults = region.met
    .map(({ rule }) => rule)
    .filter(({ access, origin }) => access === "Allow" && origin === "default")
    // What they grant together is told once.
    .map((rule, at): Decided => ({ rule, ...byDefault, ...(0 < at && { boxes: none }) }));
  return {
    decided: [
      ...(answers.has(DENY) ? [firstStopped(rules, denied.some())] : []),
      ...granted,
      ...(answers.has(ALLOW_BY_DEFAULT) ? defaults : []),
    ],
    incomplete: answers.has(DENY),
    stopped: countIn(region, (answer) => answer === DENY),
  };
}

/** Of a box that is stopped as a whole: who stops its first packet. */
function firstStopped(rules: readonly RuleBox[], box: PacketBox): Decided {
  const packet = firstPacket(box);
  const rule = decidingRule(rules, packet);
  const own = packetBox(packet);
  must(rule !== undefined, "a rule stops what is stopped");
  return { rule, some: () => own, boxes: () => ({ boxes: [own], truncated: true }) };
}

const none = (): Boxes => ({ boxes: [], truncated: false });

function partIn(
  region: Region,
  wanted: (answer: number) => boolean,
): Pick<Decided, "some" | "boxes"> {
  const part = lazily(() => {
    region.beginLook();
    return region.diagram.select(region.root, wanted);
  });
  return {
    some: () => someBox(region, part()),
    boxes: lazily(() => orNothing(() => boxesInside(region, part(), MOST_LISTED))),
  };
}

function orNothing(look: () => Boxes): Boxes {
  try {
    return look();
  } catch (thrown) {
    if (thrown instanceof BudgetSpent) return { boxes: [], truncated: true };
    throw thrown;
  }
}

function countIn(region: Region, wanted: (answer: number) => boolean): Answer["stopped"] {
  return lazily(() => {
    try {
      region.beginLook();
      return countInside(region, region.diagram.select(region.root, wanted));
    } catch (thrown) {
      if (thrown instanceof BudgetSpent) return undefined;
      throw thrown;
    }
  });
}

function bySubtraction(
  rules: readonly RuleBox[],
  box: PacketBox,
  most: number,
): Answer | undefined {
  const shares = sharesOf(rules, [box], most);
  if (shares === undefined) return undefined;
  return {
    decided: shares.shares.map(({ rule, boxes }): Decided => {
      const [first = box] = boxes;
      return {
        rule,
        some: () => first,
        boxes: () => ({
          boxes: boxes.slice(0, MOST_LISTED),
          truncated: MOST_LISTED < boxes.length,
        }),
      };
    }),
    incomplete: false,
    stopped: () =>
      countDisjoint(
        shares.shares.flatMap(({ rule, boxes }) => (rule.access === "Deny" ? boxes : [])),
      ),
  };
}

/** One packet that is stopped, or the knowledge that none is. */
function bySearch(rules: readonly RuleBox[], box: PacketBox, most: number): Answer | undefined {
  const found = someStopped(rules, box, most);
  if (found === undefined || found === "none") return undefined;
  return {
    decided: [firstStopped(rules, found.box)],
    incomplete: true,
    stopped: () => undefined,
  };
}

function lazily<Value>(make: () => Value): () => Value {
  let made: { readonly value: Value } | undefined;
  return () => (made ??= { value: make() }).value;
}
