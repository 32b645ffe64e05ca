/** `ase explain`: one packet through the network of the files, step by step. */
import { found } from "../../base/problem.ts";
import { explain } from "../../check/explain.ts";
import { placeInWords } from "../../check/reports/summary.ts";
import { EXIT } from "../refusals.ts";
import type { Ending, Session } from "../session.ts";
import { readRequest, refuse, type InputOptions } from "./check-inputs.ts";

export async function explainPacket(
  session: Session,
  packet: string,
  files: readonly string[],
  options: InputOptions & { readonly output: "text" | "json" },
): Ending {
  const { terminal } = session;
  const request = await readRequest(session, files, options);
  if (!request.ok) return refuse(session, request.problem);
  const explained = explain(packet, request.value);
  if (!explained.ok) return refuse(session, explained.problem);
  const { passes, verdict, steps } = explained.value;
  const code = found(passes ? EXIT.done : EXIT.notAsWanted);
  if (options.output === "json") {
    terminal.print(JSON.stringify(explained.value, undefined, 2));
    return code;
  }
  terminal.print(
    `${explained.value.packet} ${terminal.tone(passes ? "good" : "bad", verdict)}${verdict.endsWith(".") ? "" : "."}`,
  );
  const width = Math.max(...steps.map(({ at }) => at.length));
  steps.forEach(({ at, what, place }, index) => {
    const where = place === undefined ? "" : terminal.tone("faint", `  ${placeInWords(place)}`);
    terminal.print(`  ${index + 1}  ${at.padEnd(width)}  ${what}${where}`);
  });
  return code;
}
