/**
 * Forced tunnelling: what an office announces or an appliance takes, the supported ways to live
 * with it, the unsupported one, and what it does to clients outside.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import {
  announce,
  card,
  hear,
  OFFICE,
  OFFICE_PREFIX,
  putOffice,
  sayWho,
} from "../support/connected.ts";
import {
  openTestWorld,
  untilHealthy,
  untilText,
  type Loose,
  type TestWorld,
} from "../support/world.ts";

const CLIENT = "198.19.255.10";
const PORT = 4_711;
const WITHIN_MS = 15_000;

let world: TestWorld;
beforeAll(async () => {
  world = await openTestWorld({ app: "hello" });
  await untilHealthy(world);
  await putOffice(world, "demo-vnet", { subnet: "10.1.250.0/27" });
});
afterAll(() => world?.close());

const table = () => world.network("routeTables/demo-routes");
const putRoute = (
  name: string,
  addressPrefix: string,
  nextHopType: string,
  nextHopIpAddress = "",
) =>
  world.arm("PUT", `${table()}/routes/${name}`, {
    properties: {
      addressPrefix,
      nextHopType,
      ...(nextHopIpAddress === "" ? {} : { nextHopIpAddress }),
    },
  });
const enable = async (services: readonly string[]) => {
  const id = world.network("virtualNetworks/demo-vnet/subnets/environment");
  const { properties }: Loose = await world.arm("GET", id);
  const serviceEndpoints = services.map((service) => ({ service }));
  await world.arm("PUT", id, { properties: { ...properties, serviceEndpoints } });
};
const removeRoute = (name: string) => world.arm("DELETE", `${table()}/routes/${name}`);
const routes = async (): Promise<Loose[]> =>
  (await world.arm("GET", "/openase/routes?at=demo-front-end-0")).value;
const untilIll = (words: RegExp) =>
  untilText(
    "the verdict is told",
    () => world.health(),
    (text) => words.test(text),
    WITHIN_MS,
  );
const doorStatus = () =>
  world.door("/").then(
    ({ status }) => String(status),
    () => "silence",
  );
const untilDoor = (wanted: string) =>
  untilText("the door", doorStatus, (text) => text === wanted, WITHIN_MS);

describe("an office that announces everything", () => {
  test("changes nothing where a user's route leads to the internet (way 1)", async () => {
    await announce(world, "0.0.0.0/0");
    const all = (await routes()).filter(({ addressPrefix }) => addressPrefix[0] === "0.0.0.0/0");
    expect(all.map(({ source, state }) => `${source} ${state}`)).toEqual([
      "Default Invalid",
      "VirtualNetworkGateway Invalid",
      "User Active",
    ]);
    expect(await world.health()).toBe("Healthy");
    expect(await doorStatus()).toBe("200");
  });

  test("takes replies of management and clients along without it, and the verdict names the route", async () => {
    await removeRoute("to-internet");
    const verdict = await untilIll(/the reply to .* leaves by another path/);
    expect(verdict).toContain("route learned 0.0.0.0/0 (0.0.0.0/0 -> VirtualNetworkGateway)");
    expect(await doorStatus()).not.toBe("200");
    // What the environment itself begins goes out by the office, and comes back.
    const listener = await sayWho(world, "internet", PORT);
    expect(await hear(world, "demo-demo-plan-0", CLIENT, PORT)).toBe("203.0.113.77");
    listener.end();
  });

  test("is kept from the subnet by a table without propagation; the office stays reachable (way 2)", async () => {
    await world.arm("PATCH", table(), { properties: { disableBgpRoutePropagation: true } });
    await putRoute("to-office", OFFICE_PREFIX, "VirtualNetworkGateway");
    await untilHealthy(world);
    expect((await routes()).some(({ source }) => source === "VirtualNetworkGateway")).toBe(false);
    const listener = await sayWho(world, "onprem", PORT);
    expect(await hear(world, "demo-demo-plan-0", OFFICE, PORT)).toMatch(/^10\.1\.1\./);
    expect(await doorStatus()).toBe("200");
    listener.end();
    await world.arm("PATCH", table(), { properties: { disableBgpRoutePropagation: false } });
    await removeRoute("to-office");
    await putRoute("to-internet", "0.0.0.0/0", "Internet");
    await untilHealthy(world);
  });

  test("and public prefixes besides is not supported: no route to the internet helps", async () => {
    await announce(world, "198.19.0.0/16");
    const verdict = await untilIll(/learned 198\.19\.0\.0\/16|Healthy/);
    await untilDoor("silence");
    expect(verdict).toBeDefined();
    await announce(world, "");
    await untilHealthy(world);
    await untilDoor("200");
  });
});

describe("an External app behind an appliance", () => {
  test("is lost to its clients, and lives by routes for management and clients (ways 3 and 4)", async () => {
    const subnet = world.network("virtualNetworks/demo-vnet/subnets/firewall");
    await world.arm("PUT", subnet, { properties: { addressPrefix: "10.1.9.0/24" } });
    const nic = { enableIPForwarding: true, tags: { "openase-translates": "true" } };
    await world.arm("PUT", world.network("networkInterfaces/nva"), card(subnet, "10.1.9.4", nic));
    await putRoute("to-internet", "0.0.0.0/0", "VirtualAppliance", "10.1.9.4");
    const verdict = await untilIll(/leaves by another path/);
    expect(verdict).toContain(
      "route to-internet (0.0.0.0/0 -> VirtualAppliance 10.1.9.4) of demo-routes",
    );
    expect(await doorStatus()).not.toBe("200");
    await putRoute("management", "AppServiceManagement", "Internet");
    const refused = await untilIll(/client with IP address \S+ is not allowed/);
    const egress = /client with IP address (\S+)/.exec(refused)?.[1] ?? "";
    // Way 3: the database by a service endpoint. Way 4: it is told the address of the way out.
    await enable(["Microsoft.Sql"]);
    await untilHealthy(world);
    await enable([]);
    await untilIll(/is not allowed/);
    await world.arm("PATCH", world.web("hostingEnvironments/demo"), {
      properties: { userWhitelistedIpRanges: [`${egress}/32`] },
    });
    await untilHealthy(world);
    // Management and the database are back; clients are not.
    expect(await doorStatus()).not.toBe("200");
    await putRoute("clients", `${CLIENT}/32`, "Internet");
    await untilDoor("200");
  });
});
