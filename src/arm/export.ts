/**
 * Resources as GET shows them, as a template that deploys them again.
 *
 * What only the platform says is left out, references among the exported become resourceId(...),
 * and dependencies follow from them. No values become parameters.
 */
import { keyOf, parseResourceId } from "./ids.ts";
import {
  isJsonArray,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  withoutProperties,
} from "./json.ts";

export type Exported = {
  readonly view: JsonObject;
  readonly type: string;
  readonly apiVersion: string;
};

/** Said by the platform, and refused or ignored in a PUT. */
const COMPUTED = [
  "provisioningState",
  "resourceGuid",
  "etag",
  "status",
  "state",
  "environmentStatus",
  "defaultSecurityRules",
  "ipConfigurations",
  "resourceNavigationLinks",
  "serviceAssociationLinks",
  "defaultHostName",
  "enabledHostNames",
  "hostNameSslStates",
  "outboundIpAddresses",
  "possibleOutboundIpAddresses",
  "repositorySiteName",
  "usageState",
  "lastModifiedTimeUtc",
  "availabilityState",
  "numberOfSites",
  "maximumNumberOfWorkers",
  "upgradeAvailability",
  "hasLinuxWorkers",
];
/** Who refers to a resource, as it tells itself. */
const USERS: Readonly<Record<string, readonly string[]>> = {
  "Microsoft.Network/networkSecurityGroups": ["subnets", "networkInterfaces"],
  "Microsoft.Network/routeTables": ["subnets"],
};
const KEPT = ["location", "tags", "kind", "sku", "zones"];

export function exportedTemplate(resources: readonly Exported[]): JsonObject {
  const known = new Set(resources.map(({ view }) => keyOf(textOf(view["id"]))));
  return {
    $schema: "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
    contentVersion: "1.0.0.0",
    parameters: {},
    variables: {},
    resources: resources.map((one) => exportedResource(one, known)),
  };
}

function exportedResource(
  { apiVersion, type, view }: Exported,
  known: ReadonlySet<string>,
): JsonObject {
  const own = keyOf(textOf(view["id"]));
  const needs = new Set<string>();
  const shown = (view["properties"] ?? {}) as JsonObject;
  const declared = withoutProperties(shown, USERS[type] ?? []);
  const properties = cleaned(declared, { own, known, needs });
  const kept = Object.entries(view).filter(([name]) => KEPT.includes(name));
  return {
    type,
    apiVersion,
    name: textOf(view["name"]),
    ...Object.fromEntries(kept),
    dependsOn: [...needs].toSorted(),
    properties,
  };
}

type Surroundings = {
  readonly own: string;
  readonly known: ReadonlySet<string>;
  /** Filled with what the resource refers to. */
  readonly needs: Set<string>;
};

function cleaned(value: JsonValue, around: Surroundings): JsonValue {
  if (typeof value === "string") return referenceIn(value, around);
  if (isJsonArray(value)) return value.map((item) => cleaned(item, around));
  if (!isJsonObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([name, item]) => !COMPUTED.includes(name) && !isOwnId(name, item, around))
      .map(([name, item]) => [name, cleaned(item, around)]),
  );
}

/** Parts carry ids of their own, which follow from their names. */
function isOwnId(name: string, item: JsonValue, { own }: Surroundings): boolean {
  return name === "id" && typeof item === "string" && keyOf(item).startsWith(`${own}/`);
}

function referenceIn(text: string, { known, needs, own }: Surroundings): string {
  // A text that begins like an expression is escaped, as templates do it.
  if (!text.startsWith("/subscriptions/")) return text.startsWith("[") ? `[${text}` : text;
  const id = parseResourceId(text);
  if (!id.ok) return text;
  const { names, namespace, types } = id.value;
  const top = keyOf({ ...id.value, types: types.slice(0, 1), names: names.slice(0, 1) });
  if (!known.has(top) || top === own) return text;
  needs.add(expression(namespace, types.slice(0, 1), names.slice(0, 1)));
  return expression(namespace, types, names);
}

function expression(namespace: string, types: readonly string[], names: readonly string[]): string {
  const words = [[namespace, ...types].join("/"), ...names];
  return `[resourceId(${words.map((word) => `'${word.replaceAll("'", "''")}'`).join(", ")})]`;
}

function textOf(value: JsonValue | undefined): string {
  return typeof value === "string" ? value : "";
}
