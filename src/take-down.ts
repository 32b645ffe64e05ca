/** Ends the control plane and the world of a home; nothing of them stays. Safe to repeat. */
import { readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

import { declined, found, type Result } from "./base/problem.ts";
import { endWorld } from "./fabric/linux/world.ts";
import { purgeHome } from "./control/facts.ts";

const END_WITHIN_MS = 10_000;

export async function takeDown(home: string, what: "purge" | "keep"): Promise<Result<"done">> {
  const ended = await endControl(home);
  if (!ended.ok) return ended;
  const world = await endWorld(home);
  if (!world.ok) return world;
  await rm(join(home, "run"), { recursive: true, force: true });
  if (what === "purge") await purgeHome(home);
  process.stdout.write(
    world.value === "ended" || ended.value === "ended" ? "ended\n" : "nothing was running\n",
  );
  return found("done");
}

async function endControl(home: string): Promise<Result<"ended" | "none">> {
  const pid = readPid(home);
  if (pid === undefined || !isControl(pid, home)) return found("none");
  process.kill(pid, "SIGTERM");
  const deadline = Date.now() + END_WITHIN_MS;
  while (isControl(pid, home)) {
    if (deadline < Date.now()) {
      process.kill(pid, "SIGKILL");
      if (deadline + END_WITHIN_MS < Date.now())
        return declined({
          code: "ControlStays",
          what: `The control plane, process ${pid}, does not end`,
          fix: `End process ${pid} by hand, then run \`ase down\` again.`,
        });
    }
    await pause(20);
  }
  return found("ended");
}

function readPid(home: string): number | undefined {
  try {
    const { pid } = JSON.parse(readFileSync(join(home, "run", "control.json"), "utf8")) as {
      readonly pid?: number;
    };
    return pid;
  } catch {
    return undefined;
  }
}

/** A number may have gone to another process: only one that says it is ours is ended. */
function isControl(pid: number, home: string): boolean {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    return words.includes("control") && words.includes(home);
  } catch {
    return false;
  }
}
