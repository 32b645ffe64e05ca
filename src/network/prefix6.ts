/**
 * IPv6 addresses and prefixes as canonical text, and their arithmetic.
 *
 * The same as prefix.ts is for IPv4: text that people read, and `parse…` is the only way to one.
 */
import { declined, found, type Result } from "../base/problem.ts";
import type { Range } from "./ranges.ts";

declare const ipv6: unique symbol;
declare const cidr6: unique symbol;

/** As RFC 5952 writes it, `2001:db8::1`. */
export type Ipv6 = string & { readonly [ipv6]: true };
/** Canonical prefix, host bits zero, `2001:db8::/32`. */
export type Cidr6 = string & { readonly [cidr6]: true };

export type AddressRange6 = Range<bigint>;

/** Reads `2001:DB8::1`, and `::ffff:10.0.0.1`; gives the one spelling we keep. */
export function parseIpv6(text: string): Result<Ipv6> {
  const value = readIpv6(text);
  if (value !== undefined) return found(numberToIpv6(value));
  return declined({
    code: "InvalidIpAddress",
    what: `"${text}" is not an IPv6 address`,
    fix: "Write up to eight groups of hexadecimal digits, like 2001:db8::1.",
  });
}

/** Reads `2001:db8::/32`; a bare address is a /128. Host bits that are set are declined. */
export function parseCidr6(text: string): Result<Cidr6> {
  const [addressText = "", lengthText = "128", ...rest] = text.split("/");
  const value = readIpv6(addressText);
  const length = /^\d{1,3}$/.test(lengthText) ? +lengthText : 129;
  if (value === undefined || length > 128 || rest.length > 0)
    return declined({
      code: "InvalidAddressPrefix",
      what: `"${text}" is not an IPv6 prefix`,
      fix: "Write an address and a length, like 2001:db8::/32.",
    });
  const hostBits = BigInt(128 - length);
  const network = (value >> hostBits) << hostBits;
  const good = `${numberToIpv6(network)}/${length}`;
  if (network === value) return found(good as Cidr6);
  return declined({
    code: "InvalidAddressPrefix",
    what: `"${text}" has bits set beyond its length`,
    fix: `Write ${good}.`,
  });
}

export function isIpv6(address: string): address is Ipv6 {
  return address.includes(":");
}

export function ipv6ToNumber(address: Ipv6): bigint {
  return readIpv6(address) ?? 0n;
}

/** First and last address of a prefix as numbers, both included. */
export function rangeOf6(prefix: Cidr6): AddressRange6 {
  const slash = prefix.indexOf("/");
  const low = ipv6ToNumber(prefix.slice(0, slash) as Ipv6);
  return { low, high: low + (1n << BigInt(128 - Number(prefix.slice(slash + 1)))) - 1n };
}

/** @param value 0 .. 2^128-1 */
export function numberToIpv6(value: bigint): Ipv6 {
  const groups = Array.from({ length: 8 }, (_, index) =>
    Number((value >> BigInt(112 - 16 * index)) & 0xffffn),
  );
  const { start, length } = longestZeros(groups);
  const hex = groups.map((group) => group.toString(16));
  if (length < 2) return hex.join(":") as Ipv6;
  return `${hex.slice(0, start).join(":")}::${hex.slice(start + length).join(":")}` as Ipv6;
}

/** The first of the longest runs of zero groups: what `::` stands for. */
function longestZeros(groups: readonly number[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  groups.forEach((group, index) => {
    if (group !== 0) start = index + 1;
    else if (best.length < index + 1 - start) best = { start, length: index + 1 - start };
  });
  return best;
}

function readIpv6(text: string): bigint | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const [head, tail] = halves.map(readGroups);
  if (head === undefined) return undefined;
  if (halves.length === 1) return head.length === 8 ? numberOf(head) : undefined;
  if (tail === undefined || head.length + tail.length > 7) return undefined;
  const zeros = Array.from({ length: 8 - head.length - tail.length }, () => 0);
  return numberOf([...head, ...zeros, ...tail]);
}

/** Groups of one side of `::`; a dotted IPv4 address at the end counts as two. */
function readGroups(text: string): readonly number[] | undefined {
  if (text === "") return [];
  const groups: number[] = [];
  for (const [index, part] of text.split(":").entries()) {
    if (/^[\da-f]{1,4}$/i.test(part)) groups.push(Number.parseInt(part, 16));
    else {
      const bytes = /^\d{1,3}(\.\d{1,3}){3}$/.test(part) ? part.split(".").map(Number) : [];
      const isLast = index === text.split(":").length - 1;
      const [a, b, c, d] = bytes;
      if (!isLast || a === undefined || b === undefined || c === undefined || d === undefined)
        return undefined;
      if (bytes.some((byte) => byte > 255)) return undefined;
      groups.push(a * 256 + b, c * 256 + d);
    }
  }
  return groups;
}

/** By halves of 48 bits at a time: arithmetic on large numbers is slow, and there are many prefixes. */
function numberOf(groups: readonly number[]): bigint {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = groups;
  const top = a * 2 ** 32 + b * 2 ** 16 + c;
  const middle = d * 2 ** 32 + e * 2 ** 16 + f;
  return (BigInt(top) << 80n) | (BigInt(middle) << 32n) | BigInt(g * 2 ** 16 + h);
}
