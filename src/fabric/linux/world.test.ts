import { spawn, spawnSync } from "node:child_process";
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer, type AddressInfo, type Server } from "node:net";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import type { Endpoint, Host, Network } from "../../blueprint/blueprint.ts";
import type { Probe } from "../../blueprint/probes.ts";
import type { Cidr, Ipv4 } from "../../network/prefix.ts";
import type { Fabric } from "../fabric.ts";
import type { RemoteFabric } from "../remote/client.ts";
import { readRecord, worldFiles } from "./world-files.ts";
import { connectWorld, endWorld, startWorld } from "./world.ts";

const ENTRY = fileURLToPath(new URL("world.testing.ts", import.meta.url));
const CLIENT = "203.0.113.10" as Ipv4;
const ECHO = "198.18.7.1" as Ipv4;
const VIP = "198.18.7.9" as Ipv4;
const LIMITS_FOLDER = "/sys/fs/cgroup";

const network: Network = {
  id: "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/net",
  name: "net",
  index: 1,
  prefixes: ["10.0.0.0/16" as Cidr],
  routes: [],
  subnets: [
    {
      id: "net/subnets/one",
      name: "one",
      index: 1,
      prefix: "10.0.1.0/24" as Cidr,
      virtualNetwork: ["10.0.0.0/16" as Cidr],
      flushConnection: false,
      routes: [
        {
          name: "local",
          source: "Default",
          prefix: "10.0.0.0/16" as Cidr,
          nextHop: { kind: "VnetLocal" },
          state: "Active",
        },
        {
          name: "out",
          source: "Default",
          prefix: "0.0.0.0/0" as Cidr,
          nextHop: { kind: "Internet" },
          state: "Active",
        },
      ],
    },
  ],
  publicAddresses: [{ address: VIP, sourceOf: ["10.0.0.0/16" as Cidr] }],
  translations: [],
};

function endpoint(service: Endpoint["service"], address: string, port: number): Endpoint {
  return { kind: "endpoint", name: service, service, address: address as Ipv4, port };
}

function internetHost(name: string, address: string, ...programs: readonly Endpoint[]): Host {
  return {
    name,
    place: { kind: "internet", address: address as Ipv4 },
    role: "Endpoint",
    forwards: false,
    programs,
  };
}

function subnetHost(name: string, address: string, ...programs: readonly Endpoint[]): Host {
  const place = {
    kind: "subnet",
    network: network.id,
    subnet: "net/subnets/one",
    address: address as Ipv4,
  } as const;
  return { name, place, role: "Machine", forwards: false, programs };
}

function newHome(): string {
  return mkdtempSync(join(tmpdir(), "ase-world-"));
}

async function started(
  home: string,
  doors?: { http: number; https: number },
): Promise<RemoteFabric> {
  const answer = await startWorld({
    home,
    entry: ENTRY,
    ...(doors === undefined ? {} : { doors }),
  });
  if (!answer.ok)
    throw new Error(
      `${answer.problem.what}\n${readFileSync(join(home, "logs", "fabric.log"), "utf8")}`,
    );
  return answer.value;
}

async function say(fabric: Fabric, ...argv: readonly string[]): Promise<string> {
  let said = "";
  const begun = await fabric.run(
    { kind: "internet" },
    { argv, onOutput: (_, chunk) => (said += chunk) },
  );
  if (!begun.ok) throw new Error(begun.problem.what);
  await begun.value.ended;
  return said;
}

async function must(answer: Promise<{ readonly ok: boolean }>): Promise<void> {
  expect(await answer).toMatchObject({ ok: true });
}

async function until<T>(
  what: string,
  look: () => Promise<T | undefined> | T | undefined,
): Promise<T> {
  const deadline = Date.now() + 10_000;
  while (Date.now() < deadline) {
    const seen = await look();
    if (seen !== undefined) return seen;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error(`never seen: ${what}`);
}

/** Ids, as the machine sees them, of everything that lives in the world of a home. */
function processesOf(home: string): {
  readonly all: () => readonly number[];
  readonly outermost: number;
} {
  const outermost = readRecord(worldFiles(home))?.pid ?? 0;
  const world = readlinkSync(`/proc/${outermost}/ns/pid_for_children`);
  return { outermost, all: () => pidsIn(world) };
}

function pidsIn(world: string): readonly number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        // A dead one that nobody has read yet holds nothing any more.
        const isDead = /\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
        return !isDead && readlinkSync(`/proc/${pid}/ns/pid`) === world;
      } catch {
        return false;
      }
    })
    .map(Number);
}

function fabricPid(home: string): number {
  const { all } = processesOf(home);
  const pid = all().find((candidate) => {
    const words = readFileSync(`/proc/${candidate}/cmdline`, "utf8").split("\0");
    return words[0] === process.execPath && words[2] === "fabric";
  });
  if (pid === undefined) throw new Error("the fabric process is not there");
  return pid;
}

function groupsOf(home: string): readonly string[] {
  const { id } = worldFiles(home);
  const folders = [
    LIMITS_FOLDER,
    ...["memory", "cpu", "pids"].map((name) => join(LIMITS_FOLDER, name)),
  ];
  return folders.flatMap((folder) => {
    try {
      return readdirSync(folder).filter((name) => name.startsWith(`ase-${id}-`));
    } catch {
      return [];
    }
  });
}

function machineMounts(): string {
  return readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .filter((line) => line.startsWith("openase"))
    .join("\n");
}

async function freePort(): Promise<{ readonly port: number; readonly server: Server }> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return { port: (server.address() as AddressInfo).port, server };
}

async function get(
  port: number,
  host: string,
): Promise<{ readonly status: number; readonly body: string }> {
  return new Promise((resolve, reject) => {
    const asked = request(
      { host: "127.0.0.1", port, headers: { host }, agent: false },
      (response) => {
        let body = "";
        response.setEncoding("utf8").on("data", (chunk: string) => (body += chunk));
        response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
      },
    );
    asked.on("error", reject);
    asked.end();
  });
}

function probe(wish: { readonly port: number; readonly name?: string }): Probe {
  return {
    flow: "test",
    environment: "",
    from: { kind: "internet", address: CLIENT },
    to: { address: ECHO, port: wish.port, protocol: "Tcp" },
    conversation: "http",
    name: wish.name ?? "",
    timeoutMs: 500,
  };
}

describe("a world that stands", () => {
  const home = newHome();
  const doors = { http: 0, https: 0 };
  let fabric: RemoteFabric;

  beforeAll(async () => {
    for (const kind of ["http", "https"] as const) {
      const { port, server } = await freePort();
      doors[kind] = port;
      await new Promise((resolve) => server.close(resolve));
    }
    fabric = await started(home, doors);
    const names = { "*.demo.localhost": VIP, "demo.localhost": VIP };
    await must(
      fabric.carryOut(1, {
        do: "put-internet",
        internet: { clientAddress: CLIENT, managementAddresses: [], names },
      }),
    );
    await must(fabric.carryOut(1, { do: "put-network", network }));
  });

  afterAll(async () => {
    fabric.disconnect();
    await endWorld(home);
    rmSync(home, { recursive: true, force: true });
  });

  test("is adopted by a second client, which sees the same", async () => {
    const second = await connectWorld(home);
    if (!second.ok) throw new Error(second.problem.what);
    expect(await second.value.observe()).toMatchObject({ value: { networks: [{ index: 1 }] } });
    second.value.disconnect();
    expect(await fabric.observe()).toMatchObject({ ok: true });
  });

  test("is not started twice, and its ports are named when they are taken", async () => {
    expect(await startWorld({ home, entry: ENTRY })).toMatchObject({
      problem: { code: "WorldRunsAlready" },
    });
    const other = newHome();
    const refused = await startWorld({ home: other, entry: ENTRY, doors });
    expect(refused).toMatchObject({
      problem: {
        what: `port ${doors.http} of 127.0.0.1 is taken by another program`,
        fix: "Choose another with --http-port.",
      },
    });
    rmSync(other, { recursive: true, force: true });
  });

  test("commands at the internet see its network and none of the machine's daemons", async () => {
    expect(await say(fabric, "readlink", "/proc/self/ns/net")).not.toBe(
      `${readlinkSync("/proc/self/ns/net")}\n`,
    );
    expect((await say(fabric, "ls", "/run")).trim()).toBe("openase");
    expect(
      await fabric.run({ kind: "host", name: "nobody" }, { argv: ["true"], onOutput: () => {} }),
    ).toMatchObject({
      problem: { code: "PlaceNotInWorld" },
    });
    expect(
      await fabric.run({ kind: "internet" }, { argv: ["/no/such"], onOutput: () => {} }),
    ).toMatchObject({
      problem: { code: "CommandNotStarted" },
    });
  });

  test("a killed command takes what it started with it", async () => {
    const begun = await fabric.run(
      { kind: "internet" },
      { argv: ["sh", "-c", "sleep 987 & sleep 987"], onOutput: () => {} },
    );
    if (!begun.ok) throw new Error(begun.problem.what);
    begun.value.kill();
    expect(await begun.value.ended).toEqual({ exitCode: 137 });
    await until("no sleep", async () =>
      (await say(fabric, "ps", "ax")).includes("sleep 987") ? undefined : true,
    );
  });

  test("a host's program answers probes; a probe that hangs ends in time", async () => {
    const host = internetHost("echo", ECHO, endpoint("time", ECHO, 7_000));
    await must(fabric.carryOut(1, { do: "put-host", host }));
    expect(await fabric.probe(probe({ port: 7_000 }))).toMatchObject({ ok: true, detail: "hello" });
    expect(await fabric.probe(probe({ port: 7_001 }))).toMatchObject({ ok: false });
    expect(await fabric.probe(probe({ port: 7_000, name: "hang" }))).toMatchObject({
      ok: false,
      reason: `no answer from ${ECHO}:7000 within 500 ms`,
    });
  });

  test("carrying the same out again changes nothing; a change of port is a new start", async () => {
    const put = (port: number) =>
      fabric.carryOut(2, {
        do: "put-host",
        host: internetHost("again", "198.18.7.2", endpoint("time", "198.18.7.2", port)),
      });
    const since = async () => {
      const seen = await fabric.observe();
      return seen.ok
        ? seen.value.hosts.find(({ host }) => host.name === "again")?.programs[0]
        : undefined;
    };
    await must(put(7_100));
    const before = await since();
    expect(before).toMatchObject({ state: "running", restarts: 0 });
    await must(put(7_100));
    expect(await since()).toEqual(before);
    await must(put(7_101));
    expect(await since()).toMatchObject({ state: "running", restarts: 0 });
    expect(await fabric.carryOut(1, { do: "remove-host", name: "again" })).toMatchObject({
      problem: { code: "OlderBlueprint" },
    });
    await must(fabric.carryOut(2, { do: "remove-host", name: "again" }));
    expect(await since()).toBeUndefined();
  });

  test("a program that ends is started again, confined as before; it goes with its host", async () => {
    const host = internetHost("sleeper", "198.18.7.3", endpoint("sql", "198.18.7.3", 1));
    await must(fabric.carryOut(2, { do: "put-host", host }));
    const pids = async () => {
      const read = await fabric.logs({ host: "sleeper", lines: 50 });
      return read.ok
        ? read.value.flatMap(({ text }) => /^pid (\d+) of 20001$/.exec(text)?.[1] ?? [])
        : [];
    };
    const [first = ""] = await until("its first pid", async () =>
      (await pids()).length === 1 ? pids() : undefined,
    );
    expect(await say(fabric, "cat", `/proc/${first}/cgroup`)).toMatch(
      /memory:\/.*-sleeper|0::.*-sleeper/,
    );
    await say(fabric, "kill", "-9", first);
    await until("a second pid", async () => ((await pids()).length === 2 ? true : undefined));
    const seen = await fabric.observe();
    expect(
      seen.ok && seen.value.hosts.find(({ host: { name } }) => name === "sleeper")?.programs,
    ).toMatchObject([{ name: "sql", state: "running", restarts: 1 }]);
    expect(groupsOf(home).length).toBeGreaterThan(0);
    await must(fabric.carryOut(2, { do: "remove-host", name: "sleeper" }));
    expect(groupsOf(home)).toEqual([]);
    expect(await say(fabric, "ps", "ax")).not.toContain("sleep 1000");
  });

  test("a program that cannot start is observed as failed and keeps no other from running", async () => {
    const address = "198.18.7.4";
    const host = internetHost(
      "mixed",
      address,
      endpoint("monitoring", address, 1),
      endpoint("time", address, 7_200),
    );
    await must(fabric.carryOut(2, { do: "put-host", host }));
    const seen = await fabric.observe();
    expect(
      seen.ok && seen.value.hosts.find(({ host: { name } }) => name === "mixed")?.programs,
    ).toMatchObject([{ state: "failed", problem: { code: "NotHere" } }, { state: "running" }]);
    await must(fabric.carryOut(2, { do: "remove-host", name: "mixed" }));
  });

  test("the platform's host stands in every network and is named as the resolver", async () => {
    const resolver = internetHost(
      "platform-resolver",
      "168.63.129.16",
      endpoint("dns", "168.63.129.16", 53),
    );
    await must(fabric.carryOut(2, { do: "put-host", host: resolver }));
    expect(await say(fabric, "cat", "/etc/resolv.conf")).toContain("nameserver 168.63.129.16");
    const answer = await fabric.probe({
      ...probe({ port: 53 }),
      from: { kind: "load-balancer", network: network.id, address: "168.63.129.16" as Ipv4 },
      to: { address: "168.63.129.16" as Ipv4, port: 53, protocol: "Tcp" },
    });
    expect(answer).toMatchObject({ ok: true, detail: "hello" });
  });

  test("the doorway leads by name from the client address to the VIP, and says what it knows", async () => {
    const closed = await until("a doorway", () =>
      get(doors.http, "app.demo.localhost").catch(() => undefined),
    );
    expect(closed.status).toBe(503);
    const address = "10.0.1.4" as Ipv4;
    await must(
      fabric.carryOut(2, {
        do: "put-host",
        host: subnetHost("front", address, endpoint("http", address, 80)),
      }),
    );
    const translation = {
      at: "edge",
      address: VIP,
      protocol: "Tcp",
      port: 80,
      targets: [{ host: "front", address, port: 80 }],
    } as const;
    await must(
      fabric.carryOut(2, {
        do: "put-translations",
        network: network.id,
        translations: [translation],
      }),
    );
    const answer = await until("an open door", async () => {
      const seen = await get(doors.http, "App.Demo.localhost:8080").catch(() => undefined);
      return seen?.status === 200 ? seen : undefined;
    });
    expect(answer.body).toContain(`front greets`);
    expect(answer.body).toContain(CLIENT);
    const unknown = await get(doors.http, "elsewhere.example");
    expect(unknown.status).toBe(404);
    expect(unknown.body).toContain("<li>demo.localhost</li>");
  });
});

describe("the end of a world", () => {
  async function busyWorld() {
    const home = newHome();
    const fabric = await started(home);
    const address = "198.18.7.3";
    await must(
      fabric.carryOut(1, {
        do: "put-host",
        host: internetHost("sleeper", address, endpoint("sql", address, 1)),
      }),
    );
    const processes = processesOf(home);
    // The last of them has begun, and may not yet carry the name it is found by.
    await until("its processes", () => (4 <= processes.all().length ? true : undefined));
    expect(groupsOf(home).length).toBeGreaterThan(0);
    return { home, fabric, ...processes };
  }

  function expectNothing(home: string): void {
    expect(groupsOf(home)).toEqual([]);
    expect(readdirSync(join(home, "run"))).toEqual([]);
    expect(machineMounts()).toBe("");
    rmSync(home, { recursive: true, force: true });
  }

  test("when it is asked to end, nothing stays", async () => {
    const { home, all } = await busyWorld();
    expect(await endWorld(home)).toEqual({ ok: true, value: "ended" });
    expect(all()).toEqual([]);
    expect(await endWorld(home)).toEqual({ ok: true, value: "none" });
    expect(await connectWorld(home)).toMatchObject({ problem: { code: "NoWorld" } });
    expectNothing(home);
  });

  test.each(["fabric process", "outermost process"] as const)(
    "kill -9 of the %s ends every process; the next end sweeps the rest",
    async (which) => {
      const { home, fabric, all, outermost } = await busyWorld();
      process.kill(which === "fabric process" ? fabricPid(home) : outermost, "SIGKILL");
      await until("no process", () => (all().length === 0 ? true : undefined));
      expect(await fabric.observe()).toMatchObject({ problem: { code: "FabricGone" } });
      await endWorld(home);
      expectNothing(home);
    },
  );

  test("a world that does not listen is ended by force", async () => {
    const { home, all } = await busyWorld();
    rmSync(worldFiles(home).socket);
    expect(await endWorld(home)).toEqual({ ok: true, value: "ended" });
    expect(all()).toEqual([]);
    expectNothing(home);
  });

  test("a new world starts where one was killed, and sweeps what that left", async () => {
    const { home, outermost, all } = await busyWorld();
    process.kill(outermost, "SIGKILL");
    await until("no process", () => (all().length === 0 ? true : undefined));
    expect(groupsOf(home).length).toBeGreaterThan(0);
    const next = await started(home);
    expect(groupsOf(home)).toEqual([]);
    next.disconnect();
    await endWorld(home);
    expectNothing(home);
  });

  test("kill -9 of the control plane touches nothing", async () => {
    const home = newHome();
    const script = join(home, "control.ts");
    const world = fileURLToPath(new URL("world.ts", import.meta.url));
    writeFileSync(
      script,
      `import { startWorld } from ${JSON.stringify(world)};
       const answer = await startWorld(${JSON.stringify({ home, entry: ENTRY })});
       console.log(answer.ok ? "stands" : answer.problem.what);`,
    );
    const control = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "inherit"] });
    const said = await new Promise<string>((resolve) =>
      control.stdout.once("data", (text: Buffer) => resolve(String(text))),
    );
    expect(said).toBe("stands\n");
    const before = processesOf(home).all();
    control.kill("SIGKILL");
    await new Promise((resolve) => control.once("exit", resolve));
    const adopted = await connectWorld(home);
    if (!adopted.ok) throw new Error(adopted.problem.what);
    expect(processesOf(home).all()).toEqual(before);
    adopted.value.disconnect();
    await endWorld(home);
    rmSync(script);
    expectNothing(home);
  });

  test("without root it is the same world, where users may make namespaces", () => {
    const home = mkdtempSync("/tmp/ase-rootless-");
    const script = fileURLToPath(new URL("world-rootless.testing.ts", import.meta.url));
    spawnSync("chown", ["65534:65534", home]);
    const words = [
      "--reuid",
      "65534",
      "--regid",
      "65534",
      "--clear-groups",
      process.execPath,
      script,
      home,
      ENTRY,
    ];
    const { stdout, stderr } = spawnSync("setpriv", words, { encoding: "utf8", timeout: 20_000 });
    rmSync(home, { recursive: true, force: true });
    expect(`${stdout}${stderr}`).toBe("stands; answers; ended\n");
  });
});
