/**
 * What is seen of the living network: single packets traced beside the law, effective rules and
 * routes, flow logs, captures. Everything is sent for real and read back from the kernel.
 */
import { spawnSync } from "node:child_process";
import { globSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import {
  openTestWorld,
  until,
  untilHealthy,
  type Loose,
  type TestWorld,
} from "../support/world.ts";

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

describe("Network Watcher", () => {
  const compute = (name: string) =>
    world.network("").replace("Microsoft.Network/", `Microsoft.Compute/virtualMachines/${name}`);
  const watcher = (action: string) => world.network(`networkWatchers/watcher/${action}`);
  beforeAll(() =>
    world.arm("PUT", world.network("networkWatchers/watcher"), { location: "local" }),
  );

  test("finds the environment's hosts as interfaces and machines that nobody may change", async () => {
    const card = await world.arm("GET", world.network("networkInterfaces/demo-front-end-0"));
    expect(card.properties.ipConfigurations[0].properties).toMatchObject({
      privateIPAddress: "10.1.1.4",
      subnet: { id: expect.stringContaining("/subnets/environment") },
    });
    const machine = await world.arm("GET", compute("demo-front-end-0"));
    expect(machine.properties.networkProfile.networkInterfaces[0].id).toBe(card.id);
    const all = await world.arm("GET", world.network("networkInterfaces"));
    expect(all.value.map(({ name }: Loose) => name)).toContain("demo-management-0");
    expect((await world.refused("DELETE", card.id)).code).toBe("NetworkInterfaceOfPlatform");
  });

  test("verifies a flow, and names the rule as Azure spells it", async () => {
    const verify = (remote: string) =>
      world.arm("POST", watcher("ipFlowVerify"), {
        targetResourceId: compute("demo-management-0"),
        ...{ direction: "Inbound", protocol: "TCP", localPort: "454", remotePort: "60000" },
        ...{ localIPAddress: "10.1.1.10", remoteIPAddress: remote },
      });
    expect(await verify("203.0.113.1")).toEqual({
      access: "Deny",
      ruleName: "defaultSecurityRules/DenyAllInBound",
    });
    expect(await verify("13.75.127.117")).toEqual({
      access: "Allow",
      ruleName: "securityRules/Inbound-management",
    });
  });

  test("tells the next hop, effective routes and groups", async () => {
    const hop = await world.arm("POST", watcher("nextHop"), {
      targetResourceId: compute("demo-front-end-0"),
      ...{ sourceIPAddress: "10.1.1.4", destinationIPAddress: "10.1.2.4" },
    });
    expect(hop).toEqual({ nextHopType: "VnetLocal", routeTableId: "System Route" });
    const card = world.network("networkInterfaces/demo-front-end-0");
    const routes = await world.arm("POST", `${card}/effectiveRouteTable`);
    expect(routes.value).toContainEqual(
      expect.objectContaining({ addressPrefix: ["10.1.0.0/16"], nextHopType: "VnetLocal" }),
    );
    const groups = await world.arm("POST", `${card}/effectiveNetworkSecurityGroups`);
    expect(groups.value[0].effectiveSecurityRules.at(-1)).toMatchObject({
      name: "defaultSecurityRules/DenyAllOutBound",
      ...{ protocol: "All", destinationPortRange: "0-65535", priority: 65_500 },
    });
  });

  test("checks connectivity with a packet, and says what is in the way", async () => {
    const check = (address: string, port: number) =>
      world.arm("POST", watcher("connectivityCheck"), {
        source: { resourceId: compute("demo-management-0") },
        destination: { address, port },
      });
    expect(await check("4.144.9.1", 1433)).toMatchObject({ connectionStatus: "Reachable" });
    const cut = await check("10.1.1.6", 3389);
    expect(cut.connectionStatus).toBe("Unreachable");
    const lost = await check("nowhere.example", 80);
    expect(lost.hops[0].issues[0].type).toBe("DnsResolution");
  });

  test("draws what belongs to what", async () => {
    const drawn = await world.arm("POST", watcher("topology"), {
      targetResourceGroupName: "world",
    });
    expect(drawn.resources.map(({ name }: Loose) => name)).toEqual(
      expect.arrayContaining(["demo-vnet", "environment", "demo-nsg", "demo-front-end-0"]),
    );
  });
});

const ase = (...words: readonly string[]): { readonly code: number; readonly said: string } => {
  const ran = spawnSync("./ase", words, {
    cwd: fileURLToPath(new URL("../../", import.meta.url)),
    env: { ...process.env, ASE_HOME: world.home.folder },
    encoding: "utf8",
  });
  return { code: ran.status ?? -1, said: `${ran.stdout}${ran.stderr}` };
};

describe("a check of the running network", () => {
  test("does not take the environment's own hosts for strangers in its subnet", () => {
    const checked = ase("check", "--server", "--fix", "none");
    expect(checked.said).not.toContain("Something else stands");
    expect(checked.code).toBe(0);
  });

  test("sends the packets of what is stopped, and law and packets agree", async () => {
    const rule = world.network("networkSecurityGroups/demo-nsg/securityRules/cut-management");
    await world.arm("PUT", rule, {
      properties: {
        ...{ priority: 110, direction: "Inbound", access: "Deny", protocol: "*" },
        ...{ sourceAddressPrefix: "*", sourcePortRange: "*" },
        ...{ destinationAddressPrefix: "*", destinationPortRange: "454-455" },
      },
    });
    const checked = ase("check", "--server", "--trace", "--fix", "none");
    await world.arm("DELETE", rule);
    expect(checked.code).toBe(1);
    expect(checked.said).toContain("Traced: management commands");
    expect(checked.said).toContain("in fact     it was denied by rule cut-management");
    expect(checked.said).not.toContain("DIFFER");
  });
});

describe("a flow log", () => {
  const nsg = () => world.network("networkSecurityGroups/demo-nsg");
  const flows = async (): Promise<Loose[]> => (await world.arm("GET", "/openase/flows")).value;
  const seen = (what: string, holds: (flow: Loose) => boolean): Promise<Loose> =>
    until(what, async () => (await flows()).find(holds), 20_000);

  test("is off until it is declared, and tells then what was allowed and denied", async () => {
    expect(await flows()).toEqual([]);
    const status = () =>
      world.arm("POST", world.network("networkWatchers/watcher/queryFlowLogStatus"), {
        targetResourceId: nsg(),
      });
    expect((await status()).properties.enabled).toBe(false);
    await world.arm("PUT", world.network("networkWatchers/watcher/flowLogs/log"), {
      location: "local",
      properties: { targetResourceId: nsg(), enabled: true, storageId: "" },
    });
    expect((await status()).properties.enabled).toBe(true);
    await trace("tcp internet -> vip:443");
    await trace("tcp internet -> vip:454");
    const denied = await seen(
      "it is denied",
      ({ access, toPort }) => access === "Deny" && toPort === 454,
    );
    expect(denied).toMatchObject({
      ...{ rule: "DenyAllInBound", origin: "default", direction: "Inbound", protocol: "Tcp" },
      from: "198.19.255.10",
      count: 1,
    });
    const allowed = ({ rule, from }: Loose) => rule === "Inbound-web" && from === "198.19.255.10";
    expect(await seen("it is allowed", allowed)).toMatchObject({ access: "Allow", toPort: 443 });
    // The platform's own probes are flows like all others, and they carry something.
    await seen(
      "the balancer's probe",
      ({ from, bytesIn }) => from === "168.63.129.16" && 0 < bytesIn,
    );
  });

  test("is written in Azure's files, version 2", async () => {
    const folder = join(world.home.folder, "flow-logs");
    const files = globSync("insights-logs-networksecuritygroupflowevent/**/PT1H.json", {
      cwd: folder,
    });
    expect(files[0]).toMatch(
      /resourceId=\/SUBSCRIPTIONS\/.*\/y=\d{4}\/m=\d\d\/d=\d\d\/h=\d\d\/m=00\/macAddress=0200[0-9A-F]{8}\/PT1H.json$/,
    );
    const records: Loose[] = files.flatMap(
      (file) => JSON.parse(readFileSync(join(folder, file), "utf8")).records,
    );
    expect(records[0]).toMatchObject({
      category: "NetworkSecurityGroupFlowEvent",
      resourceId: nsg().toUpperCase(),
      properties: { Version: 2 },
    });
    const of = (rule: string): string[] =>
      records.flatMap(({ properties }) =>
        properties.flows
          .filter((one: Loose) => one.rule === rule)
          .flatMap((one: Loose) => one.flows[0].flowTuples),
      );
    expect(of("DefaultRule_DenyAllInBound").join("\n")).toMatch(
      /^\d{10},198\.19\.255\.10,10\.1\.1\.\d+,\d+,454,T,I,D,B,,,,$/m,
    );
    expect(of("UserRule_Inbound-web").join("\n")).toMatch(/,443,T,I,A,B,,,,$/m);
    expect(of("UserRule_Outbound-dns").join("\n")).toMatch(/,53,U,O,A,B,,,,$/m);
  });

  test("rehearses a change: the flows it would cut, and by which rule", () => {
    const change = (port: string, priority: number) => {
      const file = join(world.home.folder, "run", `change-${port}.json`);
      const rule = {
        type: "Microsoft.Network/networkSecurityGroups/securityRules",
        ...{ apiVersion: "2021-08-01", name: "demo-nsg/rehearsed" },
        properties: {
          ...{ priority, direction: "Outbound", access: "Deny", protocol: "*" },
          ...{ sourceAddressPrefix: "*", sourcePortRange: "*" },
          ...{ destinationAddressPrefix: "Internet", destinationPortRange: port },
        },
      };
      writeFileSync(file, JSON.stringify({ contentVersion: "1.0.0.0", resources: [rule] }));
      return ase("diff", "--server", file, "--resource-group", "world");
    };
    const cut = change("1433", 111);
    expect(cut.said).toMatch(/✗ Tcp 10\.1\.1\.\d+ -> 4\.144\.9\.1:1433/);
    expect(cut.said).toContain(
      "it is stopped: denied by rule rehearsed (priority 111, outbound) of demo-nsg",
    );
    expect(cut.code).toBe(1);
    const harmless = change("6000", 112);
    expect(harmless.said).toMatch(/Of \d+ flows that were seen, none would be cut/);
    expect(harmless.code).toBe(0);
  });
});

describe("a capture", () => {
  test("holds the packets that the filter lets through, as a pcap file", async () => {
    const captured = await world.arm("POST", "/openase/capture", {
      ...{ at: "demo-front-end-0", seconds: 3 },
      filter: "src host 168.63.129.16 and tcp dst port 16001",
    });
    const pcap = Buffer.from(captured.pcap, "base64");
    expect([0xa1b2c3d4, 0xa1b23c4d]).toContain(pcap.readUInt32LE(0));
    // Behind the file's head of 24 bytes: the balancer's probe came in meanwhile.
    expect(pcap.length).toBeGreaterThan(24 + 16 + 40);
  });

  test("with a filter that is none is refused in tcpdump's words", async () => {
    const refusal = await world.refused("POST", "/openase/capture", {
      ...{ at: "internet", seconds: 1, filter: "nonsense nonsense" },
    });
    expect(refusal.code).toBe("CaptureNotPossible");
    expect(refusal.what).toContain("tcpdump");
    expect(
      (await world.refused("POST", "/openase/capture", { at: "internet", seconds: 0 })).code,
    ).toBe("InvalidRequest");
  });
});
