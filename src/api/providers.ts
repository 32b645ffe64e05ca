/**
 * The namespaces and types that are offered, with their api-versions: `az resource` takes the
 * first of them. Any other version is answered as well; none is checked against this list.
 */
import type { JsonObject } from "../arm/json.ts";
import { KEPT_TYPES, RUNNING_TYPES } from "../arm/types.ts";
import type { Account } from "../control/control-plane.ts";

const RESOURCES_VERSIONS = ["2022-09-01", "2021-04-01", "2019-11-01"];
const NETWORK_VERSIONS = ["2022-05-01", "2022-01-01", "2021-08-01"];
const WEB_VERSIONS = ["2022-03-01", "2021-02-01", "2019-08-01"];
const DNS_VERSIONS = ["2020-06-01"];

/** The types that ARM itself is made of; all others are arm/'s. */
const RESOURCES_TYPES = [
  "subscriptions",
  "tenants",
  "locations",
  "providers",
  "tags",
  "deployments",
  "deployments/operations",
];

const NAMESPACES: ReadonlyMap<string, readonly string[]> = Map.groupBy(
  [
    ...RUNNING_TYPES,
    ...KEPT_TYPES,
    ...RESOURCES_TYPES.map((type) => `Microsoft.Resources/${type}`),
  ],
  (type) => type.slice(0, type.indexOf("/")),
);

function versionsOf(type: string): readonly string[] {
  if (type.startsWith("Microsoft.Network/privateDnsZones")) return DNS_VERSIONS;
  if (type.startsWith("Microsoft.Network/")) return NETWORK_VERSIONS;
  return type.startsWith("Microsoft.Web/") ? WEB_VERSIONS : RESOURCES_VERSIONS;
}

export function listProviders(account: Account): readonly JsonObject[] {
  return [...NAMESPACES.keys()].toSorted().map((namespace) => provider(namespace, account));
}

/** The version that clients are told to use first. */
export function versionOf(type: string): string {
  return versionsOf(type)[0] ?? "";
}

const VERBS = [
  ["read", "Get"],
  ["write", "Create or update"],
  ["delete", "Delete"],
] as const;

/** What roles may name of a provider. */
export function operationsOf(shown: JsonObject): JsonObject {
  const namespace = shown["namespace"] as string;
  const types = (shown["resourceTypes"] as readonly { readonly resourceType: string }[]).map(
    ({ resourceType }) => resourceType,
  );
  return {
    id: `/providers/Microsoft.Authorization/providerOperations/${namespace}`,
    type: "Microsoft.Authorization/providerOperations",
    name: namespace,
    displayName: namespace,
    operations: [],
    resourceTypes: types.map((type) => ({
      name: type,
      displayName: type,
      operations: VERBS.map(([verb, words]) => ({
        name: `${namespace}/${type}/${verb}`,
        displayName: `${words} ${type}`,
        description: `${words} ${type}`,
        isDataAction: false,
      })),
    })),
  };
}

/** Any namespace may hold declared resources; one without known types is shown empty. */
export function provider(namespace: string, account: Account): JsonObject {
  const known = [...NAMESPACES.keys()].find((one) => one.toLowerCase() === namespace.toLowerCase());
  const name = known ?? namespace;
  return {
    id: `/subscriptions/${account.subscriptionId}/providers/${name}`,
    namespace: name,
    registrationPolicy: "RegistrationFree",
    registrationState: "Registered",
    resourceTypes: (NAMESPACES.get(name) ?? []).map((type) => ({
      resourceType: type.slice(name.length + 1),
      locations: [account.location],
      apiVersions: versionsOf(type),
      defaultApiVersion: versionsOf(type)[0] ?? "",
      capabilities: "None",
    })),
  };
}
