/**
 * What every command is given: the home, the terminal, and the way to the server.
 *
 * Made once per call in program.ts; a command keeps nothing.
 */
import { declined, type Result } from "../base/problem.ts";
import { openClient, readDoor, type Client } from "./client.ts";
import { readRunningServer, type Home, type RunningServer } from "./home.ts";
import type { ExitCode } from "./refusals.ts";
import type { Terminal } from "./terminal.ts";

export type Session = {
  readonly home: Home;
  readonly terminal: Terminal;
};

/** A command's end: its exit code, or the problem that is then printed. */
export type Ending = Promise<Result<ExitCode>>;

/** Runs `work` with a client of the running server, and closes it. */
export async function withServer<Value>(
  session: Session,
  work: (client: Client, server: RunningServer) => Promise<Result<Value>>,
): Promise<Result<Value>> {
  const server = readRunningServer(session.home);
  if (server === undefined)
    return declined({
      code: "ServerNotRunning",
      what: "no server runs for this home",
      where: session.home.folder,
      fix: "Start it with `ase up`, or set ASE_HOME to the home of the one you mean.",
    });
  const door = readDoor(session.home, server);
  if (!door.ok) return door;
  const client = openClient(door.value);
  try {
    return await work(client, server);
  } finally {
    client.close();
  }
}
