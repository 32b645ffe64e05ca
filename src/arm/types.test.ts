import { describe, expect, test } from "vitest";

import { ProblemError } from "../base/problem.ts";
import { keyOf, parseResourceId } from "./ids.ts";
import type { JsonObject } from "./json.ts";
import type { Resource, ResourceOf, ResourceType } from "./resources.ts";
import { patchedBody, parseResource, renderResource } from "./types.ts";

const GROUP = "/subscriptions/s/resourceGroups/g/providers";
const NETWORK = `${GROUP}/Microsoft.Network/virtualNetworks/v`;
const ENVIRONMENT = `${GROUP}/Microsoft.Web/hostingEnvironments/demo`;
const PLAN = `${GROUP}/Microsoft.Web/serverfarms/p`;
const SITE = `${GROUP}/Microsoft.Web/sites/app`;

/** Resources as PUTs leave them. */
function openWorld() {
  const all = new Map<string, Resource>();
  const parse = (text: string, body: JsonObject) => {
    const id = parseResourceId(text);
    if (!id.ok) throw new ProblemError(id.problem);
    const before = all.get(keyOf(text));
    const isServiceTag = (name: string) =>
      name.toLowerCase() === "sql" ? { known: "Sql" } : { nearest: ["Sql", "Storage"] };
    const context = { location: "here", lookUp: (key: string) => all.get(key), isServiceTag };
    return parseResource({ id: id.value, body, before, context });
  };
  const put = (text: string, body: JsonObject) => {
    const parsed = parse(text, body);
    if (!parsed.ok) throw new ProblemError(parsed.problem);
    for (const one of parsed.value.resources) all.set(one.key, one);
    return parsed.value;
  };
  const is =
    <Type extends ResourceType>(type: Type) =>
    (one: Resource): one is ResourceOf<Type> =>
      one.type === type;
  const context = {
    get: (key: string) => all.get(key),
    ofType: <Type extends ResourceType>(type: Type) => [...all.values()].filter(is(type)),
    statusOf: () => ({}),
  };
  const one = <Type extends ResourceType>(type: Type, id: string): ResourceOf<Type> => {
    const resource = all.get(keyOf(id));
    if (resource === undefined || !is(type)(resource)) throw new Error(`no ${id}`);
    return resource;
  };
  const show = (id: string): JsonObject => {
    const resource = all.get(keyOf(id));
    if (resource === undefined) throw new Error(`no ${id}`);
    return renderResource(resource, context);
  };
  const refusal = (text: string, body: JsonObject) => {
    const parsed = parse(text, body);
    return parsed.ok ? undefined : parsed.problem;
  };
  return { put, one, show, refusal };
}

const rule = (more: JsonObject): JsonObject => ({
  properties: {
    protocol: "tcp",
    access: "allow",
    direction: "INBOUND",
    priority: "100",
    sourceAddressPrefix: "sql",
    destinationAddressPrefix: "*",
    sourcePortRange: "*",
    destinationPortRange: "454-455",
    ...more,
  },
});

describe("application security groups", () => {
  const group = `${GROUP}/Microsoft.Network/applicationSecurityGroups/web`;
  const nsg = `${GROUP}/Microsoft.Network/networkSecurityGroups/n`;
  const groups = { sourceApplicationSecurityGroups: [{ id: group }] };

  test("a rule names them alone on its side, and gives them back", () => {
    const world = openWorld();
    world.put(group, { location: "x" });
    world.put(nsg, { location: "x" });
    world.put(`${nsg}/securityRules/r`, rule({ ...groups, sourceAddressPrefix: null }));
    const id = `${nsg}/securityRules/r`;
    expect(
      world.one("Microsoft.Network/networkSecurityGroups/securityRules", id).rule,
    ).toMatchObject({ sources: [{ kind: "asg", id: group, addresses: [] }] });
    expect(world.show(id)).toMatchObject({ properties: groups });
    expect(world.refusal(id, rule(groups))?.code).toBe(
      "SecurityRuleParameterContainsUnsupportedCombination",
    );
  });
});

describe("peerings and gateways", () => {
  const [hub, spoke] = ["hub", "spoke"].map(
    (name) => `${GROUP}/Microsoft.Network/virtualNetworks/${name}`,
  ) as [string, string];
  const network = (prefix: string) => ({
    location: "x",
    properties: { addressSpace: { addressPrefixes: [prefix] } },
  });
  const towards = (id: string) => ({ properties: { remoteVirtualNetwork: { id } } });

  test("a peering is Initiated until the other side has one, then Connected", () => {
    const world = openWorld();
    world.put(hub, network("10.1.0.0/16"));
    world.put(spoke, network("10.2.0.0/16"));
    const id = `${hub}/virtualNetworkPeerings/to-spoke`;
    world.put(id, towards(spoke));
    expect(world.show(id)).toMatchObject({
      properties: {
        peeringState: "Initiated",
        allowVirtualNetworkAccess: true,
        allowForwardedTraffic: false,
        remoteAddressSpace: { addressPrefixes: ["10.2.0.0/16"] },
      },
    });
    world.put(`${spoke}/virtualNetworkPeerings/to-hub`, towards(hub));
    expect(world.show(id)).toMatchObject({ properties: { peeringState: "Connected" } });
    expect(world.show(hub)).toMatchObject({
      properties: { virtualNetworkPeerings: [{ name: "to-spoke" }] },
    });
  });

  test("a gateway stands in a GatewaySubnet, and a shared key is kept nowhere", () => {
    const world = openWorld();
    const gateway = `${GROUP}/Microsoft.Network/virtualNetworkGateways/g`;
    const body = (subnet: string) => ({
      location: "x",
      properties: {
        gatewayType: "vpn",
        ipConfigurations: [{ properties: { subnet: { id: `${hub}/subnets/${subnet}` } } }],
      },
    });
    expect(world.refusal(gateway, body("ase"))?.code).toBe("InvalidGatewaySubnet");
    world.put(gateway, body("GatewaySubnet"));
    const connection = `${GROUP}/Microsoft.Network/connections/c`;
    world.put(connection, {
      location: "x",
      properties: {
        connectionType: "IPsec",
        virtualNetworkGateway1: { id: gateway },
        localNetworkGateway2: { id: `${GROUP}/Microsoft.Network/localNetworkGateways/office` },
        sharedKey: "abc-secret",
      },
    });
    expect(JSON.stringify(world.one("Microsoft.Network/connections", connection))).not.toContain(
      "secret",
    );
    expect(world.show(connection)).toMatchObject({ properties: { connectionStatus: "Connected" } });
  });

  test("what a site announces is read from its tag, and a bad prefix is named", () => {
    const world = openWorld();
    const id = `${GROUP}/Microsoft.Network/localNetworkGateways/office`;
    const office = (announces: string) => ({
      location: "x",
      tags: { "OpenASE-announces": announces },
      properties: { localNetworkAddressSpace: { addressPrefixes: ["192.168.0.0/16"] } },
    });
    world.put(id, office("0.0.0.0/0, 172.16.0.0/12"));
    expect(world.one("Microsoft.Network/localNetworkGateways", id)).toMatchObject({
      prefixes: ["192.168.0.0/16"],
      announced: ["0.0.0.0/0", "172.16.0.0/12"],
    });
    expect(world.refusal(id, office("everything"))?.what).toContain("openase-announces");
  });
});

describe("networks", () => {
  test("a network's subnets become resources of their own, and stay when not named", () => {
    const world = openWorld();
    const address = { addressSpace: { AddressPrefixes: ["10.0.0.0/16"] } };
    const embedded = {
      id: `${GROUP}/Microsoft.Network/routeTables/r`,
      location: "x",
      properties: { routes: [{ nonsense: 1 }] },
    };
    const subnets = [
      { name: "ase", properties: { addressPrefix: "10.0.1.0/24", routeTable: embedded } },
    ];
    expect(world.put(NETWORK, { properties: { ...address, subnets } }).replacedParts).toHaveLength(
      1,
    );
    expect(world.put(NETWORK, { properties: address }).replacedParts).toEqual([]);
    expect(
      world.one("Microsoft.Network/virtualNetworks/subnets", `${NETWORK}/subnets/ase`).routeTable
        ?.id,
    ).toBe(embedded.id);
    expect(world.show(NETWORK)).toMatchObject({ properties: { subnets: [{ name: "ase" }] } });
  });

  test("what GET shows can be PUT again and changes nothing", () => {
    const world = openWorld();
    const id = `${GROUP}/Microsoft.Network/networkSecurityGroups/n`;
    world.put(id, {
      location: "here",
      properties: { securityRules: [{ name: "r", ...rule({}) }] },
    });
    const shown = world.show(id);
    world.put(id, shown);
    expect(world.show(id)).toEqual(shown);
  });

  test("rules are read with numbers as text and words in any casing; tags in published spelling", () => {
    const world = openWorld();
    const id = `${GROUP}/Microsoft.Network/networkSecurityGroups/n/securityRules/r`;
    world.put(id, rule({}));
    expect(
      world.one("Microsoft.Network/networkSecurityGroups/securityRules", id).rule,
    ).toMatchObject({
      priority: 100,
      direction: "Inbound",
      protocol: "Tcp",
      sources: [{ kind: "tag", tag: "Sql" }],
      destinationPorts: [{ low: 454, high: 455 }],
    });
    expect(world.refusal(id, rule({ sourceAddressPrefix: "Sequel" }))?.fix).toContain(
      "Sql, Storage",
    );
    expect(world.refusal(id, rule({ priority: 99 }))?.what).toContain("from 100 to 4096");
    expect(world.refusal(id, rule({ destinationPortRange: "9-1" }))?.code).toBe(
      "SecurityRuleInvalidPortRange",
    );
    expect(world.refusal(id, rule({ sourceAddressPrefix: "10.0.0.1/24" }))?.fix).toContain(
      "10.0.0.0/24",
    );
  });

  test("two rules of one body cannot share direction and priority", () => {
    const securityRules = [
      { name: "a", ...rule({}) },
      { name: "b", ...rule({}) },
    ];
    const id = `${GROUP}/Microsoft.Network/networkSecurityGroups/n`;
    expect(openWorld().refusal(id, { properties: { securityRules } })?.code).toBe(
      "SecurityRuleConflict",
    );
  });

  test("a next hop that is null is absent, and an appliance needs an address", () => {
    const id = `${GROUP}/Microsoft.Network/routeTables/t/routes/r`;
    const route = (more: JsonObject) => ({ properties: { addressPrefix: "0.0.0.0/0", ...more } });
    const world = openWorld();
    world.put(id, route({ nextHopType: "internet", nextHopIpAddress: null }));
    expect(world.one("Microsoft.Network/routeTables/routes", id).nextHop).toEqual({
      kind: "Internet",
    });
    expect(world.refusal(id, route({ nextHopType: "VirtualAppliance" }))?.what).toContain(
      "nextHopIpAddress is missing",
    );
    expect(world.refusal(id, route({ nextHopType: "Peering" }))?.what).toContain("VnetLocal");
  });
});

describe("environments, plans and apps", () => {
  const environment = (more: JsonObject): JsonObject => ({
    location: "South Central US",
    kind: "ASEv2",
    properties: { virtualNetwork: { Id: NETWORK, Subnet: "ase" }, ...more },
  });

  test.each([
    [3, "Web, Publishing", "Internal"],
    ["3", "Web, Publishing", "Internal"],
    ["web,publishing", "Web, Publishing", "Internal"],
    [1, "Web", "Internal"],
    ["Publishing", "Publishing", "External"],
    [0, "None", "External"],
  ])("mode %j is %s", (written, mode, kind) => {
    const world = openWorld();
    world.put(ENVIRONMENT, environment({ InternalLoadBalancingMode: written }));
    expect(world.one("Microsoft.Web/hostingEnvironments", ENVIRONMENT)).toMatchObject({
      mode,
      kind,
      subnet: { key: keyOf(`${NETWORK}/subnets/ase`) },
    });
  });

  test("an update keeps what it does not name, and does not move the environment", () => {
    const world = openWorld();
    world.put(
      ENVIRONMENT,
      environment({
        internalLoadBalancingMode: 3,
        clusterSettings: [{ name: "DisableTls1.0", value: 1 }],
      }),
    );
    world.put(ENVIRONMENT, {
      location: "southcentralus",
      properties: { frontEndScaleFactor: "10", dnsSuffix: "demo.appserviceenvironment.net" },
    });
    const now = world.one("Microsoft.Web/hostingEnvironments", ENVIRONMENT);
    expect(now).toMatchObject({
      kind: "Internal",
      frontEndScaleFactor: 10,
      clusterSettings: [{ value: "1" }],
    });
    expect(now.dnsSuffix).toBeUndefined();
    expect(world.refusal(ENVIRONMENT, { location: "West US", properties: {} })?.code).toBe(
      "InvalidResourceLocation",
    );
    expect(world.refusal(ENVIRONMENT, { properties: { frontEndScaleFactor: 4 } })?.what).toContain(
      "5 to 15",
    );
  });

  test("a plan names its environment by id or by name, and its size as text or number", () => {
    const world = openWorld();
    world.put(PLAN, {
      sku: { name: "i2", tier: "Isolated" },
      properties: { hostingEnvironment: "demo", numberOfWorkers: "3" },
    });
    expect(world.one("Microsoft.Web/serverfarms", PLAN)).toMatchObject({
      environment: { key: keyOf(ENVIRONMENT) },
      size: "I2",
      capacity: 3,
    });
    world.put(PLAN, { sku: { capacity: "5" }, properties: {} });
    expect(world.one("Microsoft.Web/serverfarms", PLAN)).toMatchObject({ size: "I2", capacity: 5 });
    expect(world.refusal(PLAN, { sku: { name: "P1v2" } })?.fix).toContain("I1, I2, I3");
  });

  test("binding a certificate does not erase the app, and Linux is decided by the plan", () => {
    const world = openWorld();
    world.put(ENVIRONMENT, environment({}));
    world.put(PLAN, {
      properties: { hostingEnvironmentProfile: { id: ENVIRONMENT }, reserved: true },
    });
    const siteConfig = {
      appSettings: [{ name: "A", value: 1 }],
      linuxFxVersion: "NODE|20-lts",
      http20Enabled: true,
    };
    world.put(SITE, {
      properties: {
        serverFarmId: PLAN,
        reserved: false,
        hostNames: ["www.Contoso.test"],
        siteConfig,
      },
    });
    const hostNameSslStates = [
      { name: "www.contoso.test", sslState: "SniEnabled", thumbprint: "AA", toUpdate: true },
    ];
    world.put(SITE, { properties: { hostNameSslStates, reserved: false } });
    expect(world.one("Microsoft.Web/sites", SITE)).toMatchObject({
      plan: { key: keyOf(PLAN) },
      appSettings: { A: "1" },
      config: { linuxFxVersion: "NODE|20-lts", extra: { http20Enabled: true } },
      hostNameSslStates: [{ sslState: "SniEnabled" }],
    });
    const shown = world.show(SITE);
    expect(shown).toMatchObject({
      kind: "app,linux",
      properties: { reserved: true, defaultHostName: "app.demo.p.azurewebsites.net" },
    });
    expect(JSON.stringify(shown)).toContain('"hostType":"Repository"');
    expect(JSON.stringify(shown)).not.toContain("appSettings");
    world.put(SITE, shown);
    expect(world.show(SITE)).toEqual(shown);
  });

  test("names beyond the rules are refused", () => {
    const id = `${GROUP}/Microsoft.Web/hostingEnvironments/${"a".repeat(37)}`;
    expect(openWorld().refusal(id, environment({}))?.code).toBe("InvalidResourceName");
  });
});

describe("other types", () => {
  test("known ones are kept as written, unknown ones refused with what there is", () => {
    const world = openWorld();
    const id = `${GROUP}/microsoft.cache/redis/r`;
    world.put(id, { location: "x", sku: { name: "P" }, properties: { Odd: [1] } });
    expect(world.show(id)).toMatchObject({
      type: "Microsoft.Cache/Redis",
      sku: { name: "P" },
      properties: { Odd: [1], provisioningState: "Succeeded" },
    });
    const problem = world.refusal(`${GROUP}/Microsoft.Network/unheardOf/x`, {});
    expect(problem?.code).toBe("NoRegisteredProviderFound");
    expect(problem?.fix).toContain("Microsoft.Network/virtualNetworks");
  });

  test("a patch merges properties and replaces tags", () => {
    expect(
      patchedBody(
        { tags: { a: "1" }, properties: { x: 1, y: { z: 1 } } },
        { tags: { b: "2" }, Properties: { y: { w: 2 } } },
      ),
    ).toEqual({
      tags: { b: "2" },
      properties: { x: 1, y: { z: 1, w: 2 } },
    });
  });
});
