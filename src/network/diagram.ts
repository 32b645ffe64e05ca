/**
 * Decision diagrams over labels: which answer the labels of a packet's five fields lead to.
 *
 * A node asks one field and parts its labels into runs, each leading to a node further down or to an
 * answer. Equal nodes are one node, and a node whose runs all lead to one place does not exist: two
 * diagrams mean the same exactly if they are the same number. What labels stand for is not known
 * here (field-line.ts); nor is what answers mean, but that NOTHING gives way to any other.
 */
import type { Runs } from "./field-line.ts";

/** An answer is negative, a node is not. NOTHING: no rule speaks. */
export const NOTHING = -1;

/** Thrown when a question needs more than it may; who asks has another way, or says so. */
export class BudgetSpent extends Error {
  constructor() {
    super("broken promise: whoever gives a budget catches its end");
  }
}

export type Budget = { edges: number; steps: number };

/** Some 500 MB and ten seconds at the very most; what is usual needs a thousandth. */
export const USUAL_BUDGET: Budget = { edges: 24_000_000, steps: 80_000_000 };

/** Answers of diagrams that tell verdicts; other diagrams have answers of their own below -1. */
export const ALLOW = -2;
export const DENY = -3;
export const ALLOW_BY_DEFAULT = -4;
/** Answers of CHANGE, and of sets of packets. */
export const INSIDE = -2;
export const GAINED = -2;
export const LOST = -3;

export const OVER = 0;
export const CHANGE = 1;
export const KEEP = 2;
export const DROP = 3;
type Operation = typeof OVER | typeof CHANGE | typeof KEEP | typeof DROP;

export class Diagram {
  /** For each node where it stands in `#cells`: level, number of runs, then an end and a target each. */
  #offsets = new Int32Array(256);
  #hashes = new Int32Array(256);
  #cells = new Int32Array(2_048);
  #nodeCount = 0;
  #used = 0;
  #table = new Int32Array(512).fill(-1);
  #cache = new Int32Array(4 * 1_024).fill(-1);
  /** Runs of nodes in the making, one above the other. */
  #stack = new Int32Array(1_024);
  #top = 0;
  readonly #budget: Budget;
  readonly #lastLabel: number;
  #steps = 0;
  #factor = 1;

  /** @param lastLabel at which every node's last run ends */
  constructor(budget: Budget, lastLabel: number) {
    this.#budget = budget;
    this.#lastLabel = lastLabel;
  }

  get nodeCount(): number {
    return this.#nodeCount;
  }

  get edgeCount(): number {
    return (this.#used - 2 * this.#nodeCount) / 2;
  }

  /**
   * A question begins: the steps of those before do not count.
   * @param factor how many times the budget it may take: looking at what was built takes its own room
   */
  begin(factor: number): void {
    this.#steps = 0;
    this.#top = 0;
    this.#factor = factor;
  }

  /** Whoever looks at runs pays for them, or looks would know no end. @throws BudgetSpent */
  spend(steps: number): void {
    this.#steps += steps;
    if (this.#factor * this.#budget.steps < this.#steps) throw new BudgetSpent();
  }

  /** 0 is the first field asked; answers stand below all. */
  levelOf(node: number): number {
    return node < 0 ? BELOW_ALL : (this.#cells[this.#offsets[node] as number] as number);
  }

  /** @param visit is given each run: first label, last label, target; true ends the visit */
  someRun(node: number, visit: (low: number, high: number, target: number) => boolean): boolean {
    const offset = this.#offsets[node] as number;
    this.spend(this.#countAt(offset));
    let low = 0;
    for (let at = offset + 2; at < offset + 2 + 2 * this.#countAt(offset); at += 2) {
      const high = this.#cells[at] as number;
      if (visit(low, high, this.#cells[at + 1] as number)) return true;
      low = high + 1;
    }
    return false;
  }

  /** Where a label leads. */
  target(node: number, label: number): number {
    const offset = this.#offsets[node] as number;
    let [low, high] = [0, this.#countAt(offset) - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#cells[offset + 2 + 2 * middle] as number) < label) low = middle + 1;
      else high = middle;
    }
    return this.#cells[offset + 3 + 2 * low] as number;
  }

  /** The diagram of one product of sets. @param sides one per level, from the top */
  product(sides: readonly Runs[], answer: number): number {
    let below = answer;
    for (let level = sides.length - 1; 0 <= level; level -= 1) {
      const { startsInside, ends } = sides[level] as Runs;
      const base = this.#top;
      let inside = startsInside;
      for (const end of ends) {
        this.#push(base, end, inside ? below : NOTHING);
        inside = !inside;
      }
      below = this.#finish(base, level);
    }
    return below;
  }

  /**
   * OVER: the first where it says something, else the second.
   * CHANGE: LOST or GAINED where one verdict lets pass what the other does not.
   * KEEP, DROP: the first inside or outside of where the second says something.
   */
  combine(operation: Operation, one: number, other: number): number {
    const known = this.#trivial(operation, one, other);
    if (known !== undefined) return known;
    const slot = this.#slot(operation, one, other);
    const cache = this.#cache;
    if (cache[slot] === one && cache[slot + 1] === other && cache[slot + 2] === operation)
      return cache[slot + 3] as number;
    const made = this.#merge(operation, one, other);
    // The cache may have grown meanwhile.
    const now = this.#slot(operation, one, other);
    this.#cache[now] = one;
    this.#cache[now + 1] = other;
    this.#cache[now + 2] = operation;
    this.#cache[now + 3] = made;
    return made;
  }

  #trivial(operation: Operation, one: number, other: number): number | undefined {
    switch (operation) {
      case OVER:
        if (one === NOTHING || one === other) return other;
        return one < 0 || other === NOTHING ? one : undefined;
      case CHANGE:
        if (one === other) return NOTHING;
        if (0 <= one || 0 <= other) return undefined;
        return passes(one) === passes(other) ? NOTHING : passes(one) ? LOST : GAINED;
      case KEEP:
        if (one === NOTHING || other === NOTHING) return NOTHING;
        return other < 0 ? one : undefined;
      case DROP:
        if (one === NOTHING || other === NOTHING) return one;
        return other < 0 ? NOTHING : undefined;
    }
  }

  #merge(operation: Operation, one: number, other: number): number {
    const [levelOne, levelOther] = [this.levelOf(one), this.levelOf(other)];
    const level = Math.min(levelOne, levelOther);
    let a = levelOne === level ? (this.#offsets[one] as number) + 2 : -1;
    let b = levelOther === level ? (this.#offsets[other] as number) + 2 : -1;
    const base = this.#top;
    for (;;) {
      const endA = a < 0 ? NO_END : (this.#cells[a] as number);
      const endB = b < 0 ? NO_END : (this.#cells[b] as number);
      const end = endA < endB ? endA : endB;
      if (this.#factor * this.#budget.steps < ++this.#steps) throw new BudgetSpent();
      const target = this.combine(
        operation,
        a < 0 ? one : (this.#cells[a + 1] as number),
        b < 0 ? other : (this.#cells[b + 1] as number),
      );
      this.#push(base, end, target);
      if (end === this.#lastLabel) return this.#finish(base, level);
      if (endA === end) a += 2;
      if (endB === end) b += 2;
    }
  }

  /** The diagram with INSIDE where an answer is wanted, and nothing elsewhere. */
  select(node: number, wanted: (answer: number) => boolean): number {
    const made = new Map<number, number>();
    const at = (one: number): number => {
      if (one === NOTHING) return NOTHING;
      if (one < 0) return wanted(one) ? INSIDE : NOTHING;
      const known = made.get(one);
      if (known !== undefined) return known;
      const base = this.#top;
      this.someRun(one, (_, high, target) => {
        this.#push(base, high, at(target));
        return false;
      });
      const result = this.#finish(base, this.levelOf(one));
      made.set(one, result);
      return result;
    };
    return at(node);
  }

  #countAt(offset: number): number {
    return this.#cells[offset + 1] as number;
  }

  #push(base: number, end: number, target: number): void {
    const top = this.#top;
    if (base < top && this.#stack[top - 1] === target) {
      this.#stack[top - 2] = end;
      return;
    }
    if (this.#stack.length < top + 2) this.#stack = grown(this.#stack);
    this.#stack[top] = end;
    this.#stack[top + 1] = target;
    this.#top = top + 2;
  }

  /** The node of the runs pushed since `base`: the one there is, or a new one. */
  #finish(base: number, level: number): number {
    const stack = this.#stack;
    const length = this.#top - base;
    this.#top = base;
    if (length === 2) return stack[base + 1] as number;
    let hash = level;
    for (let at = base; at < base + length; at += 1)
      hash = Math.imul(hash ^ (stack[at] as number), 0x9e3779b1) ^ (hash >>> 15);
    const mask = this.#table.length - 1;
    let slot = mixed(hash) & mask;
    for (;;) {
      const node = this.#table[slot] as number;
      if (node < 0) break;
      if (this.#equals(node, level, base, length)) return node;
      slot = (slot + 1) & mask;
    }
    const node = this.#store(level, base, length, mixed(hash));
    this.#table[slot] = node;
    if (this.#table.length < 2 * this.#nodeCount) this.#growTable();
    return node;
  }

  #equals(node: number, level: number, base: number, length: number): boolean {
    const offset = this.#offsets[node] as number;
    if (this.#cells[offset] !== level || 2 * this.#countAt(offset) !== length) return false;
    for (let at = 0; at < length; at += 1)
      if (this.#cells[offset + 2 + at] !== this.#stack[base + at]) return false;
    return true;
  }

  #store(level: number, base: number, length: number, hash: number): number {
    if (2 * this.#factor * this.#budget.edges < this.#used) throw new BudgetSpent();
    const node = this.#nodeCount++;
    if (this.#offsets.length <= node) {
      this.#offsets = grown(this.#offsets);
      this.#hashes = grown(this.#hashes);
    }
    while (this.#cells.length < this.#used + 2 + length) this.#cells = grown(this.#cells);
    this.#offsets[node] = this.#used;
    this.#hashes[node] = hash;
    this.#cells[this.#used] = level;
    this.#cells[this.#used + 1] = length / 2;
    this.#cells.set(this.#stack.subarray(base, base + length), this.#used + 2);
    this.#used += 2 + length;
    return node;
  }

  #growTable(): void {
    const table = new Int32Array(2 * this.#table.length).fill(-1);
    const mask = table.length - 1;
    for (let node = 0; node < this.#nodeCount; node += 1) {
      let slot = (this.#hashes[node] as number) & mask;
      while (0 <= (table[slot] as number)) slot = (slot + 1) & mask;
      table[slot] = node;
    }
    this.#table = table;
    // What was combined is forgotten with it; it is a cache.
    if (this.#cache.length < MOST_CACHE)
      this.#cache = new Int32Array(2 * this.#cache.length).fill(-1);
  }

  #slot(operation: number, one: number, other: number): number {
    const hash = Math.imul(one, 0x9e3779b1) ^ Math.imul(other, 0x85ebca6b) ^ operation;
    return 4 * (mixed(hash) & (this.#cache.length / 4 - 1));
  }
}

/** Levels of nodes are less. */
const BELOW_ALL = 99;
const NO_END = 2 ** 31 - 1;
const MOST_CACHE = 2 ** 22;

function passes(verdict: number): boolean {
  return verdict !== DENY;
}

function mixed(hash: number): number {
  const once = Math.imul(hash ^ (hash >>> 16), 0x45d9f3b);
  return (once ^ (once >>> 15)) >>> 0;
}

function grown(array: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(2 * array.length);
  larger.set(array);
  return larger;
}
