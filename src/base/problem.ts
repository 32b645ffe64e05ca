/**
 * The one shape of everything that can go wrong, from the deepest driver to the terminal.
 *
 * Whoever detects a problem writes its words; nobody above adds any. Every problem has a fix.
 * Nothing here knows networks, HTTP or Linux.
 */

/** What a function answers when it may decline. Declining is ordinary; a broken promise is a bug. */
export type Result<Value> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly problem: Problem };

export type Problem = {
  /** An ARM-style code, for example `SubnetIsFull`. Listed in docs/problems.md, never reused. */
  readonly code: string;
  /** One sentence, with the values in it. */
  readonly what: string;
  /** The next action: a command or an edit. */
  readonly fix: string;
  /** A resource id, a rule name, a file and line. */
  readonly where?: string;
  readonly cause?: Problem;
  /** Several problems of one input, when the first would not say enough. */
  readonly details?: readonly Problem[];
};

/** A value that was found or made. */
export function found<Value>(value: Value): Result<Value> {
  return { ok: true, value };
}

/** A refusal with its reason. */
export function declined(problem: Problem): { readonly ok: false; readonly problem: Problem } {
  return { ok: false, problem };
}

/** Stops the program when our own code broke a promise. Never used on what users send. */
export function must(holds: boolean, promise: string): asserts holds {
  if (!holds) throw new Error(`broken promise: ${promise}`);
}

/** Ends a `switch` over a union: a new variant makes the compiler list what it breaks. */
export function never(value: never): never {
  throw new Error(`broken promise: no such variant: ${JSON.stringify(value)}`);
}

/** A problem thrown through code that cannot return a Result (a callback of a library). */
export class ProblemError extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.what);
    this.problem = problem;
  }
}

/** What an unknown thrown value becomes at the edge where it is caught. */
export function problemOf(thrown: unknown, about: Omit<Problem, "cause">): Problem {
  if (thrown instanceof ProblemError) return { ...about, cause: thrown.problem };
  const what = thrown instanceof Error ? thrown.message : String(thrown);
  return { ...about, cause: { code: "Unexpected", what, fix: "Report this." } };
}

/** Everything a problem says, for a terminal: what, where, why below, and what to do. */
export function describeProblem(problem: Problem): string {
  const where = problem.where === undefined ? "" : ` (${problem.where})`;
  const below = [...(problem.details ?? []), ...(problem.cause ? [problem.cause] : [])]
    .map((inner) => `\n  because: ${describeProblem(inner).replaceAll("\n", "\n  ")}`)
    .join("");
  return `${problem.what}${where}${below}\n  fix: ${problem.fix}`;
}
