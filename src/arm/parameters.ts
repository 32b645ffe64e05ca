/**
 * Parameters and variables of a template: declared, given, checked, and read by name.
 *
 * Defaults and variables are evaluated when first asked for, in any order, and cycles are named.
 */
import { type Problem, ProblemError } from "../base/problem.ts";
import { evaluateValue, type Scope, unrollProperty, evaluateString } from "./evaluate.ts";
import { refuse, same } from "./functions/arguments.ts";
import {
  describeKind,
  isJsonArray,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  property,
  withoutProperties,
  plainText,
} from "./json.ts";

/** Reads a value by name; throws ProblemError where there is none. */
export type Reader = (name: string) => JsonValue;

const TYPES: Readonly<Record<string, (value: JsonValue) => boolean>> = {
  string: (value) => typeof value === "string",
  securestring: (value) => typeof value === "string",
  int: (value) => typeof value === "number" && Number.isInteger(value),
  bool: (value) => typeof value === "boolean",
  object: isJsonObject,
  secureobject: isJsonObject,
  array: isJsonArray,
};

export function isSecure(type: JsonValue | undefined): boolean {
  return typeof type === "string" && type.toLowerCase().startsWith("secure");
}

/** `"$ref": "#/definitions/x"` followed: what the declaration says wins over what it refers to. */
export function definitionOf(declaration: JsonValue, definitions: JsonObject): JsonObject {
  let whole: JsonObject = isJsonObject(declaration) ? declaration : {};
  for (let depth = 0; depth < DEEPEST; depth += 1) {
    const reference = property(whole, "$ref");
    if (typeof reference !== "string") return whole;
    const name = /^#\/definitions\/(.+)$/.exec(reference)?.[1];
    const referred = name === undefined ? undefined : property(definitions, name);
    if (!isJsonObject(referred))
      return refuse(
        `there is no definition "${reference}"`,
        "Add it to the template's definitions.",
      );
    whole = { ...referred, ...withoutProperties(whole, ["$ref"]) };
  }
  return refuse("definitions refer to each other in a circle");
}

/** Definitions of definitions end here. */
const DEEPEST = 32;

/**
 * Checks all parameters at once, so that one look shows everything that is missing.
 *
 * @param given the `parameters` of a deployment: `{ name: { value } }`
 */
export function readParameters(
  { declared, definitions }: { readonly declared: JsonObject; readonly definitions: JsonObject },
  given: JsonObject,
  scope: (parameter: Reader) => Scope,
): { readonly read: Reader; readonly values: JsonObject } {
  const problems: Problem[] = [];
  for (const name of Object.keys(given)) {
    if (property(declared, name) === undefined)
      problems.push({
        code: "InvalidTemplate",
        what: `The parameter "${name}" is given but the template does not declare it`,
        fix: `Remove it, or use one of: ${Object.keys(declared).join(", ") || "none are declared"}.`,
        where: `parameters.${name}`,
      });
  }
  const read = lazily("parameter", Object.keys(declared), (name) => {
    const declaration = definitionOf(property(declared, name) ?? {}, definitions);
    const path = `parameters.${name}`;
    const answer = property(given, name);
    if (isJsonObject(answer) && property(answer, "reference") !== undefined)
      throw invalid(
        path,
        `The parameter "${name}" refers to a key vault, and there is none here`,
        "Give its value instead.",
      );
    const value = isJsonObject(answer) ? property(answer, "value") : undefined;
    if (value !== undefined && value !== null)
      return checked(name, declaration, value, definitions);
    const preset = property(declaration, "defaultValue");
    if (preset !== undefined) {
      const evaluated = evaluateValue(preset, scope(read), `${path}.defaultValue`);
      return checked(name, declaration, evaluated, definitions);
    }
    if (property(declaration, "nullable") === true) return null;
    const about = property(property(declaration, "metadata"), "description");
    throw invalid(
      path,
      `The parameter "${name}" has no value${typeof about === "string" ? ` (${about})` : ""}`,
      `Give it: a ${plainText(property(declaration, "type") ?? "string")}.`,
    );
  });
  const values: Record<string, JsonValue> = {};
  for (const name of Object.keys(declared)) {
    try {
      values[name] = read(name);
    } catch (thrown) {
      if (!(thrown instanceof ProblemError)) throw thrown;
      problems.push(thrown.problem);
    }
  }
  throwAll(problems);
  return { read, values };
}

function throwAll(problems: readonly Problem[]): void {
  const [first, ...more] = problems;
  if (first === undefined) return;
  if (more.length === 0) throw new ProblemError(first);
  throw new ProblemError({
    code: first.code,
    what: `${problems.length} parameters are not as the template wants them`,
    fix: "Correct each of them.",
    where: "parameters",
    details: problems,
  });
}

function checked(
  name: string,
  declaration: JsonValue,
  value: JsonValue,
  definitions: JsonObject,
): JsonValue {
  const path = `parameters.${name}`;
  const type = plainText(property(declaration, "type") ?? "string");
  const fits = TYPES[type.toLowerCase()];
  if (fits === undefined)
    throw invalid(
      path,
      `The parameter "${name}" is of the unknown type "${type}"`,
      `Use one of: ${Object.keys(TYPES).join(", ")}.`,
    );
  // Secrets are never repeated in a problem.
  const shown = isSecure(type) ? "another kind of value" : describeKind(value);
  if (!fits(value))
    throw invalid(
      path,
      `The parameter "${name}" must be of type ${type}, and ${shown} was given`,
      `Give a value of type ${type}.`,
    );
  checkInside(name, declaration, value, definitions);
  const allowed = property(declaration, "allowedValues");
  if (isJsonArray(allowed) && !isAllowed(value, allowed))
    throw invalid(
      path,
      `The parameter "${name}" is ${shown}, which is not allowed`,
      `Use one of: ${allowed.map((one) => JSON.stringify(one)).join(", ")}.`,
    );
  const size = typeof value === "string" || isJsonArray(value) ? value.length : undefined;
  limit("minLength", size, (bound, actual) => bound <= actual);
  limit("maxLength", size, (bound, actual) => actual <= bound);
  const number = typeof value === "number" ? value : undefined;
  limit("minValue", number, (bound, actual) => bound <= actual);
  limit("maxValue", number, (bound, actual) => actual <= bound);
  return value;

  function limit(
    word: string,
    actual: number | undefined,
    fits: (bound: number, actual: number) => boolean,
  ): void {
    const bound = property(declaration, word);
    if (typeof bound !== "number" || actual === undefined || fits(bound, actual)) return;
    throw invalid(
      path,
      `The parameter "${name}" breaks ${word} ${bound}: it is ${shown}`,
      `Keep to ${word} ${bound}.`,
    );
  }
}

/** The items and properties of a value of a declared type. */
function checkInside(
  name: string,
  declaration: JsonValue,
  value: JsonValue,
  definitions: JsonObject,
): void {
  const items = property(declaration, "items");
  if (isJsonArray(value) && isJsonObject(items)) {
    const item = definitionOf(items, definitions);
    for (const [index, one] of value.entries()) checkOne(`${name}[${index}]`, item, one);
  }
  const properties = property(declaration, "properties");
  if (!isJsonObject(value) || !isJsonObject(properties)) return;
  for (const [key, declared] of Object.entries(properties)) {
    const inner = definitionOf(declared, definitions);
    const one = property(value, key);
    if (one !== undefined) checkOne(`${name}.${key}`, inner, one);
    else if (property(inner, "nullable") !== true)
      throw invalid(
        `parameters.${name}`,
        `The parameter "${name}" has no property "${key}"`,
        `Give it: a ${plainText(property(inner, "type") ?? "value")}.`,
      );
  }

  function checkOne(path: string, inner: JsonObject, one: JsonValue): void {
    if (one === null && property(inner, "nullable") === true) return;
    if (property(inner, "type") !== undefined) checked(path, inner, one, definitions);
  }
}

/** An array may be a selection of allowed values; texts compare in any casing, as in Azure. */
function isAllowed(value: JsonValue, allowed: readonly JsonValue[]): boolean {
  const matches = (one: JsonValue) =>
    allowed.some((other) =>
      typeof one === "string" && typeof other === "string"
        ? one.toLowerCase() === other.toLowerCase()
        : same(one, other),
    );
  return matches(value) || (isJsonArray(value) && value.every(matches));
}

/** Variables, `copy` among them. */
export function readVariables(declared: JsonObject, scope: (variable: Reader) => Scope): Reader {
  const copy = property(declared, "copy");
  const loops = isJsonArray(copy) ? copy : [];
  const plain = loops.length === 0 ? declared : withoutProperties(declared, ["copy"]);
  const loopNames = loops.map((loop) => plainText(property(loop, "name")));
  const read: Reader = lazily("variable", [...Object.keys(plain), ...loopNames], (name) => {
    const at = loopNames.findIndex((one) => one.toLowerCase() === name.toLowerCase());
    const loop = loops[at];
    if (loop !== undefined)
      return unrollProperty(loop, scope(read), `variables.copy[${at}]`, evaluateString)[1];
    return evaluateValue(property(plain, name) ?? null, scope(read), `variables.${name}`);
  });
  return read;
}

/** Computes each name once, when asked; names in any casing. */
function lazily(kind: string, names: readonly string[], compute: Reader): Reader {
  const known = new Map(names.map((name) => [name.toLowerCase(), name]));
  const values = new Map<string, JsonValue>();
  const pending: string[] = [];
  return (asked) => {
    const key = asked.toLowerCase();
    const name = known.get(key);
    if (name === undefined)
      return refuse(`the template has no ${kind} "${asked}"; it has ${names.join(", ") || "none"}`);
    const ready = values.get(key);
    if (ready !== undefined) return ready;
    if (pending.includes(key))
      return refuse(`the ${kind} "${name}" depends on itself (${[...pending, key].join(" -> ")})`);
    pending.push(key);
    try {
      const value = compute(name);
      values.set(key, value);
      return value;
    } finally {
      pending.pop();
    }
  };
}

function invalid(path: string, what: string, fix: string): ProblemError {
  return new ProblemError({ code: "InvalidTemplate", what, fix, where: path });
}
