/** An environment whose network stays cut is suspended; repaired and resumed it comes back elsewhere. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { openTestWorld, until, untilHealthy, untilText, type TestWorld } from "../support/world.ts";

const SUSPEND_AFTER_MS = 2_000;

let world: TestWorld;
beforeAll(async () => {
  world = await openTestWorld({ suspendAfterMs: SUSPEND_AFTER_MS });
  await untilHealthy(world);
});
afterAll(() => world?.close());

const environment = () => world.web("hostingEnvironments/demo");
const hostAddresses = async () =>
  (await world.ledger()).filter(({ host }) => host !== undefined).map(({ address }) => address);

async function looksSuspended(vip: string): Promise<void> {
  const door = await world.door("/");
  expect(door.status).toBeGreaterThanOrEqual(400);
  expect(door.json).toBeUndefined();
  const called = await world.exec("internet", [
    "curl",
    "-s",
    "-m",
    "1",
    "-H",
    "Host: hello.demo.localhost",
    `http://${vip}/`,
  ]);
  expect(called.exitCode).not.toBe(0);
  expect(await hostAddresses()).toEqual([]);
  expect(await world.vip()).toBeNull();
  const { hosts } = await world.arm("GET", "/openase/world");
  expect(hosts.map(({ environment: of }: { environment?: string }) => of).filter(Boolean)).toEqual(
    [],
  );
}

async function isBackElsewhere(vip: string, addresses: readonly string[]): Promise<void> {
  await untilHealthy(world);
  expect(await world.vip()).not.toBe(vip);
  const now = await hostAddresses();
  expect(now).toHaveLength(addresses.length);
  expect(now.filter((address) => addresses.includes(address))).toEqual([]);
  await until(
    "the app answers",
    async () => ((await world.door("/")).status === 200 ? true : undefined),
    5_000,
  );
}

describe("suspension", () => {
  test("follows when a flow stays cut; after repair and resume everything is elsewhere and apps answer", async () => {
    const [vip, addresses, before] = [
      await world.vip(),
      await hostAddresses(),
      await world.newestEvent(),
    ];
    const rule = world.network("networkSecurityGroups/demo-nsg/securityRules/cut");
    await world.arm("PUT", rule, {
      properties: {
        priority: 100,
        direction: "Outbound",
        access: "Deny",
        protocol: "Tcp",
        sourceAddressPrefix: "*",
        sourcePortRange: "*",
        destinationAddressPrefix: "*",
        destinationPortRange: "1433",
      },
    });
    const status = await untilText(
      "it is suspended",
      world.health,
      (text) => text.startsWith("Suspended"),
      15_000,
    );
    expect(status).toContain("denied by rule cut (priority 100, outbound) of demo-nsg");
    expect((await world.arm("GET", environment())).properties).toMatchObject({
      suspended: true,
      environmentIsHealthy: false,
    });
    await until(
      "its hosts are gone",
      async () => ((await hostAddresses()).length === 0 ? true : undefined),
      5_000,
    );
    await looksSuspended(vip);
    const codes = (await world.events(before))
      .map(({ code }) => code)
      .filter((code: string) => code.startsWith("Environment"));
    expect(codes).toEqual(["EnvironmentUnhealthy", "EnvironmentSuspended"]);
    // Repair alone does not bring it back.
    await world.arm("DELETE", rule);
    expect(await world.health()).toMatch(/^Suspended/);
    await world.arm("POST", `${environment()}/resume`);
    await isBackElsewhere(vip, addresses);
  });

  test("is the user's to ask for, and to end", async () => {
    const [vip, addresses] = [await world.vip(), await hostAddresses()];
    await world.arm("POST", `${environment()}/suspend`);
    await untilText(
      "it is suspended",
      world.health,
      (text) => text === "Suspended on request",
      5_000,
    );
    await until(
      "its hosts are gone",
      async () => ((await hostAddresses()).length === 0 ? true : undefined),
      5_000,
    );
    await looksSuspended(vip);
    await world.arm("POST", `${environment()}/resume`);
    await isBackElsewhere(vip, addresses);
  });
});
