/**
 * Who has which role where, and so: whether somebody may do something somewhere.
 *
 * Scopes are keys of ids (arm/ids.ts); a role holds at its scope and at all below it. Read at every
 * request, so everything is kept in memory; all changes pass through here.
 */
import { randomUUID } from "node:crypto";

import { declined, found, type Problem, type Result } from "../base/problem.ts";
import type { Store } from "../store/store.ts";
import { roleDefinitionOf, roleGrants } from "./role-definitions.ts";

export type RoleAssignment = {
  /** Its name, a GUID. */
  readonly name: string;
  /** As it was written. */
  readonly scope: string;
  /** Lower case; empty for `/`, which is everywhere. */
  readonly scopeKey: string;
  readonly roleDefinition: string;
  readonly principalId: string;
  readonly principalType: "ServicePrincipal" | "User";
  readonly description?: string;
  readonly createdAt: number;
  /** Object id of who gave it. */
  readonly createdBy: string;
};

export type RoleAssignments = {
  readonly all: () => readonly RoleAssignment[];
  readonly get: (scopeKey: string, name: string) => RoleAssignment | undefined;
  readonly put: (of: Omit<RoleAssignment, "createdAt">) => Result<RoleAssignment>;
  /** Undefined: there was none. */
  readonly remove: (scopeKey: string, name: string) => Result<RoleAssignment | undefined>;
  /** Of principals that are gone. */
  readonly forget: (principalIds: readonly string[]) => Result<"forgotten">;
  readonly permits: (principalId: string, action: string, scopeKey: string) => boolean;
  /** Whether a role is held at the scope, above it or below it: then it is not a stranger there. */
  readonly knows: (principalId: string, scopeKey: string) => boolean;
};

const ASSIGNMENT = "role-assignment";

export function openRoleAssignments(options: {
  readonly store: Store;
  readonly now: () => number;
}): RoleAssignments {
  const { now, store } = options;
  let kept: ReadonlyMap<string, readonly RoleAssignment[]> | undefined;
  const all = () => store.list<RoleAssignment>(ASSIGNMENT, "").map(({ value }) => value);
  const heldBy = (principalId: string) => {
    kept ??= Map.groupBy(all(), (one) => one.principalId);
    return kept.get(principalId) ?? [];
  };
  const changed = <Value>(result: Result<Value>): Result<Value> => {
    kept = undefined;
    return result;
  };
  const get = (scopeKey: string, name: string) =>
    store.get<RoleAssignment>(ASSIGNMENT, documentKey(scopeKey, name))?.value;
  return {
    all,
    get,
    put: (of) => {
      const same = heldBy(of.principalId).find(
        (one) => one.scopeKey === of.scopeKey && one.roleDefinition === of.roleDefinition,
      );
      if (same !== undefined && same.name !== of.name) return declined(existsAlready(same));
      const createdAt = get(of.scopeKey, of.name)?.createdAt ?? now();
      return changed(
        store.transaction((transaction) =>
          found(
            transaction.put(ASSIGNMENT, documentKey(of.scopeKey, of.name), { ...of, createdAt })
              .value,
          ),
        ),
      );
    },
    remove: (scopeKey, name) => {
      const before = get(scopeKey, name);
      return changed(
        store.transaction((transaction) => {
          transaction.remove(ASSIGNMENT, documentKey(scopeKey, name));
          return found(before);
        }),
      );
    },
    forget: (principalIds) =>
      changed(
        store.transaction((transaction) => {
          for (const { key, value } of transaction.list<RoleAssignment>(ASSIGNMENT, ""))
            if (principalIds.includes(value.principalId)) transaction.remove(ASSIGNMENT, key);
          return found("forgotten");
        }),
      ),
    permits: (principalId, action, scopeKey) =>
      heldBy(principalId).some(
        (one) => covers(one.scopeKey, scopeKey) && grants(one.roleDefinition, action),
      ),
    knows: (principalId, scopeKey) =>
      heldBy(principalId).some(
        (one) => covers(one.scopeKey, scopeKey) || covers(scopeKey, one.scopeKey),
      ),
  };
}

function documentKey(scopeKey: string, name: string): string {
  return `${scopeKey}|${name.toLowerCase()}`;
}

/** Whether what holds at one scope holds at another. */
export function covers(outer: string, inner: string): boolean {
  return outer === "" || inner === outer || inner.startsWith(`${outer}/`);
}

function grants(roleDefinition: string, action: string): boolean {
  const role = roleDefinitionOf(roleDefinition);
  return role !== undefined && roleGrants(role, action);
}

function existsAlready({ name }: RoleAssignment): Problem {
  return {
    code: "RoleAssignmentExists",
    what: `The role assignment already exists. The ID of the existing role assignment is ${name.replaceAll("-", "")}`,
    fix: "Nothing needs to be done; delete the existing one to give it another name.",
  };
}

/** A name for an assignment that nobody named. */
export function newAssignmentName(): string {
  return randomUUID();
}
