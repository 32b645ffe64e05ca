import { describe, expect, test } from "vitest";

import { loadServiceTags } from "./service-tag-file.ts";

describe("the file of service tags", () => {
  test("every prefix of the product's own copy can be read, and the tags we need are in it", () => {
    const tags = loadServiceTags();
    if (!tags.ok) throw new Error(tags.problem.what);
    for (const name of tags.value.names) {
      const read = [...tags.value.prefixes(name), ...tags.value.prefixes6(name)];
      expect(read.length).toBe(tags.value.texts(name).length);
    }
    for (const name of ["AppServiceManagement", "Sql", "Storage", "AzureCloud", "EventHub"])
      expect(tags.value.prefixes(name).length).toBeGreaterThan(0);
  });

  test("a file that is not there is a problem that names it", () => {
    expect(loadServiceTags("/nowhere/tags.json")).toMatchObject({
      ok: false,
      problem: { code: "ServiceTagsUnreadable", where: "/nowhere/tags.json" },
    });
  });
});
