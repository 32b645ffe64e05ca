/**
 * The agent of every role and worker: what listens on a host of an environment besides its apps.
 *
 * Inside communication on ports of the host's own choosing (HTTP: `GET /health`, and
 * `POST /restart` from the management role only), keep-alive and the two ports that answer an
 * address. The management role's 454 and 455 are in management.ts.
 *
 * Keep-alive is a protocol of lines: whatever line is sent is answered `OK <host>`, and the
 * connection stays open for more.
 *
 * @article ASE inbound dependencies
 */
import { found, type Problem, type Result } from "../base/problem.ts";
import type { RoleAgent } from "../blueprint/blueprint.ts";
import { ADDRESS_ECHO_PORTS, KEEP_ALIVE_PORT } from "../environment/ports.ts";
import type { ProgramPlace, RunningProgram } from "../fabric/fabric.ts";
import { httpServer, json, notFound, type Answer, type Asked } from "./http-answers.ts";
import { Listeners, readLines } from "./listeners.ts";
import { openManagement, type Management } from "./management.ts";

const LONGEST_LINE = 256;
/** Such a program cannot end by itself. */
export const NEVER_ENDS: Promise<Problem> = new Promise(() => undefined);

export async function startRoleAgent(
  program: RoleAgent,
  place: ProgramPlace,
): Promise<Result<RunningProgram>> {
  const agent = new Agent(program, place);
  const opened = await agent.open();
  if (opened.ok) return found(agent);
  await agent.stop();
  return opened;
}

class Agent implements RunningProgram {
  readonly ended = NEVER_ENDS;
  readonly #place: ProgramPlace;
  readonly #listeners: Listeners;
  readonly #since = performance.now();
  #program: RoleAgent;
  #management: Management | undefined;

  constructor(program: RoleAgent, place: ProgramPlace) {
    this.#program = program;
    this.#place = place;
    this.#listeners = new Listeners(place.sockets);
  }

  async open(): Promise<Result<"listening">> {
    const { address, internalPorts, keepAlive, management } = this.#program;
    for (const port of internalPorts) {
      const inside = httpServer((asked) => this.#answerInside(asked));
      const listening = await this.#listeners.serve(inside, { address, port });
      if (!listening.ok) return listening;
    }
    if (keepAlive) {
      const listening = await this.#openKeepAlive();
      if (!listening.ok) return listening;
    }
    if (management === undefined) return found("listening");
    const opened = await openManagement(management, address, this.#place, this.#listeners);
    if (!opened.ok) return opened;
    this.#management = opened.value;
    return found("listening");
  }

  /** New peers, echo address and commanders at once; new listeners need a new start. */
  async change(program: RoleAgent | { readonly kind: string }): Promise<boolean> {
    if (!isRoleAgent(program) || listenersOf(program) !== listenersOf(this.#program)) return false;
    if (program.management && this.#management) {
      const taken = await this.#management.change(program.management);
      if (!taken) return false;
    }
    this.#program = program;
    return true;
  }

  async stop(): Promise<void> {
    await this.#listeners.close();
  }

  #answerInside(asked: Asked): Answer {
    const what = `${asked.method} ${asked.path}`;
    if (what === "GET /health") return json(200, this.#health());
    if (what !== "POST /restart") return notFound(asked);
    const commanders: readonly string[] = this.#program.commandedFrom ?? [];
    if (!commanders.includes(asked.from.replace(/^::ffff:/, "")))
      return json(403, { error: `${asked.from} is not an address of the management role.` });
    this.#place.log("platform", `restart of the host's programs, asked for by ${asked.from}`);
    this.#place.restartPrograms();
    return json(202, { host: this.#place.host.name, restarting: true });
  }

  #health() {
    const { name, programs } = this.#place.host;
    const uptimeSeconds = Math.floor((performance.now() - this.#since) / 1000);
    return {
      host: name,
      role: this.#program.role,
      programs: programs.map((program) => ({ name: program.name, kind: program.kind })),
      uptimeSeconds,
    };
  }

  async #openKeepAlive(): Promise<Result<"listening">> {
    const { address } = this.#program;
    const { name } = this.#place.host;
    const keepAlive = await this.#listeners.accept({ address, port: KEEP_ALIVE_PORT }, (socket) => {
      readLines(socket, LONGEST_LINE, () => void socket.write(`OK ${name}\n`));
    });
    if (!keepAlive.ok) return keepAlive;
    for (const port of ADDRESS_ECHO_PORTS) {
      const echo = await this.#listeners.accept({ address, port }, (socket) => {
        socket.resume();
        socket.end(this.#program.echoAddress);
      });
      if (!echo.ok) return echo;
    }
    return found("listening");
  }
}

function isRoleAgent(program: { readonly kind: string }): program is RoleAgent {
  return program.kind === "role-agent";
}

/** What cannot change while listening. */
function listenersOf(program: RoleAgent): string {
  const { address, role, internalPorts, keepAlive, management } = program;
  return JSON.stringify([address, role, internalPorts, keepAlive, management !== undefined]);
}
