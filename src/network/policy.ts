/**
 * The rules of one gate, and every question that is about all packets at once.
 *
 * A gate is one group in one direction. A policy lives: rules are put and removed, and what was
 * proved before is proved again with little work. Nothing here knows routes, translations or files.
 *
 * @article Network Security Groups
 */
import { must } from "../base/problem.ts";
import { checkCertificate, type Certificate } from "./certificate.ts";
import {
  Decisions,
  MOST_LISTED,
  type Answer,
  type Decided,
  type DecisionOptions,
} from "./decisions.ts";
import { decidingRule } from "./evaluate.ts";
import { boxOfRule, type RuleBox, type TagMeaning } from "./meaning.ts";
import {
  disjoint,
  firstPacket,
  type Packet,
  type PacketBox,
  type PacketSet,
} from "./packet-set.ts";
import { PRIORITIES, type Edit } from "./region.ts";
import type { Direction, SecurityRule } from "./rule.ts";
import type { Share } from "./shares.ts";

export type Proof = Holds | Fails;

export type Holds = {
  readonly holds: true;
  /** Where the budget did not suffice to tell rules apart: all that may. */
  readonly grantedBy: readonly SecurityRule[];
  /** The part that only a default rule grants, or the first boxes of it. */
  readonly byDefaultRule: PacketSet;
  readonly certificate: Certificate;
  /** False: the certificate was too large for the checker. */
  readonly checked: boolean;
};

export type Fails = {
  readonly holds: false;
  readonly counterexample: Packet;
  /** The rule that stops the counterexample. */
  readonly blamed: SecurityRule;
  readonly violations: readonly Share[];
  /** True: there are more boxes, or more rules that stop packets, than are listed. */
  readonly truncated: boolean;
  /** All that are stopped, exactly; undefined: more than can be counted within the budget. */
  readonly packets: bigint | undefined;
  readonly certificate: Certificate;
};

/** @param rules of a group, in any order; those of the other direction are left aside */
export function openPolicy(
  rules: readonly SecurityRule[],
  direction: Direction,
  meaning: TagMeaning,
): Policy {
  return new Policy(rules, direction, meaning);
}

export class Policy {
  readonly direction: Direction;
  readonly meaning: TagMeaning;
  readonly #options: DecisionOptions;
  #boxes: readonly RuleBox[];
  #last: Edit | undefined;
  /** Questions asked before, by box: after an edit they are mended, not asked anew. */
  readonly #standing = new WeakMap<PacketBox, Decisions>();
  readonly #disjoint = new WeakMap<PacketSet, PacketSet>();

  constructor(
    rules: readonly SecurityRule[],
    direction: Direction,
    meaning: TagMeaning,
    options: DecisionOptions = {},
  ) {
    this.direction = direction;
    this.meaning = meaning;
    this.#options = options;
    this.#boxes = rules
      .filter((rule) => rule.direction === direction)
      .sort((a, b) => a.priority - b.priority)
      .map((rule) => this.#boxed(rule));
  }

  #boxed(rule: SecurityRule): RuleBox {
    const { priority } = rule;
    must(
      Number.isInteger(priority) && 0 <= priority && priority < PRIORITIES,
      "priorities are whole numbers of 16 bits",
    );
    return { rule, box: boxOfRule(rule, this.meaning) };
  }

  /** In the order they are tried, each with all packets it matches. */
  get boxes(): readonly RuleBox[] {
    return this.#boxes;
  }

  get rules(): readonly SecurityRule[] {
    return this.#boxes.map(({ rule }) => rule);
  }

  /** The first rule that matches; undefined: exempt, or no rules at all. Both pass. */
  decide(packet: Packet): SecurityRule | undefined {
    return decidingRule(this.#boxes, packet);
  }

  /** Whether all of these packets pass. Ask with the same boxes again after an edit: it is quicker. */
  prove(required: PacketSet): Proof {
    const answers = this.#ask(required);
    const decided = answers.flatMap((answer) => answer.decided);
    const denied = decided.filter(({ rule }) => rule.access === "Deny");
    const granted = decided.filter(({ rule }) => rule.access === "Allow");
    const first = denied.reduce<Decided | undefined>(
      (least, one) =>
        least === undefined || one.rule.priority < least.rule.priority ? one : least,
      undefined,
    );
    return first === undefined
      ? this.#holds(required, granted)
      : this.#fails(required, denied, first, answers);
  }

  #holds(required: PacketSet, granted: readonly Decided[]): Holds {
    const grantedBy = [...new Set(granted.map(({ rule }) => rule))];
    const certificate: Certificate = { kind: "granted", by: grantedBy };
    const opinion = checkCertificate(certificate, this.#boxes, required);
    must(opinion !== "refuted", "the checker agrees that the packets pass");
    const byDefault = granted.filter(({ rule }) => rule.origin === "default");
    return {
      holds: true,
      grantedBy,
      byDefaultRule: byDefault.flatMap((one) => one.boxes().boxes),
      certificate,
      checked: opinion === "confirmed",
    };
  }

  #fails(
    required: PacketSet,
    denied: readonly Decided[],
    first: Decided,
    answers: readonly Answer[],
  ): Fails {
    const counterexample = firstPacket(first.some());
    const certificate: Certificate = { kind: "stopped", packet: counterexample, by: first.rule };
    const opinion = checkCertificate(certificate, this.#boxes, required);
    must(opinion === "confirmed", "the checker agrees that the packet is stopped");
    const violations: Share[] = [];
    let listed = 0;
    let truncated = answers.some(({ incomplete }) => incomplete);
    for (const { rule, boxes } of denied) {
      const found = listed < MOST_LISTED ? boxes() : { boxes: [], truncated: true };
      const shown = found.boxes.slice(0, MOST_LISTED - listed);
      listed += shown.length;
      truncated ||= found.truncated || shown.length < found.boxes.length;
      if (0 < shown.length) violations.push({ rule, boxes: shown });
    }
    const counts = answers.map(({ stopped }) => stopped());
    return {
      holds: false,
      counterexample,
      blamed: first.rule,
      violations,
      truncated,
      packets: counts.every((count) => count !== undefined)
        ? counts.reduce((sum, count) => sum + count, 0n)
        : undefined,
      certificate,
    };
  }

  /** A rule of the same name is replaced. */
  put(rule: SecurityRule): void {
    must(rule.direction === this.direction, "the rule stands at this gate");
    this.#edit(rule.name, this.#boxed(rule));
  }

  remove(name: string): void {
    this.#edit(name, undefined);
  }

  #edit(name: string, added: RuleBox | undefined): void {
    const before = this.#boxes;
    const removed = before.find(({ rule }) => rule.name === name);
    const kept = removed === undefined ? before : before.filter((one) => one !== removed);
    const behind = kept.findIndex(
      ({ rule }) => added !== undefined && added.rule.priority < rule.priority,
    );
    const at = behind === -1 ? kept.length : behind;
    this.#boxes = added === undefined ? kept : kept.toSpliced(at, 0, added);
    this.#last = { before, ...(removed && { removed }), ...(added && { added }) };
  }

  #ask(set: PacketSet): readonly Answer[] {
    return this.#apart(set).map((box) => {
      const standing = this.#standing.get(box) ?? new Decisions(box, this.#options);
      this.#standing.set(box, standing);
      return standing.among(this.#boxes, this.#last);
    });
  }

  /** Boxes that do not overlap; the same set gives the same ones. */
  #apart(set: PacketSet): PacketSet {
    const known = this.#disjoint.get(set) ?? disjoint(set);
    this.#disjoint.set(set, known);
    return known;
  }
}
