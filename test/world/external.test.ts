/** An External environment: its VIP, ports, apps and rules, as a client outside and an app see them. */
import { readFileSync } from "node:fs";
import { get } from "node:https";
import { createServer } from "node:net";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { MANAGEMENT_ADDRESSES } from "../../src/environment/management-addresses.ts";
import {
  askDoor,
  groupsOf,
  openTestWorld,
  treeOf,
  until,
  untilHealthy,
  worldId,
  type Begun,
  type Loose,
  type TestWorld,
} from "../support/world.ts";

const CLIENT = "198.19.255.10";
/** Another address of the internet. */
const ELSEWHERE = "198.19.0.123";
const NODE = process.execPath;

let world: TestWorld;
beforeAll(async () => {
  world = await openTestWorld({ app: "hello" });
  await untilHealthy(world);
});
afterAll(() => world?.close());

const app = async (path: string, host?: string): Promise<Loose> => (await world.door(path, host)).json;
const query = (values: Readonly<Record<string, string>>) => new URLSearchParams(values).toString();
const rule = (name: string) => world.network(`networkSecurityGroups/demo-nsg/securityRules/${name}`);
const route = (name: string) => world.network(`routeTables/demo-routes/routes/${name}`);
const outside = (...argv: readonly string[]) => world.exec("internet", argv);

describe("the VIP", () => {
  test("454 and 455 answer management with a certificate, and refuse it without one", async () => {
    const vip = await world.vip();
    const curl = ["curl", "-sk", "-m", "3", "--interface", await managementAddress()];
    const keys = ["client.crt", "client.key"].map((file) => `${world.home.folder}/pki/${file}`);
    const pair = ["--cert", keys[0] ?? "", "--key", keys[1] ?? ""];
    const roles = await outside(...curl, ...pair, `https://${vip}:454/roles`);
    expect(roles.exitCode).toBe(0);
    const seen: Loose = JSON.parse(roles.stdout);
    expect(seen.roles).toHaveLength(9);
    expect(seen.roles.every(({ answering }: Loose) => answering)).toBe(true);
    const metrics = await outside(...curl, ...pair, `https://${vip}:455/metrics`);
    expect(JSON.parse(metrics.stdout)).toMatchObject({ roles: 9 });
    for (const port of [454, 455]) {
      const without = await outside(...curl, `https://${vip}:${port}/`);
      expect(without.exitCode).not.toBe(0);
      expect(without.exitCode).not.toBe(28);
      expect(without.stdout).toBe("");
    }
  });

  test("454 does not answer others, even with the certificate", async () => {
    const vip = await world.vip();
    const keys = [`${world.home.folder}/pki/client.crt`, `${world.home.folder}/pki/client.key`] as const;
    const call = ["curl", "-sk", "-m", "1", "--cert", keys[0], "--key", keys[1], `https://${vip}:454/roles`];
    expect((await outside(...call)).exitCode).toBe(28);
  });

  test("7654 and 1221 answer with the VIP and nothing more, where a rule lets them", async () => {
    const vip = await world.vip();
    const ask = (port: number) => outside("timeout", "1", "bash", "-c", `cat < /dev/tcp/${vip}/${port}`);
    expect(await ask(7654)).toMatchObject({ exitCode: 124, stdout: "" });
    await world.arm("PUT", rule("echo"), ruleBody({ access: "Allow", port: ["7654", "1221"] }));
    for (const port of [7654, 1221]) expect(await ask(port)).toMatchObject({ exitCode: 0, stdout: vip });
    await world.arm("DELETE", rule("echo"));
  });

  test("the app answers there, with the certificate of the environment's names", async () => {
    const vip = await world.vip();
    const name = "hello.demo.p.azurewebsites.net";
    const authority = world.home.authority;
    const plain = await outside("curl", "-s", "-m", "3", `http://${name}/`);
    expect(JSON.parse(plain.stdout).instance).toMatch(/^demo-demo-plan-[01]$/);
    const found = await outside("curl", "-sv", "-m", "3", "--cacert", authority, `https://${name}/`);
    expect(JSON.parse(found.stdout).instance).toMatch(/^demo-demo-plan-[01]$/);
    expect(found.stderr).toContain(`(${vip})`);
    const names = ["-servername", name, "-connect", `${vip}:443`];
    const shown = await world.exec("internet", ["openssl", "s_client", ...names], "");
    const text = await world.exec("internet", ["openssl", "x509", "-noout", "-ext", "subjectAltName"], shown.stdout);
    expect(text.stdout).toContain("DNS:*.demo.p.azurewebsites.net");
    expect(text.stdout).toContain("DNS:*.scm.demo.p.azurewebsites.net");
  });
});

describe("the doorway", () => {
  test("leads from the machine's loopback to the app, with TLS of the installation's authority", async () => {
    const authority = readFileSync(world.home.authority, "utf8");
    const name = "hello.demo.localhost";
    const answer = await new Promise<string>((resolve, reject) => {
      const to = { host: "127.0.0.1", port: world.ports.https, servername: name, ca: authority, agent: false };
      get({ ...to, headers: { host: name } }, (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (chunk: string) => (text += chunk));
        response.on("end", () => resolve(text));
      }).on("error", reject);
    });
    expect(JSON.parse(answer).instance).toMatch(/^demo-demo-plan-[01]$/);
  });

  test("says that there is no such environment", async () => {
    expect((await world.door("/", "hello.nobody.localhost")).status).toBe(404);
  });
});

describe("what an app calls", () => {
  test("outside sees the VIP, inside the network sees the worker's address", async () => {
    const vip = await world.vip();
    const rows = await world.ledger();
    const workers = rows.filter(({ use }) => use === "Worker").map(({ address }) => address);
    const far = tellAddress("internet", CLIENT);
    const near = tellAddress("vnet/demo-vnet", "10.1.255.254");
    await listening(far);
    await listening(near);
    expect((await app(`/call?${query({ host: CLIENT, port: "9100" })}`)).value).toBe(vip);
    expect(workers).toContain((await app(`/call?${query({ host: "10.1.255.254", port: "9100" })}`)).value);
    far.end();
    near.end();
  });

  test("names of the platform's resolver", async () => {
    const { value } = await app(`/run?${query({ command: "getent hosts time.windows.com" })}`);
    expect(value.stdout).toContain("198.19.0.123");
  });
});

describe("an app", () => {
  test("is balanced over its instances, by both front ends", async () => {
    const answers = await Promise.all(Array.from({ length: 40 }, () => app("/")));
    expect(new Set(answers.map(({ instance }) => instance))).toEqual(new Set(["demo-demo-plan-0", "demo-demo-plan-1"]));
    const frontEnds = (await world.ledger()).filter(({ use }) => use === "FrontEnd").map(({ address }) => address);
    expect(new Set(answers.map(({ value }) => value.frontEnd))).toEqual(new Set(frontEnds));
  });

  test("starts again after a crash, while its other instance answers", async () => {
    const crashed = await app("/crash");
    const answers: number[] = [];
    await until(
      "the instance is back",
      async () => {
        const { status, json } = await world.door("/");
        answers.push(status);
        return json?.instance === crashed.instance && json.started !== crashed.value.started ? json : undefined;
      },
      10_000,
    );
    // Only requests that were under way at the crash may fail.
    expect(answers.filter((status) => status !== 200).length).toBeLessThanOrEqual(1);
  });

  test("starts again when its process is killed", async () => {
    const { instance, started } = await app("/");
    const pid = appProcesses(world, instance)[0];
    expect(pid).toBeDefined();
    if (pid !== undefined) process.kill(pid, "SIGKILL");
    await until(
      "the instance is back",
      async () => {
        const { json } = await world.door("/");
        return json?.instance === instance && json.started !== started ? json : undefined;
      },
      10_000,
    );
  });

  test("finds its settings in its environment, also changed ones", async () => {
    expect((await app("/settings")).value).toMatchObject({ GREETING: "Hello", WEBSITE_SITE_NAME: "hello" });
    await world.arm("PUT", world.web("sites/hello/config/appsettings"), {
      properties: { GREETING: "Moin", OTHER: "two words" },
    });
    const settings = await until(
      "both instances have the new settings",
      async () => {
        const seen = await Promise.all(Array.from({ length: 6 }, () => app("/settings")));
        return seen.every(({ value }) => value?.GREETING === "Moin") ? seen[0]?.value : undefined;
      },
      10_000,
    );
    expect(settings).toMatchObject({ OTHER: "two words", APPSETTING_GREETING: "Moin" });
  });

  test("answers 403 while it is stopped", async () => {
    await world.arm("POST", world.web("sites/hello/stop"));
    const stopped = await until("403", async () => {
      const answer = await world.door("/");
      return answer.status === 403 ? answer : undefined;
    }, 5_000);
    expect(stopped.json).toBeUndefined();
    await world.arm("POST", world.web("sites/hello/start"));
    await until("200", async () => ((await world.door("/")).status === 200 ? true : undefined), 10_000);
  });

  test("is heard in the logs", async () => {
    const { instance } = await app(`/say?${query({ text: "a line of its own" })}`);
    const line = await until("the line", async () => {
      const { value } = await world.arm("GET", "/openase/logs?site=hello&lines=500");
      return value.find(({ text }: Loose) => text === "a line of its own");
    }, 3_000);
    expect(line).toMatchObject({ host: instance, program: "app-hello", stream: "stdout" });
  });
});

describe("the room an app runs in", () => {
  test("has a user of its own without any right", async () => {
    const { value } = await app("/who");
    expect(value).toMatchObject({ capabilities: "0000000000000000" });
    expect(value.uid).toBeGreaterThan(30_000);
    const pids = appProcesses(world, "demo-demo-plan-0");
    expect(pids.length).toBeGreaterThan(0);
    for (const pid of pids)
      expect(/^Uid:\s+(.*)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]?.split("\t")).toEqual(
        Array.from({ length: 4 }, () => String(value.uid)),
      );
  });

  test("shows no file of the machine, and can be written to in the app's folders only", async () => {
    const hidden = ["/etc/shadow", "/root", world.home.folder, "/run/openase", "/sys", "/var"];
    for (const path of hidden) {
      expect(await app(`/read?${query({ path })}`)).toMatchObject({ error: "ENOENT" });
      expect(await app(`/list?${query({ path })}`)).toMatchObject({ error: "ENOENT" });
    }
    for (const path of ["/usr/bin/mine", "/etc/mine", "/mine", "/opt/mine"])
      expect((await app(`/write?${query({ path, text: "x" })}`)).error).toMatch(/EROFS|EACCES/);
    expect(await app(`/write?${query({ path: "/home/data/mine", text: "x" })}`)).toMatchObject({ value: "written" });
    expect(await app(`/write?${query({ path: "/tmp/mine", text: "x" })}`)).toMatchObject({ value: "written" });
  });

  test("sees its own processes only", async () => {
    const { value } = await app(`/run?${query({ command: "tr '\\0' ' ' < /proc/1/cmdline | head -c 5; ls /proc" })}`);
    expect(value.stdout).toMatch(/^bwrap/);
    const numbers = value.stdout.split("\n").filter((name: string) => /^\d+$/.test(name));
    // The first one, the app, the shell and its listing.
    expect(numbers.length).toBeLessThanOrEqual(4);
  });

  test("does not reach the machine's loopback", async () => {
    let reached = 0;
    const secret = createServer((socket) => {
      reached += 1;
      socket.end("reached");
    });
    const port = await new Promise<number>((resolve) => {
      secret.listen(0, "127.0.0.1", () => {
        const address = secret.address();
        resolve(typeof address === "object" && address !== null ? address.port : 0);
      });
    });
    for (const to of [port, world.ports.api, world.ports.http])
      expect(await app(`/call?${query({ host: "127.0.0.1", port: String(to) })}`)).toMatchObject({ error: "ECONNREFUSED" });
    secret.close();
    expect(reached).toBe(0);
  });

  test("parts it from another app of the same workers", async () => {
    const { location, properties } = await world.arm("GET", world.web("sites/hello"));
    const { serverFarmId, hostingEnvironmentProfile } = properties;
    await world.arm("PUT", world.web("sites/other"), {
      location,
      properties: { serverFarmId, hostingEnvironmentProfile: { id: hostingEnvironmentProfile.id } },
    });
    await world.deploy("other", new URL("../support/witness-app", import.meta.url).pathname);
    const host = "other.demo.localhost";
    const other = await until("the other app answers", async () => {
      const { status, json } = await askDoor(world.ports.http, host, "/who");
      return status === 200 ? json : undefined;
    }, 10_000);
    const own = await app("/who");
    expect(other.value.uid).not.toBe(own.value.uid);
    const secrets = ["/home/data/secret-of-other", "/tmp/secret-of-other", "/home/site/wwwroot/secret-of-other"];
    for (const path of secrets)
      expect(await app(`/write?${query({ path, text: "x" })}`, host)).toMatchObject({ value: "written" });
    const found = await app(`/run?${query({ command: "find /home /tmp /opt /etc /dev/shm -name 'secret-of-other'; true" })}`);
    expect(found.value.stdout).toBe("");
    const told = await app(`/settings`, host);
    expect(told.value.GREETING).toBeUndefined();
    await world.arm("DELETE", world.web("sites/other"));
    await until("it is gone", async () => ((await askDoor(world.ports.http, host, "/")).status === 404 ? true : undefined), 5_000);
  });

  test("has the memory, processor time and processes of the plan's size", () => {
    const groups = groupsOf(worldId(world.home.folder)).filter((group) => group.endsWith("-demo-demo-plan-0"));
    const value = (...names: readonly string[]) =>
      groups.flatMap((group) => names.flatMap((name) => readIfThere(`${group}/${name}`)))[0];
    expect(value("memory.limit_in_bytes", "memory.max")).toBe(String(3_584 * 1024 * 1024));
    expect(value("cpu.cfs_quota_us", "cpu.max")).toMatch(/^100000( 100000)?$/);
    expect(Number(value("pids.max"))).toBeGreaterThan(10);
    const members = groups.flatMap((group) => readIfThere(`${group}/cgroup.procs`)).join("\n").split("\n");
    for (const pid of appProcesses(world, "demo-demo-plan-0")) expect(members).toContain(String(pid));
  });
});

describe("security rules", () => {
  test("a new rule stops new connections at once and lets established ones go on", async () => {
    const vip = await world.vip();
    const steady = world.begin("internet", [NODE, "-e", STEADY, vip]);
    await until("it is served", () => (steady.said().length > 3 ? true : undefined), 5_000);
    await world.arm("PUT", rule("no-web"), ruleBody({ access: "Deny", port: ["80", "443"] }));
    const call = ["curl", "-s", "-m", "1", "-H", "Host: hello.demo.localhost", `http://${vip}/`];
    expect((await outside(...call)).exitCode).toBe(28);
    const before = steady.said().length;
    await until("the established one is served", () => (steady.said().length > before + 10 ? true : undefined), 5_000);
    expect(steady.said()).toMatch(/^\.+$/);
    expect(steady.over()).toBe(false);
    steady.end();
    await world.arm("DELETE", rule("no-web"));
    expect((await outside(...call)).exitCode).toBe(0);
  });

  test("with flushConnection a new rule ends established connections, too", async () => {
    const group = world.network("networkSecurityGroups/demo-nsg");
    const { location, properties } = await world.arm("GET", group);
    const { securityRules } = properties;
    const flush = (flushConnection: boolean) =>
      world.arm("PUT", group, { location, properties: { securityRules, flushConnection } });
    await flush(true);
    const steady = world.begin("internet", [NODE, "-e", STEADY, await world.vip()]);
    await until("it is served", () => (steady.said().length > 3 ? true : undefined), 5_000);
    await world.arm("PUT", rule("no-web"), ruleBody({ access: "Deny", port: ["80", "443"] }));
    const served = steady.said().length;
    // What was on its way may still have come in; then there is silence.
    await expect(
      until("it is served again", () => (steady.said().length > served + 3 ? true : undefined), 1_500),
    ).rejects.toThrow("not within");
    steady.end();
    await flush(false);
    expect((await world.ask("GET", rule("no-web"))).status).toBe(404);
  });
});

describe("routes", () => {
  test("through an appliance in another subnet, to None, and the longer prefix before the shorter", async () => {
    const subnet = world.network("virtualNetworks/demo-vnet/subnets/appliances");
    await world.arm("PUT", subnet, { properties: { addressPrefix: "10.1.2.0/24" } });
    const card = (forwards: boolean) =>
      world.arm("PUT", world.network("networkInterfaces/firewall"), {
        location: "local",
        properties: {
          enableIPForwarding: forwards,
          ipConfigurations: [
            {
              name: "first",
              properties: { privateIPAllocationMethod: "Static", privateIPAddress: "10.1.2.4", subnet: { id: subnet } },
            },
          ],
        },
      });
    await card(true);
    const { hosts } = await world.arm("GET", "/openase/world");
    const appliance = hosts.find(({ address }: Loose) => address === "10.1.2.4").name;
    const forwarded = async () => {
      const { stdout } = await world.exec(appliance, ["cat", "/proc/net/snmp"]);
      const [names = "", values = ""] = stdout.split("\n");
      return Number(values.split(" ")[names.split(" ").indexOf("ForwDatagrams")]);
    };
    const far = tellAddress("internet", ELSEWHERE);
    await listening(far);
    const inside = tellAddress("vnet/demo-vnet", "10.1.255.254");
    await listening(inside);
    const call = (host: string) => app(`/call?${query({ host, port: "9100" })}`);
    const put = (name: string, addressPrefix: string, nextHopType: string, hop?: string) =>
      world.arm("PUT", route(name), {
        properties: { addressPrefix, nextHopType, ...(hop === undefined ? {} : { nextHopIpAddress: hop }) },
      });

    const before = await forwarded();
    expect((await call("10.1.255.254")).value).toMatch(/^10\.1\.1\./);
    expect(await forwarded()).toBe(before);
    await put("by-appliance", "10.1.255.254/32", "VirtualAppliance", "10.1.2.4");
    expect((await call("10.1.255.254")).value).toMatch(/^10\.1\.1\./);
    expect(await forwarded()).toBeGreaterThan(before);
    await card(false);
    expect((await call("10.1.255.254")).error).toMatch(/TIMEOUT|ENETUNREACH|EHOSTUNREACH/);
    await world.arm("DELETE", route("by-appliance"));
    expect((await call("10.1.255.254")).value).toMatch(/^10\.1\.1\./);

    // Not the client's own prefix: answers to it would go nowhere, too.
    await put("nowhere", "198.19.0.120/29", "None");
    expect((await call(ELSEWHERE)).error).toMatch(/TIMEOUT|ENETUNREACH|EHOSTUNREACH/);
    await put("but-this", `${ELSEWHERE}/32`, "Internet");
    expect((await call(ELSEWHERE)).value).toBe(await world.vip());
    for (const name of ["nowhere", "but-this"]) await world.arm("DELETE", route(name));
    far.end();
    inside.end();
  });
});

/** One that management stands at in this world. */
async function managementAddress(): Promise<string> {
  const { stdout } = await outside("ip", "-json", "address", "show", "dev", "lo");
  const [device]: readonly Loose[] = JSON.parse(stdout);
  const there = new Set(device.addr_info.map(({ local }: Loose) => local));
  const address = MANAGEMENT_ADDRESSES.find((each) => there.has(each));
  if (address === undefined) throw new Error("management stands nowhere");
  return address;
}

/** Tells everybody who calls the address it sees. */
function tellAddress(at: string, address: string): Begun {
  const program = `require("node:net").createServer((socket) => socket.on("error", () => {}).end(socket.remoteAddress))
    .listen(9100, "${address}", () => console.log("listening"))`;
  return world.begin(at, [NODE, "-e", program]);
}

async function listening(server: Begun): Promise<void> {
  await until("it listens", () => (server.said().includes("listening") ? true : undefined), 5_000);
}

/** One connection, many requests: a dot for each that was served; ends when it breaks. */
const STEADY = `
  const { Agent, get } = require("node:http");
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  let local;
  const again = () => get({ host: process.argv[1], agent, headers: { host: "hello.demo.localhost" } }, (response) => {
    local ??= response.socket.localPort;
    process.stdout.write(response.statusCode === 200 && response.socket.localPort === local ? "." : "x");
    response.resume().on("end", () => setTimeout(again, 50));
  }).on("error", () => process.exit(1));
  again();`;

function ruleBody({ access, port }: { readonly access: "Allow" | "Deny"; readonly port: readonly string[] }) {
  return {
    properties: {
      priority: 110,
      direction: "Inbound",
      access,
      protocol: "*",
      sourceAddressPrefix: "*",
      sourcePortRange: "*",
      destinationAddressPrefix: "*",
      destinationPortRanges: port,
    },
  };
}

/** The app's own processes on the machine, by its worker: those that run Node inside the sandbox. */
function appProcesses(of: TestWorld, worker: string): readonly number[] {
  const tree = treeOf(of.home.folder);
  const inRoom = (pid: number): boolean => {
    const parent = tree.find((one) => one.pid === pid);
    return parent !== undefined && (parent.what.includes(`--hostname ${worker} `) || inRoom(parent.parent));
  };
  return tree.filter(({ what, parent }) => what === "node server.js" && inRoom(parent)).map(({ pid }) => pid);
}

/** One text, or none. */
function readIfThere(file: string): readonly string[] {
  try {
    return [readFileSync(file, "utf8").trim()];
  } catch {
    return [];
  }
}
