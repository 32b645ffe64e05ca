/** `ase operations`: what is in progress, in which order, how far; and the giving up of one. */
import { found } from "../../base/problem.ts";
import { shortSubject } from "../events.ts";
import { integerAt, itemsOf, textAt } from "../read.ts";
import { EXIT } from "../refusals.ts";
import { withServer, type Ending, type Session } from "../session.ts";
import type { OutputFormat } from "../table.ts";

export async function operations(
  session: Session,
  { output }: { readonly output: OutputFormat },
): Ending {
  return await withServer(session, async (client) => {
    const answer = await client.get("/openase/operations");
    if (!answer.ok) return answer;
    session.terminal.list({
      format: output,
      rows: itemsOf(answer.value),
      columns: [
        { title: "Id", of: (one) => textAt(one, "id") },
        { title: "Kind", of: (one) => textAt(one, "kind") },
        { title: "Target", of: (one) => shortSubject(textAt(one, "target") ?? "") },
        {
          title: "Status",
          of: (one) => {
            const position = integerAt(one, "position") ?? 0;
            const status = textAt(one, "status") ?? "";
            return position === 0 ? status : `${status} (${position})`;
          },
        },
        { title: "Begun", of: (one) => textAt(one, "startTime") },
        { title: "Progress", of: (one) => textAt(one, "progress") },
      ],
      json: itemsOf(answer.value),
      empty: "Nothing is in progress.",
    });
    return found(EXIT.done);
  });
}

/** Declined when its new instances take traffic already. */
export async function cancelOperation(session: Session, id: string): Ending {
  return await withServer(session, async (client) => {
    const path = `/openase/operations/${encodeURIComponent(id)}/cancel`;
    const answer = await client.ask({ method: "POST", path });
    if (!answer.ok) return answer;
    session.terminal.print(`The operation ${id} is canceled; what it asked for is taken back.`);
    return found(EXIT.done);
  });
}
