/**
 * The pages on which people sign in for a client: after a device code, or where a client opened
 * the browser (authorization code with PKCE). Plain HTML that needs no script.
 */
import type { Context, Hono } from "hono";

import { found, type Result } from "../base/problem.ts";
import type { Identity } from "../identity/identity.ts";
import { oauth } from "../identity/sign-in.ts";
import { originOf } from "./answer.ts";
import { formOf } from "./request.ts";
import { audienceOf, type Form, type Style } from "./sign-in-words.ts";

export function signInPages(routes: Hono, identity: Identity, { oauthPath }: Style): void {
  const device = `${oauthPath}/deviceauth`;
  routes.get(device, (context) => page(context, deviceForm(queryForm(context))));
  routes.post(device, (context) => approve(context, identity));
  const authorize = `${oauthPath}/authorize`;
  routes.get(authorize, (context) => {
    const wish = readWish(queryForm(context), originOf(context));
    return wish.ok
      ? page(context, authorizeForm(queryForm(context)))
      : page(context, notice(wish.problem.what), 400);
  });
  routes.post(authorize, (context) => authorizeBy(context, identity));
  routes.get(`${oauthPath}/logout`, (context) => page(context, notice("You are signed out.")));
}

async function approve(context: Context, identity: Identity): Promise<Response> {
  const read = await formOf(context);
  const form = read.ok ? read.value : {};
  const user = await identity.signIn.user(form["username"] ?? "", form["password"] ?? "");
  if (!user.ok) return page(context, deviceForm(form, user.problem.what), 401);
  const approved = identity.signIn.approveDevice(form["user_code"] ?? "", user.value);
  if (!approved.ok) return page(context, deviceForm(form, approved.problem.what), 400);
  return page(context, notice("You are signed in. The command line goes on by itself."));
}

async function authorizeBy(context: Context, identity: Identity): Promise<Response> {
  const read = await formOf(context);
  const form = read.ok ? read.value : {};
  const wish = readWish(form, originOf(context));
  if (!wish.ok) return page(context, notice(wish.problem.what), 400);
  const user = await identity.signIn.user(form["username"] ?? "", form["password"] ?? "");
  if (!user.ok) return page(context, authorizeForm(form, user.problem.what), 401);
  const code = identity.signIn.beginCode({ ...wish.value, principal: user.value });
  const { redirectUri } = wish.value;
  const answer = { code, ...(form["state"] === undefined ? {} : { state: form["state"] }) };
  if (form["response_mode"] === "form_post")
    return page(
      context,
      `<form method="post" action="${escaped(redirectUri)}">${hidden(answer)}
       <p>You are signed in.</p><button>Continue</button></form>`,
    );
  const to = new URL(redirectUri);
  for (const [name, value] of Object.entries(answer)) to.searchParams.set(name, value);
  return context.redirect(to.href);
}

function readWish(form: Form, origin: string) {
  const { client_id: clientId = "", code_challenge: challenge = "", nonce } = form;
  const redirectUri = form["redirect_uri"] ?? "";
  const audience = audienceOf(form, origin);
  if (clientId === "") return refused("client_id is missing");
  if (form["response_type"] !== "code") return refused("response_type must be code");
  if (challenge === "" || form["code_challenge_method"] !== "S256")
    return refused("a code_challenge of method S256 is needed (PKCE)");
  if (!isLoopback(redirectUri))
    return refused("redirect_uri must lead to this machine (http://localhost:PORT)");
  if (!audience.ok) return audience;
  return found({
    clientId,
    challenge,
    redirectUri,
    audience: audience.value,
    ...(nonce === undefined ? {} : { nonce }),
  });
}

function refused(what: string): Result<never> {
  return { ok: false, problem: oauth("invalid_request", what) };
}

/** Codes go to programs of the person at this machine, and to nobody else. */
function isLoopback(uri: string): boolean {
  if (!URL.canParse(uri)) return false;
  const { hostname, protocol } = new URL(uri);
  return protocol === "http:" && ["localhost", "127.0.0.1", "[::1]"].includes(hostname);
}

function queryForm(context: Context): Form {
  return Object.fromEntries(new URL(context.req.url).searchParams);
}

const CREDENTIALS = `<label>Name <input name="username" autocomplete="username" required></label>
<label>Password <input name="password" type="password" autocomplete="current-password" required></label>
<button>Sign in</button>`;

function deviceForm(form: Form, problem = ""): string {
  const code = escaped(form["user_code"] ?? "");
  return `<form method="post"><p class="problem">${escaped(problem)}</p>
<label>Code <input name="user_code" value="${code}" autocomplete="off" required></label>${CREDENTIALS}</form>`;
}

const PASSED_ON = [
  "client_id",
  "redirect_uri",
  "response_type",
  "response_mode",
  "scope",
  "resource",
  "state",
  "nonce",
  "code_challenge",
  "code_challenge_method",
];

function authorizeForm(form: Form, problem = ""): string {
  const passed = Object.fromEntries(
    PASSED_ON.flatMap((name) => (form[name] === undefined ? [] : [[name, form[name]]])),
  );
  return `<form method="post"><p class="problem">${escaped(problem)}</p>${hidden(passed)}${CREDENTIALS}</form>`;
}

function hidden(fields: Form): string {
  return Object.entries(fields)
    .map(([name, value]) => `<input type="hidden" name="${name}" value="${escaped(value)}">`)
    .join("");
}

function notice(text: string): string {
  return `<p>${escaped(text)}</p>`;
}

const STYLE = `body{font:16px/1.5 system-ui,sans-serif;max-width:22rem;margin:4rem auto;padding:0 1rem}
label{display:block;margin:.75rem 0}input{display:block;width:100%;box-sizing:border-box;font:inherit;padding:.4rem}
button{font:inherit;padding:.5rem 1rem}.problem{color:#a00}`;

function page(context: Context, body: string, status: 200 | 400 | 401 = 200): Response {
  context.header(
    "Content-Security-Policy",
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self' http://localhost:* http://127.0.0.1:*; frame-ancestors 'none'",
  );
  context.header("Cache-Control", "no-store");
  return context.html(
    `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Sign in to OpenASE</title><style>${STYLE}</style><h1>OpenASE</h1>${body}</html>`,
    status,
  );
}

function escaped(text: string): string {
  return text.replaceAll(/[&<>"']/g, (letter) => `&#${letter.codePointAt(0) ?? 0};`);
}
