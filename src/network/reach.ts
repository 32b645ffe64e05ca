/**
 * All pairs of endpoints at one gate: whether packets from one to the other pass, some of them, or none.
 *
 * Both gates of a way are asked apart and joined by whoever knows the way.
 */
import { DENY } from "./diagram.ts";
import { withinBudget } from "./decisions.ts";
import type { AddressSet } from "./address-set.ts";
import { ALL_PACKETS, boxOf } from "./packet-set.ts";
import type { Policy } from "./policy.ts";
import { Region } from "./region.ts";
import { touches, type Labels } from "./walks.ts";

export type Reach = "all" | "some" | "none";

const PASSES = 1;
const STOPS = 2;

/** @returns rows of `from`, columns of `to`; IPv4 */
export function reachability(
  policy: Policy,
  from: readonly AddressSet[],
  to: readonly AddressSet[],
): readonly (readonly Reach[])[] {
  return withinBudget(() => tableOf(policy, from, to));
}

function tableOf(
  policy: Policy,
  from: readonly AddressSet[],
  to: readonly AddressSet[],
): readonly (readonly Reach[])[] {
  const region = new Region({ family: "v4", bounds: ALL_PACKETS, answers: "verdicts" });
  region.update(policy.boxes);
  const sides = (sets: readonly AddressSet[], side: "from" | "to", level: number) =>
    region.labelsOfBoxes(
      sets.map((set) => boxOf({ [side]: set })),
      level,
    );
  const [rows, columns] = [sides(from, "from", 1), sides(to, "to", 2)];
  const { diagram, root } = region;
  const table = rows.map((): Reach[] => []);
  for (const column of columns) {
    region.beginLook();
    // What lies below the source is the same for every row.
    const below = new Map<number, number>();
    const ask = (node: number, row: Labels): number => {
      if (node < 0) return node === DENY ? STOPS : PASSES;
      const level = diagram.levelOf(node);
      if (1 < level) {
        const known = below.get(node);
        if (known !== undefined) return known;
      }
      const side = level === 1 ? row : level === 2 ? column : undefined;
      let found = 0;
      diagram.someRun(node, (low, high, target) => {
        if (side === undefined || touches(side, low, high)) found |= ask(target, row);
        return found === (PASSES | STOPS);
      });
      if (1 < level) below.set(node, found);
      return found;
    };
    rows.forEach((row, at) => {
      const found = ask(root, row);
      table[at]?.push(found === PASSES ? "all" : found === STOPS ? "none" : "some");
    });
  }
  return table;
}
