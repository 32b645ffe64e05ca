/**
 * Sets of whole numbers as sorted ranges: the arithmetic below addresses and ports.
 *
 * One algebra for every kind of number: 32 bits, 128 bits, ports. Ranges include both ends, do not
 * touch each other, and ascend; every function but `normal` takes them so, and all give them so.
 * Prefixes are not known here.
 */

export type Range<Num> = { readonly low: Num; readonly high: Num };
export type Ranges<Num> = readonly Range<Num>[];

export type RangeAlgebra<Num> = {
  readonly everything: Ranges<Num>;
  /** From ranges in any order, overlapping or not. */
  readonly normal: (ranges: readonly Range<Num>[]) => Ranges<Num>;
  readonly intersection: (one: Ranges<Num>, other: Ranges<Num>) => Ranges<Num>;
  readonly difference: (from: Ranges<Num>, without: Ranges<Num>) => Ranges<Num>;
  readonly meet: (one: Ranges<Num>, other: Ranges<Num>) => boolean;
  readonly covers: (outer: Ranges<Num>, inner: Ranges<Num>) => boolean;
  readonly holds: (ranges: Ranges<Num>, value: Num) => boolean;
};

/** @param one the number 1, which tells the compiler and the reader what kind of number this is */
export function rangeAlgebra<Num extends number | bigint>(
  highest: Num,
  one: Num,
): RangeAlgebra<Num> {
  const next = (value: Num) => ((value as number) + (one as number)) as Num;
  const previous = (value: Num) => ((value as number) - (one as number)) as Num;
  const lowest = previous(one);
  const everything: Ranges<Num> = [{ low: lowest, high: highest }];
  const isEverything = (ranges: Ranges<Num>) =>
    ranges.length === 1 && ranges[0]?.low === lowest && ranges[0].high === highest;

  function normal(ranges: readonly Range<Num>[]): Ranges<Num> {
    if (isNormal(ranges)) return ranges;
    const sorted = [...ranges].sort((a, b) => (a.low < b.low ? -1 : a.low > b.low ? 1 : 0));
    const merged: { low: Num; high: Num }[] = [];
    for (const { low, high } of sorted) {
      const last = merged.at(-1);
      if (last === undefined || next(last.high) < low) merged.push({ low, high });
      else if (last.high < high) last.high = high;
    }
    return merged;
  }

  function isNormal(ranges: readonly Range<Num>[]): boolean {
    for (let index = 1; index < ranges.length; index += 1) {
      const [before, after] = [ranges[index - 1], ranges[index]];
      if (before === undefined || after === undefined) return false;
      if (!(next(before.high) < after.low)) return false;
    }
    return true;
  }

  function intersection(one: Ranges<Num>, other: Ranges<Num>): Ranges<Num> {
    if (one === other || isEverything(other)) return one;
    if (isEverything(one)) return other;
    const [few, many] = one.length < other.length ? [one, other] : [other, one];
    const common: Range<Num>[] = [];
    let at = 0;
    for (const { low, high } of few) {
      at = firstReaching(many, low, at);
      for (let index = at; index < many.length; index += 1) {
        const range = many[index];
        if (range === undefined || high < range.low) break;
        common.push({
          low: low < range.low ? range.low : low,
          high: high < range.high ? high : range.high,
        });
      }
    }
    return common;
  }

  function difference(from: Ranges<Num>, without: Ranges<Num>): Ranges<Num> {
    if (without.length === 0) return from;
    const left: Range<Num>[] = [];
    let at = 0;
    for (const { low, high } of from) {
      at = firstReaching(without, low, at);
      let start = low;
      let used = false;
      for (let index = at; index < without.length; index += 1) {
        const hole = without[index];
        if (hole === undefined || high < hole.low) break;
        if (start < hole.low) left.push({ low: start, high: previous(hole.low) });
        if (high <= hole.high) {
          used = true;
          break;
        }
        start = next(hole.high);
      }
      if (!used) left.push({ low: start, high });
    }
    return left;
  }

  function meet(one: Ranges<Num>, other: Ranges<Num>): boolean {
    const [few, many] = one.length < other.length ? [one, other] : [other, one];
    let at = 0;
    for (const { low, high } of few) {
      at = firstReaching(many, low, at);
      const range = many[at];
      if (range === undefined) return false;
      if (range.low <= high) return true;
    }
    return false;
  }

  function covers(outer: Ranges<Num>, inner: Ranges<Num>): boolean {
    let at = 0;
    for (const { low, high } of inner) {
      at = firstReaching(outer, low, at);
      const range = outer[at];
      if (range === undefined || low < range.low || range.high < high) return false;
    }
    return true;
  }

  function holds(ranges: Ranges<Num>, value: Num): boolean {
    const range = ranges[firstReaching(ranges, value, 0)];
    return range !== undefined && range.low <= value;
  }

  /** Index of the first range, from `start` on, whose end is not before the value: by doubling steps. */
  function firstReaching(ranges: Ranges<Num>, value: Num, start: number): number {
    let low = start;
    let step = 1;
    while (reachesNot(ranges, low + step - 1, value)) {
      low += step;
      step *= 2;
    }
    let high = Math.min(low + step - 1, ranges.length);
    while (low < high) {
      const middle = (low + high) >> 1;
      if (reachesNot(ranges, middle, value)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  function reachesNot(ranges: Ranges<Num>, index: number, value: Num): boolean {
    const range = ranges[index];
    return range !== undefined && range.high < value;
  }

  return { everything, normal, intersection, difference, meet, covers, holds };
}
