/**
 * What is started for an app's content: the runtime, and the command inside the sandbox.
 *
 * Reads the content folder, starts nothing. The order is that of App Service on Linux: the start
 * command of the site, `scripts.start` of package.json, its `main`, then files of known names.
 */
import { access, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

import { declined, found, type Result } from "../base/problem.ts";
import type { App } from "../blueprint/blueprint.ts";
import { NODE_INSIDE, STATIC_SERVER_INSIDE } from "./sandbox.ts";

export type Runtime = App["runtime"];

const START_FILES = ["bin/www", "server.js", "app.js", "index.js", "hostingstart.js"] as const;
const SCRIPT = /\.[cm]?js$/;
/** What only a shell gives a meaning to. */
const SHELL_ONLY = /[;&|<>()$`*\n]|^\s*[A-Za-z_][A-Za-z0-9_]*=/;

/** The runtime that suits the content. Nothing there: static, which shows the default page. */
export async function detectRuntime(contentFolder: string): Promise<Runtime> {
  const names: readonly string[] = await readdir(contentFolder).catch(() => []);
  if (names.includes("package.json")) return { kind: "node" };
  if (names.includes("index.html") || names.includes("index.htm")) return { kind: "static" };
  for (const file of START_FILES)
    if (await exists(join(contentFolder, file))) return { kind: "node" };
  return { kind: "static" };
}

/** The argv inside the sandbox, with the content as current folder. */
export async function startCommand(
  runtime: Runtime,
  contentFolder: string,
): Promise<Result<readonly string[]>> {
  if (runtime.kind === "static") return found(STATIC_SERVER);
  if (runtime.command !== undefined && runtime.command.trim() !== "")
    return commandOf(runtime.command.trim(), contentFolder);
  return nodeStart(contentFolder);
}

/**
 * Words of a command line: quotes group, backslash keeps the next character. Operators of a shell
 * are refused, since none runs here.
 */
export function splitCommand(command: string): Result<readonly string[]> {
  const words: string[] = [];
  let rest = command.trim();
  while (rest !== "") {
    const word = /^(?:[^\s"'\\]|\\.|"(?:[^"\\]|\\.)*"|'[^']*')+/.exec(rest)?.[0];
    if (word === undefined) return refusedCommand(command, "a quote is not closed");
    words.push(unquote(word));
    rest = rest.slice(word.length).trimStart();
  }
  if (SHELL_ONLY.test(withoutQuoted(command)))
    return refusedCommand(command, "it needs a shell, and none runs it");
  return found(words);
}

const STATIC_SERVER = [NODE_INSIDE, STATIC_SERVER_INSIDE];

async function commandOf(command: string, folder: string): Promise<Result<readonly string[]>> {
  const words = splitCommand(command);
  if (!words.ok) return words;
  const [first = "", second, third] = words.value;
  if (first === "npm" || first === "yarn") {
    if (second === "start") return packageScript("start", folder);
    if (second === "run" && third !== undefined) return packageScript(third, folder);
  }
  if (words.value.length > 1) return words;
  if (first === "package.json" || first.endsWith("/package.json")) return nodeStart(folder);
  if (SCRIPT.test(first)) return found([NODE_INSIDE, first]);
  if (first.endsWith(".sh")) return found(["/bin/sh", first]);
  return words;
}

async function nodeStart(folder: string): Promise<Result<readonly string[]>> {
  const described = await packageOf(folder);
  if (!described.ok) return described;
  if (described.value.scripts["start"] !== undefined) return packageScript("start", folder);
  const main = described.value.main;
  if (main !== undefined) return found([NODE_INSIDE, main]);
  for (const file of START_FILES)
    if (await exists(join(folder, file))) return found([NODE_INSIDE, file]);
  return found(STATIC_SERVER);
}

/** A script is the author's shell line, as npm takes it; a plain one is run without the shell. */
async function packageScript(name: string, folder: string): Promise<Result<readonly string[]>> {
  const described = await packageOf(folder);
  if (!described.ok) return described;
  const script = described.value.scripts[name];
  if (script === undefined)
    return declined({
      code: "AppScriptNotFound",
      what: `The package.json of the app has no script "${name}"`,
      fix: `Add "${name}" to its scripts, or name another start command.`,
      where: "/home/site/wwwroot/package.json",
    });
  const words = splitCommand(script);
  return words.ok && words.value.length > 0 ? words : found(["/bin/sh", "-c", script]);
}

type Package = { readonly scripts: Readonly<Record<string, string>>; readonly main?: string };

async function packageOf(folder: string): Promise<Result<Package>> {
  const text = await readFile(join(folder, "package.json"), "utf8").catch(() => undefined);
  if (text === undefined) return found({ scripts: {} });
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    return declined({
      code: "AppPackageInvalid",
      what: `The package.json of the app is not JSON: ${String(error)}`,
      fix: "Correct the file and deploy again.",
      where: "/home/site/wwwroot/package.json",
    });
  }
  const object = asObject(parsed);
  const scripts = Object.entries(asObject(object["scripts"])).filter(
    (entry): entry is [string, string] => typeof entry[1] === "string",
  );
  const main = object["main"];
  return found({
    scripts: Object.fromEntries(scripts),
    ...(typeof main === "string" && main !== "" ? { main } : {}),
  });
}

function asObject(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? { ...value } : {};
}

function unquote(word: string): string {
  return word.replace(/\\(.)|"((?:[^"\\]|\\.)*)"|'([^']*)'/g, (_, kept, double, single) => {
    if (kept !== undefined) return String(kept);
    if (double !== undefined) return String(double).replace(/\\(["\\$`])/g, "$1");
    return String(single);
  });
}

/** In single quotes nothing means anything; in double quotes `$` and backtick still do. */
function withoutQuoted(command: string): string {
  return command
    .replace(/'[^']*'/g, "q")
    .replace(/\\./g, "q")
    .replace(/"([^"]*)"/g, (_, inner: string) => (/[$`]/.test(inner) ? "$" : "q"));
}

function refusedCommand(command: string, why: string): Result<never> {
  return declined({
    code: "AppCommandRefused",
    what: `The start command ${JSON.stringify(command)} cannot be run: ${why}`,
    fix: "Name a program and its arguments, or a .sh file of the app, or a script of package.json.",
    where: "siteConfig.appCommandLine",
  });
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
