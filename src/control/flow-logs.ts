/**
 * Flow logs: fetches what the gates saw, keeps a summary, and writes files in Azure's layout.
 *
 * One record per look and interface, in files of an hour (`PT1H.json`), version 2. Nothing is
 * written where no flow log is on.
 */
import { closeSync, ftruncateSync, mkdirSync, openSync, statSync, writeSync } from "node:fs";
import { dirname, join } from "node:path";

import { found } from "../base/problem.ts";
import type { Blueprint } from "../blueprint/blueprint.ts";
import type { SeenFlow } from "../blueprint/seen-flows.ts";
import type { Fabric } from "../fabric/fabric.ts";
import type { Store } from "../store/store.ts";
import { fileOf, macOf, recordOf } from "./flow-log-record.ts";

/** All flows between two addresses to one port that one rule decided. */
export type FlowSummary = Pick<
  SeenFlow,
  "group" | "rule" | "origin" | "direction" | "access" | "protocol" | "from" | "to" | "toPort"
> & {
  readonly count: number;
  readonly firstSeen: number;
  readonly lastSeen: number;
  readonly bytesOut: number;
  readonly bytesIn: number;
};

export type FlowLogOptions = {
  readonly fabric: Fabric;
  readonly store: Store;
  /** Where the files stand. */
  readonly folder: string;
  readonly blueprint: () => Blueprint | undefined;
  readonly now: () => number;
  readonly onDefect: (thrown: unknown) => void;
};

const LOOK_EVERY_MS = 1_000;
/** The oldest are forgotten beyond this. */
const MOST_SUMMARIES = 5_000;
const KIND = "seen-flow";

export class FlowLogs {
  readonly #options: FlowLogOptions;
  readonly #summaries: Map<string, FlowSummary>;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> = Promise.resolve();

  constructor(options: FlowLogOptions) {
    this.#options = options;
    const kept = options.store.list<FlowSummary>(KIND, "");
    this.#summaries = new Map(kept.map(({ key, value }) => [key, value]));
  }

  start(): void {
    let isBusy = false;
    this.#timer = setInterval(() => {
      if (isBusy || !this.#isOn()) return;
      isBusy = true;
      this.#looking = this.look()
        .catch(this.#options.onDefect)
        .finally(() => (isBusy = false));
    }, LOOK_EVERY_MS).unref();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#looking;
  }

  /** Newest first. */
  seen(): readonly FlowSummary[] {
    return [...this.#summaries.values()].toSorted((a, b) => b.lastSeen - a.lastSeen);
  }

  #isOn(): boolean {
    const { networks = [] } = this.#options.blueprint() ?? {};
    return networks.some(({ loggedGroups = [] }) => loggedGroups.length > 0);
  }

  async look(): Promise<void> {
    const { fabric, folder, now, store } = this.#options;
    const position = store.get<number>(KIND + "-position", "newest")?.value ?? 0;
    const told = await fabric.flows(position);
    if (!told.ok || told.value.flows.length === 0) return;
    const { flows, newest } = told.value;
    // A line that is in a file twice is better than one in none.
    for (const [group, ofGroup] of byKey(flows, ({ group: id }) => id))
      for (const [mac, lines] of byKey(ofGroup, macOf))
        appendRecord(join(folder, fileOf(group, mac, now())), recordOf(group, mac, lines, now()));
    const changed = new Set(flows.map((flow) => this.#count(flow)));
    const forgotten = this.seen().slice(MOST_SUMMARIES).map(keyOf);
    for (const key of forgotten) this.#summaries.delete(key);
    store.transaction((transaction) => {
      transaction.put(KIND + "-position", "newest", newest);
      for (const key of forgotten) transaction.remove(KIND, key);
      for (const key of changed) {
        const summary = this.#summaries.get(key);
        if (summary !== undefined) transaction.put(KIND, key, summary);
      }
      return found("done");
    });
  }

  #count(flow: SeenFlow): string {
    const key = keyOf(flow);
    const { access, direction, group, origin, protocol, rule, from, to, toPort } = flow;
    const before = this.#summaries.get(key) ?? {
      ...{ access, direction, group, origin, protocol, rule, from, to, toPort },
      ...{ count: 0, firstSeen: flow.time, bytesOut: 0, bytesIn: 0 },
    };
    this.#summaries.set(key, {
      ...before,
      count: before.count + (flow.state === "B" ? 1 : 0),
      lastSeen: flow.time,
      bytesOut: before.bytesOut + (flow.counted?.bytesOut ?? 0),
      bytesIn: before.bytesIn + (flow.counted?.bytesIn ?? 0),
    });
    return key;
  }
}

function keyOf(
  flow: Omit<FlowSummary, "count" | "firstSeen" | "lastSeen" | "bytesOut" | "bytesIn">,
) {
  const { group, rule, direction, access, protocol, from, to, toPort } = flow;
  return `${group.toLowerCase()} ${rule} ${direction} ${access} ${protocol} ${from} ${to}:${toPort}`;
}

function byKey<Item>(items: readonly Item[], keyOfItem: (item: Item) => string) {
  const groups = new Map<string, Item[]>();
  for (const item of items) {
    const key = keyOfItem(item);
    groups.set(key, [...(groups.get(key) ?? []), item]);
  }
  return groups;
}

const HEAD = '{"records":[';
const TAIL = "]}";

/** The file is whole JSON after each record. */
function appendRecord(file: string, record: object): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  const text = JSON.stringify(record);
  const fd = openSync(file, size === 0 ? "w" : "r+", 0o600);
  try {
    const at = size === 0 ? 0 : size - TAIL.length;
    writeSync(fd, `${size === 0 ? HEAD : ","}${text}${TAIL}`, at);
    if (size === 0) ftruncateSync(fd, HEAD.length + Buffer.byteLength(text) + TAIL.length);
  } finally {
    closeSync(fd);
  }
}
