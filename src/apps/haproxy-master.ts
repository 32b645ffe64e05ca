/**
 * Talks to the master process of an HAProxy through its socket: who works, and "reload".
 *
 * The socket is a file, so it is reached from any network namespace of this machine.
 */
import { connect } from "node:net";

import { declined, found, type Result } from "../base/problem.ts";

const ANSWER_LIMIT_MS = 2_000;

/** One command, and all that is answered until HAProxy closes. */
export function askMaster(path: string, command: string): Promise<Result<string>> {
  return new Promise((resolve) => {
    let answer = "";
    const socket = connect(path);
    const refuse = (why: string): void => {
      socket.destroy();
      resolve(
        declined({
          code: "ProxySilent",
          what: `HAProxy did not answer "${command}": ${why}`,
          fix: "See its log; restart the front end.",
          where: path,
        }),
      );
    };
    socket.setEncoding("utf8");
    socket.setTimeout(ANSWER_LIMIT_MS, () => refuse("time is up"));
    socket.on("data", (chunk) => (answer += String(chunk)));
    socket.on("error", (error) => refuse(error.message));
    socket.on("close", () => resolve(found(answer)));
    socket.on("connect", () => socket.end(`${command}\n`));
  });
}

export type Processes = {
  /** Workers that take connections now. */
  readonly current: readonly number[];
  /** Workers of earlier configurations that finish what they have. */
  readonly old: readonly number[];
};

export async function processesOf(path: string): Promise<Processes> {
  const answer = await askMaster(path, "show proc");
  const [now = "", before = ""] = answer.ok ? answer.value.split("# old workers") : [];
  const pids = (text: string) =>
    [...text.matchAll(/^(\d+)\s+worker\s/gm)].map((match) => Number(match[1]));
  return { current: pids(now), old: pids(before) };
}

/** A worker answers once it is past its start. */
export async function workerRuns(path: string, pid: number): Promise<boolean> {
  const answer = await askMaster(path, `@!${pid} show info`);
  return answer.ok && answer.value.includes(`Pid: ${pid}`);
}
