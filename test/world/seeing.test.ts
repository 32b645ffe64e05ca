/**
 * What is seen of the living network: single packets traced beside the law, effective rules and
 * routes, flow logs, captures. Everything is sent for real and read back from the kernel.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { openTestWorld, untilHealthy, type Loose, type TestWorld } from "../support/world.ts";

let world: TestWorld;
beforeAll(async () => {
  world = await openTestWorld();
  await untilHealthy(world);
});
afterAll(() => world?.close());

const trace = (packet: string): Promise<Loose> => world.arm("POST", "/openase/trace", { packet });
const rowsSeen = (traced: Loose): string[] =>
  traced.rows.map(({ at, seen }: Loose) => `${at}: ${seen ?? ""}`);

describe("a traced packet", () => {
  test("of a client outside meets the rule that lets it in, and is accepted", async () => {
    const traced = await trace("tcp internet -> vip:443");
    expect(traced).toMatchObject({ agrees: true, seen: "was accepted" });
    expect(rowsSeen(traced)).toContain(
      "inbound gate of environment: allowed by rule Inbound-web (priority 1030, inbound) of demo-nsg",
    );
  });

  test("of somebody who does not manage is denied where the law says", async () => {
    const traced = await trace("tcp internet -> vip:454");
    expect(traced).toMatchObject({
      agrees: true,
      seen: "was denied by rule DenyAllInBound (priority 65500, inbound) of demo-nsg",
    });
  });

  test("between hosts passes both gates; where nothing listens it is refused", async () => {
    const traced = await trace("tcp demo-front-end-0 -> demo-publisher-0:80");
    expect(traced).toMatchObject({
      agrees: true,
      seen: "arrived and was refused: nothing listens",
    });
    expect(rowsSeen(traced).filter((row) => row.includes("gate of"))).toHaveLength(2);
    expect(rowsSeen(traced).join()).toContain("handed to demo-publisher-0");
  });

  test("goes between addresses where nobody stands, and leaves nobody there", async () => {
    const traced = await trace("tcp 203.0.113.10 -> 10.1.1.77:454");
    expect(traced.agrees).toBe(true);
    const inside = await trace("udp 10.1.1.200 -> 10.1.1.201:9");
    expect(inside).toMatchObject({
      agrees: true,
      seen: "arrived and was refused: nothing listens",
    });
    const hosts = (await world.arm("GET", "/openase/world")).hosts.map(({ name }: Loose) => name);
    expect(hosts.filter((name: string) => name.startsWith("stand-in"))).toEqual([]);
    // Nor in the kernel: the router says that nobody has the address.
    const words = "cat < /dev/tcp/10.1.1.201/9";
    const again = await world.exec("vnet/demo-vnet", ["timeout", "2", "bash", "-c", words]);
    expect(again.stderr).toContain("No route to host");
  });

  test("of the platform's load balancer is the platform's", async () => {
    const traced = await trace("tcp load-balancer -> demo-front-end-0:16001");
    expect(traced).toMatchObject({ agrees: true, seen: "was accepted" });
  });

  test("shows the rule that cuts it as soon as the rule is in force", async () => {
    const rule = world.network("networkSecurityGroups/demo-nsg/securityRules/cut-sql");
    await world.arm("PUT", rule, {
      properties: {
        ...{ priority: 110, direction: "Outbound", access: "Deny", protocol: "Tcp" },
        ...{ sourceAddressPrefix: "*", sourcePortRange: "*" },
        ...{ destinationAddressPrefix: "*", destinationPortRange: "1433" },
      },
    });
    const traced = await trace("tcp demo-management-0 -> 4.144.9.1:1433");
    expect(traced).toMatchObject({
      agrees: true,
      seen: "was denied by rule cut-sql (priority 110, outbound) of demo-nsg",
    });
    await world.arm("DELETE", rule);
    expect(await trace("tcp demo-management-0 -> 4.144.9.1:1433")).toMatchObject({
      agrees: true,
      seen: "was accepted",
    });
  });

  test("that is none is refused with what to write", async () => {
    expect(await world.refused("POST", "/openase/trace", { packet: "tcp nobody -> x:1" })).toEqual({
      code: "InvalidPacket",
      what: expect.stringContaining("nobody"),
    });
    expect(
      (await world.refused("POST", "/openase/trace", { packet: "icmp vip -> vip" })).code,
    ).toBe("TraceNotPossible");
  });
});
