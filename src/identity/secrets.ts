/**
 * Secrets of principals: made at random, kept as scrypt hashes, compared in constant time.
 *
 * Whose secret it is and what it opens is unknown here.
 */
import { randomBytes, scrypt, timingSafeEqual } from "node:crypto";

export type SecretHash = {
  readonly salt: string;
  readonly hash: string;
  /** scrypt's cost; kept with the hash, so that it can be raised later. */
  readonly cost: number;
};

const COST = 2 ** 14;
const BLOCK_SIZE = 8;
const HASH_BYTES = 32;

/** Long enough that nobody guesses it; letters that pass through shells and forms unharmed. */
export function newSecret(): string {
  return randomBytes(30).toString("base64url").replaceAll("-", "~");
}

export async function hashSecret(secret: string): Promise<SecretHash> {
  const salt = randomBytes(16).toString("base64url");
  const hash = await derive(secret, salt, COST);
  return { salt, hash: hash.toString("base64url"), cost: COST };
}

export async function secretMatches(secret: string, kept: SecretHash): Promise<boolean> {
  const hash = await derive(secret, kept.salt, kept.cost);
  const expected = Buffer.from(kept.hash, "base64url");
  return hash.length === expected.length && timingSafeEqual(hash, expected);
}

/** Takes as long as a comparison would: who does not exist is not told apart by time. */
export async function spendComparison(secret: string): Promise<void> {
  await derive(secret, "nobody", COST);
}

function derive(secret: string, salt: string, cost: number): Promise<Buffer> {
  const options = { N: cost, r: BLOCK_SIZE, p: 1, maxmem: 256 * cost * BLOCK_SIZE };
  return new Promise((resolve, reject) => {
    scrypt(secret, salt, HASH_BYTES, options, (error, key) =>
      error === null ? resolve(key) : reject(error),
    );
  });
}
