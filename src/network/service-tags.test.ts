import { describe, expect, test } from "vitest";

import { parseServiceTags, serviceTagAnswer } from "./service-tags.ts";

const value = (name: string, addressPrefixes: readonly unknown[]) => ({
  name,
  properties: { addressPrefixes },
});
const text = (values: readonly unknown[]) =>
  JSON.stringify({ changeNumber: 3, cloud: "Public", values });
const parse = (values: readonly unknown[]) => parseServiceTags(text(values), "tags.json");

const small = () => {
  const tags = parse([
    value("Sql", ["40.112.0.0/16", "2603:1000::/40"]),
    value("AppServiceManagement", ["13.64.1.0/24"]),
  ]);
  if (!tags.ok) throw new Error(tags.problem.what);
  return tags.value;
};

describe("published service tags", () => {
  test("names are found in any casing and told in the published one", () => {
    expect(small().canonical("appservicemanagement")).toBe("AppServiceManagement");
    expect(small().prefixes("SQL")).toEqual(["40.112.0.0/16"]);
    expect(small().prefixes6("sql")).toEqual(["2603:1000::/40"]);
    expect(small().canonical("NoSuchTag")).toBeUndefined();
  });

  test("an unknown name is answered with those most like it", () => {
    expect(serviceTagAnswer(small(), "AppServiceManagment")).toEqual({
      nearest: ["AppServiceManagement"],
    });
    expect(serviceTagAnswer(small(), "VirtualNetworks")).toMatchObject({
      nearest: ["VirtualNetwork"],
    });
    expect(serviceTagAnswer(small(), "zzzzzzzzzzz")).toEqual({ nearest: [] });
  });

  test("tags of the network and the platform are known too", () => {
    expect(serviceTagAnswer(small(), "internet")).toEqual({ known: "Internet" });
    expect(serviceTagAnswer(small(), "azureplatformdns")).toEqual({ known: "AzurePlatformDNS" });
    expect(serviceTagAnswer(small(), "sql")).toEqual({ known: "Sql" });
  });

  test("what is not of the published shape is declined, and one bad prefix declines the file", () => {
    for (const broken of ["{", "{}", text([{ name: "Sql" }]), text([value("Sql", [7])])])
      expect(parseServiceTags(broken, "tags.json")).toMatchObject({
        ok: false,
        problem: { code: "InvalidServiceTags", where: "tags.json" },
      });
    expect(parse([value("Sql", ["40.112.0.1/16"])])).toMatchObject({
      ok: false,
      problem: { what: expect.stringContaining("The tag Sql"), fix: "Write 40.112.0.0/16." },
    });
    expect(parse([value("Sql", ["nonsense"])])).toMatchObject({ ok: false });
  });
});
