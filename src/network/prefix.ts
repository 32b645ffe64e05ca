/**
 * IPv4 addresses and prefixes as canonical text, and their arithmetic.
 *
 * Text, because blueprints are plain JSON that people read; `parse…` is the only way to one, so
 * no function checks again. Sets of packets live elsewhere in this room.
 */
import { declined, found, type Result } from "../base/problem.ts";

declare const ipv4: unique symbol;
declare const cidr: unique symbol;

/** Dotted decimal without leading zeros, `10.0.1.4`. */
export type Ipv4 = string & { readonly [ipv4]: true };
/** Canonical prefix, host bits zero, `10.0.1.0/24`. */
export type Cidr = string & { readonly [cidr]: true };

export type AddressRange = { readonly low: number; readonly high: number };

/** Reads `10.0.1.4`. */
export function parseIpv4(text: string): Result<Ipv4> {
  const parts = text.split(".");
  const good =
    parts.length === 4 && parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && +part <= 255);
  if (good) return found(text as Ipv4);
  return declined({
    code: "InvalidIpAddress",
    what: `"${text}" is not an IPv4 address`,
    fix: "Write four numbers from 0 to 255, like 10.0.1.4.",
  });
}

/** Reads `10.0.1.0/24`; a bare address is a /32. Host bits that are set are declined. */
export function parseCidr(text: string): Result<Cidr> {
  const [addressText = "", lengthText = "32", ...rest] = text.split("/");
  const address = parseIpv4(addressText);
  const length = /^\d{1,2}$/.test(lengthText) ? +lengthText : 33;
  if (!address.ok || length > 32 || rest.length > 0)
    return declined({
      code: "InvalidAddressPrefix",
      what: `"${text}" is not an IPv4 prefix`,
      fix: "Write an address and a length, like 10.0.1.0/24.",
    });
  const network = numberToIpv4(firstOf(ipv4ToNumber(address.value), length));
  if (network === address.value) return found(`${network}/${length}` as Cidr);
  return declined({
    code: "InvalidAddressPrefix",
    what: `"${text}" has bits set beyond its length`,
    fix: `Write ${network}/${length}.`,
  });
}

/** The prefix that contains an address, host bits cleared. */
export function cidrAround(address: Ipv4, length: number): Cidr {
  return `${numberToIpv4(firstOf(ipv4ToNumber(address), length))}/${length}` as Cidr;
}

export function ipv4ToNumber(address: Ipv4): number {
  return numberUpTo(address, address.length);
}

/** @param value 0 .. 2^32-1 */
export function numberToIpv4(value: number): Ipv4 {
  return `${value >>> 24}.${(value >>> 16) & 255}.${(value >>> 8) & 255}.${value & 255}` as Ipv4;
}

/** First and last address of a prefix as numbers, both included. */
export function rangeOf(prefix: Cidr): AddressRange {
  const slash = prefix.indexOf("/");
  const low = numberUpTo(prefix, slash);
  return { low, high: low + 2 ** (32 - Number(prefix.slice(slash + 1))) - 1 };
}

export function prefixLength(prefix: Cidr): number {
  return Number(prefix.slice(prefix.indexOf("/") + 1));
}

/** Addresses in a prefix, the platform's five included. */
export function sizeOf(prefix: Cidr): number {
  return 2 ** (32 - prefixLength(prefix));
}

export function contains(prefix: Cidr, address: Ipv4): boolean {
  const { low, high } = rangeOf(prefix);
  const value = ipv4ToNumber(address);
  return low <= value && value <= high;
}

export function encloses(outer: Cidr, inner: Cidr): boolean {
  const a = rangeOf(outer);
  const b = rangeOf(inner);
  return a.low <= b.low && b.high <= a.high;
}

export function overlap(one: Cidr, other: Cidr): boolean {
  const a = rangeOf(one);
  const b = rangeOf(other);
  return a.low <= b.high && b.low <= a.high;
}

/** The address `offset` places after the first of a prefix. */
export function addressAt(prefix: Cidr, offset: number): Ipv4 {
  return numberToIpv4(rangeOf(prefix).low + offset);
}

/** Digit by digit: published tags have ten thousands of prefixes. */
function numberUpTo(text: string, end: number): number {
  let [value, part] = [0, 0];
  for (let at = 0; at < end; at += 1) {
    const digit = text.charCodeAt(at) - 48;
    if (0 <= digit) part = part * 10 + digit;
    else [value, part] = [value * 256 + part, 0];
  }
  return value * 256 + part;
}

function firstOf(value: number, length: number): number {
  const block = 2 ** (32 - length);
  return Math.floor(value / block) * block;
}
