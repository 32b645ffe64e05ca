/**
 * Who may ask: the bearer token of this installation, compared in constant time.
 *
 * One token with all rights. Nothing here issues tokens or knows what is asked for.
 */
import { createHash, timingSafeEqual } from "node:crypto";

import type { Problem } from "../base/problem.ts";

export type Access = {
  /** Undefined: go ahead. */
  readonly refuse: (authorization: string | undefined) => Problem | undefined;
};

export function accessByToken(token: string): Access {
  const expected = digestOf(token);
  return {
    refuse: (authorization) => {
      const sent = /^bearer +(\S+) *$/i.exec(authorization ?? "")?.[1];
      if (sent === undefined) return MISSING;
      // Digests are of one length, so that the comparison tells nothing about the token.
      return timingSafeEqual(digestOf(sent), expected) ? undefined : WRONG;
    },
  };
}

const MISSING: Problem = {
  code: "AuthenticationFailed",
  what: "the request carries no bearer token",
  fix: "Send `Authorization: Bearer TOKEN`; `ase` reads the token from its home.",
};

const WRONG: Problem = {
  code: "InvalidAuthenticationToken",
  what: "the bearer token is not the one of this installation",
  fix: "Use the token in the home of the control plane that answers here.",
};

function digestOf(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
