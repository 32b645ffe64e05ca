/** What ARM offers around every resource: conditions, pages, tags, moves, export. */
import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { openTestPlane, type TestPlane } from "../../test/support/plane.ts";

let t: TestPlane;
beforeEach(async () => {
  t = await openTestPlane();
  await t.ask("PUT", "{rg}", { location: "here" });
  await t.ask("PUT", "{s}/resourceGroups/rg2", { location: "here" });
});
afterEach(async () => {
  expect(t.world.defects).toEqual([]);
  await t.end();
});

const NETWORK = "{rg}/providers/Microsoft.Network";
const TABLE = `${NETWORK}/routeTables/t`;
const VNET = {
  location: "here",
  properties: {
    addressSpace: { addressPrefixes: ["10.0.0.0/16"] },
    subnets: [
      {
        name: "ase",
        properties: { addressPrefix: "10.0.0.0/24", routeTable: { id: TABLE } },
      },
    ],
  },
};

describe("conditions", () => {
  test("If-Match takes the etag of the last reading, and no other", async () => {
    const made = await t.ask("PUT", TABLE, { location: "here" }, { "If-None-Match": "*" });
    expect(made.status).toBe(201);
    const twice = await t.ask("PUT", TABLE, { location: "here" }, { "If-None-Match": "*" });
    expect([twice.status, twice.json.error.code]).toEqual([412, "PreconditionFailed"]);
    const read = await t.ask("GET", TABLE);
    const etag = read.headers.get("ETag") ?? "";
    expect(read.json.etag).toBe(etag);
    const body = { location: "here", tags: { a: "1" } };
    expect((await t.ask("PUT", TABLE, body, { "If-Match": etag })).status).toBe(200);
    const late = await t.ask("PATCH", TABLE, { tags: {} }, { "If-Match": etag });
    expect(late.status).toBe(412);
    expect((await t.ask("DELETE", TABLE, undefined, { "If-Match": etag })).status).toBe(412);
    expect((await t.ask("GET", TABLE)).json.tags).toEqual({ a: "1" });
    const none = `${NETWORK}/routeTables/none`;
    expect((await t.ask("PUT", none, { location: "here" }, { "If-Match": "*" })).status).toBe(412);
  });

  test("what did not change is not sent again, and HEAD says whether it is there", async () => {
    await t.ask("PUT", TABLE, { location: "here" });
    const etag = (await t.ask("GET", TABLE)).headers.get("ETag") ?? "";
    expect((await t.ask("GET", TABLE, undefined, { "If-None-Match": etag })).status).toBe(304);
    expect((await t.ask("HEAD", TABLE)).status).toBe(204);
    expect((await t.ask("HEAD", `${NETWORK}/routeTables/none`)).status).toBe(404);
  });
});

describe("lists", () => {
  test("come in pages that lead to the next one", async () => {
    for (const name of ["a", "b", "c"])
      await t.ask("PUT", `${NETWORK}/routeTables/${name}`, { location: "here" });
    const names: string[] = [];
    let next: string | undefined = `${NETWORK}/routeTables?$top=2`;
    while (next !== undefined) {
      const { json } = await t.ask("GET", next);
      names.push(...json.value.map((one: { name: string }) => one.name));
      next = json.nextLink;
    }
    expect(names).toEqual(["a", "b", "c"]);
    expect((await t.ask("GET", "{s}/resources?$top=none")).status).toBe(400);
  });

  test.each([
    ["tagName eq 'a' and tagValue eq '1'", ["t"]],
    ["tagName eq 'a' and tagValue eq '2'", []],
    ["tagname eq 'b'", ["u"]],
    ["substringof('T', name)", ["t"]],
    ["startswith(tagName, 'b')", ["u"]],
    ["resourceType eq 'microsoft.network/routetables' and name ne 't'", ["u"]],
  ])("filter by %s", async (filter, names) => {
    await t.ask("PUT", TABLE, { location: "here", tags: { a: "1", c: "2" } });
    await t.ask("PUT", `${NETWORK}/routeTables/u`, { location: "here", tags: { b: "2" } });
    const { json } = await t.ask("GET", `{s}/resources?$filter=${encodeURIComponent(filter)}`);
    expect(json.value.map((one: { name: string }) => one.name)).toEqual(names);
  });
});

test("api-versions are dates", async () => {
  const missing = await t.app.request("https://arm.test/subscriptions", {
    headers: { Authorization: "Bearer the-token-of-this-test" },
  });
  expect(await missing.text()).toContain("(?api-version=) is required for all requests");
  const wrong = await t.ask("GET", "/subscriptions?api-version=latest");
  expect([wrong.status, wrong.json.error.code]).toEqual([400, "InvalidApiVersionParameter"]);
  expect((await t.ask("GET", "/subscriptions?api-version=2020-04-01-preview")).status).toBe(200);
});

describe("tags", () => {
  const at = (scope: string) => `${scope}/providers/Microsoft.Resources/tags/default`;

  test("are replaced, merged and taken away at every scope", async () => {
    await t.ask("PUT", TABLE, { location: "here" });
    for (const scope of ["{s}", "{rg}", TABLE]) {
      const change = async (method: string, operation: string | undefined, tags: object) =>
        (await t.ask(method, at(scope), { operation, properties: { tags } })).json.properties.tags;
      expect(await change("PUT", undefined, { a: "1", b: "2" })).toEqual({ a: "1", b: "2" });
      expect(await change("PATCH", "Merge", { A: "3" })).toEqual({ A: "3", b: "2" });
      expect(await change("PATCH", "Delete", { b: "other" })).toEqual({ A: "3", b: "2" });
      expect(await change("PATCH", "Delete", { b: "2" })).toEqual({ A: "3" });
      expect(await change("PATCH", "Replace", { c: "4" })).toEqual({ c: "4" });
      expect((await t.ask("GET", at(scope))).json.properties.tags).toEqual({ c: "4" });
      expect((await t.ask("DELETE", at(scope))).status).toBe(200);
      expect((await t.ask("GET", at(scope))).json.properties.tags).toEqual({});
    }
  });

  test("wrong ones are refused with a reason", async () => {
    const put = (tags: unknown) => t.ask("PUT", at("{rg}"), { properties: { tags } });
    expect((await put({ a: 1 })).json.error.code).toBe("InvalidTags");
    expect((await put({ "a/b": "c" })).json.error.code).toBe("InvalidTagNameCharacters");
    const many = Object.fromEntries(Array.from({ length: 51 }, (_, index) => [`t${index}`, ""]));
    expect((await put(many)).json.error.code).toBe("TooManyTags");
    expect((await t.ask("GET", at("{s}/resourceGroups/none"))).status).toBe(404);
  });
});

describe("moves", () => {
  const move = (resources: readonly string[], action = "moveResources") =>
    t.ask("POST", `{rg}/${action}`, { resources, targetResourceGroup: "{s}/resourceGroups/rg2" });

  test("take references along", async () => {
    await t.ask("PUT", TABLE, { location: "here", tags: { a: "1" } });
    await t.ask("PUT", `${TABLE}/routes/r`, {
      properties: { addressPrefix: "10.9.0.0/16", nextHopType: "None" },
    });
    await t.ask("PUT", `${NETWORK}/virtualNetworks/v`, VNET);
    expect((await move([TABLE], "validateMoveResources")).status).toBe(204);
    const moved = await move([TABLE]);
    expect(moved.status).toBe(202);
    expect((await t.ask("GET", moved.headers.get("Location") ?? "")).status).toBe(204);
    expect((await t.ask("GET", TABLE)).status).toBe(404);
    const there = await t.ask("GET", TABLE.replace("{rg}", "{s}/resourceGroups/rg2"));
    expect([there.json.tags, there.json.properties.routes[0].name]).toEqual([{ a: "1" }, "r"]);
    const subnet = await t.ask("GET", `${NETWORK}/virtualNetworks/v/subnets/ase`);
    expect(subnet.json.properties.routeTable.id).toBe(there.json.id);
    expect((await t.ask("DELETE", there.json.id)).status).toBe(409);
  });

  test("of what cannot move, or is not there, change nothing", async () => {
    await t.ask("PUT", TABLE, { location: "here" });
    const address = `${NETWORK}/publicIPAddresses/p`;
    await t.ask("PUT", address, { location: "here" });
    const refused = async (ids: readonly string[]) => (await move(ids)).json.error.code;
    expect(await refused([TABLE, address])).toBe("ResourceMoveNotSupported");
    expect(await refused([TABLE, `${NETWORK}/routeTables/none`])).toBe("ResourceNotFound");
    await t.ask("PUT", TABLE.replace("{rg}", "{s}/resourceGroups/rg2"), { location: "here" });
    expect(await refused([TABLE])).toBe("ResourceMoveConflict");
    expect((await t.ask("POST", "{rg}/moveResources", {})).status).toBe(400);
    expect((await t.ask("GET", TABLE)).status).toBe(200);
  });
});

test("a group is exported as a template that makes it again", async () => {
  await t.ask("PUT", TABLE, { location: "here", tags: { a: "1" } });
  await t.ask("PUT", `${NETWORK}/virtualNetworks/v`, VNET);
  const { json } = await t.ask("POST", "{rg}/exportTemplate", { resources: ["*"] });
  const deployment = "{s}/resourceGroups/rg2/providers/Microsoft.Resources/deployments/d";
  const put = await t.ask("PUT", deployment, {
    properties: { mode: "Incremental", template: json.template },
  });
  expect((await t.follow(put))["status"]).toBe("Succeeded");
  const again = await t.ask("POST", "{s}/resourceGroups/rg2/exportTemplate", {});
  expect(again.json.template).toEqual(json.template);
  expect(json.template.resources[1].dependsOn).toEqual([
    "[resourceId('Microsoft.Network/routeTables', 't')]",
  ]);
});
