/**
 * Published service tags: names and the prefixes behind them.
 *
 * Reads the format of the weekly published file, and of the product's own copy, which has the
 * same shape. Where the text comes from is not known here.
 */
import { declined, found, must, type Result } from "../base/problem.ts";
import { COMPUTED_TAGS, PLATFORM_TAGS } from "./meaning.ts";
import { parseCidr, type Cidr } from "./prefix.ts";

export type ServiceTags = {
  readonly changeNumber: number;
  /** Names in published spelling. */
  readonly names: readonly string[];
  /** The published spelling of a name in any casing; undefined: no such tag. */
  readonly canonical: (name: string) => string | undefined;
  /** IPv4 prefixes; empty for an unknown tag and for one with IPv6 prefixes only. */
  readonly prefixes: (name: string) => readonly Cidr[];
  /** All prefixes as they are written. */
  readonly texts: (name: string) => readonly string[];
  /** IPv6 prefixes as text. */
  readonly prefixes6: (name: string) => readonly string[];
  /** Known names most like an unknown one, best first. */
  readonly nearest: (name: string) => readonly string[];
};

/**
 * Reads a file of any origin. One prefix that cannot be read declines the whole: a tag that
 * silently lacks addresses would open what a rule denies.
 *
 * @param where names the text in problems, usually a file
 */
export function parseServiceTags(text: string, where: string): Result<ServiceTags> {
  const read = readServiceTags(text, where);
  if (!read.ok) return read;
  for (const name of read.value.names)
    for (const prefix of read.value.texts(name)) {
      const parsed = prefix.includes(":") ? found(prefix) : parseCidr(prefix);
      if (!parsed.ok)
        return declined({
          code: "InvalidServiceTags",
          what: `The tag ${name} has a prefix that cannot be read: ${parsed.problem.what}`,
          fix: parsed.problem.fix,
          where,
        });
    }
  return read;
}

/** Reads text whose prefixes were all checked when it was written: the product's own copy. */
export function readServiceTags(text: string, where: string): Result<ServiceTags> {
  const broken = (what: string) =>
    declined({
      code: "InvalidServiceTags",
      what,
      fix: "Use a file as it is published weekly: ServiceTags_Public_*.json.",
      where,
    });
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (thrown) {
    return broken(`The service tags are not JSON: ${String(thrown)}`);
  }
  if (!isPublished(json))
    return broken(
      "The service tags do not have the published shape: changeNumber, and values with name and addressPrefixes",
    );
  const tags = new Map(
    json.values.map(({ name, properties }) => [
      name.toLowerCase(),
      { name, prefixes: properties.addressPrefixes },
    ]),
  );
  return found(serviceTagsOver(json.changeNumber, tags));
}

type Published = {
  readonly changeNumber: number;
  readonly values: readonly {
    readonly name: string;
    readonly properties: { readonly addressPrefixes: readonly string[] };
  }[];
};

/** By hand: a schema library takes 75 ms for the ninety thousand strings, at every start. */
function isPublished(json: unknown): json is Published {
  const { changeNumber, values } = asObject(json);
  if (typeof changeNumber !== "number" || !Array.isArray(values)) return false;
  return values.every((value) => {
    const { name, properties } = asObject(value);
    const { addressPrefixes } = asObject(properties);
    if (typeof name !== "string" || !Array.isArray(addressPrefixes)) return false;
    return addressPrefixes.every((prefix) => typeof prefix === "string");
  });
}

function asObject(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}

function serviceTagsOver(
  changeNumber: number,
  tags: ReadonlyMap<string, { readonly name: string; readonly prefixes: readonly string[] }>,
): ServiceTags {
  // Most of the thousands of tags are never asked for: prefixes are parsed on demand.
  const parsed = new Map<string, readonly Cidr[]>();
  const textsOf = (name: string) => tags.get(name.toLowerCase())?.prefixes ?? [];
  return {
    changeNumber,
    names: [...tags.values()].map(({ name }) => name),
    canonical: (name) => tags.get(name.toLowerCase())?.name,
    prefixes: (name) => {
      const key = name.toLowerCase();
      const known = parsed.get(key);
      if (known !== undefined) return known;
      const prefixes = textsOf(key)
        .filter((text) => !text.includes(":"))
        .map((text) => {
          const prefix = parseCidr(text);
          must(prefix.ok, `${text} of the tag ${name} was checked`);
          return prefix.value;
        });
      parsed.set(key, prefixes);
      return prefixes;
    },
    texts: textsOf,
    prefixes6: (name) => textsOf(name).filter((text) => text.includes(":")),
    nearest: (name) =>
      nearest(
        name,
        [...tags.values()].map((tag) => tag.name),
      ),
  };
}

/**
 * Whether rules may name a tag: its published spelling, or what may have been meant. Tags that
 * the network or the platform gives are known too.
 */
export function serviceTagAnswer(
  tags: ServiceTags,
  name: string,
): { readonly known: string } | { readonly nearest: readonly string[] } {
  const given: readonly string[] = [...COMPUTED_TAGS, ...PLATFORM_TAGS];
  const known =
    given.find((tag) => tag.toLowerCase() === name.toLowerCase()) ?? tags.canonical(name);
  return known === undefined ? { nearest: nearest(name, [...given, ...tags.names]) } : { known };
}

/** The three most similar names, by edits needed. */
export function nearest(name: string, names: readonly string[]): readonly string[] {
  const wanted = name.toLowerCase();
  return names
    .map((candidate) => ({ candidate, edits: editsBetween(wanted, candidate.toLowerCase()) }))
    .filter(({ edits }) => edits <= Math.max(2, wanted.length / 3))
    .sort((a, b) => a.edits - b.edits || (a.candidate < b.candidate ? -1 : 1))
    .slice(0, 3)
    .map(({ candidate }) => candidate);
}

function editsBetween(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let i = 1; i <= one.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= other.length; j += 1) {
      const replaced = (row[j - 1] ?? 0) + (one[i - 1] === other[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[other.length] ?? 0;
}
