/**
 * Published service tags: names and the prefixes behind them.
 *
 * Reads the format of the weekly published file, and of the product's own copy, which has the
 * same shape. Where the text comes from is not known here.
 */
import { z } from "zod";

import { declined, found, type Result } from "../base/problem.ts";
import { parseCidr, type Cidr } from "./prefix.ts";

export type ServiceTags = {
  readonly changeNumber: number;
  /** Names in published spelling. */
  readonly names: readonly string[];
  /** The published spelling of a name in any casing; undefined: no such tag. */
  readonly canonical: (name: string) => string | undefined;
  /** IPv4 prefixes; empty for an unknown tag and for one with IPv6 prefixes only. */
  readonly prefixes: (name: string) => readonly Cidr[];
  /** IPv6 prefixes as text. */
  readonly prefixes6: (name: string) => readonly string[];
  /** Known names most like an unknown one, best first. */
  readonly nearest: (name: string) => readonly string[];
};

const PUBLISHED = z.object({
  changeNumber: z.number(),
  values: z.array(
    z.object({
      name: z.string(),
      properties: z.object({ addressPrefixes: z.array(z.string()) }),
    }),
  ),
});

/** @param where names the text in problems, usually a file */
export function parseServiceTags(text: string, where: string): Result<ServiceTags> {
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
  const read = PUBLISHED.safeParse(json);
  if (!read.success)
    return broken(`The service tags do not have the published shape: ${z.prettifyError(read.error)}`);
  const tags = new Map(
    read.data.values.map(({ name, properties }) => [
      name.toLowerCase(),
      { name, prefixes: properties.addressPrefixes },
    ]),
  );
  return found(serviceTagsOver(read.data.changeNumber, tags));
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
        .flatMap((text) => {
          const prefix = parseCidr(text);
          return prefix.ok ? [prefix.value] : [];
        });
      parsed.set(key, prefixes);
      return prefixes;
    },
    prefixes6: (name) => textsOf(name).filter((text) => text.includes(":")),
    nearest: (name) => nearest(name, [...tags.values()].map((tag) => tag.name)),
  };
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
