/**
 * Which parameters a template gets, of the files and words that were given; and, when some are
 * missing, one problem that lists them with their types.
 *
 * Values are checked by arm/parameters.ts. Secrets change no network: a missing one is made up.
 */
import {
  isJsonObject,
  type JsonObject,
  type JsonValue,
  property,
  propertyAt,
  readJson,
} from "../../arm/json.ts";
import { isSecure } from "../../arm/parameters.ts";
import { formatPlace, type Places } from "../../arm/places.ts";
import { declined, found, type Problem, type Result } from "../../base/problem.ts";
import { asTold, noteOf, type Outputs } from "./quickstart.ts";

export type GivenParameters = {
  /** `{ name: { value } }` of each file, later ones win. */
  readonly files: readonly { readonly name: string; readonly parameters: JsonObject }[];
  readonly values: Readonly<Record<string, string>>;
};

export type TemplateParameters = {
  readonly parameters: JsonObject;
  readonly notes: readonly Problem[];
  readonly missing: readonly Problem[];
};

/**
 * @param own of the deployment that the template is part of
 * @param outputs of templates that were read before
 */
export function parametersFor(
  template: { readonly name: string; readonly json: JsonObject; readonly own: JsonObject },
  given: GivenParameters,
  outputs: Outputs,
  places: Places,
): Result<TemplateParameters> {
  const declared = property(template.json, "parameters");
  const names = isJsonObject(declared) ? Object.keys(declared) : [];
  const parameters: Record<string, JsonValue> = {};
  const readings: string[] = [];
  const missing: Problem[] = [];
  const take = (from: JsonObject, file: string) => {
    for (const name of names) {
      const one = property(from, name);
      if (one === undefined) continue;
      const told = asTold(property(one, "value"), { file, name, outputs });
      readings.push(...told.reading);
      missing.push(...told.missing);
      parameters[name] =
        told.value === undefined || !isJsonObject(one) ? one : { ...one, value: told.value };
    }
  };
  take(template.own, template.name);
  for (const { name, parameters: from } of given.files) take(from, name);
  for (const name of names) {
    const word = Object.entries(given.values).find(
      ([spelled]) => spelled.toLowerCase() === name.toLowerCase(),
    )?.[1];
    if (word === undefined) continue;
    const value = valueOf(word, property(declared, name) ?? {}, template.json);
    if (value === undefined)
      return declined({
        code: "InvalidParameterValue",
        what: `${name}=${word} is not of the parameter's type, ${typeName(property(declared, name), template.json)}`,
        fix: `Write ${name}= and JSON of that type, or put it into a parameters file.`,
        where: template.name,
      });
    parameters[name] = { value };
  }
  const empty: string[] = [];
  for (const name of names) {
    const declaration = property(declared, name);
    if (property(parameters, name) !== undefined && !isVault(property(parameters, name))) continue;
    if (isSecure(property(declaration, "type"))) {
      if (property(declaration, "defaultValue") !== undefined && !isVault(parameters[name]))
        continue;
      parameters[name] = { value: secret(declaration) };
      continue;
    }
    if (property(declaration, "defaultValue") !== undefined) continue;
    if (property(declaration, "nullable") === true) continue;
    empty.push(name);
  }
  if (0 < empty.length) return declined(absent(empty, template, declared ?? null, places));
  return found({ parameters, notes: noteOf(readings, template.name), missing });
}

/** Names that no template declares: a slip that would otherwise change nothing silently. */
export function undeclared(
  templates: readonly JsonObject[],
  given: GivenParameters,
): Problem | undefined {
  const declared = templates.flatMap((template) => {
    const own = property(template, "parameters");
    return isJsonObject(own) ? Object.keys(own) : [];
  });
  const known = new Set(declared.map((name) => name.toLowerCase()));
  const words = Object.keys(given.values).map((name) => ({ name, from: "the command line" }));
  const ofFiles = given.files.flatMap(({ name: from, parameters }) =>
    Object.keys(parameters).map((name) => ({ name, from })),
  );
  const odd = [...words, ...ofFiles].filter(({ name }) => !known.has(name.toLowerCase()));
  const [first] = odd;
  if (first === undefined) return undefined;
  const names = odd.map(({ name }) => name).join(", ");
  return {
    code: "UnknownParameter",
    what:
      templates.length === 0
        ? `Parameters are given (${names}), and no file is a template`
        : `No template declares ${odd.length === 1 ? "the parameter" : "the parameters"} ${names}`,
    fix:
      declared.length === 0
        ? "Remove them: the template has no parameters."
        : `Correct the name; there are: ${declared.join(", ")}.`,
    where: first.from,
  };
}

function absent(
  names: readonly string[],
  template: { readonly name: string; readonly json: JsonObject },
  declared: JsonValue,
  places: Places,
): Problem {
  const listed = names.map((name) => {
    const declaration = property(declared, name);
    const about = propertyAt(declaration, "metadata", "description");
    const place = places.of(declaration);
    return {
      code: "MissingParameter",
      what: `${name} (${typeName(declaration, template.json)})${typeof about === "string" ? `: ${about}` : ""}`,
      fix: `Add ${name}=VALUE.`,
      where: place === undefined ? template.name : formatPlace(place),
    };
  });
  const [first = ""] = names;
  return {
    code: "MissingParameter",
    what: `${template.name} needs ${names.length === 1 ? "a parameter" : `${names.length} parameters`} without a default: ${names.join(", ")}`,
    fix: `Give --parameters FILE, or --parameters ${first}=VALUE for each.`,
    where: template.name,
    details: listed,
  };
}

function isVault(one: JsonValue | undefined): boolean {
  return isJsonObject(one) && property(one, "reference") !== undefined;
}

/** Long enough for every rule about passwords. */
function secret(declaration: JsonValue | undefined): JsonValue {
  const type = property(declaration, "type");
  if (typeof type === "string" && type.toLowerCase() === "secureobject") return {};
  const allowed = property(declaration, "allowedValues");
  if (Array.isArray(allowed) && allowed[0] !== undefined) return allowed[0] as JsonValue;
  const least = property(declaration, "minLength");
  const most = property(declaration, "maxLength");
  const length = Math.max(typeof least === "number" ? least : 0, 16);
  return "Not-known-0".padEnd(length, "x").slice(0, typeof most === "number" ? most : length);
}

function typeName(declaration: JsonValue | undefined, template: JsonObject): string {
  const type = property(declaration, "type");
  if (typeof type === "string") return type.toLowerCase();
  const reference = property(declaration, "$ref");
  const name = typeof reference === "string" ? (reference.split("/").at(-1) ?? "") : "";
  const inner = propertyAt(template, "definitions", name, "type");
  return typeof inner === "string" ? inner.toLowerCase() : "string";
}

/** A word of the command line as a value of the declared type; undefined: it is none. */
function valueOf(
  word: string,
  declaration: JsonValue,
  template: JsonObject,
): JsonValue | undefined {
  const type = typeName(declaration, template);
  if (type === "string" || type === "securestring") return word;
  const read = readJson(word, "value");
  if (!read.ok) return undefined;
  return read.value;
}
