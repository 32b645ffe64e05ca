/**
 * The ports of an environment. A number of the article exists here and nowhere else.
 */

/** @article ASE inbound dependencies */
export const MANAGEMENT_PORTS = { command: 454, monitoring: 455 } as const;
/** Keep-alive between load balancer and environment. @article ASE inbound dependencies */
export const KEEP_ALIVE_PORT = 16_001;
/** Answer with an IP address and nothing more. @article ASE inbound dependencies */
export const ADDRESS_ECHO_PORTS = [7_654, 1_221] as const;

/** @article ASE inbound dependencies */
export const APP_PORTS = {
  web: { http: 80, https: 443 },
  ftp: { control: 21, implicitTls: 990, data: { low: 10_001, high: 10_020 } },
  remoteDebugging: [4_020, 4_022, 4_024],
  webDeploy: 8_172,
} as const;

/** @article ASE outbound dependencies */
export const DEPENDENCY_PORTS = {
  dns: 53,
  time: 123,
  http: 80,
  https: 443,
  sql: 1_433,
  monitoring: 12_000,
} as const;

/**
 * What other editions of the sources say of the same ports. The article decides; a verdict names
 * both (docs/check.md).
 */
export const OTHER_EDITIONS = {
  /** The edition of 2022 has this one for the first of the echo ports. */
  addressEcho: 7_564,
  /** `az` and the public templates open these for remote debugging. */
  remoteDebugging: { low: 4_016, high: 4_022 },
  /** Lists of the first version had these beside 1433. */
  sql: [
    { low: 11_000, high: 11_999 },
    { low: 14_000, high: 14_999 },
  ],
} as const;

/** The platform's own address in every network: resolver and source of load balancer probes. */
export const PLATFORM_ADDRESS = "168.63.129.16";
