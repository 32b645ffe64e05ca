/**
 * Starting and ending the server of a home.
 *
 * A child process with its own life: it goes on when this command ends. What it does is main.ts;
 * this file knows only how it is called and how it says that it is ready or cannot start.
 */
import { spawn } from "node:child_process";
import { mkdirSync, openSync, closeSync, readFileSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";

import { readJson } from "../arm/json.ts";
import { declined, found, type Problem, type Result } from "../base/problem.ts";
import { openClient, readDoor } from "./client.ts";
import { readRunningServer, type Home, type RunningServer } from "./home.ts";
import { problemFromJson } from "./refusals.ts";

export type ServerPorts = { readonly api: number; readonly http: number; readonly https: number };

export type ServerWish = {
  readonly ports: ServerPorts;
  /** Absent: the server's own default. */
  readonly suspendAfterMs?: number;
  /** Absent: a real one. */
  readonly fabric?: "simulated";
};

const MAIN = fileURLToPath(new URL("../main.ts", import.meta.url));
const START_WITHIN_MS = 30_000;
const LOOK_EVERY_MS = 25;

/** Starts a server and waits until it answers. */
export async function startServer(home: Home, wish: ServerWish): Promise<Result<RunningServer>> {
  const opened = openLog(home);
  if (!opened.ok) return opened;
  const { log, sizeBefore } = opened.value;
  const child = spawn(
    process.execPath,
    [
      ...[MAIN, "control", "--home", home.folder],
      ...["--api-port", String(wish.ports.api)],
      ...["--http-port", String(wish.ports.http)],
      ...["--https-port", String(wish.ports.https)],
      ...(wish.suspendAfterMs === undefined
        ? []
        : ["--suspend-after", String(wish.suspendAfterMs)]),
      ...(wish.fabric === undefined ? [] : ["--fabric", wish.fabric]),
    ],
    { detached: true, stdio: ["ignore", log, log], cwd: home.folder },
  );
  closeSync(log);
  let ended = false;
  child.once("exit", () => (ended = true));
  child.once("error", () => (ended = true));
  child.unref();
  const deadline = Date.now() + START_WITHIN_MS;
  while (Date.now() < deadline) {
    // Whether it ended is read first: what it wrote before is then all there.
    const over = ended;
    const server = readRunningServer(home);
    if (server !== undefined && (await answers(home, server))) return found(server);
    if (over) return declined(lastProblem(home, sizeBefore));
    await pause(LOOK_EVERY_MS);
  }
  return declined({
    code: "ServerDoesNotStart",
    what: `the server was started and did not answer within ${START_WITHIN_MS / 1000} s`,
    where: home.log,
    fix: `Read the end of ${home.log}, then run \`ase down\` and \`ase up\` again.`,
  });
}

/** Ends the server and its world; with `purge`, removes the home's state too. */
export async function endServer(home: Home, purge: "purge" | "keep"): Promise<Result<string>> {
  const child = spawn(
    process.execPath,
    [MAIN, "down", "--home", home.folder, ...(purge === "purge" ? ["--purge"] : [])],
    { stdio: ["ignore", "pipe", "pipe"] },
  );
  const said = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text: string) => (said.stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said.stderr += text));
  const exitCode = await new Promise<number>((resolve) => {
    child.once("error", () => resolve(1));
    child.once("close", (code) => resolve(code ?? 1));
  });
  if (exitCode === 0) return found(said.stdout.trim());
  return declined(
    problemInLines(said.stderr) ?? {
      code: "DownFailed",
      what: `taking the world down ended with exit code ${exitCode}: ${lastLine(said.stderr)}`,
      where: home.folder,
      fix: "Run `ase down` again; it is safe to repeat.",
    },
  );
}

export async function answers(home: Home, server: RunningServer): Promise<boolean> {
  const door = readDoor(home, server);
  if (!door.ok) return false;
  const client = openClient(door.value);
  const answer = await client.ask({ method: "GET", path: "/openase/version" });
  client.close();
  return answer.ok && answer.value.status === 200;
}

function openLog(home: Home): Result<{ readonly log: number; readonly sizeBefore: number }> {
  try {
    // Passable, so that the users of apps reach their own content in it.
    mkdirSync(home.folder, { recursive: true, mode: 0o711 });
    mkdirSync(dirname(home.log), { recursive: true, mode: 0o700 });
    const sizeBefore = statSync(home.log, { throwIfNoEntry: false })?.size ?? 0;
    return found({ log: openSync(home.log, "a", 0o600), sizeBefore });
  } catch (thrown) {
    return declined({
      code: "HomeNotWritable",
      what: `the home cannot be written: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
      where: home.folder,
      fix: "Run as a user who may write there, or set ASE_HOME to another folder.",
    });
  }
}

/** What the server said last before it ended. */
function lastProblem(home: Home, sizeBefore: number): Problem {
  const text = readFileSync(home.log).subarray(sizeBefore).toString("utf8");
  return (
    problemInLines(text) ?? {
      code: "ServerDoesNotStart",
      what: `the server ended while it started: ${lastLine(text)}`,
      where: home.log,
      fix: `Read the end of ${home.log}.`,
    }
  );
}

function problemInLines(text: string): Problem | undefined {
  for (const line of text.trimEnd().split("\n").toReversed()) {
    if (!line.startsWith("{")) continue;
    const read = readJson(line, "server");
    const problem = read.ok ? problemFromJson(read.value) : undefined;
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function lastLine(text: string): string {
  return text.trimEnd().split("\n").at(-1) || "it said nothing";
}
