import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { detectRuntime, splitCommand, startCommand } from "./runtime.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "ase-runtime-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function files(...names: readonly string[]): Promise<void> {
  for (const name of names) {
    await mkdir(dirname(join(folder, name)), { recursive: true });
    await writeFile(join(folder, name), name === "package.json" ? "{}" : "");
  }
}

describe("the runtime", () => {
  test.each([
    [[], "static"],
    [["index.html", "app.js"], "static"],
    [["index.html", "package.json"], "node"],
    [["server.js"], "node"],
    [["bin/www"], "node"],
    [["picture.png"], "static"],
  ] as const)("of %j is %s", async (names, kind) => {
    await files(...names);
    expect(await detectRuntime(folder)).toEqual({ kind });
  });
});

describe("the start command", () => {
  test.each([
    ["server.js", ["/opt/node/bin/node", "server.js"]],
    ["node 'my app.js' --name=\"a b\"", ["node", "my app.js", "--name=a b"]],
    ["start.sh", ["/bin/sh", "start.sh"]],
    ["package.json", ["/opt/node/bin/node", "app.js"]],
  ])("%s is %j", async (command, argv) => {
    await files("app.js");
    expect(await startCommand({ kind: "node", command }, folder)).toEqual({
      ok: true,
      value: argv,
    });
  });

  test.each(["a; b", "a && b", "a > b", "a $HOME", "A=1 node b", "a 'b", 'a "$(b)"', "a `b`"])(
    "%s needs a shell and is refused",
    (command) => {
      expect(splitCommand(command)).toMatchObject({
        ok: false,
        problem: { code: "AppCommandRefused" },
      });
    },
  );

  test("that names a script which is not there says so", async () => {
    await files("package.json");
    expect(await startCommand({ kind: "node", command: "npm start" }, folder)).toMatchObject({
      ok: false,
      problem: { code: "AppScriptNotFound" },
    });
  });
});
