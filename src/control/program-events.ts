/**
 * What is told of programs and hosts that end by themselves: between two looks at the world.
 *
 * Starts, changes and stops that were asked for are told by those who asked.
 */
import type { Observed, ObservedHost } from "../fabric/fabric.ts";
import type { ControlEvent } from "./control-plane.ts";

type Run = ObservedHost["programs"][number];

/** At most so many single programs are told of at once; more are summed up by host. */
const MOST_AT_ONCE = 20;

export function programEvents(
  before: Observed | undefined,
  now: Observed,
): readonly ControlEvent[] {
  if (before === undefined) return [];
  const known = new Map(before.hosts.map((one) => [one.host.name, one]));
  return now.hosts
    .filter(({ host }) => host.environment !== undefined)
    .flatMap(({ host, programs }) => {
      const last = known.get(host.name);
      if (last === undefined) return [];
      return programs.flatMap((program) => {
        const was = last.programs.find(({ name }) => name === program.name);
        return was === undefined ? [] : eventsOf(host.name, was, program);
      });
    })
    .slice(0, MOST_AT_ONCE);
}

function eventsOf(host: string, was: Run, now: Run): readonly ControlEvent[] {
  const ended: ControlEvent = {
    level: "warning",
    code: "ProgramEnded",
    subject: host,
    message: `${now.name} on ${host} ended${now.problem === undefined ? "" : `: ${now.problem.what}`}`,
    ...(now.problem === undefined ? {} : { problem: now.problem }),
  };
  const runs: ControlEvent = {
    level: "info",
    code: "ProgramRuns",
    subject: host,
    message: `${now.name} on ${host} runs again; it was started ${now.restarts === 1 ? "once" : `${now.restarts} times`} anew`,
  };
  const endedSince = was.state === "running" && was.restarts < now.restarts;
  if (now.state === "failed") return was.state === "failed" ? [] : [ended];
  // It ended between two looks.
  if (now.state === "starting") return endedSince ? [ended] : [];
  if (endedSince) return [ended, runs];
  return was.state === "failed" || (was.state === "starting" && 0 < now.restarts) ? [runs] : [];
}
