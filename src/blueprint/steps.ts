/**
 * From what a fabric runs to what a blueprint says: ordered steps, new before old.
 *
 * Closed until opened: a network's gates stand before its hosts, its translations come after
 * them. Old hosts go only when no proxy and no translation leads to them any more; but no host
 * comes to an address that another still has.
 */
import { LOOK_AFTER_LOST_MS } from "../environment/health.ts";
import type { Blueprint, Connections, Host, Internet, Network, Translation } from "./blueprint.ts";

export type Step =
  | { readonly do: "put-tags"; readonly tags: Readonly<Record<string, readonly string[]>> }
  | { readonly do: "put-internet"; readonly internet: Internet }
  /** Router, edge, gates, routes and source translation. Translations stay as they are. */
  | { readonly do: "put-network"; readonly network: Network }
  /** Links between networks and sites, all of them. Those of networks that do not stand wait. */
  | { readonly do: "put-connections"; readonly connections: Connections }
  | { readonly do: "put-host"; readonly host: Host }
  | {
      readonly do: "put-translations";
      readonly network: string;
      readonly translations: readonly Translation[];
    }
  /** Nothing happens for so long: who looks again and again has looked by then. */
  | { readonly do: "wait"; readonly forMs: number }
  | { readonly do: "remove-host"; readonly name: string }
  | { readonly do: "remove-network"; readonly id: string };

/** What a fabric runs, as far as planning needs it. */
export type Standing = {
  readonly tags: Readonly<Record<string, readonly string[]>>;
  readonly internet?: Internet;
  readonly networks: readonly Network[];
  readonly connections: Connections;
  readonly hosts: readonly { readonly host: Host }[];
};

/**
 * Steps in stages: all steps of a stage may be carried out at once, the stages one by one.
 * Nothing to do gives no stages.
 */
export function planSteps(standing: Standing, blueprint: Blueprint): readonly (readonly Step[])[] {
  const hosts = new Map(standing.hosts.map(({ host }) => [host.name, host]));
  const networks = new Map(standing.networks.map((network) => [network.id, network]));
  const wantedHosts = new Set(blueprint.hosts.map(({ name }) => name));
  const wantedNetworks = new Set(blueprint.networks.map(({ id }) => id));
  // A host that moves, or whose nature changes, is another host: it is removed and made anew.
  const moved = blueprint.hosts.filter((host) => {
    const before = hosts.get(host.name);
    return before !== undefined && !same(natureOf(before), natureOf(host));
  });
  const changed = blueprint.hosts.filter((host) => !same(hosts.get(host.name), host));
  const networkChanged = blueprint.networks.filter(
    (network) => !same(apart(networks.get(network.id)), apart(network)),
  );
  const translationsChanged = blueprint.networks.filter(
    ({ id, translations }) => !same(networks.get(id)?.translations ?? [], translations),
  );
  const removed = standing.hosts
    .map(({ host }) => host.name)
    .filter((name) => !wantedHosts.has(name));
  const proxies = changed.filter(leadsToOthers);
  // Whose address is another's by now goes before that one comes.
  const wantedAt = new Set(blueprint.hosts.map(addressOf));
  const evicted = standing.hosts
    .filter(({ host }) => removed.includes(host.name) && wantedAt.has(addressOf(host)))
    .map(({ host }) => host.name);
  const stages: readonly (readonly Step[])[] = [
    same(standing.tags, blueprint.tags) ? [] : [{ do: "put-tags", tags: blueprint.tags }],
    same(standing.internet, blueprint.internet)
      ? []
      : [{ do: "put-internet", internet: blueprint.internet }],
    networkChanged.map((network) => ({ do: "put-network", network })),
    same(standing.connections, blueprint.connections)
      ? []
      : [{ do: "put-connections", connections: blueprint.connections }],
    [...moved.map(({ name }) => name), ...evicted].map((name) => ({ do: "remove-host", name })),
    ...inTurns(
      changed.filter((host) => !leadsToOthers(host)),
      hosts,
    ),
    proxies.filter((host) => !finishes(host)).map((host) => ({ do: "put-host", host })),
    translationsChanged.map(({ id, translations }) => ({
      do: "put-translations",
      network: id,
      translations,
    })),
    proxies.filter(finishes).map((host) => ({ do: "put-host", host })),
    removed.filter((name) => !evicted.includes(name)).map((name) => ({ do: "remove-host", name })),
    [...networks.keys()]
      .filter((id) => !wantedNetworks.has(id))
      .map((id) => ({ do: "remove-network", id })),
  ];
  return stages.filter((stage) => stage.length > 0);
}

/** Until front ends have found again what was away, with room for a busy machine. */
const FOUND_AGAIN_MS = 2 * LOOK_AFTER_LOST_MS;

/**
 * All at once, but for hosts on which an app starts anew: every second one of these first, and the
 * others when front ends know those to be back, so that the app is never away as a whole.
 */
function inTurns(
  changed: readonly Host[],
  standing: ReadonlyMap<string, Host>,
): readonly (readonly Step[])[] {
  const anew = changed.filter((host) => startsAnew(standing.get(host.name), host));
  const later = new Set(anew.filter((_, position) => position % 2 === 1));
  const put = (some: readonly Host[]) => some.map((host): Step => ({ do: "put-host", host }));
  const first = put(changed.filter((host) => !later.has(host)));
  return later.size === 0
    ? [first]
    : [first, [{ do: "wait", forMs: FOUND_AGAIN_MS }], put([...later])];
}

function startsAnew(before: Host | undefined, host: Host): boolean {
  return host.programs.some((program) => {
    const known = before?.programs.find(({ name }) => name === program.name);
    return program.kind === "app" && known !== undefined && !same(known, program);
  });
}

/** Proxies come after those they lead to. */
function leadsToOthers(host: Host): boolean {
  return host.programs.some(({ kind }) => kind === "front-end");
}

/** It takes nothing new: that comes when no translation leads to it any more. */
function finishes(host: Host): boolean {
  return host.programs.some((program) => program.kind === "front-end" && program.finishing);
}

function addressOf({ place }: Host): string {
  const within = "network" in place ? place.network : "site" in place ? place.site : "internet";
  return `${within} ${place.address}`;
}

function natureOf({ place, role, forwards, incarnation }: Host) {
  return { place, role, forwards, incarnation };
}

function apart(network: Network | undefined) {
  return network === undefined ? undefined : { ...network, translations: [] };
}

/** Equality of plain values; the order of keys does not matter. */
export function same(one: unknown, other: unknown): boolean {
  if (one === other) return true;
  if (typeof one !== "object" || typeof other !== "object" || one === null || other === null)
    return false;
  if (Array.isArray(one) || Array.isArray(other)) {
    if (!Array.isArray(one) || !Array.isArray(other) || one.length !== other.length) return false;
    return one.every((item, position) => same(item, (other as unknown[])[position]));
  }
  const a = one as Record<string, unknown>;
  const b = other as Record<string, unknown>;
  for (const key in a) if (!same(a[key], b[key])) return false;
  for (const key in b) if (b[key] !== undefined && !(key in a)) return false;
  return true;
}
