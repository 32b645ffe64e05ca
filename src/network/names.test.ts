import { describe, expect, test } from "vitest";

import { resolveName, type NameRecord, type Zone } from "./names.ts";

const a = (name: string, address: string): NameRecord => ({
  name,
  ttlSeconds: 60,
  data: { type: "A", address },
});
const alias = (name: string, target: string): NameRecord => ({
  name,
  ttlSeconds: 60,
  data: { type: "CNAME", target },
});
const zone = (name: string, records: readonly NameRecord[], fallsThrough = false): Zone => ({
  name,
  records,
  fallsThrough,
});

const ENVIRONMENT = zone("ilb.appserviceenvironment.net", [
  a("ilb.appserviceenvironment.net", "10.0.0.1"),
  a("*.ilb.appserviceenvironment.net", "10.0.0.2"),
  a("*.scm.ilb.appserviceenvironment.net", "10.0.0.3"),
]);

const ask = (name: string, zones: readonly Zone[], outside: readonly NameRecord[] = []) => {
  const answer = resolveName({ name, type: "A" }, zones, (asked) => {
    const known = outside.filter((record) => record.name === asked);
    return known.length === 0 ? undefined : known;
  });
  const addresses = answer.records.map(({ name: of, data }) =>
    data.type === "A" ? data.address : `${of} ->`,
  );
  return answer.code === "found" ? addresses.join(" ") : "no such name";
};

describe("names in private zones", () => {
  test("wildcards stand for what is not there itself; the nearest decides", () => {
    expect(ask("ILB.appserviceenvironment.net.", [ENVIRONMENT])).toBe("10.0.0.1");
    expect(ask("app.ilb.appserviceenvironment.net", [ENVIRONMENT])).toBe("10.0.0.2");
    expect(ask("app.scm.ilb.appserviceenvironment.net", [ENVIRONMENT])).toBe("10.0.0.3");
    // "scm" exists, as what *.scm lies under: the wildcard above does not stand for it.
    expect(ask("scm.ilb.appserviceenvironment.net", [ENVIRONMENT])).toBe("");
  });

  test("the longest zone decides alone", () => {
    const inner = zone("scm.ilb.appserviceenvironment.net", []);
    expect(ask("app.scm.ilb.appserviceenvironment.net", [ENVIRONMENT, inner])).toBe("no such name");
    expect(ask("app.scm.ilb.appserviceenvironment.net", [inner, ENVIRONMENT])).toBe("no such name");
  });

  test("a zone denies what it does not have, unless it lets it fall through", () => {
    const outside = [a("www.corp.test", "198.18.0.1")];
    expect(ask("www.corp.test", [], outside)).toBe("198.18.0.1");
    expect(ask("www.corp.test", [zone("corp.test", [])], outside)).toBe("no such name");
    expect(ask("www.corp.test", [zone("corp.test", [], true)], outside)).toBe("198.18.0.1");
    expect(ask("www.notcorp.test", [zone("corp.test", [])], outside)).toBe("no such name");
  });

  test("aliases are followed into other zones and outside, and circles end", () => {
    const corp = zone("corp.test", [
      alias("www.corp.test", "app.ilb.appserviceenvironment.net"),
      alias("far.corp.test", "far.test"),
      alias("one.corp.test", "two.corp.test"),
      alias("two.corp.test", "one.corp.test"),
    ]);
    expect(ask("www.corp.test", [corp, ENVIRONMENT])).toBe("www.corp.test -> 10.0.0.2");
    expect(ask("far.corp.test", [corp], [a("far.test", "198.18.0.9")])).toBe(
      "far.corp.test -> 198.18.0.9",
    );
    expect(ask("far.corp.test", [corp])).toBe("no such name");
    expect(ask("one.corp.test", [corp]).split(" -> ")).toHaveLength(8);
  });
});
