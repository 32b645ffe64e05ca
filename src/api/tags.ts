/**
 * Tags over HTTP: `{scope}/providers/Microsoft.Resources/tags/default` at the subscription, groups
 * and resources, and the tag names of the subscription.
 */
import { type Context, Hono, type Next } from "hono";

import { isJsonObject, type JsonObject, property, propertyAt } from "../arm/json.ts";
import { declined, found, type Result } from "../base/problem.ts";
import type { ControlPlane } from "../control/control-plane.ts";
import type { Tagged } from "../control/tags.ts";
import { keyOfScope } from "../identity/identity.ts";
import { answer, page, refuse, sent } from "./answer.ts";
import { bodyOf, decodedSegments } from "./request.ts";

export function tagRoutes(plane: ControlPlane): Hono {
  const routes = new Hono();
  routes.use("*", async (context: Context, next: Next) => {
    const scope = scopeOf(context);
    return scope === undefined ? next() : scopeTags(context, plane, scope);
  });
  const names = "/subscriptions/:sub/tagnames";
  routes.get(names, (context) => page(context, listNames(plane)));
  // Names as they were written, not as routes see them.
  const written = (context: Context) => {
    const segments = decodedSegments(context);
    return segments.ok
      ? ([segments.value[3] ?? "", segments.value[5]] as const)
      : (["", undefined] as const);
  };
  for (const path of [`${names}/:name`, `${names}/:name/tagvalues/:value`]) {
    routes.put(path, (context) => {
      const [name, value] = written(context);
      return answer(context, plane.tags.announce(name, value), () =>
        sent(
          context,
          value === undefined ? shownName(plane, name) : shownValue(plane, name, value),
          201,
        ),
      );
    });
    routes.delete(path, (context) => {
      const [name, value] = written(context);
      return answer(context, plane.tags.withdraw(name, value), (was) =>
        context.body(null, was ? 200 : 204),
      );
    });
  }
  return routes;
}

const TAGS = /^(.*)\/providers\/microsoft\.resources\/tags\/default$/;

/** The scope as it was written; undefined: the path is about something else. */
function scopeOf(context: Context): string | undefined {
  if (!TAGS.test(context.req.path)) return undefined;
  const segments = decodedSegments(context);
  return segments.ok ? `/${segments.value.slice(0, -4).join("/")}` : undefined;
}

async function scopeTags(context: Context, plane: ControlPlane, scope: string): Promise<Response> {
  const key = keyOfScope(scope);
  const show = (tags: Tagged) =>
    sent(context, {
      id: `${scope}/providers/Microsoft.Resources/tags/default`,
      name: "default",
      type: "Microsoft.Resources/tags",
      properties: { tags },
    });
  switch (context.req.method) {
    case "GET":
    case "HEAD":
      return answer(context, plane.tags.of(key), show);
    case "DELETE":
      return answer(
        context,
        plane.tags.set(key, () => ({})),
        () => context.body(null, 200),
      );
    case "PUT":
    case "PATCH": {
      const body = await bodyOf(context);
      if (!body.ok) return refuse(context, body.problem);
      const change = readChange(context.req.method, body.value);
      if (!change.ok) return refuse(context, change.problem);
      return answer(context, plane.tags.set(key, change.value), show);
    }
    default:
      return refuse(context, {
        code: "MethodNotAllowed",
        what: `tags take no ${context.req.method}`,
        fix: "Use GET, PUT, PATCH or DELETE.",
      });
  }
}

function readChange(method: string, body: JsonObject): Result<(before: Tagged) => Tagged> {
  const given = propertyAt(body, "properties", "tags") ?? {};
  const isTexts =
    isJsonObject(given) && Object.values(given).every((value) => typeof value === "string");
  if (!isTexts)
    return declined({
      code: "InvalidTags",
      what: "properties.tags is no object of texts",
      fix: 'Send { "properties": { "tags": { "name": "value" } } }.',
    });
  const tags = given as Tagged;
  if (method === "PUT") return found(() => tags);
  const written = property(body, "operation");
  const operation = typeof written === "string" ? written.toLowerCase() : "merge";
  const isNamed = (name: string) =>
    Object.keys(tags).some((one) => one.toLowerCase() === name.toLowerCase());
  const without = (before: Tagged, isGone: (name: string, value: string) => boolean) =>
    Object.fromEntries(Object.entries(before).filter(([name, value]) => !isGone(name, value)));
  switch (operation) {
    case "replace":
      return found(() => tags);
    case "merge":
      return found((before) => ({ ...without(before, isNamed), ...tags }));
    case "delete":
      return found((before) =>
        without(before, (name, value) => isNamed(name) && tags[name] === value),
      );
    default:
      return declined({
        code: "InvalidTagOperation",
        what: `operation is "${operation}"`,
        fix: "Write Replace, Merge or Delete.",
      });
  }
}

/** How often each name and value is carried; announced ones too. */
function countTags(plane: ControlPlane): ReadonlyMap<string, ReadonlyMap<string, number>> {
  const counts = new Map<string, Map<string, number>>();
  const count = (name: string, value: string | undefined, by: number) => {
    const values = counts.get(name) ?? new Map<string, number>();
    counts.set(name, values);
    if (value !== undefined) values.set(value, (values.get(value) ?? 0) + by);
  };
  for (const [name, values] of Object.entries(plane.tags.names())) {
    count(name, undefined, 0);
    for (const value of values) count(name, value, 0);
  }
  for (const { resource } of plane.resources.list("")) {
    const tags = plane.tags.of(resource.key);
    if (tags.ok) for (const [name, value] of Object.entries(tags.value)) count(name, value, 1);
  }
  return counts;
}

function listNames(plane: ControlPlane): readonly JsonObject[] {
  return [...countTags(plane).keys()].toSorted().map((name) => shownName(plane, name));
}

function shownName(plane: ControlPlane, name: string): JsonObject {
  const values = countTags(plane).get(name) ?? new Map<string, number>();
  const total = [...values.values()].reduce((sum, one) => sum + one, 0);
  return {
    id: `/subscriptions/${plane.account.subscriptionId}/tagNames/${name}`,
    tagName: name,
    count: { type: "Total", value: total },
    values: [...values.keys()].map((value) => shownValue(plane, name, value)),
  };
}

function shownValue(plane: ControlPlane, name: string, value: string): JsonObject {
  const count = countTags(plane).get(name)?.get(value) ?? 0;
  return {
    id: `/subscriptions/${plane.account.subscriptionId}/tagNames/${name}/tagValues/${value}`,
    tagValue: value,
    count: { type: "Total", value: count },
  };
}
