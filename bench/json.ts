/** Lists inside answers of the API. */
import { propertyAt, type JsonValue } from "../src/arm/json.ts";

export function readItems(body: JsonValue, ...path: readonly string[]) {
  const list = propertyAt(body, ...path);
  if (!Array.isArray(list)) throw new Error(`no list at ${path.join(".")}`);
  return list as readonly { readonly name: string; readonly properties: JsonValue }[];
}
