/** What must hold of a world after every single step, whatever goes wrong. */
import type { Host } from "../../src/blueprint/blueprint.ts";
import type { Observed } from "../../src/fabric/fabric.ts";

/** What was seen before: invariants over time. */
export type Watched = {
  /** Address of every host that stands. */
  addresses: Map<string, string>;
  generation: number;
  /** Hosts that are in the middle of requests. */
  readonly held: Set<string>;
};

/** A sentence about the first that is broken. */
export function brokenBy(seen: Observed, watched: Watched): string | undefined {
  const broken = nowBroken(seen) ?? overTime(seen, watched);
  watched.addresses = new Map(seen.hosts.map(({ host }) => [host.name, addressOf(host)]));
  watched.generation = seen.generation;
  return broken;
}

function nowBroken({ hosts, networks }: Observed): string | undefined {
  const holders = new Map<string, string>();
  for (const { host } of hosts) {
    const address = addressOf(host);
    const holder = holders.get(address);
    if (holder !== undefined) return `${holder} and ${host.name} both have ${address}`;
    holders.set(address, host.name);
    if (host.place.kind !== "subnet") continue;
    const { network, subnet } = host.place;
    const place = networks
      .find(({ id }) => id === network)
      ?.subnets.find(({ id }) => id === subnet);
    if (place?.rules === undefined) return `${host.name} stands where no gate is`;
  }
  for (const { translations } of networks)
    for (const { address, targets } of translations)
      if (targets.length === 0) return `${address} leads to nobody`;
  return undefined;
}

function overTime(seen: Observed, watched: Watched): string | undefined {
  if (seen.generation < watched.generation)
    return `generation ${seen.generation} came after ${watched.generation}`;
  for (const { host } of seen.hosts) {
    const before = watched.addresses.get(host.name);
    if (before !== undefined && before !== addressOf(host))
      return `${host.name} had ${before} and has ${addressOf(host)}`;
  }
  return undefined;
}

/** A front end that stays leads to an instance that does not stand. */
export function ledNowhere(
  { hosts }: Observed,
  of: { readonly staying: ReadonlySet<string>; readonly dropped: ReadonlySet<string> },
): string | undefined {
  const standing = new Map(hosts.map(({ host }) => [host.name, host]));
  for (const { host } of hosts) {
    if (!of.staying.has(host.name)) continue;
    for (const program of host.programs)
      if (program.kind === "front-end")
        for (const { name, address } of program.sites.flatMap(({ backends }) => backends))
          if (standing.get(name)?.place.address !== address && !of.dropped.has(name))
            return `${host.name} leads to ${name} at ${address}, which does not stand`;
  }
  return undefined;
}

/** Hosts that proxies say something is under way with. */
export function busyIn({ hosts }: Observed): ReadonlySet<string> {
  return new Set(
    hosts.flatMap(({ programs }) => programs.flatMap(({ busyWith = [] }) => busyWith)),
  );
}

function addressOf({ place }: Host): string {
  const within = "network" in place ? place.network : "site" in place ? place.site : "internet";
  return `${within} ${place.address}`;
}
