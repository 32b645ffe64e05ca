/**
 * What `ase check`, `ase diff` and `ase explain` are given, as texts: files, folders, `-` for what
 * comes on stdin, parameters files and `name=value`, linked templates beside a file.
 *
 * What the texts mean is decided in check/inputs.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";

import type { InputFile } from "../check/inputs/inputs.ts";
import { declined, found, type Problem, type Result } from "../base/problem.ts";
import { readIfThere } from "./home.ts";

/** Texts longer than this are no template, no plan and no output of az. */
const MOST_BYTES = 256 * 1024 * 1024;
const DEEPEST_FOLDER = 6;
const MOST_FILES = 500;
/** Folders of tools that hold JSON of their own. */
const PASSED_OVER = new Set(["node_modules", ".git", ".terraform", "bin", "obj"]);

/** @param names as they were typed; `-` once at most */
export function readCheckFiles(names: readonly string[]): Result<readonly InputFile[]> {
  const files: InputFile[] = [];
  for (const name of names) {
    const read = name === "-" ? readStdin() : readFileOrFolder(name);
    if (!read.ok) return read;
    files.push(...read.value);
  }
  return found(files);
}

export type ParameterWords = {
  readonly parameterFiles: readonly InputFile[];
  readonly parameterValues: Readonly<Record<string, string>>;
};

/** Words of `--parameters`: a file, `@file`, or `name=value`, as az takes them. */
export function readParameterWords(words: readonly string[]): Result<ParameterWords> {
  const parameterFiles: InputFile[] = [];
  const values: Record<string, string> = {};
  for (const word of words) {
    const [, name, value] = /^([A-Za-z_]\w*)=([\s\S]*)$/.exec(word) ?? [];
    if (name !== undefined && value !== undefined) {
      const text = value.startsWith("@") ? readText(value.slice(1)) : found(value);
      if (!text.ok) return text;
      values[name] = text.value;
      continue;
    }
    const file = word.startsWith("@") ? word.slice(1) : word;
    const text = readText(file);
    if (!text.ok) return text;
    parameterFiles.push({ name: file, text: text.value });
  }
  return found({ parameterFiles, parameterValues: values });
}

/** A linked template that stands on the disk, from the folder of the file that links to it. */
export function readBeside(file: string, path: string): InputFile | undefined {
  if (file === STDIN) return undefined;
  const name = join(dirname(file), path);
  const text = readIfThere(resolve(name));
  return text === undefined ? undefined : { name, text };
}

const STDIN = "stdin";

function readStdin(): Result<readonly InputFile[]> {
  try {
    return found([{ name: STDIN, text: readFileSync(0, "utf8") }]);
  } catch (thrown) {
    return declined(unreadable(STDIN, thrown));
  }
}

function readFileOrFolder(name: string): Result<readonly InputFile[]> {
  try {
    if (statSync(name).isDirectory()) return readFolder(name);
  } catch (thrown) {
    return declined(unreadable(name, thrown));
  }
  const text = readText(name);
  return text.ok ? found([{ name, text: text.value }]) : text;
}

function readFolder(folder: string): Result<readonly InputFile[]> {
  const names = jsonFiles(folder, DEEPEST_FOLDER);
  if (names.length === 0)
    return declined({
      code: "NothingToRead",
      what: `The folder ${folder} holds no .json file`,
      fix: "Name the folder of a template, or the file itself.",
      where: folder,
    });
  if (MOST_FILES < names.length)
    return declined({
      code: "TooManyFiles",
      what: `The folder ${folder} holds ${names.length} .json files`,
      fix: `Name the folder of one network, or its files; ${MOST_FILES} are read at most.`,
      where: folder,
    });
  const files: InputFile[] = [];
  for (const name of names) {
    const text = readText(name);
    if (!text.ok) return text;
    files.push({ name, text: text.value, inFolder: true });
  }
  return found(files);
}

/** Files before those of folders within, each in the order of names. */
function jsonFiles(folder: string, depth: number): readonly string[] {
  const entries = readdirSync(folder, { withFileTypes: true }).sort((a, b) =>
    a.name < b.name ? -1 : 1,
  );
  const own = entries.filter((entry) => entry.isFile() && /\.jsonc?$/i.test(entry.name));
  const inner = entries.filter(
    (entry) => entry.isDirectory() && !PASSED_OVER.has(entry.name) && 0 < depth,
  );
  return [
    ...own.map(({ name }) => join(folder, name)),
    ...inner.flatMap(({ name }) => jsonFiles(join(folder, name), depth - 1)),
  ];
}

function readText(name: string): Result<string> {
  try {
    const { size } = statSync(name);
    if (MOST_BYTES < size)
      return declined({
        code: "InvalidFile",
        what: `the file has ${Math.round(size / 1024 / 1024)} MiB`,
        where: name,
        fix: `Give a file of at most ${MOST_BYTES / 1024 / 1024} MiB.`,
      });
    return found(decoded(readFileSync(name)));
  } catch (thrown) {
    return declined(unreadable(name, thrown));
  }
}

/** UTF-8, or what PowerShell's `>` writes: UTF-16 with a byte order mark. */
function decoded(bytes: Buffer): string {
  const [first, second] = bytes;
  if (first === 0xff && second === 0xfe) return bytes.subarray(2).toString("utf16le");
  if (first === 0xfe && second === 0xff)
    return Buffer.from(bytes.subarray(2, bytes.length & ~1))
      .swap16()
      .toString("utf16le");
  return bytes.toString("utf8");
}

function unreadable(name: string, thrown: unknown): Problem {
  const code = thrown instanceof Error && "code" in thrown ? String(thrown.code) : "";
  const why: Readonly<Record<string, string>> = {
    ENOENT: "there is no such file or folder",
    EACCES: "it may not be read",
    EISDIR: "it is a folder",
  };
  const words = why[code] ?? (thrown instanceof Error ? thrown.message : String(thrown));
  const shown = name === STDIN ? name : relative(".", resolve(name)) || name;
  return {
    code: "InvalidFile",
    what: `${shown} cannot be read: ${words}`,
    fix: "Name a file or folder that exists and that you may read, or - for stdin.",
    where: name,
  };
}
