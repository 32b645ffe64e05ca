/**
 * Subscriptions, resource groups, lists of everything, providers and operations.
 */
import { type Context, Hono } from "hono";

import { parseResourceId } from "../arm/ids.ts";
import type { JsonObject } from "../arm/json.ts";
import type { Problem } from "../base/problem.ts";
import { bodyOfProblem } from "../control/error-body.ts";
import { groupNotFound, subscriptionNotFound } from "../control/arm-writes.ts";
import type { ControlPlane } from "../control/control-plane.ts";
import type { StoredResource } from "../control/wanted.ts";
import { type Identity, keyOfScope } from "../identity/identity.ts";
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
import { listProviders, operationsOf, provider } from "./providers.ts";
import { bodyOf, idInPath, query } from "./request.ts";
import { answerWrite, typeOfResource, viewsOf } from "./resources.ts";

export function subscriptionRoutes(plane: ControlPlane, { roles }: Identity): Hono {
  const { account } = plane;
  const routes = new Hono();
  const shown = subscriptionOf(plane);
  routes.get("/tenants", (context) => page(context, [tenantOf(plane)]));
  routes.get("/subscriptions", (context) => {
    const isKnown = roles.knows(callerIn(context).objectId, keyOfScope(idOfSubscription(plane)));
    return page(context, isKnown ? [shown] : []);
  });
  routes.get("/providers", (context) => page(context, listProviders(account)));
  routes.get("/providers/:namespace", (context) =>
    sent(context, provider(context.req.param("namespace"), account)),
  );
  routes.get("/providers/microsoft.authorization/provideroperations", (context) =>
    page(context, listProviders(account).map(operationsOf)),
  );
  routes.get("/providers/microsoft.authorization/provideroperations/:namespace", (context) =>
    sent(context, operationsOf(provider(context.req.param("namespace"), account))),
  );
  routes.use("/subscriptions/:sub", ours(plane));
  routes.use("/subscriptions/:sub/*", ours(plane));
  routes.get("/subscriptions/:sub", (context) => sent(context, shown));
  routes.get("/subscriptions/:sub/locations", (context) => page(context, [locationOf(plane)]));
  routes.get("/subscriptions/:sub/providers", (context) => page(context, listProviders(account)));
  routes.get("/subscriptions/:sub/providers/:namespace", (context) =>
    sent(context, provider(context.req.param("namespace"), account)),
  );
  routes.post("/subscriptions/:sub/providers/:namespace/register", (context) =>
    sent(context, provider(context.req.param("namespace"), account)),
  );
  routes.get("/subscriptions/:sub/resources", (context) => listResources(context, plane, ""));
  routes.get("/subscriptions/:sub/resourcegroups/:group/resources", (context) => {
    const group = groupAt(context, plane);
    if (group === undefined) return missingGroup(context);
    return listResources(context, plane, `${group.resource.key}/`);
  });
  groups(routes, plane);
  operations(routes, plane);
  return routes;
}

function groups(routes: Hono, plane: ControlPlane): void {
  const one = "/subscriptions/:sub/resourcegroups/:group";
  routes.get("/subscriptions/:sub/resourcegroups", (context) => {
    const filter = readFilter(query(context, "$filter") ?? "");
    if (!filter.ok) return refuse(context, filter.problem);
    const listed = plane.resources
      .list("")
      .filter(
        (stored) =>
          stored.resource.type === "Microsoft.Resources/resourceGroups" && filter.matches(stored),
      );
    return page(
      context,
      listed.flatMap(({ resource }) => viewsOf(plane, resource.key)),
    );
  });
  routes.get(one, (context) => {
    const group = groupAt(context, plane);
    if (context.req.method === "HEAD") return context.body(null, group === undefined ? 404 : 204);
    if (group === undefined) return missingGroup(context);
    return sent(context, plane.view(group.resource.key) ?? {});
  });
  for (const how of ["put", "patch"] as const)
    routes[how](one, async (context) => {
      const id = idInPath(context);
      if (!id.ok) return refuse(context, id.problem);
      const body = await bodyOf(context);
      if (!body.ok) return refuse(context, body.problem);
      const written = plane.resources[how]({ id: id.value, body: body.value });
      return answer(context, written, (value) => answerWrite(context, plane, value));
    });
  routes.delete(one, (context) => {
    const id = idInPath(context);
    if (!id.ok) return refuse(context, id.problem);
    return answer(context, plane.resources.removeGroup(id.value), ({ operation }) => {
      if (operation !== undefined) followOperation(context, operation, ["Location"]);
      return context.body(null, 202);
    });
  });
}

function operations(routes: Hono, plane: ControlPlane): void {
  const base = "/subscriptions/:sub/providers/:namespace/locations/:location";
  routes.get(`${base}/operations/:id`, (context) => operationStatus(context, plane));
  const deployment = "/providers/microsoft.resources/deployments/:name/operationstatuses/:id";
  routes.get(`/subscriptions/:sub/resourcegroups/:group${deployment}`, (context) =>
    operationStatus(context, plane),
  );
  routes.get(`/subscriptions/:sub${deployment}`, (context) => operationStatus(context, plane));
  routes.get(`${base}/operationresults/:id`, (context) => {
    const operation = plane.operations.get(context.req.param("id"));
    if (operation === undefined) return refuse(context, operationNotFound(context));
    if (operation.state === "InProgress") {
      lookAgain(context);
      context.header("Location", context.req.url);
      return context.body(null, 202);
    }
    if (operation.error !== undefined) {
      const status = statusOfProblem(operation.error.code);
      return context.json({ error: bodyOfProblem(operation.error) } as object, status);
    }
    if (operation.kind === "delete" || operation.kind === "action") return context.body(null, 204);
    if (query(context, "resultOf") === "sites")
      return page(context, sitesOf(plane, operation.targetKey));
    const view = plane.view(operation.targetKey);
    return view === undefined ? context.body(null, 204) : sent(context, view);
  });
}

function operationStatus(context: Context, plane: ControlPlane): Response {
  const operation = plane.operations.get(context.req.param("id") ?? "");
  if (operation === undefined) return refuse(context, operationNotFound(context));
  lookAgain(context);
  const { createdAt, error, finishedAt, id, state } = operation;
  return sent(context, {
    id: new URL(context.req.url).pathname,
    name: id,
    status: state,
    startTime: new Date(createdAt).toISOString(),
    ...(finishedAt === undefined ? {} : { endTime: new Date(finishedAt).toISOString() }),
    ...(error === undefined ? {} : { error: bodyOfProblem(error) }),
  });
}

function operationNotFound(context: Context): Problem {
  const id = context.req.param("id") ?? "";
  return {
    code: "OperationNotFound",
    what: `there is no operation ${id}; finished ones are kept for a day`,
    fix: "Look at the resource itself.",
  };
}

/** Apps on the plans of an environment. */
export function sitesOf(plane: ControlPlane, environmentKey: string): readonly JsonObject[] {
  const all = plane.resources.list("").map(({ resource }) => resource);
  const plans = new Set(
    all.flatMap((one) =>
      one.type === "Microsoft.Web/serverfarms" && one.environment.key === environmentKey
        ? [one.key]
        : [],
    ),
  );
  return all.flatMap((one) =>
    one.type === "Microsoft.Web/sites" && plans.has(one.plan.key) ? viewsOf(plane, one.key) : [],
  );
}

function groupAt(context: Context, plane: ControlPlane): StoredResource | undefined {
  const { group, sub } = context.req.param();
  return plane.resources.get(`/subscriptions/${sub}/resourcegroups/${group}`);
}

function missingGroup(context: Context): Response {
  const id = parseResourceId(
    `/subscriptions/${context.req.param("sub")}/resourceGroups/${context.req.param("group")}`,
  );
  return refuse(context, id.ok ? groupNotFound(id.value) : id.problem);
}

function listResources(context: Context, plane: ControlPlane, keyPrefix: string): Response {
  const filter = readFilter(query(context, "$filter") ?? "");
  if (!filter.ok) return refuse(context, filter.problem);
  const expand = (query(context, "$expand") ?? "").toLowerCase();
  const listed = plane.resources
    .list(keyPrefix)
    .filter((stored) => isListed(stored) && filter.matches(stored))
    .map((stored) => shortView(plane, stored, expand));
  return page(context, listed);
}

/** Groups are no resources of this list, and parts (subnets, rules) stand in their owners. */
function isListed({ resource }: StoredResource): boolean {
  if (resource.type === "Microsoft.Resources/resourceGroups") return false;
  return typeOfResource(resource).split("/").length === 2;
}

function shortView(plane: ControlPlane, stored: StoredResource, expand: string): JsonObject {
  const view = plane.view(stored.resource.key) ?? {};
  const words = ["id", "name", "type", "location", "kind", "sku", "tags"];
  const short = Object.fromEntries(Object.entries(view).filter(([name]) => words.includes(name)));
  const properties = view["properties"] as JsonObject | undefined;
  return {
    ...short,
    ...(expand.includes("createdtime")
      ? { createdTime: new Date(stored.createdAt).toISOString() }
      : {}),
    ...(expand.includes("changedtime")
      ? { changedTime: new Date(stored.changedAt).toISOString() }
      : {}),
    ...(expand.includes("provisioningstate")
      ? { provisioningState: properties?.["provisioningState"] ?? "Succeeded" }
      : {}),
  };
}

type Filter =
  | { readonly ok: true; readonly matches: (stored: StoredResource) => boolean }
  | { readonly ok: false; readonly problem: Problem };

/** `resourceType eq 'x' and name eq 'y'`, as the clients write it. */
function readFilter(text: string): Filter {
  const conditions = text.split(/\s+and\s+/i).filter((part) => part.trim() !== "");
  const tests: ((stored: StoredResource) => boolean)[] = [];
  let tagName: string | undefined;
  for (const condition of conditions) {
    const test = readCondition(condition.trim());
    if (test === undefined) return { ok: false, problem: invalidFilter(condition) };
    // A name and a value behind it speak of one tag.
    const named = test.word === "tagname" ? test.value : undefined;
    const value = test.value;
    const pair = test.word === "tagvalue" ? tagName : undefined;
    tests.push(pair === undefined ? test.matches : (stored) => hasTag(stored, pair, value));
    tagName = named ?? tagName;
  }
  return { ok: true, matches: (stored) => tests.every((test) => test(stored)) };
}

type Condition = {
  readonly word: string;
  readonly value: string;
  readonly matches: (stored: StoredResource) => boolean;
};

function readCondition(text: string): Condition | undefined {
  const part = /^\(?\s*substringof\('([^']*)',\s*name\)(?:\s+eq\s+true)?\s*\)?$/i.exec(text)?.[1];
  const start = /^\(?\s*startswith\((tagname|name),\s*'([^']*)'\)\s*\)?$/i.exec(text);
  if (part !== undefined)
    return {
      word: "name",
      value: part,
      matches: ({ resource }) => resource.name.toLowerCase().includes(part.toLowerCase()),
    };
  if (start !== null) {
    const [, word = "", value = ""] = start;
    const begins = (name: string) => name.toLowerCase().startsWith(value.toLowerCase());
    return {
      word,
      value,
      matches: (stored) =>
        word.toLowerCase() === "name"
          ? begins(stored.resource.name)
          : Object.keys(tagsIn(stored)).some(begins),
    };
  }
  const [, word = "", verb = "", value = ""] =
    /^\(?\s*(\w+)\s+(eq|ne)\s+'([^']*)'\s*\)?$/i.exec(text) ?? [];
  const known = Object.hasOwn(FILTERS, word.toLowerCase());
  const read = known ? FILTERS[word.toLowerCase()] : undefined;
  if (read === undefined) return undefined;
  const wanted = verb.toLowerCase() === "eq";
  return {
    word: word.toLowerCase(),
    value,
    matches: (stored) => read(stored, value) === wanted,
  };
}

function tagsIn({ resource }: StoredResource): Readonly<Record<string, string>> {
  return "tags" in resource ? resource.tags : {};
}

function hasTag(stored: StoredResource, name: string, value: string): boolean {
  return Object.entries(tagsIn(stored)).some(([one, its]) => same(one, name) && its === value);
}

const FILTERS: Readonly<Record<string, (stored: StoredResource, value: string) => boolean>> = {
  resourcetype: ({ resource }, value) => same(typeOfResource(resource), value),
  resourcegroup: ({ resource }, value) =>
    resource.key.includes(`/resourcegroups/${value.toLowerCase()}/`),
  name: ({ resource }, value) => same(resource.name, value),
  location: ({ resource }, value) => "location" in resource && same(resource.location, value),
  tagname: (stored, value) => Object.keys(tagsIn(stored)).some((name) => same(name, value)),
  tagvalue: (stored, value) => Object.values(tagsIn(stored)).includes(value),
};

function same(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}

function invalidFilter(condition: string): Problem {
  return {
    code: "InvalidFilterInQueryString",
    what: `the condition "${condition.trim()}" of $filter is not understood`,
    fix: `Compare one of ${Object.keys(FILTERS).join(", ")} with eq 'value', joined by and.`,
  };
}

/** Only one subscription lives here. */
function ours(plane: ControlPlane) {
  return async (context: Context, next: () => Promise<void>): Promise<Response | undefined> => {
    const name = context.req.param("sub") ?? "";
    if (name === plane.account.subscriptionId.toLowerCase()) {
      await next();
      return undefined;
    }
    return refuse(context, subscriptionNotFound(name));
  };
}

function idOfSubscription({ account }: Pick<ControlPlane, "account">): string {
  return `/subscriptions/${account.subscriptionId}`;
}

function subscriptionOf({ account }: ControlPlane): JsonObject {
  const { subscriptionId, tenantId } = account;
  return {
    id: idOfSubscription({ account }),
    subscriptionId,
    tenantId,
    displayName: "OpenASE",
    state: "Enabled",
    authorizationSource: "RoleBased",
    managedByTenants: [],
    subscriptionPolicies: {
      locationPlacementId: "Public_2014-09-01",
      quotaId: "Internal_2014-09-01",
      spendingLimit: "Off",
    },
  };
}

function tenantOf({ account }: ControlPlane): JsonObject {
  const { tenantId } = account;
  return {
    id: `/tenants/${tenantId}`,
    tenantId,
    displayName: "OpenASE",
    tenantCategory: "Home",
    domains: [],
  };
}

function locationOf({ account }: ControlPlane): JsonObject {
  return {
    id: `/subscriptions/${account.subscriptionId}/locations/${account.location}`,
    name: account.location,
    displayName: account.location,
    regionalDisplayName: account.location,
    metadata: { regionType: "Physical", regionCategory: "Recommended" },
  };
}
