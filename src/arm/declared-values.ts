/**
 * What services that do not run here would say of themselves, as far as a published rule gives
 * it: names made from the resource's name. And keys that are no keys.
 *
 * Only so that public templates can be evaluated; nothing answers at these names.
 */
import { guidOf } from "./deterministic.ts";
import type { JsonObject, JsonValue } from "./json.ts";
import type { ResourceOf } from "./resources.ts";

type Declared = ResourceOf<"DeclaredOnly">;

/** Computed properties by type in lower case. */
export function declaredValues(resource: Declared): JsonObject {
  const name = resource.name.toLowerCase();
  const rule = RULES[resource.declaredType.toLowerCase()];
  return { provisioningState: "Succeeded", ...rule?.(name, resource) };
}

/** Every spelling under which list functions give keys; the value says what it is. */
export function placeholderKeys(resource: Declared): JsonObject {
  const first = `placeholder-${digest(resource.key, "1")}`;
  const second = `placeholder-${digest(resource.key, "2")}`;
  return {
    keys: [
      { keyName: "key1", value: first, permissions: "FULL" },
      { keyName: "key2", value: second, permissions: "FULL" },
    ],
    primaryKey: first,
    secondaryKey: second,
    key1: first,
    key2: second,
    primaryMasterKey: first,
    secondaryMasterKey: second,
    primaryConnectionString: first,
    secondaryConnectionString: second,
  };
}

type Rule = (name: string, resource: Declared) => { readonly [name: string]: JsonValue };

const RULES: Readonly<Record<string, Rule>> = {
  "microsoft.storage/storageaccounts": (name) => ({
    primaryEndpoints: Object.fromEntries(
      ["blob", "queue", "table", "file", "web", "dfs"].map((service) => [
        service,
        `https://${name}.${service}.core.windows.net/`,
      ]),
    ),
  }),
  "microsoft.cache/redis": (name) => ({
    hostName: `${name}.redis.cache.windows.net`,
    port: 6379,
    sslPort: 6380,
  }),
  "microsoft.sql/servers": (name) => ({
    fullyQualifiedDomainName: `${name}.database.windows.net`,
  }),
  "microsoft.documentdb/databaseaccounts": (name) => ({
    documentEndpoint: `https://${name}.documents.azure.com:443/`,
  }),
  "microsoft.insights/components": (_, { key }) => ({
    InstrumentationKey: guid(key),
    ConnectionString: `InstrumentationKey=${guid(key)}`,
    AppId: guid(`${key} app`),
  }),
  "microsoft.cdn/profiles/endpoints": (name) => ({ hostName: `${name}.azureedge.net` }),
  "microsoft.keyvault/vaults": (name) => ({ vaultUri: `https://${name}.vault.azure.net/` }),
  "microsoft.servicebus/namespaces": (name) => ({
    serviceBusEndpoint: `https://${name}.servicebus.windows.net:443/`,
  }),
  "microsoft.containerregistry/registries": (name) => ({ loginServer: `${name}.azurecr.io` }),
};

function digest(...parts: readonly string[]): string {
  return guidOf(parts).replaceAll("-", "");
}

function guid(seed: string): string {
  return guidOf([seed]);
}
