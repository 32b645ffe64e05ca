/**
 * Resources as files write them, before they are typed: one shape for every kind of file.
 */
import { keyOf, parseResourceId } from "../../arm/ids.ts";
import {
  isJsonArray,
  isJsonObject,
  type JsonObject,
  property,
  propertyAt,
} from "../../arm/json.ts";
import type { Place } from "../../arm/places.ts";
import type { Problem } from "../../base/problem.ts";
import type { InputFormat, Origin } from "./inputs.ts";

export type Written = {
  readonly id: string;
  /** As a PUT carries it: `properties`, `location`, `sku`, ... */
  readonly body: JsonObject;
  readonly format: InputFormat | "server";
  /** False: it describes what is there already. True: it is put over that. */
  readonly isPut: boolean;
  readonly place?: Place;
  /** In Terraform's words. */
  readonly address?: string;
};

/** What reading one file gives. */
export type FileReading = {
  readonly written: readonly Written[];
  readonly notes: readonly Problem[];
  readonly warnings: readonly Problem[];
};

/** Lists within the bodies of these types whose items are resources of their own. */
const PARTS: Readonly<Record<string, readonly string[]>> = {
  "microsoft.network/virtualnetworks": ["subnets", "virtualNetworkPeerings"],
  "microsoft.network/networksecuritygroups": ["securityRules"],
  "microsoft.network/routetables": ["routes"],
};

export type Part = { readonly key: string; readonly id: string; readonly body: JsonObject };

/** Subnets, rules and routes that a body names, with their ids. */
export function partsOf(id: string, body: JsonObject): readonly Part[] {
  return (PARTS[typeOfId(id)] ?? []).flatMap((list) => {
    const items = propertyAt(body, "properties", list);
    return (isJsonArray(items) ? items : []).flatMap((item): readonly Part[] => {
      const name = property(item, "name");
      if (!isJsonObject(item) || typeof name !== "string") return [];
      const own = `${id}/${list}/${name}`;
      return [{ key: keyOf(own), id: own, body: item }];
    });
  });
}

/** Its type in lower case; empty for what is no id. */
export function typeOfId(id: string): string {
  const parsed = parseResourceId(id);
  if (!parsed.ok) return "";
  return [parsed.value.namespace, ...parsed.value.types].join("/").toLowerCase();
}

/** Type and names, what is left of an id without its subscription and group; lower case. */
export function tailOfId(id: string): string {
  const key = keyOf(id);
  const at = key.lastIndexOf("/providers/");
  return at === -1 ? "" : key.slice(at + "/providers/".length);
}

export function originOf(
  { format, address }: Pick<Written, "format" | "address">,
  place: Place | undefined,
): Origin | undefined {
  if (place === undefined || format === "server") return undefined;
  const { file, line, column } = place;
  return {
    format,
    file,
    line,
    column,
    get path() {
      return place.path;
    },
    ...(address === undefined ? {} : { address }),
  };
}
