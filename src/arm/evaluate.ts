/**
 * Evaluates template expressions within a scope: parameters, variables, loops, and the place of
 * the deployment. Inside, problems are thrown as ProblemError; template.ts catches them.
 *
 * What exists at run time (reference, list*) is asked of a callback; while a template is being
 * ordered there is none, and an expression that needs it declines.
 */
import { never, ProblemError } from "../base/problem.ts";
import { nearest } from "../network/service-tags.ts";
import { type Expression, parseExpression, readTemplateString } from "./expression.ts";
import { ADDRESS_FUNCTIONS } from "./functions/addresses.ts";
import { asText, boolOf, intOf, isEmpty, objectOf, refuse, textOf } from "./functions/arguments.ts";
import { DATE_FUNCTIONS } from "./functions/dates.ts";
import { PLACE_FUNCTIONS, type Place, type PlaceFunction } from "./functions/place.ts";
import { TEXT_FUNCTIONS } from "./functions/text.ts";
import { VALUE_FUNCTIONS } from "./functions/values.ts";
import {
  isJsonArray,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  property,
  plainText,
} from "./json.ts";
import type { Places } from "./places.ts";

/** A question to the running world. */
export type RuntimeCall =
  | { readonly call: "reference"; readonly id: string; readonly apiVersion?: string }
  | {
      /** `listkeys`, `list`, ...: the function's name in lower case. */
      readonly call: "list";
      readonly action: string;
      readonly id: string;
      readonly apiVersion?: string;
      readonly input?: JsonValue;
    };

/**
 * Answers with the whole resource as GET would show it (reference), or with what the action gives.
 * Throws ProblemError where it cannot.
 */
export type Runtime = (call: RuntimeCall) => JsonValue;

export type Loop = { readonly name: string; readonly index: number };

export type UserFunction = { readonly parameters: readonly string[]; readonly output: JsonValue };

/** The files a template is read from, where the caller has them. */
export type Sources = {
  /** Learns which source each evaluated value came from. */
  readonly places: Places;
  /**
   * The file a link leads to, as JSON; undefined: there is none. Throws ProblemError.
   * @param from the name of the file that holds the link
   */
  readonly readLinked: (address: string, from: string | undefined) => JsonObject | undefined;
};

export type Scope = {
  readonly place: Place;
  readonly parameter: (name: string) => JsonValue;
  readonly variable: (name: string) => JsonValue;
  /** By `namespace.name` in lower case. */
  readonly functions: ReadonlyMap<string, UserFunction>;
  /** Innermost last. */
  readonly loops: readonly Loop[];
  readonly lambdas: Readonly<Record<string, JsonValue>>;
  /** Id of a resource of this template, by symbolic or short name. */
  readonly resolve: (name: string) => string | undefined;
  readonly runtime?: Runtime;
  readonly sources?: Sources;
};

/** What a whole JSON value of a template means: strings evaluated, property loops unrolled. */
export function evaluateValue(value: JsonValue, scope: Scope, path: string): JsonValue {
  return mapTemplate(value, scope, path, evaluateString);
}

type Leaf = (text: string, scope: Scope, path: string) => JsonValue;

/** Walks a JSON value of a template; `leaf` decides what becomes of strings. */
export function mapTemplate(value: JsonValue, scope: Scope, path: string, leaf: Leaf): JsonValue {
  if (typeof value === "string") return leaf(value, scope, path);
  if (typeof value !== "object" || value === null) return value;
  const mapped = isJsonArray(value)
    ? mapArray(value, scope, path, leaf)
    : mapObject(value, scope, path, leaf);
  if (mapped !== value) scope.sources?.places.follow(mapped, value);
  return mapped;
}

/** The same array where nothing in it is an expression: most of a template is plain. */
function mapArray(
  items: readonly JsonValue[],
  scope: Scope,
  path: string,
  leaf: Leaf,
): readonly JsonValue[] {
  const mapped = items.map((item, index) => mapTemplate(item, scope, `${path}[${index}]`, leaf));
  return mapped.every((item, index) => item === items[index]) ? items : mapped;
}

/** The same object where nothing in it is an expression. */
function mapObject(value: JsonObject, scope: Scope, path: string, leaf: Leaf): JsonObject {
  const entries: [string, JsonValue][] = [];
  let same = true;
  for (const name of Object.keys(value)) {
    const item = value[name] ?? null;
    if (
      name.length === 4 &&
      name.toLowerCase() === "copy" &&
      isJsonArray(item) &&
      item.every(isLoop)
    ) {
      for (const [index, loop] of item.entries())
        entries.push(unrollProperty(loop, scope, `${path}.copy[${index}]`, leaf));
      same = false;
      continue;
    }
    const key =
      name.startsWith("[") && readTemplateString(name).kind === "expression"
        ? asText(evaluateString(name, scope, path))
        : name;
    const mapped = mapTemplate(item, scope, path === "" ? name : `${path}.${name}`, leaf);
    if (key !== name || mapped !== item) same = false;
    entries.push([key, mapped]);
  }
  return same ? value : Object.fromEntries(entries);
}

function isLoop(value: JsonValue): boolean {
  return property(value, "count") !== undefined && property(value, "input") !== undefined;
}

/** One entry of a property `copy`: the name it makes and its items. */
export function unrollProperty(
  loop: JsonValue,
  scope: Scope,
  path: string,
  leaf: Leaf,
): [string, JsonValue] {
  const name = textOf(property(loop, "name"));
  const count = loopCount(property(loop, "count") ?? null, scope, `${path}.count`);
  const input = property(loop, "input") ?? null;
  const items = Array.from({ length: count }, (_, index) =>
    mapTemplate(
      input,
      { ...scope, loops: [...scope.loops, { name, index }] },
      `${path}.input`,
      leaf,
    ),
  );
  return [name, items];
}

/** Azure's limit for every kind of loop. */
const MOST_COPIES = 800;

export function loopCount(value: JsonValue, scope: Scope, path: string): number {
  const count = evaluateValue(value, scope, path);
  return within(path, plainText(value), () =>
    0 <= intOf(count) && intOf(count) <= MOST_COPIES
      ? intOf(count)
      : refuse(`a loop runs 0 to ${MOST_COPIES} times, not ${intOf(count)}`),
  );
}

export function evaluateString(text: string, scope: Scope, path: string): JsonValue {
  const read = readTemplateString(text);
  if (read.kind === "text") return read.text;
  return within(path, text, () => evaluate(parsed(read.source), scope));
}

function parsed(source: string): Expression {
  const result = parseExpression(source);
  if (!result.ok) throw new ProblemError(result.problem);
  return result.value;
}

/** Adds where and which expression to a problem that names neither. */
function within<Value>(path: string, text: string, work: () => Value): Value {
  try {
    return work();
  } catch (thrown) {
    if (!(thrown instanceof ProblemError) || thrown.problem.where !== undefined) throw thrown;
    const shown = text.length <= 200 ? text : `${text.slice(0, 197)}...`;
    throw new ProblemError({
      ...thrown.problem,
      what: `${path}: ${thrown.problem.what} in "${shown}"`,
      where: path,
    });
  }
}

export function evaluate(expression: Expression, scope: Scope): JsonValue {
  switch (expression.kind) {
    case "string":
    case "int":
      return expression.value;
    case "call":
      return call(expression, scope);
    case "index":
      return select(expression, scope);
    default:
      return never(expression);
  }
}

function select(expression: Extract<Expression, { kind: "index" }>, scope: Scope): JsonValue {
  const container = evaluate(expression.of, scope);
  const index = evaluate(expression.index, scope);
  if (isJsonArray(container)) {
    const item = container[intOf(index)];
    if (item !== undefined) return item;
    if (expression.safe) return null;
    return refuse(`there is no item ${intOf(index)}; the array has ${container.length}`);
  }
  if (isJsonObject(container)) {
    const value = property(container, textOf(index));
    if (value !== undefined) return value;
    if (expression.safe) return null;
    const names = Object.keys(container).join(", ") || "none";
    return refuse(`there is no property "${textOf(index)}"; there are: ${names}`);
  }
  if (expression.safe && container === null) return null;
  return refuse(`"${asText(index)}" was asked of a value that is neither array nor object`);
}

type Call = Extract<Expression, { readonly kind: "call" }>;

/** Functions that decide which of their arguments are evaluated. */
const LAZY: Readonly<Record<string, (call: Call, scope: Scope) => JsonValue>> = {
  if: ({ arguments: [condition, yes, no] }, scope) =>
    condition && yes && no
      ? evaluate(boolOf(evaluate(condition, scope)) ? yes : no, scope)
      : refuse("if takes a condition and two values"),
  and: ({ arguments: all }, scope) => all.every((one) => boolOf(evaluate(one, scope))),
  or: ({ arguments: all }, scope) => all.some((one) => boolOf(evaluate(one, scope))),
  coalesce: ({ arguments: all }, scope) => {
    for (const one of all) {
      const value = evaluate(one, scope);
      if (value !== null) return value;
    }
    return null;
  },
  filter: ({ arguments: [items, lambda] }, scope) => {
    const apply = lambdaOf(lambda, scope);
    return listOf(items, scope).filter((item, index) => boolOf(apply(item, index)));
  },
  map: ({ arguments: [items, lambda] }, scope) =>
    listOf(items, scope).map((item, index) => lambdaOf(lambda, scope)(item, index)),
  reduce: ({ arguments: [items, start, lambda] }, scope) =>
    listOf(items, scope).reduce(
      (sum, item, index) => lambdaOf(lambda, scope)(sum, item, index),
      evaluate(start ?? refuse("reduce takes a start"), scope),
    ),
  sort: ({ arguments: [items, lambda] }, scope) =>
    listOf(items, scope).toSorted((a, b) => {
      if (boolOf(lambdaOf(lambda, scope)(a, b))) return -1;
      return boolOf(lambdaOf(lambda, scope)(b, a)) ? 1 : 0;
    }),
  toobject: ({ arguments: [items, key, value] }, scope) =>
    Object.fromEntries(
      listOf(items, scope).map((item) => [
        textOf(lambdaOf(key, scope)(item)),
        value === undefined ? item : lambdaOf(value, scope)(item),
      ]),
    ),
  groupby: ({ arguments: [items, key] }, scope) =>
    Object.fromEntries(
      Map.groupBy(listOf(items, scope), (item) => textOf(lambdaOf(key, scope)(item))),
    ),
  mapvalues: ({ arguments: [object, lambda] }, scope) => {
    const apply = lambdaOf(lambda, scope);
    const values = objectOf(object === undefined ? null : evaluate(object, scope));
    return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, apply(value)]));
  },
};

/** Functions of the scope itself. Arguments are evaluated. */
const SCOPED: Readonly<Record<string, (values: readonly JsonValue[], scope: Scope) => JsonValue>> =
  {
    parameters: ([name], scope) => scope.parameter(textOf(name)),
    variables: ([name], scope) => scope.variable(textOf(name)),
    lambdavariables: ([name], scope) =>
      property(scope.lambdas, textOf(name)) ??
      refuse(`there is no lambda variable "${textOf(name)}"`),
    copyindex: ([first, second], scope) => {
      const name = typeof first === "string" ? first.toLowerCase() : undefined;
      const loop = scope.loops.findLast(
        (one) => name === undefined || one.name.toLowerCase() === name,
      );
      if (loop === undefined)
        return refuse(
          name === undefined
            ? "copyIndex stands outside a copy"
            : `there is no copy "${name}" around this`,
        );
      const offset = typeof first === "number" ? first : second;
      return loop.index + (offset === undefined ? 0 : intOf(offset));
    },
    reference: ([target, apiVersion, full], scope) => {
      const whole = ask(scope, {
        call: "reference",
        id: targetId(target, scope),
        ...(isEmpty(apiVersion) ? {} : { apiVersion: textOf(apiVersion) }),
      });
      if (full !== undefined && textOf(full).toLowerCase() === "full") return whole;
      return property(objectOf(whole), "properties") ?? {};
    },
    references: ([names], scope) =>
      (isJsonArray(names) ? names : [names ?? null]).map((name) =>
        ask(scope, { call: "reference", id: targetId(name, scope) }),
      ),
  };

function call(expression: Call, scope: Scope): JsonValue {
  const name = expression.name.toLowerCase();
  const lazy = LAZY[name];
  if (lazy !== undefined && Object.hasOwn(LAZY, name)) return lazy(expression, scope);
  const values = expression.arguments.map((argument) => evaluate(argument, scope));
  if (Object.hasOwn(SCOPED, name)) return SCOPED[name]?.(values, scope) ?? null;
  if (name.startsWith("list")) return list(name, values, scope);
  const place: PlaceFunction | undefined = Object.hasOwn(PLACE_FUNCTIONS, name)
    ? PLACE_FUNCTIONS[name]
    : undefined;
  if (place !== undefined) return place(values, scope.place);
  const user = scope.functions.get(name);
  if (user !== undefined) return callUser(user, values, scope);
  for (const table of TABLES) {
    const known = Object.hasOwn(table, name) ? table[name] : undefined;
    if (known === undefined) continue;
    if (values.length < known.least || known.most < values.length)
      refuse(`${expression.name} does not take ${values.length} arguments`);
    return known.run(values);
  }
  const [near] = nearest(name, [...FUNCTION_NAMES, ...scope.functions.keys()]);
  return refuse(
    `there is no function "${expression.name}"`,
    near === undefined ? "See the published list of template functions." : `Write ${near}().`,
  );
}

const TABLES = [TEXT_FUNCTIONS, VALUE_FUNCTIONS, ADDRESS_FUNCTIONS, DATE_FUNCTIONS];
/** Lower case, as they are looked up. */
const FUNCTION_NAMES = [LAZY, SCOPED, PLACE_FUNCTIONS, ...TABLES].flatMap(Object.keys);

/** @param values id or name, api version, body of the request */
function list(name: string, values: readonly JsonValue[], scope: Scope): JsonValue {
  const [target, apiVersion, input] = values;
  return ask(scope, {
    call: "list",
    action: name,
    id: targetId(target, scope),
    ...(isEmpty(apiVersion) ? {} : { apiVersion: textOf(apiVersion) }),
    ...(input === undefined ? {} : { input }),
  });
}

function ask(scope: Scope, question: RuntimeCall): JsonValue {
  if (scope.runtime !== undefined) return scope.runtime(question);
  return refuse(
    `${question.call === "list" ? question.action : question.call}() is known only while deploying`,
    "Use it in properties or outputs, not in names, types, conditions, loops or dependsOn.",
  );
}

function targetId(target: JsonValue | undefined, scope: Scope): string {
  const text = textOf(target);
  if (text.startsWith("/")) return text;
  return (
    scope.resolve(text) ??
    refuse(`"${text}" is neither a resource id nor a resource of this template`)
  );
}

/** A user's function sees its own parameters and nothing else. */
function callUser(user: UserFunction, values: readonly JsonValue[], scope: Scope): JsonValue {
  const given = Object.fromEntries(
    user.parameters.map((name, index) => [name, values[index] ?? null]),
  );
  return evaluateValue(
    user.output,
    {
      ...scope,
      loops: [],
      parameter: (name) =>
        property(given, name) ?? refuse(`the function has no parameter "${name}"`),
      variable: (name) => refuse(`a function cannot use variables, here "${name}"`),
    },
    "functions",
  );
}

function listOf(items: Expression | undefined, scope: Scope): readonly JsonValue[] {
  const value = items === undefined ? null : evaluate(items, scope);
  return isJsonArray(value) ? value : refuse("the first argument must be an array");
}

/** `lambda('item', body)` as a function. */
function lambdaOf(
  expression: Expression | undefined,
  scope: Scope,
): (...values: readonly JsonValue[]) => JsonValue {
  if (expression?.kind !== "call" || expression.name.toLowerCase() !== "lambda")
    return refuse("a lambda() was expected");
  const names = expression.arguments.slice(0, -1).map((name) => textOf(evaluate(name, scope)));
  const body = expression.arguments.at(-1);
  if (body === undefined) return refuse("lambda() has no body");
  return (...values) => {
    const own = Object.fromEntries(names.map((name, index) => [name, values[index] ?? null]));
    return evaluate(body, { ...scope, lambdas: { ...scope.lambdas, ...own } });
  };
}
