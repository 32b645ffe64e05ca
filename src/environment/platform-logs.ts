/**
 * Lines of the platform's log of an environment, in Azure's words.
 *
 * Text only; when a line is due is decided where the thing happens.
 */
import { MOST_INSTANCES } from "./addresses.ts";
import type { InstanceSize } from "./kind.ts";

/** The category of resource logs under which Azure Monitor has these lines. */
export const PLATFORM_LOGS = "AppServiceEnvironmentPlatformLogs";

/** A subnet with this few free addresses is called almost full. */
export const FEW_ADDRESSES = 10;
/** From this many instances on an environment is called close to its limit. */
export const MANY_INSTANCES = MOST_INSTANCES - 20;

type Workers = { readonly count: number; readonly size: InstanceSize };

export const scalingLine = {
  began: (plan: string, to: Workers) =>
    `An App Service plan (${plan}) has begun scaling. Desired state: ${workers(to)}.`,
  ended: (plan: string, now: Workers) =>
    `An App Service plan (${plan}) has finished scaling. Current state: ${workers(now)}.`,
  failed: (plan: string, now: Workers) =>
    `An App Service plan (${plan}) has failed to scale. Current state: ${workers(now)}.`,
} as const;

export const environmentLine = {
  unhealthy:
    "The specified ASE is unhealthy due to an invalid virtual network configuration. The ASE will be suspended if the unhealthy state continues.",
  suspended:
    "The specified ASE is suspended. The ASE suspension may be due to an account shortfall or an invalid virtual network configuration. Resolve the root cause and resume the ASE to continue serving traffic.",
  unreachable: (what: string) => `The specified ASE isn't able to reach ${what}.`,
  upgradeBegan:
    "A platform upgrade to the specified ASE has begun. Expect delays in scaling operations.",
  upgradeEnded: "A platform upgrade to the specified ASE has finished.",
  almostFull: (remaining: number) =>
    `The specified ASE is in a subnet that is almost out of space. There are ${remaining} remaining addresses. Once these addresses are exhausted, the ASE won't be able to scale.`,
  manyInstances: (count: number) =>
    `The specified ASE is approaching the total instance limit of the ASE. It currently contains ${count} App Service Plan instances of a maximum ${MOST_INSTANCES} instances.`,
} as const;

function workers({ count, size }: Workers): string {
  return `${count} ${size} workers`;
}
