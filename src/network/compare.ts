/**
 * Two policies over all packets: what one lets through and the other does not.
 *
 * Both become diagrams over the same labels; where those are one number the policies are equal. Words
 * for the sets are found elsewhere (naming.ts).
 */
import { withinBudget } from "./decisions.ts";
import {
  BudgetSpent,
  CHANGE,
  DENY,
  DROP,
  GAINED,
  INSIDE,
  LOST,
  NOTHING,
  type Budget,
} from "./diagram.ts";
import type { RuleBox } from "./meaning.ts";
import { ALL_PACKETS, type PacketBox, type PacketSet } from "./packet-set.ts";
import type { Family } from "./plane.ts";
import type { Policy } from "./policy.ts";
import { Region } from "./region.ts";
import { boxesInside, countInside } from "./walks.ts";

export type Change = {
  /** At most so many as were asked for; none of them can be made larger. */
  readonly boxes: PacketSet;
  readonly truncated: boolean;
  /** Undefined: more than can be counted within the budget. */
  readonly packets: bigint | undefined;
};

export type PolicyDifference = {
  readonly equal: boolean;
  /** Passes now and did not. */
  readonly gained: Change;
  readonly lost: Change;
};

const FAMILIES: readonly Family[] = ["v4", "v6"];
/** Of each, gained and lost, together with the other 20. */
const MOST_SHOWN = 10;

export function diffPolicies(
  before: Policy,
  after: Policy,
  within: PacketBox = ALL_PACKETS,
  options: { readonly most?: number; readonly budget?: Budget } = {},
): PolicyDifference {
  return withinBudget(() => differenceOf(before, after, within, options));
}

function differenceOf(
  before: Policy,
  after: Policy,
  within: PacketBox,
  { most = MOST_SHOWN, budget }: { readonly most?: number; readonly budget?: Budget },
): PolicyDifference {
  const parts = FAMILIES.map((family) => {
    const region = new Region({
      family,
      bounds: within,
      answers: "verdicts",
      ...(budget && { budget }),
    });
    const [one, other] = rootsOf(region, before.boxes, after.boxes);
    const change = region.diagram.combine(CHANGE, one, other);
    const only = (kind: number) => changeOf(region, change, kind, most);
    return { gained: only(GAINED), lost: only(LOST) };
  });
  const gained = joined(parts.map((part) => part.gained));
  const lost = joined(parts.map((part) => part.lost));
  const equal =
    gained.boxes.length + lost.boxes.length === 0 && !gained.truncated && !lost.truncated;
  return { equal, gained, lost };
}

/** The part of a box that passes, or that does not. */
export function partOf(
  policy: Policy,
  box: PacketBox,
  which: "allowed" | "denied",
  most: number = MOST_SHOWN,
): Change {
  return withinBudget(() => partIn(policy, box, which, most));
}

function partIn(policy: Policy, box: PacketBox, which: "allowed" | "denied", most: number): Change {
  return joined(
    FAMILIES.map((family) => {
      const region = new Region({ family, bounds: box, answers: "verdicts" });
      region.update(policy.boxes);
      const { diagram, root } = region;
      const denied = diagram.select(root, (answer) => answer === DENY);
      const all = region.boxNode(box, INSIDE);
      const part = which === "denied" ? denied : diagram.combine(DROP, all, denied);
      return changeOf(region, part, INSIDE, most);
    }),
  );
}

/** Labels given anew for the second would make the first's number another diagram's: then again. */
function rootsOf(
  region: Region,
  before: readonly RuleBox[],
  after: readonly RuleBox[],
): readonly [number, number] {
  region.update(before);
  region.learn(after);
  for (let tries = 0; tries < MOST_TRIES; tries += 1) {
    region.update(before);
    const { root, builds } = region;
    region.update(after);
    region.beginLook();
    if (region.builds === builds) return [root, region.root];
  }
  throw new BudgetSpent();
}

const MOST_TRIES = 4;

function changeOf(region: Region, node: number, kind: number, most: number): Change {
  region.beginLook();
  const part = region.diagram.select(node, (answer) => answer === kind);
  if (part === NOTHING) return { boxes: [], truncated: false, packets: 0n };
  return { ...boxesInside(region, part, most), packets: countInside(region, part) };
}

function joined(parts: readonly Change[]): Change {
  return {
    boxes: parts.flatMap(({ boxes }) => boxes),
    truncated: parts.some(({ truncated }) => truncated),
    packets: parts.reduce<bigint | undefined>(
      (sum, { packets }) =>
        sum === undefined || packets === undefined ? undefined : sum + packets,
      0n,
    ),
  };
}
