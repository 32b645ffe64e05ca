/** Whatever is given is read or declined with a place; nothing is thrown. */
import { readFileSync } from "node:fs";
import { join } from "node:path";

import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import { describeProblem } from "../../src/base/problem.ts";
import { HERE, readFiles } from "./reading.ts";

describe("whatever is given", () => {
  const samples = [
    "template/main.json",
    "terraform-plan.json",
    "az/nsg.json",
    "az/vnet-list.json",
    "az/ase.json",
  ].map((name) => readFileSync(join(HERE, name), "utf8"));
  const words = fc.constantFrom(
    "null",
    "[]",
    "{}",
    '""',
    "-1",
    "true",
    '"[',
    "[parameters('x')]",
    "__proto__",
    "constructor",
    ",",
    "}",
    "\u0000",
    "é",
    "999999999999999999",
  );

  test("a cut or changed file is read or declined with a place, and nothing is thrown", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...samples),
        fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(40), words), {
          maxLength: 4,
        }),
        fc.option(fc.double({ min: 0, max: 1, noNaN: true })),
        (sample, changes, cut) => {
          let text = sample;
          for (const [at, length, word] of changes) {
            const start = Math.floor(at * text.length);
            text = text.slice(0, start) + word + text.slice(start + length);
          }
          if (cut !== null) text = text.slice(0, Math.floor(cut * text.length));
          const result = readFiles([{ name: "fuzz.json", text }]);
          expect(result.ok ? "fuzz.json" : describeProblem(result.problem)).toContain("fuzz.json");
        },
      ),
      { numRuns: 400 },
    );
  });

  test("a value of another kind in place of one is read or declined with a place", () => {
    const others = fc.constantFrom(
      null,
      1,
      -1.5,
      "",
      "x",
      true,
      [],
      {},
      [null],
      { id: 3 },
      "[concat()]",
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...samples),
        fc.double({ min: 0, max: 1, noNaN: true }),
        others,
        (sample, at, other) => {
          const root = JSON.parse(sample.replaceAll(/^\s*\/\/.*$/gm, "")) as unknown;
          const spots: (() => void)[] = [];
          const visit = (value: unknown): void => {
            if (typeof value !== "object" || value === null) return;
            for (const [key, inner] of Object.entries(value)) {
              spots.push(() => void ((value as Record<string, unknown>)[key] = other));
              visit(inner);
            }
          };
          visit(root);
          spots[Math.floor(at * (spots.length - 1))]?.();
          const result = readFiles([{ name: "fuzz.json", text: JSON.stringify(root, null, 1) }]);
          expect(result.ok ? "fuzz.json" : describeProblem(result.problem)).toContain("fuzz.json");
        },
      ),
      { numRuns: 400 },
    );
  });
});
