import { expect, test } from "vitest";

import { armErrorBody, statusOfCode } from "./errors.ts";

test("an error body carries code, words with the fix, place and what lies below", () => {
  const cause = { code: "B", what: "below", fix: "Dig." };
  expect(
    armErrorBody({ code: "A", what: "it broke", fix: "Mend it.", where: "here", cause }),
  ).toEqual({
    error: {
      code: "A",
      message: "it broke. Mend it.",
      target: "here",
      details: [{ code: "B", message: "below. Dig." }],
    },
  });
});

test.each([
  ["ResourceNotFound", 404],
  ["InUseSubnetCannotBeDeleted", 409],
  ["SubnetIsFull", 409],
  ["InvalidTemplate", 400],
  ["NeverHeardOf", 400],
])("%s is %i", (code, status) => {
  expect(statusOfCode(code)).toBe(status);
});
