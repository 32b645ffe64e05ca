import { describe, expect, test } from "vitest";

import type { Cidr, Ipv4 } from "./prefix.ts";
import type { NextHop } from "./route.ts";
import { virtualNetworkReadings } from "./virtual-network.ts";

const cidrs = (...texts: readonly string[]) => texts.map((text) => text as Cidr);
const readings = (userRoutes: readonly { readonly prefix: string; readonly nextHop: NextHop }[]) =>
  virtualNetworkReadings({
    prefixes: cidrs("10.1.0.0/16"),
    peered: cidrs("10.2.0.0/16"),
    onPremises: cidrs("192.168.0.0/16", "192.168.3.0/24"),
    userRoutes: userRoutes.map((route) => ({ ...route, prefix: route.prefix as Cidr })),
  });
const via: NextHop = { kind: "VirtualAppliance", address: "10.1.2.4" as Ipv4 };

describe("the tag VirtualNetwork", () => {
  test("holds the network, what is peered and what is connected, each address once", () => {
    expect(readings([])).toEqual([
      {
        name: "routes inward count",
        prefixes: ["10.1.0.0/16", "10.2.0.0/16", "192.168.0.0/16"],
      },
    ]);
  });

  test("a default route to an appliance or a gateway makes it everything", () => {
    for (const nextHop of [via, { kind: "VirtualNetworkGateway" } as const])
      expect(readings([{ prefix: "0.0.0.0/0", nextHop }])).toEqual([
        { name: "routes inward count", prefixes: ["0.0.0.0/0"] },
      ]);
  });

  test("where a route leads to the internet or nowhere there are two readings", () => {
    const nextHop = { kind: "Internet" } as const;
    expect(readings([{ prefix: "0.0.0.0/0", nextHop }])).toMatchObject([
      { prefixes: ["10.1.0.0/16", "10.2.0.0/16", "192.168.0.0/16"] },
      { name: "every user route counts", prefixes: ["0.0.0.0/0"] },
    ]);
  });
});
