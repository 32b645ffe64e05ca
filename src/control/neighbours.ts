/**
 * Rules between resources: what must exist beside one, what it must not collide with, and what
 * stands in the way of its removal.
 *
 * Judges a whole set of wanted resources after a change, so that an order of writes plays no
 * part. A resource by itself was judged when it was parsed; storing is arm-writes.ts.
 *
 * @article ASE subnet size
 */
import { keyOf } from "../arm/ids.ts";
import { isJsonArray, isJsonObject, type JsonValue } from "../arm/json.ts";
import type { Resource, ResourceOf, ResourceType } from "../arm/resources.ts";
import { DECLARED_TYPES } from "../arm/types/declared.ts";
import type { Problem } from "../base/problem.ts";
import { addressesAtRest, addressesWhileScaling, MOST_INSTANCES, MOST_INSTANCES_PER_PLAN } from "../environment/addresses.ts";
import { appHostName, environmentDomain } from "../environment/names.ts";
import { addressAt, contains, encloses, overlap, prefixLength, sizeOf } from "../network/prefix.ts";

/** The wanted resources as they will be after the change. */
export type Wanted = {
  readonly get: (key: string) => Resource | undefined;
  readonly ofType: <Type extends ResourceType>(type: Type) => readonly ResourceOf<Type>[];
};

/** What is wrong with a resource among its neighbours. @param before it, before the change */
export function judgeNeighbours(
  resource: Resource,
  before: Resource | undefined,
  wanted: Wanted,
): Problem | undefined {
  const missing = missingReference(resource, wanted);
  if (missing !== undefined) return missing;
  switch (resource.type) {
    case "Microsoft.Network/virtualNetworks":
      return judgeNetwork(resource, wanted);
    case "Microsoft.Network/virtualNetworks/subnets":
      return judgeSubnet(resource, before, wanted);
    case "Microsoft.Network/networkSecurityGroups/securityRules":
      return judgeRule(resource, wanted);
    case "Microsoft.Network/routeTables/routes":
      return judgeRoute(resource, wanted);
    case "Microsoft.Network/networkInterfaces":
      return judgeInterface(resource, wanted);
    case "Microsoft.Web/hostingEnvironments":
      return judgeEnvironment(resource, before, wanted);
    case "Microsoft.Web/serverfarms":
      return judgePlan(resource, before, wanted);
    case "Microsoft.Web/sites":
      return judgeSite(resource, before, wanted);
    case "DeclaredOnly":
      return judgeKept(resource, wanted);
    default:
      return undefined;
  }
}

/** Ids that a resource cannot be without, by the property that names them. */
export function referencesOf(
  resource: Resource,
): readonly { readonly property: string; readonly id: string; readonly key: string }[] {
  const entry = (property: string, to: { readonly id: string; readonly key: string } | undefined) =>
    to === undefined ? [] : [{ property, id: to.id, key: to.key }];
  switch (resource.type) {
    case "Microsoft.Network/virtualNetworks/subnets":
      return [
        ...entry("networkSecurityGroup.id", resource.networkSecurityGroup),
        ...entry("routeTable.id", resource.routeTable),
      ];
    case "Microsoft.Network/networkInterfaces":
      return [
        ...entry("networkSecurityGroup.id", resource.networkSecurityGroup),
        ...resource.configurations.flatMap((one) => [
          ...entry(`ipConfigurations ${one.name}: subnet.id`, one.subnet),
          ...entry(`ipConfigurations ${one.name}: publicIPAddress.id`, one.publicIpAddress),
        ]),
      ];
    case "Microsoft.Web/hostingEnvironments":
      return entry("virtualNetwork.id", resource.subnet);
    case "Microsoft.Web/serverfarms":
      return entry("hostingEnvironmentProfile.id", resource.environment);
    case "Microsoft.Web/sites":
      return entry("serverFarmId", resource.plan);
    case "DeclaredOnly":
      return DECLARED_TYPES[resource.declaredType]?.occupiesSubnet === true
        ? subnetsIn(resource.body).map((id) => ({ property: "subnet.id", id, key: keyOf(id) }))
        : [];
    default:
      return [];
  }
}

/** Ids of subnets anywhere in a body that is only kept. */
function subnetsIn(value: JsonValue): readonly string[] {
  if (typeof value === "string") return SUBNET_ID.test(value) ? [value] : [];
  if (isJsonArray(value)) return value.flatMap(subnetsIn);
  return isJsonObject(value) ? Object.values(value).flatMap(subnetsIn) : [];
}

const SUBNET_ID = /^\/subscriptions\/[^/]+\/resourceGroups\/[^/]+\/providers\/Microsoft\.Network\/virtualNetworks\/[^/]+\/subnets\/[^/]+$/i;

/** Why a resource cannot go: somebody who stays needs it. */
export function judgeRemoval(resource: Resource, staying: readonly Resource[]): Problem | undefined {
  const user = staying.find((other) => referencesOf(other).some(({ key }) => key === resource.key));
  if (user === undefined) return undefined;
  return {
    code: IN_USE[resource.type] ?? "ResourceInUse",
    what: `${resource.name} cannot be deleted: ${user.id} uses it`,
    fix: `Delete ${user.name} first, or take ${resource.name} out of it.`,
    where: resource.id,
  };
}

const IN_USE: Readonly<Partial<Record<ResourceType, string>>> = {
  "Microsoft.Network/virtualNetworks/subnets": "InUseSubnetCannotBeDeleted",
  "Microsoft.Network/networkSecurityGroups": "InUseNetworkSecurityGroupCannotBeDeleted",
  "Microsoft.Network/routeTables": "InUseRouteTableCannotBeDeleted",
  "Microsoft.Network/publicIPAddresses": "PublicIPAddressCannotBeDeleted",
  "Microsoft.Web/hostingEnvironments": "HostingEnvironmentInUse",
  "Microsoft.Web/serverfarms": "ServerFarmInUse",
};

function missingReference(resource: Resource, wanted: Wanted): Problem | undefined {
  const missing = referencesOf(resource).find(({ key }) => wanted.get(key) === undefined);
  if (missing === undefined) return undefined;
  return {
    code: "InvalidResourceReference",
    what: `${missing.property} of ${resource.name} names ${missing.id}, which does not exist`,
    fix: "Create it first, or correct the id.",
    where: resource.id,
  };
}

function judgeNetwork(
  network: ResourceOf<"Microsoft.Network/virtualNetworks">,
  wanted: Wanted,
): Problem | undefined {
  const outside = subnetsOf(network.key, wanted).find(
    (subnet) => !network.prefixes.some((prefix) => encloses(prefix, subnet.prefix)),
  );
  return outside === undefined ? undefined : outsideProblem(outside, network);
}

function judgeSubnet(
  subnet: ResourceOf<"Microsoft.Network/virtualNetworks/subnets">,
  before: Resource | undefined,
  wanted: Wanted,
): Problem | undefined {
  const network = wanted.get(subnet.network.key);
  if (network?.type === "Microsoft.Network/virtualNetworks") {
    if (!network.prefixes.some((prefix) => encloses(prefix, subnet.prefix)))
      return outsideProblem(subnet, network);
  }
  const twin = subnetsOf(subnet.network.key, wanted).find(
    (other) => other.key !== subnet.key && overlap(other.prefix, subnet.prefix),
  );
  if (twin !== undefined)
    return {
      code: "NetcfgSubnetRangesOverlap",
      what: `subnet ${subnet.name} (${subnet.prefix}) overlaps subnet ${twin.name} (${twin.prefix})`,
      fix: "Choose a prefix that no other subnet of the network uses.",
      where: subnet.id,
    };
  return judgeSubnetChange(subnet, before, wanted);
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
  subnet: ResourceOf<"Microsoft.Network/virtualNetworks/subnets">,
  network: ResourceOf<"Microsoft.Network/virtualNetworks">,
): Problem {
  return {
    code: "NetcfgInvalidSubnet",
    what: `subnet ${subnet.name} (${subnet.prefix}) is not within the address space of ${network.name} (${network.prefixes.join(", ")})`,
    fix: "Choose a prefix within the address space, or widen the address space.",
    where: subnet.id,
  };
}

function judgeRule(
  rule: ResourceOf<"Microsoft.Network/networkSecurityGroups/securityRules">,
  wanted: Wanted,
): Problem | undefined {
  const twin = wanted
    .ofType("Microsoft.Network/networkSecurityGroups/securityRules")
    .find(
      (other) =>
        other.key !== rule.key &&
        other.group.key === rule.group.key &&
        other.rule.direction === rule.rule.direction &&
        other.rule.priority === rule.rule.priority,
    );
  if (twin === undefined) return undefined;
  return {
    code: "SecurityRuleConflict",
    what: `security rule ${rule.name} has the same priority and direction (${rule.rule.priority} ${rule.rule.direction}) as ${twin.name}`,
    fix: "Give one of them another priority.",
    where: rule.id,
  };
}

function judgeRoute(
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
  return [0, 1, 2, 3, size - 1].some((offset) => addressAt(prefix, offset) === address);
}

function judgeInterface(
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
        fix: `Choose one from ${addressAt(subnet.prefix, 4)} to ${addressAt(subnet.prefix, sizeOf(subnet.prefix) - 2)}.`,
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

/** Who stands in a subnet, besides one that asks. */
function occupantOf(subnet: Resource, besides: string, wanted: Wanted): Resource | undefined {
  const all: readonly Resource[] = [
    ...wanted.ofType("Microsoft.Web/hostingEnvironments"),
    ...wanted.ofType("Microsoft.Network/networkInterfaces"),
    ...wanted.ofType("DeclaredOnly"),
  ];
  return all.find(
    (one) => one.key !== besides && referencesOf(one).some(({ key }) => key === subnet.key),
  );
}

function exclusive(resource: Resource, subnet: Resource, holder: Resource): Problem {
  return {
    code: "SubnetInUse",
    what: `${resource.name} cannot stand in subnet ${subnet.name}: ${holder.name} does, and an environment has its subnet for itself`,
    fix: "Choose another subnet.",
    where: resource.id,
  };
}

/** What is kept would stand in a subnet if it ran; an environment's is no place for it. */
function judgeKept(kept: ResourceOf<"DeclaredOnly">, wanted: Wanted): Problem | undefined {
  const subnets = new Set(referencesOf(kept).map(({ key }) => key));
  const holder = wanted
    .ofType("Microsoft.Web/hostingEnvironments")
    .find(({ subnet }) => subnets.has(subnet.key));
  const subnet = holder === undefined ? undefined : wanted.get(holder.subnet.key);
  return holder === undefined || subnet === undefined ? undefined : exclusive(kept, subnet, holder);
}

function judgeEnvironment(
  environment: ResourceOf<"Microsoft.Web/hostingEnvironments">,
  before: Resource | undefined,
  wanted: Wanted,
): Problem | undefined {
  const subnet = wanted.get(environment.subnet.key);
  if (subnet?.type !== "Microsoft.Network/virtualNetworks/subnets")
    return {
      code: "InvalidResourceReference",
      what: `virtualNetwork.id of ${environment.name} names ${environment.subnet.id}, which is not a subnet`,
      fix: "Name a subnet: .../virtualNetworks/NETWORK/subnets/SUBNET.",
      where: environment.id,
    };
  if (before?.type === environment.type) {
    const fixed = judgeEnvironmentChange(environment, before);
    if (fixed !== undefined) return fixed;
  }
  const environments = wanted
    .ofType("Microsoft.Web/hostingEnvironments")
    .filter(({ key }) => key !== environment.key);
  const holder = occupantOf(subnet, environment.key, wanted);
  if (holder !== undefined) return exclusive(environment, subnet, holder);
  const domain = environmentDomain(environment);
  const twin = environments.find((other) => environmentDomain(other) === domain);
  if (twin !== undefined)
    return {
      code: "NameNotAvailable",
      what: `the domain ${domain} of ${environment.name} is that of ${twin.id}`,
      fix: "Choose another name or another dnsSuffix.",
      where: environment.id,
    };
  return judgeRoom(environment, subnet, undefined, wanted);
}

/** @article ASE subnet size */
function judgeEnvironmentChange(
  environment: ResourceOf<"Microsoft.Web/hostingEnvironments">,
  before: ResourceOf<"Microsoft.Web/hostingEnvironments">,
): Problem | undefined {
  const changed =
    before.subnet.key !== environment.subnet.key
      ? `the subnet ${before.subnet.id}`
      : before.kind !== environment.kind
        ? `the load balancing mode ${before.mode}`
        : undefined;
  if (changed === undefined) return undefined;
  return {
    code: "HostingEnvironmentImmutable",
    what: `${environment.name} was created with ${changed}, which cannot change while it exists`,
    fix: "Leave it as it is, or create another environment.",
    where: environment.id,
  };
}

/** Whether an environment with its plans has enough addresses. @article ASE subnet size */
function judgeRoom(
  environment: ResourceOf<"Microsoft.Web/hostingEnvironments">,
  subnet: ResourceOf<"Microsoft.Network/virtualNetworks/subnets">,
  moving: ResourceOf<"Microsoft.Web/serverfarms"> | undefined,
  wanted: Wanted,
): Problem | undefined {
  const instances = instancesOf(environment.key, wanted);
  const { kind, frontEndScaleFactor } = environment;
  const size = { kind, instances, frontEndScaleFactor };
  const needed =
    moving === undefined ? addressesAtRest(size) : addressesWhileScaling(size, moving.capacity);
  const there = sizeOf(subnet.prefix);
  if (needed <= there) return undefined;
  const phase = moving === undefined ? "" : ` while ${moving.name} changes its size`;
  return {
    code: "SubnetIsFull",
    what: `${environment.name} with ${instances} instances needs ${needed} addresses${phase}; subnet ${subnet.name} (/${prefixLength(subnet.prefix)}) has ${there}`,
    fix: "Use fewer instances, or create the environment in a larger subnet (/24 suffices for every size).",
    where: environment.id,
  };
}

function instancesOf(environmentKey: string, wanted: Wanted): number {
  return wanted
    .ofType("Microsoft.Web/serverfarms")
    .filter(({ environment }) => environment.key === environmentKey)
    .reduce((sum, { capacity }) => sum + capacity, 0);
}

function judgePlan(
  plan: ResourceOf<"Microsoft.Web/serverfarms">,
  before: Resource | undefined,
  wanted: Wanted,
): Problem | undefined {
  const environment = wanted.get(plan.environment.key);
  if (environment?.type !== "Microsoft.Web/hostingEnvironments") return notA(plan, plan.environment.id, "an environment");
  const previous = before?.type === plan.type ? before : undefined;
  if (previous !== undefined && previous.environment.key !== plan.environment.key)
    return {
      code: "ServerFarmImmutable",
      what: `plan ${plan.name} stands in ${previous.environment.id} and cannot move to another environment`,
      fix: "Create another plan there.",
      where: plan.id,
    };
  const instances = instancesOf(environment.key, wanted);
  if (MOST_INSTANCES_PER_PLAN < plan.capacity || MOST_INSTANCES < instances)
    return {
      code: "InstanceLimitReached",
      what: `plan ${plan.name} with ${plan.capacity} instances makes ${instances} in ${environment.name}; a plan may have ${MOST_INSTANCES_PER_PLAN} and an environment ${MOST_INSTANCES}`,
      fix: "Ask for fewer instances.",
      where: plan.id,
    };
  const subnet = wanted.get(environment.subnet.key);
  if (subnet?.type !== "Microsoft.Network/virtualNetworks/subnets") return undefined;
  const moves = previous !== undefined && previous.size !== plan.size;
  const full = judgeRoom(environment, subnet, moves ? plan : undefined, wanted);
  return full === undefined ? undefined : { ...full, where: plan.id };
}

function judgeSite(
  site: ResourceOf<"Microsoft.Web/sites">,
  before: Resource | undefined,
  wanted: Wanted,
): Problem | undefined {
  const environment = environmentOf(site, wanted);
  if (environment === undefined) return notA(site, site.plan.id, "a plan of an environment");
  const previous = before?.type === site.type ? environmentOf(before, wanted) : undefined;
  if (previous !== undefined && previous.key !== environment.key)
    return {
      code: "SiteImmutable",
      what: `app ${site.name} stands in ${previous.name} and cannot move to a plan of ${environment.name}`,
      fix: "Choose a plan of its own environment, or create another app.",
      where: site.id,
    };
  const domain = environmentDomain(environment);
  const namesOf = (one: typeof site): readonly string[] => [
    appHostName(one.name, domain),
    ...one.hostNames.map((name) => name.toLowerCase()),
  ];
  const own = new Set(namesOf(site));
  for (const other of wanted.ofType("Microsoft.Web/sites")) {
    if (other.key === site.key || environmentOf(other, wanted)?.key !== environment.key) continue;
    const shared = namesOf(other).find((name) => own.has(name));
    if (shared !== undefined)
      return {
        code: "HostNameInUse",
        what: `the host name ${shared} of app ${site.name} belongs to ${other.id}`,
        fix: "Choose another name, or take it from the other app first.",
        where: site.id,
      };
  }
  return undefined;
}

function environmentOf(
  site: ResourceOf<"Microsoft.Web/sites">,
  wanted: Wanted,
): ResourceOf<"Microsoft.Web/hostingEnvironments"> | undefined {
  const plan = wanted.get(site.plan.key);
  const environment =
    plan?.type === "Microsoft.Web/serverfarms" ? wanted.get(plan.environment.key) : undefined;
  return environment?.type === "Microsoft.Web/hostingEnvironments" ? environment : undefined;
}

function notA(resource: Resource, id: string, kind: string): Problem {
  return {
    code: "InvalidResourceReference",
    what: `${resource.name} names ${id}, which is not ${kind}`,
    fix: "Correct the id.",
    where: resource.id,
  };
}

function subnetsOf(networkKey: string, wanted: Wanted) {
  return wanted
    .ofType("Microsoft.Network/virtualNetworks/subnets")
    .filter(({ network }) => network.key === networkKey);
}
