/** `ase rules`: the effective security rules of a host, as Network Watcher would tell them. */
import { found } from "../../base/problem.ts";
import { integerAt, listAt, textAt, textsAt } from "../read.ts";
import { EXIT } from "../refusals.ts";
import { withServer, type Ending, type Session } from "../session.ts";
import type { OutputFormat } from "../table.ts";

export async function rules(
  session: Session,
  place: string,
  { output }: { readonly output: OutputFormat },
): Ending {
  return await withServer(session, async (client) => {
    const answer = await client.get(`/openase/rules?at=${encodeURIComponent(place)}`);
    if (!answer.ok) return answer;
    const rows = listAt(answer.value, "value").flatMap((group) =>
      listAt(group, "effectiveSecurityRules").map((rule) => ({ group, rule })),
    );
    session.terminal.list({
      format: output,
      rows,
      columns: [
        {
          title: "Group",
          of: ({ group }) => textAt(group, "networkSecurityGroup", "id")?.split("/").at(-1),
        },
        { title: "Direction", of: ({ rule }) => textAt(rule, "direction") },
        { title: "Priority", of: ({ rule }) => integerAt(rule, "priority") },
        { title: "Rule", of: ({ rule }) => textAt(rule, "name")?.split("/").at(-1) },
        { title: "Access", of: ({ rule }) => textAt(rule, "access") },
        { title: "Protocol", of: ({ rule }) => textAt(rule, "protocol") },
        { title: "Source", of: ({ rule }) => textsAt(rule, "sourceAddressPrefixes").join(" ") },
        {
          title: "Destination",
          of: ({ rule }) => textsAt(rule, "destinationAddressPrefixes").join(" "),
        },
        {
          title: "Ports",
          of: ({ rule }) => textsAt(rule, "destinationPortRanges").map(shortly).join(" "),
        },
      ],
      json: answer.value,
      empty: `No group is attached to ${place}: everything passes.`,
    });
    return found(EXIT.done);
  });
}

function shortly(range: string): string {
  if (range === "0-65535") return "*";
  const [low, high] = range.split("-");
  return low === high ? (low ?? range) : range;
}
