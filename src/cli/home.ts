/**
 * The home of an installation: where its state lies, and how a running server is found.
 *
 * Reads only. The server writes these files; starting and ending it is in server.ts.
 */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join, resolve } from "node:path";

import { readJsonObject } from "../arm/json.ts";
import { integerAt, textAt } from "./read.ts";

export type Home = {
  readonly folder: string;
  readonly log: string;
  readonly control: string;
  readonly token: string;
  readonly authority: string;
  /** Id and secret of the first owner, until they were shown. */
  readonly firstOwner: string;
  /** What `ase az` keeps: az's configuration, a certificate bundle, a client of its own. */
  readonly az: string;
};

/** What the server writes about itself when it is ready. */
export type RunningServer = {
  readonly pid: number;
  readonly apiPort: number;
  readonly httpPort: number;
  readonly httpsPort: number;
  readonly fabric: "linux" | "simulated";
};

export const DEFAULT_PORTS = { api: 9_443, http: 8_080, https: 8_443 } as const;

export function findHome(
  environment: Readonly<Record<string, string | undefined>>,
  userId: number | undefined,
): Home {
  const state = environment["XDG_STATE_HOME"] || join(homedir(), ".local", "state");
  const usual = userId === 0 ? "/var/lib/ase" : join(state, "ase");
  const folder = resolve(environment["ASE_HOME"] || usual);
  return {
    folder,
    log: join(folder, "logs", "control.log"),
    control: join(folder, "run", "control.json"),
    token: join(folder, "run", "token"),
    authority: join(folder, "pki", "authority.crt"),
    firstOwner: join(folder, "state", "first-owner.json"),
    az: join(folder, "az"),
  };
}

/** The server that says it runs, if its process lives. Whether it answers is for the client to see. */
export function readRunningServer(home: Home): RunningServer | undefined {
  const text = readIfThere(home.control);
  if (text === undefined) return undefined;
  const read = readJsonObject(text, home.control);
  if (!read.ok) return undefined;
  const pid = integerAt(read.value, "pid");
  const apiPort = integerAt(read.value, "apiPort");
  if (pid === undefined || apiPort === undefined || !isAlive(pid)) return undefined;
  return {
    pid,
    apiPort,
    httpPort: integerAt(read.value, "httpPort") ?? DEFAULT_PORTS.http,
    httpsPort: integerAt(read.value, "httpsPort") ?? DEFAULT_PORTS.https,
    fabric: textAt(read.value, "fabric") === "simulated" ? "simulated" : "linux",
  };
}

export function readIfThere(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    return (thrown as NodeJS.ErrnoException).code === "EPERM";
  }
}
