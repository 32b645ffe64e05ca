/** Azure's own command line: joining, resource groups, tags, locks, roles, resources, rest. */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { type Az, openAz, startAz } from "./support/az.ts";
import { type ClientServer, openClientServer } from "./support/client-server.ts";

let server: ClientServer;
let az: Az;
beforeAll(async () => {
  server = await openClientServer();
  az = openAz(server);
}, 120_000);
afterAll(async () => {
  await az?.close();
  await server?.close();
});

const TABLES = "--resource-type Microsoft.Network/routeTables";

describe("joining", () => {
  test("ase az is signed in, to a cloud of its own", async () => {
    const account = await az.json("account show");
    expect(account).toMatchObject({ environmentName: "OpenASE", id: server.subscription });
    expect((await az.json("account list")).length).toBe(1);
    expect(await az.text("account list-locations -o table")).toContain(server.location);
    const token = await az.json("account get-access-token");
    expect(token.accessToken).toMatch(/^ey/);
  });

  test("secrets stand in files of their owner, and are not printed", () => {
    const printed = server.ase("az", "--print-env");
    const secret = readFileSync(join(server.home.az, "client-secret"), "utf8");
    expect(printed).not.toContain(secret);
    for (const file of ["az/client-secret", "pki/token-keys.json", "run/token", "az/joined.json"])
      expect(statSync(join(server.home.folder, file)).mode & 0o777).toBe(0o600);
    expect(readFileSync(server.home.log, "utf8")).not.toContain(secret);
  });

  test("plain az joins by the recipe of the docs; users sign in with a password", async () => {
    const made = await az.json(
      "ad user create --display-name Ada --user-principal-name ada@openase.test --password 'correct horse'",
    );
    await az.json(
      `role assignment create --role Reader --assignee-object-id ${made.id} --assignee-principal-type User --scope {s}`,
    );
    const variables = {
      ...server.variables(),
      AZURE_CONFIG_DIR: join(server.home.az, "by-hand"),
      AZURE_CORE_INSTANCE_DISCOVERY: "",
    };
    const other = startAz(server, variables);
    try {
      await other.text(`cloud register -n ByHand --endpoint-resource-manager ${server.origin}/`);
      await other.text("cloud set -n ByHand");
      const [signedIn] = await other.json("login -u ada@openase.test -p 'correct horse'");
      expect(signedIn.user).toEqual({ name: "ada@openase.test", type: "user" });
      expect(await other.refused("group create -n no -l local")).toContain("AuthorizationFailed");
      expect(await other.refused("login -u ada@openase.test -p wrong-one")).toContain(
        "AADSTS50126",
      );
    } finally {
      await other.close();
    }
  }, 60_000);
});

describe("groups, resources and tags", () => {
  test("are made, listed, changed and removed", async () => {
    await az.text("group create -n rg1 -l local --tags a=b c=d");
    expect(await az.json("group exists -n rg1")).toBe(true);
    expect(await az.json("group exists -n rg2")).toBe(false);
    expect((await az.json("group update -n rg1 --set tags.e=f")).tags.e).toBe("f");
    expect(await az.json("group list --tag a=b --query [].name")).toEqual(["rg1"]);
    expect(await az.json("group list --tag a=c --query [].name")).toEqual([]);
    expect((await az.run("group show -n none")).code).toBe(3);
    await az.text("network route-table create -g rg1 -n rt1");
    await az.text(`resource create -g rg1 -n rt2 ${TABLES} --properties {} -l local`);
    const listed = await az.text("resource list -g rg1 -o table");
    expect(listed).toMatch(/rt1 .*Microsoft\.Network\/routeTables/);
    const one = `-g rg1 -n rt1 ${TABLES}`;
    expect((await az.json(`resource show ${one}`)).name).toBe("rt1");
    expect(await az.json(`resource tag --tags t=1 ${one} --query tags`)).toEqual({ t: "1" });
    expect(await az.json(`resource update ${one} --set tags.u=2 --query tags`)).toEqual({
      t: "1",
      u: "2",
    });
    expect(await az.json("resource list --tag t=1 --query [].name")).toEqual(["rt1"]);
    await az.text(`resource delete -g rg1 -n rt2 ${TABLES}`);
    expect((await az.run(`resource show -g rg1 -n rt2 ${TABLES}`)).code).toBe(3);
  });

  test("tags stand at every scope", async () => {
    const at = "--resource-id {s}/resourceGroups/rg1";
    const tags = async (words: string) => (await az.json(`tag ${words}`)).properties.tags;
    expect(await tags(`create ${at} --tags x=y`)).toEqual({ x: "y" });
    expect(await tags(`update ${at} --operation Merge --tags z=1`)).toEqual({ x: "y", z: "1" });
    expect(await tags(`update ${at} --operation Delete --tags x=y`)).toEqual({ z: "1" });
    expect(await tags(`list ${at}`)).toEqual({ z: "1" });
    expect(await tags("create --resource-id {s} --tags whole=yes")).toEqual({ whole: "yes" });
    await az.text("tag create -n dept");
    await az.text("tag add-value -n dept --value it");
    expect(await az.json("tag list --query [].tagName")).toEqual(["dept", "t", "u", "z"]);
    await az.text(`tag delete ${at} -y`);
    expect(await tags(`list ${at}`)).toEqual({});
  });

  test("the API is reached as it is, and its errors are Azure's", async () => {
    const url = "--url {s}/resourceGroups/rg1";
    expect((await az.json(`rest --method get ${url}?api-version=2021-04-01`)).name).toBe("rg1");
    expect(await az.refused(`rest --method get ${url}`)).toContain("MissingApiVersionParameter");
    const wrong = await az.refused(`rest --method get ${url}?api-version=soon`);
    expect(wrong).toContain("InvalidApiVersionParameter");
    expect(await az.json("provider show -n Microsoft.Web --query registrationState")).toBe(
      "Registered",
    );
    expect(await az.text("provider operation show --namespace Microsoft.Web")).toContain(
      "Microsoft.Web/sites/read",
    );
  });
});

describe("locks and roles", () => {
  test("a lock holds up deletion until it is removed", async () => {
    await az.text(`lock create -n keep -g rg1 --lock-type CanNotDelete`);
    expect(await az.text("lock list -o table")).toMatch(/CanNotDelete +keep +rg1/);
    expect(await az.refused("group delete -n rg1 -y")).toContain("(ScopeLocked)");
    await az.text("lock delete -n keep -g rg1");
    await az.text(
      `resource lock create -n keep -g rg1 --resource rt1 ${TABLES} --lock-type ReadOnly`,
    );
    expect(await az.refused("network route-table update -g rg1 -n rt1 --tags a=b")).toContain(
      "ScopeLocked",
    );
    await az.text(`resource lock delete -n keep -g rg1 --resource rt1 ${TABLES}`);
  });

  test("a robot is made, may what its role says, and is told what it may not", async () => {
    const robot = await az.json(
      "ad sp create-for-rbac -n ci --role 'Network Contributor' --scopes {s}/resourceGroups/rg1",
    );
    const listed = await az.json("role assignment list -g rg1");
    expect(listed[0]).toMatchObject({
      principalName: robot.appId,
      roleDefinitionName: "Network Contributor",
    });
    expect(await az.text("role assignment list --all -o table")).toContain("Owner");
    const folder = join(server.home.az, "robot");
    const other = startAz(server, { ...server.variables(), AZURE_CONFIG_DIR: folder });
    try {
      await other.text(`cloud register -n C --cloud-config @${join(server.home.az, "cloud.json")}`);
      await other.text("cloud set -n C");
      await other.text(
        `login --service-principal -u ${robot.appId} -p ${robot.password} --tenant ${robot.tenant}`,
      );
      await other.text("network nsg create -g rg1 -n nsg1");
      expect(await other.json("group list --query [].name")).toEqual(["rg1"]);
      const refused = await other.refused("group create -n rg9 -l local");
      expect(refused).toContain("(AuthorizationFailed)");
      expect(refused).toContain("Microsoft.Resources/subscriptions/resourceGroups/write");
      const role = "role assignment delete --role 'Network Contributor' -g rg1";
      await az.text(`${role} --assignee ${robot.appId}`);
      expect(await other.refused("network nsg list -g rg1")).toContain("AuthorizationFailed");
    } finally {
      await other.close();
    }
    await az.text(`ad sp delete --id ${robot.appId}`);
  }, 60_000);

  test("what happened is in the activity log", async () => {
    const query = "[].[operationName.value,status.value]";
    const log = await az.json(`monitor activity-log list -g rg1 --offset 1h --query ${query}`);
    expect(log).toContainEqual(["Microsoft.Network/networkSecurityGroups/write", "Succeeded"]);
    expect(log).toContainEqual([
      "Microsoft.Resources/subscriptions/resourceGroups/delete",
      "Failed",
    ]);
  });

  test("a template gives roles and sets locks", async () => {
    const template = {
      $schema: "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
      contentVersion: "1.0.0.0",
      resources: [
        {
          type: "Microsoft.Authorization/locks",
          apiVersion: "2016-09-01",
          name: "by-template",
          properties: { level: "CanNotDelete" },
        },
      ],
    };
    const path = `/subscriptions/${server.subscription}/resourceGroups/rg1`;
    await server.arm(
      "PUT",
      `${path}/providers/Microsoft.Resources/deployments/d?api-version=2021-04-01`,
      { properties: { mode: "Incremental", template } },
    );
    expect(await az.json("lock list -g rg1 --query [].name")).toEqual(["by-template"]);
    await az.text("lock delete -n by-template -g rg1");
    await az.text("group delete -n rg1 -y");
    expect(await az.json("group exists -n rg1")).toBe(false);
  });
});
