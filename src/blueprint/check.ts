/**
 * What must hold of every blueprint. A compiler with a bug is stopped here, before a fabric acts.
 *
 * One entry per invariant, one test per entry. Faults of users' resources never arrive here: they
 * are declined where they are parsed or laid out.
 */
import type { Problem } from "../base/problem.ts";
import { FIRST_HOST_OFFSET } from "../environment/addresses.ts";
import { isPublished } from "../network/meaning.ts";
import { contains, encloses, ipv4ToNumber, overlap, rangeOf } from "../network/prefix.ts";
import type { Blueprint, Host, Network, Subnet } from "./blueprint.ts";

/** Invariants by name; each answers the values that break it. */
export const INVARIANTS: Readonly<Record<string, (blueprint: Blueprint) => readonly string[]>> = {
  "host names are unique": ({ hosts }) => repeated(hosts.map(({ name }) => name)),

  "every host of a subnet stands in a subnet that exists, outside the network's own addresses": ({
    networks,
    hosts,
  }) =>
    hosts.flatMap(({ name, place }) => {
      if (place.kind !== "subnet") return [];
      const subnet = subnetOf(networks, place.subnet);
      if (subnet === undefined || !contains(subnet.prefix, place.address)) return [name];
      const { low, high } = rangeOf(subnet.prefix);
      const value = ipv4ToNumber(place.address);
      return low + FIRST_HOST_OFFSET <= value && value < high ? [] : [name];
    }),

  "no address is held twice": ({ networks, hosts }) => {
    const balancers = networks.flatMap(({ id, translations }) =>
      [
        ...new Set(translations.filter(({ at }) => at === "router").map(({ address }) => address)),
      ].map((address) => `${id} ${address}`),
    );
    const held = hosts.map(({ place }) =>
      "network" in place
        ? `${place.network} ${place.address}`
        : `${place.kind === "site" ? place.site : "internet"} ${place.address}`,
    );
    return repeated([...held, ...balancers]);
  },

  "a subnet with an environment holds nothing else": ({ hosts }) => {
    const owners = new Map<string, Set<string>>();
    for (const { place, environment } of hosts)
      if (place.kind === "subnet")
        owners.set(place.subnet, (owners.get(place.subnet) ?? new Set()).add(environment ?? ""));
    return [...owners].filter(([, of]) => 1 < of.size).map(([subnet]) => subnet);
  },

  "numbers of networks and of the subnets in one are unique and small": ({ networks }) => [
    ...repeated(networks.map(({ index }) => String(index))),
    ...networks.flatMap(({ id, subnets }) => [
      ...repeated(subnets.map(({ index }) => `${id} ${index}`)),
      ...subnets.filter(({ index }) => index < 1 || 200 < index).map((subnet) => subnet.id),
    ]),
  ],

  "subnets lie in their network and do not touch": ({ networks }) =>
    networks.flatMap(({ prefixes, subnets }) =>
      subnets
        .filter(
          (subnet, position) =>
            !prefixes.some((prefix) => encloses(prefix, subnet.prefix)) ||
            subnets.slice(position + 1).some((other) => overlap(subnet.prefix, other.prefix)),
        )
        .map(({ id }) => id),
    ),

  "a public address belongs to one network": ({ networks }) =>
    repeated(
      networks.flatMap(({ publicAddresses, translations }) => [
        ...new Set([
          ...publicAddresses.map(({ address }) => address),
          ...translations.filter(({ at }) => at === "edge").map(({ address }) => address),
        ]),
      ]),
    ),

  "every edge translation is at a public address of its network": ({ networks }) =>
    networks.flatMap(({ publicAddresses, translations }) =>
      translations
        .filter(
          ({ at, address }) =>
            at === "edge" && !publicAddresses.some((own) => own.address === address),
        )
        .map(({ address }) => address),
    ),

  "every translation leads to hosts that exist, at their address, and to at least one": ({
    networks,
    hosts,
  }) => {
    const byName = new Map(hosts.map((host) => [host.name, host]));
    return networks.flatMap(({ translations }) =>
      translations
        .filter(
          ({ targets }) =>
            targets.length === 0 ||
            targets.some(({ host, address }) => byName.get(host)?.place.address !== address),
        )
        .map(({ address, port }) => `${address}:${port}`),
    );
  },

  "an address and port are translated once": ({ networks }) =>
    networks.flatMap(({ id, translations }) =>
      repeated(
        translations.map(({ address, port, protocol }) => `${id} ${address}:${port}/${protocol}`),
      ),
    ),

  "programs listen at their host's address": ({ hosts }) =>
    hosts.flatMap(({ name, place, programs }) =>
      programs.some(({ address }) => address !== place.address) ? [name] : [],
    ),

  "programs of one host have names and ports of their own": ({ hosts }) =>
    hosts.flatMap((host) => [
      ...repeated(host.programs.map(({ name }) => `${host.name} ${name}`)),
      ...repeated(portsOf(host).map((port) => `${host.name} ${port}`)),
    ]),

  "front ends lead to apps that exist": ({ hosts }) => {
    const listening = new Set(
      hosts.flatMap((host) =>
        portsOf(host).map((port) => `${environmentOf(host)} ${host.place.address}:${port}`),
      ),
    );
    return hosts.flatMap((host) =>
      host.programs.flatMap((program) =>
        program.kind !== "front-end"
          ? []
          : program.sites
              .flatMap(({ backends }) => backends)
              .map(({ address, port }) => `${environmentOf(host)} ${address}:${port}`)
              .filter((backend) => !listening.has(backend)),
      ),
    );
  },

  "rules are sorted and priorities unique per direction": (blueprint) =>
    guarded(blueprint)
      .filter(({ rules = [] }) =>
        rules.some((rule, position) => {
          const next = rules[position + 1];
          return next?.direction === rule.direction && next.priority <= rule.priority;
        }),
      )
      .map(({ name }) => name),

  "every tag that a rule names is known": (blueprint) =>
    guarded(blueprint)
      .flatMap(({ rules = [] }) => rules)
      .flatMap(({ sources, destinations }) => [...sources, ...destinations])
      .flatMap((match) => (match.kind === "tag" ? [match.tag] : []))
      .filter((tag) => isPublished(tag) && blueprint.tags[tag] === undefined),

  "one route of a prefix is active": ({ networks }) =>
    everySubnet(networks).flatMap(({ id, routes }) =>
      repeated(
        routes.filter(({ state }) => state === "Active").map(({ prefix }) => `${id} ${prefix}`),
      ),
    ),
};

/** Empty when all invariants hold. */
export function checkBlueprint(blueprint: Blueprint): readonly Problem[] {
  return Object.entries(INVARIANTS).flatMap(([promise, broken]) => {
    const values = [...new Set(broken(blueprint))];
    if (values.length === 0) return [];
    return [
      {
        code: "BlueprintBroken",
        what: `A blueprint breaks its promise "${promise}": ${values.slice(0, 5).join(", ")}`,
        fix: "The world stays as it is. Report this with the resources that led to it.",
      },
    ];
  });
}

function portsOf({ programs }: Host): readonly number[] {
  return programs.flatMap((program) => {
    switch (program.kind) {
      case "role-agent":
        return program.internalPorts;
      case "front-end":
        return (program.appAddresses ?? []).flatMap(({ ports }) => [ports.http, ports.https]);
      case "app":
      case "endpoint":
        return [program.port];
    }
  });
}

function environmentOf(host: Host): string {
  return host.environment ?? "";
}

/** Subnets and hosts: groups may stand at both. */
function guarded({ networks, hosts }: Blueprint): readonly (Subnet | Host)[] {
  return [...everySubnet(networks), ...hosts];
}

function everySubnet(networks: readonly Network[]): readonly Subnet[] {
  return networks.flatMap(({ subnets }) => subnets);
}

function subnetOf(networks: readonly Network[], id: string): Subnet | undefined {
  return everySubnet(networks).find((subnet) => subnet.id === id);
}

function repeated(values: readonly string[]): readonly string[] {
  return values.filter((value, position) => values.indexOf(value) !== position);
}
