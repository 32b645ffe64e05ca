/**
 * The process that owns the world, inside its namespaces: opens the kernel, serves the fabric.
 *
 * Small on purpose: everything in the world lives and dies with it. What programs do is handed in.
 */
import { readFileSync } from "node:fs";

import type { Problem } from "../../base/problem.ts";
import type { RunProbe, StartProgram } from "../fabric.ts";
import { serveFabric } from "../remote/server.ts";
import type { DoorSockets } from "./doorway.ts";
import { openKernel } from "./kernel/open-kernel.ts";
import { openLimits } from "./limits.ts";
import { openLinuxFabric } from "./linux-fabric.ts";
import { openLogBook } from "./log-book.ts";
import { makePrivateView, SCRATCH } from "./mounts.ts";
import { removeWorldFiles, worldFiles } from "./world-files.ts";

export type FabricProcessOptions = {
  readonly home: string;
  /** Inherited listening sockets; see DOOR_DESCRIPTORS in world.ts. */
  readonly doorFds?: DoorSockets;
  readonly startProgram: StartProgram;
  readonly runProbe: RunProbe;
  /** Writes the commands that people find at every place into a folder. */
  readonly writeTools?: (folder: string) => Promise<void>;
};

const TOOLS = `${SCRATCH}/tools`;

/** Serves until it is told to end; the process ends with it. */
export async function runFabricProcess(options: FabricProcessOptions): Promise<void> {
  surviveSurprises();
  const files = worldFiles(options.home);
  const view = makePrivateView();
  if (!view.ok) return giveUp(view.problem);
  await options.writeTools?.(TOOLS);
  const kernel = openKernel();
  if (!kernel.ok) return giveUp(kernel.problem);
  const fabric = openLinuxFabric({
    kernel: kernel.value,
    startProgram: options.startProgram,
    runProbe: options.runProbe,
    limits: openLimits(files.id),
    logBook: openLogBook(files.logs),
    scratch: SCRATCH,
    hasUsers: hasUsers(),
    ...(options.doorFds === undefined ? {} : { doors: options.doorFds }),
    resolversChanged: view.value.writeResolvers,
    withResolvers: view.value.withResolvers,
    ...(options.writeTools === undefined ? {} : { tools: TOOLS }),
    log,
  });
  const leave = () => {
    removeWorldFiles(files);
    process.exit(0);
  };
  const served = await serveFabric(fabric, {
    socketPath: files.socket,
    world: files.id,
    ended: leave,
  });
  if (!served.ok) return giveUp(served.problem);
  process.once("SIGTERM", () => void fabric.end().then(leave));
  log("the world stands", { world: files.id, pid: process.pid });
}

/** Whether the kernel lets us become other users: not with a single number mapped (rootless). */
function hasUsers(): boolean {
  const [, , count = "0"] = readFileSync("/proc/self/uid_map", "utf8").trim().split(/\s+/);
  return process.getuid?.() === 0 && Number(count) > 65_534;
}

/**
 * A broken promise inside one program of one host must not end all others. It is logged; what it
 * concerned fails its probes.
 */
function surviveSurprises(): void {
  process.on("uncaughtException", (error) =>
    log("uncaught", { stack: error.stack ?? String(error) }),
  );
  process.on("unhandledRejection", (reason) =>
    log("unhandled", { stack: reason instanceof Error ? reason.stack : String(reason) }),
  );
}

function giveUp(problem: Problem): void {
  log("the world cannot be made", { problem });
  process.exit(1);
}

/** One line, one fact; fabric.log is this process's standard error. */
function log(message: string, fields: object): void {
  process.stderr.write(
    `${JSON.stringify({ time: new Date().toISOString(), message, ...fields })}\n`,
  );
}
