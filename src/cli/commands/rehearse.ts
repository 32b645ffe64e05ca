/**
 * `ase diff --server NEW`: which of the flows that the flow logs saw would be cut by a change.
 *
 * Each is walked through the network as it is and as it would be; nothing is changed.
 */
import { found } from "../../base/problem.ts";
import { openExplain } from "../../check/explain.ts";
import { integerAt, listAt, textAt } from "../read.ts";
import { EXIT } from "../refusals.ts";
import { withServer, type Ending, type Session } from "../session.ts";
import type { ReadRequest } from "./check-inputs.ts";

export async function rehearse(
  session: Session,
  before: ReadRequest,
  after: ReadRequest,
  output: "text" | "json",
): Ending {
  const { terminal } = session;
  return await withServer(session, async (client) => {
    const answer = await client.get("/openase/flows");
    if (!answer.ok) return answer;
    const [now, then] = [openExplain(before), openExplain(after)];
    if (!now.ok) return now;
    if (!then.ok) return then;
    const seen = listAt(answer.value, "value").filter((flow) => textAt(flow, "access") === "Allow");
    const cut = seen.flatMap((flow) => {
      const ends = `${textAt(flow, "from")} -> ${textAt(flow, "to")}:${integerAt(flow, "toPort")}`;
      const words = `${textAt(flow, "protocol")} ${ends}`;
      const [is, becomes] = [now.value(words), then.value(words)];
      if (!is.ok || !becomes.ok || !is.value.passes || becomes.value.passes) return [];
      const lastSeen = new Date(integerAt(flow, "lastSeen") ?? 0).toISOString();
      const { verdict } = becomes.value;
      return [{ flow: words, lastSeen, count: integerAt(flow, "count") ?? 0, verdict }];
    });
    if (output === "json") terminal.print(JSON.stringify({ seen: seen.length, cut }, undefined, 2));
    else if (cut.length === 0)
      terminal.print(`Of ${seen.length} flows that were seen, none would be cut.`);
    else {
      terminal.print(
        terminal.tone("bad", `Of ${seen.length} flows that were seen, ${cut.length} would be cut:`),
      );
      for (const { flow, lastSeen, count, verdict } of cut) {
        terminal.print(terminal.tone("bad", `  ✗ ${flow}`));
        terminal.print(`      seen ${count} times, last ${lastSeen}; it ${verdict}`);
      }
    }
    return found(cut.length === 0 ? EXIT.done : EXIT.notAsWanted);
  });
}
