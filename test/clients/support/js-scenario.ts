/**
 * The JavaScript SDKs as their users write them, for js-frame.test.ts: a process of its own, because
 * Node reads NODE_EXTRA_CA_CERTS when it starts. Prints what it saw as JSON.
 *
 * Everything it needs stands in the variables that `ase az --print-env` prints.
 */
import { ResourceManagementClient } from "@azure/arm-resources";
import { ClientSecretCredential, EnvironmentCredential } from "@azure/identity";

const variable = (name: string): string => process.env[name] ?? "";
const endpoint = variable("AZURE_AUTHORITY_HOST");
const scope = `${endpoint}//.default`;

const byVariables = new EnvironmentCredential();
const byTenant = new ClientSecretCredential(
  variable("ARM_TENANT_ID"),
  variable("AZURE_CLIENT_ID"),
  variable("AZURE_CLIENT_SECRET"),
  { authorityHost: endpoint, disableInstanceDiscovery: true },
);
const client = new ResourceManagementClient(byVariables, variable("AZURE_SUBSCRIPTION_ID"), {
  endpoint,
  credentialScopes: scope,
});

const names = async (pages: AsyncIterable<{ readonly name?: string }>) => {
  const all: string[] = [];
  for await (const { name } of pages) all.push(name ?? "");
  return all;
};

const location = variable("LOCATION");
const tokenByTenant = await byTenant.getToken(scope);
await client.resourceGroups.createOrUpdate("js1", { location, tags: { by: "js" } });
await client.resourceGroups.createOrUpdate("js2", { location });
const byId = `/subscriptions/${variable("AZURE_SUBSCRIPTION_ID")}/resourceGroups/js1/providers/Microsoft.Network/routeTables/t`;
const made = await client.resources.beginCreateOrUpdateByIdAndWait(byId, "2022-01-01", {
  location,
});
const tagged = await client.tagsOperations.beginCreateOrUpdateAtScopeAndWait(byId, {
  properties: { tags: { a: "1" } },
});
const exists = await client.resources.checkExistenceById(byId, "2022-01-01");
const groups = await names(client.resourceGroups.list());
const onePerPage = await names(client.resourceGroups.list({ top: 1 }));
const filtered = await names(client.resourceGroups.list({ filter: "tagName eq 'by'" }));
const provider = await client.providers.get("Microsoft.Web");
type Refusal = { readonly code?: string; readonly statusCode?: number };
const refusal = await client.resourceGroups.get("none").then(
  (): Refusal => ({ statusCode: 200 }),
  (thrown: Refusal) => thrown,
);
await client.resources.beginDeleteByIdAndWait(byId, "2022-01-01");
await client.resourceGroups.beginDeleteAndWait("js1");
await client.resourceGroups.beginDeleteAndWait("js2");

process.stdout.write(
  JSON.stringify({
    token: tokenByTenant.token.slice(0, 2),
    made: made.name,
    tags: tagged.properties.tags,
    exists: exists.body,
    groups,
    onePerPage,
    filtered,
    provider: provider.registrationState,
    refusal: [refusal.code, refusal.statusCode],
    left: await names(client.resourceGroups.list()),
  }),
);
