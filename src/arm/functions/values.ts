/**
 * Template functions about numbers, logic, arrays and objects.
 */
import { parseResourceId } from "../ids.ts";
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue, property } from "../json.ts";
import {
  ANY_NUMBER,
  arrayOf,
  asText,
  boolOf,
  compare,
  type FunctionTable,
  intOf,
  isEmpty,
  objectOf,
  refuse,
  same,
  takes,
  textOf,
} from "./arguments.ts";

export const VALUE_FUNCTIONS: FunctionTable = {
  // Numbers.
  add: takes(2, 2, ([a, b]) => intOf(a) + intOf(b)),
  sub: takes(2, 2, ([a, b]) => intOf(a) - intOf(b)),
  mul: takes(2, 2, ([a, b]) => intOf(a) * intOf(b)),
  div: takes(2, 2, ([a, b]) =>
    intOf(b) === 0 ? refuse("division by zero") : Math.trunc(intOf(a) / intOf(b)),
  ),
  mod: takes(2, 2, ([a, b]) => (intOf(b) === 0 ? refuse("division by zero") : intOf(a) % intOf(b))),
  int: takes(1, 1, ([value]) => {
    if (typeof value === "string" && /^\s*[+-]?\d+\s*$/.test(value)) return Number(value);
    return typeof value === "number" ? Math.trunc(value) : intOf(value);
  }),
  float: takes(1, 1, ([value]) =>
    Number.isFinite(Number(value)) ? Number(value) : refuse(`${asText(value)} is not a number`),
  ),
  min: takes(1, ANY_NUMBER, (values) => numbers(values).reduce((a, b) => Math.min(a, b))),
  max: takes(1, ANY_NUMBER, (values) => numbers(values).reduce((a, b) => Math.max(a, b))),
  range: takes(2, 2, ([start, count]) => {
    if (intOf(count) < 0 || 10_000 < intOf(count)) refuse(`range of ${intOf(count)} items`);
    return Array.from({ length: intOf(count) }, (_, index) => intOf(start) + index);
  }),
  // Comparison and logic. `if`, `and`, `or` and `coalesce` are lazy and live in the evaluator.
  equals: takes(2, 2, ([a, b]) => same(a, b)),
  less: takes(2, 2, ([a, b]) => compare(a, b) < 0),
  lessorequals: takes(2, 2, ([a, b]) => compare(a, b) <= 0),
  greater: takes(2, 2, ([a, b]) => compare(a, b) > 0),
  greaterorequals: takes(2, 2, ([a, b]) => compare(a, b) >= 0),
  not: takes(1, 1, ([value]) => !boolOf(value)),
  true: takes(0, 0, () => true),
  false: takes(0, 0, () => false),
  null: takes(0, 0, () => null),
  // Arrays and objects.
  array: takes(1, 1, ([value]) => (isJsonArray(value) ? value : [value ?? null])),
  concat: takes(0, ANY_NUMBER, (values) =>
    values.some(isJsonArray)
      ? values.flatMap((value) => (isJsonArray(value) ? value : [value]))
      : values.map(scalarText).join(""),
  ),
  contains: takes(2, 2, ([container, wanted]) => {
    if (container === null) return false;
    if (typeof container === "string") return container.includes(asText(wanted));
    if (isJsonArray(container)) return container.some((item) => same(item, wanted));
    return property(objectOf(container), textOf(wanted)) !== undefined;
  }),
  createarray: takes(0, ANY_NUMBER, (values) => [...values]),
  createobject: takes(0, ANY_NUMBER, (values) => {
    if (values.length % 2 === 1) refuse("createObject takes pairs of a name and a value");
    return Object.fromEntries(
      values.flatMap((name, index) =>
        index % 2 === 0 ? [[textOf(name), values[index + 1] ?? null]] : [],
      ),
    );
  }),
  empty: takes(1, 1, ([value]) => isEmpty(value)),
  first: takes(1, 1, ([value]) =>
    typeof value === "string" ? value.slice(0, 1) : (arrayOf(value)[0] ?? null),
  ),
  last: takes(1, 1, ([value]) =>
    typeof value === "string" ? value.slice(-1) : (arrayOf(value).at(-1) ?? null),
  ),
  flatten: takes(1, 1, ([value]) => arrayOf(value).flatMap((item) => arrayOf(item))),
  items: takes(1, 1, ([value]) =>
    Object.entries(objectOf(value))
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]) => ({ key, value: item })),
  ),
  objectkeys: takes(1, 1, ([value]) => Object.keys(objectOf(value))),
  length: takes(1, 1, ([value]) => {
    if (typeof value === "string" || isJsonArray(value)) return value.length;
    return Object.keys(objectOf(value)).length;
  }),
  skip: takes(2, 2, ([value, count]) => sliceable(value).slice(Math.max(0, intOf(count)))),
  take: takes(2, 2, ([value, count]) => sliceable(value).slice(0, Math.max(0, intOf(count)))),
  intersection: takes(2, ANY_NUMBER, ([head, ...others]) => {
    if (isJsonArray(head))
      return unique(head).filter((item) =>
        others.every((other) => arrayOf(other).some((candidate) => same(item, candidate))),
      );
    return Object.fromEntries(
      Object.entries(objectOf(head)).filter(([name, item]) =>
        others.every((other) => same(objectOf(other)[name], item)),
      ),
    );
  }),
  union: takes(1, ANY_NUMBER, (values) =>
    isJsonArray(values[0])
      ? unique(values.flatMap((value) => arrayOf(value)))
      : values.map(objectOf).reduce((merged, next) => merge(merged, next), {}),
  ),
  shallowmerge: takes(1, 1, ([values]) =>
    arrayOf(values).reduce<JsonObject>((merged, next) => ({ ...merged, ...objectOf(next) }), {}),
  ),
  indexfromend: takes(2, 2, ([value, index]) => {
    const items = arrayOf(value);
    const item = 0 < intOf(index) ? items.at(-intOf(index)) : undefined;
    return item ?? refuse(`there is no item ${intOf(index)} from the end of ${items.length}`);
  }),
  tryindexfromend: takes(2, 2, ([value, index]) =>
    isJsonArray(value) && 0 < intOf(index) ? (value.at(-intOf(index)) ?? null) : null,
  ),
  fail: takes(0, 1, ([message]) =>
    refuse(
      message === undefined ? "the template says fail()" : `the template says: ${asText(message)}`,
      "Change the parameters so that the template does not decline them.",
    ),
  ),
  tryget: takes(2, ANY_NUMBER, ([value, ...path]) =>
    path.reduce<JsonValue>((inner, step) => {
      if (isJsonArray(inner) && typeof step === "number") return inner[step] ?? null;
      return isJsonObject(inner) ? (property(inner, asText(step)) ?? null) : null;
    }, value ?? null),
  ),
  parseresourceid: takes(1, 1, ([id]) => {
    const parsed = parseResourceId(textOf(id));
    return parsed.ok ? [...parsed.value.names] : refuse(parsed.problem.what);
  }),
};

function scalarText(value: JsonValue): string {
  if (isJsonObject(value)) return refuse("concat joins texts or arrays, and an object was given");
  return asText(value);
}

function numbers(values: readonly JsonValue[]): readonly number[] {
  const all = isJsonArray(values[0]) && values.length === 1 ? values[0] : values;
  return all.length === 0 ? refuse("there is nothing to compare") : all.map(intOf);
}

function sliceable(value: JsonValue | undefined): string | readonly JsonValue[] {
  return typeof value === "string" ? value : arrayOf(value);
}

function unique(items: readonly JsonValue[]): readonly JsonValue[] {
  return items.filter((item, index) => items.findIndex((other) => same(item, other)) === index);
}

/** Objects are merged into each other, everything else is replaced. */
function merge(one: JsonObject, other: JsonObject): JsonObject {
  const merged = new Map(Object.entries(one));
  const spellings = new Map(Object.keys(one).map((name) => [name.toLowerCase(), name]));
  for (const [name, value] of Object.entries(other)) {
    const spelled = spellings.get(name.toLowerCase()) ?? name;
    const before = merged.get(spelled);
    spellings.set(name.toLowerCase(), spelled);
    merged.set(spelled, isJsonObject(before) && isJsonObject(value) ? merge(before, value) : value);
  }
  return Object.fromEntries(merged);
}
