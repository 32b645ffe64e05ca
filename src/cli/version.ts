/** The version of this program, as its package says. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { readJson } from "../arm/json.ts";
import { textAt } from "./read.ts";

export function versionOf(): string {
  const file = fileURLToPath(new URL("../../package.json", import.meta.url));
  const read = readJson(readFileSync(file, "utf8"), file);
  return (read.ok ? textAt(read.value, "version") : undefined) ?? "0.0.0";
}
