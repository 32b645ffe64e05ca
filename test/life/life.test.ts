/**
 * Thousands of short lives: see life.ts. A life that breaks says its seed; put it in KEPT.
 *
 *     LIVES=200000 FIRST_LIFE=1 vitest run test/life
 */
import { describe, expect, test } from "vitest";

import { declaredWorld, live } from "./life.ts";

/** Seeds of lives that once broke something. */
const KEPT: readonly number[] = [
  // A new host had the address of one that was only just leaving.
  2230,
];
const LIVES = Number(process.env["LIVES"] ?? 10_000);
const FIRST = Number(process.env["FIRST_LIFE"] ?? 1);

const worlds = { External: declaredWorld("External"), Internal: declaredWorld("Internal") };
const one = (seed: number) => live(seed, seed % 2 === 0 ? worlds.External : worlds.Internal);

describe("the product, whatever goes wrong", () => {
  test.each(KEPT)("life %i, which once broke, ends well", async (seed) => {
    await one(seed);
  });

  test(`${LIVES} lives end well`, { timeout: 600_000 }, async () => {
    const ended = { count: 0 };
    for (let seed = FIRST; seed < FIRST + LIVES; seed += 1) {
      await one(seed);
      ended.count += 1;
    }
    expect(ended.count).toBe(LIVES);
  });
});
