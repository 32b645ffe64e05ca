import { describe, expect, test } from "vitest";

import { parseResourceId } from "../ids.ts";
import type { JsonObject } from "../json.ts";
import { parseResource, renderResource } from "../types.ts";

const ZONE =
  "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/privateDnsZones/Corp.Example";

const put = (path: string, body: JsonObject) => {
  const id = parseResourceId(`${ZONE}${path}`);
  if (!id.ok) throw new Error(id.problem.what);
  return parseResource({
    id: id.value,
    body,
    before: undefined,
    context: {
      location: "here",
      lookUp: () => undefined,
      isServiceTag: (known) => ({ known }),
    },
  });
};
const shown = (path: string, properties: JsonObject): JsonObject => {
  const parsed = put(path, { properties });
  if (!parsed.ok) throw new Error(parsed.problem.what);
  return renderResource(parsed.value.resources[0], {
    get: () => undefined,
    ofType: () => [],
    statusOf: () => ({}),
  });
};
const codeOf = (path: string, properties: JsonObject) => {
  const parsed = put(path, { properties });
  return parsed.ok ? "accepted" : parsed.problem.code;
};

describe("private DNS zones", () => {
  test("come with the record of their authority, once", () => {
    const parsed = put("", { location: "global" });
    expect(parsed.ok && parsed.value.resources.map(({ type, name }) => `${type} ${name}`)).toEqual([
      "Microsoft.Network/privateDnsZones Corp.Example",
      "Microsoft.Network/privateDnsZones/SOA @",
    ]);
  });

  test("give record sets of each type back as they were written", () => {
    const bodies: readonly [string, JsonObject][] = [
      ["a/@", { aRecords: [{ ipv4Address: "10.0.0.4" }, { ipv4Address: "10.0.0.5" }] }],
      ["aaaa/six", { aaaaRecords: [{ ipv6Address: "fd00::4" }] }],
      ["cname/www", { cnameRecord: { cname: "db.corp.example" } }],
      ["mx/@", { mxRecords: [{ preference: 10, exchange: "mail.corp.example" }] }],
      ["ptr/4", { ptrRecords: [{ ptrdname: "db.corp.example" }] }],
      [
        "srv/_x._tcp",
        { srvRecords: [{ priority: 1, weight: 2, port: 3, target: "db.corp.example" }] },
      ],
      ["txt/*", { txtRecords: [{ value: ["a", "b"] }] }],
    ];
    for (const [path, properties] of bodies)
      expect(shown(`/${path}`, { ttl: 60, ...properties })["properties"]).toMatchObject({
        ttl: 60,
        ...properties,
      });
  });

  test("refuse what no resolver could answer with", () => {
    expect(codeOf("/A/@", { aRecords: [{ ipv4Address: "10.0.0.400" }] })).not.toBe("accepted");
    expect(codeOf("/AAAA/x", { aaaaRecords: [{ ipv6Address: "fd00::4::1" }] })).toBe("BadRequest");
    expect(codeOf("/CNAME/@", { cnameRecord: { cname: "a.b" } })).toBe("BadRequest");
    expect(codeOf("/CNAME/x", { cnameRecord: { cname: "a b" } })).toBe("BadRequest");
    expect(codeOf("/A/a*b", {})).toBe("BadRequest");
    expect(codeOf("/TXT/x", { txtRecords: [{ value: ["é".repeat(128)] }] })).toBe("BadRequest");
    expect(codeOf("/A/*.scm", {})).toBe("accepted");
  });
});
