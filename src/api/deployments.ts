/**
 * Deployments over HTTP, to a group and to the subscription. How they run is in control/.
 */
import { randomUUID } from "node:crypto";

import { type Context, Hono } from "hono";

import { formatResourceId, keyOf, type ResourceId } from "../arm/ids.ts";
import { describeKind, type JsonObject, plainText, propertyAt } from "../arm/json.ts";
import { Places } from "../arm/places.ts";
import { declined, found, type Problem, type Result } from "../base/problem.ts";
import { bodyOfProblem } from "../control/error-body.ts";
import { groupNotFound, notFound } from "../control/arm-writes.ts";
import type { ControlPlane } from "../control/control-plane.ts";
import type { Preview } from "../control/deployment-preview.ts";
import type { Deployment } from "../control/deployment-record.ts";
import type { DeploymentRequest } from "../control/deployments.ts";
import { renderDeployment, renderStep } from "../control/deployment-view.ts";
import { renderWhatIf, type ResultFormat } from "../control/what-if.ts";
import { callerIn } from "./access.ts";
import {
  answer,
  followOperation,
  lookAgain,
  page,
  refuse,
  sent,
  statusOfProblem,
} from "./answer.ts";
import { bodyOf, idInPath, query, segmentCount } from "./request.ts";

const SCOPES = ["/subscriptions/:sub/resourcegroups/:group", "/subscriptions/:sub"];
/** Nothing stands there that a template could make. */
const HIGHER_SCOPES = ["", "/providers/microsoft.management/managementgroups/:group"];

export function deploymentRoutes(plane: ControlPlane): Hono {
  const routes = new Hono();
  const answers = new WhatIfAnswers();
  for (const scope of HIGHER_SCOPES)
    for (const path of ["", "/:deployment", "/:deployment/*"])
      routes.all(`${scope}/providers/microsoft.resources/deployments${path}`, refuseScope);
  for (const scope of SCOPES) {
    const all = `${scope}/providers/microsoft.resources/deployments`;
    const one = `${all}/:deployment`;
    routes.get(all, (context) => list(context, plane));
    routes.get(one, (context) =>
      show(context, plane, 0, (deployment) => sent(context, renderDeployment(deployment))),
    );
    routes.put(one, (context) => put(context, plane));
    routes.delete(one, (context) => remove(context, plane));
    routes.post(`${one}/validate`, (context) => validate(context, plane));
    routes.post(`${one}/whatif`, (context) => whatIf(context, plane, answers));
    routes.get(`${one}/whatifoperationresults/:id`, (context) => whatIfAnswer(context, answers));
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

function refuseScope(context: Context): Response {
  return refuse(context, {
    code: "InvalidDeploymentScope",
    what: "deployments to a tenant or a management group are not offered: this installation is one subscription",
    fix: "Deploy to the subscription (az deployment sub) or to a group in it (az deployment group).",
  });
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
  const places = new Places();
  const body = await bodyOf(context, places);
  return body.ok
    ? { ok: true, value: { id: id.value, body: body.value, places, caller: callerIn(context) } }
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

/**
 * Answers of what-if that clients fetch by the address they were given. Tried again in no time, and
 * large: they are not stored, and the eldest give way.
 */
class WhatIfAnswers {
  readonly #answers = new Map<string, JsonObject>();

  keep(answered: JsonObject): string {
    const [eldest] = this.#answers.keys();
    if (MOST_ANSWERS <= this.#answers.size && eldest !== undefined) this.#answers.delete(eldest);
    const id = randomUUID();
    this.#answers.set(id, answered);
    return id;
  }

  get(id: string): JsonObject | undefined {
    return this.#answers.get(id);
  }
}

const MOST_ANSWERS = 64;

async function whatIf(
  context: Context,
  plane: ControlPlane,
  answers: WhatIfAnswers,
): Promise<Response> {
  const read = await request(context, 1);
  if (!read.ok) return refuse(context, read.problem);
  const format = resultFormat(read.value);
  if (!format.ok) return refuse(context, format.problem);
  const preview = plane.deployments.whatIf(read.value);
  if (!preview.ok && statusOfProblem(preview.problem.code) === 404)
    return refuse(context, preview.problem);
  // That a template would be refused is an answer too.
  const id = answers.keep(
    preview.ok
      ? { status: "Succeeded", properties: renderWhatIf(preview.value, format.value) }
      : { status: "Failed", error: bodyOfProblem(preview.problem) },
  );
  const { origin, pathname } = new URL(context.req.url);
  const version = encodeURIComponent(query(context, "api-version") ?? "");
  const path = pathname.replace(/\/whatif\/?$/i, "/whatIfOperationResults");
  context.header("Location", `${origin}${path}/${id}?api-version=${version}`);
  lookAgain(context);
  return context.body(null, 202);
}

function whatIfAnswer(context: Context, answers: WhatIfAnswers): Response {
  const answered = answers.get(context.req.param("id") ?? "");
  if (answered !== undefined) return sent(context, answered);
  return refuse(context, {
    code: "OperationNotFound",
    what: "there is no such answer of what-if, or no longer",
    fix: "Ask what-if again.",
  });
}

function resultFormat({ body, id }: DeploymentRequest): Result<ResultFormat> {
  const wish = propertyAt(body, "properties", "whatIfSettings", "resultFormat");
  if (wish === undefined || wish === null) return found("FullResourcePayloads");
  const known = RESULT_FORMATS.find((one) => one.toLowerCase() === plainText(wish).toLowerCase());
  if (known !== undefined) return found(known);
  return declined({
    code: "InvalidDeployment",
    what: `properties.whatIfSettings.resultFormat is ${describeKind(wish)}`,
    fix: `Write ${RESULT_FORMATS.join(" or ")}.`,
    where: formatResourceId(id),
  });
}

const RESULT_FORMATS = ["FullResourcePayloads", "ResourceIdOnly"] as const;

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
