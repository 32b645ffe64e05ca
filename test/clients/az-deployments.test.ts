/**
 * Deployments through Azure's own command line: templates of files, what-if in the words az prints.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { type Az, openAz } from "./support/az.ts";
import { type ClientServer, openClientServer } from "./support/client-server.ts";

const EXAMPLE = fileURLToPath(new URL("../../examples/external/", import.meta.url));

let server: ClientServer;
let az: Az;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "ase-az-deployments-"));
  server = await openClientServer();
  az = openAz(server);
  await az.text("group create -n g1 -l local");
}, 120_000);
afterAll(async () => {
  await az?.close();
  await server?.close();
  rmSync(folder, { recursive: true, force: true });
});

const FILES = `--template-file ${EXAMPLE}azuredeploy.json --parameters @${EXAMPLE}azuredeploy.parameters.json`;

describe("az deployment group", () => {
  test("validates, foretells, deploys and lists an environment", async () => {
    const valid = await az.json(`deployment group validate -g g1 ${FILES}`);
    expect(valid.properties.provisioningState).toBe("Succeeded");
    const foretold = await az.text(`deployment group what-if -g g1 ${FILES}`);
    expect(foretold).toMatch(/\+ Microsoft\.Web\/hostingEnvironments\//);
    expect(foretold).toContain("networkEffect");
    const done = await az.json(`deployment group create -g g1 -n d1 ${FILES}`);
    expect(done.properties.provisioningState).toBe("Succeeded");
    const steps = await az.json("deployment operation group list -g g1 -n d1");
    expect(
      steps.map(
        (step: { properties: { provisioningState: string } }) => step.properties.provisioningState,
      ),
    ).not.toContain("Failed");
  }, 60_000);

  test("shows before it is done what a rule does to the environment behind it", async () => {
    const [group] = await az.json("network nsg list -g g1");
    const template = join(folder, "deny.json");
    const rule = {
      type: "Microsoft.Network/networkSecurityGroups/securityRules",
      apiVersion: "2022-01-01",
      name: `${group.name}/Deny-management`,
      properties: {
        ...{ access: "Deny", direction: "Inbound", priority: 100, protocol: "Tcp" },
        ...{ sourceAddressPrefix: "*", sourcePortRange: "*" },
        ...{ destinationAddressPrefix: "*", destinationPortRange: "454-455" },
      },
    };
    writeFileSync(
      template,
      `// kept by az\n${JSON.stringify({ $schema: "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", contentVersion: "1.0.0.0", resources: [rule] })}`,
    );
    const foretold = await az.text(`deployment group what-if -g g1 --template-file ${template}`);
    expect(foretold).toMatch(/lost: inbound .*454-455/);
    expect(foretold).toContain("Deny-management");
    expect(foretold).toContain("suspended");
    const ids = await az.json(
      `deployment group what-if -g g1 --template-file ${template} --result-format ResourceIdOnly --no-pretty-print`,
    );
    expect(ids.status).toBe("Succeeded");
  }, 60_000);
});
