/** Service tags for commands that need no server: the user's file, or the product's own copy. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";

import { declined, type Result } from "../base/problem.ts";
import { parseServiceTags, readServiceTags, type ServiceTags } from "../network/service-tags.ts";

const OWN = fileURLToPath(new URL("../../data/service-tags.json.gz", import.meta.url));

/** @param file as it is published weekly, compressed where its name ends in `.gz` */
export function readTagFile(file: string | undefined): Result<ServiceTags> {
  const name = file ?? OWN;
  try {
    const bytes = readFileSync(name);
    const text = (name.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8");
    if (file === undefined) return readServiceTags(text, name);
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
