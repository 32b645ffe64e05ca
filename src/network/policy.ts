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
import { decidingRule } from "./evaluate.ts";
import { boxOfRule, type RuleBox, type TagMeaning } from "./meaning.ts";
import {
  countPackets,
  disjoint,
  firstPacket,
  type Packet,
  type PacketBox,
  type PacketSet,
} from "./packet-set.ts";
import type { Direction, SecurityRule } from "./rule.ts";
import { sharesOf, type Share } from "./shares.ts";

export type Proof = Holds | Fails;

export type Holds = {
  readonly holds: true;
  readonly grantedBy: readonly SecurityRule[];
  /** The part that only a default rule grants. */
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
  /** True: there are more boxes than are listed; `packets` counts all. */
  readonly truncated: boolean;
  readonly packets: bigint;
  /** The part that passes. */
  readonly allowed: PacketSet;
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
  #boxes: readonly RuleBox[];

  constructor(rules: readonly SecurityRule[], direction: Direction, meaning: TagMeaning) {
    this.direction = direction;
    this.meaning = meaning;
    this.#boxes = rules
      .filter((rule) => rule.direction === direction)
      .sort((a, b) => a.priority - b.priority)
      .map((rule) => ({ rule, box: boxOfRule(rule, meaning) }));
  }

  /** In the order they are tried. */
  get rules(): readonly SecurityRule[] {
    return this.#boxes.map(({ rule }) => rule);
  }

  get boxes(): readonly RuleBox[] {
    return this.#boxes;
  }

  /** The first rule that matches; undefined: exempt, or no rules at all. Both pass. */
  decide(packet: Packet): SecurityRule | undefined {
    return decidingRule(this.#boxes, packet);
  }

  prove(required: PacketSet): Proof {
    const shares = sharesOf(this.#boxes, disjoint(required), Number.MAX_SAFE_INTEGER);
    must(shares !== undefined, "there is no limit");
    const denied = shares.shares.filter(({ rule }) => rule.access === "Deny");
    const granted = shares.shares.filter(({ rule }) => rule.access === "Allow");
    const [first] = denied;
    if (first === undefined) {
      const certificate: Certificate = { kind: "granted", by: granted.map(({ rule }) => rule) };
      const opinion = checkCertificate(certificate, this.#boxes, required);
      must(opinion !== "refuted", "the checker agrees with a proof");
      return {
        holds: true,
        grantedBy: certificate.by,
        byDefaultRule: granted.flatMap(({ rule, boxes }) =>
          rule.origin === "default" ? boxes : [],
        ),
        certificate,
        checked: opinion === "confirmed",
      };
    }
    const counterexample = firstPacket(first.boxes[0] as PacketBox);
    const certificate: Certificate = { kind: "stopped", packet: counterexample, by: first.rule };
    must(
      checkCertificate(certificate, this.#boxes, required) === "confirmed",
      "the checker agrees with a counterexample",
    );
    return {
      holds: false,
      counterexample,
      blamed: first.rule,
      violations: denied,
      truncated: false,
      packets: countPackets(denied.flatMap(({ boxes }) => boxes)),
      allowed: [...granted.flatMap(({ boxes }) => boxes), ...shares.unmatched],
      certificate,
    };
  }

  /** A rule of the same name is replaced. */
  put(rule: SecurityRule): void {
    must(rule.direction === this.direction, "the rule stands at this gate");
    const others = this.#boxes.filter(({ rule: { name } }) => name !== rule.name);
    const box = boxOfRule(rule, this.meaning);
    this.#boxes = [...others, { rule, box }].sort((a, b) => a.rule.priority - b.rule.priority);
  }

  remove(name: string): void {
    this.#boxes = this.#boxes.filter(({ rule }) => rule.name !== name);
  }
}
