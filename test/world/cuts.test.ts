/** Each required flow, cut by one rule or route: the verdict names flow and rule, repair heals. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { openTestWorld, untilHealthy, untilText, type TestWorld } from "../support/world.ts";

type Cut = {
  readonly flow: string;
  readonly title: string;
  readonly direction: "Inbound" | "Outbound";
  readonly protocol?: string;
  readonly source?: string;
  readonly destination?: string;
  readonly port?: string;
};

const SUBNET = "10.1.1.0/24";
const CUTS: readonly Cut[] = [
  { flow: "454", title: "management commands", direction: "Inbound", port: "454" },
  { flow: "455", title: "management monitoring", direction: "Inbound", port: "455" },
  {
    flow: "16001",
    title: "load balancer keep-alive",
    direction: "Inbound",
    source: "AzureLoadBalancer",
  },
  {
    flow: "the subnet to itself",
    title: "communication inside the subnet",
    direction: "Inbound",
    source: SUBNET,
    destination: SUBNET,
  },
  {
    flow: "the subnet to itself, at the sender",
    title: "communication inside the subnet",
    direction: "Outbound",
    source: SUBNET,
    destination: SUBNET,
  },
  {
    flow: "public DNS",
    title: "names by public DNS",
    direction: "Outbound",
    protocol: "Udp",
    port: "53",
  },
  {
    flow: "platform DNS",
    title: "names by the platform's resolver",
    direction: "Outbound",
    destination: "AzurePlatformDNS",
  },
  {
    flow: "1433",
    title: "the environment's database",
    direction: "Outbound",
    destination: "Sql",
    port: "1433",
  },
  { flow: "123", title: "time", direction: "Outbound", protocol: "Udp", port: "123" },
  {
    flow: "80",
    title: "certificate revocation lists",
    direction: "Outbound",
    protocol: "Tcp",
    port: "80",
  },
  {
    flow: "443",
    title: "updates and services of the platform",
    direction: "Outbound",
    protocol: "Tcp",
    port: "443",
  },
  { flow: "12000", title: "monitoring", direction: "Outbound", port: "12000" },
];
const PRIORITY = 100;
const NOTICED_WITHIN_MS = 10_000;

describe("a flow that an environment needs is cut", () => {
  let world: TestWorld;
  beforeAll(async () => {
    world = await openTestWorld();
    await untilHealthy(world);
  });
  afterAll(() => world?.close());

  test.each(CUTS)(
    "$flow by a rule: unhealthy with its name, and healed without it",
    async (cut) => {
      const rule = world.network("networkSecurityGroups/demo-nsg/securityRules/cut");
      const before = await world.newestEvent();
      const cutAt = Date.now();
      await world.arm("PUT", rule, ruleBody(cut));
      const words = `denied by rule cut (priority ${PRIORITY}, ${cut.direction.toLowerCase()}) of demo-nsg`;
      const names = (text: string) =>
        text.startsWith("Unhealthy: ") &&
        text.split("; ").some((cause) => cause.includes(`${cut.title} (`) && cause.includes(words));
      const status = await untilText("the cut is named", world.health, names, NOTICED_WITHIN_MS);
      const noticedMs = Date.now() - cutAt;
      const told = await world.events(before);
      expect(
        told
          .filter(({ code }) => code === "EnvironmentUnhealthy")
          .map(({ message }) => names(message)),
      ).toContain(true);
      await world.arm("DELETE", rule);
      await untilHealthy(world);
      const after = await world.events(before);
      expect(after.map(({ code }) => code)).toContain("EnvironmentHealthy");
      expect(after.map(({ code }) => code)).not.toContain("EnvironmentSuspended");
      expect(status).not.toContain("Suspended");
      expect(noticedMs).toBeLessThan(NOTICED_WITHIN_MS);
    },
  );

  test("all that goes out by a route to None: the route is named, and healed without it", async () => {
    const route = world.network("routeTables/demo-routes/routes/to-internet");
    const to = (nextHopType: string) =>
      world.arm("PUT", route, { properties: { addressPrefix: "0.0.0.0/0", nextHopType } });
    await to("None");
    const status = await untilText(
      "the route is named",
      world.health,
      (text) => text.startsWith("Unhealthy") && text.includes("the environment's database ("),
      NOTICED_WITHIN_MS,
    );
    expect(status).toMatch(/stopped by route to-internet \(0\.0\.0\.0\/0 -> None\) of demo-routes/);
    await to("Internet");
    await untilHealthy(world);
  });

  test("apps go on answering while the environment is unhealthy", async () => {
    const rule = world.network("networkSecurityGroups/demo-nsg/securityRules/cut");
    await world.arm(
      "PUT",
      rule,
      ruleBody({ flow: "", title: "", direction: "Inbound", port: "454-455" }),
    );
    await untilText(
      "it is unhealthy",
      world.health,
      (text) => text.startsWith("Unhealthy"),
      NOTICED_WITHIN_MS,
    );
    expect((await world.door("/")).status).toBe(200);
    await world.arm("DELETE", rule);
    await untilHealthy(world);
  });
});

function ruleBody({ direction, protocol = "*", source = "*", destination = "*", port = "*" }: Cut) {
  return {
    properties: {
      priority: PRIORITY,
      direction,
      access: "Deny",
      protocol,
      sourceAddressPrefix: source,
      sourcePortRange: "*",
      destinationAddressPrefix: destination,
      destinationPortRange: port,
    },
  };
}
