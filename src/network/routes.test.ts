import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { holdsAddress, setOfPrefixes } from "./address-set.ts";
import { nameSet } from "./naming.ts";
import {
  cidrAround,
  contains,
  numberToIpv4,
  prefixLength,
  type Cidr,
  type Ipv4,
} from "./prefix.ts";
import type { Route } from "./route.ts";
import { partitionByNextHop, preferred } from "./routes.ts";

const route = (
  name: string,
  prefix: string,
  source: Route["source"],
  kind: string,
  state: Route["state"] = "Active",
): Route => ({
  name,
  prefix: prefix as Cidr,
  source,
  nextHop: { kind } as Route["nextHop"],
  state,
});

const NAMES = [{ name: "10.0.0.0/16", set: setOfPrefixes(["10.0.0.0/16" as Cidr]) }];

const parted = (routes: readonly Route[]) =>
  Object.fromEntries(
    partitionByNextHop(routes).map(({ route, to }) => [route.name, nameSet(to, NAMES)]),
  );

describe("addresses parted by next hop", () => {
  test("the longest prefix wins, and of equal ones the user's, then the learned one", () => {
    expect(
      parted([
        route("internet", "0.0.0.0/0", "Default", "Internet", "Invalid"),
        route("learned", "0.0.0.0/0", "VirtualNetworkGateway", "VirtualNetworkGateway"),
        route("own", "0.0.0.0/0", "User", "VirtualAppliance"),
        route("net", "10.0.0.0/16", "Default", "VnetLocal"),
        route("part", "10.0.1.0/24", "User", "None"),
      ]),
    ).toEqual({
      own: "any except 10.0.0.0/16",
      net: "10.0.0.0/16 except 10.0.1.0/24",
      part: "10.0.1.0/24",
    });
  });

  test("what a gateway learned does not split the network's own space or a peering", () => {
    expect(
      parted([
        route("net", "10.0.0.0/16", "Default", "VnetLocal"),
        route("peer", "10.1.0.0/16", "Default", "VNetPeering"),
        route("a", "10.0.1.0/24", "VirtualNetworkGateway", "VirtualNetworkGateway"),
        route("b", "10.1.1.0/24", "VirtualNetworkGateway", "VirtualNetworkGateway"),
        route("c", "10.2.0.0/24", "VirtualNetworkGateway", "VirtualNetworkGateway"),
      ]),
    ).toEqual({ net: "10.0.0.0/16", peer: "10.1.0.0/16", c: "10.2.0.0/24" });
  });

  test("a service endpoint comes before everything, longer prefixes too", () => {
    expect(
      parted([
        route("all", "0.0.0.0/0", "User", "VirtualAppliance"),
        route("sql", "40.112.0.0/16", "Default", "VirtualNetworkServiceEndpoint"),
        route("one", "40.112.1.0/24", "User", "VirtualAppliance"),
      ]),
    ).toEqual({ all: "any except 40.112.0.0/16", sql: "40.112.0.0/16" });
  });

  test("equals the choice for each address alone", () => {
    const address = fc.integer({ min: 0, max: 2 ** 32 - 1 }).map(numberToIpv4);
    const near = fc.constantFrom(
      "10.0.0.0",
      "10.0.1.0",
      "10.0.1.128",
      "40.112.0.0",
      "255.255.255.255",
    );
    const any = fc.oneof(
      address,
      near.map((text) => text as Ipv4),
    );
    const one = fc
      .record({
        at: any,
        length: fc.constantFrom(0, 1, 8, 15, 16, 24, 25, 32),
        source: fc.constantFrom(
          "User" as const,
          "Default" as const,
          "VirtualNetworkGateway" as const,
        ),
        kind: fc.constantFrom(
          "VnetLocal",
          "Internet",
          "VNetPeering",
          "VirtualNetworkServiceEndpoint",
        ),
        state: fc.constantFrom("Active" as const, "Active" as const, "Invalid" as const),
      })
      .map(({ at, length, source, kind, state }) =>
        route("r", cidrAround(at, length), source, kind, state),
      );
    fc.assert(
      fc.property(fc.array(one, { maxLength: 12 }), fc.array(any), (routes, addresses) => {
        const parts = partitionByNextHop(routes);
        for (const to of [
          ...addresses,
          ...routes.map(({ prefix }) => prefix.split("/")[0] as Ipv4),
        ]) {
          const covering = routes
            .filter(({ state, prefix }) => state === "Active" && contains(prefix, to))
            .sort((a, b) => prefixLength(a.prefix) - prefixLength(b.prefix));
          const taken = parts.filter((part) => holdsAddress(part.to, to));
          expect(taken.length).toBe(covering.length === 0 ? 0 : 1);
          const chosen = preferred(covering);
          expect([taken[0]?.route.source, taken[0]?.route.prefix]).toEqual([
            chosen?.source,
            chosen?.prefix,
          ]);
        }
      }),
    );
  });
});
