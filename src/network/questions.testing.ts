/**
 * One generated question, asked of everybody who can answer: the engine, the naive matcher, box
 * subtraction; the certificate's checker runs inside every proof. Throws where two disagree.
 */
import type { DecisionOptions } from "./decisions.ts";
import {
  MEANING,
  randomBox,
  randomFrom,
  randomPacket,
  randomRule,
  randomRules,
  type Random,
} from "./generate.testing.ts";
import { naiveDecide, naiveHolds } from "./naive.testing.ts";
import { countDisjoint, disjoint, firstPacket, type Packet, type PacketSet } from "./packet-set.ts";
import { Policy, type Proof } from "./policy.ts";
import type { SecurityRule } from "./rule.ts";
import { sharesOf } from "./shares.ts";

export type Asked = { readonly proofs: number; readonly packets: number };

/** @returns how much was asked */
export function askOneSeed(seed: number, options: DecisionOptions = {}): Asked {
  const random = randomFrom(seed);
  let rules = randomRules(random, random.below(12));
  const direction = rules[0]?.direction ?? "Inbound";
  const policy = new Policy(rules, direction, MEANING, options);
  const required = Array.from({ length: 1 + random.below(2) }, () => randomBox(random));
  let packets = 0;
  const rounds = 3;
  for (let round = 0; round < rounds; round += 1) {
    const proof = policy.prove(required);
    const told = `seed ${seed}, round ${round}`;
    const coarse = options.limits?.boxes === 0;
    agree(told, policy, rules, required, proof, coarse);
    packets += askPackets(told, random, policy, rules, required, proof);
    const fresh = new Policy(rules, direction, MEANING, options).prove(required);
    same(`${told}: mended and made anew`, gist(proof, coarse), gist(fresh, coarse));
    rules = edited(random, policy, rules);
  }
  return { proofs: 2 * rounds, packets };
}

function edited(
  random: Random,
  policy: Policy,
  rules: readonly SecurityRule[],
): readonly SecurityRule[] {
  const old = random.one(rules.length === 0 ? [undefined] : rules);
  if (old !== undefined && random.chance(0.3)) {
    policy.remove(old.name);
    return rules.filter(({ name }) => name !== old.name);
  }
  const rule = randomRule(random, random.below(14), policy.direction);
  policy.put(rule);
  return [...rules.filter(({ name }) => name !== rule.name), rule];
}

/** Verdict and exact numbers against box subtraction. */
function agree(
  told: string,
  policy: Policy,
  rules: readonly SecurityRule[],
  required: PacketSet,
  proof: Proof,
  coarse: boolean,
): void {
  const apart = disjoint(required);
  const shares = sharesOf(policy.boxes, apart, Number.MAX_SAFE_INTEGER);
  if (shares === undefined) throw new Error("broken promise: there is no limit");
  const count = (access: SecurityRule["access"]) =>
    countDisjoint(
      shares.shares.flatMap(({ rule, boxes }) => (rule.access === access ? boxes : [])),
    );
  same(
    `${told}: allowed, denied and unmatched are all there is`,
    countDisjoint(apart),
    count("Allow") + count("Deny") + countDisjoint(shares.unmatched),
  );
  same(`${told}: packets denied`, proof.holds ? 0n : proof.packets, count("Deny"));
  if (proof.holds) {
    const by = shares.shares.map(({ rule }) => rule.name).sort();
    const named = proof.grantedBy.map(({ name }) => name).sort();
    // Verdicts alone do not tell rules apart: then all that may grant are named.
    const counted = coarse ? named.filter((name) => by.includes(name)) : named;
    const users = coarse ? by.filter((name) => named.includes(name)) : by;
    same(`${told}: who grants`, counted.join(), users.join());
    return;
  }
  const naive = naiveDecide(rules, proof.counterexample, policy.meaning);
  same(`${told}: who stops the counterexample`, proof.blamed.name, naive?.name);
  if (!required.some((box) => naiveHolds(box, proof.counterexample)))
    throw new Error(`${told}: the counterexample is not asked for`);
  for (const { rule, boxes } of proof.violations)
    for (const box of boxes) {
      same(
        `${told}: who stops a box`,
        rule.name,
        naiveDecide(rules, firstPacket(box), policy.meaning)?.name,
      );
    }
}

function askPackets(
  told: string,
  random: Random,
  policy: Policy,
  rules: readonly SecurityRule[],
  required: PacketSet,
  proof: Proof,
): number {
  const asked = 30;
  for (let at = 0; at < asked; at += 1) {
    const packet = randomPacket(random);
    const naive = naiveDecide(rules, packet, policy.meaning);
    const words = `${told}: ${JSON.stringify(packet)}`;
    same(words, policy.decide(packet)?.name, naive?.name);
    const inside = required.some((box) => naiveHolds(box, packet));
    if (!inside) continue;
    const stopped = naive?.access === "Deny";
    if (proof.holds) same(`${words}: passes`, stopped, false);
    else if (!proof.truncated)
      same(`${words}: in a box`, listed(proof, packet)?.name, stopped ? naive?.name : undefined);
  }
  return asked;
}

function listed(proof: Extract<Proof, { holds: false }>, packet: Packet): SecurityRule | undefined {
  return proof.violations.find(({ boxes }) => boxes.some((box) => naiveHolds(box, packet)))?.rule;
}

function gist(proof: Proof, coarse: boolean): string {
  if (coarse) return proof.holds ? "passes" : `stopped ${proof.packets}`;
  if (proof.holds)
    return `passes by ${proof.grantedBy
      .map(({ name }) => name)
      .sort()
      .join()}`;
  return `stopped ${proof.packets} by ${proof.blamed.name}`;
}

function same<Value>(what: string, one: Value, other: Value): void {
  if (one !== other) throw new Error(`${what}: ${String(one)} and ${String(other)}`);
}
