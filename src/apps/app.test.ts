import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, test } from "vitest";

import type { App } from "../blueprint/blueprint.ts";
import type { RunningProgram } from "../fabric/fabric.ts";
import { startApplication } from "./app.ts";
import { putContent } from "./content.ts";
import { eventually, freePort, testPlace, valueOf, type TestPlace } from "./place.testing.ts";

// These run real sandboxes and need root, as the product's fabric has it.

let root: string;
let place: TestPlace;
const running: RunningProgram[] = [];

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "ase-content-"));
  await chmod(root, 0o711);
  place = await testPlace();
});

afterEach(async () => {
  for (const program of running.splice(0)) await program.stop();
  await place.leave();
  await rm(root, { recursive: true, force: true });
});

const USER = 21_001;

/** Puts files up as the content of a site and describes an app that runs them. */
async function appOf(
  files: Readonly<Record<string, string>>,
  change: Partial<App> = {},
): Promise<App> {
  const source = join(root, "source");
  await rm(source, { recursive: true, force: true });
  await mkdir(source);
  for (const [name, text] of Object.entries(files)) await writeFile(join(source, name), text);
  const folder = join(root, "sites");
  const user = change.user ?? USER;
  const put = valueOf(
    await putContent({ root: folder, siteKey: `site-${user}`, user }, { folder: source }),
  );
  return {
    kind: "app",
    name: "app-shop",
    site: "shop",
    siteId: "/subscriptions/s1/resourceGroups/g1/providers/Microsoft.Web/sites/shop",
    runtime: { kind: "node" },
    content: put.folder,
    version: put.version,
    address: "127.0.0.1" as App["address"],
    port: await freePort(),
    settings: {},
    user,
    limits: { cores: 1, memoryMb: 512 },
    ...change,
  };
}

async function start(app: App, at: TestPlace = place): Promise<RunningProgram> {
  const program = valueOf(await startApplication(app, at));
  running.push(program);
  return program;
}

const get = (app: App, path = "/", init?: RequestInit) =>
  fetch(`http://${app.address}:${app.port}${path}`, init);

/** Answers with what a shell command inside the sandbox said. */
const SHELL = `import { createServer } from "node:http";
import { execFile } from "node:child_process";
createServer((q, r) => execFile("/bin/sh", ["-c", decodeURIComponent(q.url.slice(1))],
  (error, out, err) => r.end(JSON.stringify({ code: error?.code ?? 0, out, err })))).listen(process.env.PORT);`;

async function inside(
  app: App,
  command: string,
): Promise<{ code: number; out: string; err: string }> {
  const answer = await get(app, `/${encodeURIComponent(command)}`);
  return (await answer.json()) as { code: number; out: string; err: string };
}

describe("an app", () => {
  test("answers with its settings, and with what the platform tells it", async () => {
    const app = await appOf(
      {
        "server.js": `require("http").createServer((q, r) => r.end(JSON.stringify(process.env))).listen(process.env.PORT)`,
      },
      { settings: { COLOUR: "blue is a secret", NODE_ENV: "test" } },
    );
    await start(app);
    expect(await (await get(app)).json()).toMatchObject({
      COLOUR: "blue is a secret",
      APPSETTING_COLOUR: "blue is a secret",
      NODE_ENV: "test",
      HOME: "/home",
      PORT: `${app.port}`,
      HTTP_PLATFORM_PORT: `${app.port}`,
      WEBSITE_SITE_NAME: "shop",
      WEBSITE_INSTANCE_ID: expect.stringMatching(/^[0-9a-f]{64}$/) as string,
      WEBSITE_RESOURCE_GROUP: "g1",
      COMPUTERNAME: "test-worker-0",
    });
  });

  test("has no setting in the arguments of its processes", async () => {
    const app = await appOf(
      { "server.mjs": SHELL },
      {
        settings: { SECRET: "do-not-show-this" },
        runtime: { kind: "node", command: "server.mjs" },
      },
    );
    await start(app);
    for (const child of place.children)
      expect(child.spawnargs.join(" ")).not.toContain("do-not-show-this");
    expect((await inside(app, "echo $SECRET; cat /proc/1/cmdline")).out).toMatch(
      /^do-not-show-this\n/,
    );
    expect((await inside(app, "cat /proc/1/cmdline")).out).not.toContain("do-not-show-this");
  });

  test("is started by `npm start`, by scripts.start and by main alike", async () => {
    const body = `require("http").createServer((q, r) => r.end(process.argv.slice(2).join())).listen(process.env.PORT)`;
    for (const [described, runtime, expected] of [
      [
        { scripts: { start: "node here.js 'a b' c" } },
        { kind: "node", command: "npm start" },
        "a b,c",
      ],
      [{ scripts: { start: "X=1 && node here.js $PORT" } }, { kind: "node" }, undefined],
      [{ main: "here.js" }, { kind: "node" }, ""],
    ] as const) {
      const app = await appOf(
        { "package.json": JSON.stringify(described), "here.js": body },
        { runtime },
      );
      const program = await start(app);
      expect(await (await get(app)).text()).toBe(expected ?? `${app.port}`);
      await program.stop();
    }
  });

  test("that crashes is reported with its last words", async () => {
    const app = await appOf({
      "server.js": `require("http").createServer(() => { throw new Error("the till is empty") }).listen(process.env.PORT)`,
    });
    const program = await start(app);
    await get(app).catch(() => undefined);
    const problem = await program.ended;
    expect(problem).toMatchObject({ code: "AppEnded", where: app.siteId });
    expect(problem.what).toMatch(/^shop ended with code 1: [^]*the till is empty/);
  });

  test("that ends before it listens is not started, and says why", async () => {
    const app = await appOf({ "server.js": `throw new Error("no database")` });
    const started = await startApplication(app, place);
    expect(started).toMatchObject({ ok: false, problem: { code: "AppEnded" } });
    expect(JSON.stringify(started)).toContain("no database");
  });

  test("is asked to end before it is made to", async () => {
    const app = await appOf({
      "server.js": `require("http").createServer((q, r) => r.end()).listen(process.env.PORT);
        process.on("SIGTERM", () => { console.log("closing the shop"); process.exit(0) })`,
    });
    await (await start(app)).stop();
    await eventually(() => place.lines.find(({ text }) => text === "closing the shop"));
    await expect(get(app)).rejects.toThrow("fetch failed");
  });

  test("that hears no request to end is ended all the same", async () => {
    const app = await appOf(
      {
        "server.js": `require("http").createServer((q, r) => r.end()).listen(process.env.PORT);
        process.on("SIGTERM", () => {})`,
      },
      { settings: { WEBSITES_CONTAINER_STOP_TIME_LIMIT: "1" } },
    );
    await (await start(app)).stop();
    await expect(get(app)).rejects.toThrow("fetch failed");
  });

  test("asks for a restart when anything of its description differs", async () => {
    const app = await appOf(
      { "server.mjs": SHELL },
      { runtime: { kind: "node", command: "node server.mjs" } },
    );
    const program = await start(app);
    expect(await program.change({ ...app })).toBe(true);
    expect(await program.change({ ...app, version: "another" })).toBe(false);
    expect(await program.change({ ...app, settings: { A: "1" } })).toBe(false);
  });

  test("without a program serves its files, and without any a page that says it runs", async () => {
    const empty = await appOf({}, { runtime: { kind: "static" } });
    const program = await start(empty);
    expect(await (await get(empty)).text()).toContain("Your app is up and running");
    expect((await get(empty, "/nothing")).status).toBe(404);
    await program.stop();
    const site = await appOf({ "index.html": "<h1>Shop</h1>" }, { runtime: { kind: "static" } });
    await start(site);
    const answer = await get(site);
    expect(answer.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(await answer.text()).toBe("<h1>Shop</h1>");
  });
});

describe.each(["own-user", "staged-user"] as const)("from inside the sandbox (%s)", (kind) => {
  let app: App;

  beforeEach(async () => {
    if (kind === "staged-user") {
      await rm(root, { recursive: true, force: true });
      // Only root may pass through the folder above.
      root = await mkdtemp(join("/root", "ase-content-"));
    }
    app = await appOf(
      { "server.mjs": SHELL },
      { runtime: { kind: "node", command: "server.mjs" } },
    );
    await start(app);
  });

  test("the app is another user than root, without capabilities or ways to gain them", async () => {
    expect((await inside(app, "id -u; id -G")).out).toBe(`${USER}\n${USER}\n`);
    const status = (await inside(app, "cat /proc/self/status")).out;
    expect(status).toMatch(/CapPrm:\t0+\n/);
    expect(status).toMatch(/CapBnd:\t0+\n/);
    expect(status).toMatch(/NoNewPrivs:\t1\n/);
    const [child] = place.children;
    const outside = await readFile(`/proc/${child?.pid}/status`, "utf8");
    const owner = kind === "own-user" ? USER : 0;
    expect(outside).toMatch(new RegExp(`Uid:\t${owner}\t${owner}\t`));
    expect(outside).toMatch(/CapEff:\t0+\n/);
  });

  test("nothing of the machine is there but programs", async () => {
    expect((await inside(app, "ls -A /")).out.trim().split("\n").toSorted()).toEqual(
      expect.not.arrayContaining(["root", "work", "var", "run", "sys", "boot", "mnt", "srv"]),
    );
    expect((await inside(app, "cat /etc/shadow")).err).toContain("No such file");
    expect((await inside(app, "ls /root")).err).toContain("No such file");
    expect((await inside(app, `ls ${import.meta.dirname}`)).err).toContain("No such file");
    expect((await inside(app, "ls /etc/ssl/private")).err).toContain("No such file");
    expect((await inside(app, "cat /etc/passwd")).out).toBe(
      `root:x:0:0:root:/root:/usr/sbin/nologin\napp:x:${USER}:${USER}:app:/home:/bin/sh\n`,
    );
    expect((await inside(app, "ls -d /proc/[0-9]* | wc -l")).out.trim()).toMatch(/^[4-7]$/);
  });

  test("other sites are not there, by any path", async () => {
    const other = await appOf({ "secret.txt": "of another site" }, { user: USER + 1 });
    expect((await inside(app, `cat ${other.content}/secret.txt`)).code).not.toBe(0);
    expect((await inside(app, `cat /proc/1/root${other.content}/secret.txt`)).code).not.toBe(0);
    expect((await inside(app, "ls /home /home/site /home/site/wwwroot")).out).toBe(
      "/home:\nLogFiles\ndata\nsite\n\n/home/site:\nwwwroot\n\n/home/site/wwwroot:\nserver.mjs\n",
    );
  });

  test("mounting, new namespaces and writing to the system are refused", async () => {
    for (const command of [
      "mount -t tmpfs none /tmp",
      "unshare -U true",
      "unshare -m true",
      "echo x > /usr/x",
      "echo x > /etc/x",
      "echo x > /x",
      "echo x > /opt/node/bin/node",
      "echo x > /opt/openase/static-server.mjs",
      "echo x > /proc/sys/kernel/hostname",
    ])
      expect({ command, ...(await inside(app, command)) }).not.toMatchObject({ code: 0 });
  });

  test("a killed sandbox takes the app with it", async () => {
    for (const child of place.children) child.kill("SIGKILL");
    const isGone = await eventually(() =>
      get(app).then(
        () => undefined,
        () => true,
      ),
    );
    expect(isGone).toBe(true);
  });

  test("its own folders take what it writes, up to a limit in /tmp", async () => {
    const wrote = await inside(
      app,
      "echo a > /home/site/wwwroot/a && echo b > /home/LogFiles/b && echo c > /home/data/c && echo d > /tmp/d && cat a",
    );
    expect(wrote).toEqual({ code: 0, out: "a\n", err: "" });
    expect(await readFile(join(app.content, "a"), "utf8")).toBe("a\n");
    expect((await inside(app, "df -B1 --output=size /tmp | tail -1")).out.trim()).toBe(
      `${512 * 1024 ** 2}`,
    );
  });
});

test("in another network the app cannot reach what listens on the machine's loopback", async () => {
  const server = createServer((_, answer) => answer.end("of the machine"));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await using apart = await apartPlace();
  const outcome = join(root, "sites", `site-${USER}`, "data", "outcome");
  const app = await appOf({
    "server.js": `require("net").connect(${port}, "127.0.0.1").on("connect", () => note("connected")).on("error", (e) => note(e.code));
      function note(text) { require("fs").writeFileSync("/home/data/draft", text); require("fs").renameSync("/home/data/draft", "/home/data/outcome"); setTimeout(() => {}, 1e6) }`,
  });
  // It never listens; what it notes down is the answer.
  const started = startApplication(
    { ...app, settings: { WEBSITES_CONTAINER_START_TIME_LIMIT: "10" } },
    apart.place,
  );
  expect(await eventually(() => readFile(outcome, "utf8").catch(() => undefined))).toMatch(
    /^(ECONNREFUSED|ENETUNREACH)$/,
  );
  for (const child of apart.place.children) child.kill("SIGKILL");
  expect((await started).ok).toBe(false);
  await new Promise((resolve) => server.close(resolve));
});

/** A place whose processes start in a network of their own, with loopback up. */
async function apartPlace(): Promise<{
  place: TestPlace;
  [Symbol.asyncDispose]: () => Promise<void>;
}> {
  const apart = await testPlace("test-worker-1", {
    prefix: [
      "unshare",
      "--net",
      "--",
      "/bin/sh",
      "-c",
      'ip link set lo up && exec setpriv --reuid 21001 --regid 21001 --clear-groups "$@"',
      "sh",
    ],
  });
  // The prefix becomes the app's user itself, since it must be root to make the network.
  const place: TestPlace = {
    ...apart,
    spawn: (argv, { user: _user, ...rest }) => apart.spawn(argv, rest),
  };
  return { place, [Symbol.asyncDispose]: apart.leave };
}
