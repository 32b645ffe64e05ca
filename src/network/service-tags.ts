/**
 * Published service tags: names and the prefixes behind them.
 *
 * Reads the format of the weekly published file; the product's own copy is a table of the same
 * (tag-table.ts). Where either comes from is not known here.
 */
import { declined, found, must, type Result } from "../base/problem.ts";
import { setOfPrefixes, type AddressSet } from "./address-set.ts";
import { COMPUTED_TAGS, PLATFORM_TAGS, rememberSet } from "./meaning.ts";
import { parseCidr, type Cidr } from "./prefix.ts";
import { parseCidr6, type Cidr6 } from "./prefix6.ts";
import type { TagTable } from "./tag-table.ts";

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
  readonly prefixes6: (name: string) => readonly Cidr6[];
  /** All addresses of a tag, of both families; undefined: no such tag. */
  readonly set: (name: string) => AddressSet | undefined;
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
  const read = readPublished(text, where);
  if (!read.ok) return read;
  for (const { name, properties } of read.value.values)
    for (const prefix of properties.addressPrefixes) {
      const parsed = prefix.includes(":") ? parseCidr6(prefix) : parseCidr(prefix);
      if (!parsed.ok)
        return declined({
          code: "InvalidServiceTags",
          what: `The tag ${name} has a prefix that cannot be read: ${parsed.problem.what}`,
          fix: parsed.problem.fix,
          where,
        });
    }
  return found(serviceTagsOver(read.value));
}

/** The same without a look at each prefix: only for text that was looked at before. */
export function readServiceTags(text: string, where: string): Result<ServiceTags> {
  const read = readPublished(text, where);
  return read.ok ? found(serviceTagsOver(read.value)) : read;
}

function readPublished(text: string, where: string): Result<Published> {
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
  if (isPublished(json)) return found(json);
  return broken(
    "The service tags do not have the published shape: changeNumber, and values with name and addressPrefixes",
  );
}

/** The product's own copy. */
export function serviceTagsOfTable(table: TagTable): ServiceTags {
  const index = new Map(table.names.map((name, at) => [name.toLowerCase(), at]));
  const at = (name: string) => index.get(name.toLowerCase());
  const prefixes6 = once(at, table.prefixes6);
  const set = once(at, table.set);
  const prefixes = once(at, (tag) => {
    const list = table.prefixes4(tag);
    rememberSet(list, { v4: table.set(tag).v4, v6: [] });
    return list;
  });
  return {
    changeNumber: table.changeNumber,
    names: table.names,
    canonical: (name) => table.names[at(name) ?? -1],
    prefixes: (name) => prefixes(name) ?? [],
    texts: (name) => [...(prefixes(name) ?? []), ...(prefixes6(name) ?? [])],
    prefixes6: (name) => prefixes6(name) ?? [],
    set,
    nearest: (name) => nearest(name, table.names),
  };
}

/** Most of the thousands of tags are never asked for: each is made on demand, and kept. */
function once<Value>(
  at: (name: string) => number | undefined,
  make: (tag: number) => Value,
): (name: string) => Value | undefined {
  const made = new Map<number, Value>();
  return (name) => {
    const tag = at(name);
    if (tag === undefined) return undefined;
    const known = made.get(tag) ?? make(tag);
    made.set(tag, known);
    return known;
  };
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

/** Prefixes were checked, or are of a copy that was. */
function serviceTagsOver({ changeNumber, values }: Published): ServiceTags {
  const accepted = <Value>(parsed: Result<Value>): Value => {
    must(parsed.ok, "prefixes of tags were checked when they were read");
    return parsed.value;
  };
  const textsOf = (tag: number) => values[tag]?.properties.addressPrefixes ?? [];
  const prefixes4 = (tag: number) =>
    textsOf(tag).flatMap((text) => (text.includes(":") ? [] : [accepted(parseCidr(text))]));
  const prefixes6 = (tag: number) =>
    textsOf(tag).flatMap((text) => (text.includes(":") ? [accepted(parseCidr6(text))] : []));
  return serviceTagsOfTable({
    changeNumber,
    names: values.map(({ name }) => name),
    prefixes4,
    prefixes6,
    set: (tag) => setOfPrefixes([...prefixes4(tag), ...prefixes6(tag)]),
  });
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

/**
 * The three most similar names, by edits needed.
 * @param most edits; absent: a third of the name
 */
export function nearest(name: string, names: readonly string[], most?: number): readonly string[] {
  const wanted = name.toLowerCase();
  const limit = most ?? Math.max(2, wanted.length / 3);
  return names
    .map((candidate) => ({ candidate, edits: editsBetween(wanted, candidate.toLowerCase()) }))
    .filter(({ edits }) => edits <= limit)
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
