/**
 * A command of the operator, run standing at a place of the world.
 *
 * It has the rights of who started the world, and the world's view of names and mounts.
 */
import { spawn } from "node:child_process";
import { constants } from "node:os";

import { declined, found, type Result } from "../../base/problem.ts";
import type { Command, RunningCommand } from "../fabric.ts";
import type { Space } from "./kernel/kernel.ts";
import { USUAL_PATH } from "./program-place.ts";

const LAST_OUTPUT_MS = 1_000;

/** How the place looks to a command besides its network. */
export type Surroundings = {
  /** Folders of commands before the usual ones. */
  readonly path: readonly string[];
  /** What it is started through, to see the place's own resolvers. */
  readonly through: readonly string[];
};

export async function runCommand(
  space: Space,
  { argv, input, onOutput }: Command,
  { path, through }: Surroundings,
): Promise<Result<RunningCommand>> {
  const [name] = argv;
  const [command, ...words] = [...through, ...argv];
  if (command === undefined || name === undefined || name === "")
    return declined({
      code: "CommandMissing",
      what: "no command was given",
      fix: "Write it after `--`, like `ase exec --at internet -- curl http://…`.",
    });
  const child = space.inside(() =>
    spawn(command, words, {
      stdio: ["pipe", "pipe", "pipe"],
      // A group of its own: what the command starts is killed with it.
      detached: true,
      cwd: "/",
      env: { PATH: [...path, USUAL_PATH].join(":"), HOME: "/", LANG: "C.UTF-8", TERM: "dumb" },
    }),
  );
  child.stdin.on("error", () => undefined);
  child.stdin.end(input ?? "");
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => onOutput("stdout", chunk));
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => onOutput("stderr", chunk));
  const ended = new Promise<{ readonly exitCode: number }>((resolve) => {
    const end = (code: number | null, signal: NodeJS.Signals | null) =>
      resolve({ exitCode: code ?? 128 + (signal === null ? 0 : constants.signals[signal]) });
    child.once("close", end);
    // Something it left behind may hold its output open for good.
    child.once("exit", (code, signal) => setTimeout(end, LAST_OUTPUT_MS, code, signal).unref());
  });
  const problem = await new Promise<Error | undefined>((resolve) => {
    child.once("spawn", () => resolve(undefined));
    child.once("error", resolve);
  });
  if (problem !== undefined)
    return declined({
      code: "CommandNotStarted",
      what: `"${name}" was not started: ${problem.message}`,
      fix: "Check the command's name and that it is installed on this machine.",
    });
  return found({ ended, kill: () => killGroup(child.pid) });
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch {
    // It ended by itself.
  }
}
