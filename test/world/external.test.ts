/** An External environment: its VIP, ports, apps and rules, as a client outside and an app see them. */
import { readFileSync } from "node:fs";
import { get } from "node:https";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { MANAGEMENT_ADDRESSES } from "../../src/environment/management-addresses.ts";
import {
  openTestWorld,
  until,
  untilHealthy,
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

const app = async (path: string, host?: string): Promise<Loose> =>
  (await world.door(path, host)).json;
const query = (values: Readonly<Record<string, string>>) => new URLSearchParams(values).toString();
const rule = (name: string) =>
  world.network(`networkSecurityGroups/demo-nsg/securityRules/${name}`);
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
    const keys = [
      `${world.home.folder}/pki/client.crt`,
      `${world.home.folder}/pki/client.key`,
    ] as const;
    const call = [
      "curl",
      "-sk",
      "-m",
      "1",
      "--cert",
      keys[0],
      "--key",
      keys[1],
      `https://${vip}:454/roles`,
    ];
    expect((await outside(...call)).exitCode).toBe(28);
  });

  test("7654 and 1221 answer with the VIP and nothing more, where a rule lets them", async () => {
    const vip = await world.vip();
    const ask = (port: number) =>
      outside("timeout", "1", "bash", "-c", `cat < /dev/tcp/${vip}/${port}`);
    expect(await ask(7654)).toMatchObject({ exitCode: 124, stdout: "" });
    await world.arm("PUT", rule("echo"), ruleBody({ access: "Allow", port: ["7654", "1221"] }));
    for (const port of [7654, 1221])
      expect(await ask(port)).toMatchObject({ exitCode: 0, stdout: vip });
    await world.arm("DELETE", rule("echo"));
  });

  test("the app answers there, with the certificate of the environment's names", async () => {
    const vip = await world.vip();
    const name = "hello.demo.p.azurewebsites.net";
    const authority = world.home.authority;
    const plain = await outside("curl", "-s", "-m", "3", `http://${name}/`);
    expect(JSON.parse(plain.stdout).instance).toMatch(/^demo-demo-plan-[01]$/);
    const found = await outside(
      "curl",
      "-sv",
      "-m",
      "3",
      "--cacert",
      authority,
      `https://${name}/`,
    );
    expect(JSON.parse(found.stdout).instance).toMatch(/^demo-demo-plan-[01]$/);
    expect(found.stderr).toContain(`(${vip})`);
    const names = ["-servername", name, "-connect", `${vip}:443`];
    const shown = await world.exec("internet", ["openssl", "s_client", ...names], "");
    const text = await world.exec(
      "internet",
      ["openssl", "x509", "-noout", "-ext", "subjectAltName"],
      shown.stdout,
    );
    expect(text.stdout).toContain("DNS:*.demo.p.azurewebsites.net");
    expect(text.stdout).toContain("DNS:*.scm.demo.p.azurewebsites.net");
  });
});

describe("the doorway", () => {
  test("leads from the machine's loopback to the app, with TLS of the installation's authority", async () => {
    const authority = readFileSync(world.home.authority, "utf8");
    const name = "hello.demo.localhost";
    const answer = await new Promise<string>((resolve, reject) => {
      const to = {
        host: "127.0.0.1",
        port: world.ports.https,
        servername: name,
        ca: authority,
        agent: false,
      };
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
    expect(workers).toContain(
      (await app(`/call?${query({ host: "10.1.255.254", port: "9100" })}`)).value,
    );
    far.end();
    near.end();
  });

  test("names of the platform's resolver", async () => {
    const { value } = await app(`/run?${query({ command: "getent hosts time.windows.com" })}`);
    expect(value.stdout).toContain("198.19.0.123");
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
    await until(
      "the established one is served",
      () => (steady.said().length > before + 10 ? true : undefined),
      5_000,
    );
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
      until(
        "it is served again",
        () => (steady.said().length > served + 3 ? true : undefined),
        1_500,
      ),
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
              properties: {
                privateIPAllocationMethod: "Static",
                privateIPAddress: "10.1.2.4",
                subnet: { id: subnet },
              },
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
        properties: {
          addressPrefix,
          nextHopType,
          ...(hop === undefined ? {} : { nextHopIpAddress: hop }),
        },
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

function ruleBody({
  access,
  port,
}: {
  readonly access: "Allow" | "Deny";
  readonly port: readonly string[];
}) {
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
