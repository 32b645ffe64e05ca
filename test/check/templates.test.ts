/**
 * Verdicts of five public templates, written down and argued. They are as they were published
 * (test/templates), errors included.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { describe, expect, test } from "vitest";

import { check, type CheckRequest } from "../../src/check/check.ts";
import { readInputs } from "../../src/check/inputs/read-inputs.ts";
import type { EnvironmentReport } from "../../src/check/finding.ts";
import { remarks } from "../../src/check/check.testing.ts";
import { readBeside, readCheckFiles } from "../../src/cli/check-files.ts";
import { readTagFile } from "../../src/cli/tag-file.ts";
import { serviceTagAnswer } from "../../src/network/service-tags.ts";

const TEMPLATES = fileURLToPath(new URL("../templates/", import.meta.url));
const read = readTagFile(undefined);
if (!read.ok) throw new Error(read.problem.what);
const tags = read.value;

function requestOf(name: string): CheckRequest {
  const files = readCheckFiles([join(TEMPLATES, name)]);
  if (!files.ok) throw new Error(files.problem.what);
  const inputs = readInputs({
    files: files.value,
    parameterFiles: [],
    parameterValues: {},
    server: [],
    readBeside,
    isServiceTag: (tag) => serviceTagAnswer(tags, tag),
  });
  if (!inputs.ok) throw new Error(inputs.problem.what);
  const { resources, origins, missing } = inputs.value;
  return {
    resources,
    missing,
    placeOf: (key) => origins.get(key),
    tag: (tag) => {
      const known = tags.canonical(tag);
      return known === undefined ? undefined : tags.prefixes(known);
    },
  };
}

function checked(name: string): EnvironmentReport {
  const report = check(requestOf(name));
  if (!report.ok) throw new Error(report.problem.what);
  const [only] = report.value.environments;
  if (only === undefined) throw new Error("no environment");
  return only;
}

describe("public templates", () => {
  // The network has neither group nor table: nothing can be in the way.
  test("201-web-app-asev2-create lives; its /25 is smaller than recommended", () => {
    const report = checked("201-web-app-asev2-create");
    expect(report).toMatchObject({ verdict: "lives", kind: "External" });
    expect(remarks(report)).toEqual({
      "rules/no-group": "advice",
      "subnet/recommended-size": "advice",
    });
  });

  test("201-asev2-ilb-with-web-app lives; its apps have no names yet", () => {
    const report = checked("201-asev2-ilb-with-web-app");
    expect(report).toMatchObject({ verdict: "lives", kind: "Internal" });
    expect(remarks(report)).toEqual({ "dns/records": "advice", "rules/no-group": "advice" });
  });

  // Its group names neither the load balancer nor ports 123 and 12000, nor debugging (4016-4022
  // without 4024) and Web Deploy: the default rules let them through, until somebody denies all.
  test("e-shop-website-with-ilb-ase lives by default rules", () => {
    const report = checked("e-shop-website-with-ilb-ase");
    expect(report).toMatchObject({ verdict: "lives", kind: "Internal" });
    expect(remarks(report)).toMatchInlineSnapshot(`
      {
        "dns/records": "advice",
        "flow/keep-alive": "default-rule by AllowVnetInBound",
        "flow/monitoring": "default-rule by AllowInternetOutBound",
        "flow/remote-debugging": "default-rule by AllowVnetInBound",
        "flow/time": "default-rule by AllowInternetOutBound",
        "flow/web-deploy": "default-rule by AllowVnetInBound",
      }
    `);
  });

  // It hangs a plan and an app into an environment that it does not describe.
  test("201-web-app-asp-app-on-asev2-create says nothing of a network", () => {
    const report = check(requestOf("201-web-app-asp-app-on-asev2-create"));
    expect(report).toMatchObject({ ok: false, problem: { code: "NothingToCheck" } });
  });

  // The firewall takes everything; SQL and Storage leave by service endpoints, which is a supported
  // way. Management is answered directly for the 76 addresses that were published when it was
  // written; the tag it opens its ports to holds thousands. Three rules name 192.168.250.0, and its
  // network is 10.0.0.0/16: inside communication passes by a default rule only.
  test("App-Service-Environment-AzFirewall cannot be proved to live", () => {
    const report = checked("App-Service-Environment-AzFirewall");
    expect(report).toMatchObject({ verdict: "unclear", kind: "Internal" });
    expect(remarks(report)).toMatchInlineSnapshot(`
      {
        "dns/records": "advice",
        "endpoints/sql": "advice",
        "flow/internal": "default-rule by AllowVnetOutBound",
        "flow/keep-alive": "default-rule by AllowVnetInBound",
        "flow/load-balancer-management": "default-rule by AllowVnetInBound",
        "flow/monitoring": "default-rule by AllowVnetOutBound",
        "flow/remote-debugging": "default-rule by AllowVnetInBound",
        "flow/time": "default-rule by AllowVnetOutBound",
        "flow/web-deploy": "default-rule by AllowVnetInBound",
        "lint/foreign-prefix": "advice",
        "reply/management": "unclear by DefaultRoute",
        "routes/forced-tunnel": "advice",
      }
    `);
    const foreign = report.findings.filter(({ id }) => id === "lint/foreign-prefix");
    expect(foreign.map(({ culprit }) => culprit?.name)).toEqual([
      "ASE-internal-inbound",
      "ASE-internal-outbound",
      "ASE-to-VNET",
    ]);
    expect(foreign[0]?.culprit?.place).toMatchObject({
      file: expect.stringMatching(/nestedtemplates\/vnet\.json$/),
      line: 130,
    });
  });
});
