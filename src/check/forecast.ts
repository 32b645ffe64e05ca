/**
 * How far the subnet of an environment reaches, as findings tell it. The arithmetic is that of
 * environment/address-forecast.
 *
 * @article ASE subnet size
 */
import { forecastAddresses } from "../environment/address-forecast.ts";
import {
  addressesAtRest,
  addressesWhileScaling,
  infrastructureRoles,
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
  const instances = plans.reduce((sum, count) => sum + count, 0);
  const size: Size = { ...of, instances };
  const { used, mostInstances, mostWhileScaling } = forecastAddresses(size, sizeOf(prefix));
  return {
    subnetSize: sizeOf(prefix),
    instancesNow: instances,
    usedNow: used,
    usedWhileScaling: addressesWhileScaling(size, Math.max(0, ...plans)),
    mostInstances,
    largestScalablePlan: mostWhileScaling,
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
