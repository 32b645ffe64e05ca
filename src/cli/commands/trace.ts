/** `ase trace`: one packet, sent for real; what the law says of each step beside what was seen. */
import { propertyAt, type JsonValue } from "../../arm/json.ts";
import { found, type Result } from "../../base/problem.ts";
import type { Client } from "../client.ts";
import { listAt, textAt, textsAt } from "../read.ts";
import { EXIT } from "../refusals.ts";
import { withServer, type Ending, type Session } from "../session.ts";
import type { Terminal } from "../terminal.ts";

/** Exit code 0: law and packet agree, 1: they differ. */
export async function trace(
  session: Session,
  packet: string,
  { output }: { readonly output: "text" | "json" },
): Ending {
  const { terminal } = session;
  return await withServer(session, async (client) => {
    const traced = await sendTrace(client, packet);
    if (!traced.ok) return traced;
    if (output === "json") terminal.print(JSON.stringify(traced.value, undefined, 2));
    else printTrace(terminal, traced.value);
    return found(agrees(traced.value) ? EXIT.done : EXIT.notAsWanted);
  });
}

export function sendTrace(client: Client, packet: string): Promise<Result<JsonValue | undefined>> {
  return client.carryOut({ method: "POST", path: "/openase/trace", body: { packet } });
}

export function agrees(traced: JsonValue | undefined): boolean {
  return propertyAt(traced, "agrees") === true;
}

export function printTrace(terminal: Terminal, traced: JsonValue | undefined): void {
  terminal.print(terminal.tone("strong", textAt(traced, "packet") ?? ""));
  terminal.print(`  by the law  it ${textAt(traced, "law") ?? ""}`);
  terminal.print(`  in fact     it ${textAt(traced, "seen") ?? ""}`);
  for (const note of textsAt(traced, "notes")) terminal.print(terminal.tone("faint", `  ${note}`));
  const rows = listAt(traced, "rows");
  const width = Math.max(0, ...rows.map((row) => (textAt(row, "at") ?? "").length));
  rows.forEach((row, index) => {
    const at = (textAt(row, "at") ?? "").padEnd(width);
    const [law, seen] = [textAt(row, "law"), textAt(row, "seen")];
    const number = `${index + 1}`.padStart(3);
    const indent = " ".repeat(width + 7);
    if (law === seen) terminal.print(`${number}  ${at}  ${law ?? ""}, as seen`);
    else if (seen === undefined) terminal.print(`${number}  ${at}  ${law ?? ""}`);
    else if (law === undefined) terminal.print(`${number}  ${at}  seen: ${seen}`);
    else {
      terminal.print(`${number}  ${at}  law:  ${law}`);
      terminal.print(terminal.tone("bad", `${indent}seen: ${seen}`));
    }
  });
  if (!agrees(traced))
    terminal.print(
      terminal.tone(
        "bad",
        "LAW AND PACKET DIFFER. This is a defect: please report what stands above.",
      ),
    );
}
