/**
 * The second opinion on every proof: small, slow and written apart.
 *
 * A certificate names the rules that together grant a required set, or one packet and the rule that
 * stops it. It is checked here against the rules themselves: no allowing rule is believed beyond its
 * own box, and no denying rule before it is overlooked. Deliberately shares no code with the engine,
 * only its types: plain loops over plain intervals, IPv4 and IPv6 alike.
 */
import type { RuleBox } from "./meaning.ts";
import type { Packet, PacketBox, PacketSet } from "./packet-set.ts";
import type { SecurityRule } from "./rule.ts";

export type Certificate =
  /** Every packet is matched by one of these, or by no rule at all, before any rule denies it. */
  | { readonly kind: "granted"; readonly by: readonly SecurityRule[] }
  | { readonly kind: "stopped"; readonly packet: Packet; readonly by: SecurityRule };

export type Opinion = "confirmed" | "refuted" | "too large to check";

/** More pieces than this, and the check gives up instead of taking for ever. */
const MOST_PIECES = 20_000;

type Interval = { readonly low: number | bigint; readonly high: number | bigint };
type Side = readonly Interval[];
/** One family of addresses; sides are protocol, ports and addresses, each sorted. */
type Cell = {
  readonly family: 4 | 6;
  readonly sides: readonly Side[];
  /** From the first to the last of each side: most cells are told apart by these alone. */
  readonly hulls: Side;
};

export function checkCertificate(
  certificate: Certificate,
  rules: readonly RuleBox[],
  required: PacketSet,
): Opinion {
  return certificate.kind === "stopped"
    ? checkStopped(certificate.packet, certificate.by, rules, required)
    : checkGranted(certificate.by, rules, required);
}

function checkStopped(
  packet: Packet,
  by: SecurityRule,
  rules: readonly RuleBox[],
  required: PacketSet,
): Opinion {
  const point = pointOf(packet);
  const holds = (box: PacketBox) => {
    for (const cell of cellsOf(box)) if (meet(cell, point)) return true;
    return false;
  };
  const first = rules.find(({ box }) => holds(box))?.rule;
  return first === by && by.access === "Deny" && required.some(holds) ? "confirmed" : "refuted";
}

function checkGranted(
  by: readonly SecurityRule[],
  rules: readonly RuleBox[],
  required: PacketSet,
): Opinion {
  const granting = new Set(by);
  let left = required.flatMap(cellsOf);
  for (const { rule, box } of rules) {
    const allows = rule.access === "Allow";
    if (left.length === 0) break;
    if (allows && !granting.has(rule)) continue;
    for (const cell of cellsOf(box)) {
      if (!left.some((one) => meet(one, cell))) continue;
      if (allows) left = left.flatMap((one) => without(one, cell));
      else return "refuted";
      if (MOST_PIECES < left.length) return "too large to check";
    }
  }
  // What is left meets no rule that denies: exempt traffic.
  return "confirmed";
}

const NUMBERS = { Icmp: 1, Tcp: 6, Udp: 17, Esp: 50, Ah: 51 } as const;
const known = new WeakMap<PacketBox, readonly Cell[]>();

/** A box about protocols without ports is about all ports, so that ports need no case of their own. */
function cellsOf(box: PacketBox): readonly Cell[] {
  const seen = known.get(box);
  if (seen !== undefined) return seen;
  const protocols = box.protocols
    .map((name) => ({ low: NUMBERS[name], high: NUMBERS[name] }))
    .sort((a, b) => a.low - b.low);
  const cells = ([4, 6] as const)
    .map((family): Cell => {
      const [from, to] = family === 4 ? [box.from.v4, box.to.v4] : [box.from.v6, box.to.v6];
      return cell(family, [to, box.toPorts, protocols, box.fromPorts, from]);
    })
    .filter(({ sides }) => sides.every((side) => 0 < side.length));
  known.set(box, cells);
  return cells;
}

function pointOf({ from, to, protocol, fromPort, toPort }: Packet): Cell {
  const family = from.includes(":") ? 6 : 4;
  const values = [numberOf(to), toPort, NUMBERS[protocol], fromPort, numberOf(from)];
  return cell(
    family,
    values.map((value) => [{ low: value, high: value }]),
  );
}

function cell(family: 4 | 6, sides: readonly Side[]): Cell {
  const hulls = sides.map((side) => ({ low: side[0]?.low ?? 1, high: side.at(-1)?.high ?? 0 }));
  return { family, sides, hulls };
}

/** Reads canonical text anew, on purpose: the engine's own reading is what is being checked. */
function numberOf(address: string): number | bigint {
  if (!address.includes(":")) return Number(digits(address.split("."), 8n, 10));
  const [head = [], tail] = address.split("::").map((part) => part.split(":").filter(Boolean));
  if (tail === undefined) return digits(head, 16n, 16);
  const zeros = Array.from({ length: 8 - head.length - tail.length }, () => "0");
  return digits([...head, ...zeros, ...tail], 16n, 16);
}

function digits(parts: readonly string[], bits: bigint, base: number): bigint {
  return parts.reduce((sum, part) => (sum << bits) + BigInt(Number.parseInt(part, base)), 0n);
}

/** Loops instead of functions of arrays: this is asked of every rule in every proof. */
function meet(one: Cell, other: Cell): boolean {
  if (one.family !== other.family) return false;
  for (let at = 0; at < one.hulls.length; at += 1) {
    const [a, b] = [one.hulls[at], other.hulls[at]];
    if (a === undefined || b === undefined || a.high < b.low || b.high < a.low) return false;
  }
  for (let at = 0; at < one.sides.length; at += 1)
    if (!sidesMeet(one.sides[at] ?? [], other.sides[at] ?? [])) return false;
  return true;
}

function sidesMeet(one: Side, other: Side): boolean {
  const [few, many] = one.length < other.length ? [one, other] : [other, one];
  for (const { low, high } of few) {
    const next = many[firstEndingFrom(many, low)];
    if (next !== undefined && next.low <= high) return true;
  }
  return false;
}

/** Side after side: what sticks out is kept, what is common goes on to the next side. */
function without(from: Cell, hole: Cell): readonly Cell[] {
  if (!meet(from, hole)) return [from];
  const pieces: Cell[] = [];
  let { sides } = from;
  hole.sides.forEach((side, at) => {
    const mine = sides[at] ?? [];
    const outside = minus(mine, side);
    if (0 < outside.length) pieces.push(cell(from.family, sides.with(at, outside)));
    sides = sides.with(at, minus(mine, outside));
  });
  return pieces;
}

function minus(side: Side, holes: Side): Side {
  return side.flatMap(({ low, high }) => {
    const left: Interval[] = [];
    let start = low;
    for (let at = firstEndingFrom(holes, low); at < holes.length; at += 1) {
      const hole = holes[at];
      if (hole === undefined || high < hole.low) break;
      if (start < hole.low) left.push({ low: start, high: step(hole.low, -1) });
      start = step(hole.high, 1);
    }
    if (start <= high) left.push({ low: start, high });
    return left;
  });
}

function step(value: number | bigint, by: 1 | -1): number | bigint {
  return typeof value === "bigint" ? value + BigInt(by) : value + by;
}

function firstEndingFrom(side: Side, value: number | bigint): number {
  let [from, to] = [0, side.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((side[middle]?.high ?? value) < value) from = middle + 1;
    else to = middle;
  }
  return from;
}
