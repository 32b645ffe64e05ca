/** Service tags for commands that need no server: the user's file, or the product's own copy. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";

import { declined, found, type Result } from "../base/problem.ts";
import { parseServiceTags, serviceTagsOfTable, type ServiceTags } from "../network/service-tags.ts";
import { decodeTagTable } from "../network/tag-table.ts";

const OWN = fileURLToPath(new URL("../../data/service-tags.bin", import.meta.url));

/** @param file as it is published weekly, compressed where its name ends in `.gz` */
export function readTagFile(file: string | undefined): Result<ServiceTags> {
  const name = file ?? OWN;
  try {
    const bytes = readFileSync(name);
    if (file === undefined) return found(serviceTagsOfTable(decodeTagTable(bytes)));
    const text = (name.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8");
    return parseServiceTags(text.replace(/^\uFEFF/, ""), name);
  } catch (thrown) {
    return declined({
      code: "InvalidFile",
      what: `${name} cannot be read: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
      fix: "Name a file of service tags as it is published weekly: ServiceTags_Public_*.json.",
      where: name,
    });
  }
}
