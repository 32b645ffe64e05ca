import { spawnSync } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

import type { FrontEnd } from "../blueprint/blueprint.ts";
import { frontEndFiles } from "./front-end-config.ts";
import { valueOf } from "./place.testing.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "ase-config-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

type Site = FrontEnd["sites"][number];

function filesFor(sites: readonly Site[], certificateFiles: readonly string[] = []) {
  return frontEndFiles(
    {
      kind: "front-end",
      name: "proxy",
      address: "10.0.0.5" as FrontEnd["address"],
      sites,
      certificates: [],
    },
    {
      folder,
      workerSocket: join(folder, "worker.sock"),
      certificateFiles,
      maxConnections: 1000,
      threads: 1,
    },
  );
}

/** What HAProxy has to say against the configuration. */
async function complaints(files: Readonly<Record<string, string>>): Promise<string> {
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  const checked = spawnSync("haproxy", ["-c", "-q", "-f", join(folder, "haproxy.cfg")]);
  return checked.status === 0 ? "" : String(checked.stderr);
}

const pair = {
  ...{ certificate: "/pki/shop.crt", key: "/pki/shop.key", authority: "/pki/authority.crt" },
};

const backend = (index: number): Site["backends"][number] => ({
  name: `worker-${index}`,
  address: `10.0.1.${index % 250}` as FrontEnd["address"],
  port: 8000 + index,
});

describe("the configuration of a front end", () => {
  test("gives an app's own address its pair of ports, its certificate and that app alone", async () => {
    const site: Site = {
      ...{ name: "shop", hostNames: ["www.shop.test"], running: true, httpsOnly: false },
      backends: [backend(1)],
    };
    const files = valueOf(
      frontEndFiles(
        {
          ...{ kind: "front-end", name: "proxy", address: "10.0.0.5" as FrontEnd["address"] },
          ...{ sites: [site], certificates: [] },
          boundCertificates: [{ name: "www.shop.test", files: pair }],
          appAddresses: [
            {
              site: "shop",
              ports: { http: 20_001, https: 20_002 },
              certificates: [{ name: "www.shop.test", files: pair }],
            },
          ],
        },
        {
          ...{ folder, workerSocket: join(folder, "worker.sock"), certificateFiles: [] },
          ...{ boundFiles: new Map([["/pki/shop.crt", "/scratch/shop.pem"]]) },
          ...{ maxConnections: 1000, threads: 1 },
        },
      ),
    );
    expect(files["own-shop.list"]).toBe("/scratch/shop.pem\n/scratch/shop.pem www.shop.test\n");
    expect(files["certificates.list"]).toBe("/scratch/shop.pem www.shop.test\n");
    const lines = (files["haproxy.cfg"] ?? "").split("\n");
    const own = lines.slice(lines.indexOf("frontend own-shop"));
    expect(own.slice(1, 3)).toEqual([
      "  bind 10.0.0.5:20001",
      `  bind 10.0.0.5:20002 ssl crt-list ${folder}/own-shop.list`,
    ]);
    expect(own).toContain("  use_backend site-shop if { var(txn.site) -m str site-shop }");
  });

  test("is one that HAProxy accepts, with sites of every sort, and 300 of them", async () => {
    const sites = Array.from({ length: 300 }, (_, index) => ({
      name: `site-${index}`,
      hostNames: [`site-${index}.demo.p.azurewebsites.net`, `*.x${index}.Example.COM`],
      running: index % 7 !== 0,
      httpsOnly: index % 2 === 0,
      backends: Array.from({ length: index % 4 }, (_unused, at) => backend(at)),
    }));
    expect(await complaints(valueOf(filesFor(sites)))).toBe("");
    expect(await complaints(valueOf(filesFor([])))).toBe("");
  });

  test("asks the map, so that its length per request does not grow with the sites", () => {
    const { "haproxy.cfg": config = "" } = valueOf(
      filesFor(
        ["a", "b", "c"].map((name) => ({
          name,
          hostNames: [`${name}.test`],
          running: true,
          httpsOnly: false,
          backends: [],
        })),
      ),
    );
    expect(config.match(/use_backend/g)).toHaveLength(1);
    expect(config).not.toContain("a.test\n  use");
  });

  test.each([
    ["a host name with a blank", { hostNames: ["a b.test"] }],
    ["a host name with a new line", { hostNames: ["a.test\nb.test site-x"] }],
    ["a host name with a sample expression", { hostNames: ["%[env(PATH)]"] }],
    ["a wildcard in the middle", { hostNames: ["a.*.test"] }],
    ["a site name with a line of configuration", { name: "x\n  stats enable" }],
    ["a site name with a quote", { name: 'x"y' }],
    ["an instance whose port is none", { backends: [{ ...backend(1), port: 70_000 }] }],
    ["two instances of one name", { backends: [backend(1), backend(1)] }],
  ] satisfies readonly (readonly [string, Partial<Site>])[])("refuses %s", (_, change) => {
    const answer = filesFor([
      {
        name: "a",
        hostNames: ["a.test"],
        running: true,
        httpsOnly: false,
        backends: [],
        ...change,
      },
    ]);
    expect(answer).toMatchObject({ ok: false, problem: { code: "FrontEndRefused" } });
  });

  test("refuses one name for two sites", () => {
    const one = { hostNames: ["Same.test"], running: true, httpsOnly: false, backends: [] };
    expect(
      filesFor([
        { ...one, name: "a" },
        { ...one, name: "b", hostNames: ["same.test"] },
      ]).ok,
    ).toBe(false);
  });

  test("whatever the names are, it is refused or accepted by HAProxy", async () => {
    const name = fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 12 });
    const anySite = fc.record({
      name,
      hostNames: fc.array(
        fc.oneof(
          name,
          fc.domain(),
          fc.domain().map((one) => `*.${one}`),
        ),
        { maxLength: 3 },
      ),
      running: fc.boolean(),
      httpsOnly: fc.boolean(),
      backends: fc.constantFrom([], [backend(1)]),
    });
    await fc.assert(
      fc.asyncProperty(anySite, async (site) => {
        const files = filesFor([site]);
        expect(files.ok ? await complaints(files.value) : "").toBe("");
      }),
      { numRuns: 60 },
    );
  });
});
