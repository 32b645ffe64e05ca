/**
 * Reads request bodies: property names in any casing, numbers and truth also as text, and
 * problems that say which property of which resource is meant.
 *
 * Throws ProblemError; parse.ts catches. `null` counts as absent, as it does for Azure.
 */
import { ProblemError, type Result } from "../../base/problem.ts";
import { canonicalId, formatResourceId, keyOf, nameOf, type ResourceId } from "../ids.ts";
import {
  describeKind,
  isJsonArray,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  property,
  withoutProperties,
  plainText,
} from "../json.ts";
import type { Certificate, Reference, Resource, ResourceType } from "../resources.ts";

export type ServiceTagAnswer = { readonly known: string } | { readonly nearest: readonly string[] };

export type ParseContext = {
  /** Where a resource stands whose body names no location. */
  readonly location: string;
  readonly lookUp: (key: string) => Resource | undefined;
  readonly isServiceTag: (name: string) => ServiceTagAnswer;
  /** Absent where uploaded certificates are not looked into. */
  readonly readPfx?: (pfx: {
    readonly base64: string;
    readonly password: string;
  }) => Result<Pick<Certificate, "about"> & Required<Pick<Certificate, "pair">>>;
};

export type ParseRequest = {
  /** With the type in published spelling. */
  readonly id: ResourceId;
  readonly body: JsonObject;
  readonly before: Resource | undefined;
  readonly context: ParseContext;
};

export type Parsed = {
  /** The resource the request is about, then its parts that the body names. */
  readonly resources: readonly [Resource, ...Resource[]];
  /** Parts of these types that are not among `resources` go. */
  readonly replacedParts: readonly ResourceType[];
};

export class Body {
  readonly json: JsonObject;
  readonly where: string;

  constructor(json: JsonObject, where: string) {
    this.json = json;
    this.where = where;
  }

  /** @param path `properties.subnet.id`; undefined where nothing or null stands */
  value(path: string): JsonValue | undefined {
    const value = path.split(".").reduce<JsonValue | undefined>(property, this.json);
    return value ?? undefined;
  }

  has(path: string): boolean {
    return this.value(path) !== undefined;
  }

  /** An empty text counts as absent. */
  text(path: string): string | undefined {
    const value = this.value(path);
    if (value === undefined || value === "") return undefined;
    return typeof value === "string" ? value : this.refuse(path, "a text", value);
  }

  int(path: string, least: number, most: number): number | undefined {
    const value = this.value(path);
    if (value === undefined) return undefined;
    const number = typeof value === "string" && /^\s*-?\d+\s*$/.test(value) ? Number(value) : value;
    const good =
      typeof number === "number" && Number.isInteger(number) && least <= number && number <= most;
    return good ? number : this.refuse(path, `a whole number from ${least} to ${most}`, value);
  }

  bool(path: string): boolean | undefined {
    const value = this.value(path);
    if (value === undefined || typeof value === "boolean") return value;
    if (typeof value === "string" && /^(true|false)$/i.test(value))
      return value.toLowerCase() === "true";
    return this.refuse(path, "true or false", value);
  }

  /** One of several words, in any casing; the published spelling is answered. */
  choice<Word extends string>(path: string, words: readonly Word[]): Word | undefined {
    const value = this.value(path);
    if (value === undefined) return undefined;
    const found = words.find((word) => word.toLowerCase() === plainText(value).toLowerCase());
    return found ?? this.refuse(path, `one of ${words.join(", ")}`, value);
  }

  texts(path: string): readonly string[] | undefined {
    const value = this.value(path);
    if (value === undefined) return undefined;
    const items = isJsonArray(value) ? value : this.refuse(path, "a list of texts", value);
    return items.map((item) =>
      typeof item === "string" ? item : this.refuse(path, "a list of texts", item),
    );
  }

  list(path: string): readonly Body[] | undefined {
    const value = this.value(path);
    if (value === undefined) return undefined;
    const items = isJsonArray(value) ? value : this.refuse(path, "a list of objects", value);
    return items.map((item, index) =>
      isJsonObject(item)
        ? new Body(item, this.where)
        : this.refuse(`${path}[${index}]`, "an object", item),
    );
  }

  object(path: string): JsonObject {
    const value = this.value(path);
    if (value === undefined || isJsonObject(value)) return value ?? {};
    return this.refuse(path, "an object", value);
  }

  /** Names with texts as values: tags, app settings. Numbers and truth become text. */
  map(path: string): Readonly<Record<string, string>> | undefined {
    if (!this.has(path)) return undefined;
    const entries = Object.entries(this.object(path)).flatMap(([name, value]) => {
      if (value === null) return [];
      if (typeof value === "object") return this.refuse(`${path}.${name}`, "a text", value);
      return [[name, String(value)] as const];
    });
    return Object.fromEntries(entries);
  }

  /** Another resource by its id; whatever else is embedded there is not read. */
  reference(path: string): Reference | undefined {
    const id = this.text(`${path}.id`);
    return id === undefined ? undefined : this.referenceTo(`${path}.id`, id);
  }

  referenceTo(path: string, id: string): Reference {
    const canonical = this.accept(path, canonicalId(id));
    return { id: canonical, key: keyOf(canonical) };
  }

  /** The value of a Result, or its problem with the property's name. */
  accept<Value>(path: string, result: Result<Value>, code?: string): Value {
    if (result.ok) return result.value;
    const { problem } = result;
    throw new ProblemError({
      ...problem,
      code: code ?? problem.code,
      what: `${path}: ${problem.what}`,
      where: this.where,
    });
  }

  required<Value>(path: string, value: Value | undefined): Value {
    if (value !== undefined) return value;
    return this.fail("InvalidRequestContent", `${path} is missing`, `Add ${path}.`);
  }

  refuse(path: string, wanted: string, value: JsonValue): never {
    return this.fail(
      "InvalidRequestContent",
      `${path} must be ${wanted}, and is ${describeKind(value)}`,
      `Give ${wanted}.`,
    );
  }

  fail(code: string, what: string, fix: string): never {
    throw new ProblemError({ code, what, fix, where: this.where });
  }

  /** Properties that are kept though nothing here reads them. */
  extra(read: readonly string[]): JsonObject {
    return withoutProperties(this.object("properties"), [...read, ...READ_ONLY]);
  }
}

/** Given back by clients that read before they write; ours to compute. */
const READ_ONLY = ["provisioningState", "resourceGuid", "etag", "status", "defaultSecurityRules"];

export function bodyOf({ id, body }: ParseRequest): Body {
  return new Body(body, formatResourceId(id));
}

/** What every resource has. The id keeps the casing of its first writer. */
export function identity(
  id: ResourceId,
  before: Resource | undefined,
): { readonly id: string; readonly key: string; readonly name: string } {
  const text = before?.id ?? formatResourceId(id);
  return { id: text, key: keyOf(text), name: before?.name ?? nameOf(id) };
}

/** Location and tags. A resource does not move. */
export function located(
  { before, context }: ParseRequest,
  body: Body,
): { readonly location: string; readonly tags: Readonly<Record<string, string>> } {
  const stands = before !== undefined && "location" in before ? before.location : undefined;
  const location = body.text("location") ?? stands ?? context.location;
  if (stands !== undefined && plainLocation(stands) !== plainLocation(location))
    body.fail(
      "InvalidResourceLocation",
      `the resource exists in location "${stands}" and cannot move to "${location}"`,
      `Write location "${stands}", or delete the resource first.`,
    );
  const kept = before !== undefined && "tags" in before && isMerged(before) ? before.tags : {};
  return { location: stands ?? location, tags: body.map("tags") ?? kept };
}

/** `South Central US` and `southcentralus` are one place. */
export function plainLocation(location: string): string {
  return location.toLowerCase().replaceAll(/\s/g, "");
}

/** Types of Microsoft.Web keep what a body does not name. */
function isMerged(resource: Resource): boolean {
  return resource.type.startsWith("Microsoft.Web/");
}
