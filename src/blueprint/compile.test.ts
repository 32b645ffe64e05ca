import { describe, expect, test } from "vitest";

import {
  idOf,
  machine,
  secondSubnet,
  NETWORK_ID,
  sketch,
  wanted,
  type Sketch,
} from "../../test/support/resources.ts";
import { addressesAtRest } from "../environment/addresses.ts";
import type { Blueprint } from "./blueprint.ts";
import { checkBlueprint } from "./check.ts";
import { compile } from "./compile.ts";
import { EMPTY_LEDGER } from "./ledger.ts";
import { same } from "./steps.ts";

const compiled = (of: Sketch = {}) => compile(wanted(sketch(of)), EMPTY_LEDGER, 1);
const ownHosts = (blueprint: Blueprint) => blueprint.hosts.filter(({ environment }) => environment);
const addressesOf = (blueprint: Blueprint) => ownHosts(blueprint).map(({ place }) => place.address);

describe("compiling resources to a blueprint", () => {
  test("every blueprint keeps its promises", () => {
    for (const of of [{}, { kind: "Internal" as const }, { instances: 0 }, { instances: 45 }])
      expect(checkBlueprint(compiled(of).blueprint)).toEqual([]);
  });

  test("an application security group means the addresses of its members, wherever it is named", () => {
    const group = idOf("Microsoft.Network/applicationSecurityGroups", "web");
    const subnet = `${NETWORK_ID}/subnets/vms`;
    const vm = machine("vm", subnet, { address: "10.0.2.9", applicationGroup: group });
    const match = { kind: "asg", id: group.toUpperCase(), addresses: [] } as const;
    const extra = [secondSubnet(subnet), vm];
    const { blueprint } = compiled({ rules: [{ name: "Web", sources: [match] }], extra });
    expect(checkBlueprint(blueprint)).toEqual([]);
    expect(blueprint.networks[0]?.subnets[0]?.rules?.[0]?.sources).toEqual([
      { ...match, addresses: ["10.0.2.9"] },
    ]);
  });

  test("a group at an interface becomes its host's, default rules included", () => {
    const nsg = idOf("Microsoft.Network/networkSecurityGroups", "nsg");
    const subnet = `${NETWORK_ID}/subnets/vms`;
    const extra = [secondSubnet(subnet), machine("vm", subnet, { group: nsg })];
    const { blueprint } = compiled({ rules: [{ name: "Web" }], extra });
    const host = blueprint.hosts.find(({ name }) => name === "vm");
    expect(host?.rules?.map(({ name }) => name)).toEqual([
      "Web",
      "AllowVnetInBound",
      "AllowAzureLoadBalancerInBound",
      "DenyAllInBound",
      "AllowVnetOutBound",
      "AllowInternetOutBound",
      "DenyAllOutBound",
    ]);
  });

  test("hosts and the platform's five make the addresses the article counts", () => {
    for (const kind of ["External", "Internal"] as const)
      for (const instances of [0, 1, 15, 20, 60]) {
        const { blueprint } = compiled({ kind, instances });
        const balancers = kind === "Internal" ? 1 : 0;
        expect(ownHosts(blueprint).length + 5 + balancers).toBe(
          addressesAtRest({ kind, instances, frontEndScaleFactor: 15 }),
        );
      }
  });

  test("an External environment answers on its VIP, an Internal one on an address of its subnet", () => {
    const web = (blueprint: Blueprint) =>
      blueprint.networks[0]?.translations.filter(({ port }) => port === 80) ?? [];
    const external = compiled().blueprint;
    expect(web(external)).toMatchObject([
      { at: "edge", address: external.networks[0]?.publicAddresses[0]?.address },
    ]);
    expect(external.internet.names["*.shop.p.azurewebsites.net"]).toBe(web(external)[0]?.address);
    const internal = compiled({ kind: "Internal" }).blueprint;
    expect(web(internal)).toMatchObject([
      { at: "router", address: expect.stringMatching(/^10\.0\.1\./) },
    ]);
    expect(internal.networks[0]?.translations.filter(({ port }) => port === 454)).toMatchObject([
      { at: "edge" },
    ]);
  });

  test("front ends lead to every instance of an app", () => {
    const { blueprint } = compiled({ instances: 3 });
    const proxies = blueprint.hosts.flatMap(({ programs }) =>
      programs.filter(({ kind }) => kind === "front-end"),
    );
    expect(proxies).toHaveLength(2);
    for (const proxy of proxies)
      expect(proxy.kind === "front-end" && proxy.sites[0]?.backends).toHaveLength(3);
  });

  test("compiled again with its ledger, nothing changes", () => {
    const first = compiled({ instances: 7 });
    const second = compile(wanted(sketch({ instances: 7 })), first.ledger, 1);
    expect(same(second.blueprint, first.blueprint)).toBe(true);
  });

  test("addresses stay while it scales, and differ after it was suspended and restored", () => {
    const first = compiled({ instances: 2 });
    const larger = compile(wanted(sketch({ instances: 9 })), first.ledger, 2);
    expect(addressesOf(larger.blueprint)).toEqual(
      expect.arrayContaining([...addressesOf(first.blueprint)]),
    );
    const suspended = compile(
      wanted(sketch({ instances: 9 }), { runs: () => false }),
      larger.ledger,
      3,
    );
    expect(ownHosts(suspended.blueprint)).toEqual([]);
    expect(suspended.blueprint.networks[0]?.translations).toEqual([]);
    const restored = compile(wanted(sketch({ instances: 9 })), suspended.ledger, 4);
    const again = addressesOf(restored.blueprint);
    expect(again.filter((address) => addressesOf(larger.blueprint).includes(address))).toEqual([]);
    const vip = ({ networks }: Blueprint) => networks[0]?.publicAddresses[0]?.address;
    expect(vip(restored.blueprint)).not.toBe(vip(larger.blueprint));
  });

  test("a subnet that is too small is named with the arithmetic, and holds no host", () => {
    const { blueprint, problems } = compiled({ subnet: "10.0.1.0/28", instances: 5 });
    expect(Object.values(problems)).toMatchObject([
      { code: "SubnetIsFull", what: expect.stringContaining("needs 17 addresses") },
    ]);
    expect(ownHosts(blueprint)).toEqual([]);
    expect(compiled({ subnet: "10.0.1.0/28", instances: 4 }).problems).toEqual({});
  });

  test("a front end that is silent gets no new flows, unless all are", () => {
    const targets = (silent: readonly string[]) =>
      compile(wanted(sketch(), { silent: new Set(silent) }), EMPTY_LEDGER, 1)
        .blueprint.networks[0]?.translations.find(({ port }) => port === 443)
        ?.targets.map(({ host }) => host);
    expect(targets(["shop-front-end-0"])).toEqual(["shop-front-end-1"]);
    expect(targets(["shop-front-end-0", "shop-front-end-1"])).toHaveLength(2);
  });

  test("a machine takes the address it chose, and a visitor stands outside every subnet", () => {
    const subnet = {
      ...sketch()[1],
      id: `${NETWORK_ID}/subnets/hub`,
      key: `${NETWORK_ID}/subnets/hub`.toLowerCase(),
      name: "hub",
      prefix: "10.0.2.0/24",
    };
    const extra = [subnet, machine("firewall", subnet.id, { address: "10.0.2.4", forwards: true })];
    const { blueprint } = compiled({ extra: extra as Sketch["extra"] & object });
    expect(blueprint.hosts.find(({ name }) => name === "firewall")).toMatchObject({
      forwards: true,
      place: { address: "10.0.2.4" },
    });
    expect(blueprint.hosts.find(({ role }) => role === "Visitor")?.place.address).toBe(
      "10.0.255.254",
    );
    expect(checkBlueprint(blueprint)).toEqual([]);
  });

  test("the database stands in the tag Sql, and management on published addresses of its tag", () => {
    const { internet } = compiled().blueprint;
    expect(internet.names["environment.database.windows.net"]).toBe("40.112.139.250");
    expect(internet.managementAddresses.length).toBeGreaterThan(2);
  });

  test("rules of a group come sorted, with the default ones, and only with a group", () => {
    const { blueprint } = compiled({
      rules: [
        { name: "late", priority: 300 },
        { name: "first", priority: 200 },
      ],
    });
    const rules = blueprint.networks[0]?.subnets[0]?.rules?.filter(
      ({ direction }) => direction === "Inbound",
    );
    expect(rules?.map(({ name }) => name)).toEqual([
      "first",
      "late",
      "AllowVnetInBound",
      "AllowAzureLoadBalancerInBound",
      "DenyAllInBound",
    ]);
    expect(compiled().blueprint.networks[0]?.subnets[0]).not.toHaveProperty("rules");
    expect(idOf("a", "b")).toContain("/providers/a/b");
  });
});
