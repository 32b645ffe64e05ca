/**
 * Access tokens: JWTs signed by this installation, and their examination at every request.
 *
 * A token says who its bearer is and for whom it was made; what he may do is looked up each time.
 * Issuer, audience, times and signature are all checked.
 */
import { createHash, randomUUID } from "node:crypto";

import { decodeProtectedHeader, errors, type JWTPayload, jwtVerify, SignJWT } from "jose";

import { declined, found, type Problem, type Result } from "../base/problem.ts";
import type { Principal } from "./directory.ts";
import { ALGORITHM, type TokenKeys } from "./token-keys.ts";

export type Tokens = {
  readonly access: (of: {
    readonly principal: Principal;
    readonly audience: string;
    /** The application that signs a user in; a service principal is its own. */
    readonly clientId: string;
  }) => Promise<IssuedToken>;
  /** Who signed in, for the client itself. */
  readonly id: (of: {
    readonly principal: Principal;
    readonly clientId: string;
    readonly issuer: string;
    readonly nonce?: string;
  }) => Promise<string>;
  /** The object id of the bearer of a good token. */
  readonly examine: (
    token: string,
    isAudience: (audience: string) => boolean,
  ) => Promise<Result<{ readonly objectId: string; readonly audience: string }>>;
  readonly publicKeys: () => readonly object[];
  readonly issuer: string;
};

export type IssuedToken = { readonly token: string; readonly expiresInS: number };

const LIFETIME_S = 60 * 60;
/** Clocks of clients and servers differ by this at most. */
const CLOCK_TOLERANCE_S = 60;
/** Examined tokens are remembered, so that a signature is computed once. */
const REMEMBERED = 2_000;

type Examined = {
  readonly objectId: string;
  readonly audience: string;
  readonly expiresAt: number;
};

export function openTokens(options: {
  readonly keys: TokenKeys;
  readonly tenantId: string;
  readonly now: () => number;
}): Tokens {
  const { keys, now, tenantId } = options;
  const issuer = `https://sts.openase.test/${tenantId}/`;
  const examined = new Map<string, Examined>();
  const sign = async (claims: JWTPayload, audience: string, signedBy: string) => {
    const key = await keys.current();
    const issuedAt = Math.floor(now() / 1000);
    return new SignJWT(claims)
      .setProtectedHeader({ alg: ALGORITHM, typ: "JWT", kid: key.id, x5t: key.id })
      .setIssuer(signedBy)
      .setAudience(audience)
      .setIssuedAt(issuedAt)
      .setNotBefore(issuedAt)
      .setExpirationTime(issuedAt + LIFETIME_S)
      .sign(key.privateKey);
  };
  return {
    issuer,
    access: async ({ audience, clientId, principal }) => {
      const claims = { ...claimsOf(principal, tenantId), appid: clientId, uti: randomUUID() };
      return { token: await sign(claims, audience, issuer), expiresInS: LIFETIME_S };
    },
    id: ({ clientId, issuer: signedBy, nonce, principal }) =>
      sign(
        { ...claimsOf(principal, tenantId), ...(nonce === undefined ? {} : { nonce }) },
        clientId,
        signedBy,
      ),
    examine: async (token, isAudience) => {
      const digest = createHash("sha256").update(token).digest("base64url");
      let known = examined.get(digest);
      if (known !== undefined && known.expiresAt <= now()) known = undefined;
      if (known === undefined) {
        const fresh = await examine(token, { keys, issuer, now });
        if (!fresh.ok) return fresh;
        known = fresh.value;
        // The oldest goes: what is still used is examined again.
        const [oldest] = examined.keys();
        if (REMEMBERED <= examined.size && oldest !== undefined) examined.delete(oldest);
        examined.set(digest, known);
      }
      const { audience, objectId } = known;
      return isAudience(audience)
        ? found({ objectId, audience })
        : declined(wrongAudience(audience));
    },
    publicKeys: () => keys.all().map(({ publicJwk }) => publicJwk),
  };
}

function claimsOf(principal: Principal, tenantId: string): JWTPayload {
  const { displayName, objectId } = principal;
  const common = { oid: objectId, sub: objectId, tid: tenantId, ver: "1.0" };
  if (principal.kind === "ServicePrincipal")
    return { ...common, app_displayname: displayName, appidacr: "1", idtyp: "app" };
  const { userPrincipalName } = principal;
  return {
    ...common,
    name: displayName,
    upn: userPrincipalName,
    unique_name: userPrincipalName,
    preferred_username: userPrincipalName,
    appidacr: "0",
    idtyp: "user",
    scp: "user_impersonation",
  };
}

async function examine(
  token: string,
  { issuer, keys, now }: { keys: TokenKeys; issuer: string; now: () => number },
): Promise<Result<Examined>> {
  try {
    const key = keys.byId(decodeProtectedHeader(token).kid);
    if (key === undefined) return declined(invalid("it is not signed by this installation"));
    const { payload } = await jwtVerify(token, key.publicKey, {
      algorithms: [ALGORITHM],
      issuer,
      clockTolerance: CLOCK_TOLERANCE_S,
      currentDate: new Date(now()),
      requiredClaims: ["exp", "nbf", "aud", "oid"],
    });
    const { aud, exp, oid } = payload;
    if (typeof aud !== "string" || typeof oid !== "string" || exp === undefined)
      return declined(invalid("it names no bearer"));
    return found({
      audience: aud,
      objectId: oid,
      expiresAt: (exp + CLOCK_TOLERANCE_S) * 1000,
    });
  } catch (thrown) {
    if (thrown instanceof errors.JWTExpired) return declined(EXPIRED);
    return declined(invalid(thrown instanceof Error ? thrown.message : String(thrown)));
  }
}

const EXPIRED: Problem = {
  code: "ExpiredAuthenticationToken",
  what: "The access token expiry is earlier than the current time",
  fix: "Sign in again, or let the client get a new token.",
};

function invalid(why: string): Problem {
  return {
    code: "InvalidAuthenticationToken",
    what: `The access token is invalid: ${why}`,
    fix: "Get a token from this installation: its token endpoint stands in /metadata/endpoints.",
  };
}

function wrongAudience(audience: string): Problem {
  return {
    code: "InvalidAuthenticationTokenAudience",
    what: `The access token has been obtained for wrong audience or resource '${audience}'`,
    fix: "Ask for a token for the audience that /metadata/endpoints names.",
  };
}
