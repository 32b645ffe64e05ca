/**
 * How deployments speak of problems: in which step of which template, and what is only kept.
 */
import type { Step } from "../arm/template.ts";
import type { Problem } from "../base/problem.ts";

/** A problem of a template, as deployments name it. */
export function inTemplate(problem: Problem): Problem {
  return problem.code === "InvalidTemplate"
    ? problem
    : { ...problem, code: "InvalidTemplate", details: [problem] };
}

/** Where in the template a step's problem arose stands before where in the world. */
export function inStep(problem: Problem, step: Pick<Step, "path" | "type" | "name">): Problem {
  const inside = problem.where ?? "";
  if (inside.startsWith(step.path)) return problem;
  const where = `${step.path} (${step.type} ${step.name})`;
  return { ...problem, where: inside === "" ? where : `${where}: ${inside}` };
}

export function declaredOnlyWarning(of: {
  readonly type: string;
  readonly name: string;
  readonly id: string;
  readonly path: string;
}): Problem {
  return {
    code: "DeclaredOnly",
    what: `${of.type} ${of.name} is kept as declared; nothing runs for it here`,
    fix: "Nothing to do, unless an app needs it: then point the app to one that runs.",
    where: `${of.path}: ${of.id}`,
  };
}
