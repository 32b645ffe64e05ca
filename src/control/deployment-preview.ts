/**
 * A deployment tried without doing it: every step is written within a transaction that is then
 * undone, so that the same rules judge it as when it is done, and the network that would be is
 * proved like one that is.
 *
 * Values that exist only while a world runs are not known here; steps that ask for them are
 * reported as not to be foretold.
 */
import { parseResourceId } from "../arm/ids.ts";
import type { Runtime } from "../arm/evaluate.ts";
import type { Place } from "../arm/functions/place.ts";
import {
  type Declaration,
  evaluateOutputs,
  openStep,
  type Plan,
  planDeployment,
  type Step,
} from "../arm/template.ts";
import { declined, found, type Problem, type Result } from "../base/problem.ts";
import { type Effect, effectsOf } from "../check/effect.ts";
import type { Transaction } from "../store/store.ts";
import { removeOne, writeResource } from "./arm-writes.ts";
import { type Deployment, storeDeployment } from "./deployment-record.ts";
import { othersInGroup } from "./deployment-removals.ts";
import { runtimeOver } from "./deployment-runtime.ts";
import { inNested, inStep, inTemplate, keptAt } from "./deployment-words.ts";
import type { DeploymentsOptions } from "./deployments.ts";
import { type Change, changeOf } from "./what-if.ts";
import { wantedResources } from "./wanted.ts";

export type Preview = {
  readonly deployment: Deployment;
  readonly changes: readonly Change[];
  readonly warnings: readonly Problem[];
  /** On the environments that fare otherwise than before. */
  readonly effects: readonly Effect[];
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
  const before = wantedResources(options.store);
  let effects: readonly Effect[] = [];
  const tried = options.store.transaction((transaction) => {
    const trial = { options, transaction, seen, deployment };
    tryPlan(trial, plan.value);
    tryOthers(trial);
    if (touchesNetworks(seen.changes) && seen.problems.length === 0)
      effects = effectsOf(
        { resources: before },
        { resources: wantedResources(transaction) },
        options.tag,
      );
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
    return found({ deployment: shown, changes: seen.changes, warnings: seen.warnings, effects });
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
  readonly deployment: Deployment;
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
    if (before < seen.problems.length) {
      const inside = seen.problems.splice(before);
      seen.problems.push(...inside.map((problem) => inNested(problem, step)));
      return "failed";
    }
    noteOutputs(trial, opened.value.declaration, opened.value.plan, runtime);
    return "done";
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
  const after = options.views.of(transaction, key);
  seen.changes.push(changeOf({ id: text, apiVersion: step.apiVersion, before, after }));
  return "done";
}

function unsupported(step: Step, why: string): Change {
  return { resourceId: step.id, changeType: "Unsupported", unsupportedReason: why, delta: [] };
}

/** The outputs of a nested deployment, for those who ask for them; as far as they can be told. */
function noteOutputs(
  { transaction, deployment }: Trial,
  { id, key, name }: Declaration,
  plan: Plan,
  runtime: Runtime,
): void {
  const outputs = evaluateOutputs(plan, runtime);
  if (outputs.ok)
    storeDeployment(transaction, { ...deployment, id, key, name, outputs: outputs.value });
}

/** What stands in the group and is not in the template: goes in mode Complete, else stays. */
function tryOthers({ deployment, options, seen, transaction }: Trial): void {
  const declared = seen.changes.map(({ resourceId }) => resourceId.toLowerCase());
  const others = othersInGroup(deployment, declared, transaction);
  for (const { id, key } of others) {
    // Parts go and stay with what they are parts of.
    if (others.some((one) => key.startsWith(`${one.key}/`))) continue;
    const before = options.views.of(transaction, key);
    const shown = before === undefined ? {} : { before };
    if (deployment.mode === "Incremental") {
      seen.changes.push({ resourceId: id, changeType: "Ignore", ...shown, delta: [] });
      continue;
    }
    seen.changes.push({ resourceId: id, changeType: "Delete", ...shown, delta: [] });
    const parsed = parseResourceId(id);
    if (parsed.ok) removeOne(transaction, parsed.value, "force", options.now());
  }
}

/** Only these can change how a packet fares. */
function touchesNetworks(changes: readonly Change[]): boolean {
  return changes.some(
    ({ changeType, resourceId }) =>
      !["Ignore", "NoChange"].includes(changeType) &&
      /\/providers\/microsoft\.(network|web\/(hostingenvironments|serverfarms))/i.test(resourceId),
  );
}
