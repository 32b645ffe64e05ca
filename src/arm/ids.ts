/**
 * Resource ids: read in any casing, written canonically, compared by a lower-case key.
 *
 * Whether a type exists or a name is allowed is decided in types/.
 */
import { declined, found, type Result } from "../base/problem.ts";

export type ResourceId = {
  /** Absent for tenant-level resources. */
  readonly subscription?: string;
  readonly resourceGroup?: string;
  /** `Microsoft.Network`; `Microsoft.Resources` for groups and subscriptions themselves. */
  readonly namespace: string;
  /** `["virtualNetworks", "subnets"]`. */
  readonly types: readonly string[];
  /** As many as types. */
  readonly names: readonly string[];
  /** Extension resources: the resource this one stands on. */
  readonly extends?: ResourceId;
};

/** Reads an id or the path of a request. Doubled and trailing slashes do not matter. */
export function parseResourceId(text: string): Result<ResourceId> {
  const segments = text.split("/").filter((segment) => segment !== "");
  const refuse = (why: string) =>
    declined({
      code: "InvalidResourceId",
      what: `"${text}" is not a resource id: ${why}`,
      fix: "Write /subscriptions/SUB/resourceGroups/GROUP/providers/NAMESPACE/TYPE/NAME.",
    });
  if (segments.length === 0 || !text.trim().startsWith("/")) return refuse("it begins without /");
  let rest = segments;
  let scope: { subscription?: string; resourceGroup?: string } = {};
  if (is(rest[0], "subscriptions")) {
    if (rest[1] === undefined) return refuse("the subscription has no name");
    scope = { subscription: rest[1] };
    rest = rest.slice(2);
    if (is(rest[0], "resourceGroups")) {
      if (rest[1] === undefined) return refuse("the resource group has no name");
      scope = { ...scope, resourceGroup: rest[1] };
      rest = rest.slice(2);
    }
  }
  let id: ResourceId | undefined = scopeResource(scope);
  while (rest.length > 0) {
    if (!is(rest[0], "providers")) return refuse(`"${rest[0]}" stands where providers should`);
    const [, namespace, ...path] = rest;
    const end = path.findIndex((segment, index) => index % 2 === 0 && is(segment, "providers"));
    const own = end === -1 ? path : path.slice(0, end);
    if (namespace === undefined || own.length === 0) return refuse("it names no type");
    if (own.length % 2 === 1) return refuse(`the last type, "${own.at(-1)}", has no name`);
    id = {
      ...scope,
      namespace,
      types: own.filter((_, index) => index % 2 === 0),
      names: own.filter((_, index) => index % 2 === 1),
      ...(isScope(id) ? {} : { extends: id }),
    };
    rest = end === -1 ? [] : path.slice(end);
  }
  return id === undefined ? refuse("it names nothing") : found(id);
}

/** The id as text, in canonical form and with the casing of its names as they are. */
export function formatResourceId(id: ResourceId): string {
  const scope = id.extends === undefined ? formatScope(id) : formatResourceId(id.extends);
  if (isScope(id)) return scope;
  const path = id.types.map((type, index) => `${type}/${id.names[index] ?? ""}`);
  return `${scope}/providers/${id.namespace}/${path.join("/")}`;
}

/** The key of an id in stores and look-ups: canonical and lower case. */
export function keyOf(id: string | ResourceId): string {
  if (typeof id !== "string") return formatResourceId(id).toLowerCase();
  if (id.startsWith("/") && !id.endsWith("/") && !id.includes("//")) return id.toLowerCase();
  const parts = id.split("/").filter((part) => part !== "");
  return `/${parts.join("/")}`.toLowerCase();
}

/** The id as text with the casing it has, slashes and scope words made canonical. */
export function canonicalId(text: string): Result<string> {
  const parsed = parseResourceId(text);
  return parsed.ok ? found(formatResourceId(parsed.value)) : parsed;
}

/** `Microsoft.Network/virtualNetworks/subnets`. */
export function typeOf(id: ResourceId): string {
  return [id.namespace, ...id.types].join("/");
}

/** The last name. */
export function nameOf(id: ResourceId): string {
  return id.names.at(-1) ?? "";
}

/** The resource that this one is a part of. */
export function parentOf(id: ResourceId): ResourceId | undefined {
  if (id.types.length <= 1 || isScope(id)) return id.extends;
  return { ...id, types: id.types.slice(0, -1), names: id.names.slice(0, -1) };
}

/** The id of a part of a resource. */
export function childOf(parent: ResourceId, type: string, name: string): ResourceId {
  return { ...parent, types: [...parent.types, type], names: [...parent.names, name] };
}

/** The resource group a resource stands in, as an id. */
export function groupOf(id: ResourceId): ResourceId | undefined {
  if (id.subscription === undefined || id.resourceGroup === undefined) return undefined;
  return scopeResource({ subscription: id.subscription, resourceGroup: id.resourceGroup });
}

function scopeResource(scope: {
  readonly subscription?: string;
  readonly resourceGroup?: string;
}): ResourceId | undefined {
  if (scope.subscription === undefined) return undefined;
  const inGroup = scope.resourceGroup !== undefined;
  return {
    ...scope,
    namespace: "Microsoft.Resources",
    types: [inGroup ? "resourceGroups" : "subscriptions"],
    names: [scope.resourceGroup ?? scope.subscription],
  };
}

/** Groups and subscriptions are named by their scope, without providers. */
function isScope(id: ResourceId | undefined): boolean {
  if (id === undefined) return true;
  return (
    is(id.namespace, "Microsoft.Resources") &&
    (is(id.types[0], "resourceGroups") || is(id.types[0], "subscriptions"))
  );
}

function formatScope(id: ResourceId): string {
  const subscription = id.subscription === undefined ? "" : `/subscriptions/${id.subscription}`;
  const group = id.resourceGroup === undefined ? "" : `/resourceGroups/${id.resourceGroup}`;
  return subscription + group;
}

function is(segment: string | undefined, word: string): boolean {
  return segment?.toLowerCase() === word.toLowerCase();
}
