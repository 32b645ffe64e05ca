import { describe, expect, test } from "vitest";

import type { Internet, Network } from "../../blueprint/blueprint.ts";
import type { Ipv4 } from "../../network/prefix.ts";
import { doorTargets, doorwayConfig } from "./doorway-config.ts";

const ONE = "198.18.0.1" as Ipv4;
const TWO = "198.18.0.2" as Ipv4;

const internet: Internet = {
  clientAddress: "203.0.113.10" as Ipv4,
  managementAddresses: [],
  names: {
    "*.demo.localhost": ONE,
    "*.scm.demo.localhost": TWO,
    "*.demo.p.azurewebsites.net": ONE,
    "bad name.localhost": ONE,
  },
};

function networkOpen(address: Ipv4, port: number): Network {
  const targets = [{ host: "front", address: "10.0.0.4" as Ipv4, port }];
  const translation = { at: "edge", address, protocol: "Tcp", port, targets } as const;
  return {
    id: "n",
    name: "n",
    index: 1,
    prefixes: [],
    routes: [],
    subnets: [],
    publicAddresses: [],
    translations: [translation],
  };
}

describe("the doorway", () => {
  test("knows the local names only, longest first, and which of their ports are open", () => {
    expect(doorTargets(internet, [networkOpen(ONE, 443)])).toEqual([
      {
        domain: "scm.demo.localhost",
        below: true,
        address: TWO,
        isOpen: { http: false, https: false },
      },
      { domain: "demo.localhost", below: true, address: ONE, isOpen: { http: false, https: true } },
    ]);
  });

  test("a port without targets is closed", () => {
    const open = networkOpen(ONE, 80);
    const emptied = {
      ...open,
      translations: open.translations.map((one) => ({ ...one, targets: [] })),
    };
    expect(doorTargets(internet, [emptied]).every(({ isOpen }) => !isOpen.http)).toBe(true);
  });

  test("sends what is open on from the client address and answers the rest itself", () => {
    const config = doorwayConfig({
      targets: doorTargets(internet, [networkOpen(ONE, 80)]),
      sockets: { http: 3, https: 4 },
      clientAddress: internet.clientAddress,
      user: undefined,
    });
    expect(config).toContain("  source 203.0.113.10\n  server vip 198.18.0.1:80\n");
    expect(config).not.toContain(`${TWO}:80`);
    expect(config).toContain("http-request return status 503");
    expect(config).not.toContain(":443");
  });
});
