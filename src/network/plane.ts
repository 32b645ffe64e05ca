/**
 * One family of addresses as plain numbers, so that the engine is written once.
 *
 * IPv4 addresses are numbers already. Of IPv6 only the ends of ranges that were ever named count:
 * a range becomes the ranks of its ends among them. The engine knows nothing of this.
 */
import { must } from "../base/problem.ts";
import { type AddressSet } from "./address-set.ts";
import type { AddressRange6 } from "./prefix6.ts";
import type { Range, Ranges } from "./ranges.ts";

export type Family = "v4" | "v6";

export type Plane = {
  readonly family: Family;
  readonly highest: number;
  /** False: the set has ends this plane does not know, and a wider one is needed. */
  readonly knows: (set: AddressSet) => boolean;
  readonly numbers: (set: AddressSet) => Ranges<number>;
  readonly addresses: (numbers: Ranges<number>) => AddressSet;
  /** How many addresses a range stands for, where not as many as it has numbers. */
  readonly weigh: ((range: Range<number>) => bigint) | undefined;
};

export const PLANE4: Plane = {
  family: "v4",
  highest: 2 ** 32 - 1,
  knows: () => true,
  numbers: ({ v4 }) => v4,
  addresses: (v4) => ({ v4, v6: [] }),
  weigh: undefined,
};

const END6 = 2n ** 128n;

/** @param sets all that will be asked for */
export function plane6(sets: Iterable<AddressSet>): Plane {
  const ends = new Set<bigint>([0n]);
  /** Looked at range by range once: whether rules are known is asked before every update. */
  const known = new WeakSet<readonly AddressRange6[]>();
  for (const { v6 } of new Set(sets)) {
    known.add(v6);
    for (const { low, high } of v6) {
      ends.add(low);
      ends.add(high + 1n);
    }
  }
  ends.delete(END6);
  const marks = [...ends].sort((a, b) => (a < b ? -1 : 1));
  const ranks = new Map(marks.map((mark, rank) => [mark, rank]));
  ranks.set(END6, marks.length);
  const made = new WeakMap<readonly AddressRange6[], Ranges<number>>();
  const rank = (end: bigint) => {
    const at = ranks.get(end);
    must(at !== undefined, "a plane is asked for ends it knows");
    return at;
  };
  const mark = (at: number) => marks[at] ?? END6;
  return {
    family: "v6",
    highest: marks.length - 1,
    knows: ({ v6 }) => {
      if (known.has(v6)) return true;
      const all = v6.every(({ low, high }) => ranks.has(low) && ranks.has(high + 1n));
      if (all) known.add(v6);
      return all;
    },
    numbers: ({ v6 }) => {
      const before = made.get(v6);
      if (before !== undefined) return before;
      const numbers = v6.map(({ low, high }) => ({ low: rank(low), high: rank(high + 1n) - 1 }));
      made.set(v6, numbers);
      return numbers;
    },
    addresses: (numbers) => ({
      v4: [],
      v6: numbers.map(({ low, high }) => ({ low: mark(low), high: mark(high + 1) - 1n })),
    }),
    weigh: ({ low, high }) => mark(high + 1) - mark(low),
  };
}
