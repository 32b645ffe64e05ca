/**
 * What the server declines, as Problems again; and which exit code a problem deserves.
 *
 * The words are the server's. Nothing is added but a next action where ARM's form has no room
 * for one.
 */
import { isJsonObject, propertyAt, type JsonValue } from "../arm/json.ts";
import type { Problem } from "../base/problem.ts";
import { itemsOf, listAt, textAt } from "./read.ts";

/** Reads ARM's `{error: {code, message, target, details, additionalInfo}}`. */
export function problemOfAnswer(body: JsonValue | undefined, otherwise: string): Problem {
  const error = isJsonObject(propertyAt(body, "error")) ? propertyAt(body, "error") : body;
  const where = textAt(error, "target");
  const details = listAt(error, "details").map((detail) => problemOfAnswer(detail, otherwise));
  const fix = fixIn(error);
  const message = textAt(error, "message") ?? otherwise;
  return {
    code: textAt(error, "code") ?? "UnexpectedAnswer",
    // For clients that show the message only, the fix stands at its end too.
    what:
      fix !== undefined && message.endsWith(fix) ? bare(message.slice(0, -fix.length)) : message,
    fix: fix ?? details[0]?.fix ?? "Look at `ase events` and at logs/control.log.",
    ...(where !== undefined && { where }),
    ...(details.length > 0 && { details }),
  };
}

function bare(message: string): string {
  return message.trimEnd().replace(/\.$/, "");
}

/** A fix stands in `additionalInfo`, the one place where ARM's error lets extra words stand. */
function fixIn(error: JsonValue | undefined): string | undefined {
  const infos = listAt(error, "additionalInfo");
  return infos.map((info) => textAt(info, "info", "fix")).find((fix) => fix !== undefined);
}

/** Reads a Problem that was printed as JSON. */
export function problemFromJson(value: JsonValue | undefined): Problem | undefined {
  const [code, what, fix] = [textAt(value, "code"), textAt(value, "what"), textAt(value, "fix")];
  if (code === undefined || what === undefined || fix === undefined) return undefined;
  const where = textAt(value, "where");
  const cause = problemFromJson(propertyAt(value, "cause"));
  const details = itemsOf(propertyAt(value, "details")).map(problemFromJson);
  const known = details.filter((detail) => detail !== undefined);
  return {
    code,
    what,
    fix,
    ...(where !== undefined && { where }),
    ...(cause !== undefined && { cause }),
    ...(known.length > 0 && { details: known }),
  };
}

export const EXIT = { done: 0, notAsWanted: 1, wrongUse: 2 } as const;
export type ExitCode = number;

/**
 * 2 when another command line or input would do, 1 when the world is not as wanted.
 * ARM's codes say it: `InvalidTemplate`, `ResourceNotFound`.
 */
export function exitCodeOf(problem: Problem): ExitCode {
  const aboutInput = /^(Invalid|Unknown|Unsupported|Missing|WrongUse|LawQuestion)|NotFound$/.test(
    problem.code,
  );
  return aboutInput ? EXIT.wrongUse : EXIT.notAsWanted;
}
