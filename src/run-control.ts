/**
 * The control plane of a home: store, world, loop and API, joined and started.
 *
 * It may die at any instant: the world goes on, and the next start adopts it.
 */
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

import { pino, type Logger } from "pino";

import { createApi } from "./api/app.ts";
import { portIsFree, serveApi } from "./api/serve.ts";
import { found, type Problem, type Result } from "./base/problem.ts";
import { openAccount } from "./control/account.ts";
import type { ControlEvent, World } from "./control/control-plane.ts";
import { FactBook } from "./control/facts.ts";
import { FlowLogs } from "./control/flow-logs.ts";
import { Loop } from "./control/loop.ts";
import { openControlPlane } from "./control/open-control-plane.ts";
import { wantedResources } from "./control/wanted.ts";
import { forgetRemovedSites, openWorld } from "./control/world.ts";
import { SUSPEND_AFTER_MS } from "./environment/health.ts";
import { connectWorld, startWorld } from "./fabric/linux/world.ts";
import type { Fabric } from "./fabric/fabric.ts";
import { openSimulatedFabric } from "./fabric/simulated/simulated-fabric.ts";
import type { RemoteFabric } from "./fabric/remote/client.ts";
import { accessOf } from "./identity/declarations.ts";
import { ensureLocalCaller, makeFirstOwner, openIdentity } from "./identity/identity.ts";
import { openTokenKeys } from "./identity/token-keys.ts";
import { serviceTagAnswer } from "./network/service-tags.ts";
import { openAuthority } from "./services/certificates.ts";
import { readPfx } from "./services/pfx.ts";
import { loadServiceTags } from "./store/service-tag-file.ts";
import { openSqliteStore } from "./store/sqlite-store.ts";
import type { Store } from "./store/store.ts";

export type ControlOptions = {
  readonly home: string;
  /** The file that is called again, as `fabric`, to own the world. */
  readonly entry: string;
  readonly ports: { readonly api: number; readonly http: number; readonly https: number };
  readonly suspendAfterMs?: number;
  /** `simulated`: a world in memory, by the law alone; no packet is sent and no program runs. */
  readonly fabric: "linux" | "simulated";
};

const LOCATION = "local";
const LOOPBACK = "127.0.0.1";
const LARGEST_UPLOAD_BYTES = 2 ** 30;
const VERSION = (
  JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
    readonly version: string;
  }
).version;

export async function runControl(options: ControlOptions): Promise<Result<"started">> {
  const { home, ports } = options;
  const log = pino({ base: null, timestamp: pino.stdTimeFunctions.isoTime });
  makeFolders(home);
  const now = () => Date.now();
  const opened = openSqliteStore({ file: join(home, "state", "ase.db"), now });
  if (!opened.ok) return opened;
  const store = opened.value;
  const account = openAccount(store, LOCATION);
  if (!account.ok) return account;
  // Before anything is started that would have to be ended again.
  const free = await portIsFree(LOOPBACK, ports.api);
  if (!free.ok) return free;
  // The world needs a while to stand; meanwhile keys are made and tags are read.
  const starting = openFabric(options);
  const authority = await openAuthority(join(home, "pki"));
  const keys = await openTokenKeys({ file: join(home, "pki", "token-keys.json"), now });
  const tags = loadServiceTags();
  if (!authority.ok) return authority;
  if (!tags.ok) return tags;
  if (!keys.ok) return keys;
  const onDefect = (thrown: unknown) => log.error({ err: thrown }, "defect");
  const { subscriptionId, tenantId } = account.value;
  const identity = openIdentity({ store, keys: keys.value, tenantId, now, onDefect });
  const caller = ensureLocalCaller(identity, subscriptionId);
  if (!caller.ok) return caller;
  const owner = await makeFirstOwner(identity, subscriptionId);
  if (!owner.ok) return owner;
  // Shown by the next `ase up`, which removes it.
  if (owner.value !== undefined)
    writeWhole(join(home, "state", "first-owner.json"), { ...owner.value, tenantId });
  const facts = new FactBook({
    store,
    authority: authority.value,
    tags: tags.value,
    contentFolder: join(home, "content"),
  });
  const [shown, prepared, fabric] = await Promise.all([
    facts.apiCertificate(),
    facts.prepare(wantedResources(store)),
    starting,
  ]);
  if (!shown.ok) return shown;
  if (!prepared.ok) return prepared;
  if (!fabric.ok) return fabric;
  const report = (event: ControlEvent) => reportTo(store, log, event);
  const loop = new Loop({
    store,
    fabric: fabric.value.fabric,
    prepare: (resources) => facts.prepare(resources),
    client: () => facts.client(),
    now,
    suspendAfterMs: options.suspendAfterMs ?? SUSPEND_AFTER_MS,
    report,
  });
  const flowLogs = new FlowLogs({
    store,
    fabric: fabric.value.fabric,
    folder: join(home, "flow-logs"),
    blueprint: () => loop.state().blueprint,
    now,
    onDefect,
  });
  const world: World = openWorld({
    flowLogs,
    scratch: join(home, "uploads"),
    store,
    fabric: fabric.value.fabric,
    loop: () => loop,
    facts,
    tags: tags.value,
  });
  const plane = openControlPlane({
    store,
    account: account.value,
    world,
    now,
    wake: () => loop.wake(),
    isServiceTag: (name) => serviceTagAnswer(tags.value, name),
    readPfx,
    environment: { name: "OpenASE", suffixes: {} },
    onDefect,
    access: accessOf(identity),
  });
  const app = createApi({
    plane,
    access: { identity, subscriptionId, local: { token: tokenOf(home), caller: caller.value } },
    now,
    version: VERSION,
    scratch: join(home, "uploads"),
    largestUploadBytes: LARGEST_UPLOAD_BYTES,
    onDefect,
  });
  const server = await serveApi({
    app,
    certificate: readFileSync(shown.value.certificate, "utf8"),
    key: readFileSync(shown.value.key, "utf8"),
    address: LOOPBACK,
    port: ports.api,
  });
  if (!server.ok) return server;
  loop.start();
  flowLogs.start();
  plane.resume();
  await forgetRemovedSites(store, facts);
  writeWhole(join(home, "run", "control.json"), {
    pid: process.pid,
    startTime: new Date().toISOString(),
    apiPort: server.value.port,
    httpPort: ports.http,
    httpsPort: ports.https,
    fabric: options.fabric,
  });
  const stop = async (problem?: Problem) => {
    if (problem !== undefined) log.error({ problem }, "the world is gone");
    await server.value.close();
    await Promise.all([loop.stop(), plane.stop(), flowLogs.stop()]);
    store.close();
    process.exit(problem === undefined ? 0 : 1);
  };
  process.once("SIGTERM", () => void stop());
  process.once("SIGINT", () => void stop());
  // Without a world there is nothing to control; the next `ase up` makes one anew.
  void fabric.value.closed.then(stop);
  log.info({ home, apiPort: server.value.port }, "the control plane answers");
  return found("started");
}

/** A fabric, and when it is gone. */
type OpenedFabric = { readonly fabric: Fabric; readonly closed: Promise<Problem> };

async function openFabric(options: ControlOptions): Promise<Result<OpenedFabric>> {
  if (options.fabric === "simulated") {
    const { fabric } = openSimulatedFabric(() => Date.now());
    return found({ fabric, closed: new Promise<never>(() => undefined) });
  }
  const remote = await adoptOrStart(options);
  return remote.ok ? found({ fabric: remote.value, closed: remote.value.closed }) : remote;
}

async function adoptOrStart({ home, entry, ports }: ControlOptions): Promise<Result<RemoteFabric>> {
  const adopted = await connectWorld(home);
  if (adopted.ok) return adopted;
  if (adopted.problem.code !== "NoWorld") return adopted;
  return startWorld({ home, entry, doors: { http: ports.http, https: ports.https } });
}

function makeFolders(home: string): void {
  // Apps' own users pass through to their content; nothing else of it is for them to see.
  mkdirSync(home, { recursive: true, mode: 0o711 });
  for (const folder of ["state", "logs", "pki", "run", "uploads"])
    mkdirSync(join(home, folder), { recursive: true, mode: 0o700 });
  mkdirSync(join(home, "content"), { recursive: true, mode: 0o711 });
}

/** The key of this installation's API, made once. */
function tokenOf(home: string): string {
  const kept = join(home, "state", "token");
  if (!existsSync(kept))
    writeFileSync(kept, randomBytes(32).toString("base64url"), { mode: 0o600 });
  const token = readFileSync(kept, "utf8").trim();
  const shown = join(home, "run", "token");
  writeFileSync(shown, `${token}\n`, { mode: 0o600 });
  chmodSync(shown, 0o600);
  return token;
}

function reportTo(store: Store, log: Logger, event: ControlEvent): void {
  log[event.level === "warning" ? "warn" : event.level](event, "event");
  store.transaction((transaction) => found(transaction.append(event)));
}

/** Readers find the old file or the new one, never half of one. */
function writeWhole(file: string, value: object): void {
  const draft = `${file}.new`;
  rmSync(draft, { force: true });
  writeFileSync(draft, `${JSON.stringify(value)}\n`, { mode: 0o600 });
  renameSync(draft, file);
}
