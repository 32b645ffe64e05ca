/**
 * Addresses of single apps in the ledger: a slot per app with IP-based TLS, one spare ready, and
 * as many as the environment reserves. The slot decides the pair of ports, so both stay.
 *
 * @article App-assigned IP addresses
 */
import type { ResourceOf } from "../arm/resources.ts";
import {
  appAddressFlow,
  MOST_APP_ADDRESSES,
  portPairOf,
  type PortPair,
} from "../environment/app-addresses.ts";
import type { RequiredFlow } from "../environment/flows.ts";
import { APP_PORTS } from "../environment/ports.ts";
import type { Ipv4 } from "../network/prefix.ts";
import type { Blueprint } from "./blueprint.ts";
import type { Ledger, LedgerDraft } from "./ledger.ts";
import { openWalk } from "./walk.ts";

type Site = ResourceOf<"Microsoft.Web/sites">;

export type AppAddress = {
  readonly address: Ipv4;
  readonly ports: PortPair;
  /** Key of the app that has it; absent: it is ready for the next one. */
  readonly site?: string;
};

export function hasOwnAddress({ hostNameSslStates }: Site): boolean {
  return hostNameSslStates.some(({ sslState }) => sslState === "IpBasedEnabled");
}

/**
 * Hands out what an environment holds.
 * @param addressOf a public address of the world for an owner
 */
export function allotAppAddresses(
  ledger: LedgerDraft,
  environment: { readonly key: string; readonly ipSslAddressCount: number },
  sites: readonly Site[],
  addressOf: (owner: string) => Ipv4,
): readonly AppAddress[] {
  const holders = new Map(
    sites
      .filter(hasOwnAddress)
      .map(({ key }) => [ledger.number(kindOf(environment.key), key), key] as const),
  );
  const all = Array.from({ length: MOST_APP_ADDRESSES }, (_, index) => index + 1);
  const free = all.filter((slot) => !holders.has(slot));
  const spares = Math.max(1, environment.ipSslAddressCount - holders.size);
  return [...holders.keys(), ...free.slice(0, spares)]
    .filter((slot) => slot <= MOST_APP_ADDRESSES)
    .toSorted((one, other) => one - other)
    .map((slot) => {
      const site = holders.get(slot);
      return {
        address: addressOf(ownerOf(environment.key, slot)),
        ports: portPairOf(slot),
        ...(site === undefined ? {} : { site }),
      };
    });
}

/** What an environment holds now, as the ledger says. */
export function heldAppAddresses(ledger: Ledger, environmentKey: string): readonly AppAddress[] {
  const held = ledger.addresses["public"]?.held ?? {};
  const holders = Object.entries(ledger.numbers[kindOf(environmentKey)] ?? {});
  return Array.from({ length: MOST_APP_ADDRESSES }, (_, index) => index + 1).flatMap((slot) => {
    const address = held[ownerOf(environmentKey, slot)];
    if (address === undefined) return [];
    const site = holders.find(([, number]) => number === slot)?.[0];
    return [{ address, ports: portPairOf(slot), ...(site === undefined ? {} : { site }) }];
  });
}

/** What a check requires beside the flows every environment needs. */
export function flowsOfAppAddresses(
  blueprint: Blueprint,
  environment: string,
): readonly RequiredFlow[] {
  const proxy = blueprint.hosts
    .filter((host) => host.environment === environment)
    .flatMap(({ programs }) => programs)
    .find((program) => program.kind === "front-end");
  return (proxy?.appAddresses ?? []).map(({ site, ports }) => appAddressFlow(site, ports));
}

/**
 * Addresses that clients outside do not reach, each with what stops them: rules are asked for the
 * pair of ports in the subnet, not for 80 and 443.
 */
export function unreachedAppAddresses(
  blueprint: Blueprint,
  held: readonly AppAddress[],
): readonly string[] {
  const used = held.filter(({ site }) => site !== undefined);
  if (used.length === 0) return [];
  const walk = openWalk(blueprint);
  return used.flatMap(({ address, ports, site = "" }) => {
    const stopped = [
      { port: APP_PORTS.web.http, inside: ports.http },
      { port: APP_PORTS.web.https, inside: ports.https },
    ].flatMap(({ port, inside }) => {
      const from = { kind: "internet", address: blueprint.internet.clientAddress } as const;
      const { stoppedBy } = walk({
        ...{ from, to: address, protocol: "Tcp", fromPort: CLIENT_PORT, toPort: port },
      });
      // Without a certificate nobody listens for HTTPS yet; that is not the network's fault.
      const isNetwork = stoppedBy !== undefined && stoppedBy.kind !== "program";
      return isNetwork ? [`port ${inside} is ${stoppedBy.sentence}`] : [];
    });
    const app = site.split("/").at(-1) ?? site;
    return stopped.length === 0
      ? []
      : [`clients do not reach ${address}, the address of ${app}: ${stopped.join("; ")}`];
  });
}

/** Any port a client may have. */
const CLIENT_PORT = 50_000;

function kindOf(environmentKey: string): string {
  return `app addresses of ${environmentKey}`;
}

function ownerOf(environmentKey: string, slot: number): string {
  return `${environmentKey} app address ${slot}`;
}
