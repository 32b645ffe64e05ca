/** What tests of inputs share: files of this folder, read as the command line reads them. */
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { describeProblem, type Problem } from "../../src/base/problem.ts";
import type { InputFile, ReadInputs } from "../../src/check/inputs/inputs.ts";
import { readInputs } from "../../src/check/inputs/read-inputs.ts";
import { readBeside, readCheckFiles, readParameterWords } from "../../src/cli/check-files.ts";

export const HERE = fileURLToPath(new URL(".", import.meta.url));
const ROOT = fileURLToPath(new URL("../..", import.meta.url));
/** Public templates, where they stand beside the repository. */
export const PUBLIC = join(ROOT, "..", "shared", "inputs");

export function read(names: readonly string[], parameters: readonly string[] = []) {
  const files = readCheckFiles(names.map((name) => (name === "-" ? name : join(HERE, name))));
  const words = readParameterWords(parameters);
  if (!files.ok) return files;
  if (!words.ok) return words;
  return readFiles(files.value, words.value);
}

export function readFiles(
  files: readonly InputFile[],
  words: {
    readonly parameterFiles: readonly InputFile[];
    readonly parameterValues: Readonly<Record<string, string>>;
  } = { parameterFiles: [], parameterValues: {} },
) {
  return readInputs({
    files,
    ...words,
    server: [],
    readBeside,
    isServiceTag: (name) =>
      /^[A-Z][A-Za-z]+(\.\w+)?$/.test(name) ? { known: name } : { nearest: ["Internet"] },
  });
}

export function readWell(names: readonly string[], parameters: readonly string[] = []): ReadInputs {
  const result = read(names, parameters);
  if (!result.ok) throw new Error(describeProblem(result.problem));
  return result.value;
}

export function refusal(...files: readonly InputFile[]): Problem {
  const result = readFiles(files);
  if (result.ok) throw new Error("it was read");
  return result.problem;
}
