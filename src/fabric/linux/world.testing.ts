/**
 * The entry of a small world for tests: its programs are a TCP echo, an HTTP greeting and a
 * process that sleeps. Not part of the product.
 */
import { createServer as createHttpServer } from "node:http";
import { createServer, type Server, type Socket } from "node:net";
import { parseArgs } from "node:util";

import { declined, found, type Problem, type Result } from "../../base/problem.ts";
import type { Endpoint } from "../../blueprint/blueprint.ts";
import type { ProgramPlace, RunningProgram, RunProbe, StartProgram } from "../fabric.ts";
import { runFabricProcess } from "./fabric-process.ts";
import { DOOR_DESCRIPTORS } from "./world.ts";

const startProgram: StartProgram = async (program, place) => {
  if (program.kind !== "endpoint") return declined(notHere(program.kind));
  switch (program.service) {
    case "http":
      return listen(
        program,
        place,
        createHttpServer((request, response) => {
          response.end(`${place.host.name} greets ${request.socket.remoteAddress}`);
        }),
      );
    case "sql":
      return sleep(program, place);
    case "monitoring":
      return declined(notHere("monitoring"));
    default:
      return listen(
        program,
        place,
        createServer((socket) => socket.pipe(socket)),
      );
  }
};

/** Says "hello" and expects it back. */
const runProbe: RunProbe = async (probe, sockets) => {
  if (probe.name === "hang") return new Promise(() => undefined);
  const connected = await sockets.connect({ ...probe.to, timeoutMs: probe.timeoutMs });
  if (!connected.ok) return { ok: false, elapsedMs: 0, reason: connected.problem.what };
  const socket = connected.value;
  socket.on("error", () => undefined);
  socket.write("hello");
  const answer = await new Promise<Buffer>((resolve) => socket.once("data", resolve));
  socket.destroy();
  return { ok: true, elapsedMs: 0, detail: answer.toString("utf8") };
};

async function listen(
  { address, port }: Endpoint,
  place: ProgramPlace,
  server: Server,
): Promise<Result<RunningProgram>> {
  const open = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    open.add(socket);
    socket.on("error", () => undefined);
    socket.once("close", () => open.delete(socket));
  });
  const listening = await place.sockets.listen(server, { address, port });
  if (!listening.ok) return listening;
  place.log("stdout", `listens on ${address}:${port}`);
  return found({
    change: async (next) => next.kind === "endpoint" && next.port === port,
    stop: async () => {
      open.forEach((socket) => socket.destroy());
      await new Promise((resolve) => server.close(resolve));
    },
    ended: new Promise<Problem>(() => undefined),
  });
}

async function sleep(program: Endpoint, place: ProgramPlace): Promise<Result<RunningProgram>> {
  const child = place.spawn(["sh", "-c", 'echo "pid $$ of $(id -u)"; sleep 1000 & wait'], {
    environment: {},
    user: 20_001,
    limits: { cores: 0.5, memoryMb: 64, processes: 20 },
  });
  await new Promise((resolve) => child.stdout?.once("data", resolve));
  return found({
    change: async () => false,
    stop: async () => void child.kill("SIGKILL"),
    ended: new Promise((resolve) => {
      child.once("exit", (_, signal) =>
        resolve({ code: "Ended", what: `${program.name} ended by ${signal}`, fix: "Wait." }),
      );
    }),
  });
}

function notHere(kind: string): Problem {
  return {
    code: "NotHere",
    what: `this small world runs no ${kind}`,
    fix: "Use the whole product.",
  };
}

const { values } = parseArgs({
  args: process.argv.slice(3),
  options: { home: { type: "string" }, doors: { type: "boolean" } },
});
await runFabricProcess({
  home: values.home ?? "",
  ...(values.doors === true ? { doorFds: DOOR_DESCRIPTORS } : {}),
  startProgram,
  runProbe,
});
