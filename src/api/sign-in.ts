/**
 * Where clients sign in: discovery, keys and token endpoints, in the style of ADFS, which is the
 * only one that az asks no other host for, and in that of Entra ID.
 *
 * Reads forms and writes answers; what proves an identity is identity/sign-in.ts, pages for people
 * are sign-in-pages.ts. No token is needed here.
 */
import { randomUUID } from "node:crypto";

import { type Context, Hono } from "hono";

import { declined, found, type Problem, type Result } from "../base/problem.ts";
import type { Account } from "../control/control-plane.ts";
import type { Principal } from "../identity/directory.ts";
import type { Identity } from "../identity/identity.ts";
import { oauth, type Redeemed } from "../identity/sign-in.ts";
import { originOf } from "./answer.ts";
import { formOf } from "./request.ts";
import { signInPages } from "./sign-in-pages.ts";
import { audienceOf, type Form, type Style } from "./sign-in-words.ts";

/** Words that stand for the one tenant there is. */
const TENANT_WORDS = ["common", "organizations"];

export function signInRoutes(identity: Identity, account: Account): Hono {
  const routes = new Hono();
  const tenants = [account.tenantId.toLowerCase(), ...TENANT_WORDS];
  addStyle(routes, identity, account, {
    path: "/adfs/.well-known/openid-configuration",
    oauthPath: "/adfs/oauth2",
    keysPath: "/adfs/discovery/keys",
    issuerPath: "/adfs",
  });
  for (const tenant of tenants)
    for (const [path, oauthPath] of [
      [`/${tenant}/v2.0`, `/${tenant}/oauth2/v2.0`],
      [`/${tenant}`, `/${tenant}/oauth2`],
    ] as const)
      addStyle(routes, identity, account, {
        path: `${path}/.well-known/openid-configuration`,
        oauthPath,
        keysPath: `/${tenant}/discovery/v2.0/keys`,
        issuerPath: `/${account.tenantId}/v2.0`,
      });
  routes.get("/common/discovery/instance", (context) => {
    const origin = originOf(context);
    const { host } = new URL(origin);
    return context.json({
      tenant_discovery_endpoint: `${origin}/${account.tenantId}/v2.0/.well-known/openid-configuration`,
      "api-version": "1.1",
      metadata: [{ preferred_network: host, preferred_cache: host, aliases: [host] }],
    });
  });
  routes.get("/common/userrealm/:user", (context) =>
    context.json({
      ver: "1.0",
      account_type: "Managed",
      domain_name: "openase",
      cloud_instance_name: "OpenASE",
      cloud_audience_urn: "urn:federation:OpenASE",
    }),
  );
  return routes;
}

function addStyle(routes: Hono, identity: Identity, account: Account, style: Style): void {
  const { keysPath, oauthPath, path } = style;
  routes.get(path, (context) => context.json(discovery(originOf(context), style)));
  routes.get(keysPath, (context) => context.json({ keys: identity.tokens.publicKeys() }));
  routes.post(`${oauthPath}/token`, (context) => token(context, identity, account, style));
  routes.post(`${oauthPath}/devicecode`, (context) => deviceCode(context, identity, style));
  signInPages(routes, identity, style);
}

function discovery(origin: string, { issuerPath, keysPath, oauthPath }: Style): object {
  const at = (path: string) => `${origin}${path}`;
  return {
    issuer: at(issuerPath),
    authorization_endpoint: at(`${oauthPath}/authorize`),
    token_endpoint: at(`${oauthPath}/token`),
    device_authorization_endpoint: at(`${oauthPath}/devicecode`),
    end_session_endpoint: at(`${oauthPath}/logout`),
    jwks_uri: at(keysPath),
    response_types_supported: ["code"],
    response_modes_supported: ["query", "form_post"],
    grant_types_supported: [
      "authorization_code",
      "client_credentials",
      "password",
      "refresh_token",
      DEVICE_GRANT,
    ],
    subject_types_supported: ["public"],
    scopes_supported: ["openid", "profile", "offline_access"],
    id_token_signing_alg_values_supported: ["RS256"],
    token_endpoint_auth_methods_supported: ["client_secret_post", "client_secret_basic"],
    code_challenge_methods_supported: ["S256"],
    tenant_region_scope: null,
    cloud_instance_name: new URL(origin).host,
  };
}

const DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code";

type Granted = Redeemed & {
  readonly clientId: string;
  readonly nonce?: string;
  /** Of a user: what lets the client come again without him. */
  readonly refresh: "new" | "none";
};

async function token(
  context: Context,
  identity: Identity,
  account: Account,
  style: Style,
): Promise<Response> {
  const form = await formOf(context);
  if (!form.ok) return refuseForm(context, oauth("invalid_request", form.problem.what));
  const granted = await grant(context, identity, form.value);
  if (!granted.ok) return refuseForm(context, granted.problem);
  const { audience, clientId, nonce, principal, refresh } = granted.value;
  const access = await identity.tokens.access({ principal, audience, clientId });
  const expiresOn = Math.floor(Date.now() / 1000) + access.expiresInS;
  const body = {
    token_type: "Bearer",
    expires_in: access.expiresInS,
    ext_expires_in: access.expiresInS,
    expires_on: String(expiresOn),
    not_before: String(expiresOn - access.expiresInS),
    resource: audience,
    scope: form.value["scope"] ?? `${audience}/.default`,
    access_token: access.token,
  };
  // A secret answer is kept nowhere on its way.
  context.header("Cache-Control", "no-store");
  if (principal.kind === "ServicePrincipal") return context.json(body);
  const issuer = originOf(context) + style.issuerPath;
  const id = await identity.tokens.id({
    principal,
    clientId,
    issuer,
    ...(nonce === undefined ? {} : { nonce }),
  });
  const forUser = { ...body, id_token: id, client_info: clientInfo(principal, account) };
  if (refresh === "none") return context.json(forUser);
  const next = identity.signIn.newRefreshToken({ principal, audience, clientId });
  if (!next.ok) return refuseForm(context, oauth("server_error", next.problem.what));
  return context.json({ ...forUser, refresh_token: next.value });
}

async function grant(context: Context, identity: Identity, form: Form): Promise<Result<Granted>> {
  const { signIn } = identity;
  const client = clientOf(context, form);
  const { id: clientId } = client;
  const audience = audienceOf(form, originOf(context));
  if (clientId === "") return declined(oauth("invalid_request", "client_id is missing"));
  if (!audience.ok) return audience;
  const asUser = (redeemed: Result<Redeemed>, refresh: Granted["refresh"]): Result<Granted> =>
    redeemed.ok ? found({ ...redeemed.value, clientId, refresh }) : redeemed;
  switch (form["grant_type"]) {
    case "client_credentials": {
      if (client.secret === undefined) return declined(NO_SECRET);
      const principal = await signIn.client(clientId, client.secret);
      return principal.ok
        ? found({ principal: principal.value, audience: audience.value, clientId, refresh: "none" })
        : principal;
    }
    case "password": {
      const user = await signIn.user(form["username"] ?? "", form["password"] ?? "");
      if (!user.ok && user.problem.code === "invalid_client")
        return declined({ ...user.problem, code: "invalid_grant" });
      return asUser(
        user.ok ? found({ principal: user.value, audience: audience.value }) : user,
        "new",
      );
    }
    case DEVICE_GRANT:
    case "device_code":
      return asUser(
        signIn.redeemDevice(form["device_code"] ?? form["code"] ?? "", clientId),
        "new",
      );
    case "authorization_code":
      return asUser(
        signIn.redeemCode({
          code: form["code"] ?? "",
          clientId,
          redirectUri: form["redirect_uri"] ?? "",
          verifier: form["code_verifier"] ?? "",
        }),
        "new",
      );
    case "refresh_token": {
      const redeemed = signIn.redeemRefreshToken(form["refresh_token"] ?? "", clientId);
      // The audience may be another one than at first.
      return redeemed.ok
        ? found({ ...redeemed.value, audience: audience.value, clientId, refresh: "none" })
        : redeemed;
    }
    default:
      return declined(
        oauth("unsupported_grant_type", `grant_type "${form["grant_type"] ?? ""}" is not offered`),
      );
  }
}

const NO_SECRET = {
  code: "invalid_client",
  what: "client_secret is missing; certificates and federated tokens are not taken",
  fix: "Sign in with a secret: an owner makes one with az ad sp credential reset --id CLIENT_ID.",
};

/** In the form, or as Basic authentication. */
function clientOf(context: Context, form: Form) {
  const basic = /^basic +(\S+)$/i.exec(context.req.header("Authorization") ?? "")?.[1];
  const text = basic === undefined ? "" : Buffer.from(basic, "base64").toString("utf8");
  const split = text.indexOf(":");
  const id = form["client_id"] ?? (split === -1 ? "" : decoded(text.slice(0, split)));
  const secret =
    form["client_secret"] ?? (split === -1 ? undefined : decoded(text.slice(split + 1)));
  return { id, secret };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function clientInfo({ objectId }: Principal, { tenantId }: Account): string {
  return Buffer.from(JSON.stringify({ uid: objectId, utid: tenantId })).toString("base64url");
}

async function deviceCode(
  context: Context,
  identity: Identity,
  { oauthPath }: Style,
): Promise<Response> {
  const form = await formOf(context);
  const clientId = form.ok ? (form.value["client_id"] ?? "") : "";
  if (!form.ok || clientId === "")
    return refuseForm(context, oauth("invalid_request", "client_id is missing"));
  const audience = audienceOf(form.value, originOf(context));
  if (!audience.ok) return refuseForm(context, audience.problem);
  const device = identity.signIn.beginDevice(clientId, audience.value);
  const page = `${originOf(context)}${oauthPath}/deviceauth`;
  return context.json({
    device_code: device.deviceCode,
    user_code: device.userCode,
    verification_uri: page,
    verification_url: page,
    verification_uri_complete: `${page}?user_code=${device.userCode}`,
    expires_in: device.expiresInS,
    interval: device.intervalS,
    message: `To sign in, open the page ${page} and enter the code ${device.userCode} to authenticate.`,
  });
}

/** OAuth's form of an error, with the words that Azure's clients show. */
function refuseForm(context: Context, problem: Problem): Response {
  const { code, fix, what } = problem;
  const id = randomUUID();
  const wait = /Wait (\d+) s/.exec(fix)?.[1];
  if (wait !== undefined) context.header("Retry-After", wait);
  const status = code === "invalid_client" ? 401 : code === "temporarily_unavailable" ? 429 : 400;
  return context.json(
    {
      error: code,
      error_description: `${ERROR_NUMBERS[code] ?? "AADSTS90014"}: ${what}. ${fix}`,
      error_codes: [Number((ERROR_NUMBERS[code] ?? "90014").replace("AADSTS", ""))],
      timestamp: new Date().toISOString(),
      trace_id: id,
      correlation_id: id,
    },
    status,
  );
}

/** The numbers by which Azure's users look such errors up. */
const ERROR_NUMBERS: Readonly<Record<string, string>> = {
  authorization_pending: "AADSTS70016",
  bad_verification_code: "AADSTS70018",
  expired_token: "AADSTS70020",
  invalid_client: "AADSTS7000215",
  invalid_grant: "AADSTS50126",
  invalid_resource: "AADSTS500011",
  temporarily_unavailable: "AADSTS50196",
  unsupported_grant_type: "AADSTS70003",
};
