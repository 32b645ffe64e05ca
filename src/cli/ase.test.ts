import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

const ASE = fileURLToPath(new URL("../../ase", import.meta.url));
let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "ase-command-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function ase(...words: readonly string[]) {
  const environment = { ...process.env, ASE_HOME: join(folder, "home"), NO_COLOR: "1" };
  const ended = spawnSync(ASE, words, { encoding: "utf8", env: environment, cwd: folder });
  return { code: ended.status, stdout: ended.stdout, stderr: ended.stderr };
}

describe("the command ase", () => {
  test("runs through a link from any folder", () => {
    symlinkSync(ASE, join(folder, "linked"));
    const ended = spawnSync("./linked", ["--help"], { cwd: folder, encoding: "utf8" });
    expect([ended.status, ended.stdout]).toEqual([0, expect.stringContaining("Usage: ase")]);
  });

  test("shows help with examples and ends with 0", () => {
    const help = ase("up", "--help");
    expect(help.code).toBe(0);
    expect(help.stdout).toContain("Examples:\n  ase up");
    expect(help.stderr).toBe("");
  });

  test.each([
    ["an unknown command", ["upp"], "unknown command 'upp'"],
    ["an unknown option", ["status", "--all"], "unknown option '--all'"],
    ["a bad port", ["up", "--api-port", "x"], '"x" is not a port'],
    ["a bad duration", ["up", "--suspend-after", "soon"], '"soon" is not a duration'],
    ["a bad app", ["up", "--app", "shop"], '"shop" names no app and folder'],
    ["a bad format", ["status", "-o", "xml"], "Allowed choices are table, json"],
    ["a missing place", ["exec", "--", "true"], "required option '--at <place>' not specified"],
    ["a missing argument", ["app", "deploy", "shop"], "missing required argument 'folder|zip'"],
    ["a template that is not there", ["up", "--template", "none.json"], "the file cannot be read"],
    ["content that is not there", ["app", "deploy", "shop", "none"], "content cannot be read"],
  ])("ends with 2 for %s, and says what to do", (_, words, what) => {
    const ended = ase(...words);
    expect([ended.code, ended.stdout]).toEqual([2, ""]);
    expect(ended.stderr).toContain(what);
    expect(ended.stderr).toMatch(/\n {2}fix: \S/);
  });

  test("without words, shows help on stderr and ends with 2", () => {
    const ended = ase();
    expect([ended.code, ended.stdout, ended.stderr.startsWith("Usage: ase")]).toEqual([
      2,
      "",
      true,
    ]);
  });

  test.each([["addresses"], ["events"], ["hosts"], ["logs"], ["app", "list"], ["suspend", "demo"]])(
    "ends with 1 where no server runs: %s",
    (...words) => {
      const ended = ase(...words);
      expect(ended.code).toBe(1);
      expect(ended.stderr).toContain("no server runs for this home");
      expect(ended.stderr).toContain("ase up");
    },
  );

  test("status says that no server runs, in JSON too, and ends with 1", () => {
    const ended = ase("status", "-o", "json");
    expect([ended.code, JSON.parse(ended.stdout)]).toMatchObject([1, { running: false }]);
  });

  test("a wrong template is declined before anything is started", () => {
    writeFileSync(join(folder, "broken.json"), '{ "resources": [ }');
    const ended = ase("up", "--template", "broken.json");
    expect([ended.code, ended.stderr]).toEqual([2, expect.stringContaining("broken.json:1:18")]);
    expect(existsSync(join(folder, "home"))).toBe(false);
  });

  test("errors carry no colour where no terminal is", () => {
    expect(ase("upp").stderr).not.toContain("\u001B");
  });
});
