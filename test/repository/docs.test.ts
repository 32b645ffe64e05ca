import { readFileSync } from "node:fs";

import { expect, test } from "vitest";

import { GENERATED, problemCodes, regenerated } from "../../scripts/generate-docs.ts";

const documents = [...new Set(GENERATED.map(({ document }) => document))];

test.each(documents)("%s is current (else: node scripts/generate-docs.ts)", (document) => {
  expect(readFileSync(new URL(`../../${document}`, import.meta.url), "utf8")).toBe(
    regenerated(document),
  );
});

test("every problem code of the sources is listed", () => {
  const page = readFileSync(new URL("../../docs/problems.md", import.meta.url), "utf8");
  const missing = [...problemCodes().keys()].filter((code) => !page.includes(`\`${code}\``));
  expect(missing).toEqual([]);
});
