import { execFileSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { Agent, createServer, get, type IncomingMessage, type Server } from "node:http";
import { get as getOverTls } from "node:https";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { readFileSync } from "node:fs";

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";

import type { CertificateFiles, FrontEnd } from "../blueprint/blueprint.ts";
import type { RunningProgram } from "../fabric/fabric.ts";
import { eventually, testPlace, valueOf, type TestPlace } from "./place.testing.ts";
import { startApp } from "./start-app.ts";

// Ports 80 and 443 of loopback addresses that nothing else uses; needs root.

const FRONT_END = "127.91.0.10" as FrontEnd["address"];
let folder: string;
let place: TestPlace;
let program: RunningProgram | undefined;
const servers: Server[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "ase-certificates-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

beforeEach(async () => {
  place = await testPlace("test-front-end-0");
});

afterEach(async () => {
  await program?.stop();
  program = undefined;
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
  await place.leave();
});

/** An instance of an app that says who it is and what it was asked. */
async function instance(
  name: string,
  address: string,
): Promise<FrontEnd["sites"][number]["backends"][number]> {
  const server = createServer((request, answer) => {
    answer.setHeader("X-Instance", name);
    answer.end(JSON.stringify(request.headers));
  });
  server.on("upgrade", (_, socket) => {
    socket.write(
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n",
    );
    socket.pipe(socket);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(8080, address, resolve));
  return { name, address: address as FrontEnd["address"], port: 8080 };
}

function site(
  name: string,
  change: Partial<FrontEnd["sites"][number]> = {},
): FrontEnd["sites"][number] {
  return {
    name,
    hostNames: [`${name}.test`],
    running: true,
    httpsOnly: false,
    backends: [],
    ...change,
  };
}

function frontEnd(
  sites: FrontEnd["sites"],
  certificates: readonly CertificateFiles[] = [],
): FrontEnd {
  return { kind: "front-end", name: "proxy", address: FRONT_END, sites, certificates };
}

async function start(description: FrontEnd): Promise<RunningProgram> {
  program = valueOf(await startApp(description, place));
  return program;
}

type Answer = {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
};

function ask(
  host: string,
  path = "/",
  more: { agent?: Agent; headers?: Record<string, string> } = {},
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    get(
      {
        host: FRONT_END,
        port: 80,
        path,
        agent: more.agent ?? false,
        headers: { host, ...more.headers },
      },
      (response) => void read(response).then(resolve, reject),
    ).on("error", reject);
  });
}

async function read(response: IncomingMessage): Promise<Answer> {
  let body = "";
  for await (const chunk of response) body += String(chunk);
  return { status: response.statusCode ?? 0, headers: response.headers, body };
}

function certificate(name: string): CertificateFiles {
  const files = { certificate: join(folder, `${name}.crt`), key: join(folder, `${name}.key`) };
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
      `/CN=${name}`,
      "-addext",
      `subjectAltName=DNS:${name},DNS:*.${name}`,
      "-keyout",
      files.key,
      "-out",
      files.certificate,
    ],
    { stdio: "ignore" },
  );
  return { ...files, authority: files.certificate };
}

describe("a front end", () => {
  test("balances the requests of a site over its instances, and of no other", async () => {
    await start(
      frontEnd([
        site("shop", {
          backends: [await instance("w0", "127.91.0.20"), await instance("w1", "127.91.0.21")],
        }),
        site("blog", { backends: [await instance("w2", "127.91.0.22")] }),
      ]),
    );
    const counts: Record<string, number> = {};
    for (let turn = 0; turn < 40; turn++) {
      const from = String((await ask("shop.test")).headers["x-instance"]);
      counts[from] = (counts[from] ?? 0) + 1;
    }
    expect(counts).toEqual({ w0: 20, w1: 20 });
    expect((await ask("BLOG.test:80")).headers["x-instance"]).toBe("w2");
  });

  test("tells the app who asks, whatever the client claims", async () => {
    await start(frontEnd([site("shop", { backends: [await instance("w0", "127.91.0.20")] })]));
    const claims = {
      "X-Forwarded-For": "1.2.3.4",
      "X-ARR-SSL": "2048",
      "X-Client-IP": "1.2.3.4",
      "X-Forwarded-Proto": "https",
    };
    const { body } = await ask("shop.test", "/a%20b?c=d", { headers: claims });
    const seen = JSON.parse(body) as Record<string, string>;
    expect(seen).toMatchObject({
      host: "shop.test",
      "x-client-ip": "127.0.0.1",
      "x-forwarded-proto": "http",
      "x-appservice-proto": "http",
      "x-original-url": "/a%20b?c=d",
      "x-site-deployment-id": "shop",
      "disguised-host": "shop.test",
    });
    expect(seen["x-forwarded-for"]).toMatch(/^127\.0\.0\.1:\d+$/);
    expect(seen["x-arr-log-id"]).toMatch(/^[0-9a-f-]{36}$/);
    expect(seen["x-arr-ssl"]).toBeUndefined();
  });

  test("knows names below a wildcard, and says 404 to others and 403 for a stopped app", async () => {
    await start(
      frontEnd([
        site("shop", {
          hostNames: ["shop.test", "*.shop.test"],
          backends: [await instance("w0", "127.91.0.20")],
        }),
        site("old", { running: false }),
        site("empty"),
      ]),
    );
    expect((await ask("eu.shop.test")).status).toBe(200);
    expect((await ask("a.eu.shop.test")).status).toBe(404);
    expect(await ask("nobody.test")).toMatchObject({
      status: 404,
      body: expect.stringContaining("404 Web Site not found") as string,
    });
    expect(await ask("old.test")).toMatchObject({
      status: 403,
      body: expect.stringContaining("This web app is stopped") as string,
    });
    expect((await ask("empty.test")).status).toBe(503);
  });

  test("shows the certificate of the name asked for, no older TLS than 1.2, and redirects to it", async () => {
    await start(
      frontEnd(
        [
          site("shop", {
            hostNames: ["shop.one.test"],
            httpsOnly: true,
            backends: [await instance("w0", "127.91.0.20")],
          }),
          site("blog", { hostNames: ["blog.two.test"] }),
        ],
        [certificate("one.test"), certificate("two.test")],
      ),
    );
    const overTls = (
      name: string,
      versions: {
        minVersion?: "TLSv1.1";
        maxVersion?: "TLSv1.1" | "TLSv1.2";
        ciphers?: string;
      } = {},
    ) =>
      new Promise<{ subject: string; answer: Answer }>((resolve, reject) => {
        const ca = ["one.test", "two.test"].map((one) => readFileSync(join(folder, `${one}.crt`)));
        getOverTls(
          {
            host: FRONT_END,
            port: 443,
            servername: name,
            ca,
            agent: false,
            headers: { host: name },
            ...versions,
          },
          (response) => {
            const socket = response.socket as TLSSocket;
            const subject = String(socket.getPeerCertificate().subject.CN);
            void read(response).then((answer) => resolve({ subject, answer }), reject);
          },
        ).on("error", reject);
      });
    const shop = await overTls("shop.one.test");
    expect(shop.subject).toBe("one.test");
    expect(JSON.parse(shop.answer.body)).toMatchObject({
      "x-forwarded-proto": "https",
      "x-forwarded-tlsversion": "1.3",
      "x-arr-ssl": "2048|256|/CN=one.test|/CN=one.test",
    });
    expect((await overTls("blog.two.test", { maxVersion: "TLSv1.2" })).subject).toBe("two.test");
    await expect(
      overTls("shop.one.test", {
        minVersion: "TLSv1.1",
        maxVersion: "TLSv1.1",
        ciphers: "DEFAULT@SECLEVEL=0",
      }),
    ).rejects.toThrow("alert protocol version");
    expect(await ask("shop.one.test", "/cart?a=b")).toMatchObject({
      status: 301,
      headers: { location: "https://shop.one.test/cart?a=b" },
    });
  });

  test("passes on what is not HTTP any more after an upgrade", async () => {
    await start(frontEnd([site("shop", { backends: [await instance("w0", "127.91.0.20")] })]));
    const socket = connect(80, FRONT_END);
    let heard = "";
    socket.on("data", (chunk) => (heard += String(chunk)));
    socket.write(
      "GET / HTTP/1.1\r\nHost: shop.test\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n",
    );
    await eventually(() => (heard.includes("101 Switching") ? true : undefined));
    socket.write("are you there?");
    await eventually(() => (heard.endsWith("?") ? true : undefined));
    expect(heard).toMatch(/are you there\?$/);
    socket.destroy();
  });

  test("leaves out an instance that died, without a failed request", async () => {
    const [alive, dying] = [
      await instance("w0", "127.91.0.20"),
      await instance("w1", "127.91.0.21"),
    ];
    await start(frontEnd([site("shop", { backends: [alive, dying] })]));
    const agent = new Agent({ keepAlive: true, maxSockets: 4 });
    const statuses = new Set<number>();
    for (let turn = 0; turn < 400; turn++) {
      if (turn === 100) {
        const server = servers[1];
        server?.closeAllConnections();
        server?.close();
      }
      statuses.add((await ask("shop.test", "/", { agent })).status);
    }
    agent.destroy();
    expect([...statuses]).toEqual([200]);
    servers.splice(1, 1);
  });

  test("changes under load without a failed request", async () => {
    const backends = [
      await instance("w0", "127.91.0.20"),
      await instance("w1", "127.91.0.21"),
      await instance("w2", "127.91.0.22"),
    ];
    const running = await start(frontEnd([site("shop", { backends: backends.slice(0, 1) })]));
    const answered = { count: 0, failed: [] as string[] };
    const agent = new Agent({ keepAlive: true, maxSockets: 8 });
    const load = { isOver: false };
    const client = async (keepAlive: boolean): Promise<void> => {
      while (!load.isOver) {
        await ask("shop.test", "/", keepAlive ? { agent } : {}).then(
          ({ status }) => (status === 200 ? answered.count++ : answered.failed.push(`${status}`)),
          (error: Error) => answered.failed.push(`${keepAlive ? "kept" : "new"}: ${error.message}`),
        );
      }
    };
    const clients = Array.from({ length: 12 }, (_, index) => client(index < 8));
    for (let change = 0; change < 8 || answered.count < 10_000; change++) {
      const count = 1 + (change % 3);
      const others = Array.from({ length: change % 4 }, (_, index) => site(`site-${index}`));
      expect(
        await running.change(
          frontEnd([site("shop", { backends: backends.slice(0, count) }), ...others]),
        ),
      ).toBe(true);
      const next = answered.count + 500;
      await eventually(() => (answered.count > next ? true : undefined));
    }
    load.isOver = true;
    await Promise.all(clients);
    agent.destroy();
    expect(answered.failed).toEqual([]);
    expect(answered.count).toBeGreaterThan(10_000);
  }, 60_000);

  test("takes instances in and out without a new process, and says what is under way with those that go", async () => {
    const [first, second] = [
      await instance("w0", "127.91.0.20"),
      await instance("w1", "127.91.0.21"),
    ];
    const at = (...backends: FrontEnd["sites"][number]["backends"]) =>
      frontEnd([site("shop", { backends })]);
    const running = await start(at(first));
    const processes = place.children.length;
    // An answer that is held back: it stays under way until it is let go.
    const nothing = (): void => undefined;
    let letGo = nothing;
    servers[0]?.prependListener("request", (request, answer) => {
      if (request.url !== "/slow") return;
      const end = answer.end.bind(answer);
      answer.end = ((text: string) => {
        letGo = () => void end(text);
        return answer;
      }) as typeof answer.end;
    });
    const agent = new Agent({ keepAlive: true });
    expect((await ask("shop.test", "/", { agent })).headers["x-instance"]).toBe("w0");
    const slow = ask("shop.test", "/slow");
    await eventually(() => letGo !== nothing);
    expect(await running.change(at(first, second))).toBe(true);
    expect(await running.change(at(second))).toBe(true);
    // The kept connection of the client is led to who is there now.
    for (let turn = 0; turn < 5; turn++)
      expect((await ask("shop.test", "/", { agent })).headers["x-instance"]).toBe("w1");
    expect(running.busyWith?.()).toEqual(["w0"]);
    letGo();
    expect(await slow).toMatchObject({ status: 200, headers: { "x-instance": "w0" } });
    await eventually(() => running.busyWith?.().length === 0);
    // One that went comes back.
    expect(await running.change(at(first))).toBe(true);
    expect((await ask("shop.test", "/", { agent })).headers["x-instance"]).toBe("w0");
    agent.destroy();
    // Each change was judged by a process of its own; none serves.
    const serving = place.children.slice(processes).filter((child) => child.exitCode === null);
    expect(serving).toEqual([]);
  });

  test("takes nothing new when it finishes, and ends with its last client", async () => {
    const backends = [await instance("w0", "127.91.0.20")];
    const running = await start(frontEnd([site("shop", { backends })]));
    const agent = new Agent({ keepAlive: true });
    await ask("shop.test", "/", { agent });
    const finishing = { ...frontEnd([site("shop", { backends })]), finishing: true };
    expect(await running.change(finishing)).toBe(true);
    await eventually(() =>
      ask("shop.test").then(
        () => undefined,
        () => true,
      ),
    );
    expect(running.busyWith?.()).toEqual(["test-front-end-0"]);
    // Who is connected is answered once more, and told that it is over.
    const last = await ask("shop.test", "/", { agent });
    expect([last.status, last.headers.connection]).toEqual([200, "close"]);
    await eventually(() => running.busyWith?.().length === 0);
    expect(await running.change(frontEnd([site("shop", { backends })]))).toBe(false);
    agent.destroy();
  });

  test("is changed as asked once it says so", async () => {
    const backends = [await instance("w0", "127.91.0.20")];
    const running = await start(frontEnd([site("shop", { backends })]));
    expect(
      await running.change(frontEnd([site("shop", { backends }), site("blog", { backends })])),
    ).toBe(true);
    expect((await ask("blog.test")).status).toBe(200);
    expect(await running.change(frontEnd([site("blog", { backends })]))).toBe(true);
    expect((await ask("shop.test")).status).toBe(404);
    expect(
      await running.change({ ...frontEnd([]), address: "127.91.0.11" as FrontEnd["address"] }),
    ).toBe(false);
  });

  test("goes on as it was when it is described as none can be, and says why", async () => {
    const backends = [await instance("w0", "127.91.0.20")];
    const running = await start(frontEnd([site("shop", { backends })]));
    expect(
      await running.change(frontEnd([site("shop", { backends, hostNames: ["a b.test"] })])),
    ).toMatchObject({ code: "FrontEndRefused" });
    expect((await ask("shop.test")).status).toBe(200);
    expect(
      await running.change(frontEnd([site("shop", { backends }), site("blog", { backends })])),
    ).toBe(true);
    expect((await ask("blog.test")).status).toBe(200);
  });

  test("says how it ended when it ends by itself, and nothing of it stays", async () => {
    const running = await start(frontEnd([]));
    place.children.at(-1)?.kill("SIGKILL");
    expect(await running.ended).toMatchObject({ code: "FrontEndEnded" });
    await eventually(() =>
      ask("shop.test").then(
        () => undefined,
        () => true,
      ),
    );
  });

  test("does not start where its port is taken, and says so", async () => {
    const server = createServer();
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(80, FRONT_END, resolve));
    expect(JSON.stringify(await startApp(frontEnd([]), place))).toMatch(
      /FrontEndEnded.*127\.91\.0\.10:80/,
    );
  });
});
