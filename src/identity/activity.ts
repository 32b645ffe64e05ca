/**
 * The activity log: who changed what, when, from where and with what outcome.
 *
 * Documents in the order of time, kept for 90 days. Entries that come together are written
 * together; an entry is on disk when its promise resolves.
 */
import { randomUUID } from "node:crypto";

import { found, type Problem } from "../base/problem.ts";
import type { Reading, Store, Transaction } from "../store/store.ts";

export type ActivityEntry = {
  readonly id: string;
  /** Milliseconds since 1970. */
  readonly time: number;
  /** Object id, and the name people know. */
  readonly caller: { readonly objectId: string; readonly name: string };
  /** `Microsoft.Web/sites/write`. */
  readonly action: string;
  readonly scope: string;
  readonly method: string;
  readonly path: string;
  /** HTTP status of the answer. */
  readonly httpStatus: number;
  readonly status: "Accepted" | "Succeeded" | "Failed";
  readonly correlationId: string;
  readonly clientAddress?: string;
  /** Code and message of a refusal. */
  readonly error?: { readonly code: string; readonly message: string };
  /** The operation whose end is told by a later entry. */
  readonly operation?: string;
};

export type Activity = {
  readonly record: (entry: Omit<ActivityEntry, "id">) => Promise<void>;
  /** Newest first. */
  readonly between: (fromMs: number, toMs: number) => readonly ActivityEntry[];
};

const ENTRY = "activity";
const PENDING = "activity-pending";
const MS_PER_DAY = 24 * 60 * 60 * 1000;
const KEPT_DAYS = 90;

export function openActivity(options: {
  readonly store: Store;
  readonly now: () => number;
  readonly onDefect: (thrown: unknown) => void;
}): Activity {
  const { now, onDefect, store } = options;
  let waiting: ActivityEntry[] = [];
  let writing: Promise<void> | undefined;
  let tidiedOn = "";
  const write = async () => {
    // Whatever else arrives in this turn of the event loop is written in the same transaction.
    await new Promise(setImmediate);
    const entries = waiting;
    waiting = [];
    writing = undefined;
    const written = store.transaction((transaction) => {
      for (const entry of entries) append(transaction, entry);
      const today = dayOf(now());
      if (tidiedOn !== today) forgetOld(transaction, now());
      tidiedOn = today;
      return found("written");
    });
    if (!written.ok) onDefect(new Error(written.problem.what));
  };
  return {
    record: (entry) => {
      waiting.push({ ...entry, id: randomUUID() });
      return (writing ??= write().catch(onDefect));
    },
    between: (fromMs, toMs) =>
      daysBetween(Math.max(fromMs, now() - KEPT_DAYS * MS_PER_DAY), Math.min(toMs, now()))
        .flatMap((day) => store.list<ActivityEntry>(ENTRY, day).map(({ value }) => value))
        .filter(({ time }) => fromMs <= time && time <= toMs)
        .toReversed(),
  };
}

/** Tells the end of an operation that an entry awaits; part of the transaction that ends it. */
export function recordEnd(
  transaction: Transaction,
  operation: string,
  end: { readonly time: number; readonly problem: Problem | undefined },
): void {
  const pending = transaction.get<ActivityEntry>(PENDING, operation)?.value;
  if (pending === undefined) return;
  transaction.remove(PENDING, operation);
  const { problem, time } = end;
  const entry: ActivityEntry = {
    ...pending,
    id: randomUUID(),
    time,
    httpStatus: 200,
    status: problem === undefined ? "Succeeded" : "Failed",
    ...(problem === undefined ? {} : { error: { code: problem.code, message: problem.what } }),
  };
  transaction.put(ENTRY, keyOf(entry), entry);
}

function append(transaction: Transaction, entry: ActivityEntry): void {
  transaction.put(ENTRY, keyOf(entry), entry);
  if (entry.status === "Accepted" && entry.operation !== undefined)
    transaction.put(PENDING, entry.operation, entry);
}

function forgetOld(transaction: Transaction, now: number): void {
  const oldest = dayOf(now - KEPT_DAYS * MS_PER_DAY);
  for (const { key } of (transaction as Reading).list(ENTRY, ""))
    if (key < oldest) transaction.remove(ENTRY, key);
}

/** Sorted by time: the time in ISO form, then the id. */
function keyOf({ id, time }: ActivityEntry): string {
  return `${new Date(time).toISOString()} ${id}`;
}

function dayOf(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}

function daysBetween(fromMs: number, toMs: number): readonly string[] {
  const days: string[] = [];
  for (let day = Math.floor(fromMs / MS_PER_DAY); day * MS_PER_DAY <= toMs; day += 1)
    days.push(dayOf(day * MS_PER_DAY));
  return days;
}
