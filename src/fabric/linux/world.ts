/**
 * Starting, finding and ending the process tree that owns the world. Runs in the control plane.
 *
 *     unshare (new namespaces; killing it kills everything)
 *     +- sh (first process inside: reaps what is orphaned)
 *        +- node <entry> fabric (fabric-process.ts)
 *           +- programs of the hosts, doorway
 *
 * The tree belongs to nobody: the control plane may die. What goes on inside is not known here.
 */
import { spawn } from "node:child_process";
import { closeSync, openSync, readFileSync, renameSync, statSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { setTimeout as pause } from "node:timers/promises";

import { declined, found, type Problem, type Result } from "../../base/problem.ts";
import { openRemoteFabric, type RemoteFabric } from "../remote/client.ts";
import { openLimits } from "./limits.ts";
import { ROTATE_AT_BYTES } from "./log-book.ts";
import { USUAL_PATH } from "./program-place.ts";
import { checkRequirements, explainRefusal } from "./requirements.ts";
import {
  childrenOf,
  isAlive,
  isHome,
  readRecord,
  recordOf,
  removeWorldFiles,
  worldFiles,
  writeRecord,
  type WorldFiles,
  type WorldRecord,
} from "./world-files.ts";

export type WorldWish = {
  readonly home: string;
  /** The program's own entry; called as `node <entry> fabric --home <home> [--doors]`. */
  readonly entry: string;
  /** Ports of 127.0.0.1 that lead to the environments. */
  readonly doors?: DoorPorts;
};

export type DoorPorts = { readonly http: number; readonly https: number };

/** Descriptors of the doors' sockets in the fabric process when it was called with `--doors`. */
export const DOOR_DESCRIPTORS = { http: 3, https: 4 } as const;

const FLAGS = { http: "--http-port", https: "--https-port" } as const;
const START_WITHIN_MS = 15_000;
const END_WITHIN_MS = 8_000;
const GONE_WITHIN_MS = 5_000;
const LOOK_EVERY_MS = 5;
/** Longest path that fits a socket's name. */
const LONGEST_SOCKET_PATH = 107;

/** Makes the world and waits until its fabric answers. */
export async function startWorld(wish: WorldWish): Promise<Result<RemoteFabric>> {
  const files = worldFiles(wish.home);
  const ready = checkHome(files);
  if (!ready.ok) return ready;
  const met = checkRequirements();
  if (!met.ok) return met;
  await openLimits(files.id).sweep();
  removeWorldFiles(files);
  const doors = await openDoors(wish.doors);
  if (!doors.ok) return doors;
  rotate(files.fabricLog);
  const log = openSync(files.fabricLog, "a", 0o600);
  const saidBefore = statSync(files.fabricLog).size;
  const child = spawn("unshare", treeArguments(wish.entry, files, doors.value.length > 0), {
    detached: true,
    stdio: ["ignore", log, log, ...doors.value.map(descriptorOf)],
    cwd: "/",
    env: environment(),
  });
  let over = false;
  child.once("exit", () => (over = true));
  child.once("error", () => (over = true));
  child.unref();
  closeSync(log);
  doors.value.forEach((door) => door.close());
  const record = child.pid === undefined ? undefined : recordOf(child.pid);
  if (record !== undefined) writeRecord(files, record);
  const answer = await untilAnswered(files, () => over);
  if (answer.ok) return answer;
  const said = readFileSync(files.fabricLog).subarray(saidBefore).toString("utf8");
  if (record !== undefined) await kill(record);
  removeWorldFiles(files);
  return declined(
    explainRefusal(said, process.getuid?.() ?? 0) ?? withLastWords(answer.problem, said),
  );
}

/** Adopts a running world; declined when there is none. */
export async function connectWorld(home: string): Promise<Result<RemoteFabric>> {
  if (!isHome(home)) return declined(noWorld(home));
  const files = worldFiles(home);
  const fabric = openRemoteFabric(files.socket);
  const greeted = await fabric.greet();
  if (greeted.ok) return found(fabric);
  fabric.disconnect();
  const record = readRecord(files);
  if (record !== undefined && isAlive(record)) return greeted;
  return declined(noWorld(home));
}

/** Ends the world, by force where it does not end by itself. Nothing of it stays. */
export async function endWorld(home: string): Promise<Result<"ended" | "none">> {
  if (!isHome(home)) return found("none");
  const files = worldFiles(home);
  const record = readRecord(files);
  const wasAsked = await askToEnd(files);
  if (record !== undefined) {
    if (!(await isGone(record, wasAsked ? GONE_WITHIN_MS : 0))) await kill(record);
    if (isAlive(record)) return declined(stays(record));
  }
  await openLimits(files.id).sweep();
  removeWorldFiles(files);
  return found(wasAsked || record !== undefined ? "ended" : "none");
}

function checkHome(files: WorldFiles): Result<"ready"> {
  const record = readRecord(files);
  if (record !== undefined && isAlive(record))
    return declined({
      code: "WorldRunsAlready",
      what: `the world of ${files.home} runs already, as process ${record.pid}`,
      where: files.record,
      fix: "Adopt it with `ase up`, or end it with `ase down`.",
    });
  if (Buffer.byteLength(files.socket) > LONGEST_SOCKET_PATH)
    return declined({
      code: "HomePathTooLong",
      what: `the path ${files.socket} is longer than ${LONGEST_SOCKET_PATH} bytes, the most a socket may have`,
      fix: "Choose a shorter home (ASE_HOME).",
    });
  if (`${files.home}/`.startsWith("/run/"))
    return declined({
      code: "HomeInRun",
      what: `the home ${files.home} is below /run, which the world replaces by a folder of its own`,
      fix: "Choose another home (ASE_HOME).",
    });
  return found("ready");
}

/** Listening sockets stay in the network they were opened in: the machine's own. */
async function openDoors(ports: DoorPorts | undefined): Promise<Result<readonly Server[]>> {
  const doors: Server[] = [];
  for (const kind of ports === undefined ? [] : (["http", "https"] as const)) {
    const port = ports?.[kind] ?? 0;
    const server = createServer((socket) => socket.destroy());
    const problem = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => {
      server.once("error", resolve);
      server.listen({ host: "127.0.0.1", port, backlog: 4_096 }, () => resolve(undefined));
    });
    if (problem !== undefined) {
      doors.forEach((door) => door.close());
      return declined(portRefused(port, FLAGS[kind], problem));
    }
    doors.push(server);
  }
  return found(doors);
}

function descriptorOf(door: Server): number {
  // Node has no public name for the descriptor of a listening socket.
  const { _handle: socket } = door as Server & { readonly _handle: { readonly fd: number } };
  return socket.fd;
}

function treeArguments(entry: string, files: WorldFiles, hasDoors: boolean): readonly string[] {
  const asRoot = process.getuid?.() === 0;
  return [
    ...(asRoot ? [] : ["--user", "--map-root-user"]),
    ...["--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"],
    // "; exit" keeps the shell: a first process that runs the program itself would not reap.
    ...["/bin/sh", "-c", '"$@"; exit $?', "sh"],
    ...[process.execPath, entry, "fabric", "--home", files.home],
    ...(hasDoors ? ["--doors"] : []),
  ];
}

/** Nothing of the control plane's environment that is not needed. */
function environment(): NodeJS.ProcessEnv {
  const kept = ["HOME", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH"].flatMap((name) => {
    const value = process.env[name];
    return value === undefined ? [] : [[name, value]];
  });
  return {
    ...(Object.fromEntries(kept) as NodeJS.ProcessEnv),
    PATH: USUAL_PATH,
  };
}

async function untilAnswered(
  files: WorldFiles,
  isOver: () => boolean,
): Promise<Result<RemoteFabric>> {
  const deadline = Date.now() + START_WITHIN_MS;
  while (Date.now() < deadline && !isOver()) {
    const fabric = openRemoteFabric(files.socket);
    const greeted = await fabric.greet();
    if (greeted.ok) return found(fabric);
    fabric.disconnect();
    await pause(LOOK_EVERY_MS);
  }
  return declined({
    code: "WorldNotStarted",
    what: isOver()
      ? "the process that owns the world ended while it started"
      : `the process that owns the world did not answer within ${START_WITHIN_MS / 1000} s`,
    where: files.fabricLog,
    fix: `Read the end of ${files.fabricLog}.`,
  });
}

/** False when nobody listens, so that there is nothing to wait for. */
async function askToEnd(files: WorldFiles): Promise<boolean> {
  const fabric = openRemoteFabric(files.socket);
  const greeted = await fabric.greet();
  // One of another version that answers understands "end" all the same.
  const listens = greeted.ok || greeted.problem.code === "FabricOfAnotherVersion";
  if (listens)
    await Promise.race([
      fabric.end(),
      fabric.closed,
      pause(END_WITHIN_MS, undefined, { ref: false }),
    ]);
  fabric.disconnect();
  return listens;
}

/**
 * Only the very process that was recorded. Its child is the first process inside: the outermost
 * ends after it, and it after everything else, so that nothing is left when the outermost is gone.
 */
async function kill(record: WorldRecord): Promise<void> {
  if (!isAlive(record)) return;
  childrenOf(record.pid).forEach(killNow);
  if (await isGone(record, GONE_WITHIN_MS)) return;
  killNow(record.pid);
  await isGone(record, GONE_WITHIN_MS);
}

function killNow(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended meanwhile.
  }
}

async function isGone(record: WorldRecord, withinMs: number): Promise<boolean> {
  const deadline = Date.now() + withinMs;
  while (isAlive(record)) {
    if (Date.now() >= deadline) return false;
    await pause(LOOK_EVERY_MS);
  }
  return true;
}

function rotate(file: string): void {
  const size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  if (size >= ROTATE_AT_BYTES) renameSync(file, `${file}.1`);
}

function portRefused(port: number, flag: string, error: NodeJS.ErrnoException): Problem {
  const why =
    error.code === "EADDRINUSE"
      ? "is taken by another program"
      : error.code === "EACCES"
        ? "may only be opened by root"
        : `cannot be opened: ${error.message}`;
  return {
    code: "PortNotFree",
    what: `port ${port} of 127.0.0.1 ${why}`,
    fix: `Choose another with ${flag}.`,
    where: `127.0.0.1:${port}`,
  };
}

function withLastWords(problem: Problem, said: string): Problem {
  const line = said.trimEnd().split("\n").at(-1) ?? "";
  return line === "" ? problem : { ...problem, what: `${problem.what}: ${line.slice(0, 500)}` };
}

function noWorld(home: string): Problem {
  return { code: "NoWorld", what: `no world of ${home} runs`, fix: "Start it with `ase up`." };
}

function stays({ pid }: WorldRecord): Problem {
  return {
    code: "WorldDoesNotEnd",
    what: `process ${pid}, which owns the world, was killed and is still there`,
    fix: "A system call inside hangs; look at `dmesg`, then run `ase down` again.",
  };
}
