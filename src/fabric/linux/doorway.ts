/**
 * The doorway: HAProxy in the world on listening sockets of the host's loopback.
 *
 * What comes in at 127.0.0.1 goes on from the client address to the VIP of the environment whose
 * name was asked for. A change starts a new process on the same sockets; the old one finishes
 * what it carries, so no connection is lost.
 */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";

import type { Internet, Network } from "../../blueprint/blueprint.ts";
import { doorTargets, doorwayConfig } from "./doorway-config.ts";
import { USUAL_PATH } from "./program-place.ts";

export type DoorSockets = {
  /** Descriptors of listening sockets in this process. */
  readonly http: number;
  readonly https: number;
};

export type DoorwayOptions = {
  readonly sockets: DoorSockets;
  readonly folder: string;
  /** False: HAProxy stays the one user there is. */
  readonly hasUsers: boolean;
  readonly log: (text: string) => void;
};

export type Doorway = {
  /** What leads where now; nothing happens when nothing changed. */
  readonly update: (internet: Internet | undefined, networks: readonly Network[]) => void;
  readonly close: () => void;
};

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 10_000;
const LONG_LIFE_MS = 30_000;
const NOBODY = 65_534;
/** What the sockets are in HAProxy: the first descriptors after the usual three. */
const INHERITED: DoorSockets = { http: 3, https: 4 };
/** Stands in until the world has addresses; then all doors lead nowhere. */
const ANY_ADDRESS = "0.0.0.0";

export function openDoorway({ sockets, folder, hasUsers, log }: DoorwayOptions): Doorway {
  const file = join(folder, "haproxy.cfg");
  const running = new Set<ChildProcess>();
  let current: ChildProcess | undefined;
  let config = "";
  let pauseMs = FIRST_PAUSE_MS;
  let timer: NodeJS.Timeout | undefined;
  let isClosed = false;
  mkdirSync(folder, { recursive: true });

  function start(): void {
    clearTimeout(timer);
    const before = current;
    const finish = before?.pid === undefined ? [] : ["-sf", String(before.pid)];
    const child = spawn("haproxy", ["-db", "-q", "-f", file, ...finish], {
      stdio: ["ignore", "pipe", "pipe", sockets.http, sockets.https],
      env: { PATH: USUAL_PATH },
      cwd: "/",
    });
    const startedAt = Date.now();
    current = child;
    running.add(child);
    for (const stream of [child.stdout, child.stderr])
      if (stream) createInterface({ input: stream }).on("line", log);
    const over = (why: string) => {
      running.delete(child);
      if (current !== child || isClosed) return;
      current = undefined;
      if (Date.now() - startedAt >= LONG_LIFE_MS) pauseMs = FIRST_PAUSE_MS;
      log(`the doorway ended (${why}); next start in ${pauseMs / 1000} s`);
      timer = setTimeout(start, pauseMs);
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
    };
    child.once("error", (error) => over(error.message));
    child.once("exit", (code, signal) => over(signal ?? `exit code ${code}`));
  }

  return {
    update: (internet, networks) => {
      const next = doorwayConfig({
        targets: doorTargets(internet, networks),
        sockets: INHERITED,
        clientAddress: internet?.clientAddress ?? ANY_ADDRESS,
        user: hasUsers ? NOBODY : undefined,
      });
      if (next === config || isClosed) return;
      config = next;
      writeFileSync(file, config, { mode: 0o600 });
      start();
    },
    close: () => {
      isClosed = true;
      clearTimeout(timer);
      for (const child of running) child.kill("SIGKILL");
    },
  };
}
