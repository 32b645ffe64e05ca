/**
 * The one subscription and tenant of an installation: made once, then kept.
 */
import { randomUUID } from "node:crypto";

import { found, type Result } from "../base/problem.ts";
import type { Store } from "../store/store.ts";
import type { Account } from "./control-plane.ts";

const ACCOUNT = "account";
const DEFAULT = "default";

/** @param location the region of a new installation; an existing one keeps its own */
export function openAccount(store: Store, location: string): Result<Account> {
  const stored = store.get<Account>(ACCOUNT, DEFAULT)?.value;
  if (stored !== undefined) return found(stored);
  const account: Account = { subscriptionId: randomUUID(), tenantId: randomUUID(), location };
  return store.transaction((transaction) =>
    found(transaction.put(ACCOUNT, DEFAULT, account).value),
  );
}
