/** Files of every kind read to one network, with where each rule stood. Nothing is deployed. */
import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { describe, expect, test } from "vitest";

import { describeProblem } from "../../src/base/problem.ts";
import type { ReadInputs } from "../../src/check/inputs/inputs.ts";
import { readCheckFiles, readParameterWords } from "../../src/cli/check-files.ts";
import { HERE, PUBLIC, read, readFiles, readWell, refusal } from "./reading.ts";

/** `name line column`, by the end of the id. */
function placeOf({ origins }: ReadInputs, end: string): string | undefined {
  const origin = [...origins].find(([key]) => key.endsWith(end.toLowerCase()))?.[1];
  return origin && `${origin.file.split("/").at(-1)} ${origin.line} ${origin.column}`;
}

function find<Type extends ReadInputs["resources"][number]["type"]>(
  { resources }: ReadInputs,
  type: Type,
  name: string,
) {
  const found = resources.find((one) => one.type === type && one.name === name);
  if (found === undefined) throw new Error(`no ${name}`);
  return found as Extract<ReadInputs["resources"][number], { readonly type: Type }>;
}

const RULE = "Microsoft.Network/networkSecurityGroups/securityRules";
const ROUTE = "Microsoft.Network/routeTables/routes";
const SUBNET = "Microsoft.Network/virtualNetworks/subnets";
const ENVIRONMENT = "Microsoft.Web/hostingEnvironments";

describe("a template", () => {
  const all = readWell(["template/main.json"]);

  test("is evaluated: variables, loops, functions, symbolic names, links and their outputs", () => {
    expect(find(all, ENVIRONMENT, "shop").subnet.key).toBe(find(all, SUBNET, "ase").key);
    expect(find(all, RULE, "https").rule.destinationPorts).toEqual([{ low: 443, high: 443 }]);
    expect(find(all, SUBNET, "ase").prefix).toBe("10.5.1.0/24");
    expect(all.missing).toEqual([]);
  });

  test("knows the address of a firewall, which is the first of its subnet", () => {
    expect(find(all, ROUTE, "firewall").nextHop).toEqual({
      kind: "VirtualAppliance",
      address: "10.5.0.4",
    });
  });

  test("gives each rule and route the place where it is written, in whichever file", () => {
    expect(placeOf(all, "/management")).toBe("main.json 35 23");
    expect(placeOf(all, "/http")).toBe("main.json 52 18");
    expect(placeOf(all, "/routes/management-2")).toBe("network.json 19 22");
    expect(placeOf(all, "/routes/firewall")).toBe("network.json 30 5");
    expect(placeOf(all, "/subnets/ase")).toBe("network.json 49 11");
  });

  test("warns of a type that is not known", () => {
    expect(all.warnings.map(({ what }) => what)).toEqual([
      expect.stringContaining("Microsoft.Compute/virtualMachines"),
    ]);
  });

  test("takes parameters as words, in their types", () => {
    const parameters = ['openings=[{"name":"one","port":8080}]', "space=10.6.0.0/16"];
    const given = readWell(["template/main.json"], parameters);
    expect(find(given, RULE, "one").rule.destinationPorts).toEqual([{ low: 8080, high: 8080 }]);
    expect(find(given, SUBNET, "ase").prefix).toBe("10.6.1.0/24");
  });

  test.each([
    ["openings=oops", "InvalidParameterValue"],
    ["opening=[]", "UnknownParameter"],
    ["missing.json", "InvalidFile"],
  ])("declines the parameter %s", (word, code) => {
    const result = read(["template/main.json"], [word]);
    expect(result.ok ? "" : result.problem.code).toBe(code);
  });

  test("of a folder: linked templates are not deployed by themselves", () => {
    expect(readWell(["template"]).resources).toHaveLength(all.resources.length);
  });
});

describe("JSON of az", () => {
  const all = readWell(["az"]);

  test("is read flattened and not, single and in lists, as one network", () => {
    expect(find(all, SUBNET, "ase").routeTable?.key).toMatch(/ase-routes$/);
    expect(find(all, RULE, "Inbound-web").rule.destinationPorts).toHaveLength(2);
    expect(find(all, ROUTE, "default").nextHop).toEqual({ kind: "Internet" });
    expect(find(all, ENVIRONMENT, "shop").kind).toBe("Internal");
    expect(find(all, "Microsoft.Web/serverfarms", "shop-plan").capacity).toBe(3);
    expect(all.missing).toEqual([]);
    expect(placeOf(all, "/inbound-web")).toBe("nsg.json 60 5");
  });

  test("passes over plans outside environments, and says so", () => {
    expect(all.notes.map(({ code }) => code)).toEqual(["PassedOver"]);
  });

  test("without the network says what is missing and how to get it", () => {
    const alone = readWell(["az/ase.json"]);
    expect(alone.missing).toEqual([
      expect.objectContaining({
        code: "MissingResource",
        what: expect.stringContaining('the subnet "vnet/ase" of group "rg-net"') as string,
        fix: expect.stringContaining("az network vnet show -g rg-net -n vnet") as string,
      }),
    ]);
  });
});

test("what a template puts over what az shows: both are one network", () => {
  const template = {
    $schema: "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
    contentVersion: "1.0.0.0",
    resources: [
      {
        type: RULE,
        apiVersion: "2022-01-01",
        name: "ase-nsg/late",
        properties: {
          priority: 300,
          direction: "Inbound",
          access: "Deny",
          protocol: "*",
          sourceAddressPrefix: "*",
          sourcePortRange: "*",
          destinationAddressPrefix: "*",
          destinationPortRange: "*",
        },
      },
    ],
  };
  const files = readCheckFiles([join(HERE, "az")]);
  if (!files.ok) throw new Error(files.problem.what);
  const result = readFiles([
    ...files.value,
    { name: "rule.json", text: JSON.stringify(template, null, 2) },
  ]);
  if (!result.ok) throw new Error(describeProblem(result.problem));
  expect(find(result.value, RULE, "late").group.key).toBe(
    find(result.value, RULE, "Inbound-web").group.key,
  );
});

test("effective rules of an interface are the groups they come from", () => {
  const group =
    "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/networkSecurityGroups/n";
  const one = {
    association: {},
    networkSecurityGroup: { id: group, resourceGroup: "g" },
    effectiveSecurityRules: [
      {
        name: "securityRules/web",
        protocol: "All",
        access: "Allow",
        direction: "Inbound",
        priority: 100,
        sourceAddressPrefix: "0.0.0.0/0",
        sourcePortRange: "0-65535",
        destinationAddressPrefix: "0.0.0.0/0",
        destinationPortRange: "80-80",
        expandedSourceAddressPrefix: null,
      },
      { name: "defaultSecurityRules/DenyAllInBound", priority: 65_500 },
    ],
  };
  const result = readFiles([{ name: "e.json", text: JSON.stringify({ value: [one] }) }]);
  if (!result.ok) throw new Error(describeProblem(result.problem));
  expect(find(result.value, RULE, "web").rule.destinationPorts).toEqual([{ low: 80, high: 80 }]);
});

describe("a Terraform plan", () => {
  const all = readWell(["terraform-plan.json"]);

  test("is followed through modules where ids are known only after apply", () => {
    const subnet = find(all, SUBNET, "ase");
    expect(find(all, ENVIRONMENT, "shop-ase").subnet.key).toBe(subnet.key);
    expect(subnet.networkSecurityGroup?.key).toMatch(/rg-ase\/.*\/ase-nsg$/);
    expect(subnet.routeTable?.key).toMatch(/ase-routes$/);
    expect(subnet.serviceEndpoints).toEqual(["Microsoft.Sql", "Microsoft.Storage"]);
    expect(find(all, ROUTE, "office").nextHop).toEqual({
      kind: "VirtualAppliance",
      address: "10.20.0.4",
    });
    expect(find(all, "Microsoft.Web/serverfarms", "shop-plan").capacity).toBe(2);
    expect(all.missing).toEqual([]);
    expect(all.warnings).toEqual([]);
  });

  test("gives places in the file and Terraform's addresses", () => {
    const origin = all.origins.get(find(all, RULE, "inside-in").key);
    expect(origin).toMatchObject({
      format: "terraform",
      address: 'module.network.azurerm_network_security_rule.own["in"]',
      line: 154,
    });
  });

  test("with an environment of version 3 is refused with the reason", () => {
    const text = JSON.stringify({
      format_version: "1.2",
      planned_values: {
        root_module: {
          resources: [
            {
              address: "azurerm_app_service_environment_v3.x",
              mode: "managed",
              type: "azurerm_app_service_environment_v3",
              name: "x",
              values: {
                name: "x",
                resource_group_name: "g",
                subnet_id:
                  "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v/subnets/a",
              },
            },
          ],
        },
      },
    });
    expect(refusal({ name: "plan.json", text })).toMatchObject({ code: "OtherNetworkModel" });
  });
});

describe("what cannot be read says where, what, and the way on", () => {
  test.each([
    [
      "main.bicep",
      "param a string\nresource v 'Microsoft.Network/virtualNetworks@2022-01-01' = {",
      "az bicep build",
    ],
    ["main.tf", 'resource "azurerm_subnet" "a" {\n}', "terraform show -json"],
    ["plan.bin", "PK\u0003\u0004", "terraform show -json"],
    ["empty.json", " \n", "Give a file"],
    ["tags.json", '{"changeNumber": 1, "cloud": "Public", "values": []}', "--tags"],
    ["table.txt", "Name: vnet\nGroup: g\n", "-o json"],
    ["names.json", '[{"name": "vnet"}]', "without --query"],
    ["scalar.json", '"text"', "ARM template"],
  ])("%s", (name, text, fix) => {
    const problem = refusal({ name, text });
    expect(problem.where).toContain(name);
    expect(problem.fix).toContain(fix);
  });

  const broken = (resource: object) => ({
    name: "t.json",
    text: JSON.stringify(
      {
        $schema: "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        contentVersion: "1.0.0.0",
        resources: [resource],
      },
      null,
      1,
    ),
  });

  test.each([
    [
      "an unknown function",
      {
        type: SUBNET,
        apiVersion: "1",
        name: "v/s",
        properties: { addressPrefix: "[subnet('x')]" },
      },
      /t\.json:10:5/,
      "subnet",
    ],
    [
      "a misspelled type",
      {
        type: "Microsoft.Network/networkSecurityGroup",
        apiVersion: "1",
        name: "n",
        properties: {},
      },
      /t\.json:5:3/,
      "networkSecurityGroup",
    ],
    [
      "a bad prefix",
      { type: SUBNET, apiVersion: "1", name: "v/s", properties: { addressPrefix: "10.0.0.0/40" } },
      /t\.json:5:3/,
      "10.0.0.0/40",
    ],
    [
      "an unknown tag",
      {
        type: RULE,
        apiVersion: "1",
        name: "n/r",
        properties: {
          priority: 100,
          direction: "Inbound",
          access: "Allow",
          protocol: "*",
          sourceAddressPrefix: "the-internet",
          sourcePortRange: "*",
          destinationAddressPrefix: "*",
          destinationPortRange: "*",
        },
      },
      /t\.json:5:3/,
      "the-internet",
    ],
    [
      "a value known only in Azure",
      {
        type: ROUTE,
        apiVersion: "1",
        name: "t/r",
        properties: {
          addressPrefix: "0.0.0.0/0",
          nextHopType: "VirtualAppliance",
          nextHopIpAddress: "[reference(resourceId('Microsoft.Network/loadBalancers', 'b')).x]",
        },
      },
      /t\.json:12:5/,
      "known only in Azure",
    ],
  ])("%s", (_, resource, where, word) => {
    const problem = refusal(broken(resource));
    expect(problem.where).toMatch(where);
    expect(problem.what).toContain(word);
  });

  test("parameters without value are listed with their types and places", () => {
    const text = JSON.stringify(
      {
        $schema: "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        contentVersion: "1.0.0.0",
        parameters: {
          name: { type: "string" },
          count: { type: "int" },
          word: { type: "securestring" },
        },
        resources: [],
      },
      null,
      1,
    );
    const problem = refusal({ name: "t.json", text });
    expect(problem.what).toContain("name, count");
    expect(problem.details?.map(({ what, where }) => `${what} ${where}`)).toEqual([
      "name (string) t.json:5:11",
      "count (int) t.json:8:12",
    ]);
  });
});

describe.each(
  existsSync(PUBLIC) ? globSync("*", { cwd: PUBLIC }).filter((name) => !name.endsWith(".md")) : [],
)("the public template %s", (folder) => {
  const files = readCheckFiles([join(PUBLIC, folder)]);
  if (!files.ok) throw new Error(files.problem.what);
  const more = existsSync(join(PUBLIC, folder, "nestedtemplates"))
    ? readParameterWords([join(PUBLIC, folder, "azuredeploy.parameters.json")])
    : readParameterWords([]);
  if (!more.ok) throw new Error(more.problem.what);
  const result = readFiles(files.value, more.value);
  if (!result.ok) throw new Error(describeProblem(result.problem));
  const { resources, origins, missing } = result.value;

  test("is read whole, and every resource has its line", () => {
    const kinds = resources.map(({ type }) => type.split("/").slice(1).join("/"));
    const counts = Object.fromEntries(
      [...Map.groupBy(kinds, (kind) => kind)].map(([kind, all]) => [kind, all.length]),
    );
    expect(counts).toMatchObject(EXPECTED[folder]?.counts ?? {});
    expect(missing).toHaveLength(EXPECTED[folder]?.missing ?? 0);
    for (const { key, name } of resources) {
      const origin = origins.get(key);
      if (origin === undefined) throw new Error(`${key} has no place`);
      const text = readFileSync(origin.file, "utf8").split("\n")[origin.line - 1] ?? "";
      expect(`${name} ${text[origin.column - 1]}`).toBe(`${name} {`);
    }
  });
});

const EXPECTED: Readonly<
  Record<string, { readonly counts: Readonly<Record<string, number>>; readonly missing: number }>
> = {
  "201-asev2-ilb-with-web-app": {
    counts: {
      virtualNetworks: 1,
      "virtualNetworks/subnets": 1,
      hostingEnvironments: 1,
      serverfarms: 1,
      sites: 1,
    },
    missing: 0,
  },
  "201-web-app-asev2-create": {
    counts: { virtualNetworks: 1, hostingEnvironments: 1 },
    missing: 0,
  },
  "201-web-app-asp-app-on-asev2-create": { counts: { serverfarms: 1, sites: 1 }, missing: 1 },
  "App-Service-Environment-AzFirewall": {
    counts: {
      "networkSecurityGroups/securityRules": 17,
      routeTables: 2,
      "virtualNetworks/subnets": 2,
      hostingEnvironments: 1,
    },
    missing: 0,
  },
  "e-shop-website-with-ilb-ase": {
    counts: {
      "networkSecurityGroups/securityRules": 17,
      "virtualNetworks/subnets": 3,
      hostingEnvironments: 1,
      sites: 4,
    },
    missing: 0,
  },
};

test("an exported group: parameters with defaults, parts inline and again as resources", () => {
  const text = JSON.stringify(
    {
      $schema: "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
      contentVersion: "1.0.0.0",
      parameters: {
        networkSecurityGroups_ase_name: { defaultValue: "ase", type: "String" },
      },
      variables: {},
      resources: [
        {
          type: "Microsoft.Network/networkSecurityGroups",
          apiVersion: "2022-07-01",
          name: "[parameters('networkSecurityGroups_ase_name')]",
          location: "westeurope",
          properties: {
            securityRules: [
              {
                ...exportedRule("web"),
                id: "[resourceId('Microsoft.Network/networkSecurityGroups/securityRules', parameters('networkSecurityGroups_ase_name'), 'web')]",
                type: RULE,
              },
            ],
          },
        },
        {
          ...exportedRule("[concat(parameters('networkSecurityGroups_ase_name'), '/web')]"),
          type: RULE,
          apiVersion: "2022-07-01",
          dependsOn: [
            "[resourceId('Microsoft.Network/networkSecurityGroups', parameters('networkSecurityGroups_ase_name'))]",
          ],
        },
      ],
    },
    null,
    2,
  );
  const result = readFiles([{ name: "export.json", text }]);
  if (!result.ok) throw new Error(describeProblem(result.problem));
  expect(result.value.resources.map(({ name }) => name)).toEqual(["ase", "web"]);
  expect(result.value.missing).toEqual([]);
});

function exportedRule(name: string) {
  return {
    name,
    properties: {
      protocol: "TCP",
      sourcePortRange: "*",
      destinationPortRange: "443",
      sourceAddressPrefix: "*",
      destinationAddressPrefix: "*",
      access: "Allow",
      priority: 100,
      direction: "Inbound",
      sourcePortRanges: [],
      destinationPortRanges: [],
      sourceAddressPrefixes: [],
      destinationAddressPrefixes: [],
    },
  };
}

test("a terraform.tfstate and data sources are read as what exists", () => {
  const instance = (attributes: object) => ({ schema_version: 0, attributes });
  const id = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v";
  const text = JSON.stringify({
    version: 4,
    terraform_version: "1.9.5",
    resources: [
      {
        mode: "data",
        type: "azurerm_virtual_network",
        name: "v",
        instances: [
          instance({
            id,
            name: "v",
            resource_group_name: "g",
            address_space: ["10.0.0.0/16"],
            location: "westeurope",
          }),
        ],
      },
      {
        mode: "managed",
        type: "azurerm_subnet",
        name: "a",
        instances: [
          instance({
            id: `${id}/subnets/a`,
            name: "a",
            address_prefixes: ["10.0.1.0/24"],
            virtual_network_name: "v",
          }),
        ],
      },
    ],
  });
  const result = readFiles([{ name: "terraform.tfstate", text }]);
  if (!result.ok) throw new Error(describeProblem(result.problem));
  expect(find(result.value, SUBNET, "a").prefix).toBe("10.0.1.0/24");
  expect(result.value.missing).toEqual([]);
});
