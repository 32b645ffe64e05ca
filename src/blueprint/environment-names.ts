/**
 * What is left to do about names: records that an ILB environment needs and its network's zones
 * do not have, and DNS servers that take effect with the next reboot only.
 *
 * Pure, and asks nobody: where a network has DNS servers of its own, records are in them, and
 * nothing is said about records.
 *
 * @article Customer DNS
 */
import { PLATFORM_ADDRESS } from "../environment/ports.ts";
import { neededNames, type NeededName } from "../environment/names.ts";
import { resolveName } from "../network/names.ts";
import type { Ipv4 } from "../network/prefix.ts";
import type { Blueprint, Network } from "./blueprint.ts";

export type MissingName = NeededName & {
  /** The address of the balancer, which it must lead to. */
  readonly address: Ipv4;
  /** Where it leads instead; empty: there is no such name. */
  readonly leadsTo: readonly string[];
};

/** @param environment an ILB environment by id, and its domain */
export function missingNames(
  blueprint: Blueprint,
  environment: { readonly id: string; readonly domain: string },
): readonly MissingName[] {
  const network = networkOf(blueprint, environment.id);
  const own = new Set(
    blueprint.hosts.filter((host) => host.environment === environment.id).map(({ name }) => name),
  );
  const address = network?.translations.find(
    ({ at, targets }) => at === "router" && targets.some(({ host }) => own.has(host)),
  )?.address;
  if (network === undefined || address === undefined) return [];
  const zones = zonesOf(blueprint, network.id);
  return neededNames(environment.domain).flatMap((needed) => {
    const { records } = resolveName({ name: needed.example, type: "A" }, zones, () => undefined);
    const leadsTo = records.flatMap(({ data }) => (data.type === "A" ? [data.address] : []));
    return leadsTo.length === 1 && leadsTo[0] === address ? [] : [{ ...needed, address, leadsTo }];
  });
}

/** One sentence for all of them. */
export function describeMissing(
  domain: string,
  missing: readonly MissingName[],
): string | undefined {
  const [first] = missing;
  if (first === undefined) return undefined;
  const each = missing.map(({ record, leadsTo, without }) =>
    leadsTo.length === 0
      ? `${record} is missing (${without})`
      : `${record} leads to ${leadsTo.join(", ")} (${without})`,
  );
  return `zone ${domain} needs A records that lead to ${first.address}: ${each.join(", ")}`;
}

function networkOf(blueprint: Blueprint, environment: string): Network | undefined {
  const place = blueprint.hosts.find((host) => host.environment === environment)?.place;
  if (place === undefined || !("network" in place)) return undefined;
  return blueprint.networks.find(({ id }) => id === place.network);
}

function zonesOf(blueprint: Blueprint, network: string) {
  return blueprint.hosts
    .filter(({ place }) => place.address === PLATFORM_ADDRESS)
    .flatMap(({ programs }) => programs)
    .flatMap((program) => (program.kind === "endpoint" ? (program.zones?.[network] ?? []) : []));
}

/**
 * What a change of the network's DNS servers waits for; undefined: all hosts were told of it.
 * @param declared the servers the network names now
 */
export function pendingDnsServers(
  blueprint: Blueprint,
  environment: { readonly id: string; readonly name: string },
  declared: readonly Ipv4[],
): string | undefined {
  const hosts = blueprint.hosts.filter((host) => host.environment === environment.id);
  const before = hosts.filter(({ dnsServers = [] }) => String(dnsServers) !== String(declared));
  const [first] = before;
  if (first === undefined) return undefined;
  const said = (servers: readonly Ipv4[]) =>
    servers.length === 0 ? "the platform's resolver" : servers.join(", ");
  const who = before.length === hosts.length ? "all" : `${before.length} of ${hosts.length}`;
  return `a change of DNS servers waits for a reboot: ${who} hosts ask ${said(first.dnsServers ?? [])}, the network says ${said(declared)} (ase reboot ${environment.name})`;
}
