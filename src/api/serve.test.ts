import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request } from "node:https";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";

import { openTestPlane, type TestPlane, TOKEN } from "../../test/support/plane.ts";
import { type ApiServer, serveApi } from "./serve.ts";

let t: TestPlane;
let server: ApiServer;
let folder: string;
let certificate: string;
let key: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "ase-tls-"));
  const [keyFile, file] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  execFileSync(
    "openssl",
    [
      "req",
      "-x509",
      "-newkey",
      "ec",
      "-pkeyopt",
      "ec_paramgen_curve:P-256",
      "-nodes",
      "-days",
      "2",
      "-subj",
      "/CN=localhost",
      "-addext",
      "subjectAltName=DNS:localhost",
      "-keyout",
      keyFile,
      "-out",
      file,
    ],
    { stdio: "ignore" },
  );
  certificate = readFileSync(file, "utf8");
  key = readFileSync(keyFile, "utf8");
  t = await openTestPlane();
  const opened = await serveApi({ app: t.app, certificate, key, address: "127.0.0.1", port: 0 });
  if (!opened.ok) throw new Error(opened.problem.what);
  server = opened.value;
});
afterAll(async () => {
  await server.close();
  await t.end();
  rmSync(folder, { recursive: true, force: true });
});

async function ask(method: string, path: string, body?: string) {
  return await new Promise<{ status: number; headers: Record<string, unknown>; text: string }>(
    (resolve, reject) => {
      const call = request(
        {
          host: "127.0.0.1",
          port: server.port,
          servername: "localhost",
          ca: certificate,
          method,
          path,
          headers: {
            Host: `localhost:${server.port}`,
            Authorization: `Bearer ${TOKEN}`,
            ...(body === undefined ? {} : { "Content-Length": Buffer.byteLength(body) }),
          },
        },
        (response) => {
          const { headers, statusCode: status = 0 } = response;
          text(response).then((whole) => resolve({ status, headers, text: whole }), reject);
        },
      );
      call.once("error", reject);
      call.end(body);
    },
  );
}

test("answers over TLS, and operations lead to the name the client used", async () => {
  const scope = `/subscriptions/${t.plane.account.subscriptionId}//resourcegroups/rg1`;
  expect((await ask("PUT", `${scope}?api-version=2021-04-01`, '{"location":"here"}')).status).toBe(
    201,
  );
  const put = await ask(
    "PUT",
    `${scope}/providers/Microsoft.Network/routeTables/r?api-version=2021-08-01`,
    '{"location":"here"}',
  );
  const url = new URL(String(put.headers["azure-asyncoperation"]));
  expect(url.origin).toBe(`https://localhost:${server.port}`);
  expect(JSON.parse((await ask("GET", url.pathname + url.search)).text)).toMatchObject({
    name: expect.any(String),
  });
  expect((await ask("HEAD", `${scope}?api-version=2021-04-01`)).status).toBe(204);
});

test("commands stream their lines", async () => {
  const answer = await ask("POST", "/openase/exec", '{"at":"internet","argv":["x"]}');
  expect(answer.text.trim().split("\n")).toHaveLength(3);
});

test("a port that is taken is a problem that says so", async () => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, "127.0.0.1", resolve));
  const address = other.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const refused = await serveApi({ app: t.app, certificate, key, address: "127.0.0.1", port });
  expect(refused).toMatchObject({
    ok: false,
    problem: { code: "PortInUse", where: `127.0.0.1:${port}` },
  });
  await new Promise((resolve) => other.close(resolve));
});
