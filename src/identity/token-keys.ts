/**
 * The keys that sign tokens: made at the first start, kept in one file of mode 0600, followed by a
 * new one after three months. Old ones stay until no token signed by them can be valid.
 */
import { chmodSync, existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";

import {
  calculateJwkThumbprint,
  type CryptoKey,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JWK,
} from "jose";

import { declined, found, problemOf, type Result } from "../base/problem.ts";

export const ALGORITHM = "RS256";
const MS_PER_DAY = 24 * 60 * 60 * 1000;
const SIGNS_FOR_MS = 90 * MS_PER_DAY;
/** Longer than any token lives. */
const KNOWN_FOR_MS = SIGNS_FOR_MS + 2 * MS_PER_DAY;

type KeptKey = { readonly createdAt: number; readonly jwk: JWK };
export type SigningKey = {
  readonly id: string;
  readonly createdAt: number;
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
  readonly publicJwk: JWK;
};

export type TokenKeys = {
  /** The one that signs now. */
  readonly current: () => Promise<SigningKey>;
  readonly byId: (id: string | undefined) => SigningKey | undefined;
  readonly all: () => readonly SigningKey[];
};

export async function openTokenKeys(options: {
  readonly file: string;
  readonly now: () => number;
}): Promise<Result<TokenKeys>> {
  const { file, now } = options;
  let kept: readonly KeptKey[];
  let keys: readonly SigningKey[];
  try {
    kept = existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as readonly KeptKey[]) : [];
    keys = await Promise.all(kept.map(readKey));
  } catch (thrown) {
    return declined(
      problemOf(thrown, {
        code: "TokenKeysUnreadable",
        what: "the keys that sign tokens cannot be read",
        fix: "Restore the file, or remove it: all tokens are then void, and clients get new ones.",
        where: file,
      }),
    );
  }
  let making: Promise<SigningKey> | undefined;
  const make = async (): Promise<SigningKey> => {
    const createdAt = now();
    const { privateKey } = await generateKeyPair(ALGORITHM, { extractable: true });
    const jwk = await exportJWK(privateKey);
    kept = [...kept.filter((one) => now() < one.createdAt + KNOWN_FOR_MS), { createdAt, jwk }];
    writeWhole(file, kept);
    keys = await Promise.all(kept.map(readKey));
    const made = keys.at(-1);
    if (made === undefined) throw new Error("broken promise: a key was made");
    return made;
  };
  const current = async () => {
    const newest = keys.at(-1);
    if (newest !== undefined && now() < newest.createdAt + SIGNS_FOR_MS) return newest;
    making ??= make().finally(() => (making = undefined));
    return making;
  };
  try {
    await current();
  } catch (thrown) {
    return declined(
      problemOf(thrown, {
        code: "TokenKeysUnwritable",
        what: "the keys that sign tokens cannot be kept",
        fix: "Make room, and let the user who starts the server write there.",
        where: file,
      }),
    );
  }
  return found({ current, byId: (id) => keys.find((key) => key.id === id), all: () => keys });
}

async function readKey({ createdAt, jwk }: KeptKey): Promise<SigningKey> {
  const { e, kty, n } = jwk;
  const open = { e, kty, n } as JWK;
  const id = await calculateJwkThumbprint(open);
  return {
    id,
    createdAt,
    privateKey: (await importJWK(jwk, ALGORITHM)) as CryptoKey,
    publicKey: (await importJWK(open, ALGORITHM)) as CryptoKey,
    publicJwk: { ...open, kid: id, x5t: id, use: "sig", alg: ALGORITHM },
  };
}

function writeWhole(file: string, keys: readonly KeptKey[]): void {
  const draft = `${file}.new`;
  writeFileSync(draft, JSON.stringify(keys), { mode: 0o600 });
  chmodSync(draft, 0o600);
  renameSync(draft, file);
}
