/**
 * The activity log over HTTP: what is written down of each change, and how it is asked for
 * (Microsoft.Insights/eventtypes/management/values).
 */
import { type Context, Hono, type Next } from "hono";

import { readJsonObject, type JsonObject, propertyAt } from "../arm/json.ts";
import type { ControlPlane } from "../control/control-plane.ts";
import type { ActivityEntry } from "../identity/activity.ts";
import { type Identity, keyOfScope } from "../identity/identity.ts";
import { operationOf } from "../identity/operation-name.ts";
import { callerIn } from "./access.ts";
import { page, refuse } from "./answer.ts";
import { decodedSegments, query } from "./request.ts";

/** Writes every change down, refused ones too, before it is answered. */
export function recorded(plane: ControlPlane, { activity }: Identity, now: () => number) {
  return async (context: Context, next: Next): Promise<void> => {
    await next();
    const { method } = context.req;
    const segments = decodedSegments(context);
    if (method === "GET" || method === "HEAD" || !segments.ok) return;
    const { action, kind, scope } = operationOf(method, segments.value);
    if (kind === "read") return;
    const { status } = context.res;
    const caller = callerIn(context);
    const operation = operationOfAnswer(context.res);
    const isOpen =
      operation !== undefined && plane.operations.get(operation)?.state === "InProgress";
    const error = status < 400 ? undefined : await errorOf(context.res);
    await activity.record({
      time: now(),
      caller: { objectId: caller.objectId, name: caller.name },
      action,
      scope,
      method,
      path: context.req.path,
      httpStatus: status,
      status: 400 <= status ? "Failed" : isOpen ? "Accepted" : "Succeeded",
      correlationId: context.req.header("x-ms-correlation-request-id")?.slice(0, 64) ?? "",
      ...(error === undefined ? {} : { error }),
      ...(isOpen ? { operation } : {}),
    });
  };
}

function operationOfAnswer({ headers }: Response): string | undefined {
  const url = headers.get("Azure-AsyncOperation") ?? headers.get("Location");
  return url === null ? undefined : /\/([\da-f-]{36})(\?|$)/i.exec(url)?.[1];
}

async function errorOf(response: Response): Promise<ActivityEntry["error"]> {
  const read = readJsonObject(await response.clone().text(), "answer");
  const text = (name: string) => {
    const value = read.ok ? propertyAt(read.value, "error", name) : undefined;
    return typeof value === "string" ? value : "";
  };
  return { code: text("code"), message: text("message") };
}

export function activityRoutes(identity: Identity, now: () => number): Hono {
  const path = "/subscriptions/:sub/providers/microsoft.insights/eventtypes/management/values";
  return new Hono().get(path, (context) => {
    const filter = readFilter(query(context, "$filter") ?? "", now());
    if (!filter.ok) return refuse(context, filter.problem);
    const { from, matches, to } = filter;
    const listed = identity.activity.between(from, to).filter(matches);
    return page(context, listed.map(render));
  });
}

const QUARTER_MS = 90 * 24 * 60 * 60 * 1000;

type Test = (entry: ActivityEntry) => boolean;

const FILTERS: Readonly<Record<string, (entry: ActivityEntry, value: string) => boolean>> = {
  resourcegroupname: ({ scope }, value) =>
    new RegExp(`/resourcegroups/${escaped(value)}(/|$)`).test(keyOfScope(scope)),
  resourceid: ({ scope }, value) => keyOfScope(scope) === keyOfScope(value),
  resourceuri: ({ scope }, value) => keyOfScope(scope) === keyOfScope(value),
  resourceprovider: ({ action }, value) => keyOfScope(action).startsWith(`${keyOfScope(value)}/`),
  correlationid: ({ correlationId }, value) => correlationId === value,
  caller: ({ caller }, value) => [caller.name, caller.objectId].includes(value),
  status: ({ status }, value) => status.toLowerCase() === value.toLowerCase(),
  eventchannels: () => true,
  levels: () => true,
};

/** `eventTimestamp ge T and eventTimestamp le T and resourceGroupName eq 'x'`. */
function readFilter(text: string, now: number) {
  let [from, to] = [now - QUARTER_MS, now];
  const tests: Test[] = [];
  for (const part of text.split(/\s+and\s+/i).filter((one) => one.trim() !== "")) {
    const [, name = "", verb = "", quoted = ""] =
      /^\s*(\w+)\s+(eq|ge|le)\s+(.+?)\s*$/i.exec(part) ?? [];
    const value = quoted.replaceAll("'", "");
    const word = name.toLowerCase();
    const filter = Object.hasOwn(FILTERS, word) ? FILTERS[word] : undefined;
    // Times come with and without a zone; Azure's are UTC.
    const time = Date.parse(/(Z|[+-]\d\d:?\d\d)$/i.test(value) ? value : `${value}Z`);
    const isTime = name.toLowerCase() === "eventtimestamp" && !Number.isNaN(time);
    if (isTime && verb.toLowerCase() === "ge") from = time;
    else if (isTime && verb.toLowerCase() === "le") to = time;
    else if (filter !== undefined) tests.push((entry) => filter(entry, value));
    else
      return {
        ok: false,
        problem: {
          code: "BadRequest",
          what: `the condition "${part.trim()}" of $filter is not understood`,
          fix: `Compare eventTimestamp with ge and le, and one of ${Object.keys(FILTERS).join(", ")} with eq.`,
        },
      } as const;
  }
  return {
    ok: true,
    from,
    to,
    matches: (entry: ActivityEntry) => tests.every((test) => test(entry)),
  } as const;
}

function escaped(text: string): string {
  return text.toLowerCase().replaceAll(/[^\w]/g, String.raw`\$&`);
}

const HTTP_WORDS: Readonly<Record<number, string>> = {
  200: "OK",
  201: "Created",
  202: "Accepted",
  204: "NoContent",
  400: "BadRequest",
  403: "Forbidden",
  404: "NotFound",
  409: "Conflict",
  412: "PreconditionFailed",
};

function render(entry: ActivityEntry): JsonObject {
  const { action, caller, correlationId, error, httpStatus, id, method, path, scope } = entry;
  const at = new Date(entry.time).toISOString();
  const localized = (value: string) => ({ value, localizedValue: value });
  const [, subscriptionId = ""] = /^\/subscriptions\/([^/]+)/i.exec(scope) ?? [];
  const [, resourceGroupName = ""] = /\/resourcegroups\/([^/]+)/i.exec(scope) ?? [];
  const [, resourceType = action] = /^(.*)\/[^/]+$/.exec(action) ?? [];
  const word = HTTP_WORDS[httpStatus] ?? String(httpStatus);
  return {
    id: `${scope}/events/${id}/ticks/${entry.time}`,
    eventDataId: id,
    eventTimestamp: at,
    submissionTimestamp: at,
    caller: caller.name,
    claims: { "http://schemas.microsoft.com/identity/claims/objectidentifier": caller.objectId },
    authorization: { action, scope },
    operationName: localized(action),
    category: localized("Administrative"),
    channels: "Operation",
    level: error === undefined ? "Informational" : "Error",
    eventName: localized(entry.status === "Accepted" ? "Begin request" : "End request"),
    status: localized(entry.status),
    subStatus: { value: word, localizedValue: `${word} (HTTP Status Code: ${httpStatus})` },
    httpRequest: { clientRequestId: id, method, uri: path },
    correlationId,
    operationId: entry.operation ?? correlationId,
    resourceGroupName,
    resourceId: scope,
    resourceProviderName: localized(action.split("/")[0] ?? ""),
    resourceType: localized(resourceType),
    subscriptionId,
    description: error?.message ?? "",
    properties: {
      statusCode: word,
      ...(error === undefined ? {} : { statusMessage: JSON.stringify({ error }) }),
    },
  };
}
