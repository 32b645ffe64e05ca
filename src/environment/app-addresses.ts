/**
 * Addresses of single apps (IP-based TLS): how many, and which ports of the subnet stand for them.
 *
 * External environments only. Who holds which is blueprint/; the numbers of the pairs are ours,
 * since no source publishes them: they are shown where the environment's addresses are.
 *
 * @article App-assigned IP addresses
 */
import { must } from "../base/problem.ts";
import type { RequiredFlow } from "./flows.ts";

/** As published. One more than is used stands ready, while there is room. */
export const MOST_APP_ADDRESSES = 30;
const FIRST_PORT = 20_001;
/** Ports of the inside communication begin above those of the last pair. */
export const PORTS_BELOW = FIRST_PORT + 2 * MOST_APP_ADDRESSES;

export type PortPair = { readonly http: number; readonly https: number };

/** @param slot 1..30 */
export function portPairOf(slot: number): PortPair {
  must(1 <= slot && slot <= MOST_APP_ADDRESSES, "a slot is one of the published number");
  const http = FIRST_PORT + 2 * (slot - 1);
  return { http, https: http + 1 };
}

/** What must pass so that users reach an app at its own address. */
export function appAddressFlow(app: string, { http, https }: PortPair): RequiredFlow {
  return {
    id: `app-address-${app}`,
    title: `HTTP and HTTPS of ${app} at its own address`,
    heading: "App-assigned IP addresses",
    direction: "Inbound",
    from: "clients",
    to: "vip",
    protocol: "Tcp",
    ports: [http, https].map((port) => ({ low: port, high: port })),
    grade: "app",
    consequence: `users do not reach ${app} at its own address`,
  };
}
