/**
 * The programs of one host, at every place it stands.
 *
 * An ordinary host stands once. A host on the platform's address stands in the router of every
 * network, each time with programs of its own.
 */
import { declined, problemOf } from "../../base/problem.ts";
import type { Host, Program } from "../../blueprint/blueprint.ts";
import { PLATFORM_ADDRESS } from "../../environment/ports.ts";
import type { LogLine, ObservedHost, StartProgram } from "../fabric.ts";
import type { Space } from "./kernel/kernel.ts";
import { KeptProgram, type ProgramState, type Started } from "./kept-program.ts";
import type { Limits } from "./limits.ts";
import { openProgramPlace, removeScratch, scratchFolder } from "./program-place.ts";

export type HostGround = {
  readonly startProgram: StartProgram;
  readonly limits: Limits;
  readonly scratch: string;
  readonly hasUsers: boolean;
  readonly startsAtOnce: <T>(work: () => Promise<T>) => Promise<T>;
  readonly note: (host: string, program: string, stream: LogLine["stream"], text: string) => void;
};

/** Has no place of its own: it is everywhere. */
export function isPlatformHost({ place }: Host): boolean {
  return place.kind === "internet" && place.address === PLATFORM_ADDRESS;
}

/** One place of a host: the key tells those of the platform apart. */
export type Spot = { readonly space: Space; readonly network?: string };
type Standing = Spot & { readonly programs: Map<string, KeptProgram> };

export class HostPrograms {
  host: Host;
  readonly #ground: HostGround;
  readonly #standings = new Map<string, Standing>();
  readonly #putAt = Date.now();
  #turn: Promise<void> = Promise.resolve();
  #isStopped = false;

  constructor(host: Host, ground: HostGround) {
    this.host = host;
    this.#ground = ground;
  }

  look(): ObservedHost {
    const states = [...this.#standings.values()].flatMap(({ programs }) =>
      [...programs.values()].map((program) => program.look()),
    );
    return {
      host: this.host,
      programs: this.host.programs.map(({ name }) =>
        together(
          name,
          states.filter((state) => state.name === name),
          this.#putAt,
        ),
      ),
    };
  }

  /** Makes the programs those of the host, at exactly these places. */
  stand(spots: ReadonlyMap<string, Spot>): Promise<void> {
    this.#turn = this.#turn.then(async () => {
      if (this.#isStopped) return;
      const left = [...this.#standings.keys()].filter((key) => !spots.has(key));
      await Promise.all(left.map((key) => this.#leave(key)));
      await Promise.all([...spots].map(([key, spot]) => this.#standAt(key, spot)));
    });
    return this.#turn;
  }

  /** For good. */
  stop(): Promise<void> {
    this.#isStopped = true;
    return Promise.all([...this.#standings.keys()].map((key) => this.#leave(key))).then(
      () => undefined,
    );
  }

  /** Takes the files of the host away. */
  forget(): void {
    removeScratch(this.#ground.scratch, this.host.name);
  }

  async #leave(key: string): Promise<void> {
    const programs = this.#standings.get(key)?.programs ?? new Map<string, KeptProgram>();
    await Promise.all([...programs.values()].map((program) => program.stop()));
    this.#standings.delete(key);
  }

  /** One after the other, in the order of the blueprint. */
  async #standAt(key: string, spot: Spot): Promise<void> {
    const standing = this.#standings.get(key) ?? {
      ...spot,
      programs: new Map<string, KeptProgram>(),
    };
    this.#standings.set(key, standing);
    const wanted = this.host.programs;
    for (const [name, program] of standing.programs) {
      if (wanted.some((other) => other.name === name)) continue;
      standing.programs.delete(name);
      await program.stop();
    }
    for (const program of wanted) {
      if (this.#isStopped) return;
      const kept = standing.programs.get(program.name);
      if (kept !== undefined) await kept.change(program);
      else await this.#keep(key, standing, program);
    }
  }

  #keep(key: string, standing: Standing, program: Program): Promise<void> {
    const kept = new KeptProgram(program, {
      start: (description) => this.#start(key, standing, description),
      report: (text) => this.#ground.note(this.host.name, program.name, "platform", text),
    });
    standing.programs.set(program.name, kept);
    return kept.start();
  }

  #start(key: string, standing: Standing, program: Program): Started {
    const { scratch, limits, hasUsers, startProgram, startsAtOnce, note } = this.#ground;
    const folder = key === "" ? program.name : `${program.name}-${key}`;
    const place = openProgramPlace({
      host: this.host,
      space: standing.space,
      ...(standing.network === undefined ? {} : { network: standing.network }),
      scratch: scratchFolder(scratch, this.host.name, folder),
      limits,
      hasUsers,
      log: (stream, text) => note(this.host.name, program.name, stream, text),
      restartPrograms: () => {
        for (const [name, other] of standing.programs)
          if (name !== program.name) void other.restart();
      },
    });
    const running = startsAtOnce(() => startProgram(program, place)).catch((thrown: unknown) =>
      declined(
        problemOf(thrown, {
          code: "ProgramBroke",
          what: `${program.name} on ${this.host.name} broke while it started`,
          fix: "Look at the cause and at the log of the program.",
        }),
      ),
    );
    return { running, cleanUp: place.leave };
  }
}

/** A program that stands at several places is as well as its worst. */
function together(name: string, states: readonly ProgramState[], putAt: number): ProgramState {
  const worst =
    states.find(({ state }) => state === "failed") ??
    states.find(({ state }) => state === "starting") ??
    states[0];
  // A host that is nowhere has nothing left to start.
  if (worst === undefined) return { name, state: "running", restarts: 0, since: putAt };
  return { ...worst, restarts: states.reduce((sum, { restarts }) => sum + restarts, 0) };
}
