/**
 * A rolling reboot: every host of an environment is made anew, half of each role at a time.
 *
 * Those whose turn it is get nothing new first, and finish what they have; front ends leave the
 * load balancer. Where a role has two hosts or more, somebody serves at every moment. Nothing is
 * stored but the wish for another incarnation: a reboot that dies with the control plane ends.
 */
import { setTimeout as pause } from "node:timers/promises";

import { declined, found, type Problem, type Result } from "../base/problem.ts";
import type { Host } from "../blueprint/blueprint.ts";
import type { Fabric } from "../fabric/fabric.ts";
import type { FactBook } from "./facts.ts";
import { seenIn } from "./layouts.ts";
import type { Loop } from "./loop.ts";

export type RebootOptions = {
  readonly fabric: Fabric;
  readonly loop: Loop;
  readonly facts: FactBook;
  readonly now: () => number;
};

const LOOK_EVERY_MS = 50;
/** No request takes longer. */
const FINISH_WITHIN_MS = 240_000;
const START_WITHIN_MS = 240_000;

/** @param environment resource id */
export async function rebootRolling(
  options: RebootOptions,
  environment: string,
): Promise<Result<"done">> {
  const { loop, facts } = options;
  const own = (loop.state().blueprint?.hosts ?? []).filter(
    (host) => host.environment === environment,
  );
  for (const half of halvesOf(own)) {
    const names = half.map(({ name }) => name);
    loop.keepAway(names);
    await loop.turned();
    // Of a role with one host nobody can take the traffic over: it goes down with it.
    const replaced = half.filter((host) => TAKES_TRAFFIC.has(host.role) && hasTwin(host, own));
    await untilSeen(
      options,
      replaced.map(({ name }) => name),
      ({ busy }) => !busy,
      FINISH_WITHIN_MS,
    );
    for (const name of names) facts.reboot(name);
    await loop.turned();
    const stands = await untilSeen(
      options,
      names,
      ({ state }) => state === "ready",
      START_WITHIN_MS,
    );
    loop.keepAway([]);
    await loop.turned();
    if (!stands) return declined(notBack(environment, names));
  }
  return found("done");
}

const TAKES_TRAFFIC: ReadonlySet<string> = new Set(["FrontEnd", "Worker"]);

function crewOf({ role, name }: Host): string {
  return `${role} ${name.replace(/-\d+(-i\d)?$/, "")}`;
}

function hasTwin(host: Host, all: readonly Host[]): boolean {
  return all.some((other) => other.name !== host.name && crewOf(other) === crewOf(host));
}

/** Every second host of a role, then the others; of a single one there is no half. */
function halvesOf(hosts: readonly Host[]): readonly (readonly Host[])[] {
  const places = new Map<string, number>();
  const halves: [Host[], Host[]] = [[], []];
  for (const host of hosts) {
    const crew = crewOf(host);
    const place = places.get(crew) ?? 0;
    places.set(crew, place + 1);
    halves[place % 2 === 0 ? 0 : 1].push(host);
  }
  return halves.filter((half) => 0 < half.length);
}

async function untilSeen(
  { fabric, now }: RebootOptions,
  hosts: readonly string[],
  holds: (seen: ReturnType<ReturnType<typeof seenIn>>) => boolean,
  withinMs: number,
): Promise<boolean> {
  const deadline = now() + withinMs;
  while (now() < deadline) {
    const observed = await fabric.observe();
    if (observed.ok) {
      const seen = seenIn(observed.value);
      if (hosts.every((host) => holds(seen([host])))) return true;
    }
    await pause(LOOK_EVERY_MS);
  }
  return false;
}

function notBack(environment: string, hosts: readonly string[]): Problem {
  return {
    code: "RebootIncomplete",
    what: `not all of ${hosts.slice(0, 5).join(", ")} came back within ${START_WITHIN_MS / 1000} s; the others were left as they are`,
    fix: "See `ase hosts` for what does not run and `ase logs HOST` for why, then reboot again.",
    where: environment,
  };
}
