/**
 * Watches environments: rounds of probes over the very flows they need, judged into health.
 *
 * Decides nothing about hosts: it stores health and wakes the loop. A failed probe is tried again
 * in the next round, so that a cut of one management address of many is found out too.
 *
 * @article ASE dependencies
 */
import type { Blueprint } from "../blueprint/blueprint.ts";
import { probesOf, type Probe, type ProbeResult } from "../blueprint/probes.ts";
import { explainProbe } from "../blueprint/walk.ts";
import { PROBED_FLOWS } from "../environment/flows.ts";
import {
  countFailures,
  FAILED_ROUNDS,
  type Cause,
  type FailureCounts,
  type Round,
} from "../environment/health.ts";
import { must } from "../base/problem.ts";

export type Watched = Parameters<typeof probesOf>[1];

export type Findings = {
  readonly round: Round;
  /** Hosts that do not answer the keep-alive while others of their environment do. */
  readonly silent: readonly string[];
};

type Attempt = { readonly probe: Probe; readonly result: ProbeResult };

/** One environment under watch; remembers what the last rounds met. */
export class EnvironmentWatch {
  readonly #probe: (probe: Probe) => Promise<ProbeResult>;
  #round = 0;
  #counts: FailureCounts = {};
  #silentCounts: FailureCounts = {};
  #again: readonly Probe[] = [];

  constructor(probe: (probe: Probe) => Promise<ProbeResult>) {
    this.#probe = probe;
  }

  /** Tries every required flow once and says what counts as cut by now. */
  async lookOnce(blueprint: Blueprint, watched: Watched, now: () => number): Promise<Findings> {
    const fresh = probesOf(blueprint, watched, this.#round);
    const current = new Set(fresh.map(endsOf));
    const again = this.#again.filter(
      (probe) => !current.has(endsOf(probe)) && stands(blueprint, probe),
    );
    const attempts = await Promise.all(
      [...fresh, ...again].map(async (probe): Promise<Attempt> => ({
        probe,
        result: await this.#probe(probe),
      })),
    );
    this.#round += 1;
    const failed = attempts.filter(({ result }) => !result.ok);
    this.#again = failed.map(({ probe }) => probe);
    const silent = silentHosts(attempts);
    // One of a network's DNS servers is enough.
    const resolves = attempts.some(
      ({ probe, result }) => probe.conversation === "resolver" && result.ok,
    );
    const cut = failed.filter(
      ({ probe }) =>
        !silent.includes(keepAliveHost(probe) ?? "") &&
        !(resolves && probe.conversation === "resolver"),
    );
    this.#counts = countFailures(this.#counts, [...new Set(cut.map(({ probe }) => probe.flow))]);
    this.#silentCounts = countFailures(this.#silentCounts, silent);
    const failures = PROBED_FLOWS.filter(({ id }) => FAILED_ROUNDS <= (this.#counts[id] ?? 0)).map(
      ({ id }) => causeOf(blueprint, id, cut),
    );
    return {
      // A flow that failed once is neither passed nor cut: the next round decides.
      round: {
        now: now(),
        complete: cut.every(({ probe }) => failures.some(({ flow }) => flow === probe.flow)),
        failures,
      },
      silent: silent.filter((host) => FAILED_ROUNDS <= (this.#silentCounts[host] ?? 0)),
    };
  }
}

function causeOf(blueprint: Blueprint, flowId: string, failed: readonly Attempt[]): Cause {
  const flow = PROBED_FLOWS.find(({ id }) => id === flowId);
  const attempt = failed.find(({ probe }) => probe.flow === flowId);
  must(flow !== undefined && attempt !== undefined && !attempt.result.ok, "a cut flow failed");
  const { probe, result } = attempt;
  const stopped = explainProbe(blueprint, probe);
  const { protocol, address, port } = probe.to;
  return {
    flow: flow.id,
    title: `${flow.title} (${protocol} ${probe.from.address} -> ${address}:${port})`,
    grade: flow.grade,
    met: result.reason,
    ...(stopped === undefined ? {} : { stoppedBy: stopped.sentence }),
  };
}

/** Front ends that fail alone: the load balancer leaves them out, the flow itself passes. */
function silentHosts(attempts: readonly Attempt[]): readonly string[] {
  const keepAlive = attempts.filter(({ probe }) => keepAliveHost(probe) !== undefined);
  const failed = keepAlive.filter(({ result }) => !result.ok).map(({ probe }) => probe.name);
  const answering = keepAlive.some(
    ({ probe, result }) => result.ok && !failed.includes(probe.name),
  );
  return answering ? [...new Set(failed)] : [];
}

function keepAliveHost(probe: Probe): string | undefined {
  return probe.conversation === "keep-alive" ? probe.name : undefined;
}

function endsOf({ flow, from, to }: Probe): string {
  return `${flow} ${from.address} ${to.address}:${to.port}`;
}

/** Both ends still exist where the probe says; one that is gone is nobody to be reached. */
function stands({ hosts, networks }: Blueprint, { from, to }: Probe): boolean {
  const begins =
    from.kind !== "host" ||
    hosts.some(({ name, place }) => name === from.name && place.address === from.address);
  const ends =
    hosts.some(({ place }) => place.address === to.address) ||
    networks.some(({ translations }) => translations.some(({ address }) => address === to.address));
  return begins && ends;
}
