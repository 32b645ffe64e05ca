import { expect, test } from "vitest";

import { diffPolicies, partOf } from "./compare.ts";
import {
  MEANING,
  randomBox,
  randomFrom,
  randomPacket,
  randomRule,
  randomRules,
} from "./generate.testing.ts";
import { lintPolicy } from "./lint.ts";
import { naiveDecide, naiveHolds } from "./naive.testing.ts";
import { ALL_PACKETS, boxOf, countDisjoint } from "./packet-set.ts";
import { openPolicy } from "./policy.ts";
import { reachability } from "./reach.ts";
import type { SecurityRule } from "./rule.ts";
import { sharesOf } from "./shares.ts";

const FIRST = Number(process.env["LAW_SEED"] ?? Date.now() % 1_000_000_007);
const SEEDS = Number(process.env["LAW_SEEDS"] ?? 40);

function forSeeds(ask: (seed: number) => void): void {
  for (let at = 0; at < SEEDS; at += 1)
    try {
      ask(FIRST + at);
    } catch (thrown) {
      throw new Error(`seed ${FIRST + at}`, { cause: thrown });
    }
}

const policyOf = (rules: readonly SecurityRule[]) =>
  openPolicy(rules, rules[0]?.direction ?? "Inbound", MEANING);

test(`a difference is what packets say, from seed ${FIRST} on`, () => {
  forSeeds((seed) => {
    const random = randomFrom(seed);
    const before = randomRules(random, 1 + random.below(8));
    const direction = before[0]?.direction ?? "Inbound";
    const after = [
      ...before.filter(() => random.chance(0.9)),
      {
        ...randomRule(random, random.below(9), direction),
        name: "new",
        priority: random.one([99, 4_000]),
      },
    ];
    const found = diffPolicies(
      openPolicy(before, direction, MEANING),
      openPolicy(after, direction, MEANING),
      ALL_PACKETS,
      { most: 1_000 },
    );
    for (let at = 0; at < 60; at += 1) {
      const packet = randomPacket(random);
      const stopped = [before, after].map(
        (rules) => naiveDecide(rules, packet, MEANING)?.access === "Deny",
      );
      const inside = (boxes: typeof found.gained.boxes) =>
        boxes.some((box) => naiveHolds(box, packet));
      expect(inside(found.gained.boxes)).toBe(stopped[0] === true && stopped[1] === false);
      expect(inside(found.lost.boxes)).toBe(stopped[0] === false && stopped[1] === true);
    }
    expect(found.equal).toBe(found.gained.boxes.length + found.lost.boxes.length === 0);
    expect(
      diffPolicies(
        openPolicy(after, direction, MEANING),
        openPolicy([...after].reverse(), direction, MEANING),
      ).equal,
    ).toBe(true);
  });
});

test(`what passes and what does not are all there is, from seed ${FIRST} on`, () => {
  forSeeds((seed) => {
    const random = randomFrom(seed);
    const policy = policyOf(randomRules(random, 1 + random.below(8)));
    const box = randomBox(random);
    const [allowed, denied] = [partOf(policy, box, "allowed"), partOf(policy, box, "denied")];
    expect((allowed.packets ?? 0n) + (denied.packets ?? 0n)).toBe(countDisjoint([box]));
  });
});

test(`a rule that lint calls needless can go, and no other, from seed ${FIRST} on`, () => {
  forSeeds((seed) => {
    const random = randomFrom(seed);
    const rules = randomRules(random, 1 + random.below(10));
    const policy = policyOf(rules);
    const { findings, complete } = lintPolicy(policy);
    expect(complete).toBe(true);
    const decides = new Set(
      sharesOf(policy.boxes, [ALL_PACKETS], 1e9)?.shares.map(({ rule }) => rule.name),
    );
    for (const { rule, box } of policy.boxes) {
      if (rule.origin === "default") continue;
      const without = policyOf(rules.filter((one) => one !== rule));
      const needless = rules.length > 1 && diffPolicies(policy, without, ALL_PACKETS).equal;
      const finding = findings.find((one) => one.rule === rule);
      const empty = sharesOf([{ rule, box }], [ALL_PACKETS], 1e9)?.shares.length === 0;
      if (empty || rules.length === 1) continue;
      const kind = decides.has(rule.name) ? "redundant" : "never decides";
      const told = finding?.kind === "redundant" ? "redundant" : finding && "never decides";
      expect(told).toBe(needless ? kind : undefined);
    }
  });
});

test(`reachability is what packets say, from seed ${FIRST} on`, () => {
  forSeeds((seed) => {
    const random = randomFrom(seed);
    const rules = randomRules(random, 1 + random.below(8));
    const policy = policyOf(rules);
    const sets = Array.from({ length: 4 }, () => randomBox(random).from);
    const table = reachability(policy, sets, sets);
    for (const [at, from] of sets.entries())
      for (const [there, to] of sets.entries()) {
        const box = boxOf({ from: { ...from, v6: [] }, to: { ...to, v6: [] } });
        if (from.v4.length === 0 || to.v4.length === 0) continue;
        const [allowed, denied] = [
          partOf(policy, box, "allowed", 1),
          partOf(policy, box, "denied", 1),
        ];
        const expected = denied.packets === 0n ? "all" : allowed.packets === 0n ? "none" : "some";
        expect(table[at]?.[there]).toBe(expected);
      }
  });
});
