import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

import { zipSync, type Zippable } from "fflate";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { currentContent, homeOfContent, putContent, removeContent } from "./content.ts";
import { valueOf } from "./place.testing.ts";

let root: string;
const site = () => ({ root: join(root, "sites"), siteKey: "shop", user: 21_900 });

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "ase-content-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

const LINK = 0o120_777;

async function zipOf(files: Zippable): Promise<string> {
  const path = join(root, `deploy-${Object.keys(files).length}-${Math.random()}.zip`);
  await writeFile(path, zipSync(files));
  return path;
}

const bytes = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);
const link = (target: string): Zippable[string] => [
  bytes(target),
  { os: 3, attrs: (LINK << 16) >>> 0 },
];

async function put(files: Zippable) {
  return valueOf(await putContent(site(), { zip: await zipOf(files) }));
}

describe("content", () => {
  test("of a new site is an empty folder of the app's user", async () => {
    const { folder } = valueOf(await currentContent(site()));
    expect(await readdir(folder)).toEqual([]);
    expect((await lstat(folder)).uid).toBe(21_900);
    expect(homeOfContent(folder)).toBe(join(root, "sites", "shop"));
    expect(valueOf(await currentContent(site())).folder).toBe(folder);
  });

  test("is taken from a ZIP file, owned by the app, with its programs runnable", async () => {
    const { folder, version } = await put({
      "index.html": bytes("hello"),
      "deep/er/run.sh": [bytes("#!/bin/sh"), { os: 3, attrs: (0o100_755 << 16) >>> 0 }],
      "deep/link": link("er/run.sh"),
    });
    expect(version).toMatch(/^[0-9a-f]{16}$/);
    expect(await readFile(join(folder, "index.html"), "utf8")).toBe("hello");
    expect(await readlink(join(folder, "deep/link"))).toBe("er/run.sh");
    const about = await lstat(join(folder, "deep/er/run.sh"));
    expect([about.uid, about.mode & 0o777]).toEqual([21_900, 0o755]);
    expect(await readlink(join(dirname(dirname(folder)), "wwwroot"))).toBe(`versions/${version}`);
  });

  test("of a folder is the same version as of its ZIP file", async () => {
    const source = join(root, "source");
    await mkdir(join(source, "sub"), { recursive: true });
    await writeFile(join(source, "sub", "a.txt"), "a");
    const fromFolder = valueOf(await putContent(site(), { folder: source }));
    expect(await put({ "sub/a.txt": bytes("a") })).toEqual({ ...fromFolder, keptCount: 0 });
  });

  test("is exchanged as a whole; what the app itself wrote comes along, what was deployed goes", async () => {
    const first = await put({ "a.txt": bytes("1"), "old.txt": bytes("1") });
    await mkdir(join(first.folder, "uploads"));
    await writeFile(join(first.folder, "uploads", "photo"), "mine");
    await symlink("/etc/shadow", join(first.folder, "trap"));
    await symlink("/etc", join(first.folder, "trap-folder"));
    const second = await put({ "a.txt": bytes("2") });
    expect(second).toMatchObject({ keptCount: 1 });
    expect(await readdir(second.folder)).toEqual(["a.txt", "uploads"]);
    expect(await readFile(join(second.folder, "uploads", "photo"), "utf8")).toBe("mine");
    expect((await lstat(join(second.folder, "uploads", "photo"))).uid).toBe(21_900);
    expect(await readFile(join(first.folder, "a.txt"), "utf8")).toBe("1");
  });

  test("keeps three versions, and going back to an old one starts it afresh", async () => {
    const first = await put({ "a.txt": bytes("1") });
    await writeFile(join(first.folder, "a.txt"), "changed by the app");
    for (const text of ["2", "3"]) await put({ "a.txt": bytes(text) });
    const again = await put({ "a.txt": bytes("1") });
    expect(again.version).toBe(`${first.version}_2`);
    expect(await readFile(join(again.folder, "a.txt"), "utf8")).toBe("1");
    const kept = (await readdir(dirname(again.folder))).filter((name) => !name.startsWith("."));
    expect(kept).toHaveLength(3);
    await removeContent(site());
    expect(await readdir(join(root, "sites"))).toEqual([]);
  });

  test.each([
    ["a path that leads out", { "../out.txt": bytes("x") }],
    ["an absolute path", { "/etc/cron.d/x": bytes("x") }],
    ["a link that leads out", { "a/b": link("../../x") }],
    ["an absolute link", { passwd: link("/etc/passwd") }],
    [
      "a link that leads out through another",
      { "x/y/top": link("../.."), "x/y/out": link("top/../..") },
    ],
    ["a file in place of a link", { l: link("d"), "l/x": bytes("x"), "d/y": bytes("y") }],
  ] satisfies readonly (readonly [string, Zippable])[])(
    "refuses %s, and what runs stays",
    async (_, files) => {
      const before = await put({ "a.txt": bytes("1") });
      const answer = await putContent(site(), { zip: await zipOf(files) });
      expect(answer).toMatchObject({ ok: false, problem: { code: "ContentNotTaken" } });
      expect(valueOf(await currentContent(site())).folder).toBe(before.folder);
      expect(await readdir(dirname(before.folder))).toHaveLength(2);
    },
  );

  test("refuses more than the limit, however little the archive says it is", async () => {
    const zip = await zipOf({ zeros: new Uint8Array(1_000_000), b: bytes("b") });
    const within = { fileCount: 10, bytes: 100_000 };
    expect(JSON.stringify(await putContent(site(), { zip }, within))).toContain("ContentTooLarge");
    expect(
      JSON.stringify(await putContent(site(), { zip }, { fileCount: 1, bytes: 1e9 })),
    ).toContain("ContentTooLarge");
    expect((await putContent(site(), { zip }, { fileCount: 2, bytes: 1e9 })).ok).toBe(true);
  });

  test("refuses what is no archive, and folders with links that lead out", async () => {
    await writeFile(join(root, "not.zip"), "nothing");
    expect(JSON.stringify(await putContent(site(), { zip: join(root, "not.zip") }))).toContain(
      "ZipUnreadable",
    );
    await mkdir(join(root, "source"));
    await symlink("/etc", join(root, "source", "etc"));
    expect(JSON.stringify(await putContent(site(), { folder: join(root, "source") }))).toContain(
      "ContentEntryRefused",
    );
    expect((await putContent({ ...site(), siteKey: "../x" }, { folder: root })).ok).toBe(false);
  });

  test("cannot be replaced by the app from beside its own folder", async () => {
    const { folder } = await put({ "a.txt": bytes("1") });
    await chmod(root, 0o711);
    for (const above of [dirname(folder), dirname(dirname(folder))]) {
      const about = await lstat(above);
      expect([about.uid, about.mode & 0o777]).toEqual([0, 0o711]);
    }
  });
});
