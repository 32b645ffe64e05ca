/**
 * The endpoints an environment depends on: each really does what its protocol promises.
 *
 * One program, one service; the protocols are in the files named after them. Addresses and names
 * come with the description.
 *
 * @article ASE outbound dependencies
 */
import { found, never, type Result } from "../base/problem.ts";
import type { Endpoint, Program } from "../blueprint/blueprint.ts";
import type { ProgramPlace, RunningProgram } from "../fabric/fabric.ts";
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
    default:
      return never(service);
  }
}

/** All but the names: those are looked up anew for each question. */
function fixedPart({ service, address, port, tls }: Endpoint): string {
  return JSON.stringify([service, address, port, tls?.certificate, tls?.key, tls?.authority]);
}
