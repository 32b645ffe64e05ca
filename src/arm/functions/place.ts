/**
 * Template functions about where a deployment happens: ids, group, subscription, time.
 *
 * Time and chance are inputs of a deployment; nothing here looks at a clock.
 */
import { guidOf } from "../deterministic.ts";
import type { JsonObject, JsonValue } from "../json.ts";
import { isJsonArray } from "../json.ts";
import { isEmpty, refuse, textOf } from "./arguments.ts";
import { formatTime } from "./dates.ts";

export type Place = {
  readonly subscription: {
    readonly id: string;
    readonly tenantId: string;
    readonly displayName: string;
  };
  /** Absent: a deployment to the subscription. */
  readonly resourceGroup?: {
    readonly name: string;
    readonly location: string;
    readonly tags: Readonly<Record<string, string>>;
  };
  readonly deployment: {
    readonly name: string;
    readonly location?: string;
    readonly properties: JsonObject;
  };
  /** What environment() answers. */
  readonly environment: JsonObject;
  /** Start of the deployment, ISO 8601. */
  readonly now: string;
  /** What newGuid() is made of; another one for each deployment. */
  readonly guidSeed: string;
};

export type PlaceFunction = (values: readonly JsonValue[], place: Place) => JsonValue;

export const PLACE_FUNCTIONS: Readonly<Record<string, PlaceFunction>> = {
  resourceid: (values, place) => resourceId(values.map(textOf), place),
  subscriptionresourceid: (values, place) => {
    const { head, type, names } = split(values.map(textOf));
    const subscription = head[0] ?? place.subscription.id;
    return `/subscriptions/${subscription}${providers(type, names)}`;
  },
  tenantresourceid: (values) => {
    const { type, names } = split(values.map(textOf));
    return providers(type, names);
  },
  managementgroupresourceid: (values) => {
    const { head, type, names } = split(values.map(textOf));
    return `/providers/Microsoft.Management/managementGroups/${head[0] ?? ""}${providers(type, names)}`;
  },
  extensionresourceid: (values) => {
    const [base = "", ...rest] = values.map(textOf);
    const { type, names } = split(rest);
    return `${base.replace(/\/+$/, "")}${providers(type, names)}`;
  },
  resourcegroup: (_, place) => {
    const group = place.resourceGroup;
    if (group === undefined) return refuse("this deployment has no resource group");
    return {
      id: `/subscriptions/${place.subscription.id}/resourceGroups/${group.name}`,
      name: group.name,
      type: "Microsoft.Resources/resourceGroups",
      location: group.location,
      tags: group.tags,
      properties: { provisioningState: "Succeeded" },
    };
  },
  subscription: (_, { subscription }) => ({
    id: `/subscriptions/${subscription.id}`,
    subscriptionId: subscription.id,
    tenantId: subscription.tenantId,
    displayName: subscription.displayName,
  }),
  tenant: (_, { subscription }) => ({
    tenantId: subscription.tenantId,
    countryCode: "",
    displayName: "",
  }),
  deployment: (_, { deployment }) => ({ ...deployment }),
  environment: (_, { environment }) => environment,
  utcnow: ([format], { now }) =>
    formatTime(now, isEmpty(format) ? "yyyyMMddTHHmmssZ" : textOf(format)),
  newguid: (_, { guidSeed }) => guidOf(["newGuid", guidSeed]),
  // Nothing here stands in zones: numbers of zones are the same for everybody.
  pickzones: () => [],
  tologicalzone: ([, , zone]) => textOf(zone),
  tophysicalzone: ([, , zone]) => textOf(zone),
  tologicalzones: ([, , zones]) => (isJsonArray(zones) ? zones : []),
  tophysicalzones: ([, , zones]) => (isJsonArray(zones) ? zones : []),
  managementgroup: (_, { subscription }) => ({
    id: `/providers/Microsoft.Management/managementGroups/${subscription.tenantId}`,
    name: subscription.tenantId,
    type: "Microsoft.Management/managementGroups",
    properties: { tenantId: subscription.tenantId, displayName: "Tenant Root Group" },
  }),
  deployer: (_, { subscription }) => ({
    objectId: guidOf(["deployer", subscription.tenantId]),
    tenantId: subscription.tenantId,
    userPrincipalName: "",
  }),
  // Deprecated by Azure, and found in old templates that look for an api-version.
  providers: ([namespace, type]) => {
    const entry = (resourceType: string) => ({
      resourceType,
      locations: [],
      apiVersions: ["2022-09-01"],
    });
    if (type === undefined) return { namespace: textOf(namespace), resourceTypes: [] };
    return entry(textOf(type));
  },
};

/** `[subscription], [group], type, names...`: what stands before the type is told by the slash. */
function resourceId(values: readonly string[], place: Place): string {
  const { head, type, names } = split(values);
  const subscription = head.length === 2 ? head[0] : place.subscription.id;
  const group = head.at(-1) ?? place.resourceGroup?.name;
  const inGroup = group === undefined ? "" : `/resourceGroups/${group}`;
  return `/subscriptions/${subscription}${inGroup}${providers(type, names)}`;
}

function split(values: readonly string[]): {
  readonly head: readonly string[];
  readonly type: string;
  readonly names: readonly string[];
} {
  const at = values.findIndex((value) => value.includes("/"));
  const type = values[at];
  if (type === undefined) return refuse("no resource type like Microsoft.Web/sites is given");
  if (2 < at) return refuse("before the type only a subscription and a resource group may stand");
  const names = values
    .slice(at + 1)
    .flatMap((name) => name.split("/").filter((part) => part !== ""));
  return { head: values.slice(0, at), type: type.replace(/\/+$/, ""), names };
}

function providers(type: string, names: readonly string[]): string {
  const [namespace = "", ...types] = type.split("/").filter((part) => part !== "");
  if (types.length !== names.length)
    return refuse(
      `type "${type}" has ${types.length} parts and ${names.length} names are given (${names.join(", ")})`,
      "Give one name for each part of the type after the namespace.",
    );
  return `/providers/${namespace}/${types.map((part, index) => `${part}/${names[index]}`).join("/")}`;
}
