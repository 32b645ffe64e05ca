/**
 * The directory of an installation: applications, service principals and users.
 *
 * Documents and their reading only. What a principal may do is role-assignments.ts; how it proves
 * who it is, sign-in.ts. The words are those of Microsoft Graph, which clients speak to it.
 */
import { randomUUID } from "node:crypto";

import { declined, found, type Problem, type Result } from "../base/problem.ts";
import type { Reading, Store, Transaction } from "../store/store.ts";
import { hashSecret, newSecret, type SecretHash } from "./secrets.ts";

/** What a client signs in as; its service principal is who it then is. */
export type Application = {
  readonly objectId: string;
  /** The client id. */
  readonly appId: string;
  readonly displayName: string;
  readonly secrets: readonly KeptSecret[];
  readonly createdAt: number;
};

export type Principal = ServicePrincipal | User;

export type ServicePrincipal = Common & {
  readonly kind: "ServicePrincipal";
  readonly appId: string;
  readonly secrets: readonly KeptSecret[];
  /** Id of the resource whose identity it is, of a managed one. */
  readonly managedBy?: string;
};

export type User = Common & {
  readonly kind: "User";
  readonly userPrincipalName: string;
  readonly password: SecretHash;
};

type Common = {
  readonly objectId: string;
  readonly displayName: string;
  readonly enabled: boolean;
  readonly createdAt: number;
};

export type KeptSecret = {
  readonly keyId: string;
  readonly displayName: string | undefined;
  /** The first letters, by which people tell secrets apart. */
  readonly hint: string;
  readonly hash: SecretHash;
  readonly startsAt: number;
  readonly endsAt: number;
};

const APPLICATION = "application";
const PRINCIPAL = "principal";
const MS_PER_DAY = 24 * 60 * 60 * 1000;
/** Azure's default for secrets made by its command line. */
const USUAL_LIFE_MS = 365 * MS_PER_DAY;

export type Directory = {
  readonly applications: () => readonly Application[];
  readonly principals: () => readonly Principal[];
  readonly application: (objectIdOrAppId: string) => Application | undefined;
  readonly principal: (objectId: string) => Principal | undefined;
  readonly servicePrincipalOf: (appId: string) => ServicePrincipal | undefined;
  readonly user: (objectIdOrName: string) => User | undefined;
  readonly addApplication: (of: { readonly displayName: string }) => Result<Application>;
  /** Of an application there is; declined where it has one. */
  readonly addServicePrincipal: (of: {
    readonly appId: string;
    readonly displayName?: string;
    readonly managedBy?: string;
  }) => Result<ServicePrincipal>;
  readonly addUser: (of: {
    readonly userPrincipalName: string;
    readonly displayName: string;
    readonly password: string;
  }) => Promise<Result<User>>;
  readonly setPassword: (objectId: string, password: string) => Promise<Result<User>>;
  /** The secret itself is answered once and never again. */
  readonly addSecret: (
    objectId: string,
    of: { readonly displayName?: string; readonly endsAt?: number },
  ) => Promise<Result<{ readonly kept: KeptSecret; readonly secret: string }>>;
  readonly removeSecret: (objectId: string, keyId: string) => Result<"removed">;
  readonly rename: (objectId: string, displayName: string) => Result<"renamed">;
  readonly enable: (objectId: string, state: "enabled" | "disabled") => Result<"done">;
  /** An application takes its service principal with it. */
  readonly remove: (objectId: string) => Result<readonly string[]>;
};

export function openDirectory(options: {
  readonly store: Store;
  readonly now: () => number;
}): Directory {
  const { now, store } = options;
  const applications = () => applicationsIn(store);
  const principals = () => principalsIn(store);
  const add = <Value extends { readonly objectId: string }>(kind: string, value: Value) =>
    store.transaction((transaction) => found(transaction.put(kind, value.objectId, value).value));
  const changePrincipal = (objectId: string, change: (before: Principal) => Principal) =>
    store.transaction((transaction) => {
      const before = transaction.get<Principal>(PRINCIPAL, objectId)?.value;
      if (before === undefined) return declined(noSuchObject(objectId));
      return found(transaction.put(PRINCIPAL, objectId, change(before)).value);
    });
  const directory: Directory = {
    applications,
    principals,
    application: (id) =>
      store.get<Application>(APPLICATION, id.toLowerCase())?.value ??
      applications().find(({ appId }) => same(appId, id)),
    principal: (objectId) => store.get<Principal>(PRINCIPAL, objectId.toLowerCase())?.value,
    servicePrincipalOf: (appId) => principals().find(isServicePrincipalOf(appId)),
    user: (id) =>
      principals().find(
        (one): one is User =>
          one.kind === "User" && (same(one.objectId, id) || same(one.userPrincipalName, id)),
      ),
    addApplication: ({ displayName }) =>
      add(APPLICATION, {
        objectId: randomUUID(),
        appId: randomUUID(),
        displayName,
        secrets: [],
        createdAt: now(),
      }),
    addServicePrincipal: ({ appId, displayName, managedBy }) => {
      const application = directory.application(appId);
      if (application === undefined && managedBy === undefined)
        return declined(noSuchObject(appId));
      if (directory.servicePrincipalOf(appId) !== undefined) return declined(conflict(appId));
      return add<ServicePrincipal>(PRINCIPAL, {
        kind: "ServicePrincipal",
        objectId: randomUUID(),
        appId,
        displayName: displayName ?? application?.displayName ?? appId,
        enabled: true,
        secrets: [],
        createdAt: now(),
        ...(managedBy === undefined ? {} : { managedBy }),
      });
    },
    addUser: async ({ displayName, password, userPrincipalName }) => {
      const weak = judgePassword(password);
      if (weak !== undefined) return declined(weak);
      const hash = await hashSecret(password);
      if (directory.user(userPrincipalName) !== undefined)
        return declined(conflict(userPrincipalName));
      return add<User>(PRINCIPAL, {
        kind: "User",
        objectId: randomUUID(),
        userPrincipalName,
        displayName,
        enabled: true,
        password: hash,
        createdAt: now(),
      });
    },
    setPassword: async (objectId, password) => {
      const weak = judgePassword(password);
      if (weak !== undefined) return declined(weak);
      const hash = await hashSecret(password);
      const changed = changePrincipal(objectId, (one) =>
        one.kind === "User" ? { ...one, password: hash } : one,
      );
      return changed as Result<User>;
    },
    addSecret: async (objectId, of) => {
      const secret = newSecret();
      const kept: KeptSecret = {
        keyId: randomUUID(),
        displayName: of.displayName,
        hint: secret.slice(0, 3),
        hash: await hashSecret(secret),
        startsAt: now(),
        endsAt: of.endsAt ?? now() + USUAL_LIFE_MS,
      };
      const changed = changeSecrets(store, objectId, (secrets) => [...secrets, kept]);
      return changed.ok ? found({ kept, secret }) : changed;
    },
    removeSecret: (objectId, keyId) => {
      const changed = changeSecrets(store, objectId, (secrets) =>
        secrets.filter((one) => one.keyId !== keyId),
      );
      return changed.ok ? found("removed") : changed;
    },
    rename: (objectId, displayName) => {
      const changed = store.transaction((transaction) => {
        const application = transaction.get<Application>(APPLICATION, objectId)?.value;
        if (application === undefined) return found(false);
        transaction.put(APPLICATION, objectId, { ...application, displayName });
        return found(true);
      });
      if (!changed.ok) return changed;
      if (changed.value) return found("renamed");
      const renamed = changePrincipal(objectId, (one) => ({ ...one, displayName }));
      return renamed.ok ? found("renamed") : renamed;
    },
    enable: (objectId, state) => {
      const changed = changePrincipal(objectId, (one) => ({
        ...one,
        enabled: state === "enabled",
      }));
      return changed.ok ? found("done") : changed;
    },
    remove: (objectId) => store.transaction((transaction) => removeObject(transaction, objectId)),
  };
  return directory;
}

function isServicePrincipalOf(appId: string) {
  return (one: Principal): one is ServicePrincipal =>
    one.kind === "ServicePrincipal" && same(one.appId, appId);
}

function removeObject(transaction: Transaction, objectId: string): Result<readonly string[]> {
  const application = transaction.get<Application>(APPLICATION, objectId)?.value;
  const gone =
    application === undefined
      ? [objectId]
      : principalsIn(transaction)
          .filter(isServicePrincipalOf(application.appId))
          .map((one) => one.objectId);
  const removed = gone.filter((one) => transaction.remove(PRINCIPAL, one));
  if (application !== undefined) transaction.remove(APPLICATION, objectId);
  else if (removed.length === 0) return declined(noSuchObject(objectId));
  return found(removed);
}

function changeSecrets(
  store: Store,
  objectId: string,
  change: (secrets: readonly KeptSecret[]) => readonly KeptSecret[],
): Result<"changed"> {
  return store.transaction((transaction) => {
    for (const kind of [APPLICATION, PRINCIPAL]) {
      const before = transaction.get<Application | Principal>(kind, objectId)?.value;
      if (before === undefined || !("secrets" in before)) continue;
      transaction.put(kind, objectId, { ...before, secrets: change(before.secrets) });
      return found("changed");
    }
    return declined(noSuchObject(objectId));
  });
}

function applicationsIn(reading: Reading): readonly Application[] {
  return reading.list<Application>(APPLICATION, "").map(({ value }) => value);
}

function principalsIn(reading: Reading): readonly Principal[] {
  return reading.list<Principal>(PRINCIPAL, "").map(({ value }) => value);
}

const SHORTEST_PASSWORD = 8;

function judgePassword(password: string): Problem | undefined {
  if (SHORTEST_PASSWORD <= password.length && password.length <= 256) return undefined;
  return {
    code: "PasswordTooShort",
    what: `the password has ${password.length} characters`,
    fix: `Choose one of ${SHORTEST_PASSWORD} to 256 characters.`,
  };
}

export function noSuchObject(id: string): Problem {
  return {
    code: "Request_ResourceNotFound",
    what: `Resource '${id}' does not exist or one of its queried reference-property objects are not present`,
    fix: "Look at the directory: az ad sp list --all, az ad app list --all, az ad user list.",
  };
}

function conflict(name: string): Problem {
  return {
    code: "Request_MultipleObjectsWithSameKeyValue",
    what: `an object named ${name} is in use already`,
    fix: "Choose another name, or use the object there is.",
  };
}

function same(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}
