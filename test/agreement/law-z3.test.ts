/**
 * Law and Z3 agree: the same random questions, the verdicts compared, and the counterexample of each
 * judged by the other. `LAW_SEED=n LAW_SEEDS=1` repeats one.
 */
import { expect, test } from "vitest";

import { setOfTag } from "../../src/network/meaning.ts";
import { boxOf, holdsPacket, type PacketBox } from "../../src/network/packet-set.ts";
import { openPolicy } from "../../src/network/policy.ts";
import {
  MEANING,
  randomBox,
  randomFrom,
  randomRules,
  type Random,
} from "../../src/network/generate.testing.ts";
import { askZ3, judgeByZ3, type Question } from "./z3.ts";

const FIRST = Number(process.env["LAW_SEED"] ?? Date.now() % 1_000_000_007);
const SEEDS = Number(process.env["LAW_SEEDS"] ?? 150);

/** Like what an environment requires: few ports, from a tag. */
function requirement(random: Random): PacketBox {
  const ports = random.one([[454, 455], [16_001], [80, 443], [53], [1_433], [12_000]]);
  return boxOf({
    [random.one(["from", "to"])]: setOfTag(
      random.one(["Near", "Far", "Wide", "VirtualNetwork", "Internet", "AzureLoadBalancer"]),
      MEANING,
    ),
    protocols: [random.one(["Tcp", "Udp"])],
    toPorts: ports.map((port) => ({ low: port, high: port })),
  });
}

test(`law and Z3 agree, and about each other's packets, from seed ${FIRST} on`, () => {
  const questions = Array.from({ length: SEEDS }, (_, at): Question & { seed: number } => {
    const random = randomFrom(FIRST + at);
    const rules = randomRules(random, 1 + random.below(25));
    const one = () => (random.chance(0.5) ? requirement(random) : randomBox(random));
    const required = Array.from({ length: 1 + random.below(2) }, one);
    return { seed: FIRST + at, rules, meaning: MEANING, required };
  });
  const proofs = questions.map(({ rules, required }) => {
    const policy = openPolicy(rules, rules[0]?.direction ?? "Inbound", MEANING);
    return { policy, proof: policy.prove(required) };
  });
  const models = askZ3(questions);
  const differences: unknown[] = [];
  for (const [at, { seed, required, rules }] of questions.entries()) {
    const [packet, own] = [models[at], proofs[at]];
    if (own === undefined) continue;
    const rule = packet && own.policy.decide(packet);
    const stopped =
      packet !== undefined &&
      rule?.access === "Deny" &&
      required.some((box) => holdsPacket(box, packet));
    if (own.proof.holds !== (packet === undefined) || stopped !== (packet !== undefined))
      differences.push({
        seed,
        law: own.proof.holds ? "passes" : [own.proof.counterexample, own.proof.blamed],
        z3: packet ?? "passes",
        "the law about z3's packet": rule,
        rules,
      });
  }
  const told = proofs.flatMap(({ proof }, at) => {
    const question = questions[at];
    return proof.holds || question === undefined
      ? []
      : [{ ...question, packet: proof.counterexample, by: proof.blamed }];
  });
  judgeByZ3(told).forEach((agrees, at) => {
    const one = told[at];
    if (!agrees)
      differences.push({
        seed: one?.seed,
        law: [one?.packet, one?.by],
        z3: "passes",
        rules: one?.rules,
      });
  });
  const words = differences.map((one) =>
    JSON.stringify(one, (_, value: unknown) => (typeof value === "bigint" ? `${value}` : value), 1),
  );
  expect(words.join("\n")).toBe("");
  // Both verdicts occur, or the comparison would say little.
  expect(told.length).toBeGreaterThan(0);
  expect(SEEDS < 20 || told.length < SEEDS).toBe(true);
});
