/** `ase flows`: what the flow logs saw, summed up; with --follow each line as it comes. */
import { setTimeout as pause } from "node:timers/promises";

import type { JsonValue } from "../../arm/json.ts";
import { found, type Result } from "../../base/problem.ts";
import type { Client } from "../client.ts";
import { integerAt, listAt, textAt } from "../read.ts";
import { EXIT, type ExitCode } from "../refusals.ts";
import { withServer, type Ending, type Session } from "../session.ts";
import type { OutputFormat } from "../table.ts";
import type { Terminal } from "../terminal.ts";

const LOOK_EVERY_MS = 1_000;

export async function flows(
  session: Session,
  { follow, output }: { readonly follow: boolean; readonly output: OutputFormat },
): Ending {
  return await withServer(session, async (client) => {
    if (follow) return await followLines(session.terminal, client, output);
    const answer = await client.get("/openase/flows");
    if (!answer.ok) return answer;
    session.terminal.list({
      format: output,
      rows: listAt(answer.value, "value"),
      columns: [
        { title: "Last seen", of: (flow) => timeAt(flow, "lastSeen") },
        { title: "Access", of: (flow) => textAt(flow, "access") },
        { title: "Direction", of: (flow) => textAt(flow, "direction") },
        { title: "Protocol", of: (flow) => textAt(flow, "protocol") },
        { title: "From", of: (flow) => textAt(flow, "from") },
        { title: "To", of: (flow) => `${textAt(flow, "to")}:${integerAt(flow, "toPort")}` },
        { title: "Count", of: (flow) => integerAt(flow, "count") },
        { title: "Bytes", of: (flow) => bytesOf(flow) },
        { title: "Rule", of: (flow) => textAt(flow, "rule") },
        { title: "Group", of: (flow) => textAt(flow, "group")?.split("/").at(-1) },
      ],
      json: answer.value,
      empty: "Nothing was seen: no flow log is on, or nothing passed (docs/seeing.md).",
    });
    return found(EXIT.done);
  });
}

function timeAt(flow: JsonValue, name: string): string {
  return new Date(integerAt(flow, name) ?? 0).toISOString().replace(/\.\d+Z$/, "Z");
}

function bytesOf(flow: JsonValue): number {
  return (integerAt(flow, "bytesOut") ?? 0) + (integerAt(flow, "bytesIn") ?? 0);
}

async function followLines(
  terminal: Terminal,
  client: Client,
  output: OutputFormat,
): Promise<Result<ExitCode>> {
  for (let last = 0; ;) {
    const page = await client.get(`/openase/flows/lines?after=${last}`);
    if (!page.ok) return page;
    for (const line of listAt(page.value, "flows")) {
      if (output === "json") terminal.print(JSON.stringify(line));
      else {
        const [time, rule] = [timeAt(line, "time"), textAt(line, "rule")];
        const ends = `${textAt(line, "from")}:${integerAt(line, "fromPort")} -> ${textAt(line, "to")}:${integerAt(line, "toPort")}`;
        const said = `${textAt(line, "access")} ${textAt(line, "direction")} ${textAt(line, "state")}`;
        terminal.print(`${time}  ${said}  ${textAt(line, "protocol")} ${ends}  ${rule}`);
      }
    }
    last = integerAt(page.value, "newest") ?? last;
    await pause(LOOK_EVERY_MS);
  }
}
