/** Waits until a port of a host accepts connections: the moment a program is of use. */
import { setTimeout as pause } from "node:timers/promises";

import { declined, found, type Problem, type Result } from "../base/problem.ts";
import type { HostSockets } from "../fabric/fabric.ts";

const SPACING_MS = 10;
const ONE_TRY_MS = 1_000;

export async function waitForPort(
  sockets: HostSockets,
  at: { readonly address: string; readonly port: number },
  limitMs: number,
  signal: AbortSignal,
): Promise<Result<"accepts">> {
  const deadline = performance.now() + limitMs;
  let last: Problem | undefined;
  while (performance.now() < deadline) {
    if (signal.aborted) break;
    const tried = await sockets.connect({
      address: at.address,
      port: at.port,
      timeoutMs: ONE_TRY_MS,
    });
    if (tried.ok) {
      tried.value.on("error", () => {});
      tried.value.destroy();
      return found("accepts");
    }
    last = tried.problem;
    await pause(SPACING_MS);
  }
  return declined({
    code: "PortDoesNotAccept",
    what: `${at.address}:${at.port} accepted no connection within ${Math.round(limitMs)} ms`,
    fix: "Read the log of the program that should listen there.",
    ...(last === undefined ? {} : { cause: last }),
  });
}
