/**
 * Management locks: CanNotDelete and ReadOnly at any scope, which hold for all below it.
 *
 * Deleting something is held up by a lock above it, on it and below it: it would go too.
 */
import { declined, found, type Problem, type Result } from "../base/problem.ts";
import type { Store } from "../store/store.ts";
import { covers } from "./role-assignments.ts";

export type Lock = {
  readonly name: string;
  /** As it was written. */
  readonly scope: string;
  readonly scopeKey: string;
  readonly level: "CanNotDelete" | "ReadOnly";
  readonly notes?: string;
};

export type Locks = {
  readonly all: () => readonly Lock[];
  readonly get: (scopeKey: string, name: string) => Lock | undefined;
  readonly put: (lock: Lock) => Result<{ readonly lock: Lock; readonly created: boolean }>;
  /** False: there was none. */
  readonly remove: (scopeKey: string, name: string) => Result<boolean>;
  /** The problem of whoever would do that there. */
  readonly judge: (kind: ChangeKind, scope: string) => Problem | undefined;
  /** With what is deleted, locks below it are forgotten. */
  readonly forget: (scopeKey: string) => Result<"forgotten">;
};

/** An action that only reads is none. */
export type ChangeKind = "write" | "delete" | "action";

const LOCK = "lock";

export function openLocks(store: Store): Locks {
  let kept: readonly Lock[] | undefined;
  const all = () => (kept ??= store.list<Lock>(LOCK, "").map(({ value }) => value));
  const keyOf = (scopeKey: string, name: string) => `${scopeKey}|${name.toLowerCase()}`;
  const get = (scopeKey: string, name: string) =>
    store.get<Lock>(LOCK, keyOf(scopeKey, name))?.value;
  return {
    all,
    get,
    put: (lock) => {
      kept = undefined;
      return store.transaction((transaction) => {
        const document = transaction.put(LOCK, keyOf(lock.scopeKey, lock.name), lock);
        return found({ lock, created: document.generation === 1 });
      });
    },
    remove: (scopeKey, name) => {
      kept = undefined;
      return store.transaction((transaction) =>
        found(transaction.remove(LOCK, keyOf(scopeKey, name))),
      );
    },
    judge: (kind, scope) => {
      const key = scope.toLowerCase();
      const holding = all().filter(
        (lock) =>
          (kind === "delete" || lock.level === "ReadOnly") &&
          (covers(lock.scopeKey, key) || (kind === "delete" && covers(key, lock.scopeKey))),
      );
      return holding.length === 0 ? undefined : locked(kind, scope, holding);
    },
    forget: (scopeKey) => {
      const gone = all().filter((lock) => covers(scopeKey, lock.scopeKey));
      if (gone.length === 0) return found("forgotten");
      kept = undefined;
      return store.transaction((transaction) => {
        for (const lock of gone) transaction.remove(LOCK, keyOf(lock.scopeKey, lock.name));
        return found("forgotten");
      });
    },
  };
}

function locked(kind: ChangeKind, scope: string, locks: readonly Lock[]): Problem {
  const scopes = locks.map((lock) => `${lock.scope} (${lock.name}: ${lock.level})`).join(", ");
  const [first] = locks;
  return {
    code: "ScopeLocked",
    what: `The scope '${scope}' cannot perform ${kind} operation because following scope(s) are locked: '${scopes}'`,
    fix: `Please remove the lock and try again: az lock delete --ids ${first?.scope ?? ""}/providers/Microsoft.Authorization/locks/${first?.name ?? ""}.`,
    where: scope,
  };
}

export function parseLockLevel(value: unknown): Result<Lock["level"]> {
  const level = (["CanNotDelete", "ReadOnly"] as const).find(
    (one) => typeof value === "string" && one.toLowerCase() === value.toLowerCase(),
  );
  if (level !== undefined) return found(level);
  return declined({
    code: "InvalidLockLevel",
    what: `the level of a lock is ${typeof value === "string" ? `"${value}"` : "missing"}`,
    fix: "Write properties.level as CanNotDelete or ReadOnly.",
  });
}
