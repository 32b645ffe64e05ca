/**
 * The product as it runs for its user, for tests: a control plane with a home and ports of its own,
 * the world below it, and the places of that world to stand at.
 *
 * Needs root; real packets, no fakes. What is left behind at the end makes the test fail.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request as httpRequest } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { readJson, type JsonValue } from "../../src/arm/json.ts";
import type { Result } from "../../src/base/problem.ts";
import { openClient, readDoor, type Answer, type Client } from "../../src/cli/client.ts";
import { deployContent } from "../../src/cli/deploy-app.ts";
import { findHome, type Home, type RunningServer } from "../../src/cli/home.ts";
import { paths, readAccount } from "../../src/cli/resources.ts";
import { endServer, startServer, type ServerPorts } from "../../src/cli/server.ts";
import { readContent } from "../../src/cli/zip-folder.ts";
import { freePorts, isAlive, leftBehind, netns, treeOf } from "./machine.ts";

export const EXTERNAL = fileURLToPath(
  new URL("../../examples/external/azuredeploy.json", import.meta.url),
);
export const INTERNAL = fileURLToPath(
  new URL("../../examples/internal/azuredeploy.json", import.meta.url),
);
/** Says what it sees of its surroundings; see its own head. */
export const WITNESS_APP = fileURLToPath(new URL("./witness-app", import.meta.url));
const GROUP = "world";

export type WorldWish = {
  readonly template?: string;
  readonly parameters?: Readonly<Record<string, JsonValue>>;
  readonly suspendAfterMs?: number;
  /** Name of the app in the template, which gets the witness app as its content. */
  readonly app?: string;
};

export type TestWorld = {
  readonly home: Home;
  readonly ports: ServerPorts;
  readonly subscription: string;
  /** Id of a resource of the world's group: `networkSecurityGroups/demo-nsg`. */
  readonly network: (path: string) => string;
  readonly web: (path: string) => string;
  readonly sql: (path: string) => string;
  /** Sends, follows the operation to its end; a refusal fails the test. `id` may carry a query. */
  readonly arm: (method: string, id: string, body?: JsonValue) => Promise<Loose>;
  /** The same, where a refusal is awaited: answers with its code and words. */
  readonly refused: (method: string, id: string, body?: JsonValue) => Promise<Refusal>;
  /** One request, as it is answered. */
  readonly ask: (method: string, id: string, body?: JsonValue) => Promise<Answer>;
  readonly exec: (at: string, argv: readonly string[], input?: string) => Promise<Done>;
  /** A command that goes on while the test does other things. */
  readonly begin: (at: string, argv: readonly string[], input?: string) => Begun;
  /** Through the doorway, VIP, front end and worker. */
  readonly door: (path: string, host?: string) => Promise<DoorAnswer>;
  readonly health: (environment?: string) => Promise<string>;
  readonly events: (after: number) => Promise<Loose[]>;
  readonly newestEvent: () => Promise<number>;
  readonly ledger: (environment?: string) => Promise<LedgerRow[]>;
  readonly vip: (environment?: string) => Promise<string>;
  readonly deploy: (app: string, folder: string) => Promise<void>;
  /** Starts the control plane again after its death. */
  readonly startAgain: () => Promise<RunningServer>;
  readonly close: () => Promise<void>;
};

export type Done = { readonly exitCode: number; readonly stdout: string; readonly stderr: string };
export type Begun = {
  readonly said: () => string;
  readonly over: () => boolean;
  readonly end: () => void;
};
export type DoorAnswer = { readonly status: number; readonly text: string; readonly json: Loose };
export type LedgerRow = {
  readonly address: string;
  readonly use: string;
  readonly host?: string;
  readonly since?: string;
};
export type Refusal = { readonly code: string; readonly what: string };

/** Tests look into answers by name; a wrong name fails the expectation. */
// oxlint-disable-next-line typescript/no-explicit-any
export type Loose = any;

const VERSIONS = { network: "2022-01-01", web: "2022-03-01" };
const DOOR_WAIT_MS = 3_000;
const LOOK_EVERY_MS = 50;

export async function openTestWorld(wish: WorldWish = {}): Promise<TestWorld> {
  if (process.getuid?.() !== 0) throw new Error("These tests raise a real world and need root.");
  const netnsBefore = netns();
  const folder = mkdtempSync("/tmp/ase-test-");
  const home = findHome({ ASE_HOME: folder }, 0);
  const [api = 0, http = 0, https = 0] = await freePorts(3);
  const ports = { api, http, https };
  const startWish = {
    ports,
    ...(wish.suspendAfterMs === undefined ? {} : { suspendAfterMs: wish.suspendAfterMs }),
  };
  let client: Client | undefined;
  const start = async () => {
    const server = good(await startServer(home, startWish));
    client?.close();
    client = openClient(good(readDoor(home, server)));
    return server;
  };
  const close = async () => {
    client?.close();
    const tree = treeOf(folder);
    const ended = await endServer(home, "purge");
    const left = [
      ...leftBehind(folder),
      ...tree.filter(isAlive).map(({ pid, what }) => `process ${pid}: ${what}`),
    ];
    rmSync(folder, { recursive: true, force: true });
    good(ended);
    if (left.length > 0) throw new Error(`left behind:\n${left.join("\n")}`);
    if (netns() !== netnsBefore) throw new Error("named network namespaces were touched");
  };
  const connected = (): Client => {
    if (client === undefined) throw new Error("the world is not open");
    return client;
  };
  /** One of its own: what it carries ends with it. */
  const connect = (): Client =>
    openClient(
      good(
        readDoor(home, { pid: 0, apiPort: api, httpPort: http, httpsPort: https, fabric: "linux" }),
      ),
    );
  try {
    await start();
    const { subscription, location } = good(await readAccount(connected()));
    const group = `/subscriptions/${subscription}/resourceGroups/${GROUP}`;
    const world = makeWorld({ home, ports, subscription, group, connected, connect, start, close });
    good(
      await connected().carryOut({
        method: "PUT",
        path: paths.group(subscription, GROUP),
        body: { location },
      }),
    );
    await deployTemplate(connected(), subscription, wish);
    if (wish.app !== undefined) await world.deploy(wish.app, WITNESS_APP);
    return world;
  } catch (thrown) {
    const said = existsSync(home.log) ? readFileSync(home.log, "utf8").slice(-2_000) : "";
    await close().catch(() => undefined);
    throw new Error(`the world did not stand up; its log ends with:\n${said}`, { cause: thrown });
  }
}

async function deployTemplate(
  client: Client,
  subscription: string,
  wish: WorldWish,
): Promise<void> {
  const template = good(readJson(readFileSync(wish.template ?? EXTERNAL, "utf8"), "template"));
  const parameters = Object.fromEntries(
    Object.entries(wish.parameters ?? {}).map(([name, value]) => [name, { value }]),
  );
  good(
    await client.carryOut({
      method: "PUT",
      path: paths.deployment(subscription, GROUP, "test"),
      body: { properties: { mode: "Incremental", template, parameters } },
    }),
  );
}

function makeWorld(of: {
  readonly home: Home;
  readonly ports: ServerPorts;
  readonly subscription: string;
  readonly group: string;
  readonly connected: () => Client;
  readonly connect: () => Client;
  readonly start: () => Promise<RunningServer>;
  readonly close: () => Promise<void>;
}): TestWorld {
  const { subscription, group, connected } = of;
  const network = (path: string) => `${group}/providers/Microsoft.Network/${path}`;
  const web = (path: string) => `${group}/providers/Microsoft.Web/${path}`;
  const requestOf = (method: string, id: string, body?: JsonValue) => ({
    method,
    path:
      id.includes("api-version") || id.startsWith("/openase")
        ? id
        : `${id}?api-version=${versionOf(id)}`,
    ...(body === undefined ? {} : { body }),
  });
  const arm = async (method: string, id: string, body?: JsonValue): Promise<Loose> =>
    good(await connected().carryOut(requestOf(method, id, body)), `${method} ${id}`);
  const environmentOf = (name = "demo") => web(`hostingEnvironments/${name}`);
  const begin = (at: string, argv: readonly string[], input?: string) =>
    beginExec(of.connect(), { at, argv, ...(input === undefined ? {} : { input }) });
  return {
    home: of.home,
    ports: of.ports,
    subscription,
    network,
    web,
    sql: (path) => `${group}/providers/Microsoft.Sql/${path}`,
    arm,
    refused: async (method, id, body) => {
      const answer = await connected().carryOut(requestOf(method, id, body));
      if (answer.ok) throw new Error(`${method} ${id} was not refused`);
      return { code: answer.problem.code, what: answer.problem.what };
    },
    ask: async (method, id, body) => good(await connected().ask(requestOf(method, id, body))),
    exec: async (at, argv, input) => begin(at, argv, input).done,
    begin,
    door: (path, host = "hello.demo.localhost") => askDoor(of.ports.http, host, path),
    health: async (name) => {
      const environment = await arm("GET", environmentOf(name));
      return String(environment.properties.environmentStatus);
    },
    events: async (after) => (await arm("GET", `/openase/events?after=${after}`)).events,
    newestEvent: async () => (await arm("GET", "/openase/events?after=999999999")).newest,
    ledger: async (name) => (await arm("GET", `${environmentOf(name)}/addressLedger`)).value,
    vip: async (name) =>
      (await arm("GET", `${environmentOf(name)}/capacities/virtualip`)).properties.serviceIpAddress,
    deploy: async (app, folder) => {
      const zip = good(readContent(folder));
      good(await deployContent(connected(), subscription, { name: app, zip }));
    },
    startAgain: of.start,
    close: of.close,
  };
}

function versionOf(id: string): string {
  return id.toLowerCase().includes("microsoft.network") ? VERSIONS.network : VERSIONS.web;
}

function beginExec(
  client: Client,
  body: { readonly at: string; readonly argv: readonly string[]; readonly input?: string },
): Begun & { readonly done: Promise<Done> } {
  const said = { stdout: "", stderr: "" };
  let exitCode = -1;
  let isOver = false;
  const request = { method: "POST", path: "/openase/exec", body };
  const work = client.lines(request, (line) => {
    const message: Loose = JSON.parse(line);
    if (message.stream === "stdout" || message.stream === "stderr")
      said[message.stream as "stdout" | "stderr"] += String(message.chunk);
    if (typeof message.exitCode === "number") exitCode = message.exitCode;
  });
  const done = work.then((ended) => {
    isOver = true;
    good(ended, `exec at ${body.at}`);
    return { exitCode, ...said };
  });
  // One that is ended by its client is waited for by nobody.
  done.catch(() => undefined).finally(() => client.close());
  return { done, said: () => said.stdout, over: () => isOver, end: () => client.close() };
}

/** Asks again and again, until the answer is not undefined; then that is the answer. */
export async function until<Value>(
  what: string,
  look: () => Promise<Value | undefined> | Value | undefined,
  deadlineMs: number,
): Promise<Value> {
  const deadline = Date.now() + deadlineMs;
  let last: unknown;
  while (Date.now() < deadline) {
    try {
      const seen = await look();
      if (seen !== undefined) return seen;
    } catch (thrown) {
      last = thrown;
    }
    await pause(LOOK_EVERY_MS);
  }
  throw new Error(`${what}: not within ${deadlineMs} ms`, { cause: last });
}

/** Waits for a text that holds; a failure shows the last one. */
export async function untilText(
  what: string,
  read: () => Promise<string>,
  holds: (text: string) => boolean,
  deadlineMs: number,
): Promise<string> {
  let last = "";
  const look = async () => {
    last = await read();
    return holds(last) ? last : undefined;
  };
  return until(what, look, deadlineMs).catch((thrown: unknown) => {
    throw new Error(`${what}: not within ${deadlineMs} ms; last seen: ${last}`, { cause: thrown });
  });
}

export function untilHealthy(world: TestWorld, environment?: string): Promise<string> {
  const read = () => world.health(environment);
  return untilText("the environment is healthy", read, (text) => text === "Healthy", 20_000);
}

export function askDoor(port: number, host: string, path: string): Promise<DoorAnswer> {
  return new Promise((resolve, reject) => {
    const call = httpRequest(
      { host: "127.0.0.1", port, path, agent: false, headers: { host } },
      (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
        response.on("error", reject);
        response.on("end", () => {
          const read = readJson(text, "app");
          resolve({
            status: response.statusCode ?? 0,
            text,
            json: read.ok ? read.value : undefined,
          });
        });
      },
    );
    call.setTimeout(DOOR_WAIT_MS, () => call.destroy(new Error("no answer in time")));
    call.on("error", reject);
    call.end();
  });
}

export function good<Value>(result: Result<Value>, doing = ""): Value {
  if (result.ok) return result.value;
  const { code, what, where } = result.problem;
  throw new Error(`${doing} ${code}: ${what} ${where ?? ""}`.trim());
}
