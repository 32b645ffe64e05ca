/** The subnet of an environment: how many addresses it takes, how it grows, and who may touch it. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import {
  openTestWorld,
  until,
  untilHealthy,
  type LedgerRow,
  type TestWorld,
} from "../support/world.ts";

const GROWS_WITHIN_MS = 30_000;

let world: TestWorld;
beforeAll(async () => {
  world = await openTestWorld();
  await untilHealthy(world);
});
afterAll(() => world?.close());

const subnet = (name = "environment") => world.network(`virtualNetworks/demo-vnet/subnets/${name}`);
const plan = (name = "demo-plan") => world.web(`serverfarms/${name}`);
const planBody = (capacity: number, environment = "demo") => ({
  location: "local",
  sku: { name: "I1", tier: "Isolated", size: "I1", family: "I", capacity },
  properties: {
    hostingEnvironmentProfile: { id: world.web(`hostingEnvironments/${environment}`) },
  },
});
const environmentBody = (subnetId: string) => ({
  location: "local",
  kind: "ASEV2",
  properties: { internalLoadBalancingMode: "None", virtualNetwork: { id: subnetId } },
});
const count = (rows: readonly LedgerRow[], use: string) =>
  rows.filter((row) => row.use === use).length;
const ledgerOf = (length: number, environment?: string) =>
  until(
    `${length} addresses`,
    async () => {
      const rows = await world.ledger(environment);
      return rows.length === length ? rows : undefined;
    },
    GROWS_WITHIN_MS,
  );

describe("addresses of an environment", () => {
  test("are 12 when it is empty, and grow by one per instance, at 15 by a front end, at 20 by a standby", async () => {
    await world.arm("DELETE", world.web("sites/hello"));
    await world.arm("DELETE", plan());
    expect(count(await ledgerOf(12), "FrontEnd")).toBe(2);
    await world.arm("PUT", plan(), planBody(14));
    expect(count(await ledgerOf(12 + 14), "FrontEnd")).toBe(2);
    await world.arm("PUT", plan(), planBody(15));
    expect(count(await ledgerOf(12 + 15 + 1), "FrontEnd")).toBe(3);
    await world.arm("PUT", plan(), planBody(20));
    const rows = await ledgerOf(12 + 20 + 2);
    expect(count(rows, "Worker")).toBe(20);
    expect(count(rows, "FrontEnd")).toBe(3);
    expect(count(rows, "Standby")).toBe(1);
    expect(new Set(rows.map(({ address }) => address)).size).toBe(rows.length);
    await untilHealthy(world);
    // They stand: each has the address the ledger says.
    const there = await Promise.all(
      rows
        .filter(({ use }) => use === "Worker" || use === "Standby")
        .slice(-4)
        .map(async ({ host = "", address }) => {
          const { stdout } = await world.exec(host, [
            "ip",
            "-brief",
            "address",
            "show",
            "dev",
            "eth0",
          ]);
          return stdout.includes(` ${address}/`);
        }),
    );
    expect(there).toEqual([true, true, true, true]);
    await world.arm("PUT", plan(), planBody(1));
    const kept = await ledgerOf(13);
    for (const row of kept.filter(({ use }) => use === "Publisher" || use === "FileServer"))
      expect(rows).toContainEqual(row);
  });

  test("more than the subnet has are refused, with both numbers", async () => {
    await world.arm("PUT", subnet("small"), { properties: { addressPrefix: "10.1.2.0/28" } });
    await world.arm(
      "PUT",
      world.web("hostingEnvironments/small"),
      environmentBody(subnet("small")),
    );
    await ledgerOf(12, "small");
    const refusal = await world.refused("PUT", plan("small-plan"), planBody(5, "small"));
    expect(refusal.code).toBe("SubnetIsFull");
    expect(refusal.what).toMatch(/small.*5 instances.*addresses.*\/28.*1[16]/);
    await world.arm("PUT", plan("small-plan"), planBody(1, "small"));
    await ledgerOf(13, "small");
    const more = await world.refused("PUT", plan("small-plan"), planBody(9, "small"));
    expect(more.code).toBe("SubnetIsFull");
    expect(await world.ledger("small")).toHaveLength(13);
    await world.arm("DELETE", plan("small-plan"));
    await world.arm("DELETE", world.web("hostingEnvironments/small"));
    await world.arm("DELETE", subnet("small"));
  });
});

describe("what is known of addresses", () => {
  const about = (what: string, name = "demo") =>
    world.arm("GET", world.web(`hostingEnvironments/${name}/${what}`));

  test("is who holds one since when, and what changed hands", async () => {
    const rows = await world.ledger();
    const hosts = rows.filter(({ host }) => host !== undefined);
    expect(hosts.every((row) => /^20\d\d-/.test(row.since ?? ""))).toBe(true);
    const { value } = await about("addressHistory");
    expect(value).toContainEqual({
      time: expect.any(String),
      address: hosts[0]?.address,
      change: "taken",
      holder: hosts[0]?.host,
    });
    expect(value.filter(({ change }: { change: string }) => change === "given back")).not.toEqual(
      [],
    );
    const events = await world.events(0);
    expect(events.find(({ code }) => code === "SubnetAlmostFull")).toMatchObject({
      message: expect.stringContaining("There are 4 remaining addresses"),
      level: "warning",
    });
  });

  test("is how far the subnet reaches", async () => {
    expect(await about("addressForecast")).toMatchObject({
      ...{ size: 256, mostInstances: 201, mostWhileScaling: 100 },
      subnet: { prefix: "10.1.1.0/24" },
    });
  });
});

describe("the subnet of an environment", () => {
  test("cannot be delegated, and says what stands in it", async () => {
    const { properties } = await world.arm("GET", subnet());
    const delegations = [{ name: "web", properties: { serviceName: "Microsoft.Web/serverFarms" } }];
    const refusal = await world.refused("PUT", subnet(), {
      properties: { ...properties, delegations },
    });
    expect(refusal.code).toBe("SubnetDelegationsCannotChangeWhenSubnetUsedByResource");
    expect(refusal.what).toMatch(
      /from \[\] to \[Microsoft\.Web\/serverFarms\] .*hostingEnvironments\/demo$/,
    );
    // One that is delegated already takes no environment.
    await world.arm("PUT", subnet("given"), {
      properties: { addressPrefix: "10.1.5.0/24", delegations },
    });
    const placed = await world.refused(
      "PUT",
      world.web("hostingEnvironments/third"),
      environmentBody(subnet("given")),
    );
    expect(placed.code).toBe("SubnetDelegated");
    await world.arm("DELETE", subnet("given"));
  });

  test("cannot change its size", async () => {
    const { properties } = await world.arm("GET", subnet());
    const smaller = { properties: { ...properties, addressPrefix: "10.1.1.0/25" } };
    const refusal = await world.refused("PUT", subnet(), smaller);
    expect(refusal.what).toMatch(/10\.1\.1\.0\/24.*10\.1\.1\.0\/25.*demo/);
    expect((await world.arm("GET", subnet())).properties.addressPrefix).toBe("10.1.1.0/24");
  });

  test("cannot be deleted, neither can its network", async () => {
    const refusal = await world.refused("DELETE", subnet());
    expect(refusal.code).toMatch(/^InUse/);
    expect(refusal.what).toContain("demo");
    expect(
      (await world.refused("DELETE", world.network("virtualNetworks/demo-vnet"))).code,
    ).toMatch(/^InUse/);
    expect((await world.ask("GET", subnet())).status).toBe(200);
  });

  test("belongs to one environment, and to nothing else", async () => {
    const second = await world.refused(
      "PUT",
      world.web("hostingEnvironments/second"),
      environmentBody(subnet()),
    );
    expect(second.what).toContain("demo");
    const card = await world.refused("PUT", world.network("networkInterfaces/card"), {
      location: "local",
      properties: {
        ipConfigurations: [{ name: "first", properties: { subnet: { id: subnet() } } }],
      },
    });
    expect(card.what).toContain("demo");
    expect((await world.ask("GET", world.web("hostingEnvironments/second"))).status).toBe(404);
  });

  test("cannot be changed for another one while the environment lives", async () => {
    await world.arm("PUT", subnet("elsewhere"), { properties: { addressPrefix: "10.1.4.0/24" } });
    const refusal = await world.refused(
      "PUT",
      world.web("hostingEnvironments/demo"),
      environmentBody(subnet("elsewhere")),
    );
    expect(refusal.code).toBe("HostingEnvironmentImmutable");
    await world.arm("DELETE", subnet("elsewhere"));
  });
});
