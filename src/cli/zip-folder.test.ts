import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { unzipSync } from "fflate";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { readContent } from "./zip-folder.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ase-zip-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe("an app's content", () => {
  test("is every file of the folder by its path, links followed, .git left behind", () => {
    mkdirSync(join(folder, "lib/inner"), { recursive: true });
    mkdirSync(join(folder, ".git"));
    writeFileSync(join(folder, ".git/config"), "x");
    writeFileSync(join(folder, "server.js"), "serve()");
    writeFileSync(join(folder, "lib/inner/ä.txt"), "text");
    chmodSync(join(folder, "server.js"), 0o755);
    symlinkSync("server.js", join(folder, "main.js"));
    symlinkSync("..", join(folder, "lib/loop"));
    const zip = readContent(folder);
    if (!zip.ok) throw new Error(zip.problem.what);
    const files = Object.entries(unzipSync(zip.value)).map(([name, bytes]) => [
      name,
      Buffer.from(bytes).toString(),
    ]);
    expect(Object.fromEntries(files)).toEqual({
      "lib/inner/ä.txt": "text",
      "main.js": "serve()",
      "server.js": "serve()",
    });
  });

  test("is a zip file as it is", () => {
    const file = join(folder, "app.zip");
    writeFileSync(file, "PK\u0003\u0004...");
    const zip = readContent(file);
    expect(zip.ok && zip.value.toString()).toBe("PK\u0003\u0004...");
  });

  test.each(["empty folder", "no zip", "nothing there"])("is declined: %s", (kind) => {
    const source = kind === "empty folder" ? folder : join(folder, "file");
    if (kind === "no zip") writeFileSync(source, "text");
    const zip = readContent(source);
    expect(!zip.ok && zip.problem).toMatchObject({ code: "InvalidAppContent", where: source });
  });
});
