/**
 * Service endpoints: a SQL server sees the private address of a subnet that has one, admits by
 * subnet, and no tunnel takes the way.
 */
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import {
  openTestWorld,
  untilHealthy,
  untilText,
  type Loose,
  type TestWorld,
} from "../support/world.ts";

const LOGIN = fileURLToPath(new URL("../support/sql-login.ts", import.meta.url));
const HOST = "mine.database.windows.net";
const WORKER = "demo-demo-plan-0";
const CLIENT = "198.19.255.10";
const WITHIN_MS = 10_000;

let world: TestWorld;
beforeAll(async () => {
  world = await openTestWorld();
  await untilHealthy(world);
  await world.arm("PUT", server(), { location: "westeurope", properties: {} });
});
afterAll(() => world?.close());

const server = (part = "") => `${world.sql("servers/mine")}${part}`;
const subnet = () => world.network("virtualNetworks/demo-vnet/subnets/environment");
/** The world itself holds many addresses: a client outside says which one is his. */
const logIn = async (at: string) => {
  const own = at === "internet" ? ["0", CLIENT] : [];
  return (await world.exec(at, [process.execPath, LOGIN, HOST, ...own])).stdout.trim();
};
const untilSaid = (at: string, words: RegExp) =>
  untilText(
    `${at} is told`,
    () => logIn(at),
    (text) => words.test(text),
    WITHIN_MS,
  );
const allow = (name: string, address: string) =>
  world.arm("PUT", server(`/firewallRules/${name}`), {
    properties: { startIpAddress: address, endIpAddress: address },
  });
const enable = async (services: readonly string[]) => {
  const { properties }: Loose = await world.arm("GET", subnet());
  const serviceEndpoints = services.map((service) => ({ service }));
  await world.arm("PUT", subnet(), { properties: { ...properties, serviceEndpoints } });
};

describe("a SQL server of the internet", () => {
  test("admits nobody until a rule names the address it sees: the VIP", async () => {
    const vip = await world.vip();
    await untilSaid(WORKER, new RegExp(`client with IP address ${vip} is not allowed`));
    await allow("environment", vip);
    await untilSaid(WORKER, /^in$/);
    expect(await logIn("internet")).toMatch(/198\.19\.255\.10 is not allowed/);
    await allow("client", CLIENT);
    await untilSaid("internet", /^in$/);
  });
});

describe("Microsoft.Sql enabled on the subnet", () => {
  test("cuts what was open, and every server reached from there needs a rule for the subnet", async () => {
    const open = world.begin(WORKER, [process.execPath, LOGIN, HOST, "30"]);
    await untilText(
      "it is open",
      async () => open.said(),
      (text) => text === "in\n",
      WITHIN_MS,
    );
    await enable(["Microsoft.Sql"]);
    await untilText(
      "it is cut",
      async () => String(open.over()),
      (text) => text === "true",
      WITHIN_MS,
    );
    await untilSaid(WORKER, /no virtual network rule for the subnet of 10\.1\.1\.\d+/);
    // Others still come by their public addresses, and the environment's own database knows it.
    expect(await logIn("internet")).toBe("in");
    await untilHealthy(world);
    await world.arm("PUT", server("/virtualNetworkRules/ase"), {
      properties: { virtualNetworkSubnetId: subnet() },
    });
    await untilSaid(WORKER, /^in$/);
  });

  test("comes before every other route, whoever wrote it", async () => {
    const route = world.network("routeTables/demo-routes/routes");
    await world.arm("PUT", `${route}/sql-nowhere`, {
      properties: { addressPrefix: "Sql", nextHopType: "None" },
    });
    await world.arm("PUT", `${route}/nowhere`, {
      properties: { addressPrefix: "128.0.0.0/1", nextHopType: "None" },
    });
    expect(await logIn(WORKER)).toBe("in");
    const { value }: Loose = await world.arm("GET", `/openase/routes?at=${WORKER}`);
    expect(value).toContainEqual(
      expect.objectContaining({
        source: "Default",
        state: "Active",
        nextHopType: "VirtualNetworkServiceEndpoint",
      }),
    );
    for (const name of ["sql-nowhere", "nowhere"]) await world.arm("DELETE", `${route}/${name}`);
  });

  test("disabled again, the public address counts again", async () => {
    await enable([]);
    await untilSaid(WORKER, /^in$/);
    await world.arm("DELETE", server("/firewallRules/environment"));
    await untilSaid(WORKER, /198\.18\.\d+\.\d+ is not allowed/);
  });
});
