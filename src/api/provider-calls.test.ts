/** Calls of Microsoft.Web and Microsoft.Network beside the resources themselves. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { openTestPlane, type TestPlane } from "../../test/support/plane.ts";

const NETWORK = "{rg}/providers/Microsoft.Network";
const WEB = "{rg}/providers/Microsoft.Web";
const ENVIRONMENT = `${WEB}/hostingEnvironments/demo`;
const PLAN = `${WEB}/serverfarms/plan1`;
const SITE = `${WEB}/sites/app1`;
const SUBNET = `${NETWORK}/virtualNetworks/v/subnets/ase`;

let t: TestPlane;
beforeAll(async () => {
  t = await openTestPlane();
  await t.ask("PUT", "{rg}", { location: "here" });
  await t.ask("PUT", `${NETWORK}/networkSecurityGroups/closed`, {
    properties: {
      securityRules: [
        {
          name: "none",
          properties: {
            ...{ priority: 100, direction: "Inbound", access: "Deny", protocol: "*" },
            ...{ sourceAddressPrefix: "*", sourcePortRange: "*" },
            ...{ destinationAddressPrefix: "*", destinationPortRange: "*" },
          },
        },
      ],
    },
  });
  await t.ask("PUT", `${NETWORK}/virtualNetworks/v`, {
    properties: {
      addressSpace: { addressPrefixes: ["10.0.0.0/16"] },
      subnets: [
        { name: "ase", properties: { addressPrefix: "10.0.0.0/24" } },
        {
          name: "shut",
          properties: {
            addressPrefix: "10.0.1.0/24",
            networkSecurityGroup: { id: `${NETWORK}/networkSecurityGroups/closed` },
          },
        },
      ],
    },
  });
  await t.ask("PUT", ENVIRONMENT, {
    kind: "ASEv2",
    properties: { virtualNetwork: { id: SUBNET } },
  });
  await t.ask("PUT", PLAN, {
    sku: { name: "I2", capacity: 3 },
    properties: { hostingEnvironmentProfile: { id: ENVIRONMENT } },
  });
  await t.ask("PUT", SITE, { properties: { serverFarmId: PLAN } });
});
afterAll(async () => {
  expect(t.world.defects).toEqual([]);
  await t.end();
});

const get = async (path: string) => {
  const { json, status } = await t.ask("GET", path);
  expect(status).toBe(200);
  return json;
};

describe("an environment", () => {
  test("tells capacities, pools, usages and what it is doing", async () => {
    const compute = (await get(`${ENVIRONMENT}/capacities/compute`)).value;
    expect(compute[1]).toMatchObject({ name: "Medium", availableCapacity: 198 });
    expect(await get(`${ENVIRONMENT}/multiRolePools/default`)).toMatchObject({
      name: "default",
      properties: { workerCount: 1, workerSize: "Standard_D1_V2" },
    });
    expect((await get(`${ENVIRONMENT}/workerPools`)).value).toHaveLength(3);
    expect((await get(`${ENVIRONMENT}/workerPools/1`)).properties.workerCount).toBe(3);
    expect((await get(`${ENVIRONMENT}/workerPools/I2/usages`)).value[0].properties).toMatchObject({
      currentValue: 3,
    });
    expect((await get(`${ENVIRONMENT}/usages`)).value[0]).toMatchObject({
      name: { value: "Instances" },
      currentValue: 3,
    });
    expect(await get(`${ENVIRONMENT}/operations`)).toEqual([]);
    expect((await get(`${ENVIRONMENT}/diagnostics`))[1].diagnosticsOutput).toContain("10.0.0.4");
    expect((await t.ask("GET", `${ENVIRONMENT}/workerPools/9`)).status).toBe(404);
  });

  test("sizes of pools are set elsewhere, and the answer says where", async () => {
    const many = { properties: { workerCount: 9 } };
    const pool = await t.ask("PUT", `${ENVIRONMENT}/workerPools/0`, many);
    expect(pool).toMatchObject({ status: 400 });
    expect(pool.json.error.message).toContain("az appservice plan update");
    const size = { properties: { workerSize: "Standard_D2_V2" } };
    const changed = await t.ask("PATCH", `${ENVIRONMENT}/multiRolePools/default`, size);
    expect(changed.json.properties.workerSize).toBe("Standard_D2_V2");
    const wrong = await t.ask("PATCH", `${ENVIRONMENT}/multiRolePools/default`, {
      properties: { workerSize: ["x"] },
    });
    expect(wrong.status).toBe(400);
  });

  test("does not leave its network", async () => {
    const path = `${ENVIRONMENT}/changeVirtualNetwork`;
    expect((await t.ask("POST", path, { id: SUBNET })).status).toBe(202);
    const other = { id: SUBNET.replace("/ase", "/shut") };
    expect((await t.ask("POST", path, other)).status).toBe(409);
    expect((await t.ask("POST", path, {})).json.error.code).toBe("InvalidRequestContent");
  });

  test("verifyHostingEnvironmentVnet answers by proofs", async () => {
    const path = "{s}/providers/Microsoft.Web/verifyHostingEnvironmentVnet";
    const verify = async (subnet: string) =>
      (
        await t.ask("POST", path, {
          properties: { vnetResourceGroup: "rg1", vnetName: "v", vnetSubnetName: subnet },
        })
      ).json;
    expect((await verify("ase")).properties).toMatchObject({ failed: false, failedTests: [] });
    const shut = (await verify("shut")).properties;
    expect(shut.failed).toBe(true);
    expect(shut.failedTests.map((one: { testName: string }) => one.testName)).toContain(
      "flow/management",
    );
    expect(shut.failedTests[0].details).toContain("none");
    expect((await verify("absent")).error.code).toBe("SubnetNotFound");
    expect((await t.ask("POST", path, { properties: 7 })).status).toBe(400);
  });
});

describe("an app", () => {
  test("has documents, as Azure has them until they are written", async () => {
    expect((await get(`${SITE}/config/logs`)).properties.httpLogs.fileSystem.enabled).toBe(false);
    const logs = { properties: { httpLogs: { fileSystem: { enabled: true } } } };
    expect((await t.ask("PUT", `${SITE}/config/logs`, logs)).status).toBe(200);
    expect((await get(`${SITE}/config/logs`)).properties.httpLogs.fileSystem.enabled).toBe(true);
    await t.ask("PUT", `${SITE}/config/metadata`, { properties: { CURRENT_STACK: "node" } });
    expect((await get(`${SITE}/config/metadata`)).properties).toEqual({});
    const listed = await t.ask("POST", `${SITE}/config/metadata/list`);
    expect(listed.json.properties).toEqual({ CURRENT_STACK: "node" });
    const names = { properties: { appSettingNames: ["S"] } };
    await t.ask("PUT", `${SITE}/config/slotConfigNames`, names);
    expect((await get(`${SITE}/config/slotConfigNames`)).properties).toEqual({
      ...names.properties,
      connectionStringNames: [],
      azureStorageConfigNames: [],
    });
    expect((await t.ask("POST", `${SITE}/config/backup/list`)).status).toBe(404);
    expect((await t.ask("PUT", `${SITE}/config/logs`, { properties: "x" })).status).toBe(400);
    expect((await t.ask("GET", `${SITE}/sourcecontrols/web`)).status).toBe(404);
    await t.ask("PATCH", `${SITE}/config/web`, { properties: { scmType: "LocalGit" } });
    expect((await get(`${SITE}/sourcecontrols/web`)).properties.repoUrl).toContain(".scm.");
    expect((await get(`${SITE}/instances`)).value).toHaveLength(1);
    expect(await get(`${SITE}/virtualNetworkConnections`)).toEqual([]);
  });

  test("is published to with credentials of its own, derived and never stored", async () => {
    const credentials = async () =>
      (await t.ask("POST", `${SITE}/config/publishingcredentials/list`)).json.properties;
    const { publishingPassword, publishingUserName, scmUri } = await credentials();
    expect(publishingUserName).toBe("$app1");
    expect(scmUri).toContain("@app1.scm.demo.p.azurewebsites.net");
    expect(publishingPassword).toHaveLength(60);
    const { createdAt, resource } = t.plane.resources
      .list("")
      .find((one) => one.resource.name === "app1") ?? { createdAt: 0, resource: { key: "" } };
    const app = { key: resource.key, name: "app1", createdAt };
    const { publishing } = t.identity;
    expect(await publishing.matches(app, "app1\\$app1", publishingPassword)).toBe(true);
    const profile = await t.ask("POST", `${SITE}/publishxml`, { format: "WebDeploy" });
    expect(profile.text).toContain(`userPWD="${publishingPassword}"`);
    expect(profile.headers.get("Content-Type")).toContain("xml");
    expect((await t.ask("POST", `${SITE}/newpassword`)).status).toBe(204);
    expect(await publishing.matches(app, "$app1", publishingPassword)).toBe(false);
    const denied = { properties: { allow: false } };
    const policy = `${SITE}/basicPublishingCredentialsPolicies/scm`;
    expect((await get(policy)).properties.allow).toBe(true);
    expect((await t.ask("PUT", policy, denied)).status).toBe(200);
    expect((await get(policy)).properties.allow).toBe(false);
    const redacted = await t.ask("POST", `${SITE}/publishxml`);
    expect(redacted.text).toContain('userPWD="REDACTED"');
    const user = "/providers/Microsoft.Web/publishingUsers/web";
    const set = { properties: { publishingUserName: "dep", publishingPassword: "Passw0rd!x" } };
    expect((await t.ask("PUT", user, set)).json.properties.publishingUserName).toBe("dep");
    expect(await publishing.matches(app, "dep", "Passw0rd!x")).toBe(true);
    expect(await publishing.matches(app, "dep", "other")).toBe(false);
    const short = { properties: { publishingUserName: "dep", publishingPassword: "x" } };
    expect((await t.ask("PUT", user, short)).status).toBe(400);
  });

  test("is listed by its plan and found by its host name", async () => {
    expect((await get(`${PLAN}/sites`)).value[0].name).toBe("app1");
    expect(await get(`${PLAN}/capabilities`)).toEqual([]);
    expect((await t.ask("POST", `${PLAN}/restartSites`)).status).toBe(204);
    await t.ask("PUT", `${SITE}/hostNameBindings/www.contoso.test`, {});
    const path = "{s}/providers/Microsoft.Web/listSitesAssignedToHostName";
    expect((await t.ask("POST", path, { name: "www.contoso.test" })).json.value).toHaveLength(1);
    for (const words of ["geoRegions", "skus", "deploymentLocations", "availableStacks"])
      await get(`{s}/providers/Microsoft.Web/${words}`);
  });
});

describe("networks", () => {
  test("tell free addresses and usages", async () => {
    const check = `${NETWORK}/virtualNetworks/v/CheckIPAddressAvailability?ipAddress=`;
    expect(await get(`${check}10.0.0.4`)).toMatchObject({
      available: false,
      availableIPAddresses: ["10.0.0.5", "10.0.0.6", "10.0.0.7", "10.0.0.8", "10.0.0.9"],
    });
    expect((await get(`${check}10.0.0.9`)).available).toBe(true);
    expect((await get(`${check}10.0.0.0`)).isPlatformReserved).toBe(true);
    expect((await t.ask("GET", `${check}192.168.0.1`)).json.error.code).toBe(
      "PrivateIPAddressNotInAnySubnet",
    );
    expect((await t.ask("GET", `${check}x`)).status).toBe(400);
    expect((await get(`${NETWORK}/virtualNetworks/v/usages`)).value[0]).toMatchObject({
      currentValue: 1,
      limit: 251,
    });
    const here = "{s}/providers/Microsoft.Network/locations/here";
    expect((await get(`${here}/usages`)).value[0]).toMatchObject({ currentValue: 1 });
    expect((await get(`${here}/virtualNetworkAvailableEndpointServices`)).value[0].name).toBe(
      "Microsoft.Storage",
    );
    const tags = await get(`${here}/serviceTags`);
    expect(tags.values.length).toBeGreaterThan(1_000);
  });
});
