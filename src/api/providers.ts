/**
 * The namespaces and types that are offered, with their api-versions: `az resource` takes the
 * first of them. Any other version is answered as well; none is checked against this list.
 */
import type { JsonObject } from "../arm/json.ts";
import type { Account } from "../control/control-plane.ts";

const RESOURCES_VERSIONS = ["2022-09-01", "2021-04-01", "2019-11-01"];
const NETWORK_VERSIONS = ["2022-05-01", "2022-01-01", "2021-08-01"];
const WEB_VERSIONS = ["2022-03-01", "2021-02-01", "2019-08-01"];
const DNS_VERSIONS = ["2020-06-01"];

const TYPES: Readonly<Record<string, readonly (readonly [string, readonly string[]])[]>> = {
  "Microsoft.Network": [
    ["virtualNetworks", NETWORK_VERSIONS],
    ["virtualNetworks/subnets", NETWORK_VERSIONS],
    ["networkSecurityGroups", NETWORK_VERSIONS],
    ["networkSecurityGroups/securityRules", NETWORK_VERSIONS],
    ["routeTables", NETWORK_VERSIONS],
    ["routeTables/routes", NETWORK_VERSIONS],
    ["publicIPAddresses", NETWORK_VERSIONS],
    ["networkInterfaces", NETWORK_VERSIONS],
    ["privateDnsZones", DNS_VERSIONS],
  ],
  "Microsoft.Resources": [
    ["subscriptions", RESOURCES_VERSIONS],
    ["resourceGroups", RESOURCES_VERSIONS],
    ["deployments", RESOURCES_VERSIONS],
    ["deployments/operations", RESOURCES_VERSIONS],
  ],
  "Microsoft.Web": [
    ["hostingEnvironments", WEB_VERSIONS],
    ["serverFarms", WEB_VERSIONS],
    ["sites", WEB_VERSIONS],
    ["sites/config", WEB_VERSIONS],
  ],
};

export function listProviders(account: Account): readonly JsonObject[] {
  return Object.keys(TYPES).map((namespace) => provider(namespace, account));
}

/** Any namespace may hold declared resources; one without known types is shown empty. */
export function provider(namespace: string, account: Account): JsonObject {
  const known = Object.keys(TYPES).find((one) => one.toLowerCase() === namespace.toLowerCase());
  const name = known ?? namespace;
  return {
    id: `/subscriptions/${account.subscriptionId}/providers/${name}`,
    namespace: name,
    registrationPolicy: "RegistrationFree",
    registrationState: "Registered",
    resourceTypes: (TYPES[name] ?? []).map(([resourceType, apiVersions]) => ({
      resourceType,
      locations: [account.location],
      apiVersions,
      defaultApiVersion: apiVersions[0] ?? "",
      capabilities: "None",
    })),
  };
}
