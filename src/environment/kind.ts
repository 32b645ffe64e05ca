/**
 * The two kinds of environment and the roles they are made of.
 *
 * Which address or host a role gets is decided in blueprint/.
 *
 * @article External ASE
 */

/** `External`: apps on the public VIP. `Internal`: apps on an address of the subnet (ILB). */
export type EnvironmentKind = "External" | "Internal";

/** `internalLoadBalancingMode` as clients must get it back. */
export type LoadBalancingMode = "None" | "Web" | "Publishing" | "Web, Publishing";

export type InfrastructureRole = "FrontEnd" | "Publisher" | "FileServer" | "Management" | "Standby";
export type Role = InfrastructureRole | "Worker";

/** The sizes of a plan's instances. Cores and memory as published for Isolated v1. */
export const INSTANCE_SIZES = {
  I1: { cores: 1, memoryMb: 3_584, vmSize: "Standard_D1_V2" },
  I2: { cores: 2, memoryMb: 7_168, vmSize: "Standard_D2_V2" },
  I3: { cores: 4, memoryMb: 14_336, vmSize: "Standard_D3_V2" },
} as const;
export type InstanceSize = keyof typeof INSTANCE_SIZES;
