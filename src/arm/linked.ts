/**
 * Linked templates: those that stand beside the main file are put in place of the link.
 *
 * Nothing is fetched; the caller reads files. A link that leads elsewhere stays as it is, and
 * opening its deployment says so.
 */
import { ProblemError, type Result } from "../base/problem.ts";
import { evaluateValue, type Scope } from "./evaluate.ts";
import type { Place } from "./functions/place.ts";
import {
  isJsonArray,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  property,
  readJsonObject,
  withoutProperties,
} from "./json.ts";
import { caught, DEPLOYMENTS, templateScope } from "./template.ts";

/** @returns undefined: no such file */
export type ReadRelative = (path: string) => string | undefined;

/** Links in links in links, and so on: files that name each other end here. */
const DEEPEST = 8;
/** A link's address is tried with this many of its last parts, most first. */
const TAIL_PARTS = 4;
const MAIN_ADDRESS = "https://templates.openase.test/main/azuredeploy.json";

/** @param parameters `{ name: { value } }`, which links may be made of */
export function inlineLinkedTemplates(
  template: JsonObject,
  parameters: JsonObject,
  readRelative: ReadRelative,
): Result<JsonObject> {
  return caught(() => inline(template, parameters, readRelative, DEEPEST));
}

function inline(
  template: JsonObject,
  parameters: JsonObject,
  read: ReadRelative,
  depth: number,
): JsonObject {
  if (!hasLinks(template)) return template;
  const scope = templateScope({ template, parameters, place: PLACE });
  const visit = (resource: JsonValue): JsonValue => inlineResource(resource, scope, read, depth);
  const resources = property(template, "resources");
  const inlined = isJsonArray(resources)
    ? resources.map(visit)
    : Object.fromEntries(
        Object.entries(resources ?? {}).map(([name, one]) => [name, visit(one as JsonValue)]),
      );
  return { ...withoutProperties(template, ["resources"]), resources: inlined };
}

function hasLinks(template: JsonObject): boolean {
  return /"(templateLink|parametersLink)"/i.test(JSON.stringify(template));
}

function inlineResource(
  resource: JsonValue,
  scope: Scope,
  read: ReadRelative,
  depth: number,
): JsonValue {
  if (!isJsonObject(resource)) return resource;
  const type = property(resource, "type");
  const properties = property(resource, "properties");
  if (
    typeof type !== "string" ||
    type.toLowerCase() !== DEPLOYMENTS.toLowerCase() ||
    !isJsonObject(properties)
  )
    return resource;
  const linked = readLink(property(properties, "templateLink"), scope, read);
  const given = readLink(property(properties, "parametersLink"), scope, read);
  const own = property(properties, "template");
  const template = linked ?? (isJsonObject(own) ? own : undefined);
  if (template === undefined) return resource;
  const kept = withoutProperties(properties, [
    "template",
    ...(linked === undefined ? [] : ["templateLink", "expressionEvaluationOptions"]),
    ...(given === undefined ? [] : ["parametersLink", "parameters"]),
  ]);
  const fromFile = given === undefined ? undefined : (property(given, "parameters") ?? {});
  return {
    ...withoutProperties(resource, ["properties"]),
    properties: {
      ...kept,
      ...(linked === undefined ? {} : { expressionEvaluationOptions: { scope: "inner" } }),
      ...(fromFile === undefined ? {} : { parameters: fromFile }),
      template: depth === 0 ? template : inlineQuietly(template, read, depth - 1),
    },
  };
}

/** A nested template's own links; without its parameters some cannot be told, and they stay. */
function inlineQuietly(template: JsonObject, read: ReadRelative, depth: number): JsonObject {
  try {
    return inline(template, {}, read, depth);
  } catch (thrown) {
    if (thrown instanceof ProblemError) return template;
    throw thrown;
  }
}

function readLink(
  link: JsonValue | undefined,
  scope: Scope,
  read: ReadRelative,
): JsonObject | undefined {
  const written = property(link, "uri") ?? property(link, "relativePath");
  if (typeof written !== "string") return undefined;
  const address = evaluateValue(written, scope, "templateLink");
  if (typeof address !== "string") return undefined;
  for (const path of tailsOf(address)) {
    const text = read(path);
    if (text === undefined) continue;
    const template = readJsonObject(text, path);
    if (!template.ok) throw new ProblemError(template.problem);
    return template.value;
  }
  return undefined;
}

/** `https://host/a/nested/vnet.json?sas` to `a/nested/vnet.json`, `nested/vnet.json`, `vnet.json`. */
export function tailsOf(address: string): readonly string[] {
  const plain = address.replace(/[?#].*$/, "").replace(/^[a-z]+:\/\/[^/]*/i, "");
  const parts = plain.split("/").filter((part) => part !== "" && part !== "." && part !== "..");
  const most = Math.min(parts.length, TAIL_PARTS);
  return Array.from({ length: most }, (_, index) =>
    parts.slice(parts.length - most + index).join("/"),
  );
}

/** Links are not made of places; what asks for one gets something of the right form. */
const PLACE: Place = {
  subscription: { id: "00000000-0000-0000-0000-000000000000", tenantId: "", displayName: "" },
  resourceGroup: { name: "group", location: "location", tags: {} },
  deployment: {
    name: "main",
    properties: { templateLink: { uri: MAIN_ADDRESS }, mode: "Incremental" },
  },
  environment: {},
  now: "2000-01-01T00:00:00Z",
  guidSeed: "",
};
