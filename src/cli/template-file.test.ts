import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { propertyAt, type JsonValue } from "../arm/json.ts";
import { listAt } from "./read.ts";
import { readTemplateFiles } from "./template-file.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ase-template-"));
  mkdirSync(join(folder, "nested"));
  write("nested/vnet.json", {
    resources: [],
    outputs: { here: { type: "string", value: "vnet" } },
  });
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, content: object | string): string {
  const file = join(folder, name);
  writeFileSync(file, typeof content === "string" ? content : JSON.stringify(content));
  return file;
}

function nestedTemplate(link: object): JsonValue | undefined {
  const text = (defaultValue: string) => ({ type: "string", defaultValue });
  const file = write("main.json", {
    parameters: { base: text("https://example.org/main"), token: text("?token=1") },
    resources: [
      {
        type: "Microsoft.Resources/deployments",
        name: "n",
        properties: { mode: "Incremental", templateLink: link },
      },
    ],
  });
  const read = readTemplateFiles(file, undefined);
  if (!read.ok) throw new Error(read.problem.what);
  return propertyAt(listAt(read.value.template, "resources")[0], "properties");
}

describe("a template file", () => {
  test.each([
    ["a relative path", { relativePath: "nested/vnet.json" }],
    ["an address", { uri: "https://example.org/main/nested/vnet.json?token=1" }],
    [
      "an expression",
      { uri: "[concat(parameters('base'), '/nested/vnet.json', parameters('token'))]" },
    ],
  ])("has linked templates beside it put in: %s", (_, link) => {
    const properties = nestedTemplate(link);
    expect(propertyAt(properties, "template", "outputs", "here", "value")).toBe("vnet");
    expect(propertyAt(properties, "expressionEvaluationOptions", "scope")).toBe("inner");
    expect(propertyAt(properties, "templateLink")).toBeUndefined();
  });

  test("keeps a link to what is not beside it, for the server to name", () => {
    const properties = nestedTemplate({ uri: "https://example.org/other.json" });
    expect(propertyAt(properties, "templateLink", "uri")).toBe("https://example.org/other.json");
  });

  test("that links to itself is read to an end", () => {
    const self = {
      type: "Microsoft.Resources/deployments",
      properties: { templateLink: { relativePath: "self.json" } },
    };
    const read = readTemplateFiles(write("self.json", { resources: [self] }), undefined);
    expect(read.ok && JSON.stringify(read.value.template)).toContain("templateLink");
  });

  test("may have comments, and its name is the deployment's", () => {
    const template = write("my.template.json", '\uFEFF{ /* c */ "resources": [], }');
    const parameters = write("p.json", { $schema: "s", parameters: { a: { value: 1 } } });
    const read = readTemplateFiles(template, parameters);
    expect(read.ok && [read.value.name, read.value.parameters]).toEqual([
      "my.template",
      { a: { value: 1 } },
    ]);
  });

  test("that is not there or not JSON is declined with its name", () => {
    const broken = write("broken.json", "{ ");
    for (const file of [join(folder, "none.json"), broken]) {
      const read = readTemplateFiles(file, undefined);
      expect(!read.ok && read.problem.where).toContain(file);
    }
  });
});
