/**
 * One instance of an app on its worker: prepared, started in a sandbox, watched, ended.
 *
 * Restarting what crashed, limits and the network are the fabric's; balancing is the front end's.
 */
import { chmod, copyFile, lchown, mkdir, writeFile } from "node:fs/promises";
import type { ChildProcess } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual } from "node:util";

import { declined, found, problemOf, type Problem, type Result } from "../base/problem.ts";
import type { App } from "../blueprint/blueprint.ts";
import { PLATFORM_ADDRESS } from "../environment/ports.ts";
import type { ProgramPlace, RunningProgram } from "../fabric/fabric.ts";
import { homeOfContent } from "./content.ts";
import { appEnvironment } from "./environment-variables.ts";
import { rememberLastLines } from "./lines.ts";
import { endSandbox } from "./process-tree.ts";
import { startCommand } from "./runtime.ts";
import {
  chooseConfinement,
  generatedEtc,
  NODE_INSIDE,
  readMachineLinks,
  sandboxCommand,
  TOOLS_INSIDE,
} from "./sandbox.ts";
import type { Confinement, SandboxCommand, SandboxContents } from "./sandbox.ts";
import { writeTools } from "./tools.ts";
import { waitForPort } from "./wait-for-port.ts";

/** What App Service allows, in seconds, unless a setting of the app says otherwise. */
const START_LIMIT = {
  setting: "WEBSITES_CONTAINER_START_TIME_LIMIT",
  usual: 230,
  least: 10,
  most: 1_800,
};
const STOP_LIMIT = { setting: "WEBSITES_CONTAINER_STOP_TIME_LIMIT", usual: 5, least: 0, most: 120 };
/** Of all apps of a worker together. */
const PROCESS_LIMIT = 1_024;

export async function startApplication(
  app: App,
  place: ProgramPlace,
): Promise<Result<RunningProgram>> {
  const command = await startCommand(app.runtime, app.content);
  if (!command.ok) return command;
  const prepared = await prepare(app, place);
  if (!prepared.ok) return prepared;
  const { contents, confinement } = prepared.value;
  const sandbox = sandboxCommand(contents, confinement, await readMachineLinks(), command.value);
  const spawned = spawnSafely(app, place, sandbox);
  if (!spawned.ok) return spawned;
  const child = spawned.value;
  const lastLines = rememberLastLines(child);
  let stopping = false;
  const waiting = new AbortController();
  const exit = endOf(child, app, lastLines);
  const ready = await Promise.race([
    waitForPort(place.sockets, app, limitMs(app, START_LIMIT), waiting.signal),
    exit.then((problem) => declined(problem)),
  ]);
  waiting.abort();
  if (!ready.ok) {
    await endSandbox(child, limitMs(app, STOP_LIMIT));
    return declined(notAnswering(app, ready.problem, lastLines));
  }
  place.log("platform", `${app.site} answers on port ${app.port}`);
  return found({
    change: async (next) => isDeepStrictEqual(next, app),
    stop: async () => {
      stopping = true;
      await endSandbox(child, limitMs(app, STOP_LIMIT));
    },
    ended: new Promise((resolve) => {
      void exit.then((problem) => (stopping ? undefined : resolve(problem)));
    }),
  });
}

function spawnSafely(app: App, place: ProgramPlace, sandbox: SandboxCommand): Result<ChildProcess> {
  try {
    return found(
      place.spawn(sandbox.argv, {
        environment: appEnvironment(app, place.host),
        ...(sandbox.user === undefined ? {} : { user: sandbox.user }),
        limits: { ...app.limits, processes: PROCESS_LIMIT },
        folder: "/",
      }),
    );
  } catch (thrown) {
    return declined(
      problemOf(thrown, {
        code: "AppNotStarted",
        what: `No process for ${app.site} can be started on ${place.host.name}`,
        fix: "See the cause.",
        where: app.siteId,
      }),
    );
  }
}

type LastLines = ReturnType<typeof rememberLastLines>;
type Prepared = { readonly contents: SandboxContents; readonly confinement: Confinement };

/** Writes what the sandbox shows beside the content, and learns who the app can be. */
async function prepare(app: App, place: ProgramPlace): Promise<Result<Prepared>> {
  const stage = join(place.scratch, "stage");
  const home = homeOfContent(app.content) ?? join(place.scratch, "home");
  const staticServer = join(place.scratch, "static-server.mjs");
  const contents: SandboxContents = {
    wwwroot: app.content,
    logFiles: join(home, "LogFiles"),
    data: join(home, "data"),
    node: process.execPath,
    staticServer,
    tools: join(place.scratch, "tools"),
    etc: join(place.scratch, "etc"),
    hostName: place.host.name,
  };
  try {
    await chmod(place.scratch, 0o711);
    for (const folder of [
      contents.etc,
      stage,
      home,
      `${stage}/wwwroot`,
      `${stage}/LogFiles`,
      `${stage}/data`,
    ])
      await openFolder(folder);
    await writeFile(`${stage}/node`, "");
    await copyFile(fileURLToPath(new URL("static-server.mjs", import.meta.url)), staticServer);
    await chmod(staticServer, 0o644);
    await writeTools(contents.tools, { folder: TOOLS_INSIDE, node: NODE_INSIDE });
    const confinement = await chooseConfinement({
      user: app.user,
      paths: [
        ...[app.content, contents.logFiles, contents.node, contents.etc],
        ...[staticServer, contents.tools],
      ],
      stage,
    });
    if (!confinement.ok) return confinement;
    await writeEtc(contents.etc, app, place, confinement.value);
    for (const folder of [contents.logFiles, contents.data]) {
      await mkdir(folder, { recursive: true });
      if (confinement.value.kind !== "same-user") await lchown(folder, app.user, app.user);
    }
    return found({ contents, confinement: confinement.value });
  } catch (thrown) {
    return declined(
      problemOf(thrown, {
        code: "AppNotPrepared",
        what: `The files that ${app.site} needs to start on ${place.host.name} cannot be written`,
        fix: "See the cause; then restart the app.",
        where: app.siteId,
      }),
    );
  }
}

async function writeEtc(
  folder: string,
  app: App,
  place: ProgramPlace,
  confinement: Confinement,
): Promise<void> {
  const files = generatedEtc({
    user: confinement.kind === "same-user" ? 1000 : confinement.user,
    hostName: place.host.name,
    address: app.address,
    names: app.names ?? { resolver: PLATFORM_ADDRESS, servers: [] },
  });
  for (const [name, text] of Object.entries(files)) {
    await writeFile(join(folder, name), text);
    await chmod(join(folder, name), 0o644);
  }
}

/** Whatever the mask of this process is, the app's user may pass through. */
async function openFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true });
  await chmod(path, 0o755);
}

function endOf(child: ChildProcess, app: App, lastLines: LastLines): Promise<Problem> {
  return new Promise((resolve) => {
    child.once("error", (error) =>
      resolve({
        code: "AppNotStarted",
        what: `The sandbox of ${app.site} cannot be started: ${error.message}`,
        fix: "Check that bubblewrap is installed: apt-get install bubblewrap",
        where: app.siteId,
      }),
    );
    // "close" comes after the last line was read.
    child.once("close", (code, signalName) => resolve(ended(app, code, signalName, lastLines())));
  });
}

function ended(
  app: App,
  code: number | null,
  signalName: string | null,
  lines: readonly string[],
): Problem {
  const bySignal = signalName ?? (code !== null && code > 128 ? `signal ${code - 128}` : undefined);
  const how = bySignal === undefined ? `with code ${code}` : `by ${bySignal}`;
  const killed = bySignal === "SIGKILL" || bySignal === "signal 9";
  return {
    code: "AppEnded",
    what: `${app.site} ended ${how}${lines.length === 0 ? "" : `: ${lines.join("\n")}`}`,
    fix: killed
      ? `It may have used more than the ${app.limits.memoryMb} MB of its worker: use a larger size, or find what grows.`
      : "Read its log (ase logs), correct it and deploy again.",
    where: app.siteId,
  };
}

function notAnswering(app: App, cause: Problem, lastLines: LastLines): Problem {
  if (cause.code === "AppEnded" || cause.code === "AppNotStarted") return cause;
  const lines = lastLines();
  return {
    code: "AppNotAnswering",
    what: `${app.site} did not listen on port ${app.port} within ${limitMs(app, START_LIMIT) / 1000} s${lines.length === 0 ? "" : `: ${lines.join("\n")}`}`,
    fix: "Listen on the port of the environment variable PORT, on all addresses (0.0.0.0).",
    where: app.siteId,
    cause,
  };
}

function limitMs(app: App, limit: typeof START_LIMIT): number {
  const wished = Number(app.settings[limit.setting] ?? limit.usual);
  const seconds = Number.isFinite(wished) ? wished : limit.usual;
  return 1000 * Math.min(limit.most, Math.max(limit.least, seconds));
}
