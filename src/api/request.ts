/**
 * Reading of requests: paths in any casing, ids, api-versions, bodies with a limit.
 */
import type { Context } from "hono";

import { parseResourceId, type ResourceId } from "../arm/ids.ts";
import { type JsonObject, type JsonValue, propertyAt, readJsonObject } from "../arm/json.ts";
import type { Places } from "../arm/places.ts";
import { declined, found, type Problem, type Result } from "../base/problem.ts";

/** Azure's own limit for a request is 4 MB. */
const LARGEST_BODY_BYTES = 4 * 1024 * 1024;

/** The path as routes see it: lower case, without doubled or trailing slashes. */
export function routePath(request: Request): string {
  return `/${segmentsOf(request.url).join("/")}`.toLowerCase();
}

/** Segments as they were written, still percent-encoded. */
function segmentsOf(url: string): readonly string[] {
  const end = url.search(/[?#]/);
  const path = url.slice(url.indexOf("/", url.indexOf("//") + 2), end === -1 ? undefined : end);
  return path.split("/").filter((segment) => segment !== "");
}

/** Segments of the path as names. */
export function decodedSegments(context: Context): Result<readonly string[]> {
  const segments: string[] = [];
  for (const written of segmentsOf(context.req.url)) {
    const segment = decoded(written);
    if (segment === undefined || segment.includes("/") || hasControl(segment))
      return declined(notAName(written));
    segments.push(segment);
  }
  return found(segments);
}

/** The id that the first `count` segments of the path spell; all of them when absent. */
export function idInPath(context: Context, count?: number): Result<ResourceId> {
  const segments = decodedSegments(context);
  if (!segments.ok) return segments;
  return parseResourceId(`/${segments.value.slice(0, count).join("/")}`);
}

function notAName(written: string): Problem {
  return {
    code: "InvalidResourceId",
    what: `"${written}" is not a name in a path`,
    fix: "Names have no slashes, control characters or broken percent escapes.",
  };
}

/** Count of segments before an action or part at the end of the path. */
export function segmentCount(context: Context): number {
  return segmentsOf(context.req.url).length;
}

function decoded(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined;
  }
}

function hasControl(text: string): boolean {
  return [...text].some((letter) => (letter.codePointAt(0) ?? 0) < 32);
}

/** Any version is taken that could be one; its absence is a mistake of the client. */
export function judgeVersion(context: Context): Problem | undefined {
  const version = query(context, "api-version");
  const fix = "Add ?api-version=2022-03-01, or the version your client was made for.";
  if (version === undefined || version === "")
    return {
      code: "MissingApiVersionParameter",
      what: "The api-version query parameter (?api-version=) is required for all requests",
      fix,
    };
  if (VERSION.test(version)) return undefined;
  return {
    code: "InvalidApiVersionParameter",
    what: `The api-version '${version}' is invalid`,
    fix: "Write a date, as in 2022-03-01 or 2020-04-01-preview.",
  };
}

const VERSION = /^\d{4}-\d{2}-\d{2}(-[a-z\d.-]{1,32})?$/i;

/** A query parameter whatever the casing of its name. */
export function query(context: Context, name: string): string | undefined {
  const exact = context.req.query(name);
  if (exact !== undefined) return exact;
  const entry = Object.entries(context.req.query()).find(
    ([key]) => key.toLowerCase() === name.toLowerCase(),
  );
  return entry?.[1];
}

/** The body as an object; an absent one is empty. Comments and other lenience: see arm/json.ts. */
export async function bodyOf(context: Context, places?: Places): Promise<Result<JsonObject>> {
  const text = await textOf(context);
  if (!text.ok) return text;
  if (text.value.trim() === "") return found({});
  return readJsonObject(text.value, "request body", places);
}

/** A form as browsers and token clients send it. */
export async function formOf(context: Context): Promise<Result<Readonly<Record<string, string>>>> {
  const text = await textOf(context);
  return text.ok ? found(Object.fromEntries(new URLSearchParams(text.value))) : text;
}

async function textOf(context: Context): Promise<Result<string>> {
  const { body } = context.req.raw;
  if (body === null) return found("");
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.byteLength;
    if (LARGEST_BODY_BYTES < size)
      return declined({
        code: "RequestEntityTooLarge",
        what: `the body is larger than ${LARGEST_BODY_BYTES} bytes`,
        fix: "Split the template into nested deployments, or remove what is not needed.",
      });
    chunks.push(chunk);
  }
  return found(Buffer.concat(chunks).toString("utf8"));
}

/** A text or number of a body as text; empty where there is none. */
export function wordAt(value: JsonValue | undefined, ...path: readonly string[]): string {
  const read = propertyAt(value, ...path);
  return typeof read === "string" || typeof read === "number" ? String(read) : "";
}
