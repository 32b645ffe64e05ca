/**
 * How deployments speak of problems: in which step of which template, and what is only kept.
 */
import type { Resource } from "../arm/resources.ts";
import type { Step } from "../arm/template.ts";
import { keptWarning } from "../arm/types.ts";
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

/** What to say of a resource that is kept and does not run, at its place in the template. */
export function keptAt(
  resource: Resource,
  { path }: { readonly path: string },
): readonly Problem[] {
  const warning = keptWarning(resource);
  return warning === undefined ? [] : [{ ...warning, where: `${path}: ${resource.id}` }];
}
