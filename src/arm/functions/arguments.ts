/**
 * What template functions share: how arguments are taken, compared and refused.
 */
import { ProblemError } from "../../base/problem.ts";
import {
  describeKind,
  isJsonArray,
  isJsonObject,
  type JsonObject,
  type JsonValue,
} from "../json.ts";

/** A function of its values only. Names are lower case in the tables. */
export type PureFunction = {
  readonly least: number;
  readonly most: number;
  readonly run: (values: readonly JsonValue[]) => JsonValue;
};
export type FunctionTable = Readonly<Record<string, PureFunction>>;

export function takes(
  least: number,
  most: number,
  run: (values: readonly JsonValue[]) => JsonValue,
): PureFunction {
  return { least, most, run };
}

export const ANY_NUMBER = Number.POSITIVE_INFINITY;

/** Declines from inside a function; the evaluator adds which one and where. */
export function refuse(what: string, fix = "Correct the template."): never {
  throw new ProblemError({ code: "InvalidTemplate", what, fix });
}

export function textOf(value: JsonValue | undefined): string {
  if (typeof value === "string") return value;
  return refuse(`a string was expected and ${describeKind(value)} was given`);
}

export function intOf(value: JsonValue | undefined): number {
  if (typeof value === "number" && Number.isInteger(value)) return value;
  return refuse(`an integer was expected and ${describeKind(value)} was given`);
}

export function boolOf(value: JsonValue | undefined): boolean {
  if (typeof value === "boolean") return value;
  return refuse(`true or false was expected and ${describeKind(value)} was given`);
}

export function arrayOf(value: JsonValue | undefined): readonly JsonValue[] {
  if (isJsonArray(value)) return value;
  return refuse(`an array was expected and ${describeKind(value)} was given`);
}

export function objectOf(value: JsonValue | undefined): JsonObject {
  if (isJsonObject(value)) return value;
  return refuse(`an object was expected and ${describeKind(value)} was given`);
}

/** Texts, numbers and truth as text, the way `concat` and `string` show them. */
export function asText(value: JsonValue | undefined): string {
  if (typeof value === "string") return value;
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "number") return String(value);
  if (value === null || value === undefined) return "";
  return JSON.stringify(value);
}

export function same(one: JsonValue | undefined, other: JsonValue | undefined): boolean {
  if (isJsonArray(one) && isJsonArray(other))
    return one.length === other.length && one.every((item, index) => same(item, other[index]));
  if (isJsonObject(one) && isJsonObject(other)) {
    const names = Object.keys(one);
    return (
      names.length === Object.keys(other).length &&
      names.every((name) => Object.hasOwn(other, name) && same(one[name], other[name]))
    );
  }
  return one === other;
}

export function isEmpty(value: JsonValue | undefined): boolean {
  if (value === null || value === undefined || value === "") return true;
  if (isJsonArray(value)) return value.length === 0;
  return isJsonObject(value) && Object.keys(value).length === 0;
}

export function compare(one: JsonValue | undefined, other: JsonValue | undefined): number {
  if (typeof one === "number" && typeof other === "number") return one - other;
  const a = textOf(one);
  const b = textOf(other);
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
