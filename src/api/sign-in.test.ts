import { createHash } from "node:crypto";

import { createLocalJWKSet, decodeJwt, jwtVerify } from "jose";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { openTestPlane, type Loose, type TestPlane } from "../../test/support/plane.ts";

const ORIGIN = "https://arm.test";
const PASSWORD = "correct horse battery";
const DEVICE = "urn:ietf:params:oauth:grant-type:device_code";

let t: TestPlane;
beforeEach(async () => {
  t = await openTestPlane();
});
afterEach(async () => {
  expect(t.world.defects).toEqual([]);
  await t.end();
});

async function form(path: string, fields: Record<string, string>, headers = {}) {
  const response = await t.app.request(`${ORIGIN}${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/x-www-form-urlencoded", ...headers },
    body: new URLSearchParams(fields).toString(),
    redirect: "manual",
  });
  const text = await response.text();
  const json: Loose = text.startsWith("{") ? JSON.parse(text) : undefined;
  return { status: response.status, headers: response.headers, text, json };
}

async function newClient(role?: string) {
  const { directory } = t.identity;
  const application = directory.addApplication({ displayName: "robot" });
  if (!application.ok) throw new Error(application.problem.what);
  const { appId, objectId } = application.value;
  const principal = directory.addServicePrincipal({ appId });
  const secret = await directory.addSecret(objectId, {});
  if (!principal.ok || !secret.ok) throw new Error("no client");
  if (role !== undefined) {
    const id = `{s}/providers/Microsoft.Authorization/roleAssignments/${crypto.randomUUID()}`;
    await t.ask("PUT", id, {
      properties: { roleDefinitionId: role, principalId: principal.value.objectId },
    });
  }
  return { id: appId, secret: secret.value.secret, objectId: principal.value.objectId };
}

const READER = "acdd72a7-3385-48ef-bd42-f606fba81ae7";

async function newUser() {
  const of = { userPrincipalName: "ada@openase.test", displayName: "Ada", password: PASSWORD };
  const user = await t.identity.directory.addUser(of);
  if (!user.ok) throw new Error(user.problem.what);
  return user.value;
}

describe("discovery", () => {
  test("each style names its endpoints under the name it was asked by", async () => {
    const { account } = t.plane;
    for (const path of ["/adfs", `/${account.tenantId}/v2.0`, "/common", "/organizations/v2.0"]) {
      const at = `${ORIGIN}${path}/.well-known/openid-configuration`;
      const found: Loose = await (await t.app.request(at)).json();
      expect(found.token_endpoint).toMatch(/^https:\/\/arm\.test\/[^/]+\/oauth2(\/v2\.0)?\/token$/);
      const keys: Loose = await (await t.app.request(found.jwks_uri)).json();
      expect(keys.keys[0]).toMatchObject({ kty: "RSA", alg: "RS256", use: "sig" });
      expect(keys.keys[0].d).toBeUndefined();
    }
  });
});

describe("client credentials", () => {
  test("bring a token that opens the API, in both styles, by form and by Basic", async () => {
    const { id, secret } = await newClient(READER);
    const { tenantId } = t.plane.account;
    const fields = { client_id: id, client_secret: secret, grant_type: "client_credentials" };
    const answers = [
      await form("/adfs/oauth2/token/", { ...fields, scope: `${ORIGIN}//.default` }),
      await form(`/${tenantId}/oauth2/v2.0/token`, { ...fields, scope: `${ORIGIN}/.default` }),
      await form(`/${tenantId}/oauth2/token`, {
        ...fields,
        resource: "https://management.azure.com/",
      }),
      await form(
        "/adfs/oauth2/token",
        { grant_type: "client_credentials" },
        { Authorization: `Basic ${btoa(`${id}:${encodeURIComponent(secret)}`)}` },
      ),
    ];
    for (const { json, status } of answers) {
      expect([status, json.token_type, json.refresh_token]).toEqual([200, "Bearer", undefined]);
      const Authorization = `Bearer ${json.access_token}`;
      expect((await t.ask("GET", "{s}", undefined, { Authorization })).status).toBe(200);
    }
    expect(decodeJwt(answers[0]?.json.access_token).aud).toBe(`${ORIGIN}/`);
    expect(decodeJwt(answers[0]?.json.access_token)).toMatchObject({ appid: id, tid: tenantId });
  });

  test("tokens are verified by the published keys", async () => {
    const { id, secret } = await newClient();
    const fields = { client_id: id, client_secret: secret, grant_type: "client_credentials" };
    const { json } = await form("/adfs/oauth2/token", fields);
    const keys: Loose = await (await t.app.request(`${ORIGIN}/adfs/discovery/keys`)).json();
    await expect(jwtVerify(json.access_token, createLocalJWKSet(keys))).resolves.toBeDefined();
  });

  test("a wrong secret, an unknown client and a wrong audience are refused without a hint", async () => {
    const { id, secret } = await newClient();
    const grant = { grant_type: "client_credentials" };
    const wrong = await form("/adfs/oauth2/token", { ...grant, client_id: id, client_secret: "x" });
    const unknown = await form("/adfs/oauth2/token", {
      ...grant,
      client_id: crypto.randomUUID(),
      client_secret: secret,
    });
    expect([wrong.status, wrong.json.error]).toEqual([401, "invalid_client"]);
    expect(unknown.json.error_description).toBe(wrong.json.error_description);
    const audience = await form("/adfs/oauth2/token", {
      ...grant,
      client_id: id,
      client_secret: secret,
      scope: "https://vault.azure.net/.default",
    });
    expect([audience.status, audience.json.error]).toEqual([400, "invalid_resource"]);
  });

  test("guessing is slowed down, and right secrets do not count", async () => {
    const { id, secret } = await newClient();
    const fields = { client_id: id, grant_type: "client_credentials" };
    const attempt = (client_secret: string) =>
      form("/adfs/oauth2/token", { ...fields, client_secret });
    for (let count = 0; count < 12; count += 1) expect((await attempt(secret)).status).toBe(200);
    const statuses: number[] = [];
    for (let count = 0; count < 12; count += 1) statuses.push((await attempt("guess")).status);
    expect(statuses.filter((status) => status === 401)).toHaveLength(10);
    const refused = await attempt(secret);
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get("Retry-After"))).toBeGreaterThan(0);
  });
});

describe("access tokens", () => {
  const bearer = async (token: string) =>
    t.ask("GET", "/subscriptions", undefined, { Authorization: `Bearer ${token}` });

  test("for another audience, altered, unsigned or of a removed principal open nothing", async () => {
    const { id, objectId } = await newClient(READER);
    const principal = t.identity.directory.principal(objectId);
    if (principal === undefined) throw new Error("no principal");
    const issue = async (audience: string) =>
      (await t.identity.tokens.access({ principal, audience, clientId: id })).token;
    const token = await issue(`${ORIGIN}/`);
    expect((await bearer(token)).status).toBe(200);
    const other = await bearer(await issue("https://elsewhere.test/"));
    expect(other.json.error.code).toBe("InvalidAuthenticationTokenAudience");
    const [head = "", body = "", signature = ""] = token.split(".");
    const altered = `${head}.${body.slice(0, -2)}AA.${signature}`;
    expect((await bearer(altered)).json.error.code).toBe("InvalidAuthenticationToken");
    const none = Buffer.from('{"alg":"none"}').toString("base64url");
    expect((await bearer(`${none}.${body}.`)).status).toBe(401);
    t.identity.directory.enable(objectId, "disabled");
    expect((await bearer(token)).status).toBe(401);
  });

  test("expire", async () => {
    const { id, objectId } = await newClient(READER);
    const principal = t.identity.directory.principal(objectId);
    if (principal === undefined) throw new Error("no principal");
    t.clock.aheadMs = -2 * 60 * 60_000;
    const { token } = await t.identity.tokens.access({
      principal,
      audience: `${ORIGIN}/`,
      clientId: id,
    });
    t.clock.aheadMs = 0;
    expect((await bearer(token)).json.error.code).toBe("ExpiredAuthenticationToken");
  });
});

describe("users", () => {
  test("sign in by password, and come again by refresh token", async () => {
    const user = await newUser();
    const fields = { client_id: "04b07795-8ddb-461a-bbee-02f9e1bf7b46" };
    const scope = `${ORIGIN}//.default offline_access openid profile`;
    const first = await form("/adfs/oauth2/token", {
      ...fields,
      scope,
      grant_type: "password",
      username: "ADA@openase.test",
      password: PASSWORD,
    });
    const info = JSON.parse(Buffer.from(first.json.client_info, "base64url").toString());
    expect(info).toEqual({ uid: user.objectId, utid: t.plane.account.tenantId });
    expect(decodeJwt(first.json.id_token).aud).toBe(fields.client_id);
    const { refresh_token } = first.json;
    const again = { ...fields, scope, grant_type: "refresh_token", refresh_token };
    expect((await form("/adfs/oauth2/token", again)).json.access_token).toMatch(/^ey/);
    const stolen = { ...again, client_id: "another" };
    expect((await form("/adfs/oauth2/token", stolen)).json.error).toBe("invalid_grant");
    const wrong = { ...fields, grant_type: "password", username: "ada@openase.test", password: "" };
    expect((await form("/adfs/oauth2/token", wrong)).json.error).toBe("invalid_grant");
  });

  test("sign in elsewhere with a device code", async () => {
    await newUser();
    const client_id = "04b07795-8ddb-461a-bbee-02f9e1bf7b46";
    const begun = await form("/adfs/oauth2/devicecode", { client_id });
    const { device_code, user_code, verification_uri } = begun.json;
    expect(begun.json.message).toContain(user_code);
    const redeem = { client_id, grant_type: DEVICE, device_code };
    expect((await form("/adfs/oauth2/token", redeem)).json.error).toBe("authorization_pending");
    const page = new URL(verification_uri).pathname;
    const signIn = { user_code, username: "ada@openase.test", password: PASSWORD };
    expect((await form(page, { ...signIn, password: "no" })).status).toBe(401);
    expect((await form(page, signIn)).status).toBe(200);
    expect((await form("/adfs/oauth2/token", redeem)).json.access_token).toMatch(/^ey/);
    expect((await form("/adfs/oauth2/token", redeem)).status).toBe(400);
  });

  test("sign in by browser: code and PKCE, for programs of this machine only", async () => {
    await newUser();
    const verifier = "v".repeat(50);
    const wish = {
      client_id: "client",
      response_type: "code",
      redirect_uri: "http://localhost:8400",
      scope: `${ORIGIN}//.default`,
      state: "s<1",
      code_challenge: createHash("sha256").update(verifier).digest("base64url"),
      code_challenge_method: "S256",
    };
    const shown = await t.app.request(
      `${ORIGIN}/adfs/oauth2/authorize?${new URLSearchParams(wish).toString()}`,
    );
    expect(await shown.text()).toContain('value="s&#60;1"');
    const who = { username: "ada@openase.test", password: PASSWORD };
    const elsewhere = { ...wish, ...who, redirect_uri: "https://evil.test/" };
    expect((await form("/adfs/oauth2/authorize", elsewhere)).status).toBe(400);
    const sent = await form("/adfs/oauth2/authorize", { ...wish, ...who });
    const to = new URL(sent.headers.get("Location") ?? "");
    expect([sent.status, to.port, to.searchParams.get("state")]).toEqual([302, "8400", "s<1"]);
    const redeem = {
      grant_type: "authorization_code",
      client_id: "client",
      redirect_uri: wish.redirect_uri,
      code: to.searchParams.get("code") ?? "",
    };
    const stolen = await form("/adfs/oauth2/token", { ...redeem, code_verifier: "other" });
    expect(stolen.json.error).toBe("invalid_grant");
    const second = await form("/adfs/oauth2/authorize", { ...wish, ...who });
    const code = new URL(second.headers.get("Location") ?? "").searchParams.get("code") ?? "";
    const good = await form("/adfs/oauth2/token", { ...redeem, code, code_verifier: verifier });
    expect(good.json.access_token).toMatch(/^ey/);
  });
});

test("malformed sign-ins are refused, never 5xx", async () => {
  const bodies = [
    "",
    "grant_type",
    "grant_type=client_credentials&client_id=%",
    "a=%FF%FE&scope=:",
  ];
  for (const body of bodies)
    for (const path of [
      "/adfs/oauth2/token",
      "/adfs/oauth2/devicecode",
      "/adfs/oauth2/authorize",
    ]) {
      const { status } = await t.app.request(ORIGIN + path, { method: "POST", body });
      expect([path, body, status < 500]).toEqual([path, body, true]);
    }
});
