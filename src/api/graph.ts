/**
 * As much of Microsoft Graph as az and others need to manage who may sign in: applications,
 * service principals, users. There are no groups.
 *
 * Everybody with a role here may read; whoever may give roles may change. The secrets that are
 * answered here are answered once.
 */
import { type Context, Hono } from "hono";

import {
  isJsonArray,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  property,
  propertyAt,
} from "../arm/json.ts";
import { declined, found, type Problem, type Result } from "../base/problem.ts";
import { bodyOfProblem } from "../control/error-body.ts";
import type { Account } from "../control/control-plane.ts";
import {
  type Application,
  type KeptSecret,
  noSuchObject,
  type Principal,
  type ServicePrincipal,
  type User,
} from "../identity/directory.ts";
import { type Identity, keyOfScope } from "../identity/identity.ts";
import { callerIn } from "./access.ts";
import { originOf, statusOfProblem } from "./answer.ts";
import { bodyOf, query } from "./request.ts";

export function graphRoutes(identity: Identity, account: Account): Hono {
  const { directory, roles } = identity;
  const graph = new Hono();
  graph.use("*", async (context, next) => {
    const isRead = context.req.method === "GET" || context.req.path.endsWith("/getbyids");
    const scope = keyOfScope(`/subscriptions/${account.subscriptionId}`);
    const { objectId } = callerIn(context);
    const may = isRead ? roles.knows(objectId, scope) : roles.permits(objectId, MAY_CHANGE, scope);
    return may ? next() : refused(context, NOT_ALLOWED);
  });
  applications(graph, identity);
  servicePrincipals(graph, identity, account);
  users(graph, identity);
  graph.get("/me", (context) => {
    const me = directory.principal(callerIn(context).objectId);
    if (me?.kind === "User") return entity(context, renderUser(me));
    return refused(context, NOT_DELEGATED);
  });
  graph.get("/me/ownedobjects", (context) => list(context, []));
  graph.get("/groups", (context) => list(context, []));
  graph.get("/organization", (context) =>
    list(context, [{ id: account.tenantId, displayName: "OpenASE", verifiedDomains: [] }]),
  );
  graph.post("/directoryobjects/getbyids", async (context) => {
    const body = await bodyOf(context);
    if (!body.ok) return refused(context, body.problem);
    const ids = property(body.value, "ids");
    const wanted = ids !== undefined && isJsonArray(ids) ? ids : [];
    const known = wanted.flatMap((id) =>
      typeof id === "string" ? (directory.principal(id) ?? []) : [],
    );
    return list(
      context,
      known.map((one) => renderPrincipal(one, account)),
    );
  });
  graph.get("/directoryobjects/:id", (context) =>
    showOne(context, directory.principal(context.req.param("id")), (one) =>
      renderPrincipal(one, account),
    ),
  );
  graph.notFound((context) => refused(context, notOffered(context)));
  return graph;
}

const MAY_CHANGE = "Microsoft.Authorization/roleAssignments/write";

function applications(graph: Hono, { directory, roles }: Identity): void {
  graph.get("/applications", (context) =>
    filtered(context, directory.applications().map(renderApplication)),
  );
  graph.post("/applications", async (context) => {
    const body = await bodyOf(context);
    const displayName = body.ok ? textIn(body.value, "displayName") : found("");
    if (!displayName.ok) return refused(context, displayName.problem);
    const added = directory.addApplication({ displayName: displayName.value });
    return added.ok
      ? entity(context, renderApplication(added.value), 201)
      : refused(context, added.problem);
  });
  graph.get("/applications/:id", (context) =>
    showOne(context, directory.application(context.req.param("id")), renderApplication),
  );
  const at = (context: Context): Result<string> => {
    const id = context.req.param("id") ?? "";
    const application = directory.application(id);
    return application === undefined ? declined(noSuchObject(id)) : found(application.objectId);
  };
  changes(graph, "/applications/:id", { directory, roles }, at);
  graph.get("/applications/:id/owners", (context) => list(context, []));
  graph.get("/applications/:id/federatedidentitycredentials", (context) => list(context, []));
}

function servicePrincipals(graph: Hono, { directory, roles }: Identity, account: Account): void {
  const all = () =>
    directory
      .principals()
      .filter((one): one is ServicePrincipal => one.kind === "ServicePrincipal");
  graph.get("/serviceprincipals", (context) =>
    filtered(
      context,
      all().map((one) => renderServicePrincipal(one, account)),
    ),
  );
  graph.post("/serviceprincipals", async (context) => {
    const body = await bodyOf(context);
    const appId = body.ok ? textIn(body.value, "appId") : found("");
    if (!appId.ok) return refused(context, appId.problem);
    const added = directory.addServicePrincipal({ appId: appId.value });
    return added.ok
      ? entity(context, renderServicePrincipal(added.value, account), 201)
      : refused(context, added.problem);
  });
  graph.get("/serviceprincipals/:id", (context) =>
    showOne(context, servicePrincipalAt(context), (one) => renderServicePrincipal(one, account)),
  );
  const servicePrincipalAt = (context: Context): ServicePrincipal | undefined => {
    const id = context.req.param("id") ?? "";
    const one = directory.principal(id) ?? directory.servicePrincipalOf(id);
    return one?.kind === "ServicePrincipal" ? one : undefined;
  };
  changes(graph, "/serviceprincipals/:id", { directory, roles }, (context) => {
    const one = servicePrincipalAt(context);
    return one === undefined
      ? declined(noSuchObject(context.req.param("id") ?? ""))
      : found(one.objectId);
  });
  graph.get("/serviceprincipals/:id/owners", (context) => list(context, []));
}

function users(graph: Hono, { directory, roles }: Identity): void {
  const all = () => directory.principals().filter((one): one is User => one.kind === "User");
  graph.get("/users", (context) => filtered(context, all().map(renderUser)));
  graph.post("/users", async (context) => {
    const body = await bodyOf(context);
    if (!body.ok) return refused(context, body.problem);
    const name = textIn(body.value, "userPrincipalName");
    const password = propertyAt(body.value, "passwordProfile", "password");
    const displayName = property(body.value, "displayName");
    if (!name.ok) return refused(context, name.problem);
    const added = await directory.addUser({
      userPrincipalName: name.value,
      displayName: typeof displayName === "string" ? displayName : name.value,
      password: typeof password === "string" ? password : "",
    });
    return added.ok
      ? entity(context, renderUser(added.value), 201)
      : refused(context, added.problem);
  });
  graph.get("/users/:id", (context) =>
    showOne(context, directory.user(context.req.param("id")), renderUser),
  );
  changes(graph, "/users/:id", { directory, roles }, (context) => {
    const id = context.req.param("id") ?? "";
    const user = directory.user(id);
    return user === undefined ? declined(noSuchObject(id)) : found(user.objectId);
  });
}

/** PATCH, DELETE, addPassword and removePassword are alike for all kinds of objects. */
function changes(
  graph: Hono,
  path: string,
  { directory, roles }: Pick<Identity, "directory" | "roles">,
  objectAt: (context: Context) => Result<string>,
): void {
  graph.patch(path, async (context) => {
    const id = objectAt(context);
    const body = await bodyOf(context);
    if (!id.ok) return refused(context, id.problem);
    if (!body.ok) return refused(context, body.problem);
    const [name, enabled, password] = [
      property(body.value, "displayName"),
      property(body.value, "accountEnabled"),
      propertyAt(body.value, "passwordProfile", "password"),
    ];
    const done = [
      typeof name === "string" ? directory.rename(id.value, name) : undefined,
      typeof enabled === "boolean"
        ? directory.enable(id.value, enabled ? "enabled" : "disabled")
        : undefined,
      typeof password === "string" ? await directory.setPassword(id.value, password) : undefined,
    ].find((one) => one?.ok === false);
    return done?.ok === false ? refused(context, done.problem) : context.body(null, 204);
  });
  graph.delete(path, (context) => {
    const id = objectAt(context);
    if (!id.ok) return refused(context, id.problem);
    const removed = directory.remove(id.value);
    if (!removed.ok) return refused(context, removed.problem);
    const forgotten = roles.forget(removed.value);
    return forgotten.ok ? context.body(null, 204) : refused(context, forgotten.problem);
  });
  graph.post(`${path}/addpassword`, async (context) => {
    const id = objectAt(context);
    const body = await bodyOf(context);
    if (!id.ok) return refused(context, id.problem);
    if (!body.ok) return refused(context, body.problem);
    const name = propertyAt(body.value, "passwordCredential", "displayName");
    const end = propertyAt(body.value, "passwordCredential", "endDateTime");
    const endsAt = typeof end === "string" ? Date.parse(end) : Number.NaN;
    const added = await directory.addSecret(id.value, {
      ...(typeof name === "string" ? { displayName: name } : {}),
      ...(Number.isNaN(endsAt) ? {} : { endsAt }),
    });
    if (!added.ok) return refused(context, added.problem);
    const { kept, secret } = added.value;
    context.header("Cache-Control", "no-store");
    return entity(context, { ...renderSecret(kept), secretText: secret });
  });
  graph.post(`${path}/removepassword`, async (context) => {
    const id = objectAt(context);
    const body = await bodyOf(context);
    const keyId = body.ok ? textIn(body.value, "keyId") : found("");
    if (!id.ok) return refused(context, id.problem);
    if (!keyId.ok) return refused(context, keyId.problem);
    const removed = directory.removeSecret(id.value, keyId.value);
    return removed.ok ? context.body(null, 204) : refused(context, removed.problem);
  });
}

function renderApplication(one: Application): JsonObject {
  return {
    id: one.objectId,
    appId: one.appId,
    displayName: one.displayName,
    createdDateTime: new Date(one.createdAt).toISOString(),
    identifierUris: [],
    signInAudience: "AzureADMyOrg",
    passwordCredentials: one.secrets.map(renderSecret),
    keyCredentials: [],
    requiredResourceAccess: [],
  };
}

function renderPrincipal(one: Principal, account: Account): JsonObject {
  return one.kind === "User"
    ? { "@odata.type": "#microsoft.graph.user", ...renderUser(one) }
    : {
        "@odata.type": "#microsoft.graph.servicePrincipal",
        ...renderServicePrincipal(one, account),
      };
}

function renderServicePrincipal(one: ServicePrincipal, account: Account): JsonObject {
  return {
    id: one.objectId,
    appId: one.appId,
    displayName: one.displayName,
    appDisplayName: one.displayName,
    accountEnabled: one.enabled,
    appOwnerOrganizationId: account.tenantId,
    createdDateTime: new Date(one.createdAt).toISOString(),
    servicePrincipalNames: [one.appId],
    servicePrincipalType: one.managedBy === undefined ? "Application" : "ManagedIdentity",
    alternativeNames: one.managedBy === undefined ? [] : ["isExplicit=False", one.managedBy],
    passwordCredentials: one.secrets.map(renderSecret),
    keyCredentials: [],
    tags: [],
  };
}

function renderUser(one: User): JsonObject {
  return {
    id: one.objectId,
    userPrincipalName: one.userPrincipalName,
    displayName: one.displayName,
    accountEnabled: one.enabled,
    createdDateTime: new Date(one.createdAt).toISOString(),
    mail: null,
    businessPhones: [],
  };
}

/** Never the secret itself, nor its hash. */
function renderSecret(kept: KeptSecret): JsonObject {
  return {
    keyId: kept.keyId,
    displayName: kept.displayName ?? null,
    hint: kept.hint,
    startDateTime: new Date(kept.startsAt).toISOString(),
    endDateTime: new Date(kept.endsAt).toISOString(),
    customKeyIdentifier: null,
  };
}

function filtered(context: Context, items: readonly JsonObject[]): Response {
  const filter = readFilter(query(context, "$filter") ?? "");
  return filter.ok ? list(context, items.filter(filter.value)) : refused(context, filter.problem);
}

type Test = (item: JsonObject) => boolean;

/** Conditions joined by `or`, and within them by `and`. */
function readFilter(text: string): Result<Test> {
  if (text.trim() === "") return found(() => true);
  const alternatives: Test[][] = [];
  for (const alternative of text.split(/\s+or\s+/i)) {
    const tests: Test[] = [];
    for (const condition of alternative.split(/\s+and\s+/i)) {
      const test = readCondition(condition.trim());
      if (test === undefined)
        return declined({
          code: "Request_UnsupportedQuery",
          what: `the condition "${condition.trim()}" of $filter is not understood`,
          fix: "Compare a property with eq 'value', or use startswith(property,'value').",
        });
      tests.push(test);
    }
    alternatives.push(tests);
  }
  return found((item) => alternatives.some((tests) => tests.every((test) => test(item))));
}

function readCondition(text: string): Test | undefined {
  const value = (quoted: string) => quoted.replaceAll("''", "'").toLowerCase();
  const of = (item: JsonObject, name: string) => wordIn(property(item, name));
  const [, name = "", equals] = /^\(?(\w+)\s+eq\s+'((?:[^']|'')*)'\)?$/.exec(text) ?? [];
  if (equals !== undefined) return (item) => of(item, name) === value(equals);
  const [, field = "", start] = /^startswith\((\w+),\s*'((?:[^']|'')*)'\)$/i.exec(text) ?? [];
  if (start !== undefined) return (item) => of(item, field).startsWith(value(start));
  const [, many = "", one] =
    /^(\w+)\/any\((?:\w+):\w+\s+eq\s+'((?:[^']|'')*)'\)$/i.exec(text) ?? [];
  if (one === undefined) return undefined;
  return (item) => {
    const values = property(item, many);
    return (
      values !== undefined &&
      isJsonArray(values) &&
      values.some((each) => wordIn(each) === value(one))
    );
  };
}

function wordIn(value: JsonValue | undefined): string {
  return typeof value === "string" ? value.toLowerCase() : "";
}

function textIn(body: JsonObject, name: string): Result<string> {
  const value = property(body, name);
  if (typeof value === "string" && value !== "" && value.length <= 256) return found(value);
  return declined({
    code: "Request_BadRequest",
    what: `${name} is missing or no text of at most 256 letters`,
    fix: `Send ${name}.`,
  });
}

function showOne<Value>(
  context: Context,
  value: Value | undefined,
  render: (value: Value) => JsonObject,
): Response {
  return value === undefined
    ? refused(context, noSuchObject(context.req.param("id") ?? ""))
    : entity(context, render(value));
}

function list(context: Context, value: readonly JsonValue[]): Response {
  return entity(context, { value });
}

function entity(context: Context, body: JsonObject, status: 200 | 201 = 200): Response {
  const shown = isJsonObject(body) ? body : {};
  return context.json(
    { "@odata.context": `${originOf(context)}/v1.0/$metadata`, ...shown } as object,
    status,
  );
}

function refused(context: Context, problem: Problem): Response {
  return context.json(
    { error: bodyOfProblem(problem) } as object,
    STATUSES[problem.code] ?? statusOfProblem(problem.code),
  );
}

const STATUSES: Readonly<Record<string, 400 | 403 | 404>> = {
  Authorization_RequestDenied: 403,
  Request_BadRequest: 400,
  Request_MultipleObjectsWithSameKeyValue: 400,
  Request_ResourceNotFound: 404,
  Request_UnsupportedQuery: 400,
};

const NOT_ALLOWED: Problem = {
  code: "Authorization_RequestDenied",
  what: "Insufficient privileges to complete the operation",
  fix: "Ask somebody who may give roles: an Owner or a User Access Administrator of the subscription.",
};

const NOT_DELEGATED: Problem = {
  code: "Request_BadRequest",
  what: "/me request is only valid with delegated authentication flow: a service principal is signed in",
  fix: "Sign in as a user, or ask for the service principal: az ad sp show --id CLIENT_ID.",
};

function notOffered(context: Context): Problem {
  return {
    code: "Request_ResourceNotFound",
    what: `${context.req.method} ${context.req.path} is not offered; there are applications, servicePrincipals and users`,
    fix: "Use one of these.",
  };
}
