/** The commands that need no server, as they are typed: outputs, exit codes, words for errors. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const EXAMPLE = [
  "examples/external/azuredeploy.json",
  "--parameters",
  "examples/external/azuredeploy.parameters.json",
];
let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "ase-check-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function ase(...words: readonly string[]) {
  const env = { ...process.env, ASE_HOME: join(folder, "home"), NO_COLOR: "1" };
  const { status, stdout, stderr } = spawnSync(`${ROOT}ase`, words, {
    encoding: "utf8",
    env,
    cwd: ROOT,
  });
  return { code: status, stdout, stderr };
}

/** A network as az prints it, with a rule that denies everything before the default rules. */
function network(): readonly string[] {
  const group = "/subscriptions/s/resourceGroups/net/providers/Microsoft.Network";
  const nsg = {
    id: `${group}/networkSecurityGroups/nsg`,
    name: "nsg",
    type: "Microsoft.Network/networkSecurityGroups",
    location: "westeurope",
    securityRules: [
      {
        name: "DenyAll",
        priority: 4000,
        direction: "Inbound",
        access: "Deny",
        protocol: "*",
        sourceAddressPrefix: "*",
        sourcePortRange: "*",
        destinationAddressPrefix: "*",
        destinationPortRange: "*",
      },
    ],
  };
  const vnet = {
    id: `${group}/virtualNetworks/net`,
    name: "net",
    type: "Microsoft.Network/virtualNetworks",
    location: "westeurope",
    addressSpace: { addressPrefixes: ["10.0.0.0/16"] },
    subnets: [
      {
        id: `${group}/virtualNetworks/net/subnets/ase`,
        name: "ase",
        addressPrefix: "10.0.1.0/24",
        networkSecurityGroup: { id: nsg.id },
      },
    ],
  };
  return Object.entries({ nsg, vnet }).map(([name, value]) => {
    const file = join(folder, `${name}.json`);
    writeFileSync(file, JSON.stringify(value, undefined, 2));
    return file;
  });
}

describe("ase check", () => {
  test("a network that lives ends with 0, in every format", () => {
    const text = ase("check", ...EXAMPLE);
    expect([text.code, text.stderr]).toEqual([0, ""]);
    expect(text.stdout).toMatch(/^The environment demo would live/);
    const json = JSON.parse(ase("check", ...EXAMPLE, "-o", "json").stdout) as unknown;
    expect(json).toMatchObject({ version: 1, passes: true, environments: [{ verdict: "lives" }] });
    const sarif = JSON.parse(ase("check", ...EXAMPLE, "-o", "sarif").stdout) as unknown;
    expect(sarif).toMatchObject({
      version: "2.1.0",
      runs: [{ tool: { driver: { name: "ase check" } } }],
    });
  });

  test("one that does not ends with 1, and names rule, file and line", () => {
    const { code, stdout } = ase("check", ...network());
    expect(code).toBe(1);
    expect(stdout).toMatch(/^An environment would be suspended/);
    expect(stdout).toContain("No environment is declared");
    expect(stdout.replaceAll(/\s+/g, " ")).toMatch(
      /by rule DenyAll \(priority 4000, inbound\) of nsg at \S*nsg\.json:\d+ \[hard\]/,
    );
    expect(ase("check", ...network(), "-o", "junit").stdout).toContain("<failure");
    expect(ase("check", ...network(), "-o", "markdown").stdout).toMatch(/^### ❌/);
  });

  test("--fail-on moves the line", () => {
    expect(ase("check", ...EXAMPLE, "--fail-on", "app").code).toBe(1);
  });

  test("input that does not say enough ends with 2 and what to give", () => {
    const [nsg = "", vnet = ""] = network();
    const alone = ase("check", vnet);
    expect([alone.code, alone.stderr]).toEqual([2, expect.stringContaining("az network nsg show")]);
    const prefixless = ase("check", nsg);
    expect([prefixless.code, prefixless.stderr]).toEqual([
      2,
      expect.stringContaining("--subnet 10.0.1.0/24"),
    ]);
    expect(ase("check", nsg, "--subnet", "10.0.1.0/24").code).toBe(1);
    expect(ase("check", "none.json").code).toBe(2);
    expect(ase("check").code).toBe(2);
  });
});

test("ase explain and ase diff end with 0, 1 and 2 too", () => {
  const [nsg = "", vnet = ""] = network();
  expect(ase("explain", "tcp internet -> vip:443", ...EXAMPLE).code).toBe(0);
  const stopped = ase("explain", "tcp internet -> environment:443", nsg, vnet);
  expect([stopped.code, stopped.stdout]).toEqual([
    1,
    expect.stringContaining("is stopped: denied by rule DenyAll"),
  ]);
  expect(ase("explain", "nothing", nsg, vnet).code).toBe(2);
  expect(ase("diff", EXAMPLE[0] ?? "", ...EXAMPLE)).toMatchObject({
    code: 0,
    stdout: "demo: every packet fares as before.\n",
  });
});
