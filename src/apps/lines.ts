/** The last words of a process, for the problem of its end. Logging its output is the fabric's. */
import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";

const REMEMBERED_LINES = 10;
const LINE_LENGTH = 2000;

/** What stderr said last, at the time of asking. */
export function rememberLastLines(child: ChildProcess): () => readonly string[] {
  const last: string[] = [];
  if (child.stderr !== null)
    createInterface({ input: child.stderr }).on("line", (line) => {
      if (line.trim() === "") return;
      last.push(line.slice(0, LINE_LENGTH));
      if (last.length > REMEMBERED_LINES) last.shift();
    });
  return () => [...last];
}
