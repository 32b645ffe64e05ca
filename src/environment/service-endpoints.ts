/**
 * Services that a subnet may reach by an endpoint of its own, and the tag that says where each is.
 *
 * @article Service Endpoints
 */

/** Published spelling of the service -> service tag. */
const SERVICE_TAGS: Readonly<Record<string, string>> = {
  "Microsoft.Sql": "Sql",
  "Microsoft.Storage": "Storage",
  "Microsoft.EventHub": "EventHub",
  "Microsoft.ServiceBus": "ServiceBus",
  "Microsoft.KeyVault": "AzureKeyVault",
  "Microsoft.AzureCosmosDB": "AzureCosmosDB",
  "Microsoft.ContainerRegistry": "AzureContainerRegistry",
  "Microsoft.AzureActiveDirectory": "AzureActiveDirectory",
  "Microsoft.Web": "AppService",
};

/** In published spelling; undefined: no such service is known here. */
export function serviceTagOf(
  service: string,
): { readonly service: string; readonly tag: string } | undefined {
  const found = Object.entries(SERVICE_TAGS).find(
    ([name]) => name.toLowerCase() === service.toLowerCase(),
  );
  return found && { service: found[0], tag: found[1] };
}
