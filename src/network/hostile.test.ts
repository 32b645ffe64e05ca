/**
 * Rules made to hurt: a thousand that overlap in as many ways as can be. Every question ends, with an
 * answer that is right as far as it goes, or declined; the time is that of a slow and busy machine.
 */
import { expect, test } from "vitest";

import { ProblemError } from "../base/problem.ts";
import { diffPolicies, partOf } from "./compare.ts";
import { MEANING, randomFrom } from "./generate.testing.ts";
import { largeRules } from "./large.testing.ts";
import { lintPolicy } from "./lint.ts";
import { naiveDecide } from "./naive.testing.ts";
import { ALL_PACKETS, firstPacket } from "./packet-set.ts";
import { openPolicy } from "./policy.ts";

const MOST_CPU_MS = 30_000;

const HOSTILE = [
  ["stairs", 1_000],
  ["rectangles", 1_000],
  ["lists", 1_000],
] as const;

test.each(HOSTILE)("%s of %i rules: every question ends", (kind, count) => {
  const rules = largeRules(randomFrom(7), kind, count, []);
  const policy = openPolicy(rules, "Inbound", MEANING);
  const before = process.cpuUsage();

  const proof = policy.prove([ALL_PACKETS]);
  if (proof.holds) throw new Error("the last rule denies all");
  expect(naiveDecide(rules, proof.counterexample, MEANING)).toBe(proof.blamed);
  for (const { rule, boxes } of proof.violations)
    for (const box of boxes) expect(naiveDecide(rules, firstPacket(box), MEANING)).toBe(rule);

  const [first] = rules;
  if (first !== undefined) policy.put({ ...first, access: "Deny" });
  expect(policy.prove([ALL_PACKETS]).holds).toBe(false);
  answeredOrDeclined(() => diffPolicies(openPolicy(rules, "Inbound", MEANING), policy));
  answeredOrDeclined(() => partOf(policy, ALL_PACKETS, "denied"));
  answeredOrDeclined(() => lintPolicy(policy));

  const { user, system } = process.cpuUsage(before);
  expect((user + system) / 1_000).toBeLessThan(MOST_CPU_MS);
});

/** Declining is an answer; anything else that is thrown is not. */
function answeredOrDeclined(ask: () => unknown): void {
  try {
    ask();
  } catch (thrown) {
    const declined =
      thrown instanceof ProblemError && thrown.problem.code === "LawQuestionTooLarge";
    if (!declined) throw thrown;
  }
}
