/**
 * How somebody proves who he is, and is given tokens: the OAuth 2.0 grants that Azure's clients use.
 *
 * Client credentials, password, device code, authorization code with PKCE, refresh token. Forms
 * and addresses are the API's; what a token allows is role-assignments.ts. Codes live in memory
 * and are void after a start; refresh tokens are kept, as hashes.
 */
import { createHash, randomBytes, randomInt, timingSafeEqual } from "node:crypto";

import { declined, found, type Result } from "../base/problem.ts";
import type { Store } from "../store/store.ts";
import type { Directory, KeptSecret, Principal, User } from "./directory.ts";
import { secretMatches, spendComparison } from "./secrets.ts";
import { type Bucket, openThrottle } from "./throttle.ts";

export type SignIn = {
  readonly client: (clientId: string, secret: string) => Promise<Result<Principal>>;
  readonly user: (name: string, password: string) => Promise<Result<User>>;
  readonly beginDevice: (clientId: string, audience: string) => DeviceCode;
  /** By the user, who has seen the code. */
  readonly approveDevice: (userCode: string, principal: Principal) => Result<"approved">;
  /** By the client, again and again. */
  readonly redeemDevice: (deviceCode: string, clientId: string) => Result<Redeemed>;
  readonly beginCode: (of: CodeWish & { readonly principal: Principal }) => string;
  readonly redeemCode: (of: {
    readonly code: string;
    readonly clientId: string;
    readonly redirectUri: string;
    readonly verifier: string;
  }) => Result<Redeemed & { readonly nonce?: string }>;
  readonly newRefreshToken: (of: Redeemed & { readonly clientId: string }) => Result<string>;
  /** May be used again until it expires: command lines that run side by side share one. */
  readonly redeemRefreshToken: (token: string, clientId: string) => Result<Redeemed>;
};

export type Redeemed = { readonly principal: Principal; readonly audience: string };

export type CodeWish = {
  readonly clientId: string;
  readonly audience: string;
  readonly redirectUri: string;
  /** SHA-256 of the verifier, base64url. */
  readonly challenge: string;
  readonly nonce?: string;
};

export type DeviceCode = {
  readonly deviceCode: string;
  readonly userCode: string;
  readonly expiresInS: number;
  readonly intervalS: number;
};

const DEVICE_LIFE_MS = 15 * 60_000;
const CODE_LIFE_MS = 5 * 60_000;
const REFRESH_LIFE_MS = 90 * 24 * 60 * 60_000;
const REFRESH_TOKEN = "refresh-token";
/** Waiting codes are few; strangers may begin them. */
const MOST_CODES = 1_000;
/** Wrong secrets for one name, then for all names together. */
const FAILURES: Bucket = { capacity: 10, perSecond: 10 / 60 };
const ALL_FAILURES: Bucket = { capacity: 100, perSecond: 2 };
/** Letters that are not mistaken for one another. */
const USER_CODE_LETTERS = "BCDFGHJKLMNPQRSTVWXZ23456789";

type Device = {
  readonly userCode: string;
  readonly clientId: string;
  readonly audience: string;
  readonly expiresAt: number;
  readonly principalId?: string;
};
type Code = CodeWish & { readonly principalId: string; readonly expiresAt: number };
type Refresh = {
  readonly principalId: string;
  readonly clientId: string;
  readonly audience: string;
  readonly expiresAt: number;
};

export function openSignIn(options: {
  readonly directory: Directory;
  readonly store: Store;
  readonly now: () => number;
}): SignIn {
  const { directory, now, store } = options;
  const throttle = openThrottle(now);
  const devices = new Map<string, Device>();
  const codes = new Map<string, Code>();

  const attempt = async <Value>(
    name: string,
    tried: () => Promise<Value | undefined>,
  ): Promise<Result<Value>> => {
    const key = name.toLowerCase();
    const [one, all] = [throttle.look(key, FAILURES), throttle.look("", ALL_FAILURES)];
    const waitS = Math.max(one.ok ? 0 : one.waitS, all.ok ? 0 : all.waitS);
    if (0 < waitS) return declined(tooOften(waitS));
    // Counted before it is tried, so that many at once are counted too.
    throttle.take(key, FAILURES);
    throttle.take("", ALL_FAILURES);
    const value = await tried();
    if (value === undefined) return declined(WRONG_CREDENTIALS);
    throttle.giveBack(key, FAILURES);
    throttle.giveBack("", ALL_FAILURES);
    return found(value);
  };
  const byId = (objectId: string | undefined): Principal | undefined => {
    const principal = objectId === undefined ? undefined : directory.principal(objectId);
    return principal?.enabled === true ? principal : undefined;
  };
  const secretsOf = (clientId: string): readonly KeptSecret[] => [
    ...(directory.application(clientId)?.secrets ?? []),
    ...(directory.servicePrincipalOf(clientId)?.secrets ?? []),
  ];

  return {
    client: (clientId, secret) =>
      attempt(clientId, async () => {
        const valid = secretsOf(clientId).filter(({ endsAt }) => now() < endsAt);
        if (valid.length === 0) await spendComparison(secret);
        for (const { hash } of valid)
          if (await secretMatches(secret, hash))
            return byId(directory.servicePrincipalOf(clientId)?.objectId);
        return undefined;
      }),
    user: (name, password) =>
      attempt(name, async () => {
        const user = directory.user(name);
        if (user === undefined) await spendComparison(password);
        else if ((await secretMatches(password, user.password)) && user.enabled) return user;
        return undefined;
      }),
    beginDevice: (clientId, audience) => {
      const deviceCode = randomBytes(32).toString("base64url");
      const userCode = newUserCode();
      remember(devices, deviceCode, {
        userCode,
        clientId,
        audience,
        expiresAt: now() + DEVICE_LIFE_MS,
      });
      return { deviceCode, userCode, expiresInS: DEVICE_LIFE_MS / 1000, intervalS: 1 };
    },
    approveDevice: (userCode, principal) => {
      const wanted = userCode.replaceAll(/[\s-]/g, "").toUpperCase();
      const entry = [...devices].find(
        ([, device]) => equal(device.userCode, wanted) && now() < device.expiresAt,
      );
      if (entry === undefined) return declined(oauth("invalid_request", "there is no such code"));
      const [deviceCode, device] = entry;
      devices.set(deviceCode, { ...device, principalId: principal.objectId });
      return found("approved");
    },
    redeemDevice: (deviceCode, clientId) => {
      const device = devices.get(deviceCode);
      if (device === undefined || device.clientId !== clientId)
        return declined(oauth("bad_verification_code", "the device code is not known"));
      if (device.expiresAt <= now()) {
        devices.delete(deviceCode);
        return declined(oauth("expired_token", "the device code has expired"));
      }
      const principal = byId(device.principalId);
      if (principal === undefined)
        return declined(oauth("authorization_pending", "the user has not signed in yet"));
      devices.delete(deviceCode);
      return found({ principal, audience: device.audience });
    },
    beginCode: ({ principal, ...wish }) => {
      const code = randomBytes(32).toString("base64url");
      remember(codes, code, {
        ...wish,
        principalId: principal.objectId,
        expiresAt: now() + CODE_LIFE_MS,
      });
      return code;
    },
    redeemCode: ({ clientId, code, redirectUri, verifier }) => {
      const kept = codes.get(code);
      codes.delete(code);
      const principal = byId(kept?.principalId);
      const challenge = createHash("sha256").update(verifier).digest("base64url");
      if (
        kept === undefined ||
        principal === undefined ||
        kept.expiresAt <= now() ||
        kept.clientId !== clientId ||
        kept.redirectUri !== redirectUri ||
        !equal(kept.challenge, challenge)
      )
        return declined(oauth("invalid_grant", "the authorization code is not valid"));
      const { audience, nonce } = kept;
      return found({ principal, audience, ...(nonce === undefined ? {} : { nonce }) });
    },
    newRefreshToken: ({ audience, clientId, principal }) => {
      const token = randomBytes(48).toString("base64url");
      const kept: Refresh = {
        principalId: principal.objectId,
        clientId,
        audience,
        expiresAt: now() + REFRESH_LIFE_MS,
      };
      return store.transaction((transaction) => {
        for (const { key, value } of transaction.list<Refresh>(REFRESH_TOKEN, ""))
          if (value.expiresAt <= now()) transaction.remove(REFRESH_TOKEN, key);
        transaction.put(REFRESH_TOKEN, digestOf(token), kept);
        return found(token);
      });
    },
    redeemRefreshToken: (token, clientId) => {
      const key = digestOf(token);
      const kept = store.get<Refresh>(REFRESH_TOKEN, key)?.value;
      const principal = byId(kept?.principalId);
      if (
        kept === undefined ||
        principal === undefined ||
        kept.clientId !== clientId ||
        kept.expiresAt <= now()
      )
        return declined(oauth("invalid_grant", "the refresh token is not valid"));
      return found({ principal, audience: kept.audience });
    },
  };
}

function remember<Value extends { readonly expiresAt: number }>(
  codes: Map<string, Value>,
  key: string,
  value: Value,
): void {
  const [oldest] = codes.keys();
  if (MOST_CODES <= codes.size && oldest !== undefined) codes.delete(oldest);
  codes.set(key, value);
}

function newUserCode(): string {
  return Array.from(
    { length: 9 },
    () => USER_CODE_LETTERS[randomInt(USER_CODE_LETTERS.length)],
  ).join("");
}

function digestOf(text: string): string {
  return createHash("sha256").update(text).digest("base64url");
}

function equal(one: string, other: string): boolean {
  const [a, b] = [Buffer.from(digestOf(one)), Buffer.from(digestOf(other))];
  return timingSafeEqual(a, b);
}

/** The code is OAuth's `error`. */
export function oauth(code: string, what: string) {
  return { code, what, fix: "Begin the sign-in anew." };
}

const WRONG_CREDENTIALS = {
  code: "invalid_client",
  what: "the name or its secret is wrong, or the secret has expired",
  fix: "Check both; an owner makes a new secret with: az ad sp credential reset --id CLIENT_ID.",
};

function tooOften(waitS: number) {
  return {
    code: "temporarily_unavailable",
    what: "too many wrong secrets were tried",
    fix: `Wait ${waitS} s, then try again.`,
  };
}
