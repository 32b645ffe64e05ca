/**
 * The processes below one process, and how they are asked to end.
 *
 * bubblewrap passes no signal on: killed, it takes the app with it at once. So SIGTERM goes to the
 * processes in the sandbox themselves, found by the kernel's list of children.
 */
import { readFile, readdir } from "node:fs/promises";
import type { ChildProcess } from "node:child_process";

/** Below and without `pid`, children before their own children. */
export async function descendants(pid: number): Promise<readonly number[]> {
  const children: number[] = [];
  for (const thread of await readdir(`/proc/${pid}/task`).catch(() => [])) {
    const text = await readFile(`/proc/${pid}/task/${thread}/children`, "utf8").catch(() => "");
    children.push(...text.split(" ").filter(Boolean).map(Number));
  }
  const below = await Promise.all(children.map(descendants));
  return [...children, ...below.flat()];
}

/** SIGTERM to what runs in a sandbox, not to bubblewrap; SIGKILL to all of it after the grace. */
export async function endSandbox(child: ChildProcess, graceMs: number): Promise<void> {
  if (child.pid === undefined || hasEnded(child)) return;
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const inside: number[] = [];
  for (const pid of await descendants(child.pid)) if (!(await isBubblewrap(pid))) inside.push(pid);
  for (const pid of inside) signal(pid, "SIGTERM");
  if (inside.length === 0) child.kill("SIGKILL");
  const timer = setTimeout(() => child.kill("SIGKILL"), graceMs);
  if (!hasEnded(child)) await ended;
  clearTimeout(timer);
}

export function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

async function isBubblewrap(pid: number): Promise<boolean> {
  return (await readFile(`/proc/${pid}/comm`, "utf8").catch(() => "")).trim() === "bwrap";
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It ended in between, which is what was asked for.
  }
}
