/**
 * Without root: user nobody brings the sample up with `ase up`, and it behaves the same.
 *
 * The repository is used where it lies, so nobody must be able to read it; root prepares the home.
 */
import { spawn } from "node:child_process";
import { chownSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { freePorts, groupsOf, machineNetwork, treeOf, worldId } from "../support/machine.ts";
import { askDoor, until } from "../support/world.ts";

const NOBODY = 65_534;
const ASE = fileURLToPath(new URL("../../ase", import.meta.url));
const NETWORK_BEFORE = machineNetwork();

let home = "";
let ports: readonly number[] = [];

type Said = { readonly exitCode: number; readonly stdout: string; readonly stderr: string };

function ase(...words: readonly string[]): Promise<Said> {
  const said = { stdout: "", stderr: "" };
  const child = spawn(ASE, words, {
    uid: NOBODY,
    gid: NOBODY,
    cwd: "/",
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", ASE_HOME: home, HOME: home },
    stdio: ["ignore", "pipe", "pipe"],
  });
  child.stdout.setEncoding("utf8").on("data", (text: string) => (said.stdout += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said.stderr += text));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ exitCode: code ?? 1, ...said }));
  });
}

const statusOf = (pid: number) => readFileSync(`/proc/${pid}/status`, "utf8");

describe("user nobody", () => {
  beforeAll(async () => {
    home = mkdtempSync("/tmp/ase-test-");
    chownSync(home, NOBODY, NOBODY);
    ports = await freePorts(3);
    const flags = ["--api-port", "--http-port", "--https-port"].flatMap((flag, index) => [
      flag,
      String(ports[index]),
    ]);
    const up = await ase("up", ...flags);
    expect(up).toMatchObject({ exitCode: 0 });
  });
  afterAll(async () => {
    const down = await ase("down", "--purge");
    const left = [
      ...treeOf(home).map(({ what }) => what),
      ...readdirSync(home),
      ...groupsOf(worldId(home)),
    ];
    rmSync(home, { recursive: true, force: true });
    expect(down).toMatchObject({ exitCode: 0 });
    expect(left).toEqual([]);
    expect(machineNetwork()).toBe(NETWORK_BEFORE);
  });

  test("brings up the sample, which is healthy and answers through VIP, front end and worker", async () => {
    expect(await ase("status")).toMatchObject({ exitCode: 0 });
    const answer = await askDoor(ports[1] ?? 0, "hello.demo.localhost", "/");
    expect(answer.status).toBe(200);
    expect(answer.json.instance).toMatch(/^demo-demo-plan-[01]$/);
    const inside = await ase(
      "exec",
      "--at",
      "internet",
      "--",
      "curl",
      "-s",
      "http://hello.demo.p.azurewebsites.net/",
    );
    expect(JSON.parse(inside.stdout).instance).toMatch(/^demo-demo-plan-[01]$/);
  });

  test("owns every process of it", () => {
    const processes = treeOf(home);
    expect(processes.length).toBeGreaterThan(3);
    const users = processes.map(({ pid }) => /^Uid:\s+(\d+)/m.exec(statusOf(pid))?.[1]);
    expect(new Set(users)).toEqual(new Set([String(NOBODY)]));
  });

  test("reads in the log what a user without root cannot have: limits, or the limits are there", () => {
    const log = readFileSync(join(home, "logs", "fabric.log"), "utf8");
    const hasLimits = groupsOf(worldId(home)).length > 0;
    expect(hasLimits || log.includes("hosts have no limits of memory and processor")).toBe(true);
  });

  test("has a DNS server in its network, asked with the tools that stand at every place", async () => {
    const base = "/subscriptions/{subscription}/resourceGroups/demo/providers/Microsoft.Network";
    const [, subscription = ""] =
      /"subscriptionId": ?"([^"]+)"/.exec(
        (await ase("rest", "GET", "/subscriptions?api-version=2021-04-01")).stdout,
      ) ?? [];
    const put = async (path: string, json: object) => {
      const file = join(home, "body.json");
      writeFileSync(file, JSON.stringify(json));
      const version = "?api-version=2022-01-01";
      const done = await ase("rest", "PUT", `${base}/${path}${version}`, "--body", file);
      rmSync(file);
      expect(done).toMatchObject({ exitCode: 0 });
    };
    const subnet = "virtualNetworks/demo-vnet/subnets/machines";
    await put(subnet, { properties: { addressPrefix: "10.1.9.0/24" } });
    const id = `${base.replace("{subscription}", subscription)}/${subnet}`;
    await put("networkInterfaces/names", {
      location: "local",
      tags: { "openase.program": "dns-server", "openase.dns.db.corp.test": "10.1.9.7" },
      properties: {
        ipConfigurations: [
          {
            name: "first",
            properties: {
              ...{ subnet: { id }, privateIPAllocationMethod: "Static" },
              privateIPAddress: "10.1.9.4",
            },
          },
        ],
      },
    });
    const at = ["exec", "--at", "vnet/demo-vnet", "--"];
    const asked = await ase(...at, "nslookup", "db.corp.test", "10.1.9.4");
    expect(asked).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("10.1.9.7") });
  });

  test("sees a cut flow with the rule's name, and its repair", async () => {
    const rule =
      "/subscriptions/{subscription}/resourceGroups/demo/providers/Microsoft.Network/networkSecurityGroups/demo-nsg/securityRules/cut?api-version=2022-01-01";
    const body = join(home, "rule.json");
    const properties = {
      ...{ priority: 100, direction: "Inbound", access: "Deny", protocol: "*" },
      ...{ sourceAddressPrefix: "*", sourcePortRange: "*" },
      ...{ destinationAddressPrefix: "*", destinationPortRange: "454" },
    };
    writeFileSync(body, JSON.stringify({ properties }));
    expect(await ase("rest", "PUT", rule, "--body", body)).toMatchObject({ exitCode: 0 });
    const words = "denied by rule cut (priority 100, inbound) of demo-nsg";
    await until(
      "the cut is named",
      async () => ((await ase("status")).stdout.includes(words) ? true : undefined),
      15_000,
    );
    expect(await ase("rest", "DELETE", rule)).toMatchObject({ exitCode: 0 });
    await until(
      "it is healed",
      async () => ((await ase("status")).exitCode === 0 ? true : undefined),
      15_000,
    );
    rmSync(body);
  });
});
