/**
 * The rules of a gate within a box of packets, as one diagram.
 *
 * Rules are cut down to the box first, those that do not meet it are left out, and none is looked at
 * after one that covers it: a proof of one requirement sees a few rules of a thousand. The whole
 * space is a box too, for questions about everything. After an edit the diagram is mended, not made
 * anew: rules stand in a tree by priority, and what changed is merged again on the way to the root.
 */
import { must } from "../base/problem.ts";
import { RANGES4, type AddressSet } from "./address-set.ts";
import {
  ALLOW,
  ALLOW_BY_DEFAULT,
  DENY,
  Diagram,
  NOTHING,
  OVER,
  USUAL_BUDGET,
  type Budget,
} from "./diagram.ts";
import { FieldLine, LAST_LABEL, type Runs } from "./field-line.ts";
import type { RuleBox } from "./meaning.ts";
import type { PacketBox } from "./packet-set.ts";
import { plane6, PLANE4, type Family, type Plane } from "./plane.ts";
import type { Ranges } from "./ranges.ts";
import { PROTOCOLS, type IpProtocol } from "./rule.ts";

/** Sides of a box in the order in which diagrams ask them. */
export type Sides = readonly Ranges<number>[];

export type RegionOptions = {
  readonly family: Family;
  readonly bounds: PacketBox;
  /** What the diagram answers: the verdict, also whether a default rule lets pass, or which rule decides. */
  readonly answers: "verdicts" | "kinds" | "rules";
  readonly budget?: Budget;
  /** Smaller than usual in tests. */
  readonly lastLabel?: number;
};

/** A rule as far as it lies within the bounds. */
type Cut = { readonly rule: RuleBox; readonly sides: Sides; readonly covers: boolean };
/** Rules of a gate differ from those before by one. */
export type Edit = {
  readonly before: readonly RuleBox[];
  readonly removed?: RuleBox;
  readonly added?: RuleBox;
};

type Branch = { readonly left?: Branch; readonly right?: Branch; readonly node: number };

/** Priorities are less. */
export const PRIORITIES = 2 ** 16;
/** A diagram is made anew when it has grown to this many times of what it was, and is not small. */
const GROWN = 6;
/** How many times the budget what looks at a diagram may take. */
const LOOKING = 4;
const SMALL_EDGES = 200_000;

export class Region {
  readonly options: RegionOptions;
  /** Grows when the diagram was made anew: its numbers mean other nodes since. */
  builds = 0;
  #plane: Plane = PLANE4;
  #lines: readonly FieldLine[] = [];
  #bounds: Sides = [];
  /** IPv6 sets that were ever asked about. */
  readonly #named = new Set<AddressSet>();
  #cuts = new Map<RuleBox, Cut | "apart">();
  #clips: readonly WeakMap<Ranges<number>, Ranges<number>>[] = [];
  #small = new Map<number, Ranges<number>[]>();
  #diagram: Diagram | undefined;
  #versions = "";
  #freshEdges = 0;
  #tree: Branch | undefined;
  /** What the last update was about, and which of it met the bounds. */
  #rules: readonly RuleBox[] = [];
  #last: readonly Cut[] = [];
  #placed: ReadonlyMap<number, readonly Cut[]> = new Map();
  #byAnswer: RuleBox[] = [];
  #answers = new Map<RuleBox, number>();

  constructor(options: RegionOptions) {
    this.options = options;
  }

  get diagram(): Diagram {
    must(this.#diagram !== undefined, "a region is updated before it is asked");
    return this.#diagram;
  }

  get lines(): readonly FieldLine[] {
    return this.#lines;
  }

  get plane(): Plane {
    return this.#plane;
  }

  /** Which packets the region is about. */
  get bounds(): Sides {
    return this.#bounds;
  }

  /** Labels of protocols that have ports. */
  get ported(): Ranges<number> {
    return labelsOf(this.#lines[0]?.runs(PORTED));
  }

  /** Rules that meet the bounds, up to one that covers them. */
  get met(): readonly RuleBox[] {
    return this.#last.map(({ rule }) => rule);
  }

  get root(): number {
    return this.#tree?.node ?? NOTHING;
  }

  /** The rule that an answer of a region of rules stands for. */
  ruleOf(answer: number): RuleBox {
    const rule = this.#byAnswer[-2 - answer];
    must(rule !== undefined, "an answer of this region stands for a rule");
    return rule;
  }

  /**
   * Makes the diagram say what these rules say. Afterwards there is room to look at it.
   * @param rules in the order they are tried
   * @param edit how they came from others, which need not be those of the last update
   * @throws BudgetSpent
   */
  update(rules: readonly RuleBox[], edit?: Edit): void {
    try {
      this.#update(rules, edit);
      this.beginLook();
    } catch (thrown) {
      // Half mended: the next time begins anew.
      this.#diagram = undefined;
      throw thrown;
    }
  }

  /** Gives the memory back; the next update begins anew. */
  forget(): void {
    this.#diagram = undefined;
    this.#tree = undefined;
  }

  /** A question to what stands has room of its own. */
  beginLook(): void {
    this.diagram.begin(LOOKING);
  }

  #update(rules: readonly RuleBox[], edit: Edit | undefined): void {
    this.#prepare(rules);
    const placed = new Map<number, Cut[]>();
    const alive = this.#alive(rules, edit);
    this.#last = alive;
    this.#rules = rules;
    for (const cut of alive) {
      const at = placed.get(cut.rule.rule.priority);
      if (at === undefined) placed.set(cut.rule.rule.priority, [cut]);
      else at.push(cut);
    }
    this.#addToLines(alive.map(({ sides }) => sides));
    const before = this.#placed;
    this.#placed = placed;
    const { edgeCount = 0 } = this.#diagram ?? {};
    const tooLarge = Math.max(SMALL_EDGES, GROWN * this.#freshEdges) < edgeCount;
    if (this.#diagram === undefined || tooLarge) this.#buildAnew();
    else if (!this.#renewIfRelabelled()) this.#mend(changed(before, placed));
  }

  /** The diagram of a box that rules or bounds need not know: everything asked later is cut to the bounds. */
  boxNode(box: PacketBox, answer: number): number {
    const sides = this.#clip(sidesOf(box, this.#plane));
    if (sides === undefined) return NOTHING;
    this.#addToLines([sides]);
    this.#renewIfRelabelled();
    return this.diagram.product(this.#runs(sides), answer);
  }

  /** Labels of one side of each of these boxes. */
  labelsOfBoxes(boxes: readonly PacketBox[], level: number): readonly Ranges<number>[] {
    const all = boxes.map((box) => this.#clip(sidesOf(box, this.#plane)));
    this.#addToLines(all.filter((sides) => sides !== undefined));
    this.#renewIfRelabelled();
    return all.map((sides) => {
      const side = sides?.[level];
      return side === undefined ? [] : labelsOf(this.#lines[level]?.runs(side));
    });
  }

  /** Rules that `update` left out are told apart too, so that nothing is relabelled when they are asked for. */
  learn(rules: readonly RuleBox[]): void {
    this.#prepare(rules);
    const cuts = rules.map((rule) => this.#cutOf(rule)).filter((cut) => cut !== "apart");
    this.#addToLines(cuts.map(({ sides }) => sides));
    this.#renewIfRelabelled();
  }

  #prepare(rules: readonly RuleBox[]): void {
    const { family, bounds } = this.options;
    if (0 < this.#lines.length && (family === "v4" || rules.every(({ box }) => this.#knows(box))))
      return;
    if (family === "v6") {
      // What was known stays known, or two lists of rules in turn would each undo the other's work.
      for (const box of [bounds, ...rules.map((rule) => rule.box)])
        this.#named.add(box.from).add(box.to);
      this.#plane = plane6(this.#named);
    }
    const { highest, weigh } = this.#plane;
    const lastLabel = this.options.lastLabel ?? LAST_LABEL;
    const addresses = () => new FieldLine(highest, weigh, lastLabel);
    const ports = () => new FieldLine(65_535, undefined, lastLabel);
    const protocols = new FieldLine(PROTOCOLS.length - 1, undefined, lastLabel);
    protocols.add([PORTED]);
    this.#lines = [protocols, addresses(), addresses(), ports(), ports()];
    this.#clips = this.#lines.map(() => new WeakMap());
    this.#cuts = new Map();
    this.#small = new Map();
    this.#bounds = sidesOf(bounds, this.#plane);
    this.#diagram = undefined;
    this.#addToLines([this.#bounds]);
  }

  #knows({ from, to }: PacketBox): boolean {
    return this.#plane.knows(from) && this.#plane.knows(to);
  }

  /** Rules that meet the bounds, up to one that covers them. */
  #alive(rules: readonly RuleBox[], edit: Edit | undefined): readonly Cut[] {
    const mended = edit && this.#aliveAfter(edit);
    if (mended !== undefined) return mended;
    const alive: Cut[] = [];
    for (const rule of rules) {
      const known = this.#cutOf(rule);
      if (known === "apart") continue;
      alive.push(known);
      if (known.covers) break;
    }
    return alive;
  }

  /** After one rule came or went; undefined: what it hid may show. */
  #aliveAfter({ before, removed, added }: Edit): readonly Cut[] | undefined {
    if (before !== this.#rules || this.#diagram === undefined) return undefined;
    const gone = removed && this.#cutOf(removed);
    if (gone !== undefined && gone !== "apart" && gone.covers) return undefined;
    const kept = this.#last.filter((cut) => cut !== gone);
    const come = added && this.#cutOf(added);
    const last = kept.at(-1);
    if (come === undefined || come === "apart") return kept;
    const priority = come.rule.rule.priority;
    const behind = kept.findIndex(({ rule }) => priority < rule.rule.priority);
    if (behind === -1 && last?.covers === true) return kept;
    const at = behind === -1 ? kept.length : behind;
    return come.covers ? [...kept.slice(0, at), come] : kept.toSpliced(at, 0, come);
  }

  #cutOf(rule: RuleBox): Cut | "apart" {
    return this.#cuts.get(rule) ?? this.#cut(rule);
  }

  #cut(rule: RuleBox): Cut | "apart" {
    const sides = this.#clip(sidesOf(rule.box, this.#plane));
    const cut =
      sides === undefined
        ? "apart"
        : { rule, sides, covers: sides.every((side, level) => side === this.#bounds[level]) };
    this.#cuts.set(rule, cut);
    return cut;
  }

  #clip(sides: Sides): Sides | undefined {
    const clipped: Ranges<number>[] = [];
    for (const level of CHEAPEST_FIRST) {
      const side = this.#clipSide(level, sides[level] ?? []);
      if (side.length === 0) return undefined;
      clipped[level] = side;
    }
    return clipped;
  }

  /** Equal small sets become one, so that they are told apart once. */
  #clipSide(level: number, side: Ranges<number>): Ranges<number> {
    const clips = this.#clips[level];
    const known = clips?.get(side);
    if (known !== undefined) return known;
    const bounds = this.#bounds[level] ?? [];
    const common = RANGES4.covers(side, bounds) ? bounds : RANGES4.intersection(side, bounds);
    const clipped = common.length <= SMALL_SET ? this.#intern(level, common) : common;
    clips?.set(side, clipped);
    return clipped;
  }

  #intern(level: number, set: Ranges<number>): Ranges<number> {
    const key = 8 * (set[0]?.low ?? 0) + level;
    const alike = this.#small.get(key);
    if (alike === undefined) {
      this.#small.set(key, [set]);
      return set;
    }
    const known = alike.find(
      (one) =>
        one.length === set.length &&
        one.every(({ low, high }, at) => low === set[at]?.low && high === set[at].high),
    );
    if (known === undefined) alike.push(set);
    return known ?? set;
  }

  #addToLines(all: readonly Sides[]): void {
    this.#lines.forEach((line, level) => line.add(all.map((sides) => sides[level] ?? [])));
  }

  #runs(sides: Sides): readonly Runs[] {
    return this.#lines.map((line, level) => line.runs(sides[level] ?? []));
  }

  #renewIfRelabelled(): boolean {
    if (this.#versions === this.#lines.map(({ version }) => version).join()) return false;
    this.#buildAnew();
    return true;
  }

  #buildAnew(): void {
    this.#versions = this.#lines.map(({ version }) => version).join();
    this.#diagram = new Diagram(
      this.options.budget ?? USUAL_BUDGET,
      this.#lines[0]?.lastLabel ?? 0,
    );
    this.builds += 1;
    this.#tree = undefined;
    this.#mend([...this.#placed.keys()].sort((a, b) => a - b));
    this.#freshEdges = this.#diagram.edgeCount;
  }

  #mend(priorities: readonly number[]): void {
    this.diagram.begin(1);
    this.#tree = this.#mended(this.#tree, 0, PRIORITIES, priorities);
  }

  /** Of the priorities from `low` on and before `high`; what did not change is left as it is. */
  #mended(
    branch: Branch | undefined,
    low: number,
    high: number,
    changes: readonly number[],
  ): Branch | undefined {
    if (changes.length === 0) return branch;
    if (high - low === 1) return { node: this.#leaf(low) };
    const middle = (low + high) / 2;
    const left = this.#mended(
      branch?.left,
      low,
      middle,
      changes.filter((at) => at < middle),
    );
    const right = this.#mended(
      branch?.right,
      middle,
      high,
      changes.filter((at) => middle <= at),
    );
    const node = this.diagram.combine(OVER, left?.node ?? NOTHING, right?.node ?? NOTHING);
    return { ...(left && { left }), ...(right && { right }), node };
  }

  #leaf(priority: number): number {
    const cuts = this.#placed.get(priority) ?? [];
    return cuts.reduceRight(
      (below, { rule, sides }) =>
        this.diagram.combine(
          OVER,
          this.diagram.product(this.#runs(sides), this.#answerOf(rule)),
          below,
        ),
      NOTHING,
    );
  }

  #answerOf(rule: RuleBox): number {
    const { access, origin } = rule.rule;
    if (this.options.answers === "kinds" && access === "Allow" && origin === "default")
      return ALLOW_BY_DEFAULT;
    if (this.options.answers !== "rules") return access === "Allow" ? ALLOW : DENY;
    const known = this.#answers.get(rule);
    if (known !== undefined) return known;
    this.#byAnswer.push(rule);
    const answer = -1 - this.#byAnswer.length;
    this.#answers.set(rule, answer);
    return answer;
  }
}

/** Protocols and ports rule out most. */
const CHEAPEST_FIRST = [0, 3, 4, 2, 1] as const;
const SMALL_SET = 4;

/** Tcp and Udp, the first two of PROTOCOLS. */
const PORTED: Ranges<number> = [{ low: 0, high: 1 }];

function labelsOf(runs: Runs | undefined): Ranges<number> {
  const labels: { low: number; high: number }[] = [];
  let low = 0;
  let inside = runs?.startsInside === true;
  for (const high of runs?.ends ?? []) {
    if (inside) labels.push({ low, high });
    inside = !inside;
    low = high + 1;
  }
  return labels;
}

/** Priorities at which other rules stand than before. */
function changed(
  before: ReadonlyMap<number, readonly Cut[]>,
  after: ReadonlyMap<number, readonly Cut[]>,
): readonly number[] {
  const same = (one: readonly Cut[] = [], other: readonly Cut[] = []) =>
    one.length === other.length && one.every((cut, at) => cut === other[at]);
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter((priority) => !same(before.get(priority), after.get(priority)))
    .sort((a, b) => a - b);
}

function sidesOf({ protocols, from, to, toPorts, fromPorts }: PacketBox, plane: Plane): Sides {
  return [numbersOf(protocols), plane.numbers(from), plane.numbers(to), toPorts, fromPorts];
}

const numbered = new WeakMap<readonly IpProtocol[], Ranges<number>>();

function numbersOf(protocols: readonly IpProtocol[]): Ranges<number> {
  const known = numbered.get(protocols);
  if (known !== undefined) return known;
  const numbers = protocols.map((name) => PROTOCOLS.indexOf(name));
  const ranges = RANGES4.normal(numbers.map((at) => ({ low: at, high: at })));
  numbered.set(protocols, ranges);
  return ranges;
}
