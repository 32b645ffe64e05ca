/**
 * Values that templates derive from texts: always the same for the same texts.
 *
 * The algorithms of Azure's `uniqueString` and `guid` are not published; these are ours. They
 * have the form of Azure's (13 letters and digits; a GUID) and other values. No cryptography.
 */

const LETTERS = "abcdefghijklmnopqrstuvwxyz234567";
const MASK = (1n << 64n) - 1n;

/** 13 lower-case letters and digits, 64 bits of a hash. */
export function uniqueText(texts: readonly string[]): string {
  let rest = hash(texts, 1n);
  let text = "";
  for (let count = 0; count < 13; count += 1) {
    text += LETTERS[Number(rest & 31n)] ?? "";
    rest >>= 5n;
  }
  return text;
}

/** A GUID in the form of version 5. */
export function guidOf(texts: readonly string[]): string {
  const digits = [hash(texts, 2n), hash(texts, 3n)]
    .map((part) => part.toString(16).padStart(16, "0"))
    .join("");
  const variant = ((Number.parseInt(digits[16] ?? "0", 16) % 4) + 8).toString(16);
  const marked = `${digits.slice(0, 12)}5${digits.slice(13, 16)}${variant}${digits.slice(17)}`;
  return [0, 8, 12, 16, 20]
    .map((start, index, starts) => marked.slice(start, starts[index + 1] ?? 32))
    .join("-");
}

export function toBase64(text: string): string {
  const bytes = new TextEncoder().encode(text);
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

/** Undefined: not base64, or not of UTF-8. */
export function fromBase64(text: string): string | undefined {
  try {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/**
 * FNV-1a of 64 bits over the UTF-8 of the texts, mixed at the end as MurmurHash3 does. In two
 * halves of 32 bits: every rule of a group has an etag, and BigInt takes seconds for a thousand.
 */
function hash(texts: readonly string[], seed: bigint): bigint {
  const begun = 0xcbf2_9ce4_8422_2325n ^ ((seed * 0x9e37_79b9_7f4a_7c15n) & MASK);
  let high = Number(begun >> 32n);
  let low = Number(begun & 0xffff_ffffn);
  for (const text of texts) {
    const bytes = new TextEncoder().encode(text);
    for (let at = 0; at <= bytes.length; at += 1) {
      const mixed = (low ^ (bytes[at] ?? 0xff)) >>> 0;
      // Times 2^40 + 0x1b3; no product leaves the 53 bits of a number.
      const product = mixed * 0x1b3;
      const carry = Math.floor(product / 0x1_0000_0000);
      high = (high * 0x1b3 + carry + ((mixed << 8) >>> 0)) >>> 0;
      low = product >>> 0;
    }
  }
  let value = (BigInt(high) << 32n) | BigInt(low);
  for (const factor of [0xff51_afd7_ed55_8ccdn, 0xc4ce_b9fe_1a85_ec53n]) {
    value = ((value ^ (value >> 33n)) * factor) & MASK;
  }
  return value ^ (value >> 33n);
}
