/**
 * Long-running operations: begun with a write, finished when the world is as that write wants.
 *
 * Documents, so that they outlive the control plane. How far the world has come is told by the
 * loop; nothing here looks at it, and nothing here speaks HTTP.
 */
import { randomUUID } from "node:crypto";

import { found, type Problem, type Result } from "../base/problem.ts";
import { recordEnd } from "../identity/activity.ts";
import type { Reading, Store, Transaction } from "../store/store.ts";
import type { ControlEvent } from "./control-plane.ts";

export type Operation = {
  readonly id: string;
  readonly kind: OperationKind;
  /** Resource id it is about, and its key. */
  readonly target: string;
  readonly targetKey: string;
  readonly state: "InProgress" | "Succeeded" | "Failed" | "Canceled";
  readonly error?: Problem;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly finishedAt?: number;
  /** The wanted generation that must be in force before it is done. */
  readonly generation: number;
};

export type OperationKind = "write" | "delete" | "action" | "content" | "deployment";

/** How far the world is with one target. `reached` for a target that is wanted gone: it is gone. */
export type TargetStatus = {
  readonly state: "pending" | "reached" | "failed";
  readonly problem?: Problem;
};

export type Operations = {
  readonly get: (id: string) => Operation | undefined;
  /** Resolves with the operation when it is finished, or as it is when time is up. */
  readonly wait: (
    id: string,
    timeoutMs: number,
    signal?: AbortSignal,
  ) => Promise<Operation | undefined>;
  /** Begins one that is finished by a call of `finish`, not by the world. */
  readonly begin: (of: Pick<Operation, "kind" | "target" | "targetKey">) => Result<Operation>;
  readonly finish: (id: string, problem: Problem | undefined) => Result<"finished">;
};

const OPERATION = "operation";
/** Ids of unfinished operations, so that nobody has to look through the finished ones. */
const OPEN = "open-operation";
/** Finished operations are kept this long; no client polls for longer. */
const KEPT_MS = 24 * 60 * 60 * 1000;

/** Kinds that the loop finishes. The others end with the work that began them. */
const BY_WORLD: readonly OperationKind[] = ["write", "delete"];

export function openOperations(options: {
  readonly store: Store;
  readonly now: () => number;
}): Operations {
  const { store, now } = options;
  return {
    get: (id) => readOperation(store, id),
    wait: async (id, timeoutMs, signal) => {
      const deadline = now() + timeoutMs;
      for (;;) {
        const seen = store.events.newest();
        const operation = readOperation(store, id);
        const left = deadline - now();
        if (operation?.state !== "InProgress" || left <= 0 || signal?.aborted) return operation;
        await store.events.waitAfter(seen, left, signal);
        if (store.events.newest() === seen) return readOperation(store, id);
      }
    },
    begin: (of) =>
      store.transaction((transaction) =>
        found(beginOperation(transaction, { ...of, generation: 0 }, now())),
      ),
    finish: (id, problem) =>
      store.transaction((transaction) => {
        finishOperation(transaction, id, problem, now());
        return found("finished");
      }),
  };
}

export function readOperation(reading: Reading, id: string): Operation | undefined {
  return reading.get<Operation>(OPERATION, id)?.value;
}

export function beginOperation(
  transaction: Transaction,
  of: Pick<Operation, "kind" | "target" | "targetKey" | "generation">,
  now: number,
): Operation {
  const operation: Operation = { ...of, id: randomUUID(), state: "InProgress", createdAt: now };
  transaction.put(OPERATION, operation.id, operation);
  transaction.put(OPEN, operation.id, true);
  return operation;
}

/** Ends an operation that is still in progress; a finished one stays as it is. */
export function finishOperation(
  transaction: Transaction,
  id: string,
  problem: Problem | undefined,
  now: number,
): void {
  const operation = readOperation(transaction, id);
  if (operation?.state !== "InProgress") return;
  transaction.remove(OPEN, id);
  transaction.put(OPERATION, id, {
    ...operation,
    state: endStateOf(problem),
    finishedAt: now,
    ...(problem === undefined ? {} : { error: problem }),
  } satisfies Operation);
  recordEnd(transaction, id, { time: now, problem });
  transaction.append({
    level: problem === undefined ? "info" : "error",
    code: problem === undefined ? "OperationSucceeded" : "OperationFailed",
    subject: operation.target,
    message: problem === undefined ? `${operation.kind} is done` : problem.what,
    operation: id,
    ...(problem === undefined ? {} : { problem }),
  } satisfies ControlEvent);
}

/** The problem of an operation that was ended by its user. */
export const CANCELED = "OperationCanceled";

function endStateOf(problem: Problem | undefined): Operation["state"] {
  if (problem === undefined) return "Succeeded";
  return problem.code === CANCELED ? "Canceled" : "Failed";
}

/**
 * Finishes every operation whose target has reached, or cannot reach, what its write wanted.
 * Called by the loop after each turn; writes nothing when there is nothing to finish.
 *
 * @returns how many it finished
 */
export function settleOperations(
  store: Store,
  statusOf: (targetKey: string, generation: number) => TargetStatus,
  now: number = Date.now(),
): number {
  const ended = openOperationsIn(store)
    .filter(({ kind }) => BY_WORLD.includes(kind))
    .map((operation) => ({
      id: operation.id,
      status: statusOf(operation.targetKey, operation.generation),
    }))
    .filter(({ status }) => status.state !== "pending");
  if (ended.length === 0) return 0;
  const settled = store.transaction((transaction) => {
    for (const { id, status } of ended) finishOperation(transaction, id, failureOf(status), now);
    return found(ended.length);
  });
  return settled.ok ? settled.value : 0;
}

function failureOf(status: TargetStatus): Problem | undefined {
  if (status.state !== "failed") return undefined;
  return (
    status.problem ?? {
      code: "OperationFailed",
      what: "the world did not come to be as wanted",
      fix: "Look at `ase events` for what happened, then write the resource again.",
    }
  );
}

/** Every operation in progress, in no particular order. */
export function openOperationsIn(reading: Reading): readonly Operation[] {
  return reading.list<boolean>(OPEN, "").flatMap(({ key }) => readOperation(reading, key) ?? []);
}

/** At a start: ends what the work of an earlier control plane left behind, forgets what is old. */
export function tidyOperations(store: Store, now: number): void {
  const old = store
    .list<Operation>(OPERATION, "")
    .filter(({ value }) => value.finishedAt !== undefined && value.finishedAt + KEPT_MS < now);
  const orphans = openOperationsIn(store).filter(
    ({ kind }) => kind === "content" || kind === "action",
  );
  if (old.length === 0 && orphans.length === 0) return;
  store.transaction((transaction) => {
    for (const { key } of old) transaction.remove(OPERATION, key);
    for (const { id } of orphans) finishOperation(transaction, id, INTERRUPTED, now);
    return found("tidy");
  });
}

const INTERRUPTED: Problem = {
  code: "OperationInterrupted",
  what: "the control plane was started anew before this was done",
  fix: "Send the request again.",
};
