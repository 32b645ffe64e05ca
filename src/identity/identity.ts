/**
 * Who people and programs are and what they may do: the parts of this room, joined.
 *
 * The one question of a request is `judge`: may this caller do that there, and does no lock hold
 * it up. Over HTTP it is asked in api/access.ts, of the steps of a deployment in control/.
 */
import { found, type Problem, type Result } from "../base/problem.ts";
import type { Store } from "../store/store.ts";
import { type Activity, openActivity } from "./activity.ts";
import {
  type Directory,
  openDirectory,
  type Principal,
  type ServicePrincipal,
} from "./directory.ts";
import { openPublishing, type Publishing } from "./publishing.ts";
import { type Locks, openLocks } from "./locks.ts";
import type { Asked } from "./operation-name.ts";
import {
  newAssignmentName,
  openRoleAssignments,
  type RoleAssignments,
} from "./role-assignments.ts";
import { OWNER } from "./role-definitions.ts";
import { openSignIn, type SignIn } from "./sign-in.ts";
import { openTokens, type Tokens } from "./tokens.ts";
import type { TokenKeys } from "./token-keys.ts";

export type Identity = {
  readonly directory: Directory;
  readonly roles: RoleAssignments;
  readonly locks: Locks;
  readonly activity: Activity;
  readonly signIn: SignIn;
  readonly tokens: Tokens;
  readonly publishing: Publishing;
  readonly judge: (caller: Caller, asked: Asked) => Problem | undefined;
};

/** Who asks, as others are told. */
export type Caller = {
  readonly objectId: string;
  readonly kind: Principal["kind"];
  /** Client id of a service principal, name of a user. */
  readonly name: string;
};

export type IdentityOptions = {
  readonly store: Store;
  readonly keys: TokenKeys;
  readonly tenantId: string;
  readonly now: () => number;
  readonly onDefect: (thrown: unknown) => void;
};

export function openIdentity(options: IdentityOptions): Identity {
  const { keys, now, onDefect, store, tenantId } = options;
  const directory = openDirectory({ store, now });
  const roles = openRoleAssignments({ store, now });
  const locks = openLocks(store);
  return {
    directory,
    roles,
    locks,
    activity: openActivity({ store, now, onDefect }),
    signIn: openSignIn({ directory, store, now }),
    publishing: openPublishing(store),
    tokens: openTokens({ keys, tenantId, now }),
    judge: (caller, asked) => {
      const scopeKey = keyOfScope(asked.scope);
      if (!roles.permits(caller.objectId, asked.action, scopeKey))
        return notAuthorized(caller, asked);
      // Locks and roles themselves can be changed under a lock: how else would it be removed?
      const isAboutAccess = /^microsoft\.authorization\//i.test(asked.action);
      if (asked.kind === "read" || isAboutAccess) return undefined;
      return locks.judge(asked.kind, asked.scope);
    },
  };
}

export function callerOf(principal: Principal): Caller {
  const { kind, objectId } = principal;
  return { objectId, kind, name: kind === "User" ? principal.userPrincipalName : principal.appId };
}

/** Lower case; empty for everywhere. */
export function keyOfScope(scope: string): string {
  return scope.replace(/\/+$/, "").toLowerCase();
}

/** The identity of this machine's command line, an owner of the subscription at every start. */
export function ensureLocalCaller(identity: Identity, subscriptionId: string): Result<Caller> {
  const known = identity.directory
    .principals()
    .find((one) => one.kind === "ServicePrincipal" && one.managedBy === LOCAL);
  const principal =
    known === undefined
      ? addServicePrincipal(identity, { displayName: LOCAL_NAME, managedBy: LOCAL })
      : found(known);
  if (!principal.ok) return principal;
  const owner = ensureOwner(identity, principal.value, subscriptionId);
  return owner.ok ? found(callerOf(principal.value)) : owner;
}

const LOCAL = "command line";
const LOCAL_NAME = "ase command line";
const OWNER_NAME = "owner";

export type FirstOwner = { readonly clientId: string; readonly secret: string };

/** Made with the first start; undefined when somebody besides the command line is known. */
export async function makeFirstOwner(
  identity: Identity,
  subscriptionId: string,
): Promise<Result<FirstOwner | undefined>> {
  const others = identity.directory
    .principals()
    .filter((one) => one.kind === "User" || one.managedBy === undefined);
  if (0 < others.length) return found(undefined);
  const principal = addServicePrincipal(identity, { displayName: OWNER_NAME });
  if (!principal.ok) return principal;
  const application = identity.directory.application(principal.value.appId);
  const added = await identity.directory.addSecret(
    application?.objectId ?? principal.value.objectId,
    { displayName: "first start" },
  );
  if (!added.ok) return added;
  const owner = ensureOwner(identity, principal.value, subscriptionId);
  if (!owner.ok) return owner;
  return found({ clientId: principal.value.appId, secret: added.value.secret });
}

function addServicePrincipal(
  { directory }: Identity,
  of: { readonly displayName: string; readonly managedBy?: string },
): Result<ServicePrincipal> {
  const application = directory.addApplication(of);
  if (!application.ok) return application;
  return directory.addServicePrincipal({ appId: application.value.appId, ...of });
}

function ensureOwner(
  { roles }: Identity,
  { kind, objectId }: Principal,
  subscriptionId: string,
): Result<"owner"> {
  const scope = `/subscriptions/${subscriptionId}`;
  const scopeKey = keyOfScope(scope);
  if (roles.permits(objectId, "Microsoft.Authorization/roleAssignments/write", scopeKey))
    return found("owner");
  const put = roles.put({
    name: newAssignmentName(),
    scope,
    scopeKey,
    roleDefinition: OWNER.id,
    principalId: objectId,
    principalType: kind,
    createdBy: objectId,
  });
  return put.ok ? found("owner") : put;
}

function notAuthorized({ kind, name, objectId }: Caller, { action, scope }: Asked): Problem {
  const who = kind === "User" ? "user" : "client";
  return {
    code: "AuthorizationFailed",
    what: `The ${who} '${name}' with object id '${objectId}' does not have authorization to perform action '${action}' over scope '${scope}' or the scope is invalid. If access was recently granted, please refresh your credentials`,
    fix: `An owner may grant it: az role assignment create --assignee-object-id ${objectId} --assignee-principal-type ${kind} --role ROLE --scope ${scope}.`,
    where: scope,
  };
}
