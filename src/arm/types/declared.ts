/**
 * Types that public templates use and for which nothing runs yet: kept as written and given back.
 * Any type that stands neither here nor beside here is an error.
 */
import { isJsonObject, type JsonObject, withoutProperties } from "../json.ts";
import type { DeclaredOnly } from "../resources.ts";
import { identity, type Parsed, type ParseRequest } from "./body.ts";
import type { RenderContext } from "./render.ts";

/** Published spellings. `occupiesSubnet`: its instances stand in the subnet it names. */
export const DECLARED_TYPES: Readonly<Record<string, { readonly occupiesSubnet: boolean }>> = {
  "Microsoft.Authorization/locks": free(),
  "Microsoft.Authorization/roleAssignments": free(),
  "Microsoft.Cache/Redis": inSubnet(),
  "Microsoft.Cdn/profiles": free(),
  "Microsoft.Cdn/profiles/endpoints": free(),
  "Microsoft.ContainerRegistry/registries": free(),
  "Microsoft.DocumentDB/databaseAccounts": free(),
  "Microsoft.Insights/actionGroups": free(),
  "Microsoft.Insights/autoscalesettings": free(),
  "Microsoft.Insights/components": free(),
  "Microsoft.Insights/diagnosticSettings": free(),
  "Microsoft.Insights/metricAlerts": free(),
  "Microsoft.KeyVault/vaults": free(),
  "Microsoft.KeyVault/vaults/accessPolicies": free(),
  "Microsoft.KeyVault/vaults/secrets": free(),
  "Microsoft.ManagedIdentity/userAssignedIdentities": free(),
  "Microsoft.Network/applicationGateways": inSubnet(),
  "Microsoft.Network/azureFirewalls": inSubnet(),
  "Microsoft.Network/bastionHosts": inSubnet(),
  "Microsoft.Network/dnsZones": free(),
  "Microsoft.Network/firewallPolicies": free(),
  "Microsoft.Network/loadBalancers": inSubnet(),
  "Microsoft.Network/natGateways": free(),
  "Microsoft.Network/networkWatchers": free(),
  "Microsoft.Network/networkWatchers/flowLogs": free(),
  "Microsoft.Network/trafficManagerProfiles": free(),
  "Microsoft.OperationalInsights/workspaces": free(),
  "Microsoft.ServiceBus/namespaces": free(),
  "Microsoft.ServiceBus/namespaces/queues": free(),
  "Microsoft.Sql/servers": free(),
  "Microsoft.Sql/servers/databases": free(),
  "Microsoft.Sql/servers/firewallRules": free(),
  "Microsoft.Sql/servers/virtualNetworkRules": free(),
  "Microsoft.Storage/storageAccounts": free(),
  "Microsoft.Storage/storageAccounts/blobServices": free(),
  "Microsoft.Storage/storageAccounts/blobServices/containers": free(),
  "Microsoft.Web/sites/basicPublishingCredentialsPolicies": free(),
  "Microsoft.Web/sites/config": free(),
  "Microsoft.Web/sites/extensions": free(),
  "Microsoft.Web/sites/hostNameBindings": free(),
  "Microsoft.Web/sites/siteextensions": free(),
  "Microsoft.Web/sites/slots": free(),
  "Microsoft.Web/sites/sourcecontrols": free(),
};

/**
 * A firewall stands in its subnet as an appliance that passes everything on with its own address:
 * its place in the routes is real, its rule collections are not carried out yet.
 */
export function isForwardingFirewall({ declaredType }: DeclaredOnly): boolean {
  return declaredType.toLowerCase() === "microsoft.network/azurefirewalls";
}

/** SQL servers and their rules are read by the compiler: a server of the world's internet. */
export function isSqlServer({ declaredType }: DeclaredOnly): boolean {
  return /^microsoft\.sql\/servers(\/(firewallRules|virtualNetworkRules))?$/i.test(declaredType);
}

function free() {
  return { occupiesSubnet: false } as const;
}

function inSubnet() {
  return { occupiesSubnet: true } as const;
}

export function parseDeclared(request: ParseRequest, declaredType: string): Parsed {
  const body = withoutProperties(request.body, ["id", "name", "type", "etag"]);
  const resource: DeclaredOnly = {
    type: "DeclaredOnly",
    ...identity(request.id, request.before),
    declaredType,
    body,
    extra: {},
  };
  return { resources: [resource], replacedParts: [] };
}

export function renderDeclared(resource: DeclaredOnly, context: RenderContext): JsonObject {
  const { properties, ...rest } = resource.body;
  const written = isJsonObject(properties) ? properties : {};
  return {
    ...rest,
    id: resource.id,
    name: resource.name,
    type: resource.declaredType,
    properties: { ...written, provisioningState: "Succeeded", ...context.statusOf(resource.key) },
  };
}
