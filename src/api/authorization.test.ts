import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { type Answer, openTestPlane, type TestPlane } from "../../test/support/plane.ts";
import { ROLE_DEFINITIONS } from "../identity/role-definitions.ts";

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
const AUTHORIZATION = "providers/Microsoft.Authorization";
const TABLE = { location: "here" };

type Person = {
  readonly objectId: string;
  readonly ask: (method: string, path: string, body?: unknown) => Promise<Answer>;
};

async function person(...roles: readonly (readonly [role: string, scope: string])[]) {
  const application = t.identity.directory.addApplication({ displayName: "robot" });
  if (!application.ok) throw new Error(application.problem.what);
  const principal = t.identity.directory.addServicePrincipal({ appId: application.value.appId });
  if (!principal.ok) throw new Error(principal.problem.what);
  const { objectId } = principal.value;
  for (const [role, scope] of roles) await grant(objectId, role, scope);
  const { token } = await t.identity.tokens.access({
    principal: principal.value,
    audience: "https://arm.test/",
    clientId: application.value.appId,
  });
  const made: Person = {
    objectId,
    ask: (method, path, body) => t.ask(method, path, body, { Authorization: `Bearer ${token}` }),
  };
  return made;
}

async function grant(principalId: string, role: string, scope: string) {
  const roleDefinitionId = ROLE_DEFINITIONS.find(({ roleName }) => roleName === role)?.id ?? "";
  const name = crypto.randomUUID();
  const path = `${scope}/${AUTHORIZATION}/roleAssignments/${name}`;
  const put = await t.ask("PUT", path, { properties: { roleDefinitionId, principalId } });
  expect([put.status, put.text]).toEqual([201, expect.any(String)]);
  return path;
}

describe("roles", () => {
  test("hold at their scope and below, and nowhere else", async () => {
    const { ask } = await person(["Contributor", "{rg}"]);
    expect((await ask("PUT", `${NETWORK}/routeTables/t`, TABLE)).status).toBe(201);
    const elsewhere = await ask(
      "PUT",
      "{s}/resourceGroups/rg2/providers/Microsoft.Network/routeTables/t",
      TABLE,
    );
    expect([elsewhere.status, elsewhere.json.error.code]).toEqual([403, "AuthorizationFailed"]);
    expect(elsewhere.json.error.message).toContain("'Microsoft.Network/routeTables/write'");
    const lookalike = await ask("PUT", "{s}/resourceGroups/rg10", TABLE);
    expect(lookalike.status).toBe(403);
  });

  test("a reader reads and changes nothing; secrets are not his", async () => {
    const { ask } = await person(["Reader", "{s}"]);
    expect((await ask("GET", "{rg}")).status).toBe(200);
    for (const [method, path] of [
      ["PUT", "{rg}"],
      ["DELETE", "{rg}"],
      ["PUT", `${NETWORK}/routeTables/t`],
      ["POST", "{rg}/providers/Microsoft.Web/sites/a/config/appsettings/list"],
      ["PUT", "{rg}/providers/Microsoft.Resources/deployments/d"],
      ["POST", "/openase/exec"],
      ["PUT", `{rg}/${AUTHORIZATION}/locks/l`],
    ] as const)
      expect([method, path, (await ask(method, path, {})).status]).toEqual([method, path, 403]);
    expect((await ask("GET", "/openase/events")).status).toBe(200);
  });

  test("a contributor gives no roles and sets no locks; an access administrator does only that", async () => {
    const contributor = await person(["Contributor", "{s}"]);
    const administrator = await person(["User Access Administrator", "{s}"]);
    const path = `{rg}/${AUTHORIZATION}/roleAssignments/${crypto.randomUUID()}`;
    const body = {
      properties: {
        roleDefinitionId: ROLE_DEFINITIONS[2]?.id,
        principalId: contributor.objectId,
      },
    };
    expect((await contributor.ask("PUT", path, body)).status).toBe(403);
    expect((await administrator.ask("PUT", path, body)).status).toBe(201);
    const lock = { properties: { level: "ReadOnly" } };
    expect((await contributor.ask("PUT", `{rg}/${AUTHORIZATION}/locks/l`, lock)).status).toBe(403);
    expect((await administrator.ask("PUT", "{rg}", TABLE)).status).toBe(403);
  });

  test("lists show what may be read; who has no role sees no subscription", async () => {
    const narrow = await person(["Reader", "{rg}"]);
    const groups = await narrow.ask("GET", "{s}/resourcegroups");
    expect(groups.json.value.map(({ name }: { name: string }) => name)).toEqual(["rg1"]);
    expect((await narrow.ask("GET", "/subscriptions")).json.value).toHaveLength(1);
    expect((await narrow.ask("GET", "{s}/locations")).status).toBe(200);
    const stranger = await person();
    expect((await stranger.ask("GET", "/subscriptions")).json.value).toEqual([]);
    expect((await stranger.ask("GET", "{s}/resourcegroups")).status).toBe(403);
    expect((await stranger.ask("GET", "{s}")).status).toBe(403);
  });

  test("are taken away at once", async () => {
    const { ask, objectId } = await person();
    const path = await grant(objectId, "Reader", "{rg}");
    expect((await ask("GET", "{rg}")).status).toBe(200);
    expect((await t.ask("DELETE", path)).status).toBe(200);
    expect((await t.ask("DELETE", path)).status).toBe(204);
    expect((await ask("GET", "{rg}")).status).toBe(403);
  });

  test("assignments are listed at, above and below; bad ones are refused", async () => {
    const { objectId } = await person(["Reader", "{rg}"], ["Website Contributor", "{s}"]);
    const filter = encodeURIComponent(`principalId eq '${objectId}'`);
    const at = async (scope: string, more = "") => {
      const path = `${scope}/${AUTHORIZATION}/roleAssignments?$filter=${more}${filter}`;
      return (await t.ask("GET", path)).json.value.length;
    };
    expect(await at("{rg}")).toBe(2);
    expect(await at("{s}")).toBe(2);
    expect(await at("{s}", "atScope() and ")).toBe(1);
    const put = (name: string, properties: object) =>
      t.ask("PUT", `{rg}/${AUTHORIZATION}/roleAssignments/${name}`, { properties });
    const good = { roleDefinitionId: ROLE_DEFINITIONS[0]?.id, principalId: objectId };
    expect((await put("nobody", good)).json.error.code).toBe("InvalidRoleAssignmentId");
    const name = crypto.randomUUID();
    const unknown = await put(name, { ...good, principalId: crypto.randomUUID() });
    expect([unknown.status, unknown.json.error.code]).toEqual([400, "PrincipalNotFound"]);
    const role = await put(name, { ...good, roleDefinitionId: "/x/y" });
    expect(role.json.error.code).toBe("RoleDefinitionDoesNotExist");
    expect((await put(name, good)).status).toBe(201);
    const again = await put(crypto.randomUUID(), good);
    expect([again.status, again.json.error.code]).toEqual([409, "RoleAssignmentExists"]);
  });

  test("a deployment may do what its caller may do", async () => {
    const { ask } = await person(["Network Contributor", "{rg}"]);
    const template = {
      $schema: "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
      contentVersion: "1.0.0.0",
      resources: [
        {
          type: "Microsoft.Network/routeTables",
          apiVersion: "2021-08-01",
          name: "t",
          location: "here",
        },
        { type: "Microsoft.Cache/Redis", apiVersion: "2020-06-01", name: "r", location: "here" },
      ],
    };
    const path = "{rg}/providers/Microsoft.Resources/deployments/d";
    const put = await ask("PUT", path, { properties: { mode: "Incremental", template } });
    expect(put.status).toBe(201);
    const ended = await t.follow(put);
    expect(JSON.stringify(ended)).toContain("AuthorizationFailed");
    expect((await t.ask("GET", `${NETWORK}/routeTables/t`)).status).toBe(200);
    expect((await t.ask("GET", "{rg}/providers/Microsoft.Cache/Redis/r")).status).toBe(404);
  });
});

test("whoever lets a resource use another must be allowed to", async () => {
  await t.ask("PUT", `${NETWORK}/virtualNetworks/v`, {
    location: "here",
    properties: {
      addressSpace: { addressPrefixes: ["10.0.0.0/16"] },
      subnets: [{ name: "ase", properties: { addressPrefix: "10.0.0.0/24" } }],
    },
  });
  const table = "{s}/resourceGroups/rg2/providers/Microsoft.Network/routeTables/t";
  await t.ask("PUT", table, TABLE);
  const { ask, objectId } = await person(["Network Contributor", "{rg}"]);
  const subnet = `${NETWORK}/virtualNetworks/v/subnets/ase`;
  const body = { properties: { addressPrefix: "10.0.0.0/24", routeTable: { id: table } } };
  const refused = await ask("PUT", subnet, body);
  expect([refused.status, refused.json.error.code]).toEqual([403, "LinkedAuthorizationFailed"]);
  expect(refused.json.error.message).toContain("Microsoft.Network/routeTables/join/action");
  await grant(objectId, "Network Contributor", "{s}/resourceGroups/rg2");
  expect((await ask("PUT", subnet, body)).status).toBe(200);
});

describe("locks", () => {
  const lock = (scope: string, level: string) =>
    t.ask("PUT", `${scope}/${AUTHORIZATION}/locks/keep`, { properties: { level, notes: "n" } });

  test("CanNotDelete holds up deletion of the thing, of its parts and of what contains it", async () => {
    await t.ask("PUT", `${NETWORK}/routeTables/t`, TABLE);
    expect((await lock(`${NETWORK}/routeTables/t`, "CanNotDelete")).status).toBe(201);
    expect((await lock(`${NETWORK}/routeTables/t`, "cannotdelete")).status).toBe(200);
    for (const path of [`${NETWORK}/routeTables/t`, `${NETWORK}/routeTables/t/routes/r`, "{rg}"]) {
      const answer = await t.ask("DELETE", path);
      expect([path, answer.status, answer.json.error.code]).toEqual([path, 409, "ScopeLocked"]);
    }
    expect((await t.ask("PUT", `${NETWORK}/routeTables/t`, TABLE)).status).toBe(200);
    const listed = await t.ask("GET", `{rg}/${AUTHORIZATION}/locks`);
    expect(listed.json.value[0].properties).toEqual({ level: "CanNotDelete", notes: "n" });
    const gone = await t.ask("DELETE", `${NETWORK}/routeTables/t/${AUTHORIZATION}/locks/keep`);
    expect(gone.status).toBe(200);
    expect((await t.ask("DELETE", `${NETWORK}/routeTables/t`)).status).toBe(202);
  });

  test("ReadOnly holds up every change below it, deployments too", async () => {
    await lock("{s}", "ReadOnly");
    expect((await t.ask("PUT", `${NETWORK}/routeTables/t`, TABLE)).status).toBe(409);
    expect((await t.ask("POST", `${NETWORK}/networkWatchers/w/topology`, {})).status).toBe(409);
    const deployment = await t.ask("PUT", "{rg}/providers/Microsoft.Resources/deployments/d", {});
    expect(deployment.json.error.code).toBe("ScopeLocked");
    expect((await t.ask("GET", "{rg}")).status).toBe(200);
  });

  test("need a level, a name and a place that exists", async () => {
    expect((await lock("{rg}", "Loose")).json.error.code).toBe("InvalidLockLevel");
    expect((await lock("{s}/resourceGroups/none", "ReadOnly")).json.error.code).toBe(
      "ResourceGroupNotFound",
    );
    expect((await lock(`${NETWORK}/routeTables/none`, "ReadOnly")).status).toBe(404);
    const none = await t.ask("GET", `{rg}/${AUTHORIZATION}/locks/none`);
    expect([none.status, none.json.error.code]).toEqual([404, "LockNotFound"]);
  });
});

describe("the directory", () => {
  test("a client is made as az does it, signs in, and is gone when it is deleted", async () => {
    const application = await t.ask("POST", "/v1.0/applications", { displayName: "ci" });
    const { appId, id } = application.json;
    const principal = await t.ask("POST", "/v1.0/servicePrincipals", { appId });
    expect([application.status, principal.status]).toEqual([201, 201]);
    const secret = await t.ask("POST", `/v1.0/applications/${id}/addPassword`, {
      passwordCredential: { displayName: "rbac", endDateTime: "2099-01-01T00:00:00Z" },
    });
    const { secretText } = secret.json;
    expect(secretText).toMatch(/^.{40}$/);
    const shown = await t.ask("GET", `/v1.0/applications/${id}`);
    expect(shown.text).not.toContain(secretText);
    expect(JSON.stringify(t.store.list("application", ""))).not.toContain(secretText);
    const found = await t.ask(
      "GET",
      `/v1.0/servicePrincipals?$filter=${encodeURIComponent(`servicePrincipalNames/any(c:c eq '${appId}')`)}`,
    );
    expect(found.json.value).toHaveLength(1);
    expect((await t.identity.signIn.client(appId, secretText)).ok).toBe(true);
    expect((await t.ask("DELETE", `/v1.0/applications/${id}`)).status).toBe(204);
    expect((await t.identity.signIn.client(appId, secretText)).ok).toBe(false);
    expect((await t.ask("GET", `/v1.0/servicePrincipals/${principal.json.id}`)).status).toBe(404);
  });

  test("is changed by those who may give roles, and read by all who have one", async () => {
    const contributor = await person(["Contributor", "{s}"]);
    expect((await contributor.ask("GET", "/v1.0/servicePrincipals")).status).toBe(200);
    const refused = await contributor.ask("POST", "/v1.0/applications", { displayName: "x" });
    expect([refused.status, refused.json.error.code]).toEqual([403, "Authorization_RequestDenied"]);
    expect((await (await person()).ask("GET", "/v1.0/users")).status).toBe(403);
    expect((await contributor.ask("GET", "/v1.0/me")).status).toBe(400);
  });

  test("users are made, found, renamed and removed", async () => {
    const user = {
      userPrincipalName: "ada@openase.test",
      displayName: "Ada",
      passwordProfile: { password: "correct horse" },
    };
    expect((await t.ask("POST", "/v1.0/users", user)).status).toBe(201);
    expect((await t.ask("POST", "/v1.0/users", user)).status).toBe(400);
    expect((await t.ask("POST", "/v1.0/users", { ...user, passwordProfile: {} })).status).toBe(400);
    const at = "/v1.0/users/ada@openase.test";
    expect((await t.ask("PATCH", at, { displayName: "Countess" })).status).toBe(204);
    const filter = encodeURIComponent("startswith(displayName,'count')");
    expect((await t.ask("GET", `/v1.0/users?$filter=${filter}`)).json.value).toHaveLength(1);
    const odd = encodeURIComponent("displayName ne 'x'");
    expect((await t.ask("GET", `/v1.0/users?$filter=${odd}`)).status).toBe(400);
    expect((await t.ask("DELETE", at)).status).toBe(204);
    expect((await t.ask("GET", at)).status).toBe(404);
  });
});

describe("the activity log", () => {
  const log = async (filter = "") => {
    const path = "{s}/providers/Microsoft.Insights/eventtypes/management/values";
    const query = filter === "" ? "" : `?$filter=${encodeURIComponent(filter)}`;
    return (await t.ask("GET", `${path}${query}`)).json.value;
  };

  test("tells who did what, when, and how it ended", async () => {
    const { ask, objectId } = await person(["Reader", "{s}"]);
    t.world.status = () => ({ state: "pending" });
    await t.ask("PUT", `${NETWORK}/routeTables/t`, TABLE);
    await ask("DELETE", `${NETWORK}/routeTables/t`);
    const [refused, accepted] = await log("resourceGroupName eq 'RG1'");
    expect(refused).toMatchObject({
      operationName: { value: "Microsoft.Network/routeTables/delete" },
      status: { value: "Failed" },
      subStatus: { value: "Forbidden" },
      authorization: { action: "Microsoft.Network/routeTables/delete" },
    });
    const claims = Object.values(refused.claims);
    expect(claims).toEqual([objectId]);
    expect(accepted.status.value).toBe("Accepted");
    t.world.status = () => ({ state: "reached" });
    t.world.settle();
    const [ended] = await log("resourceGroupName eq 'rg1'");
    expect([ended.operationName.value, ended.status.value]).toEqual([
      "Microsoft.Network/routeTables/write",
      "Succeeded",
    ]);
  });

  test("is asked for by time, and reading is not written down", async () => {
    await t.ask("GET", "{rg}");
    expect(await log("eventTimestamp ge 2999-01-01T00:00:00")).toEqual([]);
    const all = await log(
      "eventTimestamp ge 2020-01-01 and eventTimestamp le 2999-01-01T00:00:00Z",
    );
    const actions = all.map((one: { operationName: { value: string } }) => one.operationName.value);
    expect(actions).toEqual([
      "Microsoft.Resources/subscriptions/resourceGroups/write",
      "Microsoft.Resources/subscriptions/resourceGroups/write",
    ]);
  });
});

test("calls are counted, and too many are refused with the time to wait", async () => {
  await t.end();
  const few = { capacity: 3, perSecond: 0.5 };
  t = await openTestPlane(undefined, { reads: few, writes: few, deletes: few });
  await t.ask("PUT", "{rg}", { location: "here" });
  const { ask } = await person(["Reader", "{s}"]);
  const header = "x-ms-ratelimit-remaining-subscription-reads";
  const left: (string | null)[] = [];
  for (let count = 0; count < 3; count += 1)
    left.push((await ask("GET", "{rg}")).headers.get(header));
  expect(left).toEqual(["2", "1", "0"]);
  const refused = await ask("GET", "{rg}");
  expect([refused.status, refused.json.error.code]).toEqual([429, "TooManyRequests"]);
  expect(refused.headers.get("Retry-After")).toMatch(/^[12]$/);
  expect((await t.ask("GET", "{rg}")).status).toBe(200);
  t.clock.aheadMs = 60_000;
  expect((await ask("GET", "{rg}")).headers.get(header)).toBe("2");
});
