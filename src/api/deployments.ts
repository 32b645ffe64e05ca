/**
 * Deployments over HTTP, to a group and to the subscription. How they run is in control/.
 */
import { type Context, Hono } from "hono";

import { keyOf, type ResourceId } from "../arm/ids.ts";
import type { JsonObject, JsonValue } from "../arm/json.ts";
import type { Problem, Result } from "../base/problem.ts";
import { bodyOfProblem } from "../control/error-body.ts";
import { groupNotFound, notFound } from "../control/arm-writes.ts";
import type { ControlPlane } from "../control/control-plane.ts";
import type { Change, Preview } from "../control/deployment-preview.ts";
import type { Deployment } from "../control/deployment-record.ts";
import type { DeploymentRequest } from "../control/deployments.ts";
import { renderDeployment, renderStep } from "../control/deployment-view.ts";
import { callerIn } from "./access.ts";
import { answer, followOperation, page, refuse, sent, statusOfProblem } from "./answer.ts";
import { bodyOf, idInPath, segmentCount } from "./request.ts";

const SCOPES = ["/subscriptions/:sub/resourcegroups/:group", "/subscriptions/:sub"];

export function deploymentRoutes(plane: ControlPlane): Hono {
  const routes = new Hono();
  for (const scope of SCOPES) {
    const all = `${scope}/providers/microsoft.resources/deployments`;
    const one = `${all}/:deployment`;
    routes.get(all, (context) => list(context, plane));
    routes.get(one, (context) =>
      show(context, plane, 0, (found) => sent(context, renderDeployment(found))),
    );
    routes.put(one, (context) => put(context, plane));
    routes.delete(one, (context) => remove(context, plane));
    routes.post(`${one}/validate`, (context) => validate(context, plane));
    routes.post(`${one}/whatif`, (context) => whatIf(context, plane));
    routes.post(`${one}/cancel`, (context) => cancel(context, plane));
    routes.post(`${one}/exporttemplate`, (context) =>
      show(context, plane, 1, ({ template }) => sent(context, { template })),
    );
    // `az deployment operation group list` leaves /providers/ out.
    for (const operations of [`${one}/operations`, `${scope}/deployments/:deployment/operations`]) {
      routes.get(operations, (context) => listSteps(context, plane));
      routes.get(`${operations}/:step`, (context) => showStep(context, plane));
    }
  }
  return routes;
}

/** The deployment's key: both spellings of its path lead to it. */
function keyInPath(context: Context): string {
  const { deployment = "" } = context.req.param();
  return `${scopeKey(context)}/providers/microsoft.resources/deployments/${deployment}`;
}

function scopeKey(context: Context): string {
  const { group, sub } = context.req.param();
  return `/subscriptions/${sub}${group === undefined ? "" : `/resourcegroups/${group}`}`;
}

function show(
  context: Context,
  plane: ControlPlane,
  /** Segments behind the deployment's name. */
  words: number,
  present: (deployment: Deployment) => Response,
): Response {
  const deployment = plane.deployments.get(keyInPath(context));
  if (deployment === undefined) return refuse(context, missing(context, words));
  return context.req.method === "HEAD" ? context.body(null, 204) : present(deployment);
}

function missing(context: Context, words: number): Problem {
  const id = idInPath(context, segmentCount(context) - words);
  if (!id.ok) return id.problem;
  return {
    ...notFound(id.value),
    code: "DeploymentNotFound",
    what: `Deployment '${id.value.names[0] ?? ""}' could not be found`,
  };
}

function list(context: Context, plane: ControlPlane): Response {
  const { group } = context.req.param();
  if (group !== undefined && plane.resources.get(scopeKey(context)) === undefined)
    return refuse(context, groupNotFound(groupId(context)));
  return page(context, plane.deployments.list(scopeKey(context)).map(renderDeployment));
}

function groupId(context: Context): ResourceId {
  const { group = "", sub = "" } = context.req.param();
  return {
    subscription: sub,
    resourceGroup: group,
    namespace: "Microsoft.Resources",
    types: ["resourceGroups"],
    names: [group],
  };
}

async function request(context: Context, words: number): Promise<Result<DeploymentRequest>> {
  const id = idInPath(context, segmentCount(context) - words);
  if (!id.ok) return id;
  const body = await bodyOf(context);
  return body.ok
    ? { ok: true, value: { id: id.value, body: body.value, caller: callerIn(context) } }
    : body;
}

async function put(context: Context, plane: ControlPlane): Promise<Response> {
  const read = await request(context, 0);
  if (!read.ok) return refuse(context, read.problem);
  return answer(context, plane.deployments.put(read.value), ({ created, deployment }) => {
    const operation = plane.operations.get(deployment.operation);
    if (operation !== undefined) followOperation(context, operation, ["Azure-AsyncOperation"]);
    return sent(context, renderDeployment(deployment), created ? 201 : 200);
  });
}

function remove(context: Context, plane: ControlPlane): Response {
  // Clients take 202 or 204 here, and it is done at once.
  const removed = plane.deployments.remove(keyInPath(context));
  return answer(context, removed, () => context.body(null, 204));
}

async function validate(context: Context, plane: ControlPlane): Promise<Response> {
  const read = await request(context, 1);
  if (!read.ok) return refuse(context, read.problem);
  return answer(context, plane.deployments.validate(read.value), (preview) =>
    sent(context, validated(preview)),
  );
}

function validated({ changes, deployment, warnings }: Preview): JsonObject {
  const shown = renderDeployment({ ...deployment, warnings });
  const properties = shown["properties"] as JsonObject;
  const validatedResources = changes.map(({ resourceId }) => ({ id: resourceId }));
  return { ...shown, properties: { ...properties, validatedResources } };
}

async function whatIf(context: Context, plane: ControlPlane): Promise<Response> {
  const read = await request(context, 1);
  if (!read.ok) return refuse(context, read.problem);
  const preview = plane.deployments.whatIf(read.value);
  if (!preview.ok && statusOfProblem(preview.problem.code) === 404)
    return refuse(context, preview.problem);
  // The answer is at hand; clients take it with the first answer as well as later.
  return sent(
    context,
    preview.ok
      ? {
          status: "Succeeded",
          properties: {
            changes: preview.value.changes.map(changeShown),
            diagnostics: preview.value.warnings.map(diagnostic),
          },
        }
      : { status: "Failed", error: bodyOfProblem(preview.problem) },
  );
}

function changeShown({ delta, ...change }: Change): JsonValue {
  return { ...change, delta: delta.map((one) => ({ ...one })) };
}

function diagnostic({ code, fix, what, where }: Problem): JsonValue {
  return {
    level: "Warning",
    code,
    message: `${what}. ${fix}`,
    ...(where === undefined ? {} : { target: where }),
  };
}

function cancel(context: Context, plane: ControlPlane): Response {
  if (plane.deployments.get(keyInPath(context)) === undefined)
    return refuse(context, missing(context, 1));
  return answer(context, plane.deployments.cancel(keyInPath(context)), () =>
    context.body(null, 204),
  );
}

function listSteps(context: Context, plane: ControlPlane): Response {
  const deployment = plane.deployments.get(keyInPath(context));
  if (deployment === undefined) return refuse(context, missingSteps(context));
  return page(
    context,
    plane.deployments.steps(deployment.key).map((step) => renderStep(deployment, step)),
  );
}

function showStep(context: Context, plane: ControlPlane): Response {
  const deployment = plane.deployments.get(keyInPath(context));
  const wanted = context.req.param("step") ?? "";
  const step = plane.deployments
    .steps(keyInPath(context))
    .find(({ operationId }) => operationId.toLowerCase() === wanted);
  if (deployment === undefined || step === undefined) return refuse(context, missingSteps(context));
  return sent(context, renderStep(deployment, step));
}

function missingSteps(context: Context): Problem {
  const { deployment = "" } = context.req.param();
  return {
    code: "DeploymentNotFound",
    what: `Deployment '${deployment}', or the operation of it, could not be found`,
    fix: "List the deployments of the group for their names.",
    where: keyOf(keyInPath(context)),
  };
}
