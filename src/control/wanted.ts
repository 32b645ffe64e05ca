/**
 * What is wanted: the stored resources and the number that grows with every change of them.
 *
 * Kinds of documents and how they are read; the rules of changing them are in arm-writes.ts,
 * and nothing here knows how far the world has come.
 */
import type { Resource } from "../arm/resources.ts";
import type { Reading, Transaction } from "../store/store.ts";

export type StoredResource = {
  readonly resource: Resource;
  /** Milliseconds since 1970. */
  readonly createdAt: number;
  readonly changedAt: number;
  /** The wanted generation that brought its last change. */
  readonly generation: number;
};

const RESOURCE = "resource";
const WANTED = "wanted";
const GENERATION = "generation";

/** Grows with every change of what is wanted; 0 in a new store. */
export function wantedGeneration(reading: Reading): number {
  return reading.get<number>(WANTED, GENERATION)?.value ?? 0;
}

export function nextWantedGeneration(transaction: Transaction): number {
  const next = wantedGeneration(transaction) + 1;
  transaction.put(WANTED, GENERATION, next);
  return next;
}

/** Every wanted resource, in the order of keys. */
export function wantedResources(reading: Reading): readonly Resource[] {
  return storedResources(reading, "").map(({ resource }) => resource);
}

export function storedResource(reading: Reading, key: string): StoredResource | undefined {
  return reading.get<StoredResource>(RESOURCE, key)?.value;
}

/** @param keyPrefix for example a group's key and `/`; empty for all */
export function storedResources(reading: Reading, keyPrefix: string): readonly StoredResource[] {
  return reading.list<StoredResource>(RESOURCE, keyPrefix).map(({ value }) => value);
}

export function storeResource(transaction: Transaction, stored: StoredResource): void {
  transaction.put(RESOURCE, stored.resource.key, stored);
}

export function removeResource(transaction: Transaction, key: string): boolean {
  return transaction.remove(RESOURCE, key);
}
