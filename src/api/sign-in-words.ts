/**
 * Words of a sign-in that endpoints and pages share: the styles of addresses, forms, and for whom
 * a token is asked.
 */
import { declined, found, type Result } from "../base/problem.ts";
import { isAudience } from "./access.ts";

/** How the addresses of one style are made. */
export type Style = {
  readonly path: string;
  readonly oauthPath: string;
  readonly keysPath: string;
  readonly issuerPath: string;
};

export type Form = Readonly<Record<string, string>>;

const OPENID_SCOPES = ["openid", "profile", "offline_access", "email"];

/** `scope` is an audience with `/.default` or a permission behind it; `resource` an audience. */
export function audienceOf(form: Form, origin: string): Result<string> {
  const wanted = (form["scope"] ?? "")
    .split(/\s+/)
    .find((scope) => scope !== "" && !OPENID_SCOPES.includes(scope.toLowerCase()));
  const audience =
    form["resource"] ?? wanted?.replace(/\/(\.default|[\w.]+)$/i, "") ?? `${origin}/`;
  if (isAudience(audience, origin)) return found(audience);
  return declined({
    code: "invalid_resource",
    what: `nothing here is called ${audience}`,
    fix: `Ask for the scope ${origin}//.default.`,
  });
}
