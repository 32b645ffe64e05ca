/**
 * Who has held which address since when, what changed hands, and alerts before a subnet is full.
 *
 * Written in the transaction that stores the ledger, so that no address changes hands unnoticed.
 * History is in the events; what is due is said once, until it is over.
 *
 * @article ASE subnet size
 */
import type { ResourceOf } from "../arm/resources.ts";
import { forecastsOf } from "../blueprint/address-forecasts.ts";
import type { Ledger } from "../blueprint/ledger.ts";
import {
  addressChanges,
  isOwnedBy,
  nameOfOwner,
  type AddressChange,
} from "../blueprint/ledger-changes.ts";
import { Declared } from "../blueprint/wanted.ts";
import { PLATFORM_ADDRESSES } from "../environment/addresses.ts";
import {
  environmentLine,
  FEW_ADDRESSES,
  MANY_INSTANCES,
  PLATFORM_LOGS,
} from "../environment/platform-logs.ts";
import type { EventStream, Reading, Transaction } from "../store/store.ts";
import type { AddressHistoryEntry, ControlEvent } from "./control-plane.ts";
import { wantedResources } from "./wanted.ts";

type Environment = ResourceOf<"Microsoft.Web/hostingEnvironments">;

const SINCE = "address-since";
const ALERT = "address-alert";
const CHANGED = "AddressesChanged";
/** Named in the message of one event; the event holds all of them. */
const MOST_NAMED = 4;
const MOST_HISTORY = 1_000;
const EVENTS_AT_ONCE = 1_000;

/** Answers the events that are due; they are appended by whoever reports. */
export function noteAddresses(
  transaction: Transaction,
  ledgers: { readonly before: Ledger; readonly after: Ledger },
  now: number,
): readonly ControlEvent[] {
  const changes = addressChanges(ledgers.before, ledgers.after);
  for (const [pool, own] of Map.groupBy(changes, (change) => change.pool))
    noteSince(transaction, pool, own, now);
  const environments = new Declared(wantedResources(transaction)).all(
    "Microsoft.Web/hostingEnvironments",
  );
  const changed = environments.flatMap((environment) => {
    const own = changes.filter((change) => isOwnedBy(environment, change));
    return own.length === 0 ? [] : [changeEvent(environment, own)];
  });
  return [...changed, ...alerts(transaction, ledgers.after, environments)];
}

/** When the owner took the address; undefined for those taken before anybody noted it. */
export function heldSince(
  reading: Reading,
  pool: string,
  held: { readonly owner: string; readonly address: string },
): number | undefined {
  return sinceIn(reading, pool)[spot(held)];
}

/** What changed hands of an environment's addresses, newest first. */
export function addressHistory(
  events: EventStream,
  environmentId: string,
): readonly AddressHistoryEntry[] {
  const entries: AddressHistoryEntry[] = [];
  for (let last = 0; ;) {
    const page = events.after<ControlEvent>(last, EVENTS_AT_ONCE);
    for (const { time, value } of page)
      if (value.code === CHANGED && value.subject === environmentId)
        for (const one of value.addresses ?? []) entries.push({ time, ...one });
    last = page.at(-1)?.sequence ?? last;
    if (page.length < EVENTS_AT_ONCE) return entries.toReversed().slice(0, MOST_HISTORY);
  }
}

function sinceIn(reading: Reading, pool: string): Readonly<Record<string, number>> {
  return reading.get<Readonly<Record<string, number>>>(SINCE, pool)?.value ?? {};
}

function spot({ owner, address }: { readonly owner: string; readonly address: string }): string {
  return `${owner} ${address}`;
}

function noteSince(
  transaction: Transaction,
  pool: string,
  changes: readonly AddressChange[],
  now: number,
): void {
  const since = new Map(Object.entries(sinceIn(transaction, pool)));
  for (const one of changes)
    if (one.change === "taken") since.set(spot(one), now);
    else since.delete(spot(one));
  if (since.size === 0) transaction.remove(SINCE, pool);
  else transaction.put(SINCE, pool, Object.fromEntries(since));
}

function changeEvent({ id }: Environment, changes: readonly AddressChange[]): ControlEvent {
  const addresses = changes.map(({ address, owner, change }) => ({
    ...{ address, change },
    holder: nameOfOwner(owner),
  }));
  const said = (change: AddressChange["change"]) => {
    const own = addresses.filter((one) => one.change === change);
    if (own.length === 0) return [];
    const named = own.slice(0, MOST_NAMED).map(({ address, holder }) => `${address} (${holder})`);
    const more = own.length > MOST_NAMED ? ` and ${own.length - MOST_NAMED} more` : "";
    return [`${change}: ${named.join(", ")}${more}`];
  };
  const message = [...said("taken"), ...said("given back")].join("; ");
  return { level: "info", code: CHANGED, subject: id, message, addresses };
}

function alerts(
  transaction: Transaction,
  ledger: Ledger,
  environments: readonly Environment[],
): readonly ControlEvent[] {
  const forecasts = forecastsOf(wantedResources(transaction));
  return environments.flatMap(({ id, key, subnet }) => {
    const forecast = forecasts.find(({ environment }) => environment === id);
    if (forecast === undefined) return [];
    const held = Object.keys(ledger.addresses[subnet.key]?.held ?? {}).length;
    const remaining = Math.max(0, forecast.size - PLATFORM_ADDRESSES - held);
    const { instances } = forecast;
    return [
      ...once(transaction, `${key} almost-full`, 0 < held && remaining <= FEW_ADDRESSES, {
        code: "SubnetAlmostFull",
        message: environmentLine.almostFull(remaining),
      }),
      ...once(transaction, `${key} many-instances`, MANY_INSTANCES <= instances, {
        code: "InstanceLimitNear",
        message: environmentLine.manyInstances(instances),
      }),
    ].map((event) => ({ ...event, level: "warning", category: PLATFORM_LOGS, subject: id }));
  });
}

/** An alert is told when it comes to be due, and again only after it was not. */
function once<Event>(
  transaction: Transaction,
  alert: string,
  isDue: boolean,
  event: Event,
): readonly Event[] {
  const isKnown = transaction.get(ALERT, alert) !== undefined;
  if (isDue && !isKnown) transaction.put(ALERT, alert, true);
  if (!isDue && isKnown) transaction.remove(ALERT, alert);
  return isDue && !isKnown ? [event] : [];
}
