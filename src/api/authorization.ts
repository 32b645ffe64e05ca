/**
 * Microsoft.Authorization: role definitions, role assignments, permissions and locks, at the
 * subscription, at groups and at resources.
 *
 * These stand on other resources, at any depth, so the path is taken apart here.
 */
import { type Context, Hono, type Next } from "hono";

import { keyOf, parseResourceId } from "../arm/ids.ts";
import type { JsonObject } from "../arm/json.ts";
import type { Problem } from "../base/problem.ts";
import { groupNotFound, notFound, subscriptionNotFound } from "../control/arm-writes.ts";
import type { ControlPlane } from "../control/control-plane.ts";
import { readAssignment, readLock } from "../identity/declarations.ts";
import { type Identity, keyOfScope } from "../identity/identity.ts";
import type { Lock } from "../identity/locks.ts";
import { covers, type RoleAssignment } from "../identity/role-assignments.ts";
import {
  ROLE_DEFINITIONS,
  type RoleDefinition,
  roleDefinitionOf,
} from "../identity/role-definitions.ts";
import { callerIn } from "./access.ts";
import { answer, page, refuse, sent } from "./answer.ts";
import { bodyOf, decodedSegments, query } from "./request.ts";

type Part = {
  readonly scope: string;
  readonly scopeKey: string;
  /** Absent: the collection. */
  readonly name?: string;
};

type Answerer = (context: Context, part: Part) => Response | Promise<Response>;
type Methods = Readonly<Partial<Record<string, Answerer>>>;

export function authorizationRoutes(plane: ControlPlane, identity: Identity): Hono {
  const collections: Readonly<Record<string, { readonly all: Methods; readonly one: Methods }>> = {
    roledefinitions: roleDefinitions(plane),
    roleassignments: roleAssignments(plane, identity),
    permissions: permissions(identity),
    locks: locks(identity),
    // None of these exist here; az asks for them all the same.
    denyassignments: { all: { GET: (context) => page(context, []) }, one: {} },
    classicadministrators: { all: { GET: (context) => page(context, []) }, one: {} },
  };
  return new Hono().use("*", async (context: Context, next: Next) => {
    const segments = decodedSegments(context);
    const mark = segments.ok ? markIn(segments.value) : -1;
    if (!segments.ok || mark === -1) return next();
    const [word = "", name, ...more] = segments.value.slice(mark + 2);
    const collection = collections[word.toLowerCase()];
    const method = context.req.method === "HEAD" ? "GET" : context.req.method;
    const answerer = (name === undefined ? collection?.all : collection?.one)?.[method];
    if (answerer === undefined || 0 < more.length) return next();
    const scope = `/${segments.value.slice(0, mark).join("/")}`;
    const missing = missingScope(plane, scope);
    if (missing !== undefined) return refuse(context, missing);
    const part = { scope, scopeKey: keyOfScope(scope), ...(name === undefined ? {} : { name }) };
    return answerer(context, part);
  });
}

function markIn(segments: readonly string[]): number {
  const mark = segments.findLastIndex((segment) => segment.toLowerCase() === "providers");
  return segments[mark + 1]?.toLowerCase() === "microsoft.authorization" ? mark : -1;
}

function missingScope(plane: ControlPlane, scope: string): Problem | undefined {
  if (scope === "/") return undefined;
  const id = parseResourceId(scope);
  if (!id.ok) return id.problem;
  const { resourceGroup, subscription = "" } = id.value;
  if (subscription.toLowerCase() !== plane.account.subscriptionId.toLowerCase())
    return subscriptionNotFound(subscription);
  if (resourceGroup === undefined) return undefined;
  if (plane.resources.get(keyOf(id.value)) !== undefined) return undefined;
  const isGroup = keyOf(id.value).split("/").length === 5;
  return isGroup ? groupNotFound(id.value) : notFound(id.value);
}

function roleDefinitions(plane: ControlPlane): { readonly all: Methods; readonly one: Methods } {
  return {
    all: {
      GET: (context) => {
        const filter = query(context, "$filter") ?? "";
        const name = /roleName\s+eq\s+'([^']*)'/i.exec(filter)?.[1];
        const isCustom = /type\s+eq\s+'CustomRole'/i.test(filter);
        const shown = ROLE_DEFINITIONS.filter(
          (role) => !isCustom && (name === undefined || same(role.roleName, name)),
        );
        return page(
          context,
          shown.map((role) => renderRole(role, plane)),
        );
      },
    },
    one: {
      GET: (context, { name = "", scope }) => {
        const role = roleDefinitionOf(name);
        if (role !== undefined) return sent(context, renderRole(role, plane));
        return refuse(context, {
          code: "RoleDefinitionDoesNotExist",
          what: `The specified role definition with ID '${name}' does not exist`,
          fix: "Use one of the built-in roles: az role definition list -o table.",
          where: scope,
        });
      },
      PUT: (context) => refuse(context, NO_CUSTOM_ROLES),
      DELETE: (context) => refuse(context, NO_CUSTOM_ROLES),
    },
  };
}

const NO_CUSTOM_ROLES: Problem = {
  code: "CustomRolesNotSupported",
  what: "roles of one's own are not offered; the built-in ones cannot be changed",
  fix: `Use one of ${ROLE_DEFINITIONS.map(({ roleName }) => roleName).join(", ")}.`,
};

function renderRole(role: RoleDefinition, plane: ControlPlane): JsonObject {
  const { actions, description, id, notActions, roleName } = role;
  return {
    id: roleDefinitionId(plane, id),
    type: "Microsoft.Authorization/roleDefinitions",
    name: id,
    properties: {
      roleName,
      type: "BuiltInRole",
      description,
      assignableScopes: ["/"],
      permissions: [{ actions, notActions, dataActions: [], notDataActions: [] }],
    },
  };
}

function roleAssignments(plane: ControlPlane, identity: Identity) {
  const { roles } = identity;
  const render = (one: RoleAssignment) => renderAssignment(one, plane);
  return {
    all: {
      GET: (context: Context, { scopeKey }: Part) => {
        const filter = query(context, "$filter") ?? "";
        const principal = /(?:principalId\s+eq\s+|assignedTo\()'([^']*)'/i.exec(filter)?.[1];
        const isAtScope = /atScope\(\)/i.test(filter);
        const listed = roles
          .all()
          .filter(
            (one) =>
              (covers(one.scopeKey, scopeKey) || (!isAtScope && covers(scopeKey, one.scopeKey))) &&
              (principal === undefined || same(one.principalId, principal)),
          );
        return page(context, listed.map(render));
      },
    },
    one: {
      GET: (context: Context, { name = "", scopeKey }: Part) => {
        const one = roles.get(scopeKey, name);
        return one === undefined
          ? refuse(context, noSuchAssignment(name))
          : sent(context, render(one));
      },
      PUT: async (context: Context, part: Part) => {
        const body = await bodyOf(context);
        if (!body.ok) return refuse(context, body.problem);
        const { objectId } = callerIn(context);
        const wanted = readAssignment({ ...part, body: body.value, by: objectId }, identity);
        if (!wanted.ok) return refuse(context, wanted.problem);
        return answer(context, roles.put(wanted.value), (one) => sent(context, render(one), 201));
      },
      DELETE: (context: Context, { name = "", scopeKey }: Part) =>
        answer(context, roles.remove(scopeKey, name), (removed) =>
          removed === undefined ? context.body(null, 204) : sent(context, render(removed)),
        ),
    },
  };
}

/** Clients join assignments with definitions by this text. */
function roleDefinitionId({ account }: ControlPlane, id: string): string {
  return `/subscriptions/${account.subscriptionId}/providers/Microsoft.Authorization/roleDefinitions/${id}`;
}

function renderAssignment(one: RoleAssignment, plane: ControlPlane): JsonObject {
  const bare = one.scope === "/" ? "" : one.scope;
  const at = new Date(one.createdAt).toISOString();
  return {
    id: `${bare}/providers/Microsoft.Authorization/roleAssignments/${one.name}`,
    type: "Microsoft.Authorization/roleAssignments",
    name: one.name,
    properties: {
      roleDefinitionId: roleDefinitionId(plane, one.roleDefinition),
      principalId: one.principalId,
      principalType: one.principalType,
      scope: one.scope,
      condition: null,
      conditionVersion: null,
      createdOn: at,
      updatedOn: at,
      createdBy: one.createdBy,
      updatedBy: one.createdBy,
      delegatedManagedIdentityResourceId: null,
      description: one.description ?? null,
    },
  };
}

function noSuchAssignment(name: string): Problem {
  return {
    code: "RoleAssignmentNotFound",
    what: `The role assignment '${name}' is not found`,
    fix: "List them: az role assignment list --all -o table.",
  };
}

function permissions({ roles }: Identity): { readonly all: Methods; readonly one: Methods } {
  return {
    all: {
      GET: (context, { scopeKey }) => {
        const { objectId } = callerIn(context);
        const held = roles
          .all()
          .filter((one) => one.principalId === objectId && covers(one.scopeKey, scopeKey))
          .flatMap((one) => roleDefinitionOf(one.roleDefinition) ?? []);
        return page(
          context,
          held.map(({ actions, notActions }) => ({ actions, notActions })),
        );
      },
    },
    one: {},
  };
}

function locks({ locks: kept }: Identity): { readonly all: Methods; readonly one: Methods } {
  return {
    all: {
      GET: (context, { scopeKey }) => {
        const isAtScope = /atScope\(\)/i.test(query(context, "$filter") ?? "");
        const listed = kept
          .all()
          .filter(
            (lock) =>
              (isAtScope && covers(lock.scopeKey, scopeKey)) ||
              (!isAtScope && covers(scopeKey, lock.scopeKey)),
          );
        return page(context, listed.map(renderLock));
      },
    },
    one: {
      GET: (context, { name = "", scope, scopeKey }) => {
        const lock = kept.get(scopeKey, name);
        if (lock !== undefined) return sent(context, renderLock(lock));
        return refuse(context, {
          code: "LockNotFound",
          what: `The lock '${name}' could not be found at ${scope}`,
          fix: "List them: az lock list -o table.",
        });
      },
      PUT: async (context, { name = "", scope, scopeKey }) => {
        const body = await bodyOf(context);
        if (!body.ok) return refuse(context, body.problem);
        const lock = readLock({ name, scope, scopeKey, body: body.value });
        if (!lock.ok) return refuse(context, lock.problem);
        return answer(context, kept.put(lock.value), ({ created }) =>
          sent(context, renderLock(lock.value), created ? 201 : 200),
        );
      },
      DELETE: (context, { name = "", scopeKey }) =>
        answer(context, kept.remove(scopeKey, name), (removed) =>
          context.body(null, removed ? 200 : 204),
        ),
    },
  };
}

function renderLock({ level, name, notes, scope }: Lock): JsonObject {
  return {
    id: `${scope}/providers/Microsoft.Authorization/locks/${name}`,
    type: "Microsoft.Authorization/locks",
    name,
    properties: { level, ...(notes === undefined ? {} : { notes }) },
  };
}

function same(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}
