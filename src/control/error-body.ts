/**
 * A problem as the inside of an ARM error, with its parts beside the message: our own clients
 * show what happened and what to do apart.
 */
import { armError } from "../arm/errors.ts";
import type { JsonObject, JsonValue } from "../arm/json.ts";
import type { Problem } from "../base/problem.ts";

export function bodyOfProblem(problem: Problem): JsonObject {
  const { cause, details, fix, what } = problem;
  const inner = [...(details ?? []), ...(cause === undefined ? [] : [cause])];
  return {
    ...armError(problem),
    ...(inner.length === 0 ? {} : { details: inner.map((one): JsonValue => bodyOfProblem(one)) }),
    additionalInfo: [{ type: "Problem", info: { what, fix } }],
  };
}
