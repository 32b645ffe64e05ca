/**
 * How deployments speak of problems: in which step of which template, and what is only kept.
 */
import type { JsonObject } from "../arm/json.ts";
import type { Places } from "../arm/places.ts";
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

/**
 * Adds line and column to problems that name a place of the template, counted from its own first
 * line: az puts the text of the file into the request as it is.
 */
export function withLines(problem: Problem, template: JsonObject, places: Places): Problem {
  const details = problem.details?.map((one) => withLines(one, template, places));
  const told = details === undefined ? problem : { ...problem, details };
  const path = /^[a-z$_][\w$.-]*(?:\[\d+\][\w$.-]*)*/i.exec(problem.where ?? "")?.[0];
  const root = places.of(template);
  const place = path === undefined ? undefined : places.along(template, path);
  if (root === undefined || place === undefined || place.path === root.path) return told;
  const line = place.line - root.line + 1;
  const column = line === 1 ? place.column - root.column + 1 : place.column;
  return { ...told, what: `${told.what} at line '${line}' and column '${column}'` };
}

/** Where in the template a step's problem arose stands before where in the world. */
export function inStep(problem: Problem, step: Pick<Step, "path" | "type" | "name">): Problem {
  const inside = problem.where ?? "";
  if (inside.startsWith(step.path)) return problem;
  const where = `${step.path} (${step.type} ${step.name})`;
  return { ...problem, where: inside === "" ? where : `${where}: ${inside}` };
}

/** A problem of a step of a nested template: its place begins where that stands. */
export function inNested(problem: Problem, step: Pick<Step, "path">): Problem {
  return { ...problem, where: `${step.path}.properties.template.${problem.where ?? ""}` };
}

/** What to say of a resource that is kept and does not run, at its place in the template. */
export function keptAt(
  resource: Resource,
  { path }: { readonly path: string },
): readonly Problem[] {
  const warning = keptWarning(resource);
  return warning === undefined ? [] : [{ ...warning, where: `${path}: ${resource.id}` }];
}
