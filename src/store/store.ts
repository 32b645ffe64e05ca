/**
 * Where the control plane remembers: documents, an append-only list of events, transactions.
 *
 * Every implementation passes test/conformance/store.conformance.ts. What documents mean is
 * unknown here. An acknowledged write outlives a crash of the program and of the machine.
 */
import type { Result } from "../base/problem.ts";

export type Json = string | number | boolean | null | readonly Json[] | JsonMap;
export type JsonMap = { readonly [name: string]: Json };

export type Document<Value = unknown> = {
  readonly kind: string;
  readonly key: string;
  readonly value: Value;
  /** Times this document was written since it came into being; 1 at first. */
  readonly generation: number;
};

export type StoredEvent<Value = unknown> = {
  /** 1.. without gaps, in the order of commits. */
  readonly sequence: number;
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly value: Value;
};

/** Reads see one state of the store. */
export type Reading = {
  readonly get: <Value>(kind: string, key: string) => Document<Value> | undefined;
  /** In the order of keys. An empty prefix: every document of the kind. */
  readonly list: <Value>(kind: string, keyPrefix: string) => readonly Document<Value>[];
};

export type Transaction = Reading & {
  /** Writes a JSON value; answers the document as it is now. */
  readonly put: <Value>(kind: string, key: string, value: Value) => Document<Value>;
  /** False: there was none. */
  readonly remove: (kind: string, key: string) => boolean;
  /** Answers the event's sequence number. */
  readonly append: (event: unknown) => number;
};

export type EventStream = {
  /** Events with a greater sequence number, oldest first. */
  readonly after: <Value>(sequence: number, limit: number) => readonly StoredEvent<Value>[];
  /** Newest sequence number, 0 in a new store. */
  readonly newest: () => number;
  /**
   * Resolves when an event with a greater number is committed, at once if there is one already,
   * or when the time is up, the signal is given or the store closes.
   */
  readonly waitAfter: (sequence: number, timeoutMs: number, signal?: AbortSignal) => Promise<void>;
};

export type Store = Reading & {
  readonly events: EventStream;
  /**
   * All or nothing. A declined result or a throw leaves everything as it was. When this returns
   * the work is on disk. Not to be nested.
   */
  readonly transaction: <Value>(work: (transaction: Transaction) => Result<Value>) => Result<Value>;
  readonly close: () => void;
};
