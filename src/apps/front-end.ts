/**
 * A front end: HAProxy on 80 and 443, balancing over the workers of each app.
 *
 * It needs nobody once it runs. Instances that come and go are told to it; any other change is a
 * new configuration, checked, and taken over by a new worker process that inherits the listening
 * sockets, while the old one finishes what it has: no request is lost. What the configuration says is front-end-config.ts.
 *
 * @article ASE Front Ends
 */
import type { ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, readFile, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

import { declined, found, problemOf, type Problem, type Result } from "../base/problem.ts";
import type { CertificateFiles, FrontEnd } from "../blueprint/blueprint.ts";
import type { ProgramPlace, RunningProgram } from "../fabric/fabric.ts";
import { backendOf, frontEndFiles } from "./front-end-config.ts";
import { askMaster, processesOf, workerRuns } from "./haproxy-master.ts";
import {
  changeServers,
  onlyServersChange,
  openWork,
  remainsOf,
  serverChanges,
} from "./haproxy-servers.ts";
import { rememberLastLines } from "./lines.ts";
import { descendants, hasEnded } from "./process-tree.ts";
import { mayBecome } from "./sandbox.ts";

const TAKE_OVER_LIMIT_MS = 10_000;
/** Requests under way get so long to finish when the front end is stopped. */
const STOP_GRACE_MS = 2_000;
const KILL_AFTER_MS = 5_000;
/** How often is asked whether those that go have finished. */
const LOOK_EVERY_MS = 100;
/** Clients that keep a connection and ask nothing are waited for so long when a front end goes. */
const IDLE_GRACE_MS = 5_000;
const MOST_CONNECTIONS = 10_000;
const NOBODY = 65_534;

export async function startFrontEnd(
  frontEnd: FrontEnd,
  place: ProgramPlace,
): Promise<Result<RunningProgram>> {
  const proxy = new RunningProxy(frontEnd, place);
  const started = await proxy.start();
  return started.ok ? found(proxy) : started;
}

/** One HAProxy from its start to its end. */
class RunningProxy implements RunningProgram {
  readonly ended: Promise<Problem>;
  readonly #place: ProgramPlace;
  #current: FrontEnd;
  /** What the files said that the running worker process was given. */
  #fingerprint = "";
  #version = 0;
  #child: ChildProcess | undefined;
  #stopping = false;
  #queue: Promise<unknown> = Promise.resolve();
  /** Instances that get nothing new and have something under way: `backend/server` -> host. */
  readonly #going = new Map<string, string>();
  /** The same when nothing is under way any more, until HAProxy has forgotten them. */
  readonly #idle = new Set<string>();
  #finishingSince: number | undefined;
  #look: NodeJS.Timeout | undefined;
  #reportEnd: (problem: Problem) => void = () => {};

  constructor(frontEnd: FrontEnd, place: ProgramPlace) {
    this.#current = frontEnd;
    this.#place = place;
    this.ended = new Promise((resolve) => (this.#reportEnd = resolve));
  }

  async start(): Promise<Result<"started">> {
    const written = await this.#write(this.#current);
    if (!written.ok) return written;
    await this.#adopt(written.value);
    const spawned = this.#spawn([
      "-W",
      "-S",
      this.#masterSocket,
      "-f",
      this.#folderLink("haproxy.cfg"),
    ]);
    if (!spawned.ok) return spawned;
    const child = (this.#child = spawned.value);
    const lastLines = rememberLastLines(child);
    const exit = new Promise<Problem>((resolve) => {
      child.once("error", (error) =>
        resolve(this.#problem(`cannot be started: ${error.message}`, [])),
      );
      child.once("close", (code, signal) =>
        resolve(
          this.#problem(
            `ended ${signal === null ? `with code ${code}` : `by ${signal}`}`,
            lastLines(),
          ),
        ),
      );
    });
    const waiting = new AbortController();
    const ready = await Promise.race([
      exit.then((problem) => declined(problem)),
      this.#newWorker(new Set(), waiting.signal),
    ]);
    waiting.abort();
    if (!ready.ok) {
      await this.stop();
      // What it said as it ended says more than that it did not come.
      return hasEnded(child) ? declined(await exit) : ready;
    }
    void exit.then((problem) => {
      if (!this.#stopping && this.#finishingSince === undefined) this.#reportEnd(problem);
    });
    if (this.#current.finishing === true) this.#finish();
    return found("started");
  }

  readonly busyWith = (): readonly string[] => {
    const isOpen = this.#finishingSince !== undefined && this.#child && !hasEnded(this.#child);
    return [...new Set([...this.#going.values(), ...(isOpen ? [this.#place.host.name] : [])])];
  };

  /** Changes follow each other in the order they were asked for. */
  readonly change = (program: unknown): Promise<boolean | Problem> => {
    const turn = this.#queue.then(() => this.#change(program as FrontEnd));
    this.#queue = turn.catch(() => undefined);
    return turn;
  };

  readonly stop = async (): Promise<void> => {
    this.#stopping = true;
    clearTimeout(this.#look);
    const child = this.#child;
    if (child?.pid === undefined || hasEnded(child)) return;
    const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
    const below = await descendants(child.pid);
    child.kill("SIGUSR1");
    const harder = setTimeout(() => child.kill("SIGTERM"), STOP_GRACE_MS);
    const hardest = setTimeout(() => {
      for (const pid of below) kill(pid);
      child.kill("SIGKILL");
    }, KILL_AFTER_MS);
    if (!hasEnded(child)) await gone;
    clearTimeout(harder);
    clearTimeout(hardest);
  };

  async #change(next: FrontEnd): Promise<boolean | Problem> {
    if (next.kind !== "front-end" || next.address !== this.#current.address) return false;
    const finishing = next.finishing === true;
    // One that finishes needs no news, and one that shall serve again begins anew.
    if (this.#finishingSince !== undefined) return finishing;
    if (this.#child === undefined || hasEnded(this.#child)) return false;
    if (finishing) {
      this.#current = next;
      this.#finish();
      return true;
    }
    const written = await this.#write(next);
    if (!written.ok) return written.problem;
    const before = this.#current;
    this.#current = next;
    if (written.value.fingerprint === this.#fingerprint) {
      await rm(written.value.folder, { recursive: true, force: true });
      return true;
    }
    const previous = this.#versionFolder(this.#version - 1);
    await this.#adopt(written.value);
    // Those that go are waited for however they are told.
    const changes = serverChanges(before, next);
    for (const { site, come, go } of changes) {
      for (const { name } of come) {
        this.#going.delete(`${backendOf(site)}/${name}`);
        this.#idle.delete(`${backendOf(site)}/${name}`);
      }
      for (const { name } of go) this.#going.set(`${backendOf(site)}/${name}`, name);
    }
    const isTold =
      onlyServersChange(before, next) && (await changeServers(this.#masterSocket, changes));
    const reloaded = isTold || (await this.#reload());
    this.#watch();
    if (reloaded) await rm(previous, { recursive: true, force: true });
    return reloaded;
  }

  /** A complete and checked version of the files, not yet in use. */
  async #write(frontEnd: FrontEnd): Promise<Result<Written>> {
    const folder = this.#versionFolder(this.#version);
    try {
      await rm(folder, { recursive: true, force: true });
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const pairs = await this.#writeCertificates(frontEnd.certificates, folder, "default");
      const bound = boundOf(frontEnd);
      const boundPairs = await this.#writeCertificates(bound, folder, "bound");
      const serverCount = frontEnd.sites.reduce((sum, site) => sum + site.backends.length, 0);
      const files = frontEndFiles(frontEnd, {
        folder,
        workerSocket: join(this.#place.scratch, "worker.sock"),
        certificateFiles: pairs.map(({ file }) => file),
        boundFiles: new Map(
          bound.map(({ certificate }, position) => [certificate, boundPairs[position]?.file ?? ""]),
        ),
        maxConnections: connectionLimit(await openFileLimit(), serverCount),
        threads: this.#place.host.limits?.cores ?? 1,
        ...((await mayBecome(NOBODY)) ? { user: NOBODY } : {}),
      });
      if (!files.ok) return files;
      for (const [name, text] of Object.entries(files.value))
        await writeFile(join(folder, name), text);
      const texts = [...pairs, ...boundPairs].map(({ text }) => text);
      const said = JSON.stringify([files.value, texts]);
      const fingerprint = createHash("sha256").update(said.replaceAll(folder, "")).digest("hex");
      const checked = await this.#check(join(folder, "haproxy.cfg"));
      return checked.ok ? found({ folder, fingerprint }) : checked;
    } catch (thrown) {
      return declined(
        problemOf(thrown, {
          code: "FrontEndNotPrepared",
          what: `The files of the front end on ${this.#place.host.name} cannot be written`,
          fix: "See the cause: a certificate that cannot be read, or a full file system.",
        }),
      );
    }
  }

  async #writeCertificates(
    certificates: readonly CertificateFiles[],
    folder: string,
    kind: "default" | "bound",
  ): Promise<readonly { readonly file: string; readonly text: string }[]> {
    return Promise.all(
      certificates.map(async ({ certificate, key }, position) => {
        const parts = await Promise.all([readFile(certificate, "utf8"), readFile(key, "utf8")]);
        const text = parts.map((part) => `${part.trimEnd()}\n`).join("");
        const file = join(folder, `${kind}-${position}.pem`);
        await writeFile(file, text, { mode: 0o600 });
        return { file, text };
      }),
    );
  }

  /** HAProxy itself judges its configuration before it is asked to run it. */
  async #check(file: string): Promise<Result<"valid">> {
    const spawned = this.#spawn(["-c", "-q", "-f", file]);
    if (!spawned.ok) return spawned;
    const lastLines = rememberLastLines(spawned.value);
    return new Promise((resolve) => {
      const refused = (how: string): void => resolve(declined(this.#problem(how, lastLines())));
      spawned.value.once("error", (error) => refused(`cannot be started: ${error.message}`));
      spawned.value.once("close", (code) => {
        if (code === 0) resolve(found("valid"));
        else refused("does not accept its configuration");
      });
    });
  }

  /** `current` is what HAProxy reads; it points at the newest version from one moment to the next. */
  async #adopt(written: Written): Promise<void> {
    const draft = join(this.#place.scratch, ".current");
    await rm(draft, { force: true });
    await symlink(written.folder, draft);
    await rename(draft, join(this.#place.scratch, "current"));
    this.#fingerprint = written.fingerprint;
    this.#version++;
  }

  /** Takes nothing new; the process ends with its last connection. */
  #finish(): void {
    this.#finishingSince = performance.now();
    this.#child?.kill("SIGUSR1");
    this.#watch();
  }

  /** Looks again and again until nothing that goes has anything under way. */
  #watch(): void {
    clearTimeout(this.#look);
    const nothingLeft = this.#going.size + this.#idle.size === 0;
    if (this.#stopping || (nothingLeft && this.#finishingSince === undefined)) return;
    this.#look = setTimeout(() => void this.#lookAround(), LOOK_EVERY_MS);
  }

  async #lookAround(): Promise<void> {
    if (this.#child === undefined || hasEnded(this.#child)) return this.#going.clear();
    if (0 < this.#going.size + this.#idle.size) await this.#lookAfterServers();
    if (this.#finishingSince !== undefined) {
      const { connections, requests } = await openWork(this.#masterSocket);
      const isOverdue = IDLE_GRACE_MS <= performance.now() - this.#finishingSince;
      if (connections === 0 || (requests === 0 && isOverdue)) this.#child.kill("SIGTERM");
    }
    this.#watch();
  }

  async #lookAfterServers(): Promise<void> {
    const servers = [...this.#going.keys(), ...this.#idle];
    const { busy, known } = await remainsOf(this.#masterSocket, servers);
    for (const server of servers) {
      // One that came back meanwhile is none of these.
      const isGoing = this.#going.has(server);
      if (!isGoing && !this.#idle.has(server)) continue;
      if (busy.has(server)) continue;
      this.#going.delete(server);
      if (known.has(server)) this.#idle.add(server);
      else this.#idle.delete(server);
    }
  }

  async #reload(): Promise<boolean> {
    const before = new Set((await processesOf(this.#masterSocket)).current);
    if (!(await askMaster(this.#masterSocket, "reload")).ok) return false;
    const taken = await this.#newWorker(before, new AbortController().signal);
    if (!taken.ok) this.#place.log("platform", taken.problem.what);
    return taken.ok;
  }

  /** Waits for a worker process that runs, with the listening sockets in its hands. */
  async #newWorker(before: ReadonlySet<number>, signal: AbortSignal): Promise<Result<"runs">> {
    const deadline = performance.now() + TAKE_OVER_LIMIT_MS;
    while (performance.now() < deadline && !signal.aborted) {
      if (this.#child === undefined || hasEnded(this.#child)) break;
      const fresh = (await processesOf(this.#masterSocket)).current.find((pid) => !before.has(pid));
      if (fresh !== undefined && (await workerRuns(this.#masterSocket, fresh)))
        return found("runs");
      await pause(5);
    }
    return declined(this.#problem("did not take over its configuration in time", []));
  }

  #spawn(args: readonly string[]): Result<ChildProcess> {
    try {
      const folder = this.#place.scratch;
      return found(this.#place.spawn(["haproxy", ...args], { environment: {}, folder }));
    } catch (thrown) {
      return declined(
        problemOf(thrown, {
          code: "FrontEndNotStarted",
          what: `HAProxy cannot be started on ${this.#place.host.name}`,
          fix: "Check that it is installed: apt-get install haproxy",
        }),
      );
    }
  }

  #problem(how: string, lines: readonly string[]): Problem {
    return {
      code: "FrontEndEnded",
      what: `HAProxy on ${this.#place.host.name} ${how}${lines.length === 0 ? "" : `: ${lines.join("\n")}`}`,
      fix: "Read its words above; `apt-get install haproxy` if it is missing.",
      where: this.#place.host.name,
    };
  }

  get #masterSocket(): string {
    return join(this.#place.scratch, "master.sock");
  }

  #folderLink(name: string): string {
    return join(this.#place.scratch, "current", name);
  }

  #versionFolder(version: number): string {
    return join(this.#place.scratch, `version-${version}`);
  }
}

/** Each pair once, however many names it is bound to. */
function boundOf({ boundCertificates = [], appAddresses = [] }: FrontEnd) {
  const all = [...boundCertificates, ...appAddresses.flatMap((own) => own.certificates)];
  return [...new Map(all.map(({ files }) => [files.certificate, files])).values()];
}

type Written = { readonly folder: string; readonly fingerprint: string };

/** Every connection takes two files, every instance one for its checks; some are always open. */
function connectionLimit(fileLimit: number, serverCount: number): number {
  return Math.max(
    100,
    Math.min(MOST_CONNECTIONS, Math.floor((fileLimit - 200 - 2 * serverCount) / 2)),
  );
}

async function openFileLimit(): Promise<number> {
  const limits = await readFile("/proc/self/limits", "utf8");
  const hard = /^Max open files\s+\S+\s+(\d+)/m.exec(limits)?.[1];
  return hard === undefined ? Number.MAX_SAFE_INTEGER : Number(hard);
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended already.
  }
}
