/**
 * Who asks, and whether he may: every request passes here before it is read any further.
 *
 * A bearer is either a token this installation signed (identity/tokens.ts) or the key of its own
 * command line, which lies in the home. Nothing here issues tokens or knows what is asked for.
 */
import { createHash, timingSafeEqual } from "node:crypto";

import type { Context, Next } from "hono";

import { isJsonArray, type JsonObject, readJson } from "../arm/json.ts";
import { declined, found, type Problem, type Result } from "../base/problem.ts";
import { subscriptionNotFound } from "../control/arm-writes.ts";
import { type Caller, callerOf, type Identity, keyOfScope } from "../identity/identity.ts";
import { type Asked, operationOf } from "../identity/operation-name.ts";
import { originOf, refuse } from "./answer.ts";
import { decodedSegments } from "./request.ts";

export type Access = {
  readonly identity: Identity;
  readonly subscriptionId: string;
  /** The command line's own key, and who it then is. */
  readonly local: { readonly token: string; readonly caller: Caller };
};

const CALLER = "caller";
const AUTHORIZATION = /^bearer +(\S+) *$/i;

/** Who asked; every route behind `signedIn` may know. */
export function callerIn(context: Context): Caller {
  return context.get(CALLER) as Caller;
}

/** Refuses whoever does not prove who he is. */
export function signedIn(access: Access) {
  const expected = digestOf(access.local.token);
  return async (context: Context, next: Next): Promise<Response | undefined> => {
    const sent = AUTHORIZATION.exec(context.req.header("Authorization") ?? "")?.[1];
    const caller =
      sent === undefined
        ? declined(MISSING)
        : timingSafeEqual(digestOf(sent), expected)
          ? found(access.local.caller)
          : await examined(access.identity, sent, originOf(context));
    if (!caller.ok) {
      context.header("WWW-Authenticate", challenge(context, caller.problem));
      return refuse(context, caller.problem);
    }
    context.set(CALLER, caller.value);
    await next();
    return undefined;
  };
}

async function examined(
  { directory, tokens }: Identity,
  token: string,
  origin: string,
): Promise<Result<Caller>> {
  const good = await tokens.examine(token, (audience) => isAudience(audience, origin));
  if (!good.ok) return good;
  const principal = directory.principal(good.value.objectId);
  return principal?.enabled === true ? found(callerOf(principal)) : declined(GONE);
}

/** Names by which clients call Azure's own API and directory; theirs may be left as they are. */
const AZURE_AUDIENCES = [
  "https://management.azure.com",
  "https://management.core.windows.net",
  "https://graph.microsoft.com",
];

/** Whether a token for that audience is one for us, whom the client reached at `origin`. */
export function isAudience(audience: string, origin: string): boolean {
  const bare = audience.replace(/\/+$/, "").toLowerCase();
  if (AZURE_AUDIENCES.includes(bare) || bare === origin.toLowerCase()) return true;
  if (!URL.canParse(bare) || !URL.canParse(origin)) return false;
  // This machine has several names.
  const [named, reached] = [new URL(bare), new URL(origin)];
  return (
    named.origin === bare &&
    named.port === reached.port &&
    [named, reached].every(({ hostname }) => LOOPBACK.includes(hostname))
  );
}

const LOOPBACK = ["localhost", "127.0.0.1", "[::1]"];

/** Refuses what the caller may not do, or what a lock holds up. Lists show what he may read. */
export function permitted({ identity, subscriptionId }: Access) {
  return async (context: Context, next: Next): Promise<Response | undefined> => {
    const caller = callerIn(context);
    const segments = decodedSegments(context);
    if (!segments.ok) return refuse(context, segments.problem);
    const [scope, subscription = ""] = segments.value.map((segment) => segment.toLowerCase());
    if (scope === "subscriptions" && subscription !== "" && subscription !== subscriptionId)
      return refuse(context, subscriptionNotFound(subscription));
    const asked = atHome(operationOf(context.req.method, segments.value), subscriptionId);
    const home = keyOfScope(`/subscriptions/${subscriptionId}`);
    // Who has no role yet signs in all the same, and sees that there is nothing for him.
    const isWelcome = segments.value.length === 1 && WELCOME.includes(scope ?? "");
    const problem =
      isWelcome || (isOpen(asked) && identity.roles.knows(caller.objectId, home))
        ? undefined
        : identity.judge(caller, asked);
    if (problem === undefined) {
      await next();
      return undefined;
    }
    const knows = identity.roles.knows(caller.objectId, keyOfScope(asked.scope));
    if (asked.kind !== "read" || !knows) return refuse(context, problem);
    await next();
    const visible = await visibleItems(context.res, identity, caller);
    context.res = undefined;
    context.res = visible ?? refuse(context, problem);
    return undefined;
  };
}

/** What belongs to the whole tenant is decided by the roles in its one subscription. */
function atHome(asked: Asked, subscriptionId: string): Asked {
  const isOfTenant = !/^\/subscriptions\//i.test(asked.scope);
  return isOfTenant ? { ...asked, scope: `/subscriptions/${subscriptionId}` } : asked;
}

/** What everybody with any role here must read to find his way. */
const OPEN =
  /^microsoft\.resources\/(subscriptions|tenants)(\/(locations|providers))?\/read$|\/locations\/(operations|operationresults)\/read$|^microsoft\.web\/(webappstacks|georegions|checknameavailability|publishingusers)\/read$|^microsoft\.authorization\/(roledefinitions|permissions)\/read$/i;

function isOpen({ action, kind }: Asked): boolean {
  return kind === "read" && OPEN.test(action);
}

const WELCOME = ["subscriptions", "tenants"];

/** The list with the items the caller may read; undefined: it is no list. */
async function visibleItems(
  response: Response,
  identity: Identity,
  caller: Caller,
): Promise<Response | undefined> {
  if (!response.ok) return response;
  const read = readJson(await response.text(), "answer");
  const body = read.ok ? (read.value as JsonObject) : {};
  const items = body["value"];
  if (items === undefined || !isJsonArray(items)) return undefined;
  const value = items.filter((item) => {
    const id = (item as JsonObject)["id"];
    if (typeof id !== "string") return false;
    const asked = operationOf(
      "GET",
      id.split("/").filter((part) => part !== ""),
    );
    return identity.roles.permits(caller.objectId, asked.action, keyOfScope(id));
  });
  return Response.json({ ...body, value }, { status: response.status, headers: kept(response) });
}

function kept({ headers }: Response): Headers {
  const copied = new Headers(headers);
  copied.delete("content-length");
  return copied;
}

function challenge(context: Context, refused: Problem): string {
  const error = refused.code === "AuthenticationFailed" ? "invalid_request" : "invalid_token";
  return `Bearer authorization_uri="${originOf(context)}/adfs", error="${error}"`;
}

const MISSING: Problem = {
  code: "AuthenticationFailed",
  what: "Authentication failed. The 'Authorization' header is missing",
  fix: "Send `Authorization: Bearer TOKEN`; `ase az` signs in for you, docs/azure-clients.md tells how others do.",
};

const GONE: Problem = {
  code: "InvalidAuthenticationToken",
  what: "The access token is of somebody who was removed or disabled",
  fix: "Sign in as somebody else, or ask an owner.",
};

function digestOf(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
