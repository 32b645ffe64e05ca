import { describe, expect, test } from "vitest";

import { ProblemError, type Result } from "../base/problem.ts";
import type { Runtime } from "./evaluate.ts";
import type { Place } from "./functions/place.ts";
import type { JsonObject, JsonValue } from "./json.ts";
import { inlineLinkedTemplates } from "./linked.ts";
import {
  type Declaration,
  evaluateOutputs,
  openStep,
  type Plan,
  planDeployment,
} from "./template.ts";

const place: Place = {
  subscription: { id: "s", tenantId: "t", displayName: "test" },
  resourceGroup: { name: "g", location: "here", tags: {} },
  deployment: { name: "main", properties: {} },
  environment: { name: "OpenASE" },
  now: "2026-01-02T03:04:05Z",
  guidSeed: "1",
};
const WEB = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Web";

const noRuntime: Runtime = ({ id }) => {
  throw new ProblemError({ code: "ResourceNotFound", what: `no ${id}`, fix: "None." });
};

function value<Value>(result: Result<Value>): Value {
  if (!result.ok) throw new ProblemError(result.problem);
  return result.value;
}

function plan(template: JsonObject, parameters: JsonObject = {}): Plan {
  return value(planDeployment({ template, parameters, place }));
}

function refusal(template: JsonObject, parameters: JsonObject = {}) {
  const result = planDeployment({ template, parameters, place });
  return result.ok ? undefined : result.problem;
}

function declared(from: Plan, runtime: Runtime = noRuntime): readonly Declaration[] {
  return from.steps.flatMap((step) => {
    const opened = value(openStep(from, step, runtime));
    return opened.kind === "deployment" ? declared(opened.plan, runtime) : [opened.declaration];
  });
}

function evaluated(expression: string): JsonValue {
  const made = plan({ resources: [], outputs: { x: { type: "object", value: expression } } });
  return (value(evaluateOutputs(made, noRuntime))["x"] as JsonObject)["value"] ?? null;
}

const site = (name: string, more: JsonObject = {}): JsonObject => ({
  type: "Microsoft.Web/sites",
  apiVersion: "2019-08-01",
  name,
  ...more,
});

describe("functions", () => {
  test.each<[string, JsonValue]>([
    ["[concat('a', 1, true())]", "a1True"],
    ["[concat(createArray(1), createArray(2, 3))]", [1, 2, 3]],
    ["[if(true(), 'yes', div(1, 0))]", "yes"],
    ["[resourceId('Microsoft.Web/sites/', 'a')]", `${WEB}/sites/a`],
    [
      "[resourceId('other', 'Microsoft.Web/sites', 'a')]",
      "/subscriptions/s/resourceGroups/other/providers/Microsoft.Web/sites/a",
    ],
    [
      "[resourceId('Microsoft.Network/virtualNetworks/subnets', 'v', 'a')]",
      "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v/subnets/a",
    ],
    [
      "[subscriptionResourceId('Microsoft.Web/x', 'a')]",
      "/subscriptions/s/providers/Microsoft.Web/x/a",
    ],
    ["[resourceGroup().LOCATION]", "here"],
    ["[split('10.0.1.0/24', '.')[2]]", "1"],
    ["[padLeft(7, 3, '0')]", "007"],
    ["[format('{0}-{1:D3}', 'a', 5)]", "a-005"],
    ["[substring('abcdef', 2, 3)]", "cde"],
    ["[replace('a.b.c', '.', '$&')]", "a$&b$&c"],
    ["[uri('https://h/a/b', 'c/d.json')]", "https://h/a/c/d.json"],
    ["[base64ToString(base64('Grüße'))]", "Grüße"],
    ["[json('null')]", null],
    ["[json('{\"a\": [1]}').a[0]]", 1],
    ["[union(createObject('a', 1), createObject('b', 2))]", { a: 1, b: 2 }],
    ["[intersection(createArray(1, 2), createArray(2, 3))]", [2]],
    ["[coalesce(null(), 'x')]", "x"],
    ["[contains(createObject('A', 1), 'a')]", true],
    ["[max(1, 5, 3)]", 5],
    ["[range(2, 3)]", [2, 3, 4]],
    ["[last(skip(createArray(1, 2, 3), 1))]", 3],
    ["[cidrSubnet('10.0.0.0/16', 24, 3)]", "10.0.3.0/24"],
    ["[cidrHost('10.0.0.0/24', 3)]", "10.0.0.4"],
    ["[utcNow('yyyy-MM-dd')]", "2026-01-02"],
    ["[map(createArray(1, 2), lambda('n', add(lambdaVariables('n'), 1)))]", [2, 3]],
    ["[[not an expression]", "[not an expression]"],
    ["[equals(uniqueString('a'), UNIQUESTRING('a'))]", true],
    ["[length(uniqueString('a'))]", 13],
  ])("%s", (expression, expected) => {
    expect(evaluated(expression)).toEqual(expected);
  });
});

describe("parameters", () => {
  const template: JsonObject = {
    parameters: {
      name: { type: "string", maxLength: 5 },
      size: { type: "int", defaultValue: 3, allowedValues: [1, 3] },
      both: { type: "string", defaultValue: "[concat(parameters('NAME'), variables('x'))]" },
      secret: { type: "securestring", defaultValue: "hidden" },
    },
    resources: [],
  };

  test("a missing one, a wrong one and an undeclared one are told together", () => {
    const problem = refusal(template, { size: { value: "3" }, other: { value: 1 } });
    expect(problem?.details?.map(({ where }) => where)).toEqual(
      expect.arrayContaining(["parameters.other", "parameters.name", "parameters.size"]),
    );
  });

  test("defaults see other parameters and no variables", () => {
    expect(refusal(template, { name: { value: "a" } })?.what).toContain("variables");
  });

  test("limits and allowed values hold, and secrets are neither shown nor kept", () => {
    const { both: _, ...parameters } = template["parameters"] as Record<string, JsonValue>;
    const plain = { ...template, parameters };
    expect(refusal(plain, { name: { value: "longer" } })?.what).toContain("maxLength 5");
    expect(refusal(plain, { name: { value: "a" }, size: { value: 2 } })?.fix).toContain("1, 3");
    expect(refusal(plain, { name: { value: "a" }, secret: { value: 12_345 } })?.what).not.toContain(
      "12345",
    );
    expect(plan(plain, { name: { value: "a" } }).parameters).toEqual({ name: "a", size: 3 });
  });

  test("values that depend on themselves are refused", () => {
    const circle = {
      variables: { a: "[variables('b')]", b: "[variables('a')]" },
      resources: [site("[variables('a')]")],
    };
    expect(refusal(circle)?.what).toContain("depends on itself");
  });
});

describe("resources", () => {
  test("every spelling of dependsOn gives the order", () => {
    const spellings = [
      "[resourceId('Microsoft.Web/serverfarms', 'p')]",
      "Microsoft.Web/serverFarms/p",
      "[concat('Microsoft.Web/serverfarms/', 'p')]",
      "p",
      "loop",
    ];
    const template = {
      resources: [
        ...spellings.map((spelling, index) => site(`a${index}`, { dependsOn: [spelling] })),
        {
          type: "Microsoft.Web/serverfarms",
          apiVersion: "1",
          name: "p",
          copy: { name: "loop", count: 1 },
        },
      ],
    };
    const made = plan(template);
    expect(made.steps.map(({ name }) => name)).toEqual(["p", "a0", "a1", "a2", "a3", "a4"]);
    expect(made.steps[1]?.dependsOn).toEqual([`${WEB}/serverfarms/p`]);
  });

  test("circles and unknown dependencies are named", () => {
    const circle = {
      resources: [site("a", { dependsOn: ["b"] }), site("b", { dependsOn: ["a"] })],
    };
    expect(refusal(circle)?.what).toContain(
      "Microsoft.Web/sites/a -> Microsoft.Web/sites/b -> Microsoft.Web/sites/a",
    );
    expect(refusal({ resources: [site("a", { dependsOn: ["nobody"] })] })?.where).toBe(
      "resources[0].dependsOn[0]",
    );
  });

  test("reference() makes a dependency and is asked when the step is opened", () => {
    const template = {
      resources: [
        site("a", {
          properties: { key: "[reference(resourceId('Microsoft.Web/sites', 'b'), '1').state]" },
        }),
        site("b"),
      ],
      outputs: {
        key: {
          type: "string",
          value: "[listKeys(resourceId('Microsoft.Web/sites', 'b'), '1').keys[0]]",
        },
      },
    };
    const made = plan(template);
    const runtime: Runtime = (call): JsonObject =>
      call.call === "list" ? { keys: ["k"] } : { properties: { State: "on" } };
    expect(made.steps.map(({ name }) => name)).toEqual(["b", "a"]);
    expect(declared(made, runtime)[1]?.properties).toEqual({ key: "on" });
    expect(value(evaluateOutputs(made, runtime))).toEqual({ key: { type: "string", value: "k" } });
  });

  test("loops, conditions and children", () => {
    const template = {
      variables: { copy: [{ name: "ports", count: 2, input: "[add(80, copyIndex('ports'))]" }] },
      resources: [
        site("[concat('a', copyIndex(1))]", {
          copy: { name: "sites", count: 2 },
          properties: { port: "[variables('ports')[copyIndex()]]" },
        }),
        site("off", {
          condition: "[equals(1, 2)]",
          resources: [{ type: "config", apiVersion: "1", name: "web" }],
        }),
        site("on", {
          dependsOn: ["off"],
          properties: { copy: [{ name: "list", count: 2, input: { n: "[copyIndex('list')]" } }] },
          resources: [{ type: "config", apiVersion: "1", name: "web" }],
        }),
      ],
    };
    const all = declared(plan(template));
    expect(all.map(({ type, name }) => `${type} ${name}`)).toEqual([
      "Microsoft.Web/sites a1",
      "Microsoft.Web/sites a2",
      "Microsoft.Web/sites on",
      "Microsoft.Web/sites/config on/web",
    ]);
    expect(all[1]?.properties).toEqual({ port: 81 });
    expect(all[2]?.properties).toEqual({ list: [{ n: 0 }, { n: 1 }] });
  });

  test("a problem inside a resource says where", () => {
    const made = plan({ resources: [site("a", { properties: { x: ["[parameters('none')]"] } })] });
    const opened = made.steps[0] && openStep(made, made.steps[0], noRuntime);
    expect(opened && !opened.ok && opened.problem.where).toBe("resources[0].properties.x[0]");
  });

  test("symbolic names order resources, and existing ones are only looked up", () => {
    const made = plan({
      languageVersion: "2.0",
      resources: {
        two: site("b", { dependsOn: ["one"] }),
        one: site("a"),
        old: site("c", { existing: true }),
      },
    });
    expect(made.steps.map(({ name, existing }) => [name, existing])).toEqual([
      ["a", false],
      ["b", false],
      ["c", true],
    ]);
  });
});

describe("nested and linked deployments", () => {
  const nested = (scope: string) => ({
    variables: { v: "outer" },
    resources: [
      {
        type: "Microsoft.Resources/deployments",
        apiVersion: "1",
        name: "inside",
        resourceGroup: "other",
        properties: {
          mode: "Incremental",
          expressionEvaluationOptions: { scope },
          template: {
            variables: { v: "inner" },
            resources: [site("[variables('v')]", { dependsOn: [] })],
          },
        },
      },
    ],
  });

  test("inner and outer scope, in another group", () => {
    expect(declared(plan(nested("inner")))[0]?.id).toBe(
      "/subscriptions/s/resourceGroups/other/providers/Microsoft.Web/sites/inner",
    );
    expect(declared(plan(nested("outer")))[0]?.name).toBe("outer");
  });

  test("a template beside the main file takes the place of its link", () => {
    const template = {
      parameters: { base: { type: "string", defaultValue: "https://example.test/x/" } },
      variables: { Link: "[uri(parameters('base'), 'nested/part.json?sas')]" },
      resources: [
        {
          type: "Microsoft.Resources/deployments",
          apiVersion: "1",
          name: "linked",
          properties: {
            mode: "Incremental",
            templateLink: { uri: "[variables('link')]" },
            parameters: { n: { value: "[concat('a', 'b')]" } },
          },
        },
      ],
    };
    const part =
      '{ "parameters": { "n": { "type": "string" } }, "resources": [{ "type": "Microsoft.Web/sites", "name": "[parameters(\'n\')]" }] }';
    const files: Readonly<Record<string, string>> = { "nested/part.json": part };
    const inlined = value(inlineLinkedTemplates(template, {}, (path) => files[path]));
    expect(declared(plan(inlined)).map(({ name }) => name)).toEqual(["ab"]);
    const made = plan(template);
    const opened = made.steps[0] && openStep(made, made.steps[0], noRuntime);
    expect(opened && !opened.ok && opened.problem.what).toContain(
      "https://example.test/x/nested/part.json?sas",
    );
  });
});
