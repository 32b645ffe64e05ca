/**
 * Role assignments and locks as they are declared in ARM's words, by a request or by a template.
 */
import { formatResourceId, type ResourceId, typeOf } from "../arm/ids.ts";
import { type JsonObject, propertyAt } from "../arm/json.ts";
import { declined, found, type Result } from "../base/problem.ts";
import { type Caller, type Identity, keyOfScope } from "./identity.ts";
import { judgeLinks } from "./linked-access.ts";
import { type Lock, parseLockLevel } from "./locks.ts";
import type { RoleAssignment } from "./role-assignments.ts";
import { roleDefinitionOf } from "./role-definitions.ts";

type Declared = {
  readonly name?: string;
  readonly scope: string;
  readonly scopeKey: string;
  readonly body: JsonObject;
};

const GUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i;

/** @param by object id of who declares it */
export function readAssignment(
  { body, by, name = "", scope, scopeKey }: Declared & { readonly by: string },
  { directory }: Pick<Identity, "directory">,
): Result<Omit<RoleAssignment, "createdAt">> {
  const text = (word: string) => {
    const value = propertyAt(body, "properties", word);
    return typeof value === "string" ? value : undefined;
  };
  if (!GUID.test(name))
    return declined({
      code: "InvalidRoleAssignmentId",
      what: `The role assignment ID '${name}' is not valid. The role assignment ID must be a GUID`,
      fix: "Choose one; in a template, guid(...) makes it of names.",
    });
  const role = roleDefinitionOf(text("roleDefinitionId") ?? "");
  if (role === undefined)
    return declined({
      code: "RoleDefinitionDoesNotExist",
      what: `The specified role definition with ID '${text("roleDefinitionId") ?? ""}' does not exist`,
      fix: "Use one of the built-in roles: az role definition list -o table.",
    });
  const principal = directory.principal(text("principalId") ?? "");
  if (principal === undefined)
    return declined({
      code: "PrincipalNotFound",
      what: `Principal ${text("principalId") ?? ""} does not exist in the directory`,
      fix: "Use the object id (not the client id) of a principal: az ad sp list --all, az ad user list.",
    });
  const description = text("description");
  return found({
    name,
    scope,
    scopeKey,
    roleDefinition: role.id,
    principalId: principal.objectId,
    principalType: principal.kind,
    createdBy: by,
    ...(description === undefined ? {} : { description }),
  });
}

export function readLock({ body, name = "", scope, scopeKey }: Declared): Result<Lock> {
  const level = parseLockLevel(propertyAt(body, "properties", "level"));
  if (!level.ok) return level;
  const notes = propertyAt(body, "properties", "notes");
  return found({
    name,
    scope,
    scopeKey,
    level: level.value,
    ...(typeof notes === "string" ? { notes } : {}),
  });
}

/** What deployments ask of this room: their steps are done in the name of their caller. */
export function accessOf(identity: Identity) {
  return {
    judge: identity.judge,
    judgeLinks: (write: Parameters<typeof judgeLinks>[1]) => judgeLinks(identity, write),
    declare: (of: Parameters<typeof declareAccess>[1]) => declareAccess(identity, of),
  };
}

/** Carries out what a template declares; undefined: it declares neither roles nor locks. */
function declareAccess(
  identity: Identity,
  {
    body,
    caller,
    id,
  }: { readonly id: ResourceId; readonly body: JsonObject; readonly caller: Caller },
): Result<"done"> | undefined {
  const scope = scopeOf(id);
  const declared = { name: id.names.at(-1) ?? "", scope, scopeKey: keyOfScope(scope), body };
  switch (typeOf(id).toLowerCase()) {
    case "microsoft.authorization/locks": {
      const lock = readLock(declared);
      const put = lock.ok ? identity.locks.put(lock.value) : lock;
      return put.ok ? found("done") : put;
    }
    case "microsoft.authorization/roleassignments": {
      const wanted = readAssignment({ ...declared, by: caller.objectId }, identity);
      const put = wanted.ok ? identity.roles.put(wanted.value) : wanted;
      return put.ok ? found("done") : put;
    }
    default:
      return undefined;
  }
}

/** What an extension resource stands on. */
function scopeOf(id: ResourceId): string {
  if (id.extends !== undefined) return formatResourceId(id.extends);
  const group = id.resourceGroup === undefined ? "" : `/resourceGroups/${id.resourceGroup}`;
  return id.subscription === undefined ? "/" : `/subscriptions/${id.subscription}${group}`;
}
