/**
 * Takes metrics: one JSON object per line (`{"name": …, "value": …, "at": …}`), each acknowledged
 * by a line with its number on this connection, or refused with the reason.
 *
 * It keeps no metrics: history is kept elsewhere.
 *
 * @article ASE outbound dependencies
 */
import { z } from "zod";

import type { Result } from "../base/problem.ts";
import type { Serving } from "./endpoints.ts";
import { readLines } from "./listeners.ts";

const LONGEST_LINE = 4_096;
const Metric = z.object({ name: z.string().min(1), value: z.number(), at: z.iso.datetime() });

export function serveMetrics({ current, listeners }: Serving): Promise<Result<"listening">> {
  return listeners.accept(current(), (socket) => {
    let accepted = 0;
    readLines(socket, LONGEST_LINE, (line) => {
      const wrong = whatIsWrong(line);
      if (wrong === undefined) accepted += 1;
      const answer = wrong === undefined ? { accepted } : { refused: wrong };
      socket.write(`${JSON.stringify(answer)}\n`);
    });
  });
}

function whatIsWrong(line: string): string | undefined {
  try {
    const metric = Metric.safeParse(JSON.parse(line));
    return metric.success ? undefined : z.prettifyError(metric.error);
  } catch {
    return "the line is not JSON";
  }
}
