import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import {
  formatExpression,
  parseExpression,
  readTemplateString,
  type Expression,
  writeTemplateText,
} from "./expression.ts";

const name = fc.stringMatching(/^[a-z][a-zA-Z0-9_]{0,8}$/);
const { expression } = fc.letrec<{ expression: Expression }>((tie) => ({
  expression: fc.oneof(
    { depthSize: "small" },
    fc.record({ kind: fc.constant("string" as const), value: fc.string() }),
    fc.record({ kind: fc.constant("int" as const), value: fc.integer({ min: 0 }) }),
    fc.record({
      kind: fc.constant("call" as const),
      name,
      arguments: fc.array(tie("expression"), { maxLength: 3 }),
    }),
    fc.record({
      kind: fc.constant("index" as const),
      of: fc.record({ kind: fc.constant("call" as const), name, arguments: fc.constant([]) }),
      index: tie("expression"),
      dotted: fc.constant(false),
      safe: fc.boolean(),
    }),
  ),
}));

describe("expressions", () => {
  test("what is written is read back", () => {
    fc.assert(
      fc.property(expression, (one) => {
        expect(parseExpression(formatExpression(one))).toEqual({ ok: true, value: one });
      }),
    );
  });

  test("any text can be written so that a template says it", () => {
    const texts = fc.oneof(
      fc.string(),
      fc.string().map((text) => `[${text}]`),
      fc.string().map((text) => `[[${text}]`),
    );
    fc.assert(
      fc.property(texts, (text) => {
        expect(readTemplateString(writeTemplateText(text))).toEqual({ kind: "text", text });
      }),
    );
  });

  test.each(["concat('a'", "'open", "a", "concat(,)", "concat('a') 'b'", "", "f().", "f()["])(
    "%s is refused",
    (source) => {
      expect(parseExpression(source).ok).toBe(false);
    },
  );
});
