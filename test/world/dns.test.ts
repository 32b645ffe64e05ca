/** Names: private zones at the platform's resolver, and what an ILB environment needs of them. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import {
  INTERNAL,
  openTestWorld,
  until,
  untilHealthy,
  type Loose,
  type TestWorld,
} from "../support/world.ts";

const DOMAIN = "demo-ilb.appserviceenvironment.net";
const INSIDE = "vnet/demo-ilb-vnet";

let world: TestWorld;
beforeAll(async () => {
  world = await openTestWorld({ template: INTERNAL, app: "hello-inside" });
  await untilHealthy(world, "demo-ilb");
});
afterAll(() => world?.close());

const environment = () => world.arm("GET", world.web("hostingEnvironments/demo-ilb"));
const ZONE = `privateDnsZones/${DOMAIN}`;
const zone = (path = "") => world.network(`${ZONE}${path}`);
const putA = (name: string, ipv4Address: string, of = zone()) =>
  world.arm("PUT", `${of}/a/${name}`, { properties: { ttl: 3600, aRecords: [{ ipv4Address }] } });
/** As programs of the C library ask. */
const addressesAt = async (at: string, name: string) => {
  const { stdout } = await world.exec(at, ["getent", "ahostsv4", name]);
  return [...new Set(stdout.match(/^[\d.]+/gm))];
};
const becomes = (at: string, name: string, addresses: readonly string[]) =>
  until(
    `${name} at ${at} is ${addresses.join(" ")}`,
    async () => (String(await addressesAt(at, name)) === String(addresses) ? true : undefined),
    5_000,
  );

describe("private DNS zones", () => {
  test("an ILB environment without its records says which are missing, and is healthy", async () => {
    const { properties } = await environment();
    expect(properties.environmentStatus).toBe("Healthy");
    expect(properties.notices).toEqual([
      expect.stringMatching(
        /^zone demo-ilb\.appserviceenvironment\.net needs A records that lead to 10\.2\.1\.\d+: \* is missing .*, @ is missing .*, \*\.scm is missing/,
      ),
    ]);
  });

  test("the records az writes lead clients of the linked network to the apps, and nobody else", async () => {
    const { internalIpAddress: address } = (
      await world.arm("GET", world.web("hostingEnvironments/demo-ilb/capacities/virtualip"))
    ).properties;
    await world.arm("PUT", zone(), { location: "global" });
    for (const name of ["*", "%40", "*.scm"]) await putA(name, address);
    // Without a link, the zone is nobody's.
    expect(await addressesAt(INSIDE, `hello-inside.${DOMAIN}`)).toEqual([]);
    await world.arm("PUT", zone("/virtualNetworkLinks/demo-ilb_link"), {
      location: "global",
      properties: {
        virtualNetwork: { id: world.network("virtualNetworks/demo-ilb-vnet") },
        registrationEnabled: false,
      },
    });
    for (const name of [`hello-inside.${DOMAIN}`, DOMAIN, `hello-inside.scm.${DOMAIN}`])
      await becomes(INSIDE, name, [address]);
    const called = await world.exec(INSIDE, [
      ...["curl", "-s", "-m", "2", "--cacert", world.home.authority],
      `https://hello-inside.${DOMAIN}/`,
    ]);
    expect(JSON.parse(called.stdout).instance).toMatch(/^demo-ilb-demo-ilb-plan-/);
    expect(await addressesAt("internet", `hello-inside.${DOMAIN}`)).toEqual([]);
    expect((await environment()).properties.notices).toEqual([]);
  });

  test("a record that leads elsewhere is told", async () => {
    await putA("*.scm", "10.2.9.9");
    const [notice] = await until(
      "it is told",
      async () => {
        const { notices } = (await environment()).properties;
        return notices.length === 0 ? undefined : notices;
      },
      5_000,
    );
    expect(notice).toContain("*.scm leads to 10.2.9.9");
  });

  test("record sets of every type are kept, listed and given back as az reads them", async () => {
    const corp = world.network("privateDnsZones/corp.example");
    await world.arm("PUT", corp, { location: "global" });
    await world.arm("PUT", `${corp}/CNAME/www`, {
      properties: { ttl: 60, cnameRecord: { cname: "db.corp.example" } },
    });
    await world.arm("PUT", `${corp}/SRV/_sql._tcp`, {
      properties: { srvRecords: [{ priority: 1, weight: 2, port: 3, target: "db.corp.example." }] },
    });
    await world.arm("PUT", `${corp}/TXT/@`, {
      properties: { txtRecords: [{ value: ["v=1"] }] },
    });
    const srv = await world.arm("GET", `${corp}/srv/_sql._tcp`);
    expect(srv).toMatchObject({
      type: "Microsoft.Network/privateDnsZones/SRV",
      name: "_sql._tcp",
      properties: {
        fqdn: "_sql._tcp.corp.example.",
        ttl: 3600,
        srvRecords: [{ priority: 1, weight: 2, port: 3, target: "db.corp.example" }],
      },
    });
    const { value } = await world.arm("GET", `${corp}/ALL`);
    expect(
      value.map(({ type, name }: Loose) => `${type.split("/").at(-1)} ${name}`).sort(),
    ).toEqual(["CNAME www", "SOA @", "SRV _sql._tcp", "TXT @"]);
    expect((await world.arm("GET", corp)).properties.numberOfRecordSets).toBe(4);
    const twin = await world.refused("PUT", `${corp}/A/www`, {
      properties: { aRecords: [{ ipv4Address: "10.2.3.4" }] },
    });
    expect(twin.code).toBe("BadRequest");
  });

  test("machines register themselves where the link says so; aliases lead to them", async () => {
    const corp = world.network("privateDnsZones/corp.example");
    const network = world.network("virtualNetworks/demo-ilb-vnet");
    await world.arm("PUT", `${network}/subnets/machines`, {
      properties: { addressPrefix: "10.2.3.0/24" },
    });
    await world.arm("PUT", `${corp}/virtualNetworkLinks/corp`, {
      location: "global",
      properties: { virtualNetwork: { id: network }, registrationEnabled: true },
    });
    await world.arm("PUT", world.network("networkInterfaces/db"), {
      location: "local",
      properties: {
        ipConfigurations: [
          {
            name: "first",
            properties: {
              subnet: { id: `${network}/subnets/machines` },
              privateIPAllocationMethod: "Static",
              privateIPAddress: "10.2.3.7",
            },
          },
        ],
      },
    });
    await becomes(INSIDE, "www.corp.example", ["10.2.3.7"]);
    const second = await world.refused("PUT", `${zone()}/virtualNetworkLinks/demo-ilb_link`, {
      location: "global",
      properties: { virtualNetwork: { id: network }, registrationEnabled: true },
    });
    expect(second).toMatchObject({
      code: "Conflict",
      what: expect.stringContaining("corp.example"),
    });
  });
});
