/**
 * Virtual networks: prefixes, subnets, rules and effective routes as the blueprint has them.
 *
 * Hosts and translations are not decided here.
 */
import type { ResourceOf } from "../arm/resources.ts";
import {
  cidrAround,
  contains,
  rangeOf,
  numberToIpv4,
  type Cidr,
  type Ipv4,
} from "../network/prefix.ts";
import { isPublished } from "../network/meaning.ts";
import { effectiveRoutes } from "../network/select-route.ts";
import { defaultRules, type SecurityRule } from "../network/rule.ts";
import type { Network, Subnet } from "./blueprint.ts";
import type { LedgerDraft } from "./ledger.ts";
import type { Declared, Wanted } from "./wanted.ts";

export function compileNetwork(
  declared: Declared,
  wanted: Wanted,
  ledger: LedgerDraft,
  network: ResourceOf<"Microsoft.Network/virtualNetworks">,
): Omit<Network, "publicAddresses" | "translations"> {
  const subnets = declared
    .all("Microsoft.Network/virtualNetworks/subnets")
    .filter((subnet) => subnet.network.key === network.key)
    .map((subnet) => compileSubnet(declared, wanted, ledger, network, subnet));
  return {
    id: network.id,
    name: network.name,
    index: ledger.number("network", network.key),
    prefixes: network.prefixes,
    virtualNetwork: network.prefixes,
    subnets,
  };
}

function compileSubnet(
  declared: Declared,
  wanted: Wanted,
  ledger: LedgerDraft,
  network: ResourceOf<"Microsoft.Network/virtualNetworks">,
  subnet: ResourceOf<"Microsoft.Network/virtualNetworks/subnets">,
): Subnet {
  const group = declared.find(
    "Microsoft.Network/networkSecurityGroups",
    subnet.networkSecurityGroup?.key,
  );
  return {
    id: subnet.id,
    name: subnet.name,
    index: ledger.number(`subnet of ${network.key}`, subnet.key),
    prefix: subnet.prefix,
    ...(group === undefined ? {} : { rules: rulesOf(declared, group) }),
    flushConnection: group?.flushConnection ?? false,
    routes: routesOf(declared, wanted, network.prefixes, subnet),
  };
}

/** All rules of a group in the order they are tried: inbound then outbound, by priority. */
function rulesOf(
  declared: Declared,
  group: ResourceOf<"Microsoft.Network/networkSecurityGroups">,
): readonly SecurityRule[] {
  const own = declared
    .all("Microsoft.Network/networkSecurityGroups/securityRules")
    .filter((rule) => rule.group.key === group.key)
    .map(({ rule }) => rule);
  return [...own, ...defaultRules(group.id)].sort((a, b) =>
    a.direction === b.direction ? a.priority - b.priority : a.direction < b.direction ? -1 : 1,
  );
}

function routesOf(
  declared: Declared,
  wanted: Wanted,
  prefixes: readonly Cidr[],
  subnet: ResourceOf<"Microsoft.Network/virtualNetworks/subnets">,
) {
  const table = declared.find("Microsoft.Network/routeTables", subnet.routeTable?.key);
  const userRoutes = declared
    .all("Microsoft.Network/routeTables/routes")
    .filter((route) => table !== undefined && route.table.key === table.key)
    .flatMap(({ name, destination, nextHop, table: { id } }) => {
      const to =
        destination.kind === "prefix" ? [destination.prefix] : (wanted.tag(destination.tag) ?? []);
      return to.map((prefix) => ({ name, prefix, nextHop, table: id }));
    });
  return effectiveRoutes({ prefixes, userRoutes });
}

/** Published tags that rules of these networks name. */
export function tagsInUse(
  wanted: Wanted,
  networks: readonly Pick<Network, "subnets">[],
): Readonly<Record<string, readonly Cidr[]>> {
  const names = new Set(
    networks
      .flatMap(({ subnets }) => subnets.flatMap(({ rules }) => rules ?? []))
      .flatMap(({ sources, destinations }) => [...sources, ...destinations])
      .flatMap((match) => (match.kind === "tag" ? [match.tag] : [])),
  );
  return Object.fromEntries(
    [...names]
      .filter(isPublished)
      .sort()
      // An unknown tag stays away, and is found out by the checker.
      .flatMap((name) => {
        const prefixes = wanted.tag(name);
        return prefixes === undefined ? [] : [[name, prefixes]];
      }),
  );
}

/**
 * Where a visitor stands: the highest /32 of the network's space that lies in no subnet.
 * @returns undefined when subnets cover everything
 */
export function visitorAddress(
  prefixes: readonly Cidr[],
  subnets: readonly { readonly prefix: Cidr }[],
): Ipv4 | undefined {
  for (const prefix of prefixes) {
    const { low, high } = rangeOf(prefix);
    // From the top down, whole subnets at a time.
    let candidate = high - 1;
    while (low < candidate) {
      const address = numberToIpv4(candidate);
      const covering = subnets.find((subnet) => contains(subnet.prefix, address));
      if (covering === undefined) return address;
      candidate = rangeOf(covering.prefix).low - 1;
    }
  }
  return undefined;
}

/** A /32 of one address. */
export function single(address: Ipv4): Cidr {
  return cidrAround(address, 32);
}
