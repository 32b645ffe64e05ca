/** The JavaScript SDKs against an installation, signed in by what `ase az --print-env` prints. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import { afterAll, beforeAll, expect, test } from "vitest";

import { type ClientServer, openClientServer } from "./support/client-server.ts";

const SCENARIO = fileURLToPath(new URL("./support/js-scenario.ts", import.meta.url));

let server: ClientServer;
beforeAll(async () => {
  server = await openClientServer();
});
afterAll(() => server?.close());

test("sign in, and work with groups, resources, tags, pages and providers", async () => {
  const env = { ...server.variables(), LOCATION: server.location };
  const { stdout } = await promisify(execFile)(process.execPath, [SCENARIO], { env });
  expect(JSON.parse(stdout)).toEqual({
    token: "ey",
    made: "t",
    tags: { a: "1" },
    exists: true,
    groups: ["js1", "js2"],
    onePerPage: ["js1", "js2"],
    filtered: ["js1"],
    provider: "Registered",
    refusal: ["ResourceGroupNotFound", 404],
    left: [],
  });
});
