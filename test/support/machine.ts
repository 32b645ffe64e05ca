/**
 * What a test sees of the machine itself: its network, processes, control groups and free ports.
 *
 * Looks only; whatever it lists belongs to somebody else.
 */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, realpathSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";

/** The machine's own network, as this process sees it; comparable. */
export function machineNetwork(): string {
  const parts = [
    ["ip", "-json", "addr"],
    ["ip", "-json", "route", "show", "table", "all"],
    ["ip", "-json", "rule"],
    ["nft", "-s", "list", "ruleset"],
    ["iptables-save"],
    ["ip", "netns", "list"],
  ].map(([command = "", ...words]) => {
    try {
      return execFileSync(command, words, {
        encoding: "utf8",
        stdio: ["ignore", "pipe", "ignore"],
      });
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code === "ENOENT") return `${command} is not installed`;
      throw thrown;
    }
  });
  return parts
    .join("\n")
    .replaceAll(/"(valid|preferred)_life_time":\d+/g, "")
    .replaceAll(/^# .*$/gm, "")
    .replaceAll(/\[\d+:\d+\]/g, "");
}

export type Seen = {
  readonly pid: number;
  readonly parent: number;
  /** With the pid, a process for good: numbers are used again. */
  readonly startTime: string;
  readonly what: string;
};

/** Processes whose command line names a home. */
export function processesOf(home: string): readonly Seen[] {
  return allProcesses().filter(({ what }) =>
    what.split(" ").some((word) => word === home || word.startsWith(`${home}/`)),
  );
}

/** All processes of a home's control plane and world, also those that do not name it. */
export function treeOf(home: string): readonly Seen[] {
  const all = allProcesses();
  const inside = new Set(processesOf(home).map(({ pid }) => pid));
  for (let before = -1; before !== inside.size;) {
    before = inside.size;
    for (const { pid, parent } of all) if (inside.has(parent)) inside.add(pid);
  }
  return all.filter(({ pid }) => inside.has(pid));
}

function allProcesses(): readonly Seen[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      // Behind the name in brackets: state, parent, ... and the start time as the twentieth.
      const fields = readOr(`/proc/${name}/stat`).split(") ").at(-1)?.split(" ") ?? [];
      const [parent, startTime] = [Number(fields[1]), fields[19]];
      const what = readOr(`/proc/${name}/cmdline`).replaceAll("\0", " ").trim();
      return startTime === undefined || fields[0] === "Z"
        ? []
        : [{ pid: Number(name), parent, startTime, what }];
    });
}

export function isAlive({ pid, startTime }: Seen): boolean {
  return allProcesses().some((one) => one.pid === pid && one.startTime === startTime);
}

/** What a home that was purged must not leave on the machine. */
export function leftBehind(folder: string): readonly string[] {
  const id = worldId(folder);
  const processes = processesOf(folder).map(({ pid, what }) => `process ${pid}: ${what}`);
  const mounts = readOr("/proc/self/mountinfo")
    .split("\n")
    .filter((line) => line.includes(folder));
  const files = existsSync(folder)
    ? readdirSync(folder).map((name) => `file ${join(folder, name)}`)
    : [];
  return [...processes, ...mounts, ...files, ...groupsOf(id).map((group) => `cgroup ${group}`)];
}

/** Control groups of a world are named with this. */
export function worldId(folder: string): string {
  const real = existsSync(folder) ? realpathSync(folder) : folder;
  return createHash("sha256").update(real).digest("hex").slice(0, 8);
}

/** Folders of control groups of a world, of either version. */
export function groupsOf(id: string): readonly string[] {
  const root = "/sys/fs/cgroup";
  return ["", "memory", "cpu", "pids"]
    .map((name) => join(root, name))
    .filter((folder) => existsSync(folder))
    .flatMap((folder) =>
      readdirSync(folder)
        .filter((name) => name.startsWith(`ase-${id}-`))
        .map((name) => join(folder, name)),
    );
}

export function netns(): string {
  return execFileSync("ip", ["netns", "list"], { encoding: "utf8" });
}

export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve, reject) => {
        server.once("error", reject);
        server.listen(0, "127.0.0.1", resolve);
      });
      return server;
    }),
  );
  const ports = servers.map((server) => {
    const address = server.address();
    return typeof address === "object" && address !== null ? address.port : 0;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

function readOr(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
