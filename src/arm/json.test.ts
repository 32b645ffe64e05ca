import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import { property, readJson } from "./json.ts";

describe("JSON as clients write it", () => {
  test("strict JSON means what JSON.parse says", () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(readJson(text, "test")).toEqual({ ok: true, value: JSON.parse(text) });
      }),
    );
  });

  test("a body with a spliced template is read", () => {
    const text = `\uFEFF{"properties": {"mode": "Incremental", template: { // a comment
      "a": [1, 2,], /* another */ "b": "two
lines",}}}`;
    expect(readJson(text, "body")).toEqual({
      ok: true,
      value: { properties: { mode: "Incremental", template: { a: [1, 2], b: "two\nlines" } } },
    });
  });

  test("a problem names line and column", () => {
    const read = readJson('{\n  "a": ,\n}', "main.json");
    expect(!read.ok && read.problem.where).toBe("main.json:2:8");
  });

  test.each(["", "{", '{"a" 1}', "[1 2]", '"open', "/* open", "01", "{} x", "[".repeat(2000)])(
    "%j is refused",
    (text) => {
      expect(readJson(text, "t").ok).toBe(false);
    },
  );

  test("names match in any casing, the exact spelling first", () => {
    expect(property({ ID: 1, id: 2 }, "id")).toBe(2);
    expect(property({ Subnet: 1 }, "subnet")).toBe(1);
    expect(property({}, "constructor")).toBeUndefined();
  });
});
