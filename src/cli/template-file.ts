/**
 * A template and its parameters as files: read leniently, linked templates beside them put in.
 *
 * What a template means is decided by the server; only links to files are resolved here, because
 * only the caller has the files.
 */
import { existsSync, readFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";

import {
  isJsonArray,
  isJsonObject,
  property,
  readJsonObject,
  withoutProperties,
  type JsonObject,
  type JsonValue,
} from "../arm/json.ts";
import { declined, found, ProblemError, type Result } from "../base/problem.ts";
import { textAt } from "./read.ts";

const DEPLOYMENTS = "microsoft.resources/deployments";
/** Templates that link to each other in a circle end here. */
const DEEPEST_LINK = 8;

export type TemplateFiles = {
  /** The deployment's name: that of the file without its ending. */
  readonly name: string;
  readonly template: JsonObject;
  /** `{ name: { value } }` */
  readonly parameters: JsonObject;
};

export function readTemplateFiles(
  template: string,
  parameters: string | undefined,
): Result<TemplateFiles> {
  const read = readJsonFile(template);
  if (!read.ok) return read;
  const given = parameters === undefined ? found({}) : readParameters(parameters);
  if (!given.ok) return given;
  try {
    const whole = inlined(read.value, dirname(resolve(template)), 0);
    const name = basename(template).replace(/\.[^.]*$/, "");
    return found({ name, template: whole, parameters: given.value });
  } catch (thrown) {
    if (thrown instanceof ProblemError) return declined(thrown.problem);
    throw thrown;
  }
}

/** A parameters file has them under `parameters`; the bare object is taken too. */
function readParameters(file: string): Result<JsonObject> {
  const read = readJsonFile(file);
  if (!read.ok) return read;
  const inner = property(read.value, "parameters");
  return found(
    isJsonObject(inner) ? inner : withoutProperties(read.value, ["$schema", "contentVersion"]),
  );
}

export function readJsonFile(file: string): Result<JsonObject> {
  try {
    return readJsonObject(readFileSync(file, "utf8"), file);
  } catch (thrown) {
    return declined({
      code: "InvalidFile",
      what: `the file cannot be read: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
      where: file,
      fix: "Name a JSON file that exists and that you may read.",
    });
  }
}

function inlined(template: JsonObject, folder: string, depth: number): JsonObject {
  const resources = property(template, "resources");
  const each = (resource: JsonValue) => inlinedResource(resource, folder, depth);
  if (isJsonArray(resources)) return replaced(template, "resources", resources.map(each));
  if (!isJsonObject(resources)) return template;
  const entries = Object.entries(resources).map(([name, resource]) => [name, each(resource)]);
  return replaced(template, "resources", Object.fromEntries(entries) as JsonObject);
}

function inlinedResource(resource: JsonValue, folder: string, depth: number): JsonValue {
  const properties = property(resource, "properties");
  const isDeployment = textAt(resource, "type")?.toLowerCase() === DEPLOYMENTS;
  if (!isJsonObject(resource) || !isDeployment || !isJsonObject(properties)) return resource;
  const nested = property(properties, "template");
  if (isJsonObject(nested)) {
    const whole = inlined(nested, folder, depth);
    return replaced(resource, "properties", replaced(properties, "template", whole));
  }
  const file = linkedFile(properties, "templateLink", folder);
  if (file === undefined) return resource;
  if (DEEPEST_LINK < depth)
    throw new ProblemError({
      code: "InvalidTemplate",
      what: `templates link to each other more than ${DEEPEST_LINK} deep`,
      where: file,
      fix: "Break the circle of links.",
    });
  const template = inlined(orThrow(readJsonFile(file)), dirname(file), depth + 1);
  const parametersFile = linkedFile(properties, "parametersLink", folder);
  return replaced(resource, "properties", {
    ...withoutProperties(properties, [
      "templateLink",
      "parametersLink",
      "expressionEvaluationOptions",
    ]),
    // A linked template has a scope of its own.
    expressionEvaluationOptions: { scope: "inner" },
    ...(parametersFile !== undefined && { parameters: orThrow(readParameters(parametersFile)) }),
    template,
  });
}

/**
 * The file a link means: its relative path, or the longest end of its address that is a file
 * beside the template. The address may be an expression; then the `.json` text in it counts.
 */
function linkedFile(properties: JsonObject, link: string, folder: string): string | undefined {
  const relative = textAt(properties, link, "relativePath");
  const uri = textAt(properties, link, "uri");
  const text = relative ?? uri;
  if (text === undefined) return undefined;
  const literal = text.startsWith("[")
    ? [...text.matchAll(/'([^']*\.json)[^']*'/gi)].at(-1)?.[1]
    : text.replace(/^[a-z]+:\/\/[^/]*/i, "").replace(/[?#].*/, "");
  const parts = (literal ?? "").split("/").filter((part) => part !== "" && part !== ".");
  // `..` may lead to a sibling folder in a relative path; never in the end of an address.
  const ends = parts.map((_, index) => parts.slice(index).join("/"));
  const candidates =
    relative === undefined ? ends.filter((end) => !end.includes("..")) : [relative];
  return candidates.map((end) => join(folder, end)).find((file) => existsSync(file));
}

function replaced(object: JsonObject, name: string, value: JsonValue): JsonObject {
  return { ...withoutProperties(object, [name]), [name]: value };
}

function orThrow<Value>(result: Result<Value>): Value {
  if (!result.ok) throw new ProblemError(result.problem);
  return result.value;
}
