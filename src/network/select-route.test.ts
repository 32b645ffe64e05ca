import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { cidrAround, contains, prefixLength, type Cidr, type Ipv4 } from "./prefix.ts";
import {
  carryingRoutes,
  effectiveRoutes,
  selectRoute,
  type SubnetRoutes,
  type UserRoute,
} from "./select-route.ts";

const own = "10.0.0.0/16" as Cidr;
const user = (
  prefix: string,
  kind: "None" | "Internet" | "VnetLocal" = "None",
  name = "mine",
): UserRoute => ({
  name,
  prefix: prefix as Cidr,
  nextHop: { kind },
  table: "/tables/t",
});
const hop = (
  address: string,
  userRoutes: readonly UserRoute[] = [],
  prefixes: readonly Cidr[] = [own],
) => selectRoute(effectiveRoutes({ prefixes, userRoutes }), address as Ipv4)?.nextHop.kind;

describe("effective routes", () => {
  test("the platform gives the network, the internet, and private space that leads nowhere", () => {
    const routes = effectiveRoutes({ prefixes: [own], userRoutes: [] });
    expect(
      routes
        .map(({ prefix, nextHop, source, state }) => `${prefix} ${nextHop.kind} ${source} ${state}`)
        .toSorted(),
    ).toEqual([
      "0.0.0.0/0 Internet Default Active",
      "10.0.0.0/16 VnetLocal Default Active",
      "10.0.0.0/8 None Default Active",
      "100.64.0.0/10 None Default Active",
      "172.16.0.0/12 None Default Active",
      "192.168.0.0/16 None Default Active",
    ]);
    expect(["10.0.9.9", "10.1.0.1", "100.64.0.1", "8.8.8.8"].map((to) => hop(to))).toEqual([
      "VnetLocal",
      "None",
      "None",
      "Internet",
    ]);
  });

  test("private space that the network has entirely is the network's", () => {
    expect(hop("10.200.0.1", [], ["10.0.0.0/8" as Cidr])).toBe("VnetLocal");
    expect(hop("192.168.3.3", [], ["192.0.0.0/8" as Cidr])).toBe("VnetLocal");
    expect(hop("172.16.3.3", [], ["192.0.0.0/8" as Cidr])).toBe("None");
  });

  test("a user's route replaces the platform's of the same prefix, which stays listed", () => {
    const routes = effectiveRoutes({ prefixes: [own], userRoutes: [user("0.0.0.0/0")] });
    expect(routes.filter(({ prefix }) => prefix === "0.0.0.0/0")).toMatchObject([
      { source: "Default", state: "Invalid" },
      { source: "User", state: "Active", name: "mine", table: "/tables/t" },
    ]);
    expect(hop("8.8.8.8", [user("0.0.0.0/0")])).toBe("None");
  });

  test("a longer prefix wins, whoever wrote it", () => {
    expect(hop("10.0.1.4", [user("0.0.0.0/0")])).toBe("VnetLocal");
    expect(hop("10.0.1.4", [user("10.0.1.0/24")])).toBe("None");
    expect(hop("8.8.8.8", [user("0.0.0.0/0"), user("8.8.8.0/24", "Internet", "back")])).toBe(
      "Internet",
    );
  });
});

describe("precedence", () => {
  const peer = { network: "/networks/peer", prefixes: ["10.1.0.0/16" as Cidr] };
  const routesOf = (more: Partial<SubnetRoutes>) =>
    effectiveRoutes({ prefixes: [own], userRoutes: [], peered: [peer], ...more });
  const to = (address: string, more: Partial<SubnetRoutes>) =>
    selectRoute(routesOf(more), address as Ipv4)?.nextHop.kind;
  const learned = (...texts: readonly string[]) => texts.map((text) => text as Cidr);

  test("of one prefix: the user's, then the gateway's, then the platform's", () => {
    const everything = { learned: learned("0.0.0.0/0") };
    expect(to("8.8.8.8", {})).toBe("Internet");
    expect(to("8.8.8.8", everything)).toBe("VirtualNetworkGateway");
    expect(to("8.8.8.8", { ...everything, userRoutes: [user("0.0.0.0/0", "Internet")] })).toBe(
      "Internet",
    );
    // A more specific learned route still wins over the user's default route.
    const specific = {
      learned: learned("8.8.0.0/16"),
      userRoutes: [user("0.0.0.0/0", "Internet")],
    };
    expect(to("8.8.8.8", specific)).toBe("VirtualNetworkGateway");
  });

  test("what a gateway learned never splits the network's own space, nor a peering's", () => {
    const more = { learned: learned("10.0.1.0/24", "10.1.1.0/24", "10.2.0.0/16") };
    expect(to("10.0.1.4", more)).toBe("VnetLocal");
    expect(to("10.1.1.4", more)).toBe("VNetPeering");
    expect(to("10.2.0.4", more)).toBe("VirtualNetworkGateway");
    // Where the user replaced the own route, nothing protects it any more.
    expect(to("10.0.1.4", { ...more, userRoutes: [user("10.0.0.0/16")] })).toBe(
      "VirtualNetworkGateway",
    );
  });

  test("a service endpoint comes before everything, a user's single address included", () => {
    const endpoints = [{ service: "Microsoft.Sql", prefixes: learned("40.112.0.0/16") }];
    const more = { endpoints, learned: learned("0.0.0.0/0"), userRoutes: [user("40.112.1.1/32")] };
    expect(to("40.112.1.1", more)).toBe("VirtualNetworkServiceEndpoint");
    expect(to("40.113.0.1", more)).toBe("VirtualNetworkGateway");
  });

  test("a written prefix comes before a tag of the same length, a region before its service", () => {
    const by = (tag: string | undefined, name: string): UserRoute => ({
      ...user("40.112.0.0/16", "Internet", name),
      ...(tag === undefined ? {} : { tag }),
    });
    const names = (userRoutes: readonly UserRoute[]) =>
      selectRoute(routesOf({ userRoutes }), "40.112.1.1" as Ipv4)?.name;
    const all = [
      by("AzureCloud", "cloud"),
      by("AzureCloud.eastus", "cloud region"),
      by("Sql", "service"),
      by("Sql.EastUS", "region"),
      by(undefined, "written"),
    ];
    const order = ["written", "region", "service", "cloud region", "cloud"];
    for (const [at, name] of order.entries())
      expect(names(all.filter((one) => order.indexOf(one.name) >= at))).toBe(name);
  });

  test("for tables of the longest prefix alone, the carrying routes say the same", () => {
    const text = fc.constantFrom(
      ...["10.0.0.0/16", "10.0.1.0/24", "10.1.0.0/16", "10.1.1.0/24", "10.0.0.0/8", "0.0.0.0/0"],
      ...["40.112.0.0/16", "40.112.1.0/24", "40.0.0.0/8", "40.112.1.1/32"],
    );
    const some = fc.uniqueArray(
      text.map((one) => one as Cidr),
      { maxLength: 6 },
    );
    const address = fc.constantFrom("10.0.1.4", "10.1.1.4", "10.2.0.4", "40.112.1.1", "8.8.8.8");
    fc.assert(
      fc.property(some, some, some, address, (written, told, services, to) => {
        const routes = routesOf({
          userRoutes: written.map((prefix) => user(prefix, "Internet", `user ${prefix}`)),
          learned: told,
          endpoints: [{ service: "S", prefixes: services.filter((one) => one.startsWith("40")) }],
        });
        const longest = carryingRoutes(routes)
          .filter(({ prefix }) => contains(prefix, to as Ipv4))
          .sort((a, b) => prefixLength(b.prefix) - prefixLength(a.prefix));
        expect(longest[0]).toEqual(selectRoute(routes, to as Ipv4));
      }),
    );
  });
});

describe("laws of routes", () => {
  const address = fc
    .constantFrom(
      "10.0.1.4",
      "10.0.200.1",
      "10.9.0.1",
      "8.8.8.8",
      "8.8.9.1",
      "255.255.255.255",
      "0.0.0.0",
      "172.20.1.1",
    )
    .map((text) => text as Ipv4);
  const written = fc
    .tuple(
      address,
      fc.integer({ min: 0, max: 32 }),
      fc.constantFrom("None" as const, "Internet" as const, "VnetLocal" as const),
    )
    .map(([of, length, kind]) => user(cidrAround(of, length), kind, `to ${of}/${length}`));
  const table = fc.uniqueArray(written, { selector: ({ prefix }) => prefix, maxLength: 20 });

  test("one route of each prefix is active, and it is the user's where there is one", () => {
    fc.assert(
      fc.property(table, (userRoutes) => {
        const active = effectiveRoutes({ prefixes: [own], userRoutes }).filter(
          ({ state }) => state === "Active",
        );
        expect(new Set(active.map(({ prefix }) => prefix)).size).toBe(active.length);
        for (const { prefix } of userRoutes)
          expect(active.find((route) => route.prefix === prefix)?.source).toBe("User");
      }),
    );
  });

  test("the selected route equals a search by brute force, and there always is one", () => {
    fc.assert(
      fc.property(table, address, (userRoutes, to) => {
        const routes = effectiveRoutes({ prefixes: [own], userRoutes });
        const selected = selectRoute(routes, to);
        const matching = routes.filter(
          ({ state, prefix }) => state === "Active" && contains(prefix, to),
        );
        const longest = Math.max(...matching.map(({ prefix }) => prefixLength(prefix)));
        expect(selected && prefixLength(selected.prefix)).toBe(longest);
        expect(matching).toContain(selected);
      }),
    );
  });

  test("the order in which routes were written does not matter", () => {
    fc.assert(
      fc.property(table, address, (userRoutes, to) => {
        const forth = selectRoute(effectiveRoutes({ prefixes: [own], userRoutes }), to);
        const back = selectRoute(
          effectiveRoutes({ prefixes: [own], userRoutes: userRoutes.toReversed() }),
          to,
        );
        expect(back).toEqual(forth);
      }),
    );
  });
});
