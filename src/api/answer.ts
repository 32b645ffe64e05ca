/**
 * What answers look like: error bodies with their status, pages, and the headers of operations
 * that take their time. Nothing here knows what was asked.
 */
import type { Context } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";

import { bodyOfProblem } from "../control/error-body.ts";
import { statusOfCode } from "../arm/errors.ts";
import type { JsonObject, JsonValue } from "../arm/json.ts";
import type { Problem, Result } from "../base/problem.ts";
import type { Operation } from "../control/operations.ts";

/** Seconds after which a client may look again. Without it `az` waits 30. */
const RETRY_AFTER = "1";

export function refuse(context: Context, problem: Problem): Response {
  return context.json({ error: bodyOfProblem(problem) } as object, statusOfProblem(problem.code));
}

/** Answers with what `show` makes of a value, or with the problem. */
export function answer<Value>(
  context: Context,
  result: Result<Value>,
  show: (value: Value) => Response,
): Response {
  return result.ok ? show(result.value) : refuse(context, result.problem);
}

/** What one answer holds at most. */
const PAGE_SIZE = 1_000;

/** A list, or the part of it that `$top` and `$skiptoken` ask for, with where the next one is. */
export function page(context: Context, value: readonly JsonValue[]): Response {
  const top = Number(context.req.query("$top") ?? PAGE_SIZE);
  const from = Number(context.req.query("$skiptoken") ?? 0);
  if (!Number.isInteger(top) || top < 1 || !Number.isInteger(from) || from < 0)
    return refuse(context, {
      code: "InvalidTopInQueryString",
      what: "$top or $skiptoken is not a count",
      fix: "Write a whole number of at least 1 as $top, and follow nextLink as it is.",
    });
  const end = from + Math.min(top, PAGE_SIZE);
  if (value.length <= end) return context.json({ value: value.slice(from) } as object);
  const next = new URL(context.req.url);
  next.searchParams.set("$skiptoken", String(end));
  return context.json({ value: value.slice(from, end), nextLink: next.href } as object);
}

export function sent(
  context: Context,
  body: JsonObject,
  status: ContentfulStatusCode = 200,
): Response {
  return context.json(body as object, status);
}

/** Clients follow these; they lead to the name by which the client reached us. */
export function followOperation(
  context: Context,
  operation: Operation,
  headers: readonly ("Azure-AsyncOperation" | "Location")[],
  resultOf?: "sites",
): void {
  const base = `${originOf(context)}${operationBase(operation)}`;
  const version = encodeURIComponent(context.req.query("api-version") ?? "2021-04-01");
  const suffix = resultOf === undefined ? "" : `&resultOf=${resultOf}`;
  const paths = { "Azure-AsyncOperation": operationPath(operation), Location: "operationResults" };
  for (const name of headers)
    context.header(name, `${base}/${paths[name]}/${operation.id}?api-version=${version}${suffix}`);
  context.header("Retry-After", RETRY_AFTER);
}

export function lookAgain(context: Context): void {
  context.header("Retry-After", RETRY_AFTER);
}

function operationPath({ kind }: Operation): string {
  return kind === "deployment" ? "operationStatuses" : "operations";
}

function operationBase({ target, kind }: Operation): string {
  if (kind === "deployment") return target;
  const [, subscription = ""] = /^\/subscriptions\/([^/]+)/i.exec(target) ?? [];
  const [, namespace = "Microsoft.Resources"] = /\/providers\/([^/]+)/i.exec(target) ?? [];
  return `/subscriptions/${subscription}/providers/${namespace}/locations/here`;
}

/** Where the client found us. */
export function originOf(context: Context): string {
  const { origin } = new URL(context.req.url);
  return origin;
}

/**
 * Permanent refusals are 4xx, always: clients repeat what was answered with 5xx. Only what may be
 * different at the next try is 5xx.
 */
export function statusOfProblem(code: string): ContentfulStatusCode {
  const own = STATUSES[code] ?? (code.endsWith("NotFound") ? 404 : statusOfCode(code));
  return own as ContentfulStatusCode;
}

/** Codes of these rooms; all others are arm/'s. */
const STATUSES: Readonly<Record<string, number>> = {
  ContentTooLarge: 413,
  DeploymentCannotBeCancelled: 409,
  InternalServerError: 500,
  NetworkInterfaceOfPlatform: 409,
  OperationCanceled: 409,
  PrincipalNotFound: 400,
  StoreUnwritable: 503,
};
