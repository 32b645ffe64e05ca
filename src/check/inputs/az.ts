/**
 * What `az ... show` and `az ... list` print, and what the API itself answers, to written
 * resources. az lifts the properties of many types to the top; here they go back to their place.
 */
import {
  isJsonArray,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  plainText,
  property,
  propertyAt,
  withoutProperties,
} from "../../arm/json.ts";
import type { Places } from "../../arm/places.ts";
import type { Problem } from "../../base/problem.ts";
import { type FileReading, typeOfId, type Written } from "./written.ts";

/** What stands beside `properties` in every resource; everything else was lifted out of it. */
const ENVELOPE = new Set(
  [
    "id",
    "name",
    "type",
    "location",
    "tags",
    "kind",
    "sku",
    "etag",
    "zones",
    "identity",
    "extendedLocation",
    "managedBy",
    "plan",
    "systemData",
    "resourceGroup",
    "properties",
  ].map((word) => word.toLowerCase()),
);

/** Lists whose items are resources with properties of their own. */
const NESTED = new Set(
  [
    "subnets",
    "securityRules",
    "routes",
    "ipConfigurations",
    "virtualNetworkPeerings",
    "frontendIPConfigurations",
  ].map((word) => word.toLowerCase()),
);

export function readResources(
  items: readonly JsonObject[],
  format: "az" | "server",
  places: Places,
): FileReading {
  const notes: Problem[] = [];
  const warnings: Problem[] = [];
  const written = items.flatMap((item): readonly Written[] => {
    const id = plainText(property(item, "id"));
    const body = raised(item, places);
    const type = typeOfId(id);
    const passed = passedOver(id, type, body);
    if (passed !== undefined) {
      (passed.code === "PassedOver" ? notes : warnings).push(passed);
      return [];
    }
    const place = places.of(item);
    return [{ id, body, format, isPut: false, ...(place === undefined ? {} : { place }) }];
  });
  return { written, notes, warnings };
}

/** Flattened or not, to the shape of the API. */
function raised(item: JsonObject, places: Places): JsonObject {
  const inner = property(item, "properties");
  const lifted = Object.entries(item).filter(
    ([name, value]) => value !== null && !ENVELOPE.has(name.toLowerCase()),
  );
  const own = isJsonObject(inner) ? inner : {};
  const properties = Object.fromEntries(
    [...lifted, ...Object.entries(own)].map(([name, value]): [string, JsonValue] => [
      name,
      NESTED.has(name.toLowerCase()) && isJsonArray(value)
        ? value.map((one) => (isJsonObject(one) ? raised(one, places) : one))
        : value,
    ]),
  );
  const body: JsonObject = {
    ...withoutProperties(item, ["properties", "resourceGroup", ...lifted.map(([name]) => name)]),
    properties,
  };
  places.follow(body, item);
  return body;
}

/** Resources that say nothing of the network, or too little. */
function passedOver(id: string, type: string, body: JsonObject): Problem | undefined {
  const name = id.split("/").at(-1) ?? id;
  if (type === "microsoft.web/serverfarms" && !has(body, "hostingEnvironmentProfile", "id"))
    return {
      code: "PassedOver",
      what: `the plan "${name}" stands in no App Service Environment`,
      fix: "Nothing needs to be done.",
      where: id,
    };
  if (NEED[type] !== undefined && !NEED[type].some((path) => has(body, ...path.split("."))))
    return {
      code: "TooLittleKnown",
      what: `${name} is named without its properties (\`az resource list\` prints none)`,
      fix: `Give the output of \`${SHOW[type] ?? "az resource show"}\`.`,
      where: id,
    };
  return undefined;
}

/** Without one of these a resource of the type cannot be read. */
const NEED: Readonly<Record<string, readonly string[]>> = {
  "microsoft.network/virtualnetworks": ["addressSpace"],
  "microsoft.network/virtualnetworks/subnets": ["addressPrefix", "addressPrefixes"],
  "microsoft.network/networksecuritygroups": ["securityRules", "defaultSecurityRules"],
  "microsoft.network/networksecuritygroups/securityrules": ["priority"],
  "microsoft.network/routetables": ["routes", "disableBgpRoutePropagation"],
  "microsoft.network/routetables/routes": ["addressPrefix"],
  "microsoft.network/networkinterfaces": ["ipConfigurations"],
  "microsoft.web/hostingenvironments": ["virtualNetwork"],
  "microsoft.web/sites": ["serverFarmId", "appServicePlanId"],
};

const SHOW: Readonly<Record<string, string>> = {
  "microsoft.network/virtualnetworks": "az network vnet list",
  "microsoft.network/virtualnetworks/subnets": "az network vnet list",
  "microsoft.network/networksecuritygroups": "az network nsg list",
  "microsoft.network/networksecuritygroups/securityrules": "az network nsg list",
  "microsoft.network/routetables": "az network route-table list",
  "microsoft.network/routetables/routes": "az network route-table list",
  "microsoft.network/networkinterfaces": "az network nic list",
  "microsoft.web/hostingenvironments": "az appservice ase list",
  "microsoft.web/sites": "az webapp list",
};

function has(body: JsonObject, ...path: readonly string[]): boolean {
  const value = propertyAt(body, "properties", ...path);
  return value !== undefined && value !== null;
}

/**
 * The effective rules of an interface, as `az network nic list-effective-nsg` prints them: each
 * association becomes the group it names. Default rules are every group's own.
 */
export function readEffectiveRules(
  items: readonly JsonObject[],
  places: Places,
): readonly JsonObject[] {
  return items.flatMap((item) => {
    const id = propertyAt(item, "networkSecurityGroup", "id");
    const rules = property(item, "effectiveSecurityRules");
    if (typeof id !== "string" || !isJsonArray(rules)) return [];
    const own = rules.filter(
      (rule) => !/^defaultSecurityRules\//i.test(plainText(property(rule, "name"))),
    );
    const group: JsonObject = {
      id,
      properties: { securityRules: own.map((rule) => effectiveRule(rule, places)) },
    };
    places.follow(group, item);
    return [group];
  });
}

function effectiveRule(rule: JsonValue, places: Places): JsonValue {
  if (!isJsonObject(rule)) return rule;
  const protocol = plainText(property(rule, "protocol") ?? "*");
  const made: JsonObject = {
    name: plainText(property(rule, "name")).replace(/^securityRules\//i, ""),
    properties: {
      ...withoutProperties(rule, [
        "name",
        "protocol",
        "expandedSourceAddressPrefix",
        "expandedDestinationAddressPrefix",
      ]),
      protocol: /^all$/i.test(protocol) ? "*" : protocol,
    },
  };
  places.follow(made, rule);
  return made;
}
