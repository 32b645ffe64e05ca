/** What ARCHITECTURE.md says of the sources as a whole. Reads them; runs nothing. */
import { execFileSync } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

import { describe, expect, test } from "vitest";

import {
  ADDRESS_ECHO_PORTS,
  APP_PORTS,
  DEPENDENCY_PORTS,
  KEEP_ALIVE_PORT,
  MANAGEMENT_PORTS,
} from "../../src/environment/ports.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
/** Ground floor first: a room imports from rooms before it. */
const ROOMS = [
  "base",
  "network",
  "environment",
  "arm",
  "blueprint",
  "check",
  "store",
  "identity",
  "fabric",
  "services",
  "apps",
  "control",
  "api",
  "cli",
  "main",
];
const PURE = ["base", "network", "environment", "arm", "blueprint", "check"];
const CLI_KNOWS = ["base", "network", "environment", "arm", "blueprint", "check", "cli"];
const IO = /^node:(fs|net|tls|http|https|http2|dgram|dns|child_process|os|worker_threads|timers)\b/;

const IMPORT = /^(?:import|export)\b(?:[^;"()=]*\bfrom)?\s*"([^"]+)"|\bimport\(\s*"([^"]+)"\s*\)/gm;
const ONLY_TYPES = /^import\s*\{(\s*type\s+[\w\s]+,?)+\s*\}/;

const sources = globSync("src/**/*.ts", { cwd: ROOT })
  .filter((file) => !/\.(test|testing)\.ts$/.test(file))
  .map((file) => ({ file, text: readFileSync(ROOT + file, "utf8") }));

const imports = sources.flatMap(({ file, text }) =>
  [...withoutComments(text).matchAll(IMPORT)].map(([statement, still = "", dynamic = still]) => ({
    from: file,
    to: dynamic.startsWith(".") ? normalize(join(dirname(file), dynamic)) : dynamic,
    // Erased before the program runs.
    isType: /^(import|export)\s+type\b/.test(statement) || ONLY_TYPES.test(statement),
  })),
);

describe("rooms", () => {
  test("every file stands in a room", () => {
    expect(sources.map(({ file }) => file).filter((file) => !ROOMS.includes(roomOf(file)))).toEqual(
      [],
    );
  });

  test("import only from rooms below", () => {
    const upward = imports.filter(
      ({ from, to }) =>
        to.startsWith("src/") && ROOMS.indexOf(roomOf(from)) < ROOMS.indexOf(roomOf(to)),
    );
    expect(upward).toEqual([]);
  });

  test("that are pure do no input or output", () => {
    expect(imports.filter(({ from, to }) => PURE.includes(roomOf(from)) && IO.test(to))).toEqual(
      [],
    );
  });

  test("the command line knows the API and the pure rooms, not store, fabric or control", () => {
    const other = imports.filter(
      ({ from, to }) =>
        roomOf(from) === "cli" && to.startsWith("src/") && !CLI_KNOWS.includes(roomOf(to)),
    );
    expect(other).toEqual([]);
  });

  test("have no cycles of imports; those of types alone are erased", () => {
    const next = Map.groupBy(
      imports.filter(({ isType }) => !isType),
      ({ from }) => from,
    );
    const done = new Set<string>();
    const cycles: string[] = [];
    const visit = (file: string, above: readonly string[]): void => {
      if (above.includes(file))
        cycles.push([...above.slice(above.indexOf(file)), file].join(" -> "));
      if (done.has(file) || above.includes(file)) return;
      for (const { to } of next.get(file) ?? []) visit(to, [...above, file]);
      done.add(file);
    };
    for (const { file } of sources) visit(file, []);
    expect(cycles).toEqual([]);
  });

  test("import with the ending of the file", () => {
    const bare = imports.filter(({ to }) => to.startsWith("src/") && !/\.(ts|mjs|json)$/.test(to));
    expect(bare).toEqual([]);
  });
});

describe("the sources", () => {
  test("hold each number of the article once, in environment/ports.ts", () => {
    // Ports everybody knows (21, 53, 80, 123, 443) are left out: they stand for other things too.
    const { ftp, remoteDebugging, webDeploy } = APP_PORTS;
    const numbers = new Set(
      [
        ...Object.values(MANAGEMENT_PORTS),
        ...ADDRESS_ECHO_PORTS,
        ...[KEEP_ALIVE_PORT, DEPENDENCY_PORTS.sql, DEPENDENCY_PORTS.monitoring],
        ...[ftp.implicitTls, ftp.data.low, ftp.data.high, ...remoteDebugging, webDeploy],
      ].map(String),
    );
    const repeated = sources
      .filter(({ file }) => file !== "src/environment/ports.ts")
      .flatMap(({ file, text }) =>
        [...withoutComments(text).matchAll(/(?<![\w.])\d[\d_]*(?![\w.])/g)]
          .map(([word]) => word.replaceAll("_", ""))
          .filter((word) => numbers.has(word))
          .map((word) => `${file}: ${word}`),
      );
    expect(repeated).toEqual([]);
  });

  test("begin with what they are", () => {
    const silent = sources
      .filter(({ text }) => !/^(#!.*\n)?\/\*\*/.test(text))
      .map(({ file }) => file);
    expect(silent).toEqual([]);
  });
});

test("no file names a folder of the machine it was written on", () => {
  const foreign = ["/wo#rk/", "../sha#red/", "/tmp/bri#efs"].map((path) => path.replace("#", ""));
  const listed = execFileSync("git", ["ls-files", "-co", "--exclude-standard"], {
    cwd: ROOT,
    encoding: "utf8",
  });
  const named = listed
    .split("\n")
    .filter((file) => file !== "" && !/\.(png|zip|gz|ico)$/.test(file) && !file.startsWith("data/"))
    .filter((file) => {
      const text = readIfThere(file);
      return foreign.some((path) => text.includes(path));
    });
  expect(named).toEqual([]);
});

function roomOf(file: string): string {
  // main.ts and what it starts stand on top, in no folder.
  const [, room = "", ...inner] = file.split("/");
  return inner.length === 0 ? "main" : room;
}

function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\//g, "").replaceAll(/(^|\s)\/\/.*$/gm, "");
}

/** A file may be gone while it is still in the index. */
function readIfThere(file: string): string {
  try {
    return readFileSync(ROOT + file, "utf8");
  } catch {
    return "";
  }
}
