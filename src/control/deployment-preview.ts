/**
 * A deployment tried without doing it: every step is written within a transaction that is then
 * undone, so that the same rules judge it as when it is done.
 *
 * Values that exist only while a world runs are not known here; steps that ask for them are
 * reported as not to be foretold.
 */
import { parseResourceId } from "../arm/ids.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../arm/json.ts";
import type { Runtime } from "../arm/evaluate.ts";
import type { Place } from "../arm/functions/place.ts";
import { openStep, type Plan, planDeployment, type Step } from "../arm/template.ts";
import { declined, found, type Problem, type Result } from "../base/problem.ts";
import type { Transaction } from "../store/store.ts";
import { writeResource } from "./arm-writes.ts";
import type { Deployment } from "./deployment-record.ts";
import { runtimeOver } from "./deployment-runtime.ts";
import { inStep, inTemplate, keptAt } from "./deployment-words.ts";
import type { DeploymentsOptions } from "./deployments.ts";
import { wantedResources } from "./wanted.ts";

export type Preview = {
  readonly deployment: Deployment;
  readonly changes: readonly Change[];
  readonly warnings: readonly Problem[];
};

export type Change = {
  readonly resourceId: string;
  readonly changeType: "Create" | "Modify" | "NoChange" | "Delete" | "Unsupported";
  readonly unsupportedReason?: string;
  readonly before?: JsonObject;
  readonly after?: JsonObject;
  readonly delta: readonly Difference[];
};

export type Difference = {
  /** `properties.addressSpace.addressPrefixes.0` */
  readonly path: string;
  readonly propertyChangeType: "Create" | "Delete" | "Modify";
  readonly before?: JsonValue;
  readonly after?: JsonValue;
};

export function previewDeployment(
  deployment: Deployment,
  place: Place,
  options: DeploymentsOptions,
): Result<Preview> {
  const { parameters, template } = deployment;
  const plan = planDeployment({ template, parameters, place });
  if (!plan.ok) return declined(inTemplate(plan.problem));
  const seen: Seen = { changes: [], warnings: [], problems: [] };
  const tried = options.store.transaction((transaction) => {
    tryPlan({ options, transaction, seen }, plan.value);
    if (deployment.mode === "Complete")
      seen.changes.push(...removals(deployment, seen, transaction, options));
    return declined(UNDONE);
  });
  if (!tried.ok && tried.problem.code !== UNDONE.code) return tried;
  const [first] = seen.problems;
  if (first === undefined) {
    const shown = {
      ...deployment,
      shownParameters: plan.value.parameters,
      state: "Succeeded" as const,
    };
    return found({ deployment: shown, changes: seen.changes, warnings: seen.warnings });
  }
  return declined({
    code: "InvalidTemplateDeployment",
    what: `the template was evaluated, but ${seen.problems.length === 1 ? "one resource" : `${seen.problems.length} resources`} would be refused`,
    fix: first.fix,
    where: deployment.id,
    details: seen.problems,
  });
}

const UNDONE: Problem = { code: "Undone", what: "this was only tried", fix: "Nothing to do." };

type Seen = {
  readonly changes: Change[];
  readonly warnings: Problem[];
  readonly problems: Problem[];
};
type Trial = {
  readonly options: DeploymentsOptions;
  readonly transaction: Transaction;
  readonly seen: Seen;
};

function tryPlan(trial: Trial, plan: Plan): void {
  const blocked = new Set<string>();
  for (const step of plan.steps) {
    if (step.existing) continue;
    const outcome = step.dependsOn.some((id) => blocked.has(id.toLowerCase()))
      ? "blocked"
      : tryStep(trial, plan, step);
    if (outcome === "done") continue;
    blocked.add(step.id.toLowerCase());
    if (outcome === "blocked")
      trial.seen.changes.push(unsupported(step, "a resource it depends on cannot be foretold"));
  }
}

/** @returns "failed" when those that depend on it cannot be judged either */
function tryStep(trial: Trial, plan: Plan, step: Step): "done" | "failed" {
  const { options, seen, transaction } = trial;
  let asked = false;
  const ask = runtimeOver({
    reading: transaction,
    views: options.views,
    warn: (warning) => seen.warnings.push(warning),
  });
  const runtime: Runtime = (call) => {
    asked = true;
    return ask(call);
  };
  const opened = openStep(plan, step, runtime);
  if (!opened.ok) {
    if (asked) seen.changes.push(unsupported(step, opened.problem.what));
    else seen.problems.push(inStep(opened.problem, step));
    return "failed";
  }
  if (opened.value.kind === "deployment") {
    const before = seen.problems.length;
    tryPlan(trial, opened.value.plan);
    return seen.problems.length === before ? "done" : "failed";
  }
  const { body, id: text, key } = opened.value.declaration;
  const id = parseResourceId(text);
  const before = options.views.of(transaction, key);
  const { account, isServiceTag, readPfx } = options;
  const context = { account, isServiceTag, readPfx, now: options.now() };
  const written = id.ok ? writeResource(transaction, { id: id.value, body }, context) : id;
  if (!written.ok) {
    seen.problems.push(inStep(written.problem, step));
    return "failed";
  }
  seen.warnings.push(...keptAt(written.value.stored.resource, step));
  seen.changes.push(changeOf(text, before, options.views.of(transaction, key)));
  return "done";
}

function unsupported(step: Step, why: string): Change {
  return { resourceId: step.id, changeType: "Unsupported", unsupportedReason: why, delta: [] };
}

function changeOf(
  resourceId: string,
  before: JsonObject | undefined,
  after: JsonObject | undefined,
): Change {
  const shown = {
    ...(before === undefined ? {} : { before }),
    ...(after === undefined ? {} : { after }),
  };
  if (before === undefined) return { resourceId, changeType: "Create", ...shown, delta: [] };
  const delta = differences(before, after ?? {}, "").filter(({ path }) => !path.endsWith("etag"));
  return { resourceId, changeType: delta.length === 0 ? "NoChange" : "Modify", ...shown, delta };
}

/** Properties that differ, the deepest that tell it. */
export function differences(
  before: JsonValue,
  after: JsonValue,
  path: string,
): readonly Difference[] {
  if (isBranch(before) && isBranch(after) && Array.isArray(before) === Array.isArray(after)) {
    const one = before as JsonObject;
    const other = after as JsonObject;
    const names = [...new Set([...Object.keys(one), ...Object.keys(other)])];
    return names.flatMap((name): readonly Difference[] => {
      const at = path === "" ? name : `${path}.${name}`;
      const [left, right] = [one[name], other[name]];
      if (left === undefined && right === undefined) return [];
      if (left === undefined)
        return [{ path: at, propertyChangeType: "Create", after: right ?? null }];
      if (right === undefined) return [{ path: at, propertyChangeType: "Delete", before: left }];
      return differences(left, right, at);
    });
  }
  return before === after ? [] : [{ path, propertyChangeType: "Modify", before, after }];
}

function isBranch(value: JsonValue): boolean {
  return Array.isArray(value) || isJsonObject(value);
}

function removals(
  deployment: Deployment,
  seen: Seen,
  transaction: Transaction,
  { views }: DeploymentsOptions,
): readonly Change[] {
  const groupKey = /^(.*\/resourcegroups\/[^/]+)\/providers/.exec(deployment.key)?.[1];
  const named = seen.changes.map(({ resourceId }) => resourceId.toLowerCase());
  return wantedResources(transaction)
    .filter(
      ({ key }) =>
        groupKey !== undefined &&
        key.startsWith(`${groupKey}/`) &&
        !named.some(
          (kept) => key === kept || key.startsWith(`${kept}/`) || kept.startsWith(`${key}/`),
        ),
    )
    .map(({ id, key }): Change => {
      const before = views.of(transaction, key);
      return {
        resourceId: id,
        changeType: "Delete",
        ...(before === undefined ? {} : { before }),
        delta: [],
      };
    });
}
