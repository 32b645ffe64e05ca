/**
 * Places beside the environment's own network: a peered network, an office behind a gateway, an
 * appliance. Apps reach all of them with the right source address, and nobody configures it.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import {
  announce,
  card,
  hear,
  MACHINE,
  OFFICE,
  OFFICE_PUBLIC,
  putOffice,
  putPeering,
  putSpoke,
  sayWho,
} from "../support/connected.ts";
import {
  openTestWorld,
  untilHealthy,
  untilText,
  type Loose,
  type TestWorld,
} from "../support/world.ts";

const PORT = 4_711;
let world: TestWorld;
beforeAll(async () => {
  world = await openTestWorld({ app: "hello" });
  await untilHealthy(world);
  await putSpoke(world);
});
afterAll(() => world?.close());

/** What the app hears from an address, or the code of its error. */
const appHears = async (host: string, port: number): Promise<string> => {
  const said = (
    await world.door(`/call?${new URLSearchParams({ host, port: String(port) }).toString()}`)
  ).json;
  return said.value ?? said.error;
};
const isWorker = async () => {
  const all = (await world.ledger()).filter(({ use }) => use === "Worker");
  return (text: string) => all.some(({ address }) => address === text);
};
const routesAt = async (place: string): Promise<Loose[]> =>
  (await world.arm("GET", `/openase/routes?at=${encodeURIComponent(place)}`)).value;

describe("a peered network", () => {
  test("is reached from both sides once both have declared it, and only then", async () => {
    const listener = await sayWho(world, "vm", PORT);
    await putPeering(world, "demo-vnet", "spoke");
    const id = world.network("virtualNetworks/demo-vnet/virtualNetworkPeerings/to-spoke");
    expect((await world.arm("GET", id)).properties.peeringState).toBe("Initiated");
    expect(await appHears(MACHINE, PORT)).not.toMatch(/^10\./);
    await putPeering(world, "spoke", "demo-vnet");
    expect((await world.arm("GET", id)).properties.peeringState).toBe("Connected");
    await untilText("the app is seen", () => appHears(MACHINE, PORT), await isWorker(), 5_000);
    expect(await hear(world, "vnet/demo-vnet", MACHINE, PORT)).toMatch(/^10\.1\./);
    listener.end();
  });

  test("stands in the effective routes of the environment's hosts", async () => {
    const routes = await routesAt("demo-front-end-0");
    expect(routes).toContainEqual({
      source: "Default",
      state: "Active",
      addressPrefix: ["10.20.0.0/16"],
      nextHopType: "VNetPeering",
      nextHopIpAddress: [],
    });
  });

  test("with an overlapping space is refused in Azure's words", async () => {
    await world.arm("PUT", world.network("virtualNetworks/twin"), {
      location: "westeurope",
      properties: { addressSpace: { addressPrefixes: ["10.20.128.0/17"] } },
    });
    const refusal = await world.refused(
      "PUT",
      world.network("virtualNetworks/spoke/virtualNetworkPeerings/to-twin"),
      { properties: { remoteVirtualNetwork: { id: world.network("virtualNetworks/twin") } } },
    );
    expect(refusal.code).toBe("VnetAddressSpacesOverlap");
  });
});

describe("an office behind a VPN gateway", () => {
  test("is reached by apps with an address of the subnet, and reaches the app's VIP", async () => {
    await putOffice(world, "demo-vnet", { subnet: "10.1.250.0/27" });
    const listener = await sayWho(world, "onprem", PORT);
    await untilText("the app is seen", () => appHears(OFFICE, PORT), await isWorker(), 5_000);
    const vip = await world.vip();
    const page = await world.exec("onprem/office", [
      ...["curl", "-s", "-m", "3", "-H", "Host: hello.demo.p.azurewebsites.net", `http://${vip}/`],
    ]);
    expect(JSON.parse(page.stdout).instance).toMatch(/^demo-/);
    listener.end();
  });

  test("goes out to the internet as itself, and what it announces is learned", async () => {
    const listener = await sayWho(world, "internet", PORT);
    expect(await hear(world, "onprem", "198.19.255.10", PORT)).toBe(OFFICE_PUBLIC);
    await announce(world, "172.20.0.0/16");
    await untilText(
      "it is learned",
      async () => JSON.stringify(await routesAt("demo-front-end-0")),
      (text) => /VirtualNetworkGateway","state":"Active","addressPrefix":\["172\.20/.test(text),
      5_000,
    );
    await announce(world, "");
    listener.end();
  });

  test("is reached from the spoke by gateway transit", async () => {
    const listener = await sayWho(world, "onprem", PORT);
    expect(await hear(world, "vm", OFFICE, PORT)).toBe("silence");
    await putPeering(world, "demo-vnet", "spoke", { allowGatewayTransit: true });
    await putPeering(world, "spoke", "demo-vnet", { useRemoteGateways: true });
    const machine = () => hear(world, "vm", OFFICE, PORT);
    await untilText("the machine is seen", machine, (text) => text === MACHINE, 10_000);
    listener.end();
  });
});

describe("an appliance", () => {
  test("in another subnet passes on, and translates where its tag says so", async () => {
    const subnet = world.network("virtualNetworks/demo-vnet/subnets/edge");
    await world.arm("PUT", subnet, { properties: { addressPrefix: "10.1.9.0/24" } });
    const nic = { enableIPForwarding: true, tags: { "openase-translates": "true" } };
    await world.arm("PUT", world.network("networkInterfaces/nva"), card(subnet, "10.1.9.4", nic));
    const table = world.network("routeTables/spoke-routes");
    await world.arm("PUT", table, {
      location: "westeurope",
      properties: {
        routes: [
          {
            name: "out",
            properties: {
              addressPrefix: "0.0.0.0/0",
              nextHopType: "VirtualAppliance",
              nextHopIpAddress: "10.1.9.4",
            },
          },
        ],
      },
    });
    const listener = await sayWho(world, "internet", PORT + 1);
    const before = await hear(world, "vm", "198.19.255.10", PORT + 1);
    await world.arm("PUT", world.network("virtualNetworks/spoke/subnets/vms"), {
      properties: { addressPrefix: "10.20.1.0/24", routeTable: { id: table } },
    });
    // The spoke has no way of its own any more: it leaves by the hub's appliance, as the hub.
    const now = () => hear(world, "vm", "198.19.255.10", PORT + 1);
    const hub = (text: string) => text !== "silence" && text !== before;
    await untilText("it leaves as the hub", now, hub, 10_000);
    listener.end();
  });
});
