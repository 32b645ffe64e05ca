/**
 * The run of one deployment, from its plan to its outputs.
 *
 * Safe to do again from the start: steps that are recorded as done are not repeated, and the
 * others may be. What was aborted by a stop goes on with the next start; what was canceled is
 * recorded by who canceled it.
 */
import { keyOf, parseResourceId } from "../arm/ids.ts";
import type { JsonObject } from "../arm/json.ts";
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
import { declined, found, type Problem, problemOf, type Result } from "../base/problem.ts";
import type { Caller } from "../identity/identity.ts";
import { operationOf } from "../identity/operation-name.ts";
import type { Transaction } from "../store/store.ts";
import type { Written } from "./arm-writes.ts";
import type { Deployment, DeploymentStep } from "./deployment-record.ts";
import {
  readDeployment,
  readSteps,
  removeDeployment,
  storeDeployment,
  storeStep,
} from "./deployment-record.ts";
import { othersInGroup } from "./deployment-removals.ts";
import { runtimeOver } from "./deployment-runtime.ts";
import { inStep, keptAt } from "./deployment-words.ts";
import type { DeploymentsOptions } from "./deployments.ts";
import { finishOperation } from "./operations.ts";
import type { ControlEvent } from "./control-plane.ts";

/** Never rejects. */
export async function runDeployment(
  deployment: Deployment,
  place: Place,
  options: DeploymentsOptions,
  signal: AbortSignal,
): Promise<void> {
  // The request that began it is answered before the first step.
  await Promise.resolve();
  const run: Run = { options, signal };
  try {
    update(run, deployment.key, { state: "Running" });
    const { parameters, template } = deployment;
    const plan = planDeployment({ template, parameters, place });
    const ended = plan.ok ? await runPlan(run, deployment.key, plan.value) : failedBy(plan.problem);
    const tidied = removalsOf(run, deployment, ended);
    finish(run, deployment, tidied);
  } catch (thrown) {
    options.onDefect(thrown);
    const problem = problemOf(thrown, {
      code: "DeploymentBroken",
      what: `deployment ${deployment.name} met a defect of this program`,
      fix: "Report it with the log, then deploy again.",
      where: deployment.id,
    });
    finish(run, deployment, failedBy(problem));
  }
}

type Run = { readonly options: DeploymentsOptions; readonly signal: AbortSignal };

type PlanEnd = {
  readonly problems: readonly Problem[];
  readonly outputs: JsonObject;
  /** Keys of everything it declares. */
  readonly declared: readonly string[];
};

function failedBy(problem: Problem): PlanEnd {
  return { problems: [problem], outputs: {}, declared: [] };
}

type StepEnd = {
  readonly state: "done" | "failed" | "skipped";
  readonly declared: readonly string[];
  readonly problem?: Problem;
};

async function runPlan(run: Run, key: string, plan: Plan): Promise<PlanEnd> {
  const ends = new Map<string, Promise<StepEnd>>();
  for (const step of plan.steps) {
    const before = step.dependsOn.flatMap((id) => ends.get(keyOf(id)) ?? []);
    ends.set(
      step.key,
      afterAll(before, () => runStep(run, key, plan, step)),
    );
  }
  const all = await Promise.all(ends.values());
  const problems = all.flatMap(({ problem }) => problem ?? []);
  const declared = all.flatMap((end) => end.declared);
  if (0 < problems.length || run.signal.aborted) return { problems, outputs: {}, declared };
  const outputs = evaluateOutputs(plan, runtimeOf(run, key));
  if (!outputs.ok) return { problems: [outputs.problem], outputs: {}, declared };
  return { problems: [], outputs: outputs.value, declared };
}

async function afterAll(
  before: readonly Promise<StepEnd>[],
  work: () => Promise<StepEnd>,
): Promise<StepEnd> {
  const ends = await Promise.all(before);
  return ends.every(({ state }) => state === "done") ? work() : { state: "skipped", declared: [] };
}

async function runStep(run: Run, key: string, plan: Plan, step: Step): Promise<StepEnd> {
  if (run.signal.aborted) return { state: "skipped", declared: [] };
  if (step.existing) return { state: "done", declared: [] };
  const { now, store } = run.options;
  const record = recordOf(readSteps(store, key), step, now());
  if (record.state === "Succeeded" && !isDeployment(step))
    return { state: "done", declared: [step.key] };
  remember(run, (transaction) => storeStep(transaction, key, record));
  const ended = await carryOut(run, key, plan, step);
  if (run.signal.aborted) return { state: "skipped", declared: [] };
  const problem = ended.ok ? undefined : inStep(ended.problem, step);
  remember(run, (transaction) =>
    storeStep(transaction, key, {
      ...record,
      state: problem === undefined ? "Succeeded" : "Failed",
      finishedAt: now(),
      ...(problem === undefined ? {} : { error: problem }),
    }),
  );
  if (problem !== undefined) return { state: "failed", declared: [step.key], problem };
  return { state: "done", declared: [step.key, ...(ended.ok ? ended.value : [])] };
}

/** What reference() and list() ask; what they are told of services that do not run is warned of. */
function runtimeOf(run: Run, key: string): Runtime {
  const { store, views } = run.options;
  return runtimeOver({ reading: store, views, warn: (warning) => warn(run, key, [warning]) });
}

/** @returns keys of what a nested deployment declares */
async function carryOut(
  run: Run,
  key: string,
  plan: Plan,
  step: Step,
): Promise<Result<readonly string[]>> {
  const { options } = run;
  const opened = openStep(plan, step, runtimeOf(run, key));
  if (!opened.ok) return opened;
  const { declaration } = opened.value;
  if (opened.value.kind === "deployment")
    return runNested(run, key, declaration, opened.value.plan);
  const id = parseResourceId(declaration.id);
  if (!id.ok) return id;
  const caller = readDeployment(options.store, key)?.caller ?? NOBODY;
  const asked = operationOf("PUT", segmentsOf(declaration.id));
  const before = options.views.of(options.store, keyOf(id.value));
  const refused =
    options.access.judge(caller, asked) ??
    options.access.judgeLinks({ caller, asked, body: declaration.body, before });
  if (refused !== undefined) return declined(refused);
  const declared = options.access.declare({ id: id.value, body: declaration.body, caller });
  if (declared !== undefined) return declared.ok ? found([]) : declared;
  const written = options.writes.put({ id: id.value, body: declaration.body });
  if (!written.ok) return written;
  noteWritten(run, key, written.value, declaration);
  const problem = await awaitOperation(run, written.value);
  return problem === undefined ? found([]) : { ok: false, problem };
}

function segmentsOf(id: string): readonly string[] {
  return id.split("/").filter((segment) => segment !== "");
}

async function awaitOperation(run: Run, { operation }: Written): Promise<Problem | undefined> {
  if (operation === undefined) return undefined;
  for (;;) {
    const seen = await run.options.operations.wait(operation.id, LOOK_AGAIN_MS, run.signal);
    if (seen === undefined || seen.state !== "InProgress") return seen?.error;
    if (run.signal.aborted) return undefined;
  }
}

/** Waiting is woken by events; this only bounds a single wait. */
const LOOK_AGAIN_MS = 60_000;

async function runNested(
  run: Run,
  outer: string,
  declaration: Declaration,
  plan: Plan,
): Promise<Result<readonly string[]>> {
  const { options } = run;
  const { now, store } = options;
  const parent = readDeployment(store, outer);
  const before = readDeployment(store, declaration.key);
  const resumed = before?.within === outer && before.correlationId === parent?.correlationId;
  const template = declaration.properties["template"] as JsonObject;
  const nested: Deployment = {
    id: declaration.id,
    key: declaration.key,
    name: declaration.name,
    mode: "Incremental",
    template,
    parameters: {},
    shownParameters: plan.parameters,
    state: "Running",
    startedAt: resumed ? before.startedAt : now(),
    operation: "",
    correlationId: parent?.correlationId ?? "",
    guidSeed: parent?.guidSeed ?? "",
    warnings: [],
    outputResources: [],
    caller: parent?.caller ?? NOBODY,
    within: outer,
  };
  remember(run, (transaction) => {
    if (!resumed) removeDeployment(transaction, nested.key);
    storeDeployment(transaction, nested);
  });
  const ended = await runPlan(run, nested.key, plan);
  if (run.signal.aborted) return found(ended.declared);
  const problem = failureOf(nested, ended.problems);
  const state = problem === undefined ? "Succeeded" : "Failed";
  update(run, nested.key, {
    state,
    finishedAt: now(),
    outputs: ended.outputs,
    ...(problem === undefined ? {} : { error: problem }),
  });
  const finished = readDeployment(store, nested.key);
  warn(run, outer, finished?.warnings ?? []);
  return problem === undefined ? found(ended.declared) : { ok: false, problem };
}

/** Whose deployment is gone may do nothing. */
const NOBODY: Caller = { objectId: "", kind: "ServicePrincipal", name: "" };

function isDeployment(step: Step): boolean {
  return step.type.toLowerCase() === "microsoft.resources/deployments";
}

function recordOf(records: readonly DeploymentStep[], step: Step, now: number): DeploymentStep {
  const operationId = step.path.replaceAll(/[^\w.-]+/g, "-").replace(/-$/, "");
  const known = records.find((one) => one.operationId === operationId && one.target === step.id);
  if (known?.state === "Succeeded") return known;
  return {
    operationId,
    target: step.id,
    type: step.type,
    name: step.name,
    path: step.path,
    state: "Running",
    startedAt: known?.startedAt ?? now,
  };
}

function noteWritten(run: Run, key: string, written: Written, declaration: Declaration): void {
  const { resource } = written.stored;
  const outputResources = readDeployment(run.options.store, key)?.outputResources ?? [];
  if (!outputResources.includes(resource.id))
    update(run, key, { outputResources: [...outputResources, resource.id] });
  warn(run, key, keptAt(resource, declaration));
}

function warn(run: Run, key: string, warnings: readonly Problem[]): void {
  const known = readDeployment(run.options.store, key)?.warnings ?? [];
  const fresh = warnings.filter(({ what }) => !known.some((one) => one.what === what));
  if (0 < fresh.length) update(run, key, { warnings: [...known, ...fresh] });
}

/** In mode Complete, what stands in the group and was not declared goes. */
function removalsOf(run: Run, deployment: Deployment, ended: PlanEnd): PlanEnd {
  if (deployment.mode !== "Complete") return ended;
  if (0 < ended.problems.length || run.signal.aborted) return ended;
  const extra = othersInGroup(deployment, ended.declared, run.options.store);
  const problems: Problem[] = [];
  for (const { id } of extra) {
    const parsed = parseResourceId(id);
    const refused = run.options.access.judge(
      deployment.caller,
      operationOf("DELETE", segmentsOf(id)),
    );
    if (refused !== undefined) {
      problems.push(refused);
      continue;
    }
    const removed = parsed.ok ? run.options.writes.remove(parsed.value, "force") : parsed;
    if (!removed.ok) problems.push(removed.problem);
  }
  return { ...ended, problems };
}

function failureOf(deployment: Deployment, problems: readonly Problem[]): Problem | undefined {
  const [first] = problems;
  if (first === undefined) return undefined;
  return {
    code: "DeploymentFailed",
    what: `${problems.length === 1 ? "one step" : `${problems.length} steps`} of deployment ${deployment.name} failed`,
    fix: first.fix,
    where: deployment.id,
    details: problems,
  };
}

function finish(run: Run, deployment: Deployment, ended: PlanEnd): void {
  if (run.signal.aborted) return;
  const { now } = run.options;
  const problem = failureOf(deployment, ended.problems);
  run.options.store.transaction((transaction) => {
    const current = readDeployment(transaction, deployment.key);
    finishOperation(transaction, deployment.operation, problem, now());
    // Its group may have been deleted in the meantime, and it with it.
    if (current?.operation !== deployment.operation) return found("gone");
    storeDeployment(transaction, {
      ...current,
      parameters: {},
      state: problem === undefined ? "Succeeded" : "Failed",
      finishedAt: now(),
      outputs: ended.outputs,
      ...(problem === undefined ? {} : { error: problem }),
    });
    transaction.append({
      level: problem === undefined ? "info" : "error",
      code: problem === undefined ? "DeploymentSucceeded" : "DeploymentFailed",
      subject: deployment.id,
      message: problem?.what ?? `deployment ${deployment.name} is done`,
      operation: deployment.operation,
      ...(problem === undefined ? {} : { problem }),
    } satisfies ControlEvent);
    return found("finished");
  });
}

function update(run: Run, key: string, change: Partial<Deployment>): void {
  remember(run, (transaction) => {
    const current = readDeployment(transaction, key);
    if (current !== undefined && current.state !== "Canceled")
      storeDeployment(transaction, { ...current, ...change });
  });
}

function remember(run: Run, work: (transaction: Transaction) => void): void {
  if (run.signal.aborted) return;
  const stored = run.options.store.transaction((transaction) => {
    work(transaction);
    return found("stored");
  });
  if (!stored.ok) throw new Error(stored.problem.what);
}
