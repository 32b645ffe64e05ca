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
import { serviceTagOf } from "../environment/service-endpoints.ts";
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
  { members, neighbourhood }: Surroundings,
): Omit<Network, "publicAddresses" | "translations"> {
  const subnets = declared
    .all("Microsoft.Network/virtualNetworks/subnets")
    .filter((subnet) => subnet.network.key === network.key)
    .map((subnet) =>
      compileSubnet(declared, wanted, ledger.number(`subnet of ${network.key}`, subnet.key), {
        ...{ network, subnet, members, neighbourhood },
      }),
    );
  return {
    id: network.id,
    name: network.name,
    index: ledger.number("network", network.key),
    prefixes: network.prefixes,
    routes: effectiveRoutes({ prefixes: network.prefixes, userRoutes: [], ...neighbourhood }),
    subnets,
  };
}

/** What one network knows of others. */
export type Neighbourhood = {
  readonly peered: readonly { readonly network: string; readonly prefixes: readonly Cidr[] }[];
  /** What gateways it uses were told. */
  readonly learned: readonly Cidr[];
};

/** What a network's subnets are made of, beside the network itself. */
export type Surroundings = {
  readonly members: GroupMembers;
  readonly neighbourhood: Neighbourhood;
};

function compileSubnet(
  declared: Declared,
  wanted: Wanted,
  index: number,
  {
    network: { prefixes },
    subnet,
    members,
    neighbourhood: { peered, learned },
  }: Surroundings & {
    readonly network: ResourceOf<"Microsoft.Network/virtualNetworks">;
    readonly subnet: ResourceOf<"Microsoft.Network/virtualNetworks/subnets">;
  },
): Subnet {
  const table = declared.find("Microsoft.Network/routeTables", subnet.routeTable?.key);
  const userRoutes = userRoutesOf(declared, wanted, table?.key);
  const [realised] = virtualNetworkReadings({
    prefixes,
    peered: peered.flatMap((other) => other.prefixes),
    onPremises: learned,
    userRoutes,
  });
  // A gateway itself always knows what it learned.
  const isClosed = table?.disableBgpRoutePropagation === true && !isGatewaySubnet(subnet.name);
  return {
    id: subnet.id,
    name: subnet.name,
    index,
    prefix: subnet.prefix,
    virtualNetwork: realised.prefixes,
    flushConnection: false,
    ...gateOf(declared, subnet.networkSecurityGroup?.key, members),
    routes: effectiveRoutes({
      ...{ prefixes, userRoutes, peered, learned: isClosed ? [] : learned },
      endpoints: subnet.serviceEndpoints.flatMap((name) => endpointOf(wanted, name)),
    }),
  };
}

/** The whole tag: where regions of a service lie, clients cannot know. */
function endpointOf(wanted: Wanted, name: string) {
  const known = serviceTagOf(name);
  if (known === undefined) return [];
  return [{ service: known.service, prefixes: wanted.tag(known.tag) ?? [] }];
}

function isGatewaySubnet(name: string): boolean {
  return name.toLowerCase() === "gatewaysubnet";
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
  table: string | undefined,
): readonly UserRoute[] {
  return declared
    .all("Microsoft.Network/routeTables/routes")
    .filter((route) => route.table.key === table)
    .flatMap(({ name, destination, nextHop, table: { id } }) => {
      if (destination.kind === "prefix")
        return [{ name, prefix: destination.prefix, nextHop, table: id }];
      const { tag } = destination;
      return (wanted.tag(tag) ?? []).map((prefix) => ({ name, prefix, nextHop, table: id, tag }));
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
