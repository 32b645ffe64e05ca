/**
 * Rules that decide nothing, or whose loss nobody would notice.
 *
 * Over all packets, with the tags as they are today. Advice: nothing is judged here.
 *
 * @article Network Security Groups
 */
import {
  ALLOW,
  DENY,
  DROP,
  INSIDE,
  KEEP,
  NOTHING,
  OVER,
  BudgetSpent,
  type Budget,
} from "./diagram.ts";
import type { RuleBox } from "./meaning.ts";
import { ALL_PACKETS } from "./packet-set.ts";
import type { Policy } from "./policy.ts";
import { Region } from "./region.ts";
import type { SecurityRule } from "./rule.ts";
import { answersIn } from "./walks.ts";

export type RuleFinding = {
  /**
   * shadowed: it never decides, and those before it say the same. contradicts: it never decides, and
   * some before it say the opposite. redundant: without it the same packets pass.
   */
  readonly kind: "shadowed" | "contradicts" | "redundant";
  readonly rule: SecurityRule;
  /** Those that decide about its packets instead. */
  readonly by: readonly SecurityRule[];
};

/** A real group of a thousand rules needs a tenth. */
const BUDGET: Budget = { edges: 8_000_000, steps: 5_000_000 };

export type Lint = {
  readonly findings: readonly RuleFinding[];
  /** False: some rules could not be looked at within the budget. */
  readonly complete: boolean;
};

/** Findings about rules of users, in their order. */
export function lintPolicy(policy: Policy): Lint {
  const looks = (["v4", "v6"] as const).map((family) => lookAt(policy.boxes, family));
  const findings = policy.boxes.flatMap((rule): readonly RuleFinding[] => {
    if (rule.rule.origin === "default") return [];
    const own = looks.flatMap((look) => look.of(rule));
    const by = [...new Set(own.flatMap((one) => one.by))];
    if (own.length === 0) return [];
    if (own.some(({ decides }) => decides))
      return own.every(({ decides, missed }) => !decides || !missed)
        ? [{ kind: "redundant", rule: rule.rule, by }]
        : [];
    const opposite = by.some(({ access }) => access !== rule.rule.access);
    return [{ kind: opposite ? "contradicts" : "shadowed", rule: rule.rule, by }];
  });
  return { findings, complete: looks.every(({ complete }) => complete) };
}

/** Of one rule in one family of addresses. */
type Look = {
  readonly decides: boolean;
  /** Whether another packet would pass, or one less, were it gone. */
  readonly missed: boolean;
  readonly by: readonly SecurityRule[];
};

/** About what could not be looked at, nothing is found. */
const UNSEEN: Look = { decides: true, missed: true, by: [] };

function lookAt(
  rules: readonly RuleBox[],
  family: "v4" | "v6",
): { readonly of: (rule: RuleBox) => readonly Look[]; readonly complete: boolean } {
  const looks = new Map<RuleBox, Look>();
  try {
    lookInto(looks, rules, family);
  } catch (thrown) {
    if (!(thrown instanceof BudgetSpent)) throw thrown;
    return { of: (rule) => [looks.get(rule) ?? UNSEEN], complete: false };
  }
  return {
    of: (rule) => {
      const look = looks.get(rule);
      return look === undefined ? [] : [look];
    },
    complete: true,
  };
}

/** From the last rule to the first, so that what those after one say is known. */
function lookInto(looks: Map<RuleBox, Look>, rules: readonly RuleBox[], family: "v4" | "v6"): void {
  const region = new Region({ family, bounds: ALL_PACKETS, answers: "rules", budget: BUDGET });
  region.update(rules);
  region.learn(rules);
  const { diagram, root } = region;
  let after = NOTHING;
  for (const rule of rules.toReversed()) {
    const box = region.boxNode(rule.box, INSIDE);
    if (box === NOTHING) continue;
    const decided = diagram.combine(KEEP, root, box);
    const deciders = [...answersIn(diagram, decided)]
      .filter((answer) => answer !== NOTHING)
      .map((answer) => ({ answer, rule: region.ruleOf(answer) }));
    const own = deciders.find((one) => one.rule === rule);
    const others = deciders.filter((one) => one !== own).map((one) => one.rule.rule);
    let missed = true;
    if (own !== undefined) {
      const share = diagram.select(decided, (answer) => answer === own.answer);
      const next = diagram.combine(KEEP, after, share);
      const opposite = rule.rule.access === "Allow" ? DENY : ALLOW;
      const unsaid = diagram.combine(DROP, share, after) !== NOTHING;
      missed = answersIn(diagram, next).has(opposite) || (rule.rule.access === "Deny" && unsaid);
    }
    const verdict = rule.rule.access === "Allow" ? ALLOW : DENY;
    after = diagram.combine(OVER, region.boxNode(rule.box, verdict), after);
    looks.set(rule, { decides: own !== undefined, missed, by: others });
  }
}
