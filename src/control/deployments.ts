/**
 * Deployments: a template is planned, its resources are written in the order of their
 * dependencies, independent ones at the same time, and each write is awaited.
 *
 * Every step may be done twice, so a deployment goes on after the control plane was started
 * anew. Evaluation is arm/template.ts, a single deployment's run is deployment-run.ts, trying
 * without doing is deployment-preview.ts; nothing here knows HTTP.
 */
import { randomUUID } from "node:crypto";

import { formatResourceId, groupOf, keyOf, nameOf, type ResourceId } from "../arm/ids.ts";
import { describeKind, isJsonObject, type JsonObject, property, propertyAt } from "../arm/json.ts";
import type { Place } from "../arm/functions/place.ts";
import type { Places } from "../arm/places.ts";
import { planDeployment } from "../arm/template.ts";
import type { ParseContext } from "../arm/types/body.ts";
import { declined, found, type Problem, type Result } from "../base/problem.ts";
import type { Caller } from "../identity/identity.ts";
import type { Asked } from "../identity/operation-name.ts";
import type { Cidr } from "../network/prefix.ts";
import type { Reading, Store } from "../store/store.ts";
import { type ArmWrites, groupNotFound, subscriptionNotFound } from "./arm-writes.ts";
import type { Account } from "./control-plane.ts";
import { previewDeployment, type Preview } from "./deployment-preview.ts";
import { runDeployment } from "./deployment-run.ts";
import { inTemplate, withLines } from "./deployment-words.ts";
import {
  type Deployment,
  type DeploymentStep,
  readDeployment,
  readDeployments,
  readSteps,
  removeDeployment,
  storeDeployment,
} from "./deployment-record.ts";
import { beginOperation, CANCELED, finishOperation, type Operations } from "./operations.ts";
import type { Views } from "./view.ts";

export type Deployments = {
  readonly get: (key: string) => Deployment | undefined;
  /** Of one group, or of the subscription itself. In the order of names. */
  readonly list: (scopeKey: string) => readonly Deployment[];
  readonly steps: (key: string) => readonly DeploymentStep[];
  /** Stores and starts it. One that is still running is refused. */
  readonly put: (
    request: DeploymentRequest,
  ) => Result<{ readonly deployment: Deployment; readonly created: boolean }>;
  /** Whether it would go through, without doing anything. */
  readonly validate: (request: DeploymentRequest) => Result<Preview>;
  /** What it would create, change and leave as it is. */
  readonly whatIf: (request: DeploymentRequest) => Result<Preview>;
  /** Starts no further step. Declined when it is not running. */
  readonly cancel: (key: string) => Result<"canceled">;
  /** Forgets it; what it created stays. False: there was none. */
  readonly remove: (key: string) => Result<boolean>;
  /** At a start: goes on with what an earlier control plane left running. */
  readonly resume: () => void;
  /** Stops working; what runs goes on with the next start. */
  readonly stop: () => Promise<void>;
};

export type DeploymentRequest = {
  readonly id: ResourceId;
  readonly body: JsonObject;
  /** Where in the request's text its values stand. */
  readonly places: Places;
  /** Each of its steps is done in his name. */
  readonly caller: Caller;
};

export type DeploymentsOptions = {
  readonly store: Store;
  readonly account: Account;
  readonly writes: ArmWrites;
  readonly operations: Operations;
  readonly views: Views;
  readonly now: () => number;
  /** What the template function environment() answers. */
  readonly environment: JsonObject;
  readonly isServiceTag: ParseContext["isServiceTag"];
  /** Published IPv4 prefixes of a service tag; undefined: nobody publishes it. */
  readonly tag: (name: string) => readonly Cidr[] | undefined;
  readonly readPfx: NonNullable<ParseContext["readPfx"]>;
  readonly onDefect: (thrown: unknown) => void;
  readonly access: DeploymentAccess;
};

/** What deployments ask of identity/. */
export type DeploymentAccess = {
  readonly judge: JudgeChange;
  /** Whether he may let a resource use the others it names. */
  readonly judgeLinks: (of: {
    readonly caller: Caller;
    readonly asked: Asked;
    readonly body: JsonObject;
    readonly before: JsonObject | undefined;
  }) => Problem | undefined;
  /** Carries out roles and locks that a template declares; undefined: it is something else. */
  readonly declare: (of: {
    readonly id: ResourceId;
    readonly body: JsonObject;
    readonly caller: Caller;
  }) => Result<"done"> | undefined;
};

/** Whether a caller may write or delete a resource, and no lock holds it up. */
export type JudgeChange = (caller: Caller, asked: Asked) => Problem | undefined;

export function openDeployments(options: DeploymentsOptions): Deployments {
  const { store, now } = options;
  const running = new Map<
    string,
    { readonly abort: AbortController; readonly ended: Promise<void> }
  >();

  function start(deployment: Deployment): void {
    const abort = new AbortController();
    const ended = runDeployment(deployment, placeOf(deployment, options), options, abort.signal);
    running.set(deployment.key, {
      abort,
      ended: ended.finally(() => running.delete(deployment.key)),
    });
  }

  return {
    get: (key) => readDeployment(store, key),
    list: (scopeKey) => readDeployments(store, scopeKey),
    steps: (key) => readSteps(store, key),
    put: (request) => {
      const begun = begin(request, options);
      if (begun.ok) start(begun.value.deployment);
      return begun;
    },
    validate: (request) => preview(request, options),
    whatIf: (request) => preview(request, options),
    cancel: (key) => {
      const deployment = readDeployment(store, key);
      if (deployment === undefined || !isActive(deployment))
        return declined({
          code: "DeploymentCannotBeCancelled",
          what: `deployment ${deployment?.name ?? key} is not running (${deployment?.state ?? "unknown"})`,
          fix: "Only a deployment that is Accepted or Running can be canceled.",
        });
      const canceled = store.transaction((transaction) => {
        const end = {
          state: "Canceled",
          finishedAt: now(),
          error: CANCELED_BY_USER,
          parameters: {},
        } as const;
        for (const one of [deployment, ...nestedIn(transaction, key)])
          if (isActive(one)) storeDeployment(transaction, { ...one, ...end });
        finishOperation(transaction, deployment.operation, CANCELED_BY_USER, now());
        return found("canceled" as const);
      });
      if (canceled.ok) running.get(key)?.abort.abort();
      return canceled;
    },
    remove: (key) => {
      const deployment = readDeployment(store, key);
      if (deployment !== undefined && isActive(deployment))
        return declined(activeProblem(deployment));
      return store.transaction((transaction) => found(removeDeployment(transaction, key)));
    },
    resume: () => {
      for (const deployment of readDeployments(store, undefined))
        if (isActive(deployment) && deployment.within === undefined && !running.has(deployment.key))
          start(deployment);
    },
    stop: async () => {
      const all = [...running.values()];
      for (const { abort } of all) abort.abort();
      await Promise.all(all.map(({ ended }) => ended));
    },
  };
}

function nestedIn(reading: Reading, key: string): readonly Deployment[] {
  const direct = readDeployments(reading, undefined).filter(({ within }) => within === key);
  return direct.flatMap((one) => [one, ...nestedIn(reading, one.key)]);
}

const CANCELED_BY_USER: Problem = {
  code: CANCELED,
  what: "the deployment was canceled",
  fix: "Deploy again to go on; what was done stays.",
};

export function isActive({ state }: Deployment): boolean {
  return state === "Accepted" || state === "Running";
}

function activeProblem(deployment: Deployment): Problem {
  return {
    code: "DeploymentActive",
    what: `deployment ${deployment.name} is still running`,
    fix: "Wait for its end, cancel it, or choose another name.",
    where: deployment.id,
  };
}

function preview(request: DeploymentRequest, options: DeploymentsOptions): Result<Preview> {
  const draft = draftOf(request, options);
  if (!draft.ok) return draft;
  const tried = previewDeployment(draft.value, placeOf(draft.value, options), options);
  return tried.ok
    ? tried
    : declined(withLines(tried.problem, draft.value.template, request.places));
}

function begin(
  request: DeploymentRequest,
  options: DeploymentsOptions,
): Result<{ readonly deployment: Deployment; readonly created: boolean }> {
  const draft = draftOf(request, options);
  if (!draft.ok) return draft;
  const { store, now } = options;
  // What cannot even be planned is refused before anything is stored.
  const plan = planDeployment({
    template: draft.value.template,
    parameters: draft.value.parameters,
    place: placeOf(draft.value, options),
  });
  if (!plan.ok)
    return declined(withLines(inTemplate(plan.problem), draft.value.template, request.places));
  return store.transaction((transaction) => {
    const { id: target, key } = draft.value;
    const before = readDeployment(transaction, key);
    if (before !== undefined && isActive(before)) return declined(activeProblem(before));
    if (before !== undefined) removeDeployment(transaction, key);
    const of = { kind: "deployment", target, targetKey: key, generation: 0 } as const;
    const operation = beginOperation(transaction, of, now());
    const deployment = {
      ...draft.value,
      operation: operation.id,
      shownParameters: plan.value.parameters,
    };
    storeDeployment(transaction, deployment);
    return found({ deployment, created: before === undefined });
  });
}

/** The deployment a request asks for, checked as far as that goes without its template's words. */
function draftOf(
  { id, body, caller }: DeploymentRequest,
  options: DeploymentsOptions,
): Result<Deployment> {
  const { account, now, writes } = options;
  if (id.subscription?.toLowerCase() !== account.subscriptionId.toLowerCase())
    return declined(subscriptionNotFound(id.subscription ?? ""));
  const group = groupOf(id);
  if (group !== undefined && writes.get(keyOf(group)) === undefined)
    return declined(groupNotFound(group));
  const template = templateOf(body, formatResourceId(id));
  if (!template.ok) return template;
  const mode = propertyAt(body, "properties", "mode") ?? "Incremental";
  if (typeof mode !== "string" || !/^(incremental|complete)$/i.test(mode))
    return declined(invalid(id, `mode is ${describeKind(mode)}`, "Write Incremental or Complete."));
  const parameters = propertyAt(body, "properties", "parameters");
  const location = property(body, "location");
  if (propertyAt(body, "properties", "parametersLink") !== undefined)
    return declined(
      invalid(
        id,
        "the parameters are a link, and links are not followed",
        "Send the parameters themselves.",
      ),
    );
  return found({
    id: formatResourceId(id),
    key: keyOf(id),
    name: nameOf(id),
    ...(typeof location === "string" ? { location } : {}),
    mode: mode.toLowerCase() === "complete" ? "Complete" : "Incremental",
    template: template.value,
    parameters: isJsonObject(parameters) ? parametersOf(parameters) : {},
    shownParameters: {},
    state: "Accepted",
    startedAt: now(),
    operation: "",
    correlationId: randomUUID(),
    guidSeed: randomUUID(),
    warnings: [],
    outputResources: [],
    caller,
  });
}

/** Clients may send a whole parameter file in place of its `parameters`. */
function parametersOf(given: JsonObject): JsonObject {
  const inner = property(given, "parameters");
  const isFile = property(given, "$schema") !== undefined && isJsonObject(inner);
  return isFile ? inner : given;
}

function templateOf(body: JsonObject, where: string): Result<JsonObject> {
  const template = propertyAt(body, "properties", "template");
  if (isJsonObject(template)) return found(template);
  const link = propertyAt(body, "properties", "templateLink", "uri");
  return declined({
    code: "InvalidTemplate",
    what:
      typeof link === "string"
        ? `the template is a link (${link}), and links are not followed here`
        : "the deployment has no properties.template",
    fix: "Send the template itself as properties.template.",
    where,
  });
}

function invalid(id: ResourceId, what: string, fix: string): Problem {
  return { code: "InvalidDeployment", what, fix, where: formatResourceId(id) };
}

/** What the functions of its template are told about where and when. */
function placeOf(deployment: Deployment, options: DeploymentsOptions): Place {
  const { account, environment, writes } = options;
  const groupKey = /^\/subscriptions\/[^/]+\/resourcegroups\/[^/]+/.exec(deployment.key)?.[0];
  const group = groupKey === undefined ? undefined : writes.get(groupKey)?.resource;
  return {
    subscription: {
      id: account.subscriptionId,
      tenantId: account.tenantId,
      displayName: "OpenASE",
    },
    ...(group?.type === "Microsoft.Resources/resourceGroups"
      ? { resourceGroup: { name: group.name, location: group.location, tags: group.tags } }
      : {}),
    deployment: {
      name: deployment.name,
      ...(deployment.location === undefined ? {} : { location: deployment.location }),
      properties: {
        mode: deployment.mode,
        template: deployment.template,
        parameters: deployment.shownParameters,
      },
    },
    environment,
    now: new Date(deployment.startedAt).toISOString(),
    guidSeed: deployment.guidSeed,
  };
}
