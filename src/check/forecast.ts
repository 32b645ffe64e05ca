/**
 * How far the subnet of an environment reaches: now, with more instances, and while a plan
 * changes its size. Arithmetic over environment/addresses; nothing is handed out.
 *
 * @article ASE subnet size
 */
import {
  addressesAtRest,
  addressesWhileScaling,
  infrastructureRoles,
  MOST_INSTANCES,
  MOST_INSTANCES_PER_PLAN,
  PLATFORM_ADDRESSES,
  type Size,
} from "../environment/addresses.ts";
import { sizeOf, type Cidr } from "../network/prefix.ts";
import type { Forecast } from "./finding.ts";

/** @param plans instances of each plan */
export function forecastOf(
  prefix: Cidr,
  of: Omit<Size, "instances">,
  plans: readonly number[],
): Forecast {
  const subnetSize = sizeOf(prefix);
  const instancesNow = plans.reduce((sum, count) => sum + count, 0);
  const size: Size = { ...of, instances: instancesNow };
  return {
    subnetSize,
    instancesNow,
    usedNow: addressesAtRest(size),
    usedWhileScaling: addressesWhileScaling(size, Math.max(0, ...plans)),
    mostInstances: most(
      MOST_INSTANCES,
      (instances) => addressesAtRest({ ...of, instances }) <= subnetSize,
    ),
    largestScalablePlan: most(
      MOST_INSTANCES_PER_PLAN,
      (instances) => addressesWhileScaling({ ...of, instances }, instances) <= subnetSize,
    ),
  };
}

/** `5 of the network, 7 roles, 1 load balancer, 30 instances, 2 front ends and 1 standby more = 46`. */
export function arithmeticOf(size: Size): string {
  const roles = infrastructureRoles(size);
  const first = infrastructureRoles({ ...size, instances: 0 });
  const grown = roles.FrontEnd - first.FrontEnd + roles.Standby - first.Standby;
  const atFirst = Object.values(first).reduce((sum, count) => sum + count, 0);
  const parts = [
    `${PLATFORM_ADDRESSES} of the network itself`,
    `${atFirst} roles`,
    ...(size.kind === "Internal" ? ["1 load balancer"] : []),
    ...(size.instances > 0 ? [`${size.instances} plan instances`] : []),
    ...(grown > 0 ? [`${grown} roles more for them`] : []),
  ];
  return `${parts.join(" + ")} = ${addressesAtRest(size)}`;
}

function most(limit: number, fits: (count: number) => boolean): number {
  let count = -1;
  while (count < limit && fits(count + 1)) count += 1;
  return count;
}
