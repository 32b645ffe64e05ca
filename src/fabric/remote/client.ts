/**
 * The fabric of another process, as if it were here.
 *
 * One connection. When it closes, everything pending answers with a problem and so does every
 * later call; connecting anew is the caller's decision.
 */
import { createConnection, type Socket } from "node:net";

import { declined, found, type Problem, type Result } from "../../base/problem.ts";
import type { Command, Fabric, RunningCommand, StandingPlace } from "../fabric.ts";
import { readLines, writeLine } from "./lines.ts";
import {
  PROTOCOL,
  readReply,
  type Conversations,
  type Greeting,
  type Reply,
  type Verb,
} from "./messages.ts";

export type RemoteFabric = Fabric & {
  /** Who is there. Declined when nobody answers, or a program of another version. */
  readonly greet: () => Promise<Result<Greeting>>;
  /** Settles when the connection is gone, with the reason. */
  readonly closed: Promise<Problem>;
  /** Leaves; the world stays. */
  readonly disconnect: () => void;
};

const ANSWER_WITHIN_MS = 120_000;
const GREET_WITHIN_MS = 10_000;
/** Added to a probe's own timeout. */
const PROBE_GRACE_MS = 5_000;

type Waiting = {
  readonly answer: (answer: Result<unknown>) => void;
  readonly timer: NodeJS.Timeout;
};
type Running = {
  readonly output: Command["onOutput"];
  readonly ended: (exitCode: number) => void;
};

/** Exit code of a command whose world went away, as of a process that was killed. */
const KILLED = 137;

/** Connects at once; whether it succeeded is seen in the first answer. */
export function openRemoteFabric(socketPath: string): RemoteFabric {
  const socket: Socket = createConnection(socketPath);
  const waiting = new Map<number, Waiting>();
  const running = new Map<number, Running>();
  let lastId = 0;
  let gone: Problem | undefined;
  let tellClosed: (problem: Problem) => void = () => undefined;
  const closed = new Promise<Problem>((resolve) => (tellClosed = resolve));

  socket.on("error", (error) => lose(error.message));
  socket.once("close", () => lose("the connection closed"));
  readLines(socket, {
    value: (value) => {
      const reply = readReply(value);
      if (reply === undefined) return lose("a reply without an id came");
      take(reply);
    },
    broken: lose,
  });

  function lose(why: string): void {
    if (gone !== undefined) return;
    gone = {
      code: "FabricGone",
      what: `the process that owns the world does not answer: ${why}`,
      where: socketPath,
      fix: "Run `ase up`; it starts the world again.",
    };
    socket.destroy();
    for (const { answer, timer } of waiting.values()) {
      clearTimeout(timer);
      answer(declined(gone));
    }
    waiting.clear();
    for (const { ended } of running.values()) ended(KILLED);
    running.clear();
    tellClosed(gone);
  }

  function take(reply: Reply): void {
    if ("chunk" in reply) return running.get(reply.id)?.output(reply.stream, reply.chunk);
    if ("exitCode" in reply) {
      running.get(reply.id)?.ended(reply.exitCode);
      running.delete(reply.id);
      return;
    }
    const asked = waiting.get(reply.id);
    if (asked === undefined) return;
    waiting.delete(reply.id);
    clearTimeout(asked.timer);
    asked.answer("problem" in reply ? declined(reply.problem) : found(reply.answer));
  }

  function ask<V extends Verb>(
    verb: V,
    question: Conversations[V]["ask"],
    withinMs = ANSWER_WITHIN_MS,
    id = ++lastId,
  ): Promise<Result<Conversations[V]["answer"]>> {
    if (gone !== undefined) return Promise.resolve(declined(gone));
    return new Promise((resolve) => {
      const silent = () => {
        waiting.delete(id);
        resolve(declined(silence(verb, withinMs, socketPath)));
      };
      const answer = (given: Result<unknown>) =>
        resolve(given as Result<Conversations[V]["answer"]>);
      waiting.set(id, { answer, timer: setTimeout(silent, withinMs) });
      writeLine(socket, { id, verb, ask: question });
    });
  }

  async function run(at: StandingPlace, command: Command): Promise<Result<RunningCommand>> {
    const id = ++lastId;
    const { argv, input, onOutput } = command;
    const ended = new Promise<{ readonly exitCode: number }>((resolve) =>
      running.set(id, { output: onOutput, ended: (exitCode) => resolve({ exitCode }) }),
    );
    const question = { at, argv, ...(input === undefined ? {} : { input }) };
    const answer = flat(await ask("run", question, ANSWER_WITHIN_MS, id));
    if (!answer.ok) {
      running.delete(id);
      return answer;
    }
    return found({ ended, kill: () => void ask("kill", { run: id }) });
  }

  return {
    observe: async () => flat(await ask("observe", {})),
    carryOut: async (generation, step) => flat(await ask("carryOut", { generation, step })),
    probe: async (probe) => {
      const answer = await ask("probe", { probe }, probe.timeoutMs + PROBE_GRACE_MS);
      if (answer.ok) return answer.value;
      return { ok: false, elapsedMs: 0, reason: answer.problem.what };
    },
    trace: async (trace) => flat(await ask("trace", { trace }, trace.timeoutMs + PROBE_GRACE_MS)),
    flows: async (after) => flat(await ask("flows", { after })),
    run,
    logs: async (query) => flat(await ask("logs", { query })),
    end: async () => {
      await ask("end", {});
    },
    greet: async () => {
      const answer = await ask("hello", {}, GREET_WITHIN_MS);
      if (answer.ok && answer.value.protocol !== PROTOCOL)
        return declined(otherVersion(answer.value.protocol, socketPath));
      return answer;
    },
    closed,
    disconnect: () => socket.destroy(),
  };
}

/** An answer that is itself a Result. */
function flat<Value>(answer: Result<Result<Value>>): Result<Value> {
  return answer.ok ? answer.value : answer;
}

function silence(verb: Verb, withinMs: number, socketPath: string): Problem {
  return {
    code: "FabricSilent",
    what: `the process that owns the world did not answer "${verb}" within ${withinMs / 1000} s`,
    where: socketPath,
    fix: "Look at logs/fabric.log; `ase down` ends the world also when it is silent.",
  };
}

function otherVersion(protocol: number, socketPath: string): Problem {
  return {
    code: "FabricOfAnotherVersion",
    what: `the running world speaks protocol ${protocol}, this program ${PROTOCOL}`,
    where: socketPath,
    fix: "Run `ase down`, then `ase up`: a new version takes the world over empty.",
  };
}
