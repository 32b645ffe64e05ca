/**
 * A control plane over a real store in a temporary folder, with a small world that is at once as
 * it is wanted, or not, as a test says.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { declined, found, type Problem } from "../../src/base/problem.ts";
import { openAccount } from "../../src/control/account.ts";
import type { World } from "../../src/control/control-plane.ts";
import { openControlPlane, type OpenedControlPlane } from "../../src/control/open-control-plane.ts";
import type { ServiceTags } from "../../src/network/service-tags.ts";
import { settleOperations, type TargetStatus } from "../../src/control/operations.ts";
import { readPfx } from "../../src/services/pfx.ts";
import { loadServiceTags } from "../../src/store/service-tag-file.ts";
import { openSqliteStore } from "../../src/store/sqlite-store.ts";
import type { Store } from "../../src/store/store.ts";
import { createApi } from "../../src/api/app.ts";
import type { Limits } from "../../src/api/limits.ts";
import { accessOf } from "../../src/identity/declarations.ts";
import { ensureLocalCaller, type Identity, openIdentity } from "../../src/identity/identity.ts";
import { openTokenKeys, type TokenKeys } from "../../src/identity/token-keys.ts";

export const TOKEN = "the-token-of-this-test";

export type TestPlane = {
  readonly folder: string;
  readonly store: Store;
  readonly identity: Identity;
  /** How far the clock of identities is ahead of this machine's. */
  readonly clock: { aheadMs: number };
  readonly plane: OpenedControlPlane;
  readonly app: ReturnType<typeof createApi>;
  /** `{s}` and `{rg}` (resource group rg1) in the path are filled in. */
  readonly ask: (
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ) => Promise<Answer>;
  /** Asks the operation's URL until it is finished. */
  readonly follow: (answer: Answer) => Promise<Record<string, unknown>>;
  readonly world: TestWorld;
  /** As a crash and a start: what was not stored is gone. */
  readonly restart: () => Promise<TestPlane>;
  readonly end: () => Promise<void>;
};

export type TestWorld = {
  /** How far the world is with a target; reached when nothing else is said. */
  status: (targetKey: string) => TargetStatus;
  settle: () => number;
  readonly contents: Map<string, string>;
  readonly restarted: string[];
  readonly defects: unknown[];
};

export type Answer = {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly json: Loose;
};

/** Tests look into answers by name; a wrong name fails the expectation. */
// oxlint-disable-next-line typescript/no-explicit-any
export type Loose = any;

export async function openTestPlane(
  folder = mkdtempSync(join(tmpdir(), "ase-plane-")),
  limits?: Limits,
): Promise<TestPlane> {
  const opened = openSqliteStore({ file: join(folder, "state.db"), now: Date.now });
  if (!opened.ok) throw new Error(opened.problem.what);
  const store = opened.value;
  const account = openAccount(store, "here");
  if (!account.ok) throw new Error(account.problem.what);
  let open = true;
  const world: TestWorld = {
    status: () => ({ state: "reached" }),
    settle: () => (open ? settleOperations(store, (key) => world.status(key)) : 0),
    contents: new Map(),
    restarted: [],
    defects: [],
  };
  const onDefect = (thrown: unknown) => world.defects.push(thrown);
  const { subscriptionId, tenantId } = account.value;
  const clock = { aheadMs: 0 };
  const identityNow = () => Date.now() + clock.aheadMs;
  const identity = openIdentity({
    store,
    keys: await tokenKeys(),
    tenantId,
    now: identityNow,
    onDefect,
  });
  const caller = ensureLocalCaller(identity, subscriptionId);
  if (!caller.ok) throw new Error(caller.problem.what);
  const plane = openControlPlane({
    store,
    account: account.value,
    world: worldOf(world),
    now: Date.now,
    wake: () => setImmediate(() => world.settle()),
    isServiceTag: (name) => ({ known: name }),
    readPfx,
    environment: { name: "OpenASE" },
    onDefect,
    access: accessOf(identity),
  });
  const app = createApi({
    plane,
    access: { identity, subscriptionId, local: { token: TOKEN, caller: caller.value } },
    now: identityNow,
    ...(limits === undefined ? {} : { limits }),
    version: "1.2.3",
    scratch: join(folder, "uploads"),
    largestUploadBytes: 10_000,
    onDefect,
  });
  const subscription = `/subscriptions/${subscriptionId}`;
  const fill = (text: string) =>
    text.replaceAll("{s}", subscription).replaceAll("{rg}", `${subscription}/resourceGroups/rg1`);
  const ask: TestPlane["ask"] = async (method, path, body, headers = {}) => {
    const filled = path.startsWith("http") ? path : `https://arm.test${fill(path)}`;
    const url = /[?&]api-version=/.test(filled)
      ? filled
      : `${filled}${filled.includes("?") ? "&" : "?"}api-version=2022-03-01`;
    const sent =
      body === undefined
        ? {}
        : { body: typeof body === "string" ? body : fill(JSON.stringify(body)) };
    const response = await app.request(url, {
      method,
      headers: { Authorization: `Bearer ${TOKEN}`, ...headers },
      ...sent,
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, text, json: jsonOf(text) };
  };
  const stop = async () => {
    await plane.stop();
    open = false;
    store.close();
  };
  return {
    folder,
    store,
    identity,
    clock,
    plane,
    app,
    ask,
    world,
    follow: async (answer) => {
      const url = answer.headers.get("Azure-AsyncOperation") ?? "";
      const id = /\/([\w-]+)\?/.exec(url)?.[1] ?? "";
      await plane.operations.wait(id, 10_000);
      return (await ask("GET", url)).json;
    },
    restart: async () => {
      await stop();
      return openTestPlane(folder);
    },
    end: async () => {
      await stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** A key takes a while to make; all planes of a test file share one. */
let shared: Promise<TokenKeys> | undefined;

function tokenKeys(): Promise<TokenKeys> {
  shared ??= (async () => {
    const folder = mkdtempSync(join(tmpdir(), "ase-keys-"));
    const keys = await openTokenKeys({ file: join(folder, "keys.json"), now: Date.now });
    rmSync(folder, { recursive: true, force: true });
    if (!keys.ok) throw new Error(keys.problem.what);
    return keys.value;
  })();
  return shared;
}

/** Reading them takes a while, and few tests ask. */
let tags: ServiceTags | undefined;

function publishedTags(): ServiceTags {
  const loaded = tags === undefined ? loadServiceTags() : found(tags);
  if (!loaded.ok) throw new Error(loaded.problem.what);
  tags = loaded.value;
  return tags;
}

function worldOf(world: TestWorld): World {
  return {
    statusOf: () => undefined,
    addressesOf: () => ({
      publicAddress: "198.18.0.4",
      outboundAddresses: ["198.18.0.4"],
      appAddresses: [],
    }),
    ledgerOf: () => [{ address: "10.0.0.4", use: "FrontEnd", host: "demo-front-end-0" }],
    routesAt: () => found([]),
    addressHistoryOf: () => [],
    tags: publishedTags(),
    takenIn: () => ["10.0.0.4"],
    instancesOf: () => ["demo-plan1-0"],
    look: async () => found({ generation: 1, hosts: [], places: ["internet"] }),
    logs: async ({ lines, site }) =>
      found([{ time: 1, host: "h", program: site ?? "p", stream: "stdout", text: `${lines}` }]),
    capture: async (_, { filter }) => found({ pcap: Buffer.from(filter ?? ""), said: "" }),
    flows: () => [],
    flowLines: async () => found({ flows: [], newest: 0, isLossy: false }),
    blueprint: () => undefined,
    trace: async (words) =>
      found({
        answer: "answered",
        packet: words,
        agrees: true,
        rows: [],
        notes: [],
        law: "arrives",
        seen: "arrived",
      }),
    run: async ({ argv, at, onOutput }) => {
      if (at !== "internet") return declined(noPlace(at));
      onOutput("stdout", argv.join(" "));
      const ended = (async () => {
        await Promise.resolve();
        onOutput("stderr", "late");
        return { exitCode: 3 };
      })();
      return found({ ended, kill: () => undefined });
    },
    operations: () => [],
    cancel: async () => found("canceled"),
    turnEndpoint: async () => found("done"),
    restartSite: async (key) => {
      world.restarted.push(key);
      return found("done");
    },
    rebootEnvironment: async (key) => {
      world.restarted.push(key);
      return found("done");
    },
    deployContent: async (key, file) => {
      world.contents.set(key, await readFile(file, "utf8"));
      return found("done");
    },
  };
}

function noPlace(at: string): Problem {
  return {
    code: "PlaceNotFound",
    what: `there is no place ${at}`,
    fix: "Choose internet.",
    where: at,
  };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
