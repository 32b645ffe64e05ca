/**
 * What a control plane and the fabric process say to each other.
 *
 * Both run the same program, maybe of different versions: PROTOCOL is compared first, and grows
 * with every change of a message or of a type inside one.
 */
import type { Problem, Result } from "../../base/problem.ts";
import type { Probe, ProbeResult } from "../../blueprint/probes.ts";
import type { SeenFlows } from "../../blueprint/seen-flows.ts";
import type { Seen, Trace } from "../../blueprint/seen.ts";
import type { Step } from "../../blueprint/steps.ts";
import type { LogLine, LogQuery, Observed, StandingPlace } from "../fabric.ts";

export const PROTOCOL = 4;

/** What each question carries and what answers it. */
export type Conversations = {
  readonly hello: { readonly ask: object; readonly answer: Greeting };
  readonly observe: { readonly ask: object; readonly answer: Result<Observed> };
  readonly carryOut: {
    readonly ask: { readonly generation: number; readonly step: Step };
    readonly answer: Result<"done">;
  };
  readonly probe: { readonly ask: { readonly probe: Probe }; readonly answer: ProbeResult };
  readonly trace: { readonly ask: { readonly trace: Trace }; readonly answer: Result<Seen> };
  readonly flows: { readonly ask: { readonly after: number }; readonly answer: Result<SeenFlows> };
  /** Answered when the command started or could not; then come its output and its end. */
  readonly run: { readonly ask: RunQuestion; readonly answer: Result<"started"> };
  readonly kill: { readonly ask: { readonly run: number }; readonly answer: "told" };
  readonly logs: {
    readonly ask: { readonly query: LogQuery };
    readonly answer: Result<readonly LogLine[]>;
  };
  readonly end: { readonly ask: object; readonly answer: "ended" };
};

export type Greeting = { readonly protocol: number; readonly world: string };

export type RunQuestion = {
  readonly at: StandingPlace;
  readonly argv: readonly string[];
  readonly input?: string;
};

export type Verb = keyof Conversations;

export type Question = {
  [V in Verb]: { readonly id: number; readonly verb: V; readonly ask: Conversations[V]["ask"] };
}[Verb];

export type Reply =
  | { readonly id: number; readonly answer: unknown }
  /** The question was not understood or broke something. */
  | { readonly id: number; readonly problem: Problem }
  | { readonly id: number; readonly stream: "stdout" | "stderr"; readonly chunk: string }
  | { readonly id: number; readonly exitCode: number };

const VERBS: Readonly<Record<Verb, true>> = {
  hello: true,
  observe: true,
  carryOut: true,
  probe: true,
  trace: true,
  flows: true,
  run: true,
  kill: true,
  logs: true,
  end: true,
};

/** The shape of a question; its content was made by our own program, which PROTOCOL vouches for. */
export function readQuestion(value: unknown): Question | undefined {
  const { id, verb, ask } = { ...(value as Record<string, unknown> | null) };
  if (typeof id !== "number" || typeof verb !== "string" || !Object.hasOwn(VERBS, verb))
    return undefined;
  if (typeof ask !== "object" || ask === null) return undefined;
  return { id, verb, ask } as Question;
}

export function readReply(value: unknown): Reply | undefined {
  const { id } = { ...(value as Record<string, unknown> | null) };
  return typeof id === "number" ? (value as Reply) : undefined;
}
