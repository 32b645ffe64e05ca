/**
 * Sets of addresses, IPv4 and IPv6 together: canonical and immutable.
 *
 * Two sets are equal when their ranges are. What a tag or a rule stands for is in meaning.ts.
 */
import {
  ipv4ToNumber,
  numberToIpv4,
  rangeOf,
  type AddressRange,
  type Cidr,
  type Ipv4,
} from "./prefix.ts";
import {
  ipv6ToNumber,
  isIpv6,
  numberToIpv6,
  rangeOf6,
  type AddressRange6,
  type Cidr6,
  type Ipv6,
} from "./prefix6.ts";
import { rangeAlgebra } from "./ranges.ts";

export type AnyIp = Ipv4 | Ipv6;
export type AnyCidr = Cidr | Cidr6;

export type AddressSet = {
  readonly v4: readonly AddressRange[];
  readonly v6: readonly AddressRange6[];
};

export const RANGES4 = rangeAlgebra<number>(2 ** 32 - 1, 1);
export const RANGES6 = rangeAlgebra<bigint>(2n ** 128n - 1n, 1n);

export const NOWHERE: AddressSet = { v4: [], v6: [] };
export const EVERYWHERE: AddressSet = { v4: RANGES4.everything, v6: RANGES6.everything };

export function setOfPrefixes(prefixes: readonly AnyCidr[]): AddressSet {
  const v4: AddressRange[] = [];
  const v6: AddressRange6[] = [];
  for (const prefix of prefixes)
    if (isPrefix6(prefix)) v6.push(rangeOf6(prefix));
    else v4.push(rangeOf(prefix));
  return { v4: RANGES4.normal(v4), v6: RANGES6.normal(v6) };
}

export function setOfAddresses(addresses: readonly AnyIp[]): AddressSet {
  return unionOf(addresses.map(singleAddress));
}

export function isPrefix6(prefix: AnyCidr): prefix is Cidr6 {
  return prefix.includes(":");
}

export function unionOf(sets: readonly AddressSet[]): AddressSet {
  const [first] = sets;
  if (first !== undefined && sets.length === 1) return first;
  return {
    v4: RANGES4.normal(sets.flatMap(({ v4 }) => v4)),
    v6: RANGES6.normal(sets.flatMap(({ v6 }) => v6)),
  };
}

export function intersectionOf(one: AddressSet, other: AddressSet): AddressSet {
  if (one === other) return one;
  return {
    v4: RANGES4.intersection(one.v4, other.v4),
    v6: RANGES6.intersection(one.v6, other.v6),
  };
}

export function differenceOf(from: AddressSet, without: AddressSet): AddressSet {
  return {
    v4: RANGES4.difference(from.v4, without.v4),
    v6: RANGES6.difference(from.v6, without.v6),
  };
}

export function isEmpty({ v4, v6 }: AddressSet): boolean {
  return v4.length === 0 && v6.length === 0;
}

export function includesAll(outer: AddressSet, inner: AddressSet): boolean {
  return RANGES4.covers(outer.v4, inner.v4) && RANGES6.covers(outer.v6, inner.v6);
}

export function sameSet(one: AddressSet, other: AddressSet): boolean {
  return includesAll(one, other) && includesAll(other, one);
}

export function holdsAddress({ v4, v6 }: AddressSet, address: AnyIp): boolean {
  return isIpv6(address)
    ? RANGES6.holds(v6, ipv6ToNumber(address))
    : RANGES4.holds(v4, ipv4ToNumber(address));
}

/** The fewest prefixes that make up the set. */
export function prefixesOf({ v4, v6 }: AddressSet): readonly AnyCidr[] {
  return [
    ...v4.flatMap(({ low, high }) =>
      blocksOf(BigInt(low), BigInt(high), 32).map(
        ({ start, length }) => `${numberToIpv4(Number(start))}/${length}` as Cidr,
      ),
    ),
    ...v6.flatMap(({ low, high }) =>
      blocksOf(low, high, 128).map(
        ({ start, length }) => `${numberToIpv6(start)}/${length}` as Cidr6,
      ),
    ),
  ];
}

function blocksOf(low: bigint, high: bigint, width: number): { start: bigint; length: number }[] {
  const blocks: { start: bigint; length: number }[] = [];
  let start = low;
  while (start <= high) {
    let hostBits = 0;
    while (hostBits < width) {
      const size = 1n << BigInt(hostBits + 1);
      if (start % size !== 0n || high < start + size - 1n) break;
      hostBits += 1;
    }
    blocks.push({ start, length: width - hostBits });
    start += 1n << BigInt(hostBits);
  }
  return blocks;
}

export function singleAddress(address: AnyIp): AddressSet {
  if (isIpv6(address)) {
    const value = ipv6ToNumber(address);
    return { v4: [], v6: [{ low: value, high: value }] };
  }
  const value = ipv4ToNumber(address);
  return { v4: [{ low: value, high: value }], v6: [] };
}
