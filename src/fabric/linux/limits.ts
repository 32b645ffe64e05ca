/**
 * Limits of hosts as control groups: memory, processor time and number of processes.
 *
 * Version 1 where root has the three controllers, version 2 in the nearest group above ours that
 * may be divided; without either there are no limits, which `why` says. A group is named
 * `ase-<world>-<host>`, so that a later start finds what a killed world left.
 */
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

import { declined, found, problemOf, type Result } from "../../base/problem.ts";
import { fileName } from "./log-book.ts";

export type GroupLimits = {
  readonly cores: number;
  readonly memoryMb: number;
  readonly processes: number;
};

export type Limits = {
  readonly version: "v1" | "v2" | "none";
  /** Why there are none. */
  readonly why?: string;
  /**
   * Files a process writes "0" to in order to join the group of the host, which is made or
   * changed first. None where there are no limits.
   */
  readonly group: (host: string, limits: GroupLimits) => Result<readonly string[]>;
  /** Ends what still runs in the group of the host and removes it. */
  readonly remove: (host: string) => Promise<void>;
  /** Removes every group of this world, also those of an earlier process. */
  readonly sweep: () => Promise<void>;
};

const CONTROLLERS = ["memory", "cpu", "pids"] as const;
const CPU_PERIOD_US = 100_000;
const REMOVE_WITHIN_MS = 2_000;

export function openLimits(world: string, root = "/sys/fs/cgroup"): Limits {
  const prefix = `ase-${world}-`;
  const v1 = CONTROLLERS.map((name) => join(root, name));
  if (v1.every(mayDivide)) return versionOne(prefix, v1);
  const v2 = existsSync(join(root, "cgroup.controllers")) ? dividableGroup(root) : undefined;
  if (v2 !== undefined) return versionTwo(prefix, v2);
  return {
    version: "none",
    why: existsSync(root)
      ? `no control group under ${root} may be divided by this user`
      : `${root} does not exist`,
    group: () => found([]),
    remove: async () => undefined,
    sweep: async () => undefined,
  };
}

function versionOne(prefix: string, roots: readonly string[]): Limits {
  const [memory = "", cpu = "", pids = ""] = roots;
  return {
    version: "v1",
    group: (host, limits) => {
      const name = prefix + fileName(host);
      const folders = [join(memory, name), join(cpu, name), join(pids, name)];
      return put(
        folders,
        [
          [join(memory, name, "memory.limit_in_bytes"), String(bytes(limits))],
          [join(cpu, name, "cpu.cfs_quota_us"), String(quota(limits))],
          [join(pids, name, "pids.max"), String(limits.processes)],
          // A thread that moves itself waits for nobody; `cgroup.procs` would stop the whole machine.
        ],
        folders.map((folder) => join(folder, "tasks")),
      );
    },
    remove: (host) => removeGroups(roots.map((root) => join(root, prefix + fileName(host)))),
    sweep: () => removeGroups(roots.flatMap((root) => groupsIn(root, prefix))),
  };
}

function versionTwo(prefix: string, root: string): Limits {
  return {
    version: "v2",
    group: (host, limits) => {
      const folder = join(root, prefix + fileName(host));
      return put(
        [folder],
        [
          [join(folder, "memory.max"), String(bytes(limits))],
          [join(folder, "cpu.max"), `${quota(limits)} ${CPU_PERIOD_US}`],
          [join(folder, "pids.max"), String(limits.processes)],
        ],
        [join(folder, "cgroup.procs")],
      );
    },
    remove: (host) => removeGroups([join(root, prefix + fileName(host))]),
    sweep: () => removeGroups(groupsIn(root, prefix)),
  };
}

function put(
  folders: readonly string[],
  values: readonly (readonly [file: string, text: string])[],
  doors: readonly string[],
): Result<readonly string[]> {
  try {
    for (const folder of folders) mkdirSync(folder, { recursive: true });
    for (const [file, text] of values) writeFileSync(file, text);
    return found(doors);
  } catch (thrown) {
    return declined(
      problemOf(thrown, {
        code: "LimitsNotSet",
        what: `the control group ${folders[0]} was not set up`,
        fix: "Look at the cause; a read-only /sys/fs/cgroup needs to be writable or hidden.",
      }),
    );
  }
}

/**
 * The nearest group, from our own upward, whose groups below may have all three controllers.
 * One with processes of its own cannot (the kernel refuses the write), which leads one up.
 */
function dividableGroup(root: string): string | undefined {
  const own = /^0::(\/.*)$/m.exec(readFileSync("/proc/self/cgroup", "utf8"))?.[1] ?? "/";
  for (let at = own.includes("..") ? "/" : own; ; at = dirname(at)) {
    const folder = join(root, at);
    if (mayDivide(folder) && hasControllers(folder)) return folder;
    if (at === "/") return undefined;
  }
}

function hasControllers(folder: string): boolean {
  const enabled = () => {
    const words = readFileSync(join(folder, "cgroup.subtree_control"), "utf8").split(/\s/);
    return CONTROLLERS.every((name) => words.includes(name));
  };
  try {
    if (enabled()) return true;
    writeFileSync(
      join(folder, "cgroup.subtree_control"),
      CONTROLLERS.map((name) => `+${name}`).join(" "),
    );
    return enabled();
  } catch {
    return false;
  }
}

function mayDivide(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK);
    accessSync(join(folder, "cgroup.procs"), constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

function groupsIn(root: string, prefix: string): readonly string[] {
  return readdirSync(root)
    .filter((name) => name.startsWith(prefix))
    .map((name) => join(root, name));
}

async function removeGroups(folders: readonly string[]): Promise<void> {
  const deadline = Date.now() + REMOVE_WITHIN_MS;
  let left = folders.filter((folder) => existsSync(folder));
  while (true) {
    left = left.filter((folder) => !removed(folder));
    if (left.length === 0 || Date.now() > deadline) return;
    await pause(10);
  }
}

/** A group goes when its last process has; what is in it is killed on the way. */
function removed(folder: string): boolean {
  try {
    for (const line of readFileSync(join(folder, "cgroup.procs"), "utf8").split("\n")) {
      const pid = Number(line);
      // 0 stands for a process that cannot be seen from here.
      if (pid > 1 && pid !== process.pid) process.kill(pid, "SIGKILL");
    }
  } catch {
    // It is gone, or its process ended meanwhile: the next line tells.
  }
  try {
    rmdirSync(folder);
    return true;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === "ENOENT";
  }
}

function bytes({ memoryMb }: GroupLimits): number {
  return Math.round(memoryMb * 1024 * 1024);
}

function quota({ cores }: GroupLimits): number {
  return Math.max(1_000, Math.round(cores * CPU_PERIOD_US));
}
