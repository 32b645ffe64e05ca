import { expect, test } from "vitest";

import { askOneSeed } from "./questions.testing.ts";

const FIRST = Number(process.env["LAW_SEED"] ?? Date.now() % 1_000_000_007);
const SEEDS = Number(process.env["LAW_SEEDS"] ?? 90);

/** LAW_SEED=n LAW_SEEDS=1 repeats one; LAW_SEEDS=10000 asks longer. */
test(`engine, naive matcher, subtraction and checker agree, from seed ${FIRST} on`, () => {
  let packets = 0;
  for (let at = 0; at < SEEDS; at += 1) packets += askOneSeed(FIRST + at).packets;
  expect(packets).toBeGreaterThan(0);
});

test(`they agree when labels are few and given anew often, from seed ${FIRST} on`, () => {
  for (let at = 0; at < SEEDS / 3; at += 1) askOneSeed(FIRST + at, { lastLabel: 255 });
});

const NONE = { edges: 5, steps: 50 };
const ENOUGH = { edges: 1e6, steps: 1e7 };

test.each([
  ["boxes are subtracted", { rules: NONE, boxes: 1e6, verdicts: NONE }],
  ["verdicts only are told", { rules: NONE, boxes: 0, verdicts: ENOUGH }],
])(`they agree when the budget is spent and %s, from seed ${FIRST} on`, (_, limits) => {
  for (let at = 0; at < SEEDS / 3; at += 1) askOneSeed(FIRST + at, { limits });
});
