/**
 * Rules between environments, their subnet, plans and apps: one environment per subnet, room for
 * its addresses, what may not change, names that are free.
 *
 * @article ASE subnet size
 */
import type { Resource, ResourceOf } from "../arm/resources.ts";
import type { Problem } from "../base/problem.ts";
import {
  addressesAtRest,
  addressesWhileScaling,
  MOST_INSTANCES,
  MOST_INSTANCES_PER_PLAN,
} from "../environment/addresses.ts";
import { hasOwnAddress } from "../blueprint/app-addresses.ts";
import { MOST_APP_ADDRESSES } from "../environment/app-addresses.ts";
import { appHostName, environmentDomain } from "../environment/names.ts";
import { prefixLength, sizeOf } from "../network/prefix.ts";
import { delegationsOf } from "./network-neighbours.ts";
import { exclusive, occupantOf, referencesOf, type Wanted } from "./references.ts";

/** What is kept would stand in a subnet if it ran; an environment's is no place for it. */
export function judgeKept(kept: ResourceOf<"DeclaredOnly">, wanted: Wanted): Problem | undefined {
  const subnets = new Set(referencesOf(kept).map(({ key }) => key));
  const holder = wanted
    .ofType("Microsoft.Web/hostingEnvironments")
    .find(({ subnet }) => subnets.has(subnet.key));
  const subnet = holder === undefined ? undefined : wanted.get(holder.subnet.key);
  return holder === undefined || subnet === undefined ? undefined : exclusive(kept, subnet, holder);
}

export function judgeEnvironment(
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
  const [service] = delegationsOf(subnet);
  if (service !== undefined)
    return {
      code: "SubnetDelegated",
      what: `${environment.name} cannot stand in subnet ${subnet.name}: it is delegated to ${service}`,
      fix: "Choose a subnet without delegations, or take the delegation away.",
      where: environment.id,
    };
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

export function judgePlan(
  plan: ResourceOf<"Microsoft.Web/serverfarms">,
  before: Resource | undefined,
  wanted: Wanted,
): Problem | undefined {
  const environment = wanted.get(plan.environment.key);
  if (environment?.type !== "Microsoft.Web/hostingEnvironments")
    return notA(plan, plan.environment.id, "an environment");
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

export function judgeSite(
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
  const unbound = judgeBindings(site, environment, wanted);
  if (unbound !== undefined) return unbound;
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

/** @article App-assigned IP addresses */
function judgeBindings(
  site: ResourceOf<"Microsoft.Web/sites">,
  environment: ResourceOf<"Microsoft.Web/hostingEnvironments">,
  wanted: Wanted,
): Problem | undefined {
  const refuse = (code: string, what: string, fix: string): Problem => ({
    ...{ code, what, fix },
    where: site.id,
  });
  const own = new Set([
    appHostName(site.name, environmentDomain(environment)),
    ...site.hostNames.map((name) => name.toLowerCase()),
  ]);
  const known = new Set(
    wanted.ofType("Microsoft.Web/certificates").map(({ about }) => about.thumbprint),
  );
  for (const { name, sslState, thumbprint } of site.hostNameSslStates) {
    if (sslState === "IpBasedEnabled" && environment.kind === "Internal")
      return refuse(
        "IpBasedSslNotSupported",
        `${site.name} cannot have an IP-based TLS/SSL address: with an External ASE, you can assign IP addresses to individual apps; you can't do that with an ILB ASE`,
        "Bind the certificate with SNI (sslState SniEnabled).",
      );
    if (!own.has(name))
      return refuse(
        "HostNameNotFound",
        `a certificate is bound to ${name}, which is not a host name of ${site.name}`,
        `Add it first: az webapp config hostname add --webapp-name ${site.name} --hostname ${name}.`,
      );
    if (thumbprint === undefined || !known.has(thumbprint.toUpperCase()))
      return refuse(
        "CertificateNotFound",
        `${name} of ${site.name} is bound to a certificate ${thumbprint ?? "without a thumbprint"}, and there is no such certificate`,
        "Upload it first: az webapp config ssl upload; then bind it by its thumbprint.",
      );
  }
  const holders = wanted
    .ofType("Microsoft.Web/sites")
    .filter(
      (one) => hasOwnAddress(one) && environmentOf(one, wanted)?.key === environment.key,
    ).length;
  if (holders <= MOST_APP_ADDRESSES || !hasOwnAddress(site)) return undefined;
  return refuse(
    "IpBasedSslLimitReached",
    `${environment.name} has addresses for ${MOST_APP_ADDRESSES} apps, and ${site.name} would be number ${holders}`,
    "Bind the certificate with SNI, or take the address from another app.",
  );
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
