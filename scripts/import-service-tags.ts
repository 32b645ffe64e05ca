/**
 * Makes data/service-tags.bin from a published file: names and prefixes, nothing else.
 *
 *   node scripts/import-service-tags.ts ServiceTags_Public_20251117.json
 */
import { readFileSync, writeFileSync } from "node:fs";
import { basename } from "node:path";

import { describeProblem } from "../src/base/problem.ts";
import { parseServiceTags } from "../src/network/service-tags.ts";
import { encodeTagTable } from "../src/network/tag-table.ts";

type Published = {
  readonly changeNumber: number;
  readonly cloud: string;
  readonly values: readonly { readonly name: string }[];
};

const [file] = process.argv.slice(2);
if (file === undefined) {
  process.stderr.write("usage: import-service-tags.ts FILE\n");
  process.exit(2);
}
const text = readFileSync(file, "utf8").replace(/^\uFEFF/, "");
const checked = parseServiceTags(text, file);
if (!checked.ok) {
  process.stderr.write(`${describeProblem(checked.problem)}\n`);
  process.exit(2);
}
const { changeNumber, cloud, values } = JSON.parse(text) as Published;
const bytes = encodeTagTable(
  { source: basename(file), changeNumber, cloud },
  values.map(({ name }) => ({
    name,
    prefixes: [...checked.value.prefixes(name), ...checked.value.prefixes6(name)],
  })),
);
writeFileSync(new URL("../data/service-tags.bin", import.meta.url), bytes);
process.stdout.write(`${values.length} tags of change ${changeNumber}: ${bytes.length} bytes\n`);
