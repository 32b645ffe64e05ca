/**
 * One field of a packet (an address, a port, a protocol) cut into atoms.
 *
 * Numbers that no set ever given here tells apart form one atom, however scattered they are: a tag
 * of ten thousand prefixes is a handful of atoms. Each atom owns a stretch of a line of labels, wide
 * at first, so that a set which comes later splits atoms inside their own stretches: what was built
 * on labels before stays right. When a stretch is used up, all labels are given anew and `version`
 * grows. Diagrams (diagram.ts) know labels only.
 */
import { must } from "../base/problem.ts";
import type { Range, Ranges } from "./ranges.ts";

/** Labels are 0 .. this. */
export const LAST_LABEL = 2 ** 30 - 1;

/** The part of a stretch that a new atom takes from the atom it was split from. */
const SHARE = 32;

/** Which labels a set has: runs that end at `ends[i]`, inside and outside in turn. */
export type Runs = { readonly startsInside: boolean; readonly ends: Int32Array };

export class FieldLine {
  /** Grows when labels were given anew. */
  version = 0;
  readonly #highest: number;
  readonly #lastLabel: number;
  /** Numbers from one start to before the next lie in one atom: the segment's. */
  #starts = Float64Array.of(0);
  #atomOf = Int32Array.of(0);
  /** Of each atom: how many segments, its stretch of labels, and the atom that stands next on the line. */
  #segments = [1];
  #low = [0];
  #high: number[];
  #next = [-1];
  #seen = new WeakSet<Ranges<number>>();
  #runs = new WeakMap<Ranges<number>, Runs>();
  #weights: Sums | undefined;
  readonly #weigh: ((range: Range<number>) => bigint) | undefined;

  /**
   * @param weigh how many numbers a range stands for, where not as many as it has
   * @param lastLabel smaller than usual in tests, so that stretches are used up soon
   */
  constructor(
    highest: number,
    weigh?: (range: Range<number>) => bigint,
    lastLabel: number = LAST_LABEL,
  ) {
    this.#highest = highest;
    this.#weigh = weigh;
    this.#lastLabel = lastLabel;
    this.#high = [lastLabel];
  }

  get atomCount(): number {
    return this.#segments.length;
  }

  get lastLabel(): number {
    return this.#lastLabel;
  }

  /** From now on these sets are told apart. Many at once cost little more than one. */
  add(sets: readonly Ranges<number>[]): void {
    const fresh = new Set<Ranges<number>>();
    for (const set of sets)
      if (!this.#seen.has(set)) {
        fresh.add(set);
        this.#seen.add(set);
      }
    if (fresh.size === 0) return;
    this.#weights = undefined;
    this.#cut(fresh);
    const before = this.atomCount;
    for (const set of fresh) this.#split(set);
    if (before < this.atomCount) this.#label(before);
  }

  /** Labels of a set that was added. */
  runs(set: Ranges<number>): Runs {
    must(this.#seen.has(set), "a set is added before its labels are asked for");
    const known = this.#runs.get(set);
    if (known !== undefined) return known;
    const runs = this.#runsOf(set);
    this.#runs.set(set, runs);
    return runs;
  }

  /** The numbers behind labels, which must be whole atoms. */
  rangesOf(labels: readonly Range<number>[]): Ranges<number> {
    const ranges: { low: number; high: number }[] = [];
    const inside = new Uint8Array(this.atomCount);
    for (let atom = 0; atom < this.atomCount; atom += 1) {
      const low = this.#low[atom] as number;
      if (labels.some((range) => range.low <= low && low <= range.high)) inside[atom] = 1;
    }
    for (let at = 0; at < this.#starts.length; at += 1) {
      if (inside[this.#atomOf[at] as number] === 0) continue;
      const low = this.#starts[at] as number;
      const high = this.#endOf(at);
      const last = ranges.at(-1);
      if (last !== undefined && last.high + 1 === low) last.high = high;
      else ranges.push({ low, high });
    }
    return ranges;
  }

  /** How many numbers the labels from one to another stand for. */
  weight(low: number, high: number): bigint {
    const { lows, before } = this.#sums();
    return (before[rank(lows, high + 1)] ?? 0n) - (before[rank(lows, low)] ?? 0n);
  }

  /** Makes every end of a range a start of a segment. */
  #cut(sets: Iterable<Ranges<number>>): void {
    let count = 0;
    for (const set of sets) count += 2 * set.length;
    const cuts = new Float64Array(count);
    let used = 0;
    for (const set of sets)
      for (const { low, high } of set) {
        cuts[used++] = low;
        if (high < this.#highest) cuts[used++] = high + 1;
      }
    const sorted = cuts.subarray(0, used).sort();
    const starts = new Float64Array(this.#starts.length + used);
    const atoms = new Int32Array(starts.length);
    let [old, made] = [0, 0];
    let atom = 0;
    const put = (start: number) => {
      starts[made] = start;
      atoms[made++] = atom;
    };
    for (let at = 0; at < used; at += 1) {
      const cut = sorted[at] as number;
      while (old < this.#starts.length && (this.#starts[old] as number) <= cut) {
        atom = this.#atomOf[old] as number;
        put(this.#starts[old++] as number);
      }
      if (starts[made - 1] === cut) continue;
      put(cut);
      this.#segments[atom] = (this.#segments[atom] as number) + 1;
    }
    while (old < this.#starts.length) {
      atom = this.#atomOf[old] as number;
      put(this.#starts[old++] as number);
    }
    this.#starts = starts.slice(0, made);
    this.#atomOf = atoms.slice(0, made);
  }

  /** Splits every atom of which the set holds a part only; the part becomes an atom of its own. */
  #split(set: Ranges<number>): void {
    const spans = this.#shorterSpans(set);
    const counts = new Int32Array(this.atomCount);
    const touched: number[] = [];
    for (let span = 0; span < spans.length; span += 2)
      for (let at = spans[span] as number; at < (spans[span + 1] as number); at += 1) {
        const atom = this.#atomOf[at] as number;
        if (counts[atom] === 0) touched.push(atom);
        counts[atom] = (counts[atom] as number) + 1;
      }
    const parts = new Int32Array(counts.length);
    let splits = 0;
    for (const atom of touched) {
      const [count, all] = [counts[atom] as number, this.#segments[atom] as number];
      if (count === all) continue;
      splits += 1;
      parts[atom] = this.#newAtom(atom, count);
      this.#segments[atom] = all - count;
    }
    if (splits === 0) return;
    for (let span = 0; span < spans.length; span += 2)
      for (let at = spans[span] as number; at < (spans[span + 1] as number); at += 1) {
        const part = parts[this.#atomOf[at] as number] as number;
        if (part !== 0) this.#atomOf[at] = part;
      }
  }

  #newAtom(from: number, segments: number): number {
    const atom = this.#segments.length;
    this.#segments.push(segments);
    this.#low.push(-1);
    this.#high.push(-1);
    this.#next.push(this.#next[from] as number);
    this.#next[from] = atom;
    return atom;
  }

  /** Stretches for the atoms made since there were `before`, out of those they were split from. */
  #label(before: number): void {
    for (let atom = 0; atom < before; atom += 1) {
      let count = 0;
      for (let part = this.#next[atom] as number; before <= part; part = this.#next[part] as number)
        count += 1;
      if (count === 0) continue;
      const [low, high] = [this.#low[atom] as number, this.#high[atom] as number];
      const share = Math.floor((high - low + 1) / (count + SHARE - 1));
      if (share === 0) return this.#labelAnew();
      let start = high - count * share + 1;
      this.#high[atom] = start - 1;
      for (
        let part = this.#next[atom] as number;
        before <= part;
        part = this.#next[part] as number
      ) {
        this.#low[part] = start;
        start += share;
        this.#high[part] = start - 1;
      }
    }
  }

  #labelAnew(): void {
    const share = Math.floor((this.#lastLabel + 1) / this.atomCount);
    must(0 < share, "there are more labels than atoms");
    let start = 0;
    for (let atom = 0; atom !== -1; atom = this.#next[atom] as number) {
      this.#low[atom] = start;
      start += share;
      this.#high[atom] = this.#next[atom] === -1 ? this.#lastLabel : start - 1;
    }
    this.version += 1;
    this.#runs = new WeakMap();
  }

  #runsOf(set: Ranges<number>): Runs {
    const inside = this.#spansOf(set);
    const outside = this.#between(inside);
    const spans = segmentsIn(outside) < segmentsIn(inside) ? outside : inside;
    const seen = new Uint8Array(this.atomCount);
    const lows: number[] = [];
    for (let span = 0; span < spans.length; span += 2)
      for (let at = spans[span] as number; at < (spans[span + 1] as number); at += 1) {
        const atom = this.#atomOf[at] as number;
        if (seen[atom] === 0) lows.push(atom);
        seen[atom] = 1;
      }
    lows.sort((a, b) => (this.#low[a] as number) - (this.#low[b] as number));
    const ends: number[] = [];
    let next = -1;
    for (const atom of lows) {
      if (this.#low[atom] === next) ends.pop();
      else if (this.#low[atom] !== 0) ends.push((this.#low[atom] as number) - 1);
      ends.push(this.#high[atom] as number);
      next = (this.#high[atom] as number) + 1;
    }
    const first = lows[0];
    const startsThere = first !== undefined && this.#low[first] === 0;
    if (ends.at(-1) !== this.#lastLabel) ends.push(this.#lastLabel);
    return { startsInside: startsThere === (spans === inside), ends: Int32Array.from(ends) };
  }

  /** Segments of the set, or of its complement where those are fewer: both split the same atoms. */
  #shorterSpans(set: Ranges<number>): Int32Array {
    const spans = this.#spansOf(set);
    return 2 * segmentsIn(spans) <= this.#starts.length ? spans : this.#between(spans);
  }

  /** Indexes of segments from which and before which each range goes. */
  #spansOf(set: Ranges<number>): Int32Array {
    const spans = new Int32Array(2 * set.length);
    let at = 0;
    let used = 0;
    for (const { low, high } of set) {
      at = this.#firstFrom(low, at);
      spans[used++] = at;
      at = this.#firstFrom(high + 1, at);
      spans[used++] = at;
    }
    return spans;
  }

  #between(spans: Int32Array): Int32Array {
    const gaps = new Int32Array(spans.length + 2);
    gaps.set(spans, 1);
    gaps[gaps.length - 1] = this.#starts.length;
    return gaps;
  }

  /** The first segment that starts at a number or later, from an index on: by doubling steps. */
  #firstFrom(value: number, from: number): number {
    const starts = this.#starts;
    let low = from;
    let step = 1;
    while (low + step - 1 < starts.length && (starts[low + step - 1] as number) < value) {
      low += step;
      step *= 2;
    }
    let high = Math.min(low + step - 1, starts.length);
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((starts[middle] as number) < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #endOf(segment: number): number {
    const next = this.#starts[segment + 1];
    return next === undefined ? this.#highest : next - 1;
  }

  #atomWeights(): readonly bigint[] {
    const weigh = this.#weigh;
    if (weigh === undefined) {
      const counts = new Float64Array(this.atomCount);
      for (let at = 0; at < this.#starts.length; at += 1) {
        const atom = this.#atomOf[at] as number;
        const length = this.#endOf(at) - (this.#starts[at] as number) + 1;
        counts[atom] = (counts[atom] as number) + length;
      }
      return Array.from(counts, BigInt);
    }
    const weights = Array.from({ length: this.atomCount }, () => 0n);
    for (let at = 0; at < this.#starts.length; at += 1) {
      const atom = this.#atomOf[at] as number;
      const range = { low: this.#starts[at] as number, high: this.#endOf(at) };
      weights[atom] = (weights[atom] ?? 0n) + weigh(range);
    }
    return weights;
  }

  /** Label by label from the first: where atoms begin, and how many numbers lie before. */
  #sums(): Sums {
    if (this.#weights !== undefined) return this.#weights;
    const weights = this.#atomWeights();
    const lows: number[] = [];
    const before = [0n];
    for (let atom = 0; atom !== -1; atom = this.#next[atom] as number) {
      lows.push(this.#low[atom] as number);
      before.push((before.at(-1) ?? 0n) + (weights[atom] ?? 0n));
    }
    this.#weights = { lows, before };
    return this.#weights;
  }
}

type Sums = { readonly lows: readonly number[]; readonly before: readonly bigint[] };

/** Index of the first that is not less. */
function rank(sorted: readonly number[], value: number): number {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] as number) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

function segmentsIn(spans: Int32Array): number {
  let count = 0;
  for (let at = 0; at < spans.length; at += 2)
    count += (spans[at + 1] as number) - (spans[at] as number);
  return count;
}
