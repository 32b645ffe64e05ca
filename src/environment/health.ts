/**
 * Health as a state machine: what a round of probes makes of an environment.
 *
 * Pure: time and results arrive as arguments. Who sends probes is the fabric; who stores the
 * state is the loop.
 *
 * @article ASE inbound dependencies
 */
import type { Grade } from "./flows.ts";

/** The article says "long enough" and gives no number. */
export const SUSPEND_AFTER_MS = 10 * 60_000;
/** A flow counts as cut when this many rounds in a row failed: one lost packet is no illness. */
export const FAILED_ROUNDS = 2;
/** A new environment may take this long until its flows pass; then it is called unhealthy. */
export const PREPARING_MS = 8_000;

/** Front ends look this often after an instance of an app that was away. */
export const LOOK_AFTER_LOST_MS = 250;

/** Why a flow does not pass. */
export type Cause = {
  /** Id of the required flow. */
  readonly flow: string;
  readonly title: string;
  readonly grade: Grade;
  /** What the use of the flow met, from where to where: "no answer within 1000 ms". */
  readonly met: string;
  /** The rule or route that stops it, in the law's words; absent when the law lets it pass. */
  readonly stoppedBy?: string;
};

export type Health =
  /** Never yet healthy since it was created or resumed. */
  | { readonly state: "preparing"; readonly since: number; readonly causes: readonly Cause[] }
  | { readonly state: "healthy"; readonly since: number; readonly causes: readonly Cause[] }
  | { readonly state: "unhealthy"; readonly since: number; readonly causes: readonly Cause[] }
  | {
      readonly state: "suspended";
      readonly since: number;
      readonly causes: readonly Cause[];
      readonly by: "health" | "user";
    };

/** What one round found. `failures` holds flows that failed in enough rounds to count. */
export type Round = {
  readonly now: number;
  readonly complete: boolean;
  readonly failures: readonly Cause[];
};

/**
 * The next state. Only flows graded hard make ill; others are listed.
 * @param suspendAfterMs illness of this length suspends
 */
export function judge(before: Health, round: Round, suspendAfterMs: number): Health {
  if (before.state === "suspended") return before;
  const hard = round.failures.filter((cause) => cause.grade === "hard");
  if (hard.length === 0) {
    if (!round.complete && before.state !== "healthy") return before;
    const since = before.state === "healthy" ? before.since : round.now;
    return { state: "healthy", since, causes: round.failures };
  }
  if (before.state === "preparing" && round.now - before.since < PREPARING_MS)
    return { ...before, causes: round.failures };
  if (before.state !== "unhealthy")
    return { state: "unhealthy", since: round.now, causes: round.failures };
  if (suspendAfterMs <= round.now - before.since)
    return { state: "suspended", since: round.now, causes: round.failures, by: "health" };
  return { ...before, causes: round.failures };
}

/** Flows that failed in a row, counted over rounds. */
export type FailureCounts = Readonly<Record<string, number>>;

/** Counts one more round; a flow that passed begins again at none. */
export function countFailures(
  before: FailureCounts,
  failedFlows: readonly string[],
): FailureCounts {
  return Object.fromEntries(failedFlows.map((flow) => [flow, (before[flow] ?? 0) + 1]));
}

/** One line for `environmentStatus`: the words of the last check. */
export function describeHealth(health: Health): string {
  const causes = health.causes.map(describeCause).join("; ");
  switch (health.state) {
    case "preparing":
      return causes === "" ? "Preparing" : `Preparing: ${causes}`;
    case "healthy":
      return causes === "" ? "Healthy" : `Healthy, but ${causes}`;
    case "unhealthy":
      return `Unhealthy: ${causes}`;
    case "suspended":
      if (health.by === "user") return "Suspended on request";
      return `Suspended: ${causes}. Repair the network, then resume the environment.`;
  }
}

export function describeCause(cause: Cause): string {
  const by = cause.stoppedBy === undefined ? "" : ` (${cause.stoppedBy})`;
  return `${cause.title} does not pass: ${cause.met}${by}`;
}
