/**
 * A store in memory, for lives by the thousand: it keeps what it is told for as long as the test
 * has it, also over the death of a control plane. It passes the conformance of stores; values are
 * kept as they are given, which is right as long as nobody changes what is read-only.
 */
import { must, type Result } from "../../src/base/problem.ts";
import type { Document, Store, StoredEvent, Transaction } from "../../src/store/store.ts";
import { openWaiters } from "../../src/store/waiters.ts";

type Kind = Map<string, Document>;

/** What is kept: opened by one store after the other. */
export type Memory = { kinds: Map<string, Kind>; events: StoredEvent[] };

export function emptyMemory(): Memory {
  return { kinds: new Map(), events: [] };
}

/** A memory that begins as another is now. */
export function copyOf(memory: Memory): Memory {
  const kinds = [...memory.kinds].map(([kind, all]): [string, Kind] => [kind, new Map(all)]);
  return { kinds: new Map(kinds), events: [...memory.events] };
}

/** @param committing called before a transaction is committed; what it throws undoes it */
export function openMemoryStore(
  memory: Memory,
  now: () => number,
  committing: () => void = () => undefined,
): Store {
  const waiters = openWaiters();
  let isBusy = false;
  const sorted = new Map<string, readonly string[]>();
  const list = (kind: string, prefix: string): readonly Document[] => {
    const all = memory.kinds.get(kind);
    if (all === undefined) return [];
    const keys = sorted.get(kind) ?? [...all.keys()].toSorted(byBytes);
    sorted.set(kind, keys);
    return keys.filter((key) => key.startsWith(prefix)).flatMap((key) => all.get(key) ?? []);
  };
  const reading = {
    get: <Value>(kind: string, key: string) =>
      memory.kinds.get(kind)?.get(key) as Document<Value> | undefined,
    list: <Value>(kind: string, prefix: string) => list(kind, prefix) as readonly Document<Value>[],
  };
  const set = (kind: string, key: string, document: Document | undefined): void => {
    const all = memory.kinds.get(kind) ?? new Map<string, Document>();
    memory.kinds.set(kind, all);
    if (document === undefined || !all.has(key)) sorted.delete(kind);
    if (document === undefined) all.delete(key);
    else all.set(key, document);
  };

  function transaction<Value>(work: (transaction: Transaction) => Result<Value>): Result<Value> {
    must(!isBusy, "transactions are not nested");
    isBusy = true;
    const undo: (() => void)[] = [];
    const eventCount = memory.events.length;
    let isOver = false;
    const change = (kind: string, key: string, document: Document | undefined): void => {
      must(!isOver, "a transaction is not used after its end");
      const before = memory.kinds.get(kind)?.get(key);
      undo.push(() => set(kind, key, before));
      set(kind, key, document);
    };
    let isKept = false;
    try {
      const result = work({
        ...reading,
        put: <Put>(kind: string, key: string, value: Put) => {
          const generation = (reading.get(kind, key)?.generation ?? 0) + 1;
          const document = { kind, key, value, generation };
          change(kind, key, document);
          return document;
        },
        remove: (kind, key) => {
          const wasThere = reading.get(kind, key) !== undefined;
          if (wasThere) change(kind, key, undefined);
          return wasThere;
        },
        append: (event) => {
          must(!isOver, "a transaction is not used after its end");
          const sequence = memory.events.length + 1;
          memory.events.push({ sequence, time: now(), value: event });
          return sequence;
        },
      });
      if (result.ok) committing();
      isKept = result.ok;
      return result;
    } finally {
      if (!isKept) {
        for (const restore of undo.toReversed()) restore();
        memory.events.length = eventCount;
      }
      isOver = true;
      isBusy = false;
      if (isKept && eventCount < memory.events.length) waiters.wake();
    }
  }

  return {
    ...reading,
    events: {
      after: <Value>(sequence: number, limit: number) =>
        memory.events.slice(sequence, sequence + limit) as readonly StoredEvent<Value>[],
      newest: () => memory.events.length,
      waitAfter: async (sequence, timeoutMs, signal) => {
        if (memory.events.length <= sequence) await waiters.wait(timeoutMs, signal);
      },
    },
    transaction,
    close: () => waiters.close(),
  };
}

/** Keys are compared as UTF-8, as databases do. */
function byBytes(one: string, other: string): number {
  return Buffer.compare(Buffer.from(one), Buffer.from(other));
}
