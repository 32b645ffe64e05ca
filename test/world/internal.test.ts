/** An environment with an internal load balancer: apps answer inside the network only. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import {
  INTERNAL,
  openTestWorld,
  until,
  untilHealthy,
  untilText,
  type Loose,
  type TestWorld,
} from "../support/world.ts";

const NAME = "hello-inside.demo-ilb.appserviceenvironment.net";
const INSIDE = "vnet/demo-ilb-vnet";

let world: TestWorld;
beforeAll(async () => {
  world = await openTestWorld({ template: INTERNAL, app: "hello-inside" });
  await untilHealthy(world, "demo-ilb");
});
afterAll(() => world?.close());

const addresses = async (): Promise<Loose> =>
  (await world.arm("GET", world.web("hostingEnvironments/demo-ilb/capacities/virtualip")))
    .properties;
const curl = (at: string, ...words: readonly string[]) =>
  world.exec(at, ["curl", "-s", "-m", "1", ...words]);

/** Names of an internal environment are its owner's to give; the client is told the address. */
async function fromInside(...words: readonly string[]) {
  const { internalIpAddress } = await addresses();
  const names = [80, 443].flatMap((port) => ["--resolve", `${NAME}:${port}:${internalIpAddress}`]);
  return curl(INSIDE, ...names, ...words);
}

describe("an environment with an internal load balancer", () => {
  test("has an address of its subnet beside the public one", async () => {
    const { internalIpAddress, serviceIpAddress, outboundIpAddresses } = await addresses();
    expect(internalIpAddress).toMatch(/^10\.2\.1\.\d+$/);
    expect(serviceIpAddress).toMatch(/^198\.18\./);
    expect(outboundIpAddresses).toEqual([serviceIpAddress]);
  });

  test("its apps answer inside the network at that address, with a certificate of their name", async () => {
    const plain = await fromInside(`http://${NAME}/`);
    expect(JSON.parse(plain.stdout).instance).toMatch(/^demo-ilb-demo-ilb-plan-[01]$/);
    const secure = await fromInside("--cacert", world.home.authority, `https://${NAME}/`);
    expect(JSON.parse(secure.stdout).instance).toMatch(/^demo-ilb-demo-ilb-plan-[01]$/);
  });

  test("they answer neither at the VIP, nor by name or address from outside, nor at the doorway", async () => {
    const { internalIpAddress, serviceIpAddress } = await addresses();
    for (const host of [serviceIpAddress, internalIpAddress]) {
      const called = await curl("internet", "-H", `Host: ${NAME}`, `http://${host}/`);
      expect(called.exitCode).not.toBe(0);
      expect(called.stdout).toBe("");
    }
    expect((await curl("internet", `http://${NAME}/`)).exitCode).not.toBe(0);
    const atDoor = await world.door("/", "hello-inside.demo-ilb.localhost");
    expect(atDoor.status).toBeGreaterThanOrEqual(400);
  });

  test("has no addresses for single apps, and says so in the article's words", async () => {
    const refusal = await world.refused("PUT", world.web("sites/hello-inside"), {
      properties: { hostNameSslStates: [{ name: NAME, sslState: "IpBasedEnabled" }] },
    });
    expect(refusal.code).toBe("IpBasedSslNotSupported");
    expect(refusal.what).toContain("you can't do that with an ILB ASE");
  });

  test("what an app calls outside sees the VIP", async () => {
    const { serviceIpAddress } = await addresses();
    const program = `require("node:net").createServer((socket) => socket.end(socket.remoteAddress)).listen(9100, "198.19.255.10", () => console.log("listening"))`;
    const server = world.begin("internet", [process.execPath, "-e", program]);
    await until(
      "it listens",
      () => (server.said().includes("listening") ? true : undefined),
      5_000,
    );
    const { stdout } = await fromInside(`http://${NAME}/call?host=198.19.255.10&port=9100`);
    expect(JSON.parse(stdout).value).toBe(serviceIpAddress);
    server.end();
  });

  test("454 stays at the VIP: a cut of it makes the environment unhealthy", async () => {
    const rule = world.network("networkSecurityGroups/demo-ilb-nsg/securityRules/cut");
    await world.arm("PUT", rule, {
      properties: {
        priority: 100,
        direction: "Inbound",
        access: "Deny",
        protocol: "Tcp",
        sourceAddressPrefix: "AppServiceManagement",
        sourcePortRange: "*",
        destinationAddressPrefix: "*",
        destinationPortRange: "454",
      },
    });
    const { serviceIpAddress } = await addresses();
    const status = await untilText(
      "the cut is named",
      () => world.health("demo-ilb"),
      (text) => text.includes("denied by rule cut (priority 100, inbound) of demo-ilb-nsg"),
      10_000,
    );
    expect(status).toContain(`${serviceIpAddress}:454`);
    await world.arm("DELETE", rule);
    await untilHealthy(world, "demo-ilb");
  });

  test("takes 13 addresses when it is empty", async () => {
    await world.arm("DELETE", world.web("sites/hello-inside"));
    await world.arm("DELETE", world.web("serverfarms/demo-ilb-plan"));
    const rows = await until(
      "13 addresses",
      async () => {
        const seen = await world.ledger("demo-ilb");
        return seen.length === 13 ? seen : undefined;
      },
      10_000,
    );
    expect(rows.filter(({ use }) => use === "InternalLoadBalancer")).toHaveLength(1);
    expect(rows.filter(({ use }) => use.startsWith("Platform"))).toHaveLength(5);
    expect(new Set(rows.map(({ address }) => address)).size).toBe(13);
    await untilHealthy(world, "demo-ilb");
  });
});
