/**
 * Rules between networks, subnets, rules, routes and interfaces: ranges, overlaps, priorities,
 * addresses. A resource by itself was judged when it was parsed.
 */
import { isJsonArray, property, propertyAt } from "../arm/json.ts";
import type { Resource, ResourceOf } from "../arm/resources.ts";
import type { Problem } from "../base/problem.ts";
import { FIRST_HOST_OFFSET } from "../environment/addresses.ts";
import { addressAt, type Cidr, contains, encloses, overlap, sizeOf } from "../network/prefix.ts";
import { type Cidr6, rangeOf6 } from "../network/prefix6.ts";
import { exclusive, occupantOf, type Wanted } from "./references.ts";

export function judgeNetwork(
  network: ResourceOf<"Microsoft.Network/virtualNetworks">,
  wanted: Wanted,
): Problem | undefined {
  const outside = subnetsOf(network.key, wanted).find(
    (subnet) => !network.prefixes.some((prefix) => encloses(prefix, subnet.prefix)),
  );
  return outside === undefined ? undefined : outsideProblem(outside, network);
}

export function judgeSubnet(
  subnet: ResourceOf<"Microsoft.Network/virtualNetworks/subnets">,
  before: Resource | undefined,
  wanted: Wanted,
): Problem | undefined {
  const network = wanted.get(subnet.network.key);
  if (network?.type === "Microsoft.Network/virtualNetworks") {
    if (!network.prefixes.some((prefix) => encloses(prefix, subnet.prefix)))
      return outsideProblem(subnet, network);
    const { prefix6 } = subnet;
    if (prefix6 !== undefined && !(network.prefixes6 ?? []).some((one) => encloses6(one, prefix6)))
      return outsideProblem({ ...subnet, prefix: prefix6 }, network);
  }
  const twin = subnetsOf(subnet.network.key, wanted).find(
    (other) =>
      other.key !== subnet.key &&
      (overlap(other.prefix, subnet.prefix) ||
        (other.prefix6 !== undefined && other.prefix6 === subnet.prefix6)),
  );
  if (twin !== undefined)
    return {
      code: "NetcfgSubnetRangesOverlap",
      what: `subnet ${subnet.name} (${subnet.prefix}) overlaps subnet ${twin.name} (${twin.prefix})`,
      fix: "Choose a prefix that no other subnet of the network uses.",
      where: subnet.id,
    };
  return judgeDelegation(subnet, before, wanted) ?? judgeSubnetChange(subnet, before, wanted);
}

function encloses6(outer: Cidr6, inner: Cidr6): boolean {
  const [around, within] = [rangeOf6(outer), rangeOf6(inner)];
  return around.low <= within.low && within.high <= around.high;
}

/** Services that a subnet is given over to, by name. */
export function delegationsOf({
  extra,
}: ResourceOf<"Microsoft.Network/virtualNetworks/subnets">): readonly string[] {
  const written = property(extra, "delegations");
  return (isJsonArray(written) ? written : []).flatMap((one) => {
    const service = propertyAt(one, "properties", "serviceName");
    return typeof service === "string" ? [service] : [];
  });
}

/** @article ASE subnet size */
function judgeDelegation(
  subnet: ResourceOf<"Microsoft.Network/virtualNetworks/subnets">,
  before: Resource | undefined,
  wanted: Wanted,
): Problem | undefined {
  const [now, earlier] = [
    delegationsOf(subnet),
    before?.type === subnet.type ? delegationsOf(before) : [],
  ];
  if (String(now) === String(earlier)) return undefined;
  const user = occupantOf(subnet, "", wanted);
  if (user === undefined) return undefined;
  return {
    code: "SubnetDelegationsCannotChangeWhenSubnetUsedByResource",
    what: `Delegations of subnet ${subnet.id} cannot be changed from [${earlier.join(", ")}] to [${now.join(", ")}] because it is being used by the resource ${user.id}`,
    fix: "Delegate another subnet, one that nothing stands in.",
    where: subnet.id,
  };
}

/** @article ASE subnet size */
function judgeSubnetChange(
  subnet: ResourceOf<"Microsoft.Network/virtualNetworks/subnets">,
  before: Resource | undefined,
  wanted: Wanted,
): Problem | undefined {
  if (before?.type !== subnet.type || before.prefix === subnet.prefix) return undefined;
  const user = occupantOf(subnet, "", wanted);
  if (user === undefined) return undefined;
  return {
    code: "InUsePrefixCannotBeDeleted",
    what: `the prefix of subnet ${subnet.name} cannot change from ${before.prefix} to ${subnet.prefix}: ${user.name} stands in it`,
    fix: `Keep ${before.prefix}; for another size, create ${user.name} anew in a subnet of that size.`,
    where: subnet.id,
  };
}

function outsideProblem(
  subnet: { readonly id: string; readonly name: string; readonly prefix: Cidr | Cidr6 },
  network: ResourceOf<"Microsoft.Network/virtualNetworks">,
): Problem {
  const space = [...network.prefixes, ...(network.prefixes6 ?? [])].join(", ");
  return {
    code: "NetcfgInvalidSubnet",
    what: `subnet ${subnet.name} (${subnet.prefix}) is not within the address space of ${network.name} (${space})`,
    fix: "Choose a prefix within the address space, or widen the address space.",
    where: subnet.id,
  };
}

export function judgeRule(
  rule: ResourceOf<"Microsoft.Network/networkSecurityGroups/securityRules">,
  wanted: Wanted,
): Problem | undefined {
  const twin = wanted.ofType("Microsoft.Network/networkSecurityGroups/securityRules").find(
    (other) =>
      // What differs most often comes first: a group of a thousand is compared with itself.
      other.rule.priority === rule.rule.priority &&
      other.rule.direction === rule.rule.direction &&
      other.group.key === rule.group.key &&
      other.key !== rule.key,
  );
  if (twin === undefined) return undefined;
  return {
    code: "SecurityRuleConflict",
    what: `security rule ${rule.name} has the same priority and direction (${rule.rule.priority} ${rule.rule.direction}) as ${twin.name}`,
    fix: "Give one of them another priority.",
    where: rule.id,
  };
}

export function judgeRoute(
  route: ResourceOf<"Microsoft.Network/routeTables/routes">,
  wanted: Wanted,
): Problem | undefined {
  const destinationOf = ({ destination }: typeof route): string =>
    destination.kind === "prefix" ? destination.prefix : destination.tag;
  const twin = wanted
    .ofType("Microsoft.Network/routeTables/routes")
    .find(
      (other) =>
        other.key !== route.key &&
        other.table.key === route.table.key &&
        destinationOf(other) === destinationOf(route),
    );
  if (twin === undefined) return undefined;
  return {
    code: "RouteConflict",
    what: `route ${route.name} leads to ${destinationOf(route)}, and so does route ${twin.name} of the same table`,
    fix: "Keep one of them.",
    where: route.id,
  };
}

/** Offsets in a subnet that belong to the network: the first four and the last. */
function isPlatforms(prefix: Parameters<typeof addressAt>[0], address: string): boolean {
  const size = sizeOf(prefix);
  const first = Array.from({ length: FIRST_HOST_OFFSET }, (_, offset) => offset);
  return [...first, size - 1].some((offset) => addressAt(prefix, offset) === address);
}

export function judgeInterface(
  nic: ResourceOf<"Microsoft.Network/networkInterfaces">,
  wanted: Wanted,
): Problem | undefined {
  for (const { address, subnet: reference } of nic.configurations) {
    const subnet = wanted.get(reference.key);
    if (subnet?.type !== "Microsoft.Network/virtualNetworks/subnets") continue;
    const environment = wanted
      .ofType("Microsoft.Web/hostingEnvironments")
      .find((one) => one.subnet.key === subnet.key);
    if (environment !== undefined) return exclusive(nic, subnet, environment);
    if (address === undefined) continue;
    if (!contains(subnet.prefix, address) || isPlatforms(subnet.prefix, address))
      return {
        code: "PrivateIPAddressNotInSubnet",
        what: `${address} of ${nic.name} is not an address that hosts of subnet ${subnet.name} (${subnet.prefix}) may have`,
        fix: `Choose one from ${addressAt(subnet.prefix, FIRST_HOST_OFFSET)} to ${addressAt(subnet.prefix, sizeOf(subnet.prefix) - 2)}.`,
        where: nic.id,
      };
    const twin = wanted
      .ofType("Microsoft.Network/networkInterfaces")
      .find(
        (other) =>
          other.key !== nic.key &&
          other.configurations.some(
            (one) => one.subnet.key === subnet.key && one.address === address,
          ),
      );
    if (twin !== undefined)
      return {
        code: "PrivateIPAddressIsAllocated",
        what: `${address} of ${nic.name} is taken by ${twin.name}`,
        fix: "Choose another address.",
        where: nic.id,
      };
  }
  return undefined;
}

function subnetsOf(networkKey: string, wanted: Wanted) {
  return wanted
    .ofType("Microsoft.Network/virtualNetworks/subnets")
    .filter(({ network }) => network.key === networkKey);
}
