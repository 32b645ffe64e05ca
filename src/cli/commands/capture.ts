/** `ase capture`: the packets of a host, as a pcap file. */
import { writeFileSync } from "node:fs";

import { declined, found } from "../../base/problem.ts";
import { textAt } from "../read.ts";
import { EXIT } from "../refusals.ts";
import { withServer, type Ending, type Session } from "../session.ts";

export type CaptureOptions = {
  readonly output: string;
  readonly seconds: number;
  readonly filter?: string;
};

export async function capture(
  session: Session,
  place: string,
  { output, seconds, filter }: CaptureOptions,
): Ending {
  return await withServer(session, async (client) => {
    session.terminal.note(`capturing at ${place} for ${seconds} s ...`);
    const answer = await client.carryOut({
      method: "POST",
      path: "/openase/capture",
      body: { at: place, seconds, ...(filter === undefined ? {} : { filter }) },
    });
    if (!answer.ok) return answer;
    try {
      writeFileSync(output, Buffer.from(textAt(answer.value, "pcap") ?? "", "base64"));
    } catch (thrown) {
      return declined({
        code: "FileNotWritten",
        what: `${output} cannot be written: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
        fix: "Name a file in a folder that exists and that you may write to.",
      });
    }
    const counted = /(\d+) packets? captured/.exec(textAt(answer.value, "said") ?? "")?.[1] ?? "0";
    session.terminal.print(`${counted} packets in ${output}`);
    return found(EXIT.done);
  });
}
