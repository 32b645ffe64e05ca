import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { openTestPlane, type TestPlane } from "../../test/support/plane.ts";

let t: TestPlane;
beforeEach(async () => {
  t = await openTestPlane();
  await t.ask("PUT", "{rg}", { location: "here" });
});
afterEach(async () => {
  expect(t.world.defects).toEqual([]);
  await t.end();
});

const NETWORK = "{rg}/providers/Microsoft.Network";
const VNET = {
  location: "here",
  properties: {
    addressSpace: { addressPrefixes: ["10.0.0.0/16"] },
    subnets: [{ name: "ase", properties: { addressPrefix: "10.0.0.0/24" } }],
  },
};

describe("access", () => {
  test("without a token, or with a wrong one, the answer is 401 with a challenge", async () => {
    for (const header of ["", "Bearer wrong", "Basic abc"]) {
      const answer = await t.ask("GET", "/subscriptions", undefined, { Authorization: header });
      expect(answer.status).toBe(401);
      expect(answer.headers.get("WWW-Authenticate")).toMatch(/^Bearer authorization_uri="https:/);
      expect(answer.json.error.code).toMatch(/^(AuthenticationFailed|InvalidAuthenticationToken)$/);
    }
  });

  test("where to sign in is told to everybody, in three shapes", async () => {
    const at = async (version: string) =>
      (
        await t.ask("GET", `//metadata/endpoints?api-version=${version}`, undefined, {
          Authorization: "",
        })
      ).json;
    expect((await at("2015-01-01")).authentication.loginEndpoint).toBe("https://arm.test/adfs");
    expect((await at("2019-05-01"))[0].name).toBe("OpenASE");
    expect((await at("2022-09-01")).resourceManager).toBe("https://arm.test/");
  });
});

describe("requests", () => {
  test("the api-version is required and any is taken", async () => {
    const without = await t.app.request("https://arm.test/subscriptions", {
      headers: { Authorization: "Bearer the-token-of-this-test" },
    });
    expect(without.status).toBe(400);
    expect(await without.json()).toMatchObject({ error: { code: "MissingApiVersionParameter" } });
    expect((await t.ask("GET", "/subscriptions?api-version=1999-01-01")).status).toBe(200);
  });

  test("every answer carries the ids by which it is found again", async () => {
    const answer = await t.ask("GET", "/subscriptions", undefined, {
      "x-ms-correlation-request-id": "abc-1",
    });
    expect(answer.headers.get("x-ms-request-id")).toMatch(/^[\da-f-]{36}$/);
    expect(answer.headers.get("x-ms-correlation-request-id")).toBe("abc-1");
  });

  test("paths are read in any casing and with doubled slashes", async () => {
    await t.ask("PUT", `${NETWORK}/virtualNetworks/Vnet1`, VNET);
    const answer = await t.ask(
      "GET",
      "{s}/RESOURCEgroups/RG1/providers/microsoft.network//VIRTUALNETWORKS/vNET1",
    );
    expect(answer.status).toBe(200);
    expect(answer.json.name).toBe("Vnet1");
  });

  test("what is not offered, unreadable or too large is refused with a reason", async () => {
    expect((await t.ask("GET", "/nothing/here")).json.error.code).toBe(
      "ResourceTypeOrActionNotFound",
    );
    const broken = await t.ask("PUT", `${NETWORK}/virtualNetworks/v`, '{"a": ');
    expect([broken.status, broken.json.error.code]).toEqual([400, "InvalidRequestContent"]);
    const large = await t.ask(
      "PUT",
      `${NETWORK}/virtualNetworks/v`,
      JSON.stringify("x".repeat(5_000_000)),
    );
    expect(large.status).toBe(413);
    expect((await t.ask("GET", `${NETWORK}/virtualNetworks/a%2Fb`)).status).toBe(400);
  });

  test("only the subscription of this installation is known", async () => {
    const answer = await t.ask(
      "GET",
      "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups",
    );
    expect([answer.status, answer.json.error.code]).toEqual([404, "SubscriptionNotFound"]);
  });
});

describe("resource groups", () => {
  test("are created, listed, asked for and deleted with all that stands in them", async () => {
    expect((await t.ask("PUT", "{s}/resourcegroups/rg2", { location: "here" })).status).toBe(201);
    expect(
      (await t.ask("PUT", "{s}/resourcegroups/rg2", { location: "here", tags: { a: "b" } })).status,
    ).toBe(200);
    expect((await t.ask("HEAD", "{s}/resourcegroups/rg2")).status).toBe(204);
    expect((await t.ask("HEAD", "{s}/resourcegroups/rg3")).status).toBe(404);
    const names = (await t.ask("GET", "{s}/resourcegroups")).json.value.map(
      (one: { name: string }) => one.name,
    );
    expect(names).toEqual(["rg1", "rg2"]);
    await t.ask("PUT", `${NETWORK}/virtualNetworks/v`, VNET);
    const deleted = await t.ask("DELETE", "{rg}");
    expect(deleted.status).toBe(202);
    const location = deleted.headers.get("Location") ?? "";
    expect(location).toMatch(/^https:\/\/arm\.test\/subscriptions\//);
    t.world.settle();
    expect((await t.ask("GET", location)).status).toBe(204);
    const gone = await t.ask("GET", `${NETWORK}/virtualNetworks/v`);
    expect([gone.status, gone.json.error.code]).toEqual([404, "ResourceGroupNotFound"]);
    expect((await t.ask("DELETE", "{rg}")).json.error.code).toBe("ResourceGroupNotFound");
  });
});

describe("resources", () => {
  test("a write answers with its operation, which ends when the world is as wanted", async () => {
    t.world.status = () => ({ state: "pending" });
    const put = await t.ask("PUT", `${NETWORK}/virtualNetworks/v`, VNET);
    expect(put.status).toBe(201);
    const url = put.headers.get("Azure-AsyncOperation") ?? "";
    const running = await t.ask("GET", url);
    expect([running.status, running.json.status]).toEqual([200, "InProgress"]);
    expect(running.headers.get("Retry-After")).toBe("1");
    t.world.status = () => ({ state: "reached" });
    t.world.settle();
    expect((await t.ask("GET", url)).json.status).toBe("Succeeded");
  });

  test("an operation that fails tells why", async () => {
    t.world.status = () => ({
      state: "failed",
      problem: { code: "FabricCommandFailed", what: "nft said no", fix: "Ask it why." },
    });
    const put = await t.ask("PUT", `${NETWORK}/virtualNetworks/v`, VNET);
    expect(await t.follow(put)).toMatchObject({
      status: "Failed",
      error: { code: "FabricCommandFailed", message: "nft said no. Ask it why." },
    });
  });

  test("parts are resources, lists hold them, and a list that is given replaces them", async () => {
    await t.ask("PUT", `${NETWORK}/virtualNetworks/v`, VNET);
    const subnets = `${NETWORK}/virtualNetworks/v/subnets`;
    expect(
      (await t.ask("PUT", `${subnets}/more`, { properties: { addressPrefix: "10.0.1.0/24" } }))
        .status,
    ).toBe(201);
    const names = async () =>
      (await t.ask("GET", subnets)).json.value.map((one: { name: string }) => one.name);
    expect(await names()).toEqual(["ase", "more"]);
    const { properties } = VNET;
    await t.ask("PUT", `${NETWORK}/virtualNetworks/v`, {
      ...VNET,
      properties: { addressSpace: properties.addressSpace },
    });
    expect(await names()).toEqual(["ase", "more"]);
    await t.ask("PUT", `${NETWORK}/virtualNetworks/v`, VNET);
    expect(await names()).toEqual(["ase"]);
  });

  test("PATCH changes what it names and keeps the rest", async () => {
    await t.ask("PUT", `${NETWORK}/virtualNetworks/v`, { ...VNET, tags: { a: "1" } });
    const patched = await t.ask("PATCH", `${NETWORK}/virtualNetworks/v`, { tags: { b: "2" } });
    expect(patched.status).toBe(200);
    expect(patched.json.tags).toEqual({ b: "2" });
    expect(patched.json.properties.subnets).toHaveLength(1);
    expect((await t.ask("PATCH", `${NETWORK}/virtualNetworks/w`, {})).status).toBe(404);
  });

  test("what is not there is 404 with the code clients look for", async () => {
    const answer = await t.ask("GET", `${NETWORK}/virtualNetworks/none`);
    expect([answer.status, answer.json.error.code]).toEqual([404, "ResourceNotFound"]);
    expect((await t.ask("DELETE", `${NETWORK}/virtualNetworks/none`)).status).toBe(204);
    const orphan = await t.ask("PUT", `${NETWORK}/virtualNetworks/none/subnets/s`, {
      properties: { addressPrefix: "10.0.0.0/24" },
    });
    expect([orphan.status, orphan.json.error.code]).toEqual([404, "ParentResourceNotFound"]);
  });

  test("neighbours are minded: overlaps, ranges, references, removal of what is in use", async () => {
    await t.ask("PUT", `${NETWORK}/virtualNetworks/v`, VNET);
    const subnet = (prefix: string, more = {}) =>
      t.ask("PUT", `${NETWORK}/virtualNetworks/v/subnets/two`, {
        properties: { addressPrefix: prefix, ...more },
      });
    expect((await subnet("10.0.0.128/25")).json.error.code).toBe("NetcfgSubnetRangesOverlap");
    expect((await subnet("10.1.0.0/24")).json.error.code).toBe("NetcfgInvalidSubnet");
    const group = { networkSecurityGroup: { id: `${NETWORK}/networkSecurityGroups/g` } };
    expect((await subnet("10.0.1.0/24", group)).json.error.code).toBe("InvalidResourceReference");
    await t.ask("PUT", `${NETWORK}/networkSecurityGroups/g`, { location: "here" });
    expect((await subnet("10.0.1.0/24", group)).status).toBe(201);
    const used = await t.ask("DELETE", `${NETWORK}/networkSecurityGroups/g`);
    expect([used.status, used.json.error.code]).toEqual([
      409,
      "InUseNetworkSecurityGroupCannotBeDeleted",
    ]);
    expect((await t.ask("DELETE", `${NETWORK}/virtualNetworks/v`)).status).toBe(202);
    expect((await t.ask("DELETE", `${NETWORK}/networkSecurityGroups/g`)).status).toBe(202);
  });

  test("a refused write leaves nothing behind", async () => {
    const body = {
      ...VNET,
      properties: {
        ...VNET.properties,
        subnets: [
          ...VNET.properties.subnets,
          { name: "x", properties: { addressPrefix: "10.0.0.0/25" } },
        ],
      },
    };
    expect((await t.ask("PUT", `${NETWORK}/virtualNetworks/v`, body)).status).toBe(400);
    expect((await t.ask("GET", `${NETWORK}/virtualNetworks/v`)).status).toBe(404);
  });

  test("lists over the subscription and the filters of `az resource list`", async () => {
    await t.ask("PUT", `${NETWORK}/virtualNetworks/v`, VNET);
    await t.ask("PUT", "{rg}/providers/Microsoft.Cache/Redis/r", {
      location: "here",
      properties: {},
    });
    const names = async (path: string) =>
      (await t.ask("GET", path)).json.value.map((one: { name: string }) => one.name);
    expect(await names("{s}/providers/Microsoft.Network/virtualNetworks")).toEqual(["v"]);
    expect(await names("{s}/resources")).toEqual(["r", "v"]);
    expect(await names("{rg}/resources")).toEqual(["r", "v"]);
    expect(
      await names(
        "{s}/resources?$filter=resourceGroup eq 'RG1' and resourceType eq 'microsoft.cache/redis'",
      ),
    ).toEqual(["r"]);
    expect((await t.ask("GET", "{s}/resources?$filter=nonsense")).status).toBe(400);
    const [first] = (await t.ask("GET", "{s}/resources?$expand=createdTime,provisioningState")).json
      .value;
    expect(first).toMatchObject({
      createdTime: expect.any(String),
      provisioningState: "Succeeded",
    });
  });

  test("providers advertise the versions that clients pick from", async () => {
    const web = (await t.ask("GET", "{s}/providers/microsoft.web")).json;
    const type = web.resourceTypes.find(
      (one: { resourceType: string }) => one.resourceType === "hostingEnvironments",
    );
    expect(type.apiVersions[0]).toMatch(/^\d{4}-\d\d-\d\d$/);
    expect(
      (await t.ask("POST", "{s}/providers/Microsoft.Web/register")).json.registrationState,
    ).toBe("Registered");
  });
});

describe("what the command line asks", () => {
  test("events are listed, and waited for", async () => {
    const { newest } = (await t.ask("GET", "/openase/events")).json;
    const waiting = t.ask("GET", `/openase/events?after=${newest}&wait=30`);
    await t.ask("PUT", `${NETWORK}/virtualNetworks/v`, VNET);
    const answer = (await waiting).json;
    expect(answer.events[0]).toMatchObject({
      sequence: newest + 1,
      code: "ResourceCreated",
      level: "info",
    });
    expect((await t.ask("GET", "/openase/events?after=x")).status).toBe(400);
  });

  test("a command's output flows as lines, its exit code last", async () => {
    const answer = await t.ask("POST", "/openase/exec", { at: "internet", argv: ["echo", "hi"] });
    expect(answer.headers.get("Content-Type")).toBe("application/x-ndjson");
    expect(
      answer.text
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line)),
    ).toEqual([
      { stream: "stdout", chunk: "echo hi" },
      { stream: "stderr", chunk: "late" },
      { exitCode: 3 },
    ]);
    const nowhere = await t.ask("POST", "/openase/exec", { at: "moon", argv: ["x"] });
    expect([nowhere.status, nowhere.json.error.code]).toEqual([404, "PlaceNotFound"]);
    expect((await t.ask("POST", "/openase/exec", { at: "internet", argv: "x" })).status).toBe(400);
  });

  test("version, logs and world", async () => {
    expect((await t.ask("GET", "/openase/version")).json).toMatchObject({
      version: "1.2.3",
      location: "here",
    });
    expect((await t.ask("GET", "/openase/logs?site=a&lines=7")).json.value[0]).toMatchObject({
      program: "a",
      text: "7",
    });
    expect((await t.ask("GET", "/openase/world")).json.places).toEqual(["internet"]);
  });
});
