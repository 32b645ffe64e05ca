import { spawn, type ChildProcess } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { eventually, freePort } from "./place.testing.ts";

let folder: string;
let port: number;
let child: ChildProcess;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "ase-static-"));
  const www = join(folder, "www");
  await mkdir(join(www, "docs"), { recursive: true });
  await mkdir(join(www, ".well-known"));
  await writeFile(join(folder, "outside.txt"), "outside");
  await writeFile(join(www, "a.txt"), "0123456789");
  await writeFile(join(www, "empty.css"), "");
  await writeFile(join(www, ".env"), "secret");
  await writeFile(join(www, ".well-known", "x.json"), "{}");
  await writeFile(join(www, "docs", "index.html"), "<p>docs");
  await symlink("../outside.txt", join(www, "link.txt"));
  port = await freePort();
  child = spawn(process.execPath, [join(import.meta.dirname, "static-server.mjs")], {
    cwd: www,
    env: { PORT: `${port}` },
    stdio: "ignore",
  });
  await eventually(() =>
    fetch(`http://127.0.0.1:${port}/a.txt`).then(
      () => true,
      () => undefined,
    ),
  );
});

afterAll(async () => {
  child.kill("SIGKILL");
  await rm(folder, { recursive: true, force: true });
});

type Answer = { status: number; headers: Record<string, unknown>; body: string };

/** Sends the path as it is; fetch would tidy it up. */
function ask(path: string, headers: Record<string, string> = {}, method = "GET"): Promise<Answer> {
  return new Promise((resolve, reject) => {
    request({ host: "127.0.0.1", port, path, method, headers, agent: false }, (response) => {
      let body = "";
      response.on("data", (chunk) => (body += String(chunk)));
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
      );
    })
      .on("error", reject)
      .end();
  });
}

describe("the static server", () => {
  test.each([
    ["/a.txt", 200],
    ["/docs/", 200],
    ["/docs", 301],
    ["/.well-known/x.json", 200],
    ["/", 404],
    ["/.env", 404],
    ["/link.txt", 404],
    ["/../outside.txt", 404],
    ["/%2e%2e/outside.txt", 404],
    ["/docs/..%2f..%2foutside.txt", 404],
    ["/%", 400],
    ["/a%00", 400],
  ])("answers %s with %i", async (path, status) => {
    expect((await ask(path)).status).toBe(status);
  });

  test("sends parts that are asked for", async () => {
    expect(await ask("/a.txt", { range: "bytes=2-4" })).toMatchObject({
      status: 206,
      body: "234",
      headers: { "content-range": "bytes 2-4/10", "content-length": "3" },
    });
    expect((await ask("/a.txt", { range: "bytes=-3" })).body).toBe("789");
    expect((await ask("/a.txt", { range: "bytes=8-99" })).body).toBe("89");
    expect(await ask("/a.txt", { range: "bytes=10-" })).toMatchObject({ status: 416 });
    expect((await ask("/a.txt", { range: "bytes=2-4", "if-range": '"old"' })).status).toBe(200);
  });

  test("spares what the client has, and the body for HEAD", async () => {
    const { headers } = await ask("/a.txt");
    expect((await ask("/a.txt", { "if-none-match": String(headers["etag"]) })).status).toBe(304);
    expect(
      (await ask("/a.txt", { "if-modified-since": String(headers["last-modified"]) })).status,
    ).toBe(304);
    expect(await ask("/a.txt", {}, "HEAD")).toMatchObject({
      status: 200,
      body: "",
      headers: { "content-length": "10" },
    });
    expect(await ask("/empty.css")).toMatchObject({
      status: 200,
      headers: { "content-type": "text/css; charset=utf-8" },
    });
    expect((await ask("/a.txt", {}, "POST")).status).toBe(405);
  });
});
