/**
 * Moving resources to another group, and a group as a template: what the API offers about groups
 * besides the groups themselves.
 */
import { type Context, Hono } from "hono";

import { exportedTemplate } from "../arm/export.ts";
import { keyOf } from "../arm/ids.ts";
import { isJsonArray, property } from "../arm/json.ts";
import { declined, found, type Result } from "../base/problem.ts";
import { groupNotFound } from "../control/arm-writes.ts";
import type { ControlPlane } from "../control/control-plane.ts";
import type { MoveRequest } from "../control/moves.ts";
import type { Asked } from "../identity/operation-name.ts";
import { operationOf } from "../identity/operation-name.ts";
import type { Identity } from "../identity/identity.ts";
import { callerIn } from "./access.ts";
import { answer, followOperation, refuse, sent } from "./answer.ts";
import { versionOf } from "./providers.ts";
import { bodyOf, idInPath, segmentCount } from "./request.ts";
import { typeOfResource } from "./resources.ts";

const GROUP = "/subscriptions/:sub/resourcegroups/:group";

export function moveRoutes(plane: ControlPlane, identity: Identity): Hono {
  const routes = new Hono();
  routes.post(`${GROUP}/validatemoveresources`, async (context) => {
    const request = await readRequest(context, plane, identity);
    if (!request.ok) return refuse(context, request.problem);
    return answer(context, plane.moves.validate(request.value), () => context.body(null, 204));
  });
  routes.post(`${GROUP}/moveresources`, async (context) => {
    const request = await readRequest(context, plane, identity);
    if (!request.ok) return refuse(context, request.problem);
    const moved = plane.moves.carryOut(request.value);
    if (!moved.ok) return refuse(context, moved.problem);
    const target = request.value.targetGroup;
    const begun = plane.operations.begin({ kind: "action", target, targetKey: keyOf(target) });
    return answer(context, begun, (operation) => {
      plane.operations.finish(operation.id, undefined);
      followOperation(context, operation, ["Location"]);
      return context.body(null, 202);
    });
  });
  routes.post(`${GROUP}/exporttemplate`, (context) => exportGroup(context, plane));
  return routes;
}

async function readRequest(
  context: Context,
  plane: ControlPlane,
  identity: Identity,
): Promise<Result<MoveRequest>> {
  const from = idInPath(context, segmentCount(context) - 1);
  const body = await bodyOf(context);
  if (!from.ok) return from;
  if (!body.ok) return body;
  const resources = property(body.value, "resources");
  const targetGroup = property(body.value, "targetResourceGroup");
  const isTexts =
    resources !== undefined &&
    isJsonArray(resources) &&
    resources.every((one) => typeof one === "string");
  if (!isTexts || typeof targetGroup !== "string")
    return declined({
      code: "InvalidRequestContent",
      what: "the body names no resources and no targetResourceGroup",
      fix: 'Send { "resources": ["/subscriptions/..."], "targetResourceGroup": "/subscriptions/..." }.',
    });
  if (plane.resources.get(keyOf(from.value)) === undefined)
    return declined(groupNotFound(from.value));
  // What is moved is deleted here and written there.
  const asked: readonly Asked[] = [
    ...resources.map((id) => operationOf("DELETE", segmentsOf(id))),
    operationOf("PUT", segmentsOf(targetGroup)),
  ];
  for (const one of asked) {
    const problem = identity.judge(callerIn(context), one);
    if (problem !== undefined) return declined(problem);
  }
  return found({ from: from.value, resources: resources.map(String), targetGroup });
}

function segmentsOf(id: string): readonly string[] {
  return id.split("/").filter((segment) => segment !== "");
}

function exportGroup(context: Context, plane: ControlPlane): Response {
  const id = idInPath(context, segmentCount(context) - 1);
  if (!id.ok) return refuse(context, id.problem);
  if (plane.resources.get(keyOf(id.value)) === undefined)
    return refuse(context, groupNotFound(id.value));
  const shown = plane.resources
    .list(`${keyOf(id.value)}/`)
    .filter(({ resource }) => typeOfResource(resource).split("/").length === 2)
    .flatMap(({ resource }) => {
      const view = plane.view(resource.key);
      const type = typeOfResource(resource);
      return view === undefined ? [] : [{ view, type, apiVersion: versionOf(type) }];
    });
  return sent(context, { template: exportedTemplate(shown) });
}
