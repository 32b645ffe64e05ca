/**
 * Reads service tags from disk: the user's file, or the product's own copy of the published data.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";

import { declined, found, problemOf, type Result } from "../base/problem.ts";
import { parseServiceTags, serviceTagsOfTable, type ServiceTags } from "../network/service-tags.ts";
import { decodeTagTable } from "../network/tag-table.ts";

const OWN = fileURLToPath(new URL("../../data/service-tags.bin", import.meta.url));

/** @param file a published file, compressed when its name ends in `.gz`; absent: the product's own */
export function loadServiceTags(file: string = OWN): Result<ServiceTags> {
  try {
    const bytes = readFileSync(file);
    if (file === OWN) return found(serviceTagsOfTable(decodeTagTable(bytes)));
    const text = (file.endsWith(".gz") ? gunzipSync(bytes) : bytes).toString("utf8");
    return parseServiceTags(text.replace(/^\uFEFF/, ""), file);
  } catch (thrown) {
    return declined(
      problemOf(thrown, {
        code: "ServiceTagsUnreadable",
        what: `The service tags could not be read from ${file}`,
        fix: "Name a readable file.",
        where: file,
      }),
    );
  }
}
