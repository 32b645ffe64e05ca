import { describe, expect, test } from "vitest";

import { sketch, wanted, type Sketch } from "../../test/support/resources.ts";
import {
  agentHost,
  ALICE,
  BOB,
  CAROL,
  CLIENT,
  FAR,
  FROM_ALICE,
  FROM_BALANCER,
  FROM_CAROL,
  FROM_CLIENT,
  INSIDE_PORT,
  NEAR,
  PLATFORM,
  probe,
  rule,
  smallWorld,
  VIP,
  VIP_PORT,
  type SmallWorld,
} from "../../test/support/worlds.ts";
import { PROBED_FLOWS } from "../environment/flows.ts";
import type { Cidr, Ipv4 } from "../network/prefix.ts";
import type { NextHop } from "../network/route.ts";
import type { Blueprint } from "./blueprint.ts";
import { compile } from "./compile.ts";
import { EMPTY_LEDGER } from "./ledger.ts";
import { probesOf, type Probe } from "./probes.ts";
import { explainProbe, flowOf, walk } from "./walk.ts";

const sentence = (world: SmallWorld, one: Probe) => explainProbe(smallWorld(world), one)?.sentence;
const at = (address: Ipv4) => [{ kind: "prefix", prefix: `${address}/32` as Cidr }] as const;
const route = (name: string, prefix: string, nextHop: NextHop) => ({
  name,
  prefix: prefix as Cidr,
  nextHop,
});
const via = (address: string): NextHop => ({ kind: "VirtualAppliance", address: address as Ipv4 });
const AT_VIP = probe(FROM_CLIENT, VIP, { port: VIP_PORT });

describe("gates on a packet's way", () => {
  test("without a group everything passes", () => {
    for (const one of [
      probe(FROM_ALICE, BOB),
      probe(FROM_CAROL, ALICE),
      AT_VIP,
      probe(FROM_BALANCER, BOB),
    ])
      expect(explainProbe(smallWorld(), one)).toBeUndefined();
  });

  test("a denial names rule, priority, direction and group", () => {
    const cut = rule({ name: "BlockLegacy", access: "Deny", priority: 150, destinations: at(BOB) });
    expect(explainProbe(smallWorld({ rules: [cut] }), probe(FROM_ALICE, BOB))).toEqual({
      kind: "rule",
      name: "BlockLegacy",
      id: cut.group,
      sentence: "denied by rule BlockLegacy (priority 150, inbound) of small-nsg",
    });
    expect(sentence({ rules: [] }, AT_VIP)).toBe(
      "denied by rule DenyAllInBound (priority 65500, inbound) of small-nsg",
    );
  });

  test("a group at an interface is asked after the subnet's coming in, before it going out", () => {
    const deny = (direction: "Inbound" | "Outbound") =>
      rule({ name: `Cut${direction}`, access: "Deny", direction });
    const small = smallWorld({ rules: [deny("Outbound")] });
    const world = (rules: Blueprint["hosts"][number]["rules"]): Blueprint => ({
      ...small,
      hosts: small.hosts.map((host) =>
        host.name === "bob" && rules !== undefined ? { ...host, rules } : host,
      ),
    });
    const fromBob = probe({ kind: "host", name: "bob", address: BOB }, CAROL);
    expect(explainProbe(world([deny("Inbound")]), probe(FROM_CAROL, BOB))?.name).toBe("CutInbound");
    expect(explainProbe(world(undefined), probe(FROM_CAROL, BOB))).toBeUndefined();
    const steps = (rules: Parameters<typeof world>[0]) =>
      walk(world(rules), flowOf(fromBob)).steps.map(({ at }) => at);
    expect(steps([rule({ name: "Out", access: "Allow", direction: "Outbound" })])).toEqual([
      "outbound gate of bob",
      "outbound gate of near",
    ]);
  });

  test("inbound rules see the target's address and port, behind the VIP", () => {
    const open = (port: number) =>
      rule({ name: "Web", access: "Allow", destinationPorts: [{ low: port, high: port }] });
    expect(sentence({ rules: [open(VIP_PORT)] }, AT_VIP)).toContain("DenyAllInBound");
    expect(sentence({ rules: [open(INSIDE_PORT)] }, AT_VIP)).toBeUndefined();
  });

  test("outbound rules see the balancer's address, inbound rules the target's", () => {
    const balancer = "10.0.1.200" as Ipv4;
    const world = (rules: SmallWorld["rules"]): Blueprint => {
      const small = smallWorld({ rules: rules ?? [] });
      const targets = [{ host: "bob", address: BOB, port: INSIDE_PORT }];
      const translation = {
        at: "router",
        address: balancer,
        protocol: "Tcp",
        port: 80,
        targets,
      } as const;
      return {
        ...small,
        networks: small.networks.map((network) => ({ ...network, translations: [translation] })),
      };
    };
    const one = probe(FROM_ALICE, balancer, { port: 80 });
    const out = (to: Ipv4) =>
      rule({ name: "Out", access: "Deny", direction: "Outbound", destinations: at(to) });
    const into = (to: Ipv4) => rule({ name: "In", access: "Deny", destinations: at(to) });
    expect(explainProbe(world([]), one)).toBeUndefined();
    expect(explainProbe(world([out(BOB), into(balancer)]), one)).toBeUndefined();
    expect(explainProbe(world([out(balancer)]), one)?.name).toBe("Out");
    expect(explainProbe(world([into(BOB)]), one)?.name).toBe("In");
    const self = probe({ kind: "host", name: "bob", address: BOB }, balancer, { port: 80 });
    expect(explainProbe(world([]), self)?.sentence).toContain(
      "may choose the sender 10.0.1.5 itself",
    );
  });

  test("the steps tell who decided what, in order", () => {
    const { steps, delivered, host, program } = walk(smallWorld({ rules: [] }), {
      from: { kind: "host", name: "carol" },
      to: BOB,
      protocol: "Tcp",
      fromPort: 50_000,
      toPort: INSIDE_PORT,
    });
    expect({ delivered, host, program }).toEqual({
      delivered: true,
      host: "bob",
      program: "agent",
    });
    expect(steps.map(({ at: where, what }) => `${where}: ${what}`)).toMatchInlineSnapshot(`
      [
        "far: route 10.0.0.0/16 -> VnetLocal",
        "inbound gate of near: allowed by rule AllowVnetInBound (priority 65000, inbound) of small-nsg",
        "bob: arrives at agent",
      ]
    `);
  });
});

describe("routes on a packet's way", () => {
  const toCarol = probe(FROM_ALICE, CAROL);
  const dave = "10.0.2.5" as Ipv4;
  const hosts = (forwards: boolean) => [
    ...smallWorld().hosts,
    agentHost("dave", FAR, dave, forwards),
  ];

  test("a route to nowhere stops, and is named", () => {
    const routes = [route("Hole", "10.0.2.0/24", { kind: "None" })];
    expect(sentence({ routes }, toCarol)).toBe(
      "stopped by route Hole (10.0.2.0/24 -> None) of small-routes",
    );
    expect(sentence({}, probe(FROM_ALICE, "10.9.0.1" as Ipv4))).toContain("10.0.0.0/8 -> None");
  });

  test("an appliance must exist, forward, and not send packets round in circles", () => {
    const routes = [route("Via", "10.0.2.4/32", via(dave))];
    expect(sentence({ routes }, toCarol)).toContain("no host has that address");
    expect(sentence({ routes, hosts: hosts(false) }, toCarol)).toContain("dave does not forward");
    expect(sentence({ routes, hosts: hosts(true) }, toCarol)).toBeUndefined();
    const farRoutes = [route("Again", "10.0.2.4/32", via(dave))];
    expect(sentence({ routes, farRoutes, hosts: hosts(true) }, toCarol)).toContain(
      "round in circles",
    );
  });

  test("a reply to what came in by the edge must leave by the internet", () => {
    const firewall = [route("ToFirewall", "0.0.0.0/0", via(dave))];
    expect(sentence({ routes: firewall, hosts: hosts(true) }, AT_VIP)).toBe(
      `the reply to ${CLIENT} leaves by another path: route ToFirewall (0.0.0.0/0 -> VirtualAppliance 10.0.2.5) of small-routes`,
    );
    const healed = [...firewall, route("Back", `${CLIENT}/32`, { kind: "Internet" })];
    expect(sentence({ routes: healed, hosts: hosts(true) }, AT_VIP)).toBeUndefined();
  });

  test("a reply inside the network follows the routes of its own subnet", () => {
    const hole = [route("Hole", "10.0.1.4/32", { kind: "None" })];
    expect(sentence({ farRoutes: hole }, toCarol)).toBe(
      "the reply to 10.0.1.4 is lost by route Hole (10.0.1.4/32 -> None) of small-routes",
    );
    const back = [route("Via", "10.0.1.4/32", via(BOB))];
    expect(sentence({ farRoutes: back }, toCarol)).toContain("no host there forwards");
    const forwarding = [
      agentHost("alice", NEAR, ALICE),
      agentHost("bob", NEAR, BOB, true),
      agentHost("carol", FAR, CAROL),
    ];
    expect(sentence({ farRoutes: back, hosts: forwarding }, toCarol)).toBeUndefined();
  });
});

describe("the end of a packet's way", () => {
  test("nobody at the address, nothing behind the VIP's port, nothing listening", () => {
    expect(sentence({}, probe(FROM_ALICE, "10.0.1.77" as Ipv4))).toBe(
      "no host has the address 10.0.1.77",
    );
    expect(sentence({}, probe(FROM_CLIENT, VIP, { port: 9 }))).toContain(
      "nothing is behind 198.18.0.1:9",
    );
    expect(sentence({}, probe(FROM_ALICE, BOB, { port: 9 }))).toBe(
      "nothing listens on Tcp 9 of bob",
    );
    expect(sentence({}, probe(FROM_CLIENT, PLATFORM, { port: 53 }))).toContain(
      "from inside a virtual network only",
    );
  });

  test("a host reaches its own network's VIP through the world outside", () => {
    const hairpin = walk(smallWorld(), {
      from: { kind: "host", name: "alice" },
      to: VIP,
      protocol: "Tcp",
      fromPort: 50_000,
      toPort: VIP_PORT,
    });
    expect(hairpin).toMatchObject({ delivered: true, host: "bob" });
    expect(hairpin.steps.map(({ what }) => what)).toContain(`leaves as ${VIP}`);
  });
});

// ---- A whole environment, compiled from resources: what it needs passes, and each cut is found.

const TLS = { certificate: "/pki/c", key: "/pki/k", authority: "/pki/a" };

function environmentProbes(blueprint: Blueprint): readonly Probe[] {
  const id =
    blueprint.hosts.find(({ environment }) => environment !== undefined)?.environment ?? "";
  const environment = { id, managementName: "management", tls: TLS };
  return [0, 1, 2, 3].flatMap((round) => probesOf(blueprint, environment, round));
}

function cuts(of: Sketch): Readonly<Record<string, string>> {
  const { blueprint } = compile(wanted(sketch(of)), EMPTY_LEDGER, 1);
  const found = environmentProbes(blueprint).map((one): [string, string | undefined] => [
    one.flow,
    explainProbe(blueprint, one)?.sentence,
  ]);
  return Object.fromEntries(
    found.flatMap(([flow, why]) => (why === undefined ? [] : [[flow, why]])),
  );
}

/** What the article asks a group to let in. */
const MANAGED = rule({
  name: "Managed",
  access: "Allow",
  sources: [{ kind: "tag", tag: "AppServiceManagement" }],
  destinationPorts: [{ low: 454, high: 455 }],
});
const port = (low: number) => ({ destinationPorts: [{ low, high: low }] });
const outDeny = (name: string, of: Parameters<typeof port>[0]) =>
  rule({ name, access: "Deny", direction: "Outbound", priority: 110, ...port(of) });

describe("what an environment needs", () => {
  test("passes where nothing is in the way, for both kinds, and every flow is asked", () => {
    for (const kind of ["External", "Internal"] as const) {
      expect(cuts({ kind, instances: 3 })).toEqual({});
      expect(cuts({ kind, rules: [MANAGED] })).toEqual({});
    }
    const { blueprint } = compile(wanted(sketch()), EMPTY_LEDGER, 1);
    expect(new Set(environmentProbes(blueprint).map(({ flow }) => flow))).toEqual(
      // Nobody asks for DNS servers that the network does not name.
      new Set(PROBED_FLOWS.map(({ id }) => id).filter((id) => id !== "customer-dns")),
    );
  });

  test("default rules alone cut management, and nothing else", () => {
    const why = "denied by rule DenyAllInBound (priority 65500, inbound) of nsg";
    expect(cuts({ rules: [] })).toEqual({
      "management-command": why,
      "management-monitoring": why,
    });
  });

  test("each cut leads to its flow and no other", () => {
    const cut = (name: string, of: Partial<ReturnType<typeof rule>>) =>
      Object.keys(cuts({ rules: [MANAGED, rule({ name, access: "Deny", priority: 110, ...of })] }));
    expect(cut("KeepAlive", port(16_001))).toEqual(["keep-alive"]);
    expect(cut("Inside", { sources: [{ kind: "prefix", prefix: "10.0.1.0/24" as Cidr }] })).toEqual(
      ["internal"],
    );
    for (const [flow, of] of [
      ["sql", 1_433],
      ["time", 123],
      ["monitoring", 12_000],
      ["dns", 53],
    ] as const)
      expect(Object.keys(cuts({ rules: [MANAGED, outDeny("Out", of)] }))).toEqual([flow]);
    const dns = rule({
      name: "NoPlatform",
      access: "Deny",
      direction: "Outbound",
      destinations: [{ kind: "tag", tag: "AzurePlatformDNS" }],
    });
    expect(Object.keys(cuts({ rules: [MANAGED, { ...dns, priority: 120 }] }))).toEqual([
      "platform-dns",
    ]);
  });

  test("a default route to nowhere cuts the world and leaves the inside whole", () => {
    const routes = [
      {
        name: "Nowhere",
        destination: { kind: "prefix", prefix: "0.0.0.0/0" as Cidr },
        nextHop: { kind: "None" },
      },
    ] as const;
    const found = cuts({ routes });
    expect(Object.keys(found).toSorted()).toEqual([
      "dns",
      "http",
      "https",
      "management-command",
      "management-monitoring",
      "monitoring",
      "sql",
      "time",
    ]);
    expect(found["management-command"]).toContain(
      "leaves by another path: route Nowhere (0.0.0.0/0 -> None) of routes",
    );
    expect(found["sql"]).toBe("stopped by route Nowhere (0.0.0.0/0 -> None) of routes");
  });
});
