/**
 * What the loop remembers between turns and starts: blueprint, ledger, health, content.
 *
 * Kinds of documents only; what becomes of them is loop.ts and health-watch.ts. Resources and
 * operations have documents of their own (wanted.ts, operations.ts).
 */
import type { Blueprint } from "../blueprint/blueprint.ts";
import type { Layout } from "../blueprint/layout.ts";
import { EMPTY_LEDGER, type Ledger } from "../blueprint/ledger.ts";
import type { Content } from "../blueprint/wanted.ts";
import type { Health } from "../environment/health.ts";
import type { Reading, Transaction } from "../store/store.ts";

export type BlueprintRecord = {
  readonly blueprint: Blueprint | undefined;
  readonly generation: number;
  readonly ledger: Ledger;
  /** By key of the environment. */
  readonly layouts: Readonly<Record<string, Layout>>;
};

export function readBlueprint(reading: Reading): BlueprintRecord {
  const record = reading.get<BlueprintRecord>("blueprint", "current")?.value;
  const none = { blueprint: undefined, generation: 0, ledger: EMPTY_LEDGER, layouts: {} };
  if (record === undefined) return none;
  // One of an earlier version lacks what came later; without a layout everything serves.
  return { ...none, ...record, ledger: { ...EMPTY_LEDGER, ...record.ledger } };
}

export function storeBlueprint(transaction: Transaction, record: BlueprintRecord): void {
  transaction.put("blueprint", "current", record);
}

export type HealthRecord = {
  readonly health: Health;
  /** Wanted generation of the environment when it was suspended; a later one may resume it. */
  readonly suspendedAt?: number;
};

export function readHealth(reading: Reading, environmentKey: string): HealthRecord | undefined {
  return reading.get<HealthRecord>("health", environmentKey)?.value;
}

export function allHealth(reading: Reading): ReadonlyMap<string, HealthRecord> {
  return new Map(reading.list<HealthRecord>("health", "").map(({ key, value }) => [key, value]));
}

export function storeHealth(
  transaction: Transaction,
  environmentKey: string,
  record: HealthRecord,
): void {
  transaction.put("health", environmentKey, record);
}

export function forgetHealth(transaction: Transaction, environmentKey: string): void {
  transaction.remove("health", environmentKey);
}

/** The content of a site and how often a restart was asked for. */
export type ContentRecord = { readonly content: Content; readonly restarts: number };

export function readContent(reading: Reading, siteKey: string): ContentRecord | undefined {
  return reading.get<ContentRecord>("content", siteKey)?.value;
}

export function storeContent(
  transaction: Transaction,
  siteKey: string,
  record: ContentRecord,
): void {
  transaction.put("content", siteKey, record);
}
