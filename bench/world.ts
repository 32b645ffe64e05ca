/**
 * A world of a bench's own: a fresh home, free ports, brought up and taken away through `ase`.
 *
 * What is measured in it stands in the bench; figures are made in figures.ts.
 */
import { execFile, type ChildProcess } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { describeProblem, type Result } from "../src/base/problem.ts";
import { openClient, readDoor, type Client } from "../src/cli/client.ts";
import { findHome, readRunningServer, type RunningServer } from "../src/cli/home.ts";

export type BenchWorld = {
  readonly folder: string;
  readonly ports: { readonly api: number; readonly http: number; readonly https: number };
  /** Options that give `ase up` this world's ports. */
  readonly portOptions: readonly string[];
  /** Runs `ase` in this home; throws with its words when it does not end well. */
  readonly ase: (...words: readonly string[]) => Promise<string>;
  readonly server: () => RunningServer;
  readonly client: () => Client;
  readonly purge: () => Promise<void>;
};

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const ASE = join(ROOT, "ase");
const LONGEST_COMMAND_MS = 5 * 60_000;
const LONGEST_OUTPUT_BYTES = 64 * 2 ** 20;

export const EXAMPLES = join(ROOT, "examples");

export async function openBenchWorld(): Promise<BenchWorld> {
  const folder = mkdtempSync(join(tmpdir(), "ase-bench-"));
  const [api, http, https] = await freePorts();
  const ase = (...words: readonly string[]) => run(ASE, words, { ASE_HOME: folder });
  const home = findHome({ ASE_HOME: folder }, process.getuid?.());
  const server = () => there(readRunningServer(home), "the server runs");
  return {
    folder,
    ports: { api, http, https },
    portOptions: [
      ...["--api-port", String(api)],
      ...["--http-port", String(http)],
      ...["--https-port", String(https)],
    ],
    ase,
    server,
    client: () => openClient(good(readDoor(home, server()))),
    purge: async () => {
      await ase("down", "--purge");
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Runs work in a world of its own, and takes the world away whatever happens, also on Ctrl-C. */
export async function inBenchWorld<Value>(
  work: (world: BenchWorld) => Promise<Value>,
): Promise<Value> {
  const world = await openBenchWorld();
  const interrupted = () => void world.purge().finally(() => process.exit(130));
  process.once("SIGINT", interrupted);
  process.once("SIGTERM", interrupted);
  try {
    return await work(world);
  } finally {
    process.off("SIGINT", interrupted);
    process.off("SIGTERM", interrupted);
    await world.purge();
  }
}

export async function run(
  command: string,
  words: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<string> {
  const ended = await promisify(execFile)(command, words, {
    env: { ...process.env, ...environment },
    timeout: LONGEST_COMMAND_MS,
    maxBuffer: LONGEST_OUTPUT_BYTES,
  });
  return ended.stdout;
}

/** Processes below a process, itself included, as this machine numbers them. */
export function familyOf(pid: number): readonly number[] {
  const children = readOr(`/proc/${pid}/task/${pid}/children`, "").trim().split(" ");
  return [pid, ...children.filter((word) => word !== "").flatMap((word) => familyOf(Number(word)))];
}

/** The outermost process of this home's world. */
export function worldPid(world: BenchWorld): number {
  const record = JSON.parse(readFileSync(join(world.folder, "run", "world.json"), "utf8")) as {
    readonly pid: number;
  };
  return record.pid;
}

/** The process that owns the world: below `unshare` and its shell. */
export function fabricPid(world: BenchWorld): number {
  const family = familyOf(worldPid(world));
  const fabric = family.find((pid) => {
    const words = readOr(`/proc/${pid}/cmdline`, "").split("\0");
    return (words[0] ?? "").endsWith("node") && words.includes("fabric");
  });
  return there(fabric, "the fabric process runs");
}

/** Processes of this world whose command line has a word. */
export function processesOf(world: BenchWorld, word: string): readonly number[] {
  return familyOf(worldPid(world)).filter((pid) =>
    readOr(`/proc/${pid}/cmdline`, "").split("\0").join(" ").includes(word),
  );
}

export function good<Value>(result: Result<Value>): Value {
  if (!result.ok) throw new Error(describeProblem(result.problem));
  return result.value;
}

export function there<Value>(value: Value | undefined, promise: string): Value {
  if (value === undefined) throw new Error(`it does not hold that ${promise}`);
  return value;
}

export function readOr(file: string, otherwise: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return otherwise;
  }
}

/** Ends a program the bench started, and waits for its end. */
export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill("SIGKILL");
  await gone;
}

export async function freePorts(): Promise<readonly [number, number, number]> {
  const servers = await Promise.all(
    [0, 1, 2].map(async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
      return server;
    }),
  );
  const [first = 0, second = 0, third = 0] = servers.map(
    (server) => (server.address() as AddressInfo).port,
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return [first, second, third];
}
