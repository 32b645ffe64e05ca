/**
 * Which resource cannot be without which, who stands in a subnet, and what therefore stands in
 * the way of a removal. Storing is arm-writes.ts.
 */
import { keyOf } from "../arm/ids.ts";
import { isJsonArray, isJsonObject, type JsonValue } from "../arm/json.ts";
import type { Resource, ResourceOf, ResourceType } from "../arm/resources.ts";
import { DECLARED_TYPES } from "../arm/types/declared.ts";
import type { Problem } from "../base/problem.ts";

/** The wanted resources as they will be after the change. */
export type Wanted = {
  readonly get: (key: string) => Resource | undefined;
  readonly ofType: <Type extends ResourceType>(type: Type) => readonly ResourceOf<Type>[];
};

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
    case "Microsoft.Network/networkSecurityGroups/securityRules":
      return [...resource.rule.sources, ...resource.rule.destinations].flatMap((match) =>
        match.kind === "asg"
          ? entry("application security group", { id: match.id, key: keyOf(match.id) })
          : [],
      );
    case "Microsoft.Network/virtualNetworks/virtualNetworkPeerings":
      return entry("remoteVirtualNetwork.id", resource.remote);
    case "Microsoft.Network/virtualNetworkGateways":
      return [
        ...entry("subnet.id", resource.subnet),
        ...entry("publicIPAddress.id", resource.publicIpAddress),
        ...entry("gatewayDefaultSite.id", resource.defaultSite),
      ];
    case "Microsoft.Network/connections":
      return [
        ...entry("virtualNetworkGateway1.id", resource.gateway),
        ...entry(resource.kind === "IPsec" ? "localNetworkGateway2.id" : "peer.id", resource.peer),
      ];
    case "Microsoft.Network/networkInterfaces":
      return [
        ...entry("networkSecurityGroup.id", resource.networkSecurityGroup),
        ...resource.configurations.flatMap((one) => [
          ...entry(`ipConfigurations ${one.name}: subnet.id`, one.subnet),
          ...entry(`ipConfigurations ${one.name}: publicIPAddress.id`, one.publicIpAddress),
          ...one.applicationSecurityGroups.flatMap((group) =>
            entry(`ipConfigurations ${one.name}: applicationSecurityGroups`, group),
          ),
        ]),
      ];
    case "Microsoft.Network/privateDnsZones/virtualNetworkLinks":
      return entry("virtualNetwork.id", resource.network);
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

const SUBNET_ID =
  /^\/subscriptions\/[^/]+\/resourceGroups\/[^/]+\/providers\/Microsoft\.Network\/virtualNetworks\/[^/]+\/subnets\/[^/]+$/i;

/** Why a resource cannot go: somebody who stays needs it. */
export function judgeRemoval(
  resource: Resource,
  staying: readonly Resource[],
): Problem | undefined {
  const user = staying.find(
    (other) =>
      referencesOf(other).some(({ key }) => key === resource.key) ||
      isBoundTo(other, resource, staying),
  );
  if (user === undefined) return undefined;
  return {
    code: IN_USE[resource.type] ?? "ResourceInUse",
    what: `${resource.name} cannot be deleted: ${user.id} uses it`,
    fix: `Delete ${user.name} first, or take ${resource.name} out of it.`,
    where: resource.id,
  };
}

/** An app whose binding would be left without a certificate. */
function isBoundTo(site: Resource, certificate: Resource, staying: readonly Resource[]): boolean {
  if (site.type !== "Microsoft.Web/sites") return false;
  if (certificate.type !== "Microsoft.Web/certificates") return false;
  const { thumbprint } = certificate.about;
  const isTwin = (one: Resource) =>
    one.type === certificate.type && one.about.thumbprint === thumbprint;
  return (
    site.hostNameSslStates.some((state) => state.thumbprint?.toUpperCase() === thumbprint) &&
    !staying.some(isTwin)
  );
}

const IN_USE: Readonly<Partial<Record<ResourceType, string>>> = {
  "Microsoft.Network/virtualNetworks/subnets": "InUseSubnetCannotBeDeleted",
  "Microsoft.Network/networkSecurityGroups": "InUseNetworkSecurityGroupCannotBeDeleted",
  "Microsoft.Network/routeTables": "InUseRouteTableCannotBeDeleted",
  "Microsoft.Network/publicIPAddresses": "PublicIPAddressCannotBeDeleted",
  "Microsoft.Web/hostingEnvironments": "HostingEnvironmentInUse",
  "Microsoft.Web/serverfarms": "ServerFarmInUse",
  "Microsoft.Web/certificates": "CertificateInUse",
};

export function missingReference(resource: Resource, wanted: Wanted): Problem | undefined {
  const missing = referencesOf(resource).find(({ key }) => wanted.get(key) === undefined);
  if (missing === undefined) return undefined;
  return {
    code: "InvalidResourceReference",
    what: `${missing.property} of ${resource.name} names ${missing.id}, which does not exist`,
    fix: "Create it first, or correct the id.",
    where: resource.id,
  };
}

/** Who stands in a subnet, besides one that asks. */
export function occupantOf(
  subnet: Resource,
  besides: string,
  wanted: Wanted,
): Resource | undefined {
  const all: readonly Resource[] = [
    ...wanted.ofType("Microsoft.Web/hostingEnvironments"),
    ...wanted.ofType("Microsoft.Network/networkInterfaces"),
    ...wanted.ofType("Microsoft.Network/virtualNetworkGateways"),
    ...wanted.ofType("DeclaredOnly"),
  ];
  return all.find(
    (one) => one.key !== besides && referencesOf(one).some(({ key }) => key === subnet.key),
  );
}

export function exclusive(resource: Resource, subnet: Resource, holder: Resource): Problem {
  return {
    code: "SubnetInUse",
    what: `${resource.name} cannot stand in subnet ${subnet.name}: ${holder.name} does, and an environment has its subnet for itself`,
    fix: "Choose another subnet.",
    where: resource.id,
  };
}
