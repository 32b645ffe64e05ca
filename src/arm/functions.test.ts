import { describe, expect, test } from "vitest";

import type { JsonValue } from "./json.ts";
import { evaluateOutputs, planDeployment } from "./template.ts";

function evaluated(expression: string, resources: JsonValue = []): JsonValue | string {
  const plan = planDeployment({
    template: { resources, outputs: { o: { type: "object", value: `[${expression}]` } } },
    parameters: {},
    place: {
      subscription: { id: "s", tenantId: "t", displayName: "d" },
      resourceGroup: { name: "g", location: "l", tags: {} },
      deployment: { name: "d", properties: {} },
      environment: {},
      now: "2026-03-04T15:06:07.089Z",
      guidSeed: "seed",
    },
  });
  if (!plan.ok) return plan.problem.what;
  const outputs = evaluateOutputs(plan.value, () => ({}));
  if (!outputs.ok) return outputs.problem.what;
  return (outputs.value["o"] as { readonly value: JsonValue }).value;
}

/** Examples of the published pages among them. */
describe("template functions", () => {
  test.each<[string, JsonValue]>([
    ["dateTimeAdd('2023-01-01T00:00:00Z', 'P1Y')", "2024-01-01T00:00:00Z"],
    ["dateTimeAdd('2024-02-01 00:00:00Z', 'P1M')", "2024-03-02T00:00:00Z"],
    ["dateTimeAdd('2020-04-07 14:53:14Z', '-P9D')", "2020-03-29T14:53:14Z"],
    ["dateTimeAdd('2020-04-07 14:53:14Z', 'PT1H', 'yyyy/M/d h:mm tt')", "2020/4/7 3:53 PM"],
    ["dateTimeFromEpoch(1683040573)", "2023-05-02T15:16:13Z"],
    ["dateTimeToEpoch('2023-05-02T15:16:13Z')", 1_683_040_573],
    ["parseCidr('10.144.0.0/20').lastUsable", "10.144.15.254"],
    ["parseCidr('fdad:3236:5555::/48').netmask", "ffff:ffff:ffff::"],
    ["cidrSubnet('10.144.0.0/20', 24, 15)", "10.144.15.0/24"],
    ["cidrSubnet('fdad:3236:5555::/48', 52, 1)", "fdad:3236:5555:1000::/52"],
    ["cidrHost('10.144.3.0/24', 4)", "10.144.3.5"],
    ["cidrHost('fdad:3236:5555:3::/64', 0)", "fdad:3236:5555:3::1"],
    ["indexOf(createArray('a', 'b', 'a'), 'a')", 0],
    ["lastIndexOf(createArray('a', 'b', 'a'), 'a')", 2],
    ["indexFromEnd(createArray(1, 2, 3), 1)", 3],
    ["tryIndexFromEnd(createArray(1, 2, 3), 5)", null],
    ["mapValues(createObject('a', 1), lambda('v', add(lambdaVariables('v'), 1)))", { a: 2 }],
    [
      "groupBy(createArray('foo', 'bar', 'baz'), lambda('x', substring(lambdaVariables('x'), 0, 1)))",
      { f: ["foo"], b: ["bar", "baz"] },
    ],
    [
      "groupBy(createArray('__proto__'), lambda('x', lambdaVariables('x')))",
      JSON.parse('{"__proto__":["__proto__"]}') as JsonValue,
    ],
    ["toObject(createArray('a'), lambda('x', lambdaVariables('x')))", { a: "a" }],
    ["filter(createArray(1, 2, 3), lambda('x', greater(lambdaVariables('x'), 1)))", [2, 3]],
    [
      "reduce(createArray(1, 2, 3), 0, lambda('a', 'b', add(lambdaVariables('a'), lambdaVariables('b'))))",
      6,
    ],
    ["shallowMerge(createArray(createObject('a', 1), createObject('b', 2)))", { a: 1, b: 2 }],
    ["objectKeys(createObject('a', 1, 'b', 2))", ["a", "b"]],
    [
      "format('{0,5}|{1,-5}|{2:N0}|{3:X4}', 'ab', 'cd', 8175133, 255)",
      "   ab|cd   |8,175,133|00FF",
    ],
    ["replaceMultiple('a-b', createObject('a', 'b', 'b', 'a'))", "b-a"],
    ["parseUri('https://host:8080/p?q=1').port", 8080],
    ["buildUri(createObject('scheme', 'https', 'host', 'h', 'path', '/p'))", "https://h/p"],
    ["contains(createObject('a', 1), 'A')", true],
    [
      "union(createObject('a', createObject('b', 1)), createObject('a', createObject('c', 2)))",
      { a: { b: 1, c: 2 } },
    ],
    ["managementGroup().type", "Microsoft.Management/managementGroups"],
    ["providers('Microsoft.Web', 'sites').resourceType", "sites"],
  ])("%s", (expression, value) => {
    expect(evaluated(expression)).toEqual(value);
  });

  test("an unknown function is named, with what was probably meant", () => {
    expect(evaluated("concta('a')")).toContain('there is no function "concta"');
  });

  test("fail() says what the template says", () => {
    expect(evaluated("fail('too small')")).toContain("the template says: too small");
  });

  test("one resource of a symbolic loop is asked by its index", () => {
    const resources = {
      all: {
        copy: { name: "all", count: 2 },
        type: "Microsoft.Web/sites",
        apiVersion: "1",
        name: "[concat('a', copyIndex())]",
      },
    };
    expect(evaluated("reference(format('all[{0}]', 1), '1', 'full')", resources)).toEqual({});
    expect(evaluated("reference('all[2]')", resources)).toContain("neither a resource id");
  });

  test.each([
    [{ size: 3 }, "must be of type string"],
    [{}, 'has no property "size"'],
    [{ size: "L" }, "not allowed"],
  ])("a parameter of a defined type: %j", (value, words) => {
    const plan = planDeployment({
      template: {
        definitions: {
          size: { type: "string", allowedValues: ["S"] },
          plan: { type: "object", properties: { size: { $ref: "#/definitions/size" } } },
        },
        parameters: { plan: { $ref: "#/definitions/plan" } },
        resources: [],
      },
      parameters: { plan: { value } },
      place: {
        subscription: { id: "s", tenantId: "t", displayName: "d" },
        deployment: { name: "d", properties: {} },
        environment: {},
        now: "2026-01-01T00:00:00Z",
        guidSeed: "",
      },
    });
    expect(plan.ok ? "" : plan.problem.what).toContain(words);
  });
});
