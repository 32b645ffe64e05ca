/**
 * The table of resource types: which there are, how a body becomes resources and how a resource
 * is shown. Rules between resources are judged by those who hold all of them.
 */
import {
  declined,
  found,
  never,
  type Problem,
  ProblemError,
  type Result,
} from "../base/problem.ts";
import { formatResourceId, type ResourceId, typeOf } from "./ids.ts";
import { isJsonObject, type JsonObject, type JsonValue, property } from "./json.ts";
import type { Resource } from "./resources.ts";
import {
  parseApplicationSecurityGroup,
  renderApplicationSecurityGroup,
} from "./types/application-groups.ts";
import {
  parseNetworkInterface,
  parsePublicIpAddress,
  renderNetworkInterface,
  renderPublicIpAddress,
} from "./types/addresses.ts";
import type { Parsed, ParseRequest } from "./types/body.ts";
import { parseCertificate, renderCertificate } from "./types/certificates.ts";
import {
  isForwardingFirewall,
  isSqlServer,
  DECLARED_TYPES,
  parseDeclared,
  renderDeclared,
} from "./types/declared.ts";
import {
  parseHostingEnvironment,
  parseResourceGroup,
  renderHostingEnvironment,
  renderResourceGroup,
} from "./types/environments.ts";
import {
  parsePrivateDnsLink,
  parsePrivateDnsRecordSet,
  parsePrivateDnsZone,
  renderPrivateDnsLink,
  renderPrivateDnsRecordSet,
  renderPrivateDnsZone,
} from "./types/private-dns.ts";
import { parseServerFarm, renderServerFarm } from "./types/plans.ts";
import type { RenderContext } from "./types/render.ts";
import {
  parseConnection,
  parseExpressRouteCircuit,
  parseLocalNetworkGateway,
  parseVirtualNetworkGateway,
  renderConnection,
  renderExpressRouteCircuit,
  renderLocalNetworkGateway,
  renderVirtualNetworkGateway,
} from "./types/gateways.ts";
import { parsePeering, renderPeering } from "./types/peerings.ts";
import {
  parseRoute,
  parseRouteTable,
  renderRoute,
  renderRouteTable,
} from "./types/route-tables.ts";
import {
  parseSecurityGroup,
  parseSecurityRule,
  renderSecurityGroup,
  renderSecurityRule,
} from "./types/security-groups.ts";
import { parseSite, renderSite } from "./types/sites.ts";
import {
  parseSubnet,
  parseVirtualNetwork,
  renderSubnet,
  renderVirtualNetwork,
} from "./types/virtual-networks.ts";

const PARSERS: Readonly<
  Record<Exclude<Resource["type"], "DeclaredOnly">, (request: ParseRequest) => Parsed>
> = {
  "Microsoft.Resources/resourceGroups": parseResourceGroup,
  "Microsoft.Network/virtualNetworks": parseVirtualNetwork,
  "Microsoft.Network/virtualNetworks/subnets": parseSubnet,
  "Microsoft.Network/virtualNetworks/virtualNetworkPeerings": parsePeering,
  "Microsoft.Network/virtualNetworkGateways": parseVirtualNetworkGateway,
  "Microsoft.Network/localNetworkGateways": parseLocalNetworkGateway,
  "Microsoft.Network/expressRouteCircuits": parseExpressRouteCircuit,
  "Microsoft.Network/connections": parseConnection,
  "Microsoft.Network/networkSecurityGroups": parseSecurityGroup,
  "Microsoft.Network/networkSecurityGroups/securityRules": parseSecurityRule,
  "Microsoft.Network/applicationSecurityGroups": parseApplicationSecurityGroup,
  "Microsoft.Network/routeTables": parseRouteTable,
  "Microsoft.Network/routeTables/routes": parseRoute,
  "Microsoft.Network/publicIPAddresses": parsePublicIpAddress,
  "Microsoft.Network/networkInterfaces": parseNetworkInterface,
  "Microsoft.Network/privateDnsZones": parsePrivateDnsZone,
  "Microsoft.Network/privateDnsZones/virtualNetworkLinks": parsePrivateDnsLink,
  "Microsoft.Network/privateDnsZones/A": parsePrivateDnsRecordSet("A"),
  "Microsoft.Network/privateDnsZones/AAAA": parsePrivateDnsRecordSet("AAAA"),
  "Microsoft.Network/privateDnsZones/CNAME": parsePrivateDnsRecordSet("CNAME"),
  "Microsoft.Network/privateDnsZones/MX": parsePrivateDnsRecordSet("MX"),
  "Microsoft.Network/privateDnsZones/PTR": parsePrivateDnsRecordSet("PTR"),
  "Microsoft.Network/privateDnsZones/SOA": parsePrivateDnsRecordSet("SOA"),
  "Microsoft.Network/privateDnsZones/SRV": parsePrivateDnsRecordSet("SRV"),
  "Microsoft.Network/privateDnsZones/TXT": parsePrivateDnsRecordSet("TXT"),
  "Microsoft.Web/hostingEnvironments": parseHostingEnvironment,
  "Microsoft.Web/serverfarms": parseServerFarm,
  "Microsoft.Web/sites": parseSite,
  "Microsoft.Web/certificates": parseCertificate,
};

/** Published spellings of the types that are more than kept. */
export const RUNNING_TYPES: readonly string[] = Object.keys(PARSERS);
/** Published spellings of the types that are only kept. */
export const KEPT_TYPES: readonly string[] = Object.keys(DECLARED_TYPES);

const SPELLINGS = new Map(
  [...RUNNING_TYPES, ...KEPT_TYPES].map((type) => [type.toLowerCase(), type]),
);

/** The published spelling of a type; undefined where there is none. */
export function knownType(type: string): string | undefined {
  return SPELLINGS.get(type.toLowerCase());
}

/** A PUT's body to typed resources. Rules among neighbours are not judged. */
export function parseResource(request: ParseRequest): Result<Parsed> {
  const type = knownType(typeOf(request.id));
  if (type === undefined) return declined(unknownType(request.id));
  const [namespace = "", ...types] = type.split("/");
  const spelled: ParseRequest = { ...request, id: { ...request.id, namespace, types } };
  const parse = Object.entries(PARSERS).find(([name]) => name === type)?.[1];
  try {
    return found(parse === undefined ? parseDeclared(spelled, type) : parse(spelled));
  } catch (thrown) {
    if (thrown instanceof ProblemError) return declined(thrown.problem);
    throw thrown;
  }
}

/** What GET answers. */
export function renderResource(resource: Resource, context: RenderContext): JsonObject {
  switch (resource.type) {
    case "Microsoft.Resources/resourceGroups":
      return renderResourceGroup(resource, context);
    case "Microsoft.Network/virtualNetworks":
      return renderVirtualNetwork(resource, context);
    case "Microsoft.Network/virtualNetworks/subnets":
      return renderSubnet(resource, context);
    case "Microsoft.Network/virtualNetworks/virtualNetworkPeerings":
      return renderPeering(resource, context);
    case "Microsoft.Network/virtualNetworkGateways":
      return renderVirtualNetworkGateway(resource, context);
    case "Microsoft.Network/localNetworkGateways":
      return renderLocalNetworkGateway(resource, context);
    case "Microsoft.Network/expressRouteCircuits":
      return renderExpressRouteCircuit(resource, context);
    case "Microsoft.Network/connections":
      return renderConnection(resource, context);
    case "Microsoft.Network/networkSecurityGroups":
      return renderSecurityGroup(resource, context);
    case "Microsoft.Network/networkSecurityGroups/securityRules":
      return renderSecurityRule(resource, context);
    case "Microsoft.Network/applicationSecurityGroups":
      return renderApplicationSecurityGroup(resource, context);
    case "Microsoft.Network/routeTables":
      return renderRouteTable(resource, context);
    case "Microsoft.Network/routeTables/routes":
      return renderRoute(resource, context);
    case "Microsoft.Network/publicIPAddresses":
      return renderPublicIpAddress(resource, context);
    case "Microsoft.Network/networkInterfaces":
      return renderNetworkInterface(resource, context);
    case "Microsoft.Network/privateDnsZones":
      return renderPrivateDnsZone(resource, context);
    case "Microsoft.Network/privateDnsZones/virtualNetworkLinks":
      return renderPrivateDnsLink(resource, context);
    case "Microsoft.Network/privateDnsZones/A":
    case "Microsoft.Network/privateDnsZones/AAAA":
    case "Microsoft.Network/privateDnsZones/CNAME":
    case "Microsoft.Network/privateDnsZones/MX":
    case "Microsoft.Network/privateDnsZones/PTR":
    case "Microsoft.Network/privateDnsZones/SOA":
    case "Microsoft.Network/privateDnsZones/SRV":
    case "Microsoft.Network/privateDnsZones/TXT":
      return renderPrivateDnsRecordSet(resource, context);
    case "Microsoft.Web/hostingEnvironments":
      return renderHostingEnvironment(resource, context);
    case "Microsoft.Web/serverfarms":
      return renderServerFarm(resource, context);
    case "Microsoft.Web/sites":
      return renderSite(resource, context);
    case "Microsoft.Web/certificates":
      return renderCertificate(resource, context);
    case "DeclaredOnly":
      return renderDeclared(resource, context);
    default:
      return never(resource);
  }
}

/** The body of the PUT that a PATCH amounts to: objects are merged, null and lists replace. */
export function patchedBody(shown: JsonObject, patch: JsonObject): JsonObject {
  const merged: Record<string, JsonValue> = { ...shown };
  for (const [name, value] of Object.entries(patch)) {
    const spelled =
      Object.keys(merged).find((key) => key.toLowerCase() === name.toLowerCase()) ?? name;
    const before = property(merged, spelled);
    const whole = name.toLowerCase() === "tags" || !isJsonObject(before) || !isJsonObject(value);
    merged[spelled] = whole ? value : patchedBody(before, value);
  }
  return merged;
}

/** For deployments: what to say about a resource that is kept and does not run. */
export function keptWarning(resource: Resource): Problem | undefined {
  if (resource.type !== "DeclaredOnly" || isSqlServer(resource)) return undefined;
  if (isForwardingFirewall(resource))
    return {
      code: "FirewallForwardsAll",
      what: `the firewall "${resource.name}" passes everything on: its rule collections are not carried out`,
      fix: "Do not rely on what it denies.",
      where: resource.id,
    };
  return {
    code: "DeclaredOnly",
    what: `${resource.declaredType} "${resource.name}" is kept, and nothing runs for it here`,
    fix: "Nothing needs to be done; apps cannot reach it.",
    where: resource.id,
  };
}

function unknownType(id: ResourceId): Problem {
  const namespace = id.namespace.toLowerCase();
  const near = [...SPELLINGS.values()].filter((type) =>
    type.toLowerCase().startsWith(`${namespace}/`),
  );
  const known = near.length === 0 ? RUNNING_TYPES : near;
  return {
    code: "NoRegisteredProviderFound",
    what: `No registered resource provider found for the type ${typeOf(id)}`,
    fix: `Leave it out, or use one of: ${known.join(", ")}.`,
    where: formatResourceId(id),
  };
}
