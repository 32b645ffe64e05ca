/**
 * Ids of resources that stand in another file: the group a template is deployed to is not known
 * to the file that describes the network, so type and names tell which one is meant.
 *
 * Only where exactly one resource can be meant; each such reading is noted.
 */
import { keyOf, parseResourceId } from "../../arm/ids.ts";
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../../arm/json.ts";
import type { Places } from "../../arm/places.ts";
import type { Problem } from "../../base/problem.ts";
import { partsOf, tailOfId, type Written } from "./written.ts";

export type Matched = { readonly written: readonly Written[]; readonly notes: readonly Problem[] };

export function matchIds(all: readonly Written[], places: Places): Matched {
  const known = new Map<string, string>();
  const isMadeUp = new Set<string>();
  const byTail = new Map<string, Set<string>>();
  for (const one of all) {
    for (const id of [one.id, ...partsOf(one.id, one.body).map((part) => part.id)]) {
      const key = keyOf(id);
      known.set(key, id);
      if (one.isPut) isMadeUp.add(key);
      const tail = tailOfId(id);
      byTail.set(tail, (byTail.get(tail) ?? new Set<string>()).add(key));
    }
  }
  const notes = new Map<string, Problem>();
  const meant = (id: string, asker: Written): string => {
    const key = keyOf(id);
    if (known.has(key)) return id;
    const parsed = parseResourceId(id);
    if (!parsed.ok || parsed.value.subscription === undefined) return id;
    const candidates = [...(byTail.get(tailOfId(id)) ?? [])];
    const [only] = candidates;
    if (only === undefined || candidates.length !== 1) return parentMeant(id, asker);
    // Two descriptions of what exists in different groups speak of different things.
    if (!asker.isPut && !isMadeUp.has(only)) return id;
    const found = known.get(only) ?? id;
    notes.set(key, note(id, found));
    return found;
  };
  /** A part of a resource that is known under another group: `vnet1/new-subnet`. */
  const parentMeant = (id: string, asker: Written): string => {
    const end = /^(.*\/providers\/[^/]+\/[^/]+\/[^/]+(?:\/[^/]+\/[^/]+)*)(\/[^/]+\/[^/]+)$/.exec(
      id,
    );
    const [, parent, rest] = end ?? [];
    if (parent === undefined || rest === undefined) return id;
    const found = meant(parent, asker);
    return found === parent ? id : found + rest;
  };
  const written = all.map((one): Written => {
    // A child of a resource that another file describes belongs to that one.
    const id = one.isPut ? parentMeant(one.id, one) : one.id;
    return { ...one, id, body: rewritten(one.body, (text) => meant(text, one), places) };
  });
  return { written, notes: [...notes.values()] };
}

function note(id: string, found: string): Problem {
  return {
    code: "MatchedByName",
    what: `${id} is taken to be ${found}: type and name are the same, and there is no other`,
    fix: "Give --resource-group, or the files of the group that is meant, where this is wrong.",
    where: id,
  };
}

/** The same value where nothing changes: places know values by identity. */
function rewritten(body: JsonObject, meant: (id: string) => string, places: Places): JsonObject {
  const visit = (value: JsonValue): JsonValue => {
    if (typeof value === "string")
      return value.startsWith("/") && /^\/+subscriptions\/[^/]+\/.*\/providers\//i.test(value)
        ? meant(value)
        : value;
    if (typeof value !== "object" || value === null) return value;
    const made = isJsonArray(value) ? visitArray(value) : visitObject(value);
    if (made !== value) places.follow(made, value);
    return made;
  };
  const visitArray = (value: readonly JsonValue[]): readonly JsonValue[] => {
    const items = value.map(visit);
    return items.every((item, index) => item === value[index]) ? value : items;
  };
  const visitObject = (value: JsonObject): JsonObject => {
    let changed: Record<string, JsonValue> | undefined;
    for (const name of Object.keys(value)) {
      const before = value[name] ?? null;
      const after = visit(before);
      if (after !== before) (changed ??= { ...value })[name] = after;
    }
    return changed ?? value;
  };
  const whole = visit(body);
  return isJsonObject(whole) ? whole : body;
}
