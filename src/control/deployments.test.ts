import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { type Loose, openTestPlane, type TestPlane } from "../../test/support/plane.ts";

let t: TestPlane;
beforeEach(async () => {
  t = await openTestPlane();
  await t.ask("PUT", "{rg}", { location: "here" });
});
afterEach(async () => {
  expect(t.world.defects).toEqual([]);
  await t.end();
});

const DEPLOYMENT = "{rg}/providers/Microsoft.Resources/deployments/d1";
const NETWORKS = "{rg}/providers/Microsoft.Network/virtualNetworks";

const network = (name: string, more: object = {}) => ({
  type: "Microsoft.Network/virtualNetworks",
  apiVersion: "2022-01-01",
  name,
  location: "[resourceGroup().location]",
  properties: { addressSpace: { addressPrefixes: ["10.0.0.0/16"] } },
  ...more,
});
const subnet = (prefix: string) => ({
  type: "Microsoft.Network/virtualNetworks/subnets",
  apiVersion: "2022-01-01",
  name: "v/s",
  dependsOn: ["[resourceId('Microsoft.Network/virtualNetworks', 'v')]"],
  properties: { addressPrefix: prefix },
});
const template = (resources: readonly object[], more: object = {}) => ({
  properties: { mode: "Incremental", template: { resources, ...more } },
});
const deploy = async (body: object | string) => {
  const put = await t.ask("PUT", DEPLOYMENT, body);
  return { put, end: await t.follow(put), shown: (await t.ask("GET", DEPLOYMENT)).json };
};

const whatIf = async (body: object) => {
  const asked = await t.ask("POST", `${DEPLOYMENT}/whatIf`, body);
  expect([asked.status, asked.headers.get("Retry-After")]).toEqual([202, "1"]);
  const answer = await t.ask("GET", asked.headers.get("Location") ?? "");
  expect([answer.status, answer.json.status]).toEqual([200, "Succeeded"]);
  return answer.json.properties;
};

describe("a deployment", () => {
  test("writes its resources in order and gives its outputs", async () => {
    const outputs = {
      prefix: { type: "string", value: "[reference('v').addressSpace.addressPrefixes[0]]" },
      secret: { type: "secureString", value: "hidden" },
    };
    const { end, put, shown } = await deploy(
      template([subnet("10.0.0.0/24"), network("v")], { outputs }),
    );
    expect(put.status).toBe(201);
    expect(put.headers.get("Azure-AsyncOperation")).toContain("/deployments/d1/operationStatuses/");
    expect(end).toMatchObject({ status: "Succeeded" });
    expect(shown.properties).toMatchObject({
      provisioningState: "Succeeded",
      outputs: {
        prefix: { type: "string", value: "10.0.0.0/16" },
        secret: { type: "secureString" },
      },
    });
    expect(
      shown.properties.outputResources.map((one: { id: string }) => one.id.split("/").at(-1)),
    ).toEqual(["v", "s"]);
    expect((await t.ask("GET", `${NETWORKS}/v/subnets/s`)).status).toBe(200);
    const steps = (await t.ask("GET", "{s}/resourcegroups/rg1/deployments/d1/operations")).json
      .value;
    expect(
      steps.map((step: Loose) => [
        step.properties.targetResource.resourceName,
        step.properties.provisioningState,
      ]),
    ).toEqual(
      expect.arrayContaining([
        ["v", "Succeeded"],
        ["v/s", "Succeeded"],
      ]),
    );
  });

  test("makes networks of both families, kept as they were written", async () => {
    const addressPrefixes = ["10.0.0.0/16", "fd00:db8::/48"];
    const both = (six: string) => ({
      ...subnet("10.0.0.0/24"),
      properties: { addressPrefixes: ["10.0.0.0/24", six] },
    });
    const dual = network("v", { properties: { addressSpace: { addressPrefixes } } });
    const { end } = await deploy(template([dual, both("fd00:db8:0:1::/64")]));
    expect(end).toMatchObject({ status: "Succeeded" });
    const shown = (await t.ask("GET", `${NETWORKS}/v`)).json.properties;
    expect(shown.addressSpace.addressPrefixes).toEqual(addressPrefixes);
    expect(shown.subnets[0].properties).toMatchObject({
      addressPrefix: "10.0.0.0/24",
      addressPrefixes: ["10.0.0.0/24", "fd00:db8:0:1::/64"],
    });
    for (const six of ["fd00:db9::/64", "fd00:db8::/56", "fd00:zz::/64"]) {
      const refused = await t.ask("POST", `${DEPLOYMENT}/validate`, template([dual, both(six)]));
      expect([six, refused.status, refused.json.error.details[0].message]).toEqual([
        six,
        400,
        expect.stringContaining(six),
      ]);
    }
  });

  test("is read leniently: comments, bare keys, newlines in texts", async () => {
    const text = `{"properties":{"mode":"Incremental", template:{ // as az sends it
      "variables":{"m":"line1\nline2"}, "resources":[], /* none */ }}}`;
    expect((await deploy(text)).end).toMatchObject({ status: "Succeeded" });
  });

  test("that cannot be planned is refused at once, with where", async () => {
    const put = await t.ask("PUT", DEPLOYMENT, template([network("[parameters('none')]")]));
    expect([put.status, put.json.error.code]).toEqual([400, "InvalidTemplate"]);
    expect(put.json.error.target).toContain("resources[0]");
    expect((await t.ask("GET", DEPLOYMENT)).json.error.code).toBe("DeploymentNotFound");
  });

  test("that links to a template is refused with what to do instead", async () => {
    const put = await t.ask("PUT", DEPLOYMENT, {
      properties: { templateLink: { uri: "https://x.test/t.json" } },
    });
    expect(put.json.error.message).toContain("https://x.test/t.json");
  });

  test("tells which step failed where in the template, and goes on with what does not need it", async () => {
    const { end, shown } = await deploy(
      template([network("v"), subnet("10.9.0.0/24"), network("w")]),
    );
    expect(end).toMatchObject({ status: "Failed", error: { code: "DeploymentFailed" } });
    expect(shown.properties.error.details).toMatchObject([
      {
        code: "NetcfgInvalidSubnet",
        target: expect.stringContaining(
          "resources[1] (Microsoft.Network/virtualNetworks/subnets v/s)",
        ),
      },
    ]);
    expect((await t.ask("GET", `${NETWORKS}/w`)).status).toBe(200);
  });

  test("waits for the world before it goes on, and fails with it", async () => {
    t.world.status = (key) =>
      key.endsWith("/v")
        ? { state: "failed", problem: { code: "Broken", what: "no", fix: "none" } }
        : { state: "reached" };
    const { shown } = await deploy(template([network("v"), subnet("10.0.0.0/24")]));
    expect(shown.properties.error.details).toMatchObject([{ code: "Broken" }]);
    expect((await t.ask("GET", `${NETWORKS}/v/subnets/s`)).status).toBe(404);
  });

  test("goes on after the control plane was started anew", async () => {
    t.world.status = () => ({ state: "pending" });
    await t.ask("PUT", DEPLOYMENT, template([network("v"), subnet("10.0.0.0/24")]));
    await expect.poll(async () => (await t.ask("GET", `${NETWORKS}/v`)).status).toBe(200);
    t = await t.restart();
    expect((await t.ask("GET", DEPLOYMENT)).json.properties.provisioningState).toBe("Running");
    t.plane.resume();
    await expect
      .poll(async () => (await t.ask("GET", DEPLOYMENT)).json.properties.provisioningState)
      .toBe("Succeeded");
    expect((await t.ask("GET", `${NETWORKS}/v/subnets/s`)).status).toBe(200);
  });

  test("can be canceled while it runs, and only then", async () => {
    t.world.status = () => ({ state: "pending" });
    const put = await t.ask("PUT", DEPLOYMENT, template([network("v"), subnet("10.0.0.0/24")]));
    expect((await t.ask("PUT", DEPLOYMENT, template([]))).json.error.code).toBe("DeploymentActive");
    expect((await t.ask("POST", `${DEPLOYMENT}/cancel`)).status).toBe(204);
    expect(await t.follow(put)).toMatchObject({ status: "Canceled" });
    expect((await t.ask("POST", `${DEPLOYMENT}/cancel`)).status).toBe(409);
    expect((await t.ask("GET", `${NETWORKS}/v/subnets/s`)).status).toBe(404);
  });

  test("nests others, whose outputs it may use, and deploying again repeats them", async () => {
    const nested = (prefix: string) => ({
      type: "Microsoft.Resources/deployments",
      apiVersion: "2021-04-01",
      name: "inner",
      properties: {
        mode: "Incremental",
        expressionEvaluationOptions: { scope: "inner" },
        template: {
          resources: [
            network("n", { properties: { addressSpace: { addressPrefixes: [prefix] } } }),
          ],
          outputs: { out: { type: "string", value: prefix } },
        },
      },
    });
    const outputs = { all: { type: "string", value: "[reference('inner').outputs.out.value]" } };
    expect(
      (await deploy(template([nested("10.1.0.0/16")], { outputs }))).shown.properties.outputs.all
        .value,
    ).toBe("10.1.0.0/16");
    expect(
      (await deploy(template([nested("10.2.0.0/16")], { outputs }))).shown.properties.outputs.all
        .value,
    ).toBe("10.2.0.0/16");
    expect(
      (await t.ask("GET", `${NETWORKS}/n`)).json.properties.addressSpace.addressPrefixes,
    ).toEqual(["10.2.0.0/16"]);
    const names = (
      await t.ask("GET", "{rg}/providers/Microsoft.Resources/deployments/")
    ).json.value.map((one: Loose) => one.name);
    expect(names).toEqual(["d1", "inner"]);
  });

  test("warns of what is only kept", async () => {
    const redis = {
      type: "Microsoft.Cache/Redis",
      apiVersion: "2016-04-01",
      name: "r",
      location: "here",
      properties: {},
    };
    const outputs = {
      host: {
        type: "string",
        value: "[reference(resourceId('Microsoft.Cache/Redis', 'r')).hostName]",
      },
      key: {
        type: "string",
        value: "[listKeys(resourceId('Microsoft.Cache/Redis', 'r'), '2016-04-01').primaryKey]",
      },
    };
    const { shown } = await deploy(template([redis], { outputs }));
    expect(shown.properties.outputs.host.value).toBe("r.redis.cache.windows.net");
    expect(shown.properties.diagnostics.map((one: Loose) => one.code)).toEqual([
      "DeclaredOnly",
      "PlaceholderKeys",
    ]);
  });

  test("in mode Complete takes away what it does not name", async () => {
    await deploy(template([network("v"), network("w")]));
    const body = template([network("v")]);
    await deploy({ properties: { ...body.properties, mode: "Complete" } });
    expect((await t.ask("GET", `${NETWORKS}/v`)).status).toBe(200);
    expect((await t.ask("GET", `${NETWORKS}/w`)).status).toBe(404);
  });

  test("forgets its secrets when it is done", async () => {
    const body = template([network("v")], { parameters: { pw: { type: "securestring" } } });
    await deploy({
      properties: { ...body.properties, parameters: { pw: { value: "very-secret" } } },
    });
    expect(JSON.stringify(t.store.list("deployment", ""))).not.toContain("very-secret");
  });
});

describe("a deployment that is over", () => {
  test("is forgotten by DELETE; what it created stays", async () => {
    await deploy(template([network("v")]));
    expect((await t.ask("DELETE", DEPLOYMENT)).status).toBe(204);
    expect((await t.ask("GET", DEPLOYMENT)).status).toBe(404);
    expect((await t.ask("GET", `${NETWORKS}/v`)).status).toBe(200);
  });
});

describe("trying a deployment", () => {
  test("validate says what would be refused and does nothing", async () => {
    const good = await t.ask(
      "POST",
      `${DEPLOYMENT}/validate`,
      template([network("v"), subnet("10.0.0.0/24")]),
    );
    expect([good.status, good.json.properties.validatedResources.length]).toEqual([200, 2]);
    const bad = await t.ask(
      "POST",
      `${DEPLOYMENT}/validate`,
      template([network("v"), subnet("10.9.0.0/24")]),
    );
    expect([bad.status, bad.json.error.code]).toEqual([400, "InvalidTemplateDeployment"]);
    expect(bad.json.error.details[0].code).toBe("NetcfgInvalidSubnet");
    expect((await t.ask("GET", `${NETWORKS}/v`)).status).toBe(404);
    expect((await t.ask("GET", DEPLOYMENT)).status).toBe(404);
  });

  test("what is wrong in a template is told with its line, counted from the template's own", async () => {
    const text = (
      written: string,
    ) => `{"properties":{"mode":"Incremental", template:{ // as az sends it
  "resources": [
    { "type": "Microsoft.Network/virtualNetworks",
      "name": ${written},
      "properties": { "addressSpace": { "addressPrefixes": ["10.0.0.0/99"] } } }
  ]
}}}`;
    const said = async (written: string) => {
      const answer = await t.ask("POST", `${DEPLOYMENT}/validate`, text(written));
      expect(answer.status).toBe(400);
      return answer.json.error;
    };
    const unknown = await said(`"[concatt('a', 'b')]"`);
    expect(unknown.code).toBe("InvalidTemplate");
    expect(unknown.message).toMatch(/concatt.*at line '4' and column '7'.*Write concat\(\)/);
    const refused = await said(`"v"`);
    expect(refused.code).toBe("InvalidTemplateDeployment");
    expect(refused.details[0].message).toContain("at line '3' and column '5'");
  });

  test("what-if tells creation, change and no change", async () => {
    await deploy(template([network("v"), network("w")]));
    const wider = network("w", {
      properties: { addressSpace: { addressPrefixes: ["10.0.0.0/8"] } },
    });
    const { changes } = await whatIf(template([network("u"), network("v"), wider]));
    expect(changes.map((one: Loose) => [one.resourceId.split("/").at(-1), one.changeType])).toEqual(
      [
        ["u", "Create"],
        ["v", "NoChange"],
        ["w", "Modify"],
      ],
    );
    expect(changes[2].delta).toContainEqual({
      path: "properties.addressSpace.addressPrefixes",
      propertyChangeType: "Array",
      children: [
        {
          path: "0",
          propertyChangeType: "Modify",
          before: "10.0.0.0/16",
          after: "10.0.0.0/8",
        },
      ],
    });
  });

  test("what-if tells what the template does not name, and ids alone where only they are asked", async () => {
    const parts = {
      addressSpace: { addressPrefixes: ["10.0.0.0/16"] },
      subnets: [{ name: "s", properties: { addressPrefix: "10.0.0.0/24" } }],
    };
    await deploy(template([network("v"), network("w", { properties: parts })]));
    const kinds = (changes: Loose) =>
      changes.map((one: Loose) => [one.resourceId.split("/").at(-1), one.changeType]);
    const { properties } = template([network("v")]);
    expect(kinds((await whatIf({ properties })).changes)).toEqual([
      ["v", "NoChange"],
      ["w", "Ignore"],
    ]);
    const complete = { properties: { ...properties, mode: "Complete" } };
    expect(kinds((await whatIf(complete)).changes)).toEqual([
      ["v", "NoChange"],
      ["w", "Delete"],
    ]);
    const whatIfSettings = { resultFormat: "ResourceIdOnly" };
    const { changes } = await whatIf({ properties: { ...properties, whatIfSettings } });
    expect(kinds(changes)).toEqual([
      ["v", "Deploy"],
      ["w", "Ignore"],
    ]);
    expect(Object.keys(changes[0])).toEqual(["resourceId", "changeType"]);
    expect((await t.ask("GET", `${NETWORKS}/w`)).status).toBe(200);
    const odd = { properties: { ...properties, whatIfSettings: { resultFormat: "Poem" } } };
    expect((await t.ask("POST", `${DEPLOYMENT}/whatIf`, odd)).status).toBe(400);
  });

  test("what-if tells what a rule does to the environment behind it", async () => {
    const rules = (access: string) => ({
      type: "Microsoft.Network/networkSecurityGroups",
      apiVersion: "2022-01-01",
      name: "g",
      location: "here",
      properties: {
        securityRules: [
          {
            name: "Manage",
            properties: {
              ...{ access, direction: "Inbound", priority: 100, protocol: "Tcp" },
              ...{ sourceAddressPrefix: "AppServiceManagement", sourcePortRange: "*" },
              ...{ destinationAddressPrefix: "*", destinationPortRange: "454-455" },
            },
          },
        ],
      },
    });
    const inside = {
      ...subnet("10.0.0.0/24"),
      properties: {
        addressPrefix: "10.0.0.0/24",
        networkSecurityGroup: {
          id: "[resourceId('Microsoft.Network/networkSecurityGroups', 'g')]",
        },
      },
      dependsOn: ["v", "g"],
    };
    const environment = {
      type: "Microsoft.Web/hostingEnvironments",
      apiVersion: "2019-08-01",
      name: "demo",
      kind: "ASEV2",
      location: "here",
      dependsOn: ["v/s"],
      properties: {
        virtualNetwork: {
          id: "[resourceId('Microsoft.Network/virtualNetworks', 'v')]",
          subnet: "s",
        },
      },
    };
    const whole = template([rules("Allow"), network("v"), inside, environment]);
    const made = await whatIf(whole);
    const created = made.changes.find((one: Loose) => one.resourceId.endsWith("/demo"));
    expect(created.after.networkEffect[0]).toMatch(/flow/);
    expect((await deploy(whole)).end).toMatchObject({ status: "Succeeded" });
    const told = await whatIf(template([rules("Deny")]));
    const fares = told.changes.find((one: Loose) => one.resourceId.endsWith("/demo"));
    expect(fares).toMatchObject({ changeType: "Ignore", delta: [{ path: "networkEffect" }] });
    expect(fares.delta[0].children.map((one: Loose) => one.before ?? one.after)).toEqual(
      expect.arrayContaining([
        expect.stringContaining("suspended"),
        expect.stringMatching(/Manage/),
        expect.stringMatching(/^lost: inbound .*454-455/),
      ]),
    );
    expect(told.diagnostics).toContainEqual(
      expect.objectContaining({ level: "Error", code: "RequirementViolated" }),
    );
    expect((await whatIf(template([rules("Allow")]))).diagnostics).toEqual([]);
  });

  test("higher scopes are refused with what to do instead", async () => {
    const path = "providers/Microsoft.Resources/deployments/d";
    for (const scope of ["", "/providers/Microsoft.Management/managementGroups/m"]) {
      const put = await t.ask("PUT", `${scope}/${path}`, template([]));
      expect([put.status, put.json.error.code]).toEqual([400, "InvalidDeploymentScope"]);
    }
  });
});
