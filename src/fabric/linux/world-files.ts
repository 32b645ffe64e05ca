/**
 * Where a world keeps its files, and which processes it is.
 *
 * A process is known by its id and the time it started, since ids are used again.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export type WorldFiles = {
  readonly home: string;
  /** Of this home, in every start: names of control groups are made of it. */
  readonly id: string;
  readonly run: string;
  readonly logs: string;
  readonly socket: string;
  readonly record: string;
  readonly fabricLog: string;
};

/** Of the outermost process: when it is killed, everything in the world is. */
export type WorldRecord = {
  readonly pid: number;
  /** Clock ticks from the start of the machine to that of the process. */
  readonly startTime: string;
  readonly machineStart: string;
};

/** Makes the folders where they are missing. */
export function worldFiles(home: string): WorldFiles {
  mkdirSync(join(home, "run"), { recursive: true, mode: 0o700 });
  mkdirSync(join(home, "logs"), { recursive: true, mode: 0o700 });
  const real = realpathSync(home);
  return {
    home: real,
    id: createHash("sha256").update(real).digest("hex").slice(0, 8),
    run: join(real, "run"),
    logs: join(real, "logs"),
    socket: join(real, "run", "fabric.sock"),
    record: join(real, "run", "world.json"),
    fabricLog: join(real, "logs", "fabric.log"),
  };
}

export function isHome(home: string): boolean {
  return existsSync(join(home, "run"));
}

export function recordOf(pid: number): WorldRecord | undefined {
  const stat = readStat(pid);
  return stat === undefined
    ? undefined
    : { pid, startTime: stat.startTime, machineStart: machineStart() };
}

export function writeRecord(files: WorldFiles, record: WorldRecord): void {
  writeFileSync(files.record, `${JSON.stringify(record)}\n`, { mode: 0o600 });
}

export function readRecord(files: WorldFiles): WorldRecord | undefined {
  try {
    const read = JSON.parse(readFileSync(files.record, "utf8")) as Partial<WorldRecord>;
    const { pid, startTime, machineStart: started } = read;
    if (typeof pid !== "number" || typeof startTime !== "string") return undefined;
    return { pid, startTime, machineStart: String(started) };
  } catch {
    return undefined;
  }
}

/** Whether the very process that was recorded still runs. */
export function isAlive(record: WorldRecord): boolean {
  const stat = readStat(record.pid);
  return (
    stat !== undefined &&
    stat.state !== "Z" &&
    stat.startTime === record.startTime &&
    machineStart() === record.machineStart
  );
}

/** Processes that a process started and that still run. */
export function childrenOf(pid: number): readonly number[] {
  try {
    const words = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ");
    return words.map(Number).filter((child) => child > 1);
  } catch {
    return [];
  }
}

/** What the fabric put into run/; files of others in there stay. */
export function removeWorldFiles(files: WorldFiles): void {
  rmSync(files.socket, { force: true });
  rmSync(files.record, { force: true });
}

function readStat(pid: number): { readonly state: string; readonly startTime: string } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is the name in parentheses, which may hold anything.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return { state: fields[0] ?? "", startTime: fields[19] ?? "" };
  } catch {
    return undefined;
  }
}

function machineStart(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
}
