import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { cidrAround, contains, prefixLength, type Cidr, type Ipv4 } from "./prefix.ts";
import { effectiveRoutes, selectRoute, type UserRoute } from "./select-route.ts";

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
