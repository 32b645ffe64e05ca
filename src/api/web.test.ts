import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { type Loose, openTestPlane, type TestPlane } from "../../test/support/plane.ts";

const NETWORK = "{rg}/providers/Microsoft.Network";
const WEB = "{rg}/providers/Microsoft.Web";
const ENVIRONMENT = `${WEB}/hostingEnvironments/demo`;
const PLAN = `${WEB}/serverfarms/plan1`;
const SITE = `${WEB}/sites/app1`;

let t: TestPlane;
beforeEach(async () => {
  t = await openTestPlane();
  await t.ask("PUT", "{rg}", { location: "here" });
  await t.ask("PUT", `${NETWORK}/virtualNetworks/v`, {
    properties: {
      addressSpace: { addressPrefixes: ["10.0.0.0/16"] },
      subnets: [
        { name: "ase", properties: { addressPrefix: "10.0.0.0/24" } },
        { name: "small", properties: { addressPrefix: "10.0.1.0/28" } },
        { name: "tiny", properties: { addressPrefix: "10.0.2.0/29" } },
      ],
    },
  });
});
afterEach(async () => {
  expect(t.world.defects).toEqual([]);
  await t.end();
});

const environment = (subnet: string, more = {}) => ({
  location: "here",
  kind: "ASEv2",
  properties: { virtualNetwork: { id: `${NETWORK}/virtualNetworks/v/subnets/${subnet}` }, ...more },
});
const plan = (capacity: number, name = "I1") => ({
  location: "here",
  sku: { name, tier: "Isolated", capacity },
  properties: { hostingEnvironmentProfile: { id: ENVIRONMENT } },
});
const site = (more = {}) => ({ location: "here", properties: { serverFarmId: PLAN, ...more } });
const codeOf = async (asked: Promise<{ json: Loose }>) => (await asked).json.error.code;

async function stand(): Promise<void> {
  await t.ask("PUT", ENVIRONMENT, environment("ase"));
  await t.ask("PUT", PLAN, plan(2));
  await t.ask("PUT", SITE, site({ siteConfig: { appSettings: [{ name: "A", value: "1" }] } }));
}

describe("status codes that clients of each type take", () => {
  test("environments 201 and 202, plans and apps 200 only", async () => {
    expect((await t.ask("PUT", ENVIRONMENT, environment("ase"))).status).toBe(201);
    for (const [path, body] of [
      [PLAN, plan(1)],
      [SITE, site()],
    ] as const) {
      const put = await t.ask("PUT", path, body);
      expect(put.status).toBe(200);
      expect(put.headers.get("Azure-AsyncOperation")).toMatch(/\/providers\/Microsoft\.Web\//);
      expect(await t.follow(put)).toMatchObject({ status: "Succeeded" });
    }
    for (const path of [SITE, PLAN]) expect((await t.ask("DELETE", path)).status).toBe(200);
    expect((await t.ask("DELETE", SITE)).status).toBe(204);
    const gone = await t.ask("DELETE", ENVIRONMENT);
    expect(gone.status).toBe(202);
    expect(gone.headers.get("Location")).toBeTruthy();
    expect(gone.headers.get("Retry-After")).toBe("1");
  });
});

describe("an environment among its neighbours", () => {
  test("has its subnet for itself, and the subnet shows it", async () => {
    await stand();
    expect(await codeOf(t.ask("PUT", `${WEB}/hostingEnvironments/other`, environment("ase")))).toBe(
      "SubnetInUse",
    );
    const card = {
      properties: {
        ipConfigurations: [
          { name: "i", properties: { subnet: { id: `${NETWORK}/virtualNetworks/v/subnets/ase` } } },
        ],
      },
    };
    expect(await codeOf(t.ask("PUT", `${NETWORK}/networkInterfaces/n`, card))).toBe("SubnetInUse");
    const gateway = {
      properties: {
        gatewayIPConfigurations: [
          { properties: { subnet: { id: `${NETWORK}/virtualNetworks/v/subnets/ase` } } },
        ],
      },
    };
    expect(await codeOf(t.ask("PUT", `${NETWORK}/applicationGateways/g`, gateway))).toBe(
      "SubnetInUse",
    );
    const subnet = (await t.ask("GET", `${NETWORK}/virtualNetworks/v/subnets/ase`)).json;
    expect(subnet.properties.resourceNavigationLinks).toHaveLength(1);
  });

  test("keeps its subnet and its kind, and the subnet its prefix", async () => {
    await stand();
    expect(await codeOf(t.ask("PUT", ENVIRONMENT, environment("small")))).toBe(
      "HostingEnvironmentImmutable",
    );
    expect(
      await codeOf(t.ask("PUT", ENVIRONMENT, environment("ase", { internalLoadBalancingMode: 3 }))),
    ).toBe("HostingEnvironmentImmutable");
    const wider = { properties: { addressPrefix: "10.0.4.0/23" } };
    expect(await codeOf(t.ask("PUT", `${NETWORK}/virtualNetworks/v/subnets/ase`, wider))).toBe(
      "InUsePrefixCannotBeDeleted",
    );
    for (const path of [`${NETWORK}/virtualNetworks/v/subnets/ase`, `${NETWORK}/virtualNetworks/v`])
      expect(await codeOf(t.ask("DELETE", path))).toBe("InUseSubnetCannotBeDeleted");
  });

  test("is refused where its addresses do not fit, and so are plans and larger sizes", async () => {
    expect(await codeOf(t.ask("PUT", ENVIRONMENT, environment("tiny")))).toBe("SubnetIsFull");
    expect((await t.ask("PUT", ENVIRONMENT, environment("small"))).status).toBe(201);
    expect(await codeOf(t.ask("PUT", PLAN, plan(5)))).toBe("SubnetIsFull");
    expect((await t.ask("PUT", PLAN, plan(3))).status).toBe(200);
    const moved = await t.ask("PUT", PLAN, plan(3, "I2"));
    expect([moved.status, moved.json.error.code]).toEqual([409, "SubnetIsFull"]);
  });

  test("is not deleted under its plans, unless that is forced", async () => {
    await stand();
    expect(await codeOf(t.ask("DELETE", ENVIRONMENT))).toBe("HostingEnvironmentInUse");
    expect(await codeOf(t.ask("DELETE", PLAN))).toBe("ServerFarmInUse");
    expect((await t.ask("DELETE", `${ENVIRONMENT}?forceDelete=true`)).status).toBe(202);
    for (const path of [ENVIRONMENT, PLAN, SITE])
      expect((await t.ask("GET", path)).status).toBe(404);
  });

  test("its names are its own", async () => {
    await stand();
    await t.ask("PUT", "{s}/resourceGroups/rg2", { location: "here" });
    const twin = "{s}/resourceGroups/rg2/providers/Microsoft.Web/sites/APP1";
    expect(await codeOf(t.ask("PUT", twin, site()))).toBe("HostNameInUse");
    const check = async (name: string, type: string) =>
      (await t.ask("POST", "{s}/providers/Microsoft.Web/checknameavailability", { name, type }))
        .json.nameAvailable;
    expect([await check("app1", "Site"), await check("app2", "Site")]).toEqual([false, true]);
    expect(await check("demo", "Microsoft.Web/hostingEnvironments")).toBe(false);
  });
});

describe("what an environment offers", () => {
  beforeEach(stand);

  test("addresses, ledger, plans and apps", async () => {
    expect((await t.ask("GET", `${ENVIRONMENT}/capacities/virtualip`)).json.properties).toEqual({
      serviceIpAddress: "198.18.0.4",
      internalIpAddress: null,
      outboundIpAddresses: ["198.18.0.4"],
      vipMappings: [],
    });
    expect((await t.ask("GET", `${ENVIRONMENT}/addressLedger`)).json.value[0].use).toBe("FrontEnd");
    expect((await t.ask("GET", `${ENVIRONMENT}/serverfarms`)).json.value[0].name).toBe("plan1");
    expect((await t.ask("GET", `${ENVIRONMENT}/sites`)).json.value[0].name).toBe("app1");
    expect((await t.ask("GET", `${WEB}/hostingEnvironments/none/sites`)).status).toBe(404);
  });

  test("the flows it depends on", async () => {
    const inbound = (await t.ask("GET", `${ENVIRONMENT}/inboundNetworkDependenciesEndpoints`)).json
      .value;
    expect(inbound).toContainEqual({
      description: "App Service management",
      endpoints: t.plane.world.tags.prefixes("AppServiceManagement"),
      ports: ["454", "455"],
    });
    expect(inbound).toContainEqual({
      description: "App Service Environment subnet",
      endpoints: ["10.0.0.0/24"],
      ports: ["All"],
    });
    const outbound = (await t.ask("GET", `${ENVIRONMENT}/outboundNetworkDependenciesEndpoints`))
      .json.value;
    expect(
      outbound.find((one: Loose) => one.category === "Azure SQL Database").endpoints[0]
        .endpointDetails,
    ).toEqual([{ port: 1433 }]);
  });

  test("suspend, resume and reboot", async () => {
    const suspended = await t.ask("POST", `${ENVIRONMENT}/suspend`);
    expect(suspended.status).toBe(202);
    t.world.settle();
    expect((await t.ask("GET", suspended.headers.get("Location") ?? "")).json.value[0].name).toBe(
      "app1",
    );
    expect((await t.ask("GET", ENVIRONMENT)).json.properties.suspended).toBe(true);
    await t.ask("POST", `${ENVIRONMENT}/resume`);
    expect((await t.ask("GET", ENVIRONMENT)).json.properties.suspended).toBe(false);
    expect((await t.ask("POST", `${ENVIRONMENT}/reboot`)).status).toBe(202);
    expect(t.world.restarted).toHaveLength(1);
  });
});

describe("what an app offers", () => {
  beforeEach(stand);

  test("settings are replaced by PUT and shown by POST list only", async () => {
    const list = async () =>
      (await t.ask("POST", `${SITE}/config/appsettings/list`)).json.properties;
    expect(await list()).toEqual({ A: "1" });
    expect((await t.ask("GET", `${SITE}/config/appsettings`)).json.properties).toEqual({});
    expect(
      (await t.ask("PUT", `${SITE}/config/appsettings`, { properties: { B: 2 } })).status,
    ).toBe(200);
    expect(await list()).toEqual({ B: "2" });
    await t.ask("PUT", `${SITE}/config/connectionstrings`, {
      properties: { db: { value: "x", type: "SQLAzure" } },
    });
    expect(
      (await t.ask("POST", `${SITE}/config/connectionstrings/list`)).json.properties.db.value,
    ).toBe("x");
    expect((await t.ask("GET", `${SITE}/config/slotConfigNames`)).status).toBe(200);
  });

  test("configuration keeps what a change does not name", async () => {
    await t.ask("PATCH", `${SITE}/config/web`, {
      properties: { alwaysOn: true, minTlsVersion: "1.2" },
    });
    await t.ask("PATCH", `${SITE}/config/web`, { properties: { appCommandLine: "node x.js" } });
    expect((await t.ask("GET", `${SITE}/config/web`)).json.properties).toMatchObject({
      alwaysOn: true,
      minTlsVersion: "1.2",
      appCommandLine: "node x.js",
    });
    expect((await t.ask("POST", `${SITE}/config/appsettings/list`)).json.properties).toEqual({
      A: "1",
    });
  });

  test("start, stop and restart", async () => {
    expect((await t.ask("POST", `${SITE}/stop`)).status).toBe(200);
    expect((await t.ask("GET", SITE)).json.properties.state).toBe("Stopped");
    await t.ask("POST", `${SITE}/start`);
    expect((await t.ask("GET", SITE)).json.properties.enabled).toBe(true);
    expect((await t.ask("POST", `${SITE}/restart`)).status).toBe(200);
    expect(t.world.restarted[0]).toMatch(/\/sites\/app1$/);
  });

  test("host names are bound and freed", async () => {
    const binding = `${SITE}/hostNameBindings/www.contoso.test`;
    expect((await t.ask("PUT", binding, { properties: {} })).status).toBe(200);
    expect((await t.ask("GET", `${SITE}/hostNameBindings`)).json.value).toHaveLength(1);
    expect((await t.ask("GET", SITE)).json.properties.hostNames).toContain("www.contoso.test");
    expect((await t.ask("DELETE", binding)).status).toBe(200);
    expect((await t.ask("GET", binding)).status).toBe(404);
    expect(await codeOf(t.ask("PUT", `${SITE}/hostNameBindings/no_name`, {}))).toBe(
      "InvalidHostName",
    );
  });

  test("content arrives as a zip, up to a size, and nothing of it stays behind", async () => {
    const put = await t.ask("POST", `${SITE}/extensions/zipdeploy`, "the zip");
    expect(put.status).toBe(202);
    expect(await t.follow(put)).toMatchObject({ status: "Succeeded" });
    expect([...t.world.contents.values()]).toEqual(["the zip"]);
    const large = await t.ask("POST", `${SITE}/extensions/zipdeploy`, "x".repeat(20_000));
    expect([large.status, large.json.error.code]).toEqual([413, "ContentTooLarge"]);
    expect((await t.ask("POST", `${WEB}/sites/none/extensions/zipdeploy`, "zip")).status).toBe(404);
  });

  test("parts are written by templates too", async () => {
    const resources = [
      {
        type: "Microsoft.Web/sites/config",
        apiVersion: "2022-03-01",
        name: "app1/appsettings",
        properties: { C: "3" },
      },
      {
        type: "Microsoft.Web/sites/hostNameBindings",
        apiVersion: "2022-03-01",
        name: "app1/a.contoso.test",
        properties: {},
      },
    ];
    const put = await t.ask("PUT", "{rg}/providers/Microsoft.Resources/deployments/d", {
      properties: { template: { resources } },
    });
    expect(await t.follow(put)).toMatchObject({ status: "Succeeded" });
    expect((await t.ask("POST", `${SITE}/config/appsettings/list`)).json.properties).toEqual({
      C: "3",
    });
    expect((await t.ask("GET", SITE)).json.properties.hostNames).toContain("a.contoso.test");
  });
});
