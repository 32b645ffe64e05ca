/**
 * Reading what the API answers: a value by its path, as text, number or list.
 *
 * Absent and of another kind are the same to a reader; what an absent value means is decided
 * where it is used.
 */
import { isJsonArray, propertyAt, type JsonValue } from "../arm/json.ts";

export function textAt(
  value: JsonValue | undefined,
  ...path: readonly string[]
): string | undefined {
  const read = propertyAt(value, ...path);
  return typeof read === "string" ? read : undefined;
}

export function integerAt(
  value: JsonValue | undefined,
  ...path: readonly string[]
): number | undefined {
  const read = propertyAt(value, ...path);
  return typeof read === "number" && Number.isInteger(read) ? read : undefined;
}

export function listAt(
  value: JsonValue | undefined,
  ...path: readonly string[]
): readonly JsonValue[] {
  const read = propertyAt(value, ...path);
  return isJsonArray(read) ? read : [];
}

export function textsAt(
  value: JsonValue | undefined,
  ...path: readonly string[]
): readonly string[] {
  return listAt(value, ...path).filter((item) => typeof item === "string");
}

/** The items of a list answer: ARM wraps them in `value`. */
export function itemsOf(answer: JsonValue | undefined): readonly JsonValue[] {
  return isJsonArray(answer) ? answer : listAt(answer, "value");
}
