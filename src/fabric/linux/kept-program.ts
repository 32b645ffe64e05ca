/**
 * The life of one program: started, changed, started again when it ends by itself, stopped.
 *
 * The pause before a new start grows with every early end and is short again after a long life.
 * What starting means is not known here.
 */
import { declined, problemOf, type Problem, type Result } from "../../base/problem.ts";
import { same } from "../../blueprint/steps.ts";
import type { Program } from "../../blueprint/blueprint.ts";
import type { ObservedHost, RunningProgram } from "../fabric.ts";

export type ProgramState = ObservedHost["programs"][number];

/** One start: the program, and how to take away what it leaves behind. */
export type Started = {
  readonly running: Promise<Result<RunningProgram>>;
  readonly cleanUp: () => void;
};

export type KeepOptions = {
  readonly start: (program: Program) => Started;
  /** A sentence about the program's life, for its log. */
  readonly report: (text: string) => void;
};

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 10_000;
const LONG_LIFE_MS = 30_000;
const START_WITHIN_MS = 60_000;
const STOP_WITHIN_MS = 10_000;

export class KeptProgram {
  readonly #options: KeepOptions;
  /** As it was asked for last. */
  #asked: Program;
  /** As it runs and is started again: a description it refused is not among these. */
  #program: Program;
  #current: { readonly running: RunningProgram; readonly cleanUp: () => void } | undefined;
  #state: ProgramState["state"] = "starting";
  #since = Date.now();
  #problem: Problem | undefined;
  #restarts = 0;
  #pauseMs = FIRST_PAUSE_MS;
  #timer: NodeJS.Timeout | undefined;
  /** Takes away what the start that is under way has begun. */
  #abandon: (() => void) | undefined;
  #isWanted = true;
  /** Everything that happens to the program, one after the other. */
  #turn: Promise<void> = Promise.resolve();

  constructor(program: Program, options: KeepOptions) {
    this.#asked = program;
    this.#program = program;
    this.#options = options;
  }

  look(): ProgramState {
    const busyWith = this.#current?.running.busyWith?.() ?? [];
    return {
      name: this.#program.name,
      state: this.#state,
      restarts: this.#restarts,
      since: this.#since,
      ...(this.#problem === undefined ? {} : { problem: this.#problem }),
      ...(busyWith.length === 0 ? {} : { busyWith }),
    };
  }

  /** Resolves after the first attempt, whether it succeeded or not. */
  start(): Promise<void> {
    return this.#next(() => this.#attempt());
  }

  /**
   * Takes the new description over, with a new start where the program asks for one. While it
   * cannot be run, that is told as the program's problem, it goes on as it was, and it is tried
   * again: what stood in the way may lie outside the description.
   */
  change(program: Program): Promise<void> {
    if (same(program, this.#asked)) return Promise.resolve();
    this.#asked = program;
    return this.#next(() => this.#take(program, FIRST_PAUSE_MS));
  }

  async #take(program: Program, pauseMs: number): Promise<void> {
    if (!this.#isWanted || program !== this.#asked) return;
    const taken = await this.#current?.running.change(program).catch(() => false);
    if (typeof taken === "object") {
      if (this.#problem?.what !== taken.what)
        this.#options.report(`${taken.what}; it goes on as it was`);
      this.#problem = taken;
      const next = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
      setTimeout(() => void this.#next(() => this.#take(program, next)), pauseMs).unref();
      return;
    }
    this.#program = program;
    if (taken === true) this.#problem = undefined;
    else await this.#startAnew();
  }

  restart(): Promise<void> {
    return this.#next(() => this.#startAnew());
  }

  /** For good. */
  stop(): Promise<void> {
    this.#isWanted = false;
    clearTimeout(this.#timer);
    this.#abandon?.();
    return this.#next(() => this.#stopCurrent());
  }

  #next(work: () => Promise<void>): Promise<void> {
    this.#turn = this.#turn.then(work);
    return this.#turn;
  }

  async #startAnew(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#stopCurrent();
    this.#pauseMs = FIRST_PAUSE_MS;
    await this.#attempt();
  }

  async #attempt(): Promise<void> {
    if (!this.#isWanted || this.#current !== undefined) return;
    this.#enter("starting", undefined);
    const { running, cleanUp } = this.#options.start(this.#program);
    this.#abandon = cleanUp;
    const started = await within(START_WITHIN_MS, running);
    this.#abandon = undefined;
    if (!started.ok) {
      // One that comes up after all, too late, is not wanted any more.
      void running.then((late) => (late.ok ? late.value.stop() : undefined)).catch(() => undefined);
      cleanUp();
      this.#fail(started.problem);
      return;
    }
    const current = { running: started.value, cleanUp };
    this.#current = current;
    this.#enter("running", undefined);
    void started.value.ended.then((problem) => {
      if (this.#current !== current) return;
      this.#current = undefined;
      cleanUp();
      if (Date.now() - this.#since >= LONG_LIFE_MS) this.#pauseMs = FIRST_PAUSE_MS;
      this.#restarts += 1;
      this.#fail(problem);
    });
  }

  #fail(problem: Problem): void {
    this.#enter("failed", problem);
    this.#options.report(`${problem.what}; next start in ${this.#pauseMs / 1000} s`);
    if (!this.#isWanted) return;
    this.#timer = setTimeout(() => void this.start(), this.#pauseMs);
    this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS);
  }

  async #stopCurrent(): Promise<void> {
    const current = this.#current;
    this.#current = undefined;
    if (current === undefined) return;
    await within(
      STOP_WITHIN_MS,
      current.running.stop().then(() => ({ ok: true, value: undefined }) as const),
    );
    current.cleanUp();
  }

  #enter(state: ProgramState["state"], problem: Problem | undefined): void {
    this.#state = state;
    this.#problem = problem;
    this.#since = Date.now();
  }
}

/** Never rejects, never takes longer. */
async function within<Value>(
  timeMs: number,
  answer: Promise<Result<Value>>,
): Promise<Result<Value>> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Result<Value>>((resolve) => {
    timer = setTimeout(() => {
      resolve(
        declined({
          code: "ProgramSilent",
          what: `the program did not answer within ${timeMs / 1000} s`,
          fix: "Look at the log of the program.",
        }),
      );
    }, timeMs);
  });
  const given = answer.catch((thrown: unknown) =>
    declined(
      problemOf(thrown, {
        code: "ProgramBroke",
        what: "the program broke while it started or stopped",
        fix: "Look at the cause and the log of the program.",
      }),
    ),
  );
  const first = await Promise.race([given, late]);
  clearTimeout(timer);
  return first;
}
