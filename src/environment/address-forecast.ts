/**
 * How far a subnet reaches: addresses at rest and while all instances change their size, for every
 * count of instances up to the limit.
 *
 * Arithmetic only, the same before and after deployment.
 *
 * @article ASE subnet size
 */
import {
  addressesAtRest,
  addressesWhileScaling,
  MOST_INSTANCES,
  MOST_INSTANCES_PER_PLAN,
  STANDBY_STEP,
  type Size,
} from "./addresses.ts";

export type ForecastStep = {
  readonly instances: number;
  readonly atRest: number;
  /** While a plan of all these instances (of 100, the most of one plan) changes its size. */
  readonly whileScaling: number;
  /** scales: also then there is room. rests: it stands, and cannot change its size in place. */
  readonly reach: "scales" | "rests" | "too small";
};

export type Forecast = {
  /** Addresses of the subnet, the platform's five among them. */
  readonly size: number;
  readonly used: number;
  readonly free: number;
  readonly instances: number;
  /** Most instances that stand, and of which one plan may change its size in place. */
  readonly mostInstances: number;
  readonly mostWhileScaling: number;
  readonly steps: readonly ForecastStep[];
};

/** @param now the environment as it is, or is wanted; `subnet`: addresses of its subnet */
export function forecastAddresses(now: Size, subnet: number): Forecast {
  const stepAt = (instances: number): ForecastStep => {
    const size = { ...now, instances };
    const atRest = addressesAtRest(size);
    const whileScaling = addressesWhileScaling(size, Math.min(instances, MOST_INSTANCES_PER_PLAN));
    const reach = subnet < atRest ? "too small" : subnet < whileScaling ? "rests" : "scales";
    return { instances, atRest, whileScaling, reach };
  };
  const all = Array.from({ length: MOST_INSTANCES + 1 }, (_, instances) => stepAt(instances));
  const most = (counts: (step: ForecastStep) => boolean) =>
    all.reduce((found, step) => (counts(step) ? step.instances : found), 0);
  const mostInstances = most(({ reach }) => reach !== "too small");
  const mostWhileScaling = most(
    ({ instances, reach }) => reach === "scales" && instances <= MOST_INSTANCES_PER_PLAN,
  );
  const told = new Set([0, now.instances, mostWhileScaling, mostInstances, mostInstances + 1]);
  const isTold = ({ instances }: ForecastStep) =>
    told.has(instances) ||
    instances === MOST_INSTANCES ||
    instances % STANDBY_STEP === 0 ||
    instances % now.frontEndScaleFactor === 0;
  const used = addressesAtRest(now);
  return {
    size: subnet,
    used,
    free: Math.max(0, subnet - used),
    instances: now.instances,
    mostInstances,
    mostWhileScaling,
    steps: all.filter(isTold),
  };
}
