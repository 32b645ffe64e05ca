/**
 * Resources of every type: PUT, PATCH, GET, HEAD, DELETE and lists, with the status codes that
 * clients of each type take.
 *
 * Parts and actions of apps and environments are in web.ts; what a write means is in control/.
 */
import { type Context, Hono } from "hono";

import { formatResourceId, keyOf, parseResourceId, type ResourceId, typeOf } from "../arm/ids.ts";
import type { JsonObject } from "../arm/json.ts";
import type { Resource } from "../arm/resources.ts";
import { found, type Problem, type Result } from "../base/problem.ts";
import { etagOf as etagOfResource } from "../arm/types/render.ts";
import { groupNotFound, notFound, type Removed, type Written } from "../control/arm-writes.ts";
import type { ControlPlane } from "../control/control-plane.ts";
import type { Identity } from "../identity/identity.ts";
import { judgeLinks } from "../identity/linked-access.ts";
import { operationOf } from "../identity/operation-name.ts";
import { callerIn } from "./access.ts";
import { answer, followOperation, page, refuse, sent } from "./answer.ts";
import { bodyOf, idInPath, query } from "./request.ts";

export function resourceRoutes(plane: ControlPlane, identity: Identity): Hono {
  const routes = new Hono();
  const oneOrMany = "/subscriptions/:sub/resourcegroups/:group/providers/:namespace/*";
  routes.get(oneOrMany, (context) => getOrList(context, plane));
  routes.put(oneOrMany, (context) => write(context, { plane, identity }, "put"));
  routes.patch(oneOrMany, (context) => write(context, { plane, identity }, "patch"));
  routes.delete(oneOrMany, (context) => remove(context, plane));
  routes.get("/subscriptions/:sub/providers/:namespace/:type", (context) => {
    const { namespace, sub, type } = context.req.param();
    return page(context, listOf(plane, `/subscriptions/${sub}/`, `${namespace}/${type}`));
  });
  return routes;
}

function getOrList(context: Context, plane: ControlPlane): Response {
  const id = idInPath(context);
  if (id.ok) return getOne(context, plane, id.value);
  // A path that ends in a type names a collection.
  const collection = collectionAt(context);
  if (collection === undefined) return refuse(context, id.problem);
  const { parent, type } = collection;
  const needed = parent === undefined ? groupKeyOf(context) : keyOf(parent);
  if (plane.resources.get(needed) === undefined)
    return refuse(
      context,
      parent === undefined ? groupNotFound(groupIdOf(context)) : notFound(parent),
    );
  return page(context, listOf(plane, `${needed}/`, type));
}

function getOne(context: Context, plane: ControlPlane, id: ResourceId): Response {
  const shown = plane.view(keyOf(id));
  if (shown !== undefined) {
    const etag = etagOf(plane, keyOf(id));
    if (etag !== undefined) context.header("ETag", etag);
    if (context.req.method === "HEAD") return context.body(null, 204);
    const known = context.req.header("If-None-Match");
    return etag !== undefined && known === etag ? context.body(null, 304) : sent(context, shown);
  }
  const group = groupKeyOf(context);
  if (plane.resources.get(group) === undefined) return refuse(context, groupNotFound(id));
  return refuse(context, notFound(id));
}

async function write(
  context: Context,
  { plane, identity }: { readonly plane: ControlPlane; readonly identity: Identity },
  how: "put" | "patch",
): Promise<Response> {
  const id = idInPath(context);
  if (!id.ok) return refuse(context, id.problem);
  const body = await bodyOf(context);
  if (!body.ok) return refuse(context, body.problem);
  const failed =
    judgeConditions(context, plane, id.value) ??
    judgeLinks(identity, {
      caller: callerIn(context),
      asked: operationOf("PUT", segmentsOf(formatResourceId(id.value))),
      body: body.value,
      before: plane.view(keyOf(id.value)),
    });
  if (failed !== undefined) return refuse(context, failed);
  const written = plane.resources[how]({ id: id.value, body: body.value });
  return answer(context, written, (value) => answerWrite(context, plane, value));
}

function segmentsOf(id: string): readonly string[] {
  return id.split("/").filter((segment) => segment !== "");
}

/** The state of a resource in one word; the body of networks' resources says the same. */
function etagOf(plane: ControlPlane, key: string): string | undefined {
  const resource = plane.resources.get(key)?.resource;
  return resource === undefined ? undefined : etagOfResource(resource);
}

/** Judged with no wait between it and the write that follows. */
export function judgeConditions(
  context: Context,
  plane: ControlPlane,
  id: ResourceId,
): Problem | undefined {
  const etag = etagOf(plane, keyOf(id));
  const [match, noneMatch] = [context.req.header("If-Match"), context.req.header("If-None-Match")];
  const names = (header: string) => header.split(",").map((one) => one.trim());
  const isMet =
    (match === undefined ||
      (etag !== undefined && (match.trim() === "*" || names(match).includes(etag)))) &&
    (noneMatch === undefined ||
      etag === undefined ||
      (noneMatch.trim() !== "*" && !names(noneMatch).includes(etag)));
  if (isMet) return undefined;
  const header = match === undefined ? "If-None-Match" : "If-Match";
  return {
    code: "PreconditionFailed",
    what: `The condition '${header}' is not satisfied: the resource is ${etag ?? "not there"}`,
    fix: "Read the resource again, decide anew, and send its etag.",
    where: formatResourceId(id),
  };
}

/** The stored resource, with where to follow its operation. */
export function answerWrite(context: Context, plane: ControlPlane, written: Written): Response {
  const { created, operation, stored } = written;
  context.header("ETag", etagOfResource(stored.resource));
  if (operation !== undefined) followOperation(context, operation, ["Azure-AsyncOperation"]);
  const status = created && !NEVER_CREATED.test(typeOfResource(stored.resource)) ? 201 : 200;
  return sent(context, plane.view(stored.resource.key) ?? {}, status);
}

/** Clients of these take 201 for an error. */
const NEVER_CREATED = /^microsoft\.web\/(serverfarms|sites|certificates)(\/|$)/i;
/** Clients of these take 202 for an error. */
const REMOVED_AT_ONCE = /^microsoft\.web\/(serverfarms|sites|certificates)(\/|$)/i;

function remove(context: Context, plane: ControlPlane): Response {
  const id = idInPath(context);
  if (!id.ok) return refuse(context, id.problem);
  const failed = judgeConditions(context, plane, id.value);
  if (failed !== undefined) return refuse(context, failed);
  const forced = /^true$/i.test(query(context, "forceDelete") ?? "");
  const removed = plane.resources.remove(id.value, forced ? "force" : "unless-used");
  return answer(context, removed, (value) => answerRemoval(context, value, typeOf(id.value)));
}

function answerRemoval(context: Context, { operation }: Removed, type: string): Response {
  if (operation === undefined) return context.body(null, 204);
  if (REMOVED_AT_ONCE.test(type)) return context.body(null, 200);
  followOperation(context, operation, ["Azure-AsyncOperation", "Location"]);
  return context.body(null, 202);
}

/** Rendered resources of one type whose keys begin with a prefix. */
export function listOf(
  plane: ControlPlane,
  keyPrefix: string,
  type: string,
): readonly JsonObject[] {
  return plane.resources
    .list(keyPrefix)
    .filter(({ resource }) => isOfType(resource, type))
    .flatMap(({ resource }) => viewsOf(plane, resource.key));
}

/** `privateDnsZones/ALL` is a list of record sets of every type. */
function isOfType(resource: Resource, type: string): boolean {
  const own = typeOfResource(resource).toLowerCase();
  const asked = type.toLowerCase();
  return asked === "microsoft.network/privatednszones/all"
    ? own.startsWith("microsoft.network/privatednszones/") && !own.endsWith("/virtualnetworklinks")
    : own === asked;
}

/** The resource as a list of one; of none when it is gone. */
export function viewsOf(plane: ControlPlane, key: string): readonly JsonObject[] {
  const view = plane.view(key);
  return view === undefined ? [] : [view];
}

export function typeOfResource(resource: Resource): string {
  return resource.type === "DeclaredOnly" ? resource.declaredType : resource.type;
}

function groupKeyOf(context: Context): string {
  const { sub, group } = context.req.param();
  return `/subscriptions/${sub}/resourcegroups/${group}`;
}

function groupIdOf(context: Context): ResourceId {
  const { group = "", sub = "" } = context.req.param();
  return {
    subscription: sub,
    resourceGroup: group,
    namespace: "Microsoft.Resources",
    types: ["resourceGroups"],
    names: [group],
  };
}

type Collection = { readonly parent: ResourceId | undefined; readonly type: string };

function collectionAt(context: Context): Collection | undefined {
  // With a name behind it, the path would be that of one resource.
  const member = parsed(`${context.req.path}/member`);
  if (!member.ok) return undefined;
  const { names, types } = member.value;
  const parent =
    types.length === 1
      ? undefined
      : { ...member.value, types: types.slice(0, -1), names: names.slice(0, -1) };
  return { parent, type: typeOf(member.value) };
}

function parsed(path: string): Result<ResourceId> {
  const id = parseResourceId(decodeURI(path));
  return id.ok ? found(id.value) : id;
}
