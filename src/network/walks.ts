/**
 * Questions to a region's diagram: a packet, a number of packets, boxes of packets.
 *
 * Nothing is merged here; every walk looks at each node once. Whether labels stand for IPv4 or IPv6
 * addresses is the plane's affair.
 */
import { must } from "../base/problem.ts";
import { RANGES4 } from "./address-set.ts";
import { BudgetSpent, DROP, INSIDE, NOTHING, type Diagram } from "./diagram.ts";
import type { FieldLine, Runs } from "./field-line.ts";
import type { PacketBox } from "./packet-set.ts";
import type { Range } from "./ranges.ts";
import type { Region } from "./region.ts";
import { PROTOCOLS } from "./rule.ts";

export type Labels = readonly Range<number>[];

/** All answers that packets of the region get. */
export function answersIn(diagram: Diagram, root: number): ReadonlySet<number> {
  const answers = new Set<number>();
  const seen = new Set<number>();
  const visit = (node: number): boolean => {
    if (node < 0) answers.add(node);
    else if (!seen.has(node)) {
      seen.add(node);
      diagram.someRun(node, (_, __, target) => visit(target));
    }
    return false;
  };
  visit(root);
  return answers;
}

/** How many packets a diagram says INSIDE of; undefined: more than can be counted within the budget. */
export function countInside(region: Region, root: number): bigint | undefined {
  try {
    return countAll(region, root);
  } catch (thrown) {
    if (thrown instanceof BudgetSpent) return undefined;
    throw thrown;
  }
}

function countAll(region: Region, root: number): bigint {
  const { lines, diagram } = region;
  const whole = lines.map((line) => line.weight(0, line.lastLabel));
  /** Below the protocols; ports of protocols that have none count once. */
  const counter = (ports: boolean) => {
    const widths = whole.map((all, level) => (ports || level < 3 ? all : 1n));
    const known = new Map<number, bigint>();
    const skipped = (from: number, to: number) =>
      widths.slice(from, to).reduce((product, width) => product * width, 1n);
    const at = (node: number, level: number): bigint => {
      if (node === NOTHING) return 0n;
      if (node < 0) return skipped(level, widths.length);
      const own = diagram.levelOf(node);
      let below = known.get(node);
      if (below === undefined) {
        let sum = 0n;
        diagram.someRun(node, (low, high, target) => {
          if (target !== NOTHING)
            sum += (lines[own] as FieldLine).weight(low, high) * at(target, own + 1);
          return false;
        });
        known.set(node, (below = sum));
      }
      return skipped(level, own) * below;
    };
    return (node: number) => at(node, 1);
  };
  const counters = { ported: counter(true), portless: counter(false) };
  const [protocols] = lines;
  must(protocols !== undefined, "a region has lines");
  const inRun = (low: number, high: number, target: number) =>
    target === NOTHING
      ? 0n
      : protocolsAt(protocols, [{ low, high }]).reduce(
          (sum, name) =>
            sum + (name === "Tcp" || name === "Udp" ? counters.ported : counters.portless)(target),
          0n,
        );
  if (root < 0 || diagram.levelOf(root) !== 0) return inRun(0, protocols.lastLabel, root);
  let sum = 0n;
  diagram.someRun(root, (low, high, target) => {
    sum += inRun(low, high, target);
    return false;
  });
  return sum;
}

/**
 * The packets a diagram says INSIDE of as boxes, none of which can be made larger.
 * Boxes may overlap; each holds packets that no earlier one does.
 */
export function boxesInside(
  region: Region,
  root: number,
  most: number,
): { readonly boxes: readonly PacketBox[]; readonly truncated: boolean } {
  const { diagram, lines } = region;
  const boxes: PacketBox[] = [];
  let left = root;
  try {
    while (left !== NOTHING && boxes.length < most) {
      const sides = firstCell(region, left);
      for (const level of WIDEN_FIRST) sides[level] = widened(region, root, sides, level);
      if (!hasAllPorts(region, sides))
        sides[0] = RANGES4.intersection(sides[0] ?? [], region.ported);
      boxes.push(packetBoxOf(region, sides));
      const box = sides.map((side, level) => runsOf(side, lines[level]));
      left = diagram.combine(DROP, left, diagram.product(box, INSIDE));
    }
  } catch (thrown) {
    if (!(thrown instanceof BudgetSpent)) throw thrown;
  }
  return { boxes, truncated: left !== NOTHING };
}

/** Ports before addresses: people ask from where rather than to which other port. */
const WIDEN_FIRST = [4, 3, 2, 1, 0] as const;

function hasAllPorts({ lines }: Region, sides: readonly Labels[]): boolean {
  return [3, 4].every((level) => sides[level]?.[0]?.high === lines[level]?.lastLabel);
}

/** A box of packets that get an answer; small, and quickly found. */
export function someBox(region: Region, root: number): PacketBox {
  return packetBoxOf(region, firstCell(region, root));
}

/** The lowest path that leads INSIDE: one run of labels for each field. */
function firstCell({ diagram, lines }: Region, root: number): Labels[] {
  const sides: Labels[] = lines.map(({ lastLabel }) => [{ low: 0, high: lastLabel }]);
  let node = root;
  while (0 <= node) {
    const level = diagram.levelOf(node);
    // Every node leads somewhere inside, or it would not exist.
    diagram.someRun(node, (low, high, target) => {
      if (target === NOTHING) return false;
      sides[level] = [{ low, high }];
      node = target;
      return true;
    });
  }
  return sides;
}

/** All labels of one field with which the box lies inside, its other sides as they are. */
function widened(
  { diagram, lines }: Region,
  root: number,
  sides: readonly Labels[],
  field: number,
): Labels {
  const everything: Labels = [{ low: 0, high: (lines[field] as FieldLine).lastLabel }];
  const fits = new Map<number, boolean>();
  const holdsAll = (node: number): boolean => {
    if (node < 0) return node !== NOTHING;
    let known = fits.get(node);
    if (known === undefined) {
      const side = sides[diagram.levelOf(node)] ?? [];
      known = !diagram.someRun(
        node,
        (low, high, target) => touches(side, low, high) && !holdsAll(target),
      );
      fits.set(node, known);
    }
    return known;
  };
  const known = new Map<number, Labels>();
  const at = (node: number): Labels => {
    if (node < 0 || field < diagram.levelOf(node)) return holdsAll(node) ? everything : [];
    const before = known.get(node);
    if (before !== undefined) return before;
    let labels: Labels = everything;
    const level = diagram.levelOf(node);
    if (level === field) {
      const own: Range<number>[] = [];
      diagram.someRun(node, (low, high, target) => {
        if (holdsAll(target)) own.push({ low, high });
        return false;
      });
      labels = RANGES4.normal(own);
    } else
      diagram.someRun(node, (low, high, target) => {
        if (touches(sides[level] ?? [], low, high)) {
          const below = at(target);
          diagram.spend(Math.min(labels.length, below.length));
          labels = RANGES4.intersection(labels, below);
        }
        return labels.length === 0;
      });
    known.set(node, labels);
    return labels;
  };
  return at(root);
}

/** The box that labels stand for. */
function packetBoxOf({ lines, plane }: Region, sides: readonly Labels[]): PacketBox {
  const numbers = lines.map((line, level) => line.rangesOf(sides[level] ?? []));
  const [protocols, from = [], to = [], toPorts = [], fromPorts = []] = numbers;
  return {
    protocols: PROTOCOLS.filter((_, at) => touches(protocols ?? [], at, at)),
    from: plane.addresses(from),
    to: plane.addresses(to),
    toPorts,
    fromPorts,
  };
}

function protocolsAt(line: FieldLine, labels: Labels) {
  const numbers = line.rangesOf(labels);
  return PROTOCOLS.filter((_, at) => touches(numbers, at, at));
}

function runsOf(labels: Labels, line: FieldLine | undefined): Runs {
  const last = line?.lastLabel ?? 0;
  const ends: number[] = [];
  for (const { low, high } of labels) {
    if (0 < low) ends.push(low - 1);
    ends.push(high);
  }
  if (ends.at(-1) !== last) ends.push(last);
  return { startsInside: labels[0]?.low === 0, ends: Int32Array.from(ends) };
}

export function touches(side: Labels, low: number, high: number): boolean {
  let [from, to] = [0, side.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((side[middle]?.high ?? low) < low) from = middle + 1;
    else to = middle;
  }
  const range = side[from];
  return range !== undefined && range.low <= high;
}
