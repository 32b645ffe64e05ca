/**
 * What a program is given: the sockets of its host, processes inside it, a folder and a log.
 *
 * A place belongs to one start of one program; whatever it started goes when the place is left.
 */
import { spawn as spawnProcess, type ChildProcess } from "node:child_process";
import { chmodSync, mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { ProblemError } from "../../base/problem.ts";
import type { Host } from "../../blueprint/blueprint.ts";
import type { LogLine, ProgramPlace, SpawnOptions } from "../fabric.ts";
import type { Space } from "./kernel/kernel.ts";
import type { Limits } from "./limits.ts";
import { fileName } from "./log-book.ts";

/** Where commands are looked for when a program's environment does not say. */
export const USUAL_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

export type PlaceOptions = {
  readonly host: Host;
  readonly network?: string;
  readonly space: Space;
  readonly scratch: string;
  readonly limits: Limits;
  /** False without root: then every process runs as the one user there is. */
  readonly hasUsers: boolean;
  readonly log: (stream: LogLine["stream"], text: string) => void;
  readonly restartPrograms: () => void;
};

export type LeavablePlace = ProgramPlace & {
  /** Kills what was started here and still runs. */
  readonly leave: () => void;
};

export function openProgramPlace(options: PlaceOptions): LeavablePlace {
  const { host, network, space, scratch, log, restartPrograms } = options;
  const children = new Set<ChildProcess>();
  mkdirSync(scratch, { recursive: true });
  // Programs that run as users of their own pass through it.
  chmodSync(scratch, 0o755);
  let isLeft = false;
  return {
    host,
    ...(network === undefined ? {} : { network }),
    sockets: space.sockets,
    scratch,
    log,
    restartPrograms,
    spawn: (argv, wish) => {
      const child = begin(argv, wish, options);
      children.add(child);
      child.once("exit", () => children.delete(child));
      child.once("error", (error) => {
        children.delete(child);
        log("platform", `${argv[0]} was not started: ${error.message}`);
      });
      child.stdin?.on("error", () => undefined);
      for (const stream of ["stdout", "stderr"] as const) {
        const source = child[stream];
        if (source) createInterface({ input: source }).on("line", (text) => log(stream, text));
      }
      if (isLeft) child.kill("SIGKILL");
      return child;
    },
    leave: () => {
      isLeft = true;
      for (const child of children) child.kill("SIGKILL");
    },
  };
}

/** The folder of one program, below the one of its host. */
export function scratchFolder(root: string, host: string, program: string): string {
  return join(root, fileName(host), fileName(program));
}

export function removeScratch(root: string, host: string): void {
  rmSync(join(root, fileName(host)), { recursive: true, force: true });
}

function begin(argv: readonly string[], wish: SpawnOptions, options: PlaceOptions): ChildProcess {
  const user = options.hasUsers ? wish.user : undefined;
  const doors = doorsOf(wish, options);
  const confined = doors.length === 0 ? argv : throughDoors(doors, user, argv);
  const [command = "", ...words] = confined;
  return options.space.inside(() =>
    spawnProcess(command, words, {
      stdio: ["pipe", "pipe", "pipe"],
      env: { PATH: USUAL_PATH, ...wish.environment },
      cwd: wish.folder ?? "/",
      ...(user === undefined || doors.length > 0 ? {} : { uid: user, gid: user }),
    }),
  );
}

function doorsOf(
  { limits: wanted }: SpawnOptions,
  { host, limits, log }: PlaceOptions,
): readonly string[] {
  if (wanted === undefined) return [];
  const doors = limits.group(host.name, wanted);
  // An app without its limits would be one that others pay for.
  if (!doors.ok) throw new ProblemError(doors.problem);
  if (doors.value.length === 0) log("platform", `runs without limits: ${limits.why}`);
  return doors.value;
}

/**
 * Joins the groups before the program exists, so that nothing it starts can stay outside. The
 * script is constant; every value is an argument. Becoming another user comes after joining,
 * which is root's.
 */
function throughDoors(
  doors: readonly string[],
  user: number | undefined,
  argv: readonly string[],
): readonly string[] {
  const script =
    'while [ "$1" != -- ]; do echo 0 > "$1" || exit 125; shift; done; shift; exec "$@"';
  const become =
    user === undefined
      ? []
      : ["setpriv", "--reuid", String(user), "--regid", String(user), "--clear-groups", "--"];
  return ["/bin/sh", "-c", script, "sh", ...doors, "--", ...become, ...argv];
}
