import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { type IncomingMessage, type ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";

import { openClient, type Client } from "./client.ts";

type Reply = (request: IncomingMessage, response: ServerResponse, seen: number) => void;

let folder = "";
let keys = { key: "", cert: "" };
let server: Server | undefined;
let client: Client | undefined;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "ase-client-"));
  const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  execFileSync(
    "openssl",
    [
      ...[
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
      ],
      ...[
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=DNS:localhost",
        "-keyout",
        key,
        "-out",
        cert,
      ],
    ],
    { stdio: "ignore" },
  );
  keys = { key: readFileSync(key, "utf8"), cert: readFileSync(cert, "utf8") };
});
afterEach(async () => {
  client?.close();
  const closing = server;
  if (closing !== undefined) await new Promise((resolve) => closing.close(resolve));
  server = undefined;
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A server that answers by path; `seen` counts requests of that path, from 1. */
async function serve(replies: Readonly<Record<string, Reply>>): Promise<Client> {
  const seen = new Map<string, number>();
  const listening = createServer(keys, (request, response) => {
    const path = (request.url ?? "").replace(/\?.*/, "");
    seen.set(path, (seen.get(path) ?? 0) + 1);
    const reply = replies[`${request.method} ${path}`];
    if (reply === undefined) response.writeHead(404).end();
    else reply(request, response, seen.get(path) ?? 0);
  });
  server = listening;
  await new Promise<void>((resolve) => listening.listen(0, "127.0.0.1", resolve));
  const { port } = listening.address() as AddressInfo;
  client = openClient({ port, authority: keys.cert, token: "secret" });
  return client;
}

function json(response: ServerResponse, status: number, body: object, headers = {}): void {
  response
    .writeHead(status, { "content-type": "application/json", ...headers })
    .end(JSON.stringify(body));
}

describe("the client", () => {
  test("sends the token and the server's name, and reads JSON", async () => {
    const open = await serve({
      "GET /a": (request, response) => json(response, 200, { auth: request.headers.authorization }),
    });
    expect(await open.get("/a")).toEqual({ ok: true, value: { auth: "Bearer secret" } });
  });

  test("follows an operation to its end and answers with the resource", async () => {
    const operation = {
      "azure-asyncoperation": "https://elsewhere.test/operations/1?x=1",
      "retry-after": "30",
    };
    const open = await serve({
      "PUT /a": (_, response) => json(response, 201, { state: "InProgress" }, operation),
      "GET /operations/1": (_, response, seen) =>
        json(response, 200, { status: seen < 3 ? "InProgress" : "Succeeded" }),
      "GET /a": (_, response) => json(response, 200, { state: "Succeeded" }),
    });
    expect(await open.carryOut({ method: "PUT", path: "/a?api-version=1", body: {} })).toEqual({
      ok: true,
      value: { state: "Succeeded" },
    });
  });

  test("follows Location until it answers other than 202", async () => {
    const open = await serve({
      "POST /a": (_, response) => response.writeHead(202, { location: "/results/1" }).end(),
      "GET /results/1": (_, response, seen) =>
        seen < 2 ? response.writeHead(202).end() : json(response, 200, { done: true }),
    });
    expect(await open.carryOut({ method: "POST", path: "/a" })).toEqual({
      ok: true,
      value: { done: true },
    });
  });

  test("an operation that failed is its problem, with the details and the fix", async () => {
    const error = {
      code: "DeploymentFailed",
      message: "one resource failed",
      details: [
        {
          code: "SubnetIsFull",
          message: "no address is left",
          target: "/s",
          additionalInfo: [{ type: "Fix", info: { fix: "Use a larger subnet." } }],
        },
      ],
    };
    const open = await serve({
      "PUT /a": (_, response) =>
        json(response, 201, {}, { "azure-asyncoperation": "/operations/1" }),
      "GET /operations/1": (_, response) => json(response, 200, { status: "Failed", error }),
    });
    const ended = await open.carryOut({ method: "PUT", path: "/a", body: {} });
    expect(!ended.ok && ended.problem).toMatchObject({
      code: "DeploymentFailed",
      fix: "Use a larger subnet.",
      details: [{ code: "SubnetIsFull", where: "/s" }],
    });
  });

  test("a refusal is a problem that names the path", async () => {
    const open = await serve({
      "GET /a": (_, response) =>
        json(response, 409, { error: { code: "Conflict", message: "busy" } }),
    });
    const answer = await open.get("/a?api-version=1");
    expect(!answer.ok && answer.problem).toMatchObject({
      code: "Conflict",
      what: "busy",
      where: "/a",
    });
  });

  test("passes lines as they come, cut anywhere", async () => {
    const open = await serve({
      "POST /a": (_, response) => {
        response.write('{"a":');
        response.write('1}\n{"b":2}\n');
        response.end('{"c":3}');
      },
    });
    const lines: string[] = [];
    const ended = await open.lines({ method: "POST", path: "/a", body: {} }, (line) =>
      lines.push(line),
    );
    expect([ended.ok, lines]).toEqual([true, ['{"a":1}', '{"b":2}', '{"c":3}']]);
  });

  test("where nobody listens, the problem says so", async () => {
    const open = openClient({ port: 1, authority: keys.cert, token: "x" });
    const answer = await open.get("/a");
    expect(!answer.ok && answer.problem.code).toBe("ServerUnreachable");
  });
});
