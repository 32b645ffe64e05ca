/**
 * A template and its parameters as files: read leniently, linked templates beside them put in.
 *
 * What a template means is decided by the server; only links to files are resolved here, because
 * only the caller has the files.
 */
import { readFileSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";

import {
  isJsonObject,
  property,
  readJsonObject,
  withoutProperties,
  type JsonObject,
} from "../arm/json.ts";
import { inlineLinkedTemplates } from "../arm/linked.ts";
import { declined, found, type Result } from "../base/problem.ts";
import { readIfThere } from "./home.ts";

export type TemplateFiles = {
  /** The deployment's name: that of the file without its ending. */
  readonly name: string;
  readonly template: JsonObject;
  /** `{ name: { value } }` */
  readonly parameters: JsonObject;
};

export function readTemplateFiles(
  template: string,
  parameters: string | undefined,
): Result<TemplateFiles> {
  const read = readJsonFile(template);
  if (!read.ok) return read;
  const given = parameters === undefined ? found({}) : readParameters(parameters);
  if (!given.ok) return given;
  const folder = dirname(resolve(template));
  const whole = inlineLinkedTemplates(read.value, given.value, (path) =>
    readIfThere(join(folder, path)),
  );
  if (!whole.ok) return whole;
  const name = basename(template).replace(/\.[^.]*$/, "");
  return found({ name, template: whole.value, parameters: given.value });
}

/** A parameters file has them under `parameters`; the bare object is taken too. */
function readParameters(file: string): Result<JsonObject> {
  const read = readJsonFile(file);
  if (!read.ok) return read;
  const inner = property(read.value, "parameters");
  return found(
    isJsonObject(inner) ? inner : withoutProperties(read.value, ["$schema", "contentVersion"]),
  );
}

export function readJsonFile(file: string): Result<JsonObject> {
  try {
    return readJsonObject(readFileSync(file, "utf8"), file);
  } catch (thrown) {
    return declined({
      code: "InvalidFile",
      what: `the file cannot be read: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
      where: file,
      fix: "Name a JSON file that exists and that you may read.",
    });
  }
}
