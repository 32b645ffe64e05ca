/**
 * The endpoints an environment depends on: each really does what its protocol promises.
 *
 * One program, one service; the protocols are in the files named after them. Addresses and names
 * come with the description.
 *
 * @article ASE outbound dependencies
 */
import { declined, found, never, type Problem, type Result } from "../base/problem.ts";
import type { Endpoint, Program } from "../blueprint/blueprint.ts";
import type { HostSockets, ProgramPlace, RunningProgram } from "../fabric/fabric.ts";
import { serveAppNames } from "./app-resolver.ts";
import { serveNames } from "./dns-endpoint.ts";
import { Listeners } from "./listeners.ts";
import { serveMetrics } from "./monitoring-endpoint.ts";
import { servePublications, serveUpdates } from "./publication-endpoint.ts";
import { NEVER_ENDS } from "./role-agent.ts";
import { serveDatabase } from "./sql-endpoint.ts";
import { serveTime } from "./time-endpoint.ts";

/** What an endpoint is served with; `current` follows changes of its description. */
export type Serving = {
  readonly current: () => Endpoint;
  readonly listeners: Listeners;
  /** Id of the network it stands in. */
  readonly network?: string;
  readonly sockets: HostSockets;
};

export async function startEndpoint(
  program: Endpoint,
  place: ProgramPlace,
): Promise<Result<RunningProgram>> {
  let current = program;
  const listeners = new Listeners(place.sockets);
  const opened = await serve({
    current: () => current,
    listeners,
    sockets: place.sockets,
    ...(place.network === undefined ? {} : { network: place.network }),
  });
  if (!opened.ok) {
    await listeners.close();
    return opened;
  }
  return found({
    change: async (next: Program) => {
      if (next.kind !== "endpoint" || fixedPart(next) !== fixedPart(current)) return false;
      current = next;
      return true;
    },
    stop: () => listeners.close(),
    ended: NEVER_ENDS,
  });
}

function serve(serving: Serving): Promise<Result<"listening">> {
  const { service } = serving.current();
  switch (service) {
    case "dns":
      return serveNames(serving);
    case "time":
      return serveTime(serving);
    case "http":
      return servePublications(serving);
    case "https":
      return serveUpdates(serving);
    case "sql":
      return serveDatabase(serving);
    case "monitoring":
      return serveMetrics(serving);
    case "app-resolver":
      return serveAppNames(serving);
    case "dns-server":
      return Promise.resolve(declined(notInProcess(service)));
    default:
      return never(service);
  }
}

/** All but names and zones: those are looked up anew for each question. */
function fixedPart({ service, address, port, tls, asks }: Endpoint): string {
  return JSON.stringify([service, address, port, tls?.certificate, tls?.key, tls?.authority, asks]);
}

function notInProcess(service: string): Problem {
  return {
    code: "NotAService",
    what: `${service} is a process of its own`,
    fix: "Report this: the program was given to the wrong part.",
  };
}
