/**
 * What the declared resources refer to and no file holds: said with who asks, and how to get it.
 */
import { parseResourceId, typeOf } from "../../arm/ids.ts";
import type { Reference, Resource } from "../../arm/resources.ts";
import { formatPlace } from "../../arm/places.ts";
import type { Problem } from "../../base/problem.ts";
import type { Origin } from "./inputs.ts";

export function missingOf(
  resources: readonly Resource[],
  origins: ReadonlyMap<string, Origin>,
): readonly Problem[] {
  const keys = new Set(resources.map(({ key }) => key));
  const seen = new Set<string>();
  return resources.flatMap((resource) =>
    referencesOf(resource).flatMap(([reference, role]): readonly Problem[] => {
      if (reference === undefined || keys.has(reference.key) || seen.has(reference.key)) return [];
      seen.add(reference.key);
      const origin = origins.get(resource.key);
      const { what, command } = describe(reference.id);
      return [
        {
          code: "MissingResource",
          what: `${resource.name} ${role} ${what}, and no file holds it`,
          fix: `Give it as another FILE: ${command}, or the template that declares it.`,
          where: origin === undefined ? resource.id : `${formatPlace(origin)} (${resource.id})`,
        },
      ];
    }),
  );
}

function referencesOf(resource: Resource): readonly (readonly [Reference | undefined, string])[] {
  switch (resource.type) {
    case "Microsoft.Web/hostingEnvironments":
      return [[resource.subnet, "stands in"]];
    case "Microsoft.Web/serverfarms":
      return [[resource.environment, "is a plan of"]];
    case "Microsoft.Network/virtualNetworks/subnets":
      return [
        [resource.network, "is a subnet of"],
        [resource.networkSecurityGroup, "is guarded by"],
        [resource.routeTable, "is routed by"],
      ];
    case "Microsoft.Network/networkSecurityGroups/securityRules":
      return [[resource.group, "is a rule of"]];
    case "Microsoft.Network/routeTables/routes":
      return [[resource.table, "is a route of"]];
    case "Microsoft.Network/networkInterfaces":
      return [
        [resource.networkSecurityGroup, "is guarded by"],
        ...resource.configurations.map(({ subnet }) => [subnet, "stands in"] as const),
      ];
    default:
      return [];
  }
}

const NOUNS: Readonly<Record<string, readonly [string, string]>> = {
  "microsoft.network/virtualnetworks": ["the virtual network", "network vnet show"],
  "microsoft.network/virtualnetworks/subnets": ["the subnet", "network vnet show"],
  "microsoft.network/networksecuritygroups": ["the network security group", "network nsg show"],
  "microsoft.network/routetables": ["the route table", "network route-table show"],
  "microsoft.web/hostingenvironments": ["the environment", "appservice ase show"],
};

function describe(id: string): { readonly what: string; readonly command: string } {
  const parsed = parseResourceId(id);
  if (!parsed.ok) return { what: id, command: `\`az resource show --ids ${id}\`` };
  const { names, resourceGroup = "" } = parsed.value;
  const [noun, words] = NOUNS[typeOf(parsed.value).toLowerCase()] ?? ["", ""];
  if (noun === undefined || noun === "")
    return { what: id, command: `\`az resource show --ids ${id}\`` };
  const [first = ""] = names;
  return {
    what: `${noun} "${names.join("/")}" of group "${resourceGroup}"`,
    command: `\`az ${words} -g ${resourceGroup} -n ${first} -o json > ${first}.json\``,
  };
}
