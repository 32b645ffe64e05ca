/**
 * Virtual networks: prefixes, subnets, rules and effective routes as the blueprint has them.
 *
 * Hosts and translations are not decided here.
 */
import { keyOf } from "../arm/ids.ts";
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
import { effectiveRoutes, type UserRoute } from "../network/select-route.ts";
import { defaultRules, type AddressMatch, type SecurityRule } from "../network/rule.ts";
import { virtualNetworkReadings } from "../network/virtual-network.ts";
import type { Network, Subnet } from "./blueprint.ts";
import type { LedgerDraft } from "./ledger.ts";
import type { Declared, Wanted } from "./wanted.ts";

export function compileNetwork(
  declared: Declared,
  wanted: Wanted,
  ledger: LedgerDraft,
  network: ResourceOf<"Microsoft.Network/virtualNetworks">,
  members: GroupMembers,
): Omit<Network, "publicAddresses" | "translations"> {
  const subnets = declared
    .all("Microsoft.Network/virtualNetworks/subnets")
    .filter((subnet) => subnet.network.key === network.key)
    .map((subnet) => compileSubnet(declared, wanted, ledger, network, subnet, members));
  return {
    id: network.id,
    name: network.name,
    index: ledger.number("network", network.key),
    prefixes: network.prefixes,
    subnets,
  };
}

function compileSubnet(
  declared: Declared,
  wanted: Wanted,
  ledger: LedgerDraft,
  network: ResourceOf<"Microsoft.Network/virtualNetworks">,
  subnet: ResourceOf<"Microsoft.Network/virtualNetworks/subnets">,
  members: GroupMembers,
): Subnet {
  const userRoutes = userRoutesOf(declared, wanted, subnet);
  const [realised] = virtualNetworkReadings({
    prefixes: network.prefixes,
    peered: [],
    onPremises: [],
    userRoutes,
  });
  return {
    id: subnet.id,
    name: subnet.name,
    index: ledger.number(`subnet of ${network.key}`, subnet.key),
    prefix: subnet.prefix,
    virtualNetwork: realised.prefixes,
    flushConnection: false,
    ...gateOf(declared, subnet.networkSecurityGroup?.key, members),
    routes: effectiveRoutes({ prefixes: network.prefixes, userRoutes }),
  };
}

/** Addresses of the interfaces in each application security group, by its key. */
export type GroupMembers = ReadonlyMap<string, readonly Ipv4[]>;

/** What a group means for the subnet or interface it is attached to; nothing where there is none. */
export function gateOf(
  declared: Declared,
  groupKey: string | undefined,
  members: GroupMembers,
): { readonly rules?: readonly SecurityRule[]; readonly flushConnection?: boolean } {
  const group = declared.find("Microsoft.Network/networkSecurityGroups", groupKey);
  if (group === undefined) return {};
  return {
    rules: rulesOf(declared, group, members),
    flushConnection: group.flushConnection,
  };
}

/** All rules of a group in the order they are tried: inbound then outbound, by priority. */
function rulesOf(
  declared: Declared,
  group: ResourceOf<"Microsoft.Network/networkSecurityGroups">,
  members: GroupMembers,
): readonly SecurityRule[] {
  const filled = (matches: readonly AddressMatch[]) =>
    matches.map((match) =>
      match.kind === "asg" ? { ...match, addresses: members.get(keyOf(match.id)) ?? [] } : match,
    );
  const own = declared
    .all("Microsoft.Network/networkSecurityGroups/securityRules")
    .filter((rule) => rule.group.key === group.key)
    .map(({ rule: { sources, destinations, ...rule } }) => ({
      ...rule,
      sources: filled(sources),
      destinations: filled(destinations),
    }));
  return [...own, ...defaultRules(group.id)].sort((a, b) =>
    a.direction === b.direction ? a.priority - b.priority : a.direction < b.direction ? -1 : 1,
  );
}

function userRoutesOf(
  declared: Declared,
  wanted: Wanted,
  subnet: ResourceOf<"Microsoft.Network/virtualNetworks/subnets">,
): readonly UserRoute[] {
  const table = declared.find("Microsoft.Network/routeTables", subnet.routeTable?.key);
  return declared
    .all("Microsoft.Network/routeTables/routes")
    .filter((route) => table !== undefined && route.table.key === table.key)
    .flatMap(({ name, destination, nextHop, table: { id } }) => {
      const to =
        destination.kind === "prefix" ? [destination.prefix] : (wanted.tag(destination.tag) ?? []);
      return to.map((prefix) => ({ name, prefix, nextHop, table: id }));
    });
}

/** Published tags that rules of subnets and interfaces name. */
export function tagsInUse(
  wanted: Wanted,
  guarded: readonly { readonly rules?: readonly SecurityRule[] }[],
): Readonly<Record<string, readonly Cidr[]>> {
  const names = new Set(
    guarded
      .flatMap(({ rules }) => rules ?? [])
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
