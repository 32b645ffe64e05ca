/**
 * Tags of the subscription, of groups and of resources as one thing that is read and changed, and
 * the names that were announced before anything carries them.
 *
 * A resource keeps its own tags; only the subscription's and announced names are documents here.
 */
import { isJsonObject, type JsonObject, property } from "../arm/json.ts";
import type { Resource } from "../arm/resources.ts";
import { declined, found, type Problem, type Result } from "../base/problem.ts";
import type { Store } from "../store/store.ts";
import type { ArmWrites } from "./arm-writes.ts";

export type Tagged = Readonly<Record<string, string>>;

export type Tags = {
  readonly of: (scopeKey: string) => Result<Tagged>;
  readonly set: (scopeKey: string, change: (before: Tagged) => Tagged) => Result<Tagged>;
  /** Announced names with their values. */
  readonly names: () => Readonly<Record<string, readonly string[]>>;
  readonly announce: (name: string, value: string | undefined) => Result<"announced">;
  /** False: it was not announced. */
  readonly withdraw: (name: string, value: string | undefined) => Result<boolean>;
};

const TAGS = "tags";
const NAMES = "tag-names";
const MOST_TAGS = 50;

export function openTags(store: Store, writes: ArmWrites): Tags {
  const names = () =>
    Object.fromEntries(
      store.list<readonly string[]>(NAMES, "").map(({ key, value }) => [key, value]),
    );
  const isSubscription = (scopeKey: string) => /^\/subscriptions\/[^/]+$/.test(scopeKey);
  const of = (scopeKey: string): Result<Tagged> => {
    if (isSubscription(scopeKey)) return found(store.get<Tagged>(TAGS, scopeKey)?.value ?? {});
    const resource = writes.get(scopeKey)?.resource;
    return resource === undefined ? declined(notThere(scopeKey)) : tagsOf(resource);
  };
  return {
    of,
    names,
    set: (scopeKey, change) => {
      const before = of(scopeKey);
      if (!before.ok) return before;
      const after = change(before.value);
      const wrong = judgeTags(after, scopeKey);
      if (wrong !== undefined) return declined(wrong);
      if (isSubscription(scopeKey))
        return store.transaction((transaction) =>
          found(transaction.put(TAGS, scopeKey, after).value),
        );
      const changed = writes.change(scopeKey, (resource) => found(withTags(resource, after)));
      return changed.ok ? found(after) : changed;
    },
    announce: (name, value) => {
      const known = names()[name] ?? [];
      const values = value === undefined ? known : [...new Set([...known, value])];
      return store.transaction((transaction) => {
        transaction.put(NAMES, name, values);
        return found("announced");
      });
    },
    withdraw: (name, value) =>
      store.transaction((transaction) => {
        const known = transaction.get<readonly string[]>(NAMES, name)?.value;
        if (known === undefined) return found(false);
        if (value === undefined) return found(transaction.remove(NAMES, name));
        transaction.put(
          NAMES,
          name,
          known.filter((one) => one !== value),
        );
        return found(known.includes(value));
      }),
  };
}

function tagsOf(resource: Resource): Result<Tagged> {
  if ("tags" in resource) return found(resource.tags);
  if (resource.type !== "DeclaredOnly") return declined(carriesNone(resource));
  const tags = property(resource.body, "tags");
  return found(isJsonObject(tags) ? textsOf(tags) : {});
}

function textsOf(tags: JsonObject): Tagged {
  return Object.fromEntries(
    Object.entries(tags).flatMap(([name, value]) =>
      typeof value === "string" ? [[name, value] as const] : [],
    ),
  );
}

function withTags(resource: Resource, tags: Tagged): Resource {
  if ("tags" in resource) return { ...resource, tags };
  return resource.type === "DeclaredOnly"
    ? { ...resource, body: { ...resource.body, tags } }
    : resource;
}

function judgeTags(tags: Tagged, where: string): Problem | undefined {
  if (MOST_TAGS < Object.keys(tags).length)
    return {
      code: "TooManyTags",
      what: `the tags would be ${Object.keys(tags).length}, and at most ${MOST_TAGS} are allowed`,
      fix: "Remove some first.",
      where,
    };
  const wrong = Object.entries(tags).find(
    ([name, value]) =>
      /[<>%&\\?/]/.test(name) || name === "" || 512 < name.length || 256 < value.length,
  );
  return wrong === undefined
    ? undefined
    : {
        code: "InvalidTagNameCharacters",
        what: `the tag "${wrong[0]}" is not allowed`,
        fix: String.raw`Use names of up to 512 letters without <, >, %, &, \, ?, /, and values of up to 256.`,
        where,
      };
}

function notThere(scopeKey: string): Problem {
  return {
    code: /^\/subscriptions\/[^/]+\/resourcegroups\/[^/]+$/.test(scopeKey)
      ? "ResourceGroupNotFound"
      : "ResourceNotFound",
    what: `${scopeKey} could not be found`,
    fix: "Create it first, or correct the name.",
    where: scopeKey,
  };
}

function carriesNone({ id, type }: Resource): Problem {
  return {
    code: "TagsNotSupported",
    what: `a ${type} carries no tags`,
    fix: "Tag the resource it is a part of.",
    where: id,
  };
}
