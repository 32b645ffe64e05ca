import { describe, expect, test } from "vitest";

import { isJsonObject, property, propertyAt, type JsonValue } from "../../src/arm/json.ts";
import { planDeployment } from "../../src/arm/template.ts";
import { listAt, textAt, textsAt } from "../../src/cli/read.ts";
import { readTemplateFiles } from "../../src/cli/template-file.ts";
import { readContent } from "../../src/cli/zip-folder.ts";
import { PROBED_FLOWS } from "../../src/environment/flows.ts";

const pathOf = (name: string) => new URL(`../../examples/${name}`, import.meta.url).pathname;

const MACHINES: Readonly<Record<string, readonly string[]>> = {
  "customer-dns": ["networkInterfaces"],
};

describe.each(["external", "internal", "customer-dns"])("the example %s", (name) => {
  const files = readTemplateFiles(
    pathOf(`${name}/azuredeploy.json`),
    pathOf(`${name}/azuredeploy.parameters.json`),
  );
  if (!files.ok) throw new Error(files.problem.what);
  const { template, parameters } = files.value;

  test("plans a network, its rules and routes, an environment, a plan and an app, in order", () => {
    const planned = planDeployment({
      template,
      parameters,
      place: {
        subscription: {
          id: "00000000-0000-0000-0000-000000000001",
          tenantId: "t",
          displayName: "d",
        },
        resourceGroup: { name: "demo", location: "local", tags: {} },
        deployment: { name: "azuredeploy", properties: {} },
        environment: {},
        now: "2026-01-01T00:00:00Z",
        guidSeed: "s",
      },
    });
    if (!planned.ok) throw new Error(planned.problem.what);
    expect(planned.value.steps.map(({ type }) => type.split("/").at(-1))).toEqual([
      "networkSecurityGroups",
      "routeTables",
      "virtualNetworks",
      ...(MACHINES[name] ?? []),
      "hostingEnvironments",
      "serverfarms",
      "sites",
    ]);
  });

  test("has an allow rule for every flow the environment needs", () => {
    const group = listAt(template, "resources").find((one) =>
      textAt(one, "type")?.endsWith("/networkSecurityGroups"),
    );
    const rules = listAt(group, "properties", "securityRules").map((rule) =>
      property(rule, "properties"),
    );
    // The platform's own resolver is outside the reach of rules.
    const uncovered = PROBED_FLOWS.filter(
      ({ direction, port, spoken }) =>
        !rules.some((rule) => allows(rule, { direction, port, protocol: spoken })),
    );
    expect(uncovered.map(({ id }) => id)).toEqual([]);
  });

  test("describes every parameter and has parameters for those only", () => {
    const declared = property(template, "parameters");
    if (!isJsonObject(declared)) throw new Error("no parameters");
    const silent = Object.entries(declared).filter(
      ([, one]) => textAt(one, "metadata", "description") === undefined,
    );
    expect(silent).toEqual([]);
    expect(Object.keys(declared)).toEqual(expect.arrayContaining(Object.keys(parameters)));
  });
});

test.each(["hello-app", "static-site"])("the content of %s can be sent", (name) => {
  expect(readContent(pathOf(name)).ok).toBe(true);
});

function allows(
  rule: JsonValue | undefined,
  flow: { readonly direction: string; readonly port: number; readonly protocol: string },
): boolean {
  const protocol = textAt(rule, "protocol") ?? "";
  const ports = [
    textAt(rule, "destinationPortRange") ?? "",
    ...textsAt(rule, "destinationPortRanges"),
  ];
  const covers = (range: string) => {
    const [low = NaN, high = low] = range.split("-").map(Number);
    return range === "*" || (low <= flow.port && flow.port <= high);
  };
  return (
    propertyAt(rule, "access") === "Allow" &&
    textAt(rule, "direction") === flow.direction &&
    (protocol === "*" || protocol === flow.protocol) &&
    ports.some(covers)
  );
}
