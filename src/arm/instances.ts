/**
 * The resources of a template, one by one: loops unrolled, children beside their parents,
 * conditions decided, names and ids known.
 *
 * Properties stay as written. What depends on what is in order.ts.
 */
import { ProblemError } from "../base/problem.ts";
import { evaluateValue, loopCount, type Scope } from "./evaluate.ts";
import type { Place } from "./functions/place.ts";
import { keyOf } from "./ids.ts";
import {
  isJsonArray,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  property,
  plainText,
} from "./json.ts";

export type Instance = {
  readonly id: string;
  readonly key: string;
  readonly type: string;
  readonly name: string;
  readonly apiVersion: string;
  readonly path: string;
  /** As written, loops of properties included. */
  readonly body: JsonObject;
  /** Where its expressions are evaluated, loops of the resource included. */
  readonly scope: Scope;
  /** Where the resource, or the nested deployment, goes. */
  readonly place: Place;
  /** Name of the loop it came from. */
  readonly loop?: string;
  /** Loops with mode serial: at most this many of one loop at a time. */
  readonly batchSize?: number;
  /** Key of `resources` in a template of language version 2. */
  readonly symbol?: string;
  readonly existing: boolean;
  /** False: its condition is not met; it is not created, and dependencies on it are void. */
  readonly wanted: boolean;
  /** Key of the resource it is written inside of. */
  readonly writtenIn?: string;
};

type Parent = {
  readonly type: string;
  readonly name: string;
  readonly key: string;
  readonly wanted: boolean;
};

export function listInstances(
  resources: JsonValue,
  scope: Scope,
  place: Place,
): readonly Instance[] {
  const all = list(resources, { scope, place, path: "resources", parent: undefined });
  const seen = new Map<string, Instance>();
  for (const instance of all) {
    if (!instance.wanted || instance.existing) continue;
    const twin = seen.get(instance.key);
    if (twin !== undefined)
      invalid(
        instance.path,
        `${instance.type} "${instance.name}" is declared twice, at ${twin.path} and ${instance.path}`,
        "Give one of them another name, or remove it.",
      );
    seen.set(instance.key, instance);
  }
  return all;
}

type Around = {
  readonly scope: Scope;
  readonly place: Place;
  readonly path: string;
  readonly parent: Parent | undefined;
};

function list(resources: JsonValue | undefined, around: Around): readonly Instance[] {
  if (isJsonArray(resources))
    return resources.flatMap((body, index) =>
      unroll(body, undefined, { ...around, path: `${around.path}[${index}]` }),
    );
  if (!isJsonObject(resources)) return [];
  return Object.entries(resources).flatMap(([symbol, body]) =>
    unroll(body, symbol, { ...around, path: `${around.path}.${symbol}` }),
  );
}

function unroll(body: JsonValue, symbol: string | undefined, around: Around): readonly Instance[] {
  if (!isJsonObject(body))
    return invalid(around.path, `${around.path} is not an object`, "Write a resource there.");
  const copy = property(body, "copy");
  if (!isJsonObject(copy)) return instantiate(body, symbol, undefined, around);
  const name = plainText(property(copy, "name") ?? symbol);
  const count = loopCount(
    property(copy, "count") ?? null,
    around.scope,
    `${around.path}.copy.count`,
  );
  const serial = plainText(property(copy, "mode")).toLowerCase() === "serial";
  const batch = property(copy, "batchSize");
  const batchSize = typeof batch === "number" && 1 <= batch ? batch : 1;
  return Array.from({ length: count }, (_, index) =>
    instantiate(
      body,
      symbol,
      { name, ...(serial ? { batchSize } : {}) },
      {
        ...around,
        scope: { ...around.scope, loops: [...around.scope.loops, { name, index }] },
      },
    ),
  ).flat();
}

function instantiate(
  body: JsonObject,
  symbol: string | undefined,
  loop: { readonly name: string; readonly batchSize?: number } | undefined,
  around: Around,
): readonly Instance[] {
  const { scope, path, parent } = around;
  const text = (name: string): string => {
    const value = evaluateValue(property(body, name) ?? null, scope, `${path}.${name}`);
    if (typeof value === "string" && value !== "") return value;
    return invalid(
      `${path}.${name}`,
      `The resource at ${path} has no ${name}`,
      `Give it a ${name}.`,
    );
  };
  const condition = property(body, "condition");
  const met =
    condition === undefined || isTrue(evaluateValue(condition, scope, `${path}.condition`));
  const wanted = met && (parent?.wanted ?? true);
  const shortType = text("type");
  const shortName = text("name");
  // A child may spell its full type and name.
  const nested =
    parent !== undefined && !shortType.toLowerCase().startsWith(`${parent.type.toLowerCase()}/`);
  const type = nested ? `${parent.type}/${shortType}` : shortType;
  const name =
    nested || (parent !== undefined && !shortName.includes("/"))
      ? `${parent?.name}/${shortName}`
      : shortName;
  const place = placeOf(body, around);
  const onto = property(body, "scope");
  const base =
    onto === undefined ? undefined : plainText(evaluateValue(onto, scope, `${path}.scope`));
  const id = idOf(type, name, place, base, path);
  const instance: Instance = {
    id,
    key: keyOf(id),
    type,
    name,
    apiVersion: property(body, "apiVersion") === undefined ? "" : text("apiVersion"),
    path,
    body,
    scope,
    place,
    ...(loop === undefined
      ? {}
      : { loop: loop.name, ...(loop.batchSize ? { batchSize: loop.batchSize } : {}) }),
    ...(symbol === undefined ? {} : { symbol }),
    existing: property(body, "existing") === true,
    wanted,
    ...(parent === undefined ? {} : { writtenIn: parent.key }),
  };
  const children = list(property(body, "resources"), {
    ...around,
    path: `${path}.resources`,
    parent: { type, name, key: instance.key, wanted },
  });
  return [instance, ...children];
}

function isTrue(value: JsonValue): boolean {
  return value === true || (typeof value === "string" && value.toLowerCase() === "true");
}

/** A nested deployment may go to another group or subscription. */
function placeOf(body: JsonObject, { scope, place, path }: Around): Place {
  const read = (name: string): string | undefined => {
    const value = property(body, name);
    const text = value === undefined ? "" : evaluateValue(value, scope, `${path}.${name}`);
    return typeof text === "string" && text !== "" ? text : undefined;
  };
  const group = read("resourceGroup");
  const subscription = read("subscriptionId");
  const location = place.resourceGroup?.location ?? place.deployment.location ?? "";
  const other = subscription !== undefined && subscription !== place.subscription.id;
  const unmoved = other ? undefined : place.resourceGroup;
  const target = group === undefined ? unmoved : groupNamed(group, location, place);
  const { resourceGroup: _, ...rest } = place;
  return {
    ...rest,
    ...(subscription === undefined
      ? {}
      : { subscription: { ...place.subscription, id: subscription } }),
    ...(target === undefined ? {} : { resourceGroup: target }),
  };
}

function groupNamed(name: string, location: string, place: Place): Place["resourceGroup"] {
  if (name.toLowerCase() === place.resourceGroup?.name.toLowerCase()) return place.resourceGroup;
  return { name, location, tags: {} };
}

function idOf(
  type: string,
  name: string,
  place: Place,
  onto: string | undefined,
  path: string,
): string {
  const [namespace = "", ...types] = type.split("/").filter((part) => part !== "");
  const names = name.split("/").filter((part) => part !== "");
  if (types.length === 0 || types.length !== names.length)
    return invalid(
      `${path}.name`,
      `The resource type "${type}" has ${types.length} parts and the name "${name}" has ${names.length}`,
      "Name a child as parent/child, one name for each part of the type after the namespace.",
    );
  const subscription = `/subscriptions/${place.subscription.id}`;
  if (type.toLowerCase() === "microsoft.resources/resourcegroups")
    return `${subscription}/resourceGroups/${names[0]}`;
  const group =
    place.resourceGroup === undefined ? "" : `/resourceGroups/${place.resourceGroup.name}`;
  const base = onto?.startsWith("/") ? onto.replace(/\/+$/, "") : subscription + group;
  const tail = types.map((part, index) => `${part}/${names[index]}`).join("/");
  return `${base}/providers/${namespace}/${tail}`;
}

function invalid(where: string, what: string, fix: string): never {
  throw new ProblemError({ code: "InvalidTemplate", what, fix, where });
}
