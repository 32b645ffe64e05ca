/**
 * How many addresses an environment takes from its subnet, and how many hosts of each role.
 *
 * Arithmetic over the numbers of the article. Which role gets which address is decided in
 * blueprint/; nothing is handed out here. The article gives the sums (12, 13, growth at 15 and
 * 20); the split of the seven infrastructure addresses into roles is ours (docs/decisions).
 *
 * @article ASE subnet size
 */
import { must } from "../base/problem.ts";
import type { EnvironmentKind, InfrastructureRole } from "./kind.ts";

/** Addresses of every subnet that belong to the network itself: the first four and the last. */
export const PLATFORM_ADDRESSES = 5;
/** Offsets in a subnet at which hosts may stand begin here. */
export const FIRST_HOST_OFFSET = 4;

/** The roles of an environment without plans; with the platform's five they make 12. */
export const ROLES_AT_FIRST = {
  FrontEnd: 2,
  Publisher: 2,
  FileServer: 2,
  Management: 1,
  Standby: 0,
} as const satisfies Record<InfrastructureRole, number>;

/** One front end joins at every multiple of the scale factor. */
export const FRONT_END_SCALE_FACTOR = { least: 5, usual: 15, most: 15 } as const;
/** One standby instance joins at every multiple of this many instances. */
export const STANDBY_STEP = 20;
export const MOST_INSTANCES_PER_PLAN = 100;
/** The article says /24 suffices; sources differ between 200 and 201 (FACTS). */
export const MOST_INSTANCES = 201;

export type Size = {
  readonly kind: EnvironmentKind;
  /** Instances of all plans together. */
  readonly instances: number;
  readonly frontEndScaleFactor: number;
};

/** How many hosts of each infrastructure role stand beside this many instances. */
export function infrastructureRoles(size: Size): Record<InfrastructureRole, number> {
  must(Number.isInteger(size.instances) && 0 <= size.instances, "instances is a count");
  return {
    ...ROLES_AT_FIRST,
    FrontEnd: ROLES_AT_FIRST.FrontEnd + Math.floor(size.instances / size.frontEndScaleFactor),
    Standby: ROLES_AT_FIRST.Standby + Math.floor(size.instances / STANDBY_STEP),
  };
}

/** Addresses of the subnet in use, the platform's five included: 12 or 13 when empty. */
export function addressesAtRest(size: Size): number {
  const roles = Object.values(infrastructureRoles(size)).reduce((sum, count) => sum + count, 0);
  return PLATFORM_ADDRESSES + roles + (size.kind === "Internal" ? 1 : 0) + size.instances;
}

/** The peak while a plan changes size: its `moving` instances exist twice until work has moved. */
export function addressesWhileScaling(size: Size, moving: number): number {
  return addressesAtRest({ ...size, instances: size.instances + moving });
}
