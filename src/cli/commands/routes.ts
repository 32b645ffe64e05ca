/** `ase routes`: the effective routes of a host, as the API tells them. */
import { found } from "../../base/problem.ts";
import { listAt, textAt, textsAt } from "../read.ts";
import { EXIT } from "../refusals.ts";
import { withServer, type Ending, type Session } from "../session.ts";
import type { OutputFormat } from "../table.ts";

/** A tag may have hundreds of prefixes; the table names some, JSON all. */
const SHOWN_PREFIXES = 2;

export async function routes(
  session: Session,
  place: string,
  { output }: { readonly output: OutputFormat },
): Ending {
  return await withServer(session, async (client) => {
    const answer = await client.get(`/openase/routes?at=${encodeURIComponent(place)}`);
    if (!answer.ok) return answer;
    session.terminal.list({
      format: output,
      rows: listAt(answer.value, "value"),
      columns: [
        { title: "Source", of: (route) => textAt(route, "source") },
        { title: "State", of: (route) => textAt(route, "state") },
        { title: "Address Prefix", of: (route) => shortly(textsAt(route, "addressPrefix")) },
        { title: "Next Hop Type", of: (route) => textAt(route, "nextHopType") },
        { title: "Next Hop IP", of: (route) => textsAt(route, "nextHopIpAddress").join(" ") },
        { title: "Name", of: (route) => textAt(route, "name") },
      ],
      json: answer.value,
      empty: `${place} has no routes.`,
    });
    return found(EXIT.done);
  });
}

function shortly(prefixes: readonly string[]): string {
  const more = prefixes.length - SHOWN_PREFIXES;
  const shown = prefixes.slice(0, SHOWN_PREFIXES).join(" ");
  return more > 0 ? `${shown} and ${more} more` : shown;
}
