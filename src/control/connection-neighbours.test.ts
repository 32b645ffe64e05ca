import { describe, expect, test } from "vitest";

import { keyOf } from "../arm/ids.ts";
import type { Resource, ResourceOf } from "../arm/resources.ts";
import type { Cidr } from "../network/prefix.ts";
import { judgePeeredSpace, judgePeering } from "./connection-neighbours.ts";
import type { Wanted } from "./references.ts";

const NETWORKS = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks";
const common = (id: string) => ({
  id,
  key: keyOf(id),
  name: id.split("/").at(-1) ?? id,
  extra: {},
});

function network(name: string, prefix: string): ResourceOf<"Microsoft.Network/virtualNetworks"> {
  return {
    ...common(`${NETWORKS}/${name}`),
    type: "Microsoft.Network/virtualNetworks",
    location: "x",
    tags: {},
    prefixes: [prefix as Cidr],
    dnsServers: [],
  };
}

function peering(
  from: string,
  to: string,
  more: Partial<ResourceOf<"Microsoft.Network/virtualNetworks/virtualNetworkPeerings">> = {},
) {
  const reference = (name: string) => {
    const id = `${NETWORKS}/${name}`;
    return { id, key: keyOf(id) };
  };
  return {
    ...common(`${NETWORKS}/${from}/virtualNetworkPeerings/to-${to}`),
    type: "Microsoft.Network/virtualNetworks/virtualNetworkPeerings" as const,
    network: reference(from),
    remote: reference(to),
    allowVirtualNetworkAccess: true,
    allowForwardedTraffic: false,
    allowGatewayTransit: false,
    useRemoteGateways: false,
    ...more,
  };
}

function wantedOf(...resources: readonly Resource[]): Wanted {
  return {
    get: (key) => resources.find((one) => one.key === key),
    ofType: (type) =>
      resources.filter((one): one is Extract<Resource, { type: typeof type }> => one.type === type),
  };
}

const HUB = network("hub", "10.1.0.0/16");
const SPOKE = network("spoke", "10.2.0.0/16");
const judged = (one: ReturnType<typeof peering>, ...others: readonly Resource[]) =>
  judgePeering(one, wantedOf(HUB, SPOKE, one, ...others));

describe("peerings among their neighbours", () => {
  test("networks that do not overlap may be peered, once", () => {
    expect(judged(peering("hub", "spoke"))).toBeUndefined();
    const again = {
      ...peering("hub", "spoke"),
      ...common(`${NETWORKS}/hub/virtualNetworkPeerings/b`),
    };
    expect(judged(peering("hub", "spoke"), again)).toMatchObject({
      code: "AnotherPeeringAlreadyReferencesRemoteVnet",
    });
    expect(judged(peering("hub", "hub"))).toMatchObject({
      what: expect.stringContaining("itself"),
    });
  });

  test("overlapping prefixes are refused in Azure's words, also those of two peers", () => {
    const twin = network("twin", "10.2.128.0/17");
    expect(judgePeering(peering("spoke", "twin"), wantedOf(SPOKE, twin))).toMatchObject({
      code: "VnetAddressSpacesOverlap",
      what: expect.stringContaining(
        "cannot be peered because their address spaces overlap. Overlapping address prefixes: 10.2.0.0/16, 10.2.128.0/17",
      ),
    });
    expect(judged(peering("hub", "spoke"), twin, peering("hub", "twin"))).toMatchObject({
      code: "VnetAddressSpacesOverlap",
    });
    const grown = network("hub", "10.0.0.0/8");
    expect(judgePeeredSpace(grown, wantedOf(grown, SPOKE, peering("hub", "spoke")))).toMatchObject({
      code: "VnetAddressSpacesOverlap",
    });
  });

  test("a remote gateway must exist, be allowed, and there must be none of its own", () => {
    const uses = peering("spoke", "hub", { useRemoteGateways: true });
    expect(judged(uses)?.code).toBe("RemoteVnetHasNoGateways");
    const gateway = (name: string): Resource => {
      const id = `${NETWORKS}/${name}/subnets/GatewaySubnet`;
      return {
        ...common(`/subscriptions/s/resourceGroups/g/providers/x/gateways/${name}`),
        type: "Microsoft.Network/virtualNetworkGateways",
        ...{ location: "x", tags: {}, kind: "Vpn", subnet: { id, key: keyOf(id) } },
      };
    };
    const back = (allowGatewayTransit: boolean) => peering("hub", "spoke", { allowGatewayTransit });
    expect(judged(uses, gateway("hub"), back(false))?.code).toBe(
      "RemotePeeringDoesNotAllowGatewayTransit",
    );
    expect(judged(uses, gateway("hub"), back(true))).toBeUndefined();
    expect(judged(uses, gateway("hub"), gateway("spoke"))?.code).toBe(
      "PeeringWithUseRemoteGatewaysNotAllowedWithLocalGateway",
    );
  });
});
