/**
 * Serves a fabric to the control planes of this machine, over a socket that only its owner opens.
 *
 * Any number of clients at once. A client that goes away takes its running commands with it and
 * nothing else. Which fabric it is, is not known here.
 */
import { chmodSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";

import { declined, found, problemOf, type Result } from "../../base/problem.ts";
import type { Fabric, RunningCommand } from "../fabric.ts";
import { readLines, writeLine } from "./lines.ts";
import { PROTOCOL, readQuestion, type Question, type Reply, type RunQuestion } from "./messages.ts";

export type ServedFabric = {
  /** Closes the socket and every connection. */
  readonly close: () => Promise<void>;
};

export type ServeOptions = {
  readonly socketPath: string;
  /** Id of the world, told to those who connect. */
  readonly world: string;
  /** The world was ended on request; the answer has been sent. */
  readonly ended?: () => void;
};

/** Output that no client reads piles up to this size, then the command is killed. */
const UNREAD_OUTPUT = 32 * 1024 * 1024;

/** The socket's folder must be its owner's alone (0700). A stale socket file is replaced. */
export async function serveFabric(
  fabric: Fabric,
  options: ServeOptions,
): Promise<Result<ServedFabric>> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    talk(socket, fabric, options);
  });
  const listening = await new Promise<Result<"listening">>((resolve) => {
    server.once("error", (error) =>
      resolve(
        declined(
          problemOf(error, {
            code: "FabricSocketNotOpened",
            what: `the fabric cannot listen on ${options.socketPath}`,
            fix: "Choose a home with a shorter path on a local disk.",
          }),
        ),
      ),
    );
    rmSync(options.socketPath, { force: true });
    server.listen(options.socketPath, () => resolve(found("listening")));
  });
  if (!listening.ok) return listening;
  chmodSync(options.socketPath, 0o600);
  return found({
    close: () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  });
}

/** One client, from its first question to its last. */
function talk(socket: Socket, fabric: Fabric, options: ServeOptions): void {
  const running = new Map<number, RunningCommand>();
  const say = (reply: Reply) => writeLine(socket, reply);
  socket.on("error", () => socket.destroy());
  socket.once("close", () => running.forEach((command) => command.kill()));
  readLines(socket, {
    value: (value) => {
      const question = readQuestion(value);
      if (question === undefined) return socket.destroy();
      answer(question).catch((thrown: unknown) =>
        say({
          id: question.id,
          problem: problemOf(thrown, {
            code: "FabricBroke",
            what: `the fabric could not answer "${question.verb}"`,
            fix: "Report this with logs/fabric.log.",
          }),
        }),
      );
    },
    broken: () => socket.destroy(),
  });

  async function answer({ id, verb, ask }: Question): Promise<void> {
    switch (verb) {
      case "hello":
        return say({ id, answer: { protocol: PROTOCOL, world: options.world } });
      case "observe":
        return say({ id, answer: await fabric.observe() });
      case "carryOut":
        return say({ id, answer: await fabric.carryOut(ask.generation, ask.step) });
      case "probe":
        return say({ id, answer: await fabric.probe(ask.probe) });
      case "trace":
        return say({ id, answer: await fabric.trace(ask.trace) });
      case "flows":
        return say({ id, answer: await fabric.flows(ask.after) });
      case "logs":
        return say({ id, answer: await fabric.logs(ask.query) });
      case "run":
        return run(id, ask);
      case "kill":
        running.get(ask.run)?.kill();
        return say({ id, answer: "told" });
      case "end":
        await fabric.end();
        say({ id, answer: "ended" });
        socket.end(() => options.ended?.());
        return;
    }
  }

  async function run(id: number, { at, argv, input }: RunQuestion): Promise<void> {
    let started = false;
    const early: Reply[] = [];
    const output = (stream: "stdout" | "stderr", chunk: string) => {
      const reply: Reply = { id, stream, chunk };
      if (!started) return void early.push(reply);
      say(reply);
      if (socket.writableLength > UNREAD_OUTPUT) running.get(id)?.kill();
    };
    const begun = await fabric.run(at, {
      argv,
      ...(input === undefined ? {} : { input }),
      onOutput: output,
    });
    if (!begun.ok) return say({ id, answer: begun });
    const command = begun.value;
    if (socket.destroyed) return command.kill();
    running.set(id, command);
    started = true;
    say({ id, answer: found("started") });
    early.forEach(say);
    const { exitCode } = await command.ended;
    running.delete(id);
    say({ id, exitCode });
  }
}
