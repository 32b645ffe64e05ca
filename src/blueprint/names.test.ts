import { describe, expect, test } from "vitest";

import { keyOf } from "../arm/ids.ts";
import type { Resource } from "../arm/resources.ts";
import type { Ipv4 } from "../network/prefix.ts";
import type { RecordData } from "../network/names.ts";
import {
  ENVIRONMENT_ID,
  idOf,
  NETWORK_ID,
  reference,
  sketch,
  wanted,
} from "../../test/support/resources.ts";
import type { Blueprint } from "./blueprint.ts";
import { compile } from "./compile.ts";
import { describeMissing, missingNames, pendingDnsServers } from "./environment-names.ts";
import { EMPTY_LEDGER, type Ledger } from "./ledger.ts";
import { programsOf } from "./machine-programs.ts";

const DOMAIN = "shop.appserviceenvironment.net";
const ENVIRONMENT = { id: ENVIRONMENT_ID, domain: DOMAIN, name: "shop" };
const common = (type: string, name: string) => {
  const id = idOf(type, name);
  return { id, key: keyOf(id), name: name.split("/").at(-1) ?? name, extra: {} };
};
const ZONE = "Microsoft.Network/privateDnsZones";
const zone = (name: string): Resource => ({
  ...common(ZONE, name),
  ...{ type: ZONE, location: "global", tags: {} },
});
const link = (of: string): Resource => {
  const id = `${idOf(ZONE, of)}/virtualNetworkLinks/link`;
  return {
    ...{ id, key: keyOf(id), name: "link", extra: {}, location: "global", tags: {} },
    type: `${ZONE}/virtualNetworkLinks`,
    zone: reference(idOf(ZONE, of)),
    network: reference(NETWORK_ID),
    registrationEnabled: false,
    fallsThrough: false,
  };
};
const record = (of: string, name: string, address: string): Resource => {
  const id = `${idOf(ZONE, of)}/A/${name}`;
  const data: RecordData = { type: "A", address };
  return {
    ...{ id, key: keyOf(id), name, extra: {}, metadata: {}, ttlSeconds: 60 },
    type: `${ZONE}/A`,
    zone: reference(idOf(ZONE, of)),
    records: [data],
  };
};
const blueprintOf = (extra: readonly Resource[]): Blueprint =>
  compile(wanted(sketch({ kind: "Internal", extra })), EMPTY_LEDGER, 1).blueprint;
const balancerOf = ({ networks }: Blueprint) =>
  networks[0]?.translations.find(({ at }) => at === "router")?.address ?? "";
const missing = (extra: readonly Resource[]) =>
  missingNames(blueprintOf(extra), ENVIRONMENT).map(({ record: name, leadsTo }) =>
    [name, ...leadsTo].join(" "),
  );

describe("names of an ILB environment", () => {
  const address = balancerOf(blueprintOf([]));
  const records = [record(DOMAIN, "*", address), record(DOMAIN, "@", address)];

  test("are missing one by one, and led elsewhere", () => {
    expect(missing([])).toEqual(["*", "@", "*.scm"]);
    expect(missing([zone(DOMAIN), ...records, record(DOMAIN, "*.scm", address)])).toHaveLength(3);
    // A wildcard above stands for app.scm too, as it does for everything.
    expect(missing([zone(DOMAIN), link(DOMAIN), ...records])).toEqual([]);
    expect(
      missing([zone(DOMAIN), link(DOMAIN), ...records, record(DOMAIN, "*.scm", "10.9.9.9")]),
    ).toEqual(["*.scm 10.9.9.9"]);
  });

  test("may stand in a zone of SCM sites", () => {
    const scm = `scm.${DOMAIN}`;
    const both = [zone(DOMAIN), link(DOMAIN), ...records, zone(scm), link(scm)];
    expect(missing(both)).toEqual(["*.scm"]);
    expect(missing([...both, record(scm, "*", address)])).toEqual([]);
    expect(describeMissing(DOMAIN, missingNames(blueprintOf(both), ENVIRONMENT))).toBe(
      `zone ${DOMAIN} needs A records that lead to ${address}: *.scm is missing (SCM sites are not found)`,
    );
  });
});

describe("DNS servers of a network", () => {
  const SERVER = "10.0.9.9" as Ipv4;
  const compiled = (dnsServers: readonly Ipv4[], before: Ledger, incarnation = 0) => {
    const resources = sketch({ instances: 1 }).map((resource) =>
      resource.type === "Microsoft.Network/virtualNetworks"
        ? { ...resource, dnsServers }
        : resource,
    );
    return compile(wanted(resources, { incarnationOf: () => incarnation }), before, 1);
  };
  const serversOf = ({ hosts }: Blueprint, role: string) =>
    hosts.find((host) => host.role === role)?.dnsServers;

  test("are what a host was told when it came up, until it comes up again", () => {
    const first = compiled([], EMPTY_LEDGER);
    const changed = compiled([SERVER], first.ledger);
    expect(serversOf(changed.blueprint, "Worker")).toBeUndefined();
    expect(serversOf(changed.blueprint, "Visitor")).toEqual([SERVER]);
    expect(pendingDnsServers(changed.blueprint, ENVIRONMENT, [SERVER])).toContain(
      "all hosts ask the platform's resolver, the network says 10.0.9.9 (ase reboot shop)",
    );
    const rebooted = compiled([SERVER], changed.ledger, 1);
    expect(serversOf(rebooted.blueprint, "Worker")).toEqual([SERVER]);
    expect(pendingDnsServers(rebooted.blueprint, ENVIRONMENT, [SERVER])).toBeUndefined();
  });

  test("are asked by a resolver of the worker, which asks the platform last", () => {
    const { blueprint } = compiled([SERVER], EMPTY_LEDGER);
    const worker = blueprint.hosts.find(({ role }) => role === "Worker");
    const resolver = worker?.programs.find(({ name }) => name === "resolver");
    expect(resolver).toMatchObject({
      asks: [{ at: "127.53.0.1", servers: [SERVER, "168.63.129.16"] }],
    });
    expect(worker?.programs.find(({ kind }) => kind === "app")).toMatchObject({
      names: { resolver: "127.53.0.1", servers: [SERVER] },
    });
  });
});

describe("tags of a machine", () => {
  const of = (tags: Record<string, string>) =>
    programsOf({ id: "/machine", tags }, "10.0.2.4" as Ipv4);

  test("make a DNS server of it", () => {
    expect(of({ owner: "me" })).toEqual({ ok: true, value: [] });
    expect(
      of({
        "openase.program": "dns-server",
        "openase.dns.DB.corp.test": "10.0.2.7",
        "openase.dns.www.corp.test": "db.corp.test.",
        "openase.dns-forward": "168.63.129.16, 10.0.2.9",
      }),
    ).toMatchObject({
      value: [
        {
          names: { "db.corp.test": "10.0.2.7" },
          aliases: { "www.corp.test": "db.corp.test" },
          forwardTo: ["168.63.129.16", "10.0.2.9"],
        },
      ],
    });
  });

  test("that say something else are refused, with their name", () => {
    const refused = (tags: Record<string, string>) => {
      const read = of({ "openase.program": "dns-server", ...tags });
      return read.ok ? "accepted" : read.problem.what;
    };
    expect(refused({ "openase.program": "mail" })).toContain("openase.program");
    expect(refused({ "openase.dns.a b": "10.0.2.7" })).toContain("openase.dns.a b");
    expect(refused({ "openase.dns.a.test": "10.0.2.7\nserver=1.1.1.1" })).toContain("a.test");
    expect(refused({ "openase.dns-forward": "nobody" })).toContain("dns-forward");
  });
});
