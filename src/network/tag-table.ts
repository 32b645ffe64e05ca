/**
 * Service tags as a table of numbers: the form in which the product carries the published data.
 *
 * Read as it lies on disk; a tag's prefixes become sets or text when they are first asked for. The
 * published form, which users name, is read in service-tags.ts. Nothing is checked here that was
 * checked when the table was written.
 *
 * Layout: length of the head (4 bytes, little endian), the head as JSON, IPv4 addresses (4 bytes
 * each, big endian), IPv6 addresses (16 bytes each), lengths of prefixes (a byte each), in the order
 * of tags.
 */
import { RANGES4, RANGES6, isPrefix6, type AddressSet, type AnyCidr } from "./address-set.ts";
import { numberToIpv4, rangeOf, type Cidr } from "./prefix.ts";
import { numberToIpv6, rangeOf6, type Cidr6 } from "./prefix6.ts";

export type TagTable = {
  readonly changeNumber: number;
  readonly names: readonly string[];
  readonly prefixes4: (tag: number) => readonly Cidr[];
  readonly prefixes6: (tag: number) => readonly Cidr6[];
  readonly set: (tag: number) => AddressSet;
};

type Head = {
  readonly source: string;
  readonly changeNumber: number;
  readonly cloud: string;
  /** Name, and how many prefixes of each family. */
  readonly tags: readonly (readonly [name: string, v4: number, v6: number])[];
};

export function encodeTagTable(
  about: Omit<Head, "tags">,
  tags: readonly { readonly name: string; readonly prefixes: readonly AnyCidr[] }[],
): Uint8Array {
  const all4 = tags.map(({ prefixes }) => prefixes.filter((one): one is Cidr => !isPrefix6(one)));
  const all6 = tags.map(({ prefixes }) => prefixes.filter(isPrefix6));
  const head: Head = {
    ...about,
    tags: tags.map(({ name }, at) => [name, all4[at]?.length ?? 0, all6[at]?.length ?? 0]),
  };
  const text = new TextEncoder().encode(JSON.stringify(head));
  const [flat4, flat6] = [all4.flat(), all6.flat()];
  const bytes = new Uint8Array(4 + text.length + 5 * flat4.length + 17 * flat6.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, text.length, true);
  bytes.set(text, 4);
  let at = 4 + text.length;
  for (const prefix of flat4) {
    view.setUint32(at, rangeOf(prefix).low);
    at += 4;
  }
  for (const prefix of flat6) {
    const { low } = rangeOf6(prefix);
    view.setBigUint64(at, low >> 64n);
    view.setBigUint64(at + 8, low & 0xffff_ffff_ffff_ffffn);
    at += 16;
  }
  for (const prefix of [...flat4, ...flat6])
    bytes[at++] = Number(prefix.slice(prefix.indexOf("/") + 1));
  return bytes;
}

/** @throws what JSON.parse and views throw on bytes that are no table */
export function decodeTagTable(bytes: Uint8Array): TagTable {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const headLength = view.getUint32(0, true);
  const { changeNumber, tags } = JSON.parse(
    new TextDecoder().decode(bytes.subarray(4, 4 + headLength)),
  ) as Head;
  const count4 = tags.reduce((sum, [, v4]) => sum + v4, 0);
  const count6 = tags.reduce((sum, [, , v6]) => sum + v6, 0);
  const start4 = 4 + headLength;
  const start6 = start4 + 4 * count4;
  const lengths = start6 + 16 * count6;
  let [before4, before6] = [0, 0];
  const first = tags.map(([, v4, v6]) => {
    const at = { v4: before4, v6: before6 };
    before4 += v4;
    before6 += v6;
    return at;
  });
  const each4 = <Item>(tag: number, make: (low: number, length: number) => Item): Item[] =>
    Array.from({ length: tags[tag]?.[1] ?? 0 }, (_, index) => {
      const at = (first[tag]?.v4 ?? 0) + index;
      return make(view.getUint32(start4 + 4 * at), bytes[lengths + at] ?? 32);
    });
  const each6 = <Item>(tag: number, make: (low: bigint, length: number) => Item): Item[] =>
    Array.from({ length: tags[tag]?.[2] ?? 0 }, (_, index) => {
      const at = (first[tag]?.v6 ?? 0) + index;
      const offset = start6 + 16 * at;
      const low = (view.getBigUint64(offset) << 64n) | view.getBigUint64(offset + 8);
      return make(low, bytes[lengths + count4 + at] ?? 128);
    });
  return {
    changeNumber,
    names: tags.map(([name]) => name),
    prefixes4: (tag) => each4(tag, (low, length) => `${numberToIpv4(low)}/${length}` as Cidr),
    prefixes6: (tag) => each6(tag, (low, length) => `${numberToIpv6(low)}/${length}` as Cidr6),
    set: (tag) =>
      lazySet(
        () => ranges4(tag),
        () => ranges6(tag),
      ),
  };

  function ranges4(tag: number): AddressSet["v4"] {
    const ranges: { low: number; high: number }[] = [];
    const [from, count] = [first[tag]?.v4 ?? 0, tags[tag]?.[1] ?? 0];
    for (let at = from; at < from + count; at += 1) {
      const low = view.getUint32(start4 + 4 * at);
      ranges.push({ low, high: low + 2 ** (32 - (bytes[lengths + at] ?? 32)) - 1 });
    }
    return RANGES4.normal(ranges);
  }

  function ranges6(tag: number): AddressSet["v6"] {
    return RANGES6.normal(
      each6(tag, (low, length) => ({ low, high: low + (1n << BigInt(128 - length)) - 1n })),
    );
  }
}

/** Whoever asks about IPv4 alone does not wait for the other family. */
function lazySet(make4: () => AddressSet["v4"], make6: () => AddressSet["v6"]): AddressSet {
  let [v4, v6]: [AddressSet["v4"]?, AddressSet["v6"]?] = [];
  return {
    get v4() {
      return (v4 ??= make4());
    },
    get v6() {
      return (v6 ??= make6());
    },
  };
}
