/** For tests: a program's place over this machine's loopback, without a namespace or limits. */
import { spawn, type ChildProcess } from "node:child_process";
import { createSocket } from "node:dgram";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, connect, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";

import { declined, found, problemOf, type Result } from "../base/problem.ts";
import type { App, Host } from "../blueprint/blueprint.ts";
import type { HostSockets, ProgramPlace } from "../fabric/fabric.ts";

export type TestPlace = ProgramPlace & {
  readonly lines: readonly { readonly stream: string; readonly text: string }[];
  readonly children: readonly ChildProcess[];
  /** Ends every process that was started here and removes the folder. */
  readonly leave: () => Promise<void>;
};

/** `within`: where the scratch folder is made; `prefix`: what every process is started through. */
export async function testPlace(
  hostName = "test-worker-0",
  options: { readonly within?: string; readonly prefix?: readonly string[] } = {},
): Promise<TestPlace> {
  const scratch = await mkdtemp(join(options.within ?? tmpdir(), "ase-place-"));
  const lines: { stream: string; text: string }[] = [];
  const children: ChildProcess[] = [];
  const host: Host = {
    name: hostName,
    place: { kind: "internet", address: "127.0.0.1" as App["address"] },
    role: "Machine",
    forwards: false,
    programs: [],
  };
  return {
    host,
    scratch,
    lines,
    children,
    sockets: loopbackSockets,
    log: (stream, text) => lines.push({ stream, text }),
    restartPrograms: () => {},
    spawn: (argv, { environment, user, folder }) => {
      const [command = "", ...args] = [...(options.prefix ?? []), ...argv];
      const child = spawn(command, args, {
        env: { PATH: process.env["PATH"], ...environment },
        stdio: ["ignore", "pipe", "pipe"],
        ...(folder === undefined ? {} : { cwd: folder }),
        ...(user === undefined ? {} : { uid: user, gid: user }),
      });
      children.push(child);
      for (const stream of ["stdout", "stderr"] as const)
        createInterface({ input: child[stream] }).on("line", (text) =>
          lines.push({ stream, text }),
        );
      return child;
    },
    leave: async () => {
      for (const child of children) {
        if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined)
          continue;
        const gone = new Promise((resolve) => child.once("exit", resolve));
        child.kill("SIGKILL");
        await gone;
      }
      await rm(scratch, { recursive: true, force: true });
    },
  };
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Waits for a condition, at most ten seconds. */
export async function eventually<T>(
  look: () => T | undefined | Promise<T | undefined>,
): Promise<NonNullable<T>> {
  const deadline = performance.now() + 10_000;
  for (;;) {
    const seen = await look();
    if (seen !== undefined && seen !== null && seen !== false) return seen;
    if (performance.now() > deadline) throw new Error(`never held: ${look.toString()}`);
    await pause(10);
  }
}

export function valueOf<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(JSON.stringify(result.problem, undefined, 1));
  return result.value;
}

const loopbackSockets: HostSockets = {
  listen: (server, { address, port }) =>
    new Promise((resolve) => {
      server.once("error", (error) => resolve(refused(error)));
      server.listen(port, address, () => resolve(found("listening")));
    }),
  connect: ({ address, port, localAddress, timeoutMs }) =>
    new Promise((resolve) => {
      const socket = connect({ host: address, port, ...(localAddress ? { localAddress } : {}) });
      socket.setTimeout(timeoutMs, () => socket.destroy(new Error("timed out")));
      socket.once("error", (error) => resolve(refused(error)));
      socket.once("connect", () => resolve(found(socket.setTimeout(0))));
    }),
  udp: ({ address, port }) =>
    new Promise((resolve) => {
      const socket = createSocket("udp4");
      socket.once("error", (error) => resolve(refused(error)));
      socket.bind(port, address, () => resolve(found(socket)));
    }),
};

function refused(error: Error): Result<never> {
  return declined(problemOf(error, { code: "SocketRefused", what: error.message, fix: "None." }));
}
