/** Names: private zones at the platform's resolver, and what an ILB environment needs of them. */
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

const DOMAIN = "demo-ilb.appserviceenvironment.net";
const INSIDE = "vnet/demo-ilb-vnet";

let world: TestWorld;
beforeAll(async () => {
  world = await openTestWorld({ template: INTERNAL, app: "hello-inside" });
  await untilHealthy(world, "demo-ilb");
});
afterAll(() => world?.close());

const environment = () => world.arm("GET", world.web("hostingEnvironments/demo-ilb"));
const ZONE = `privateDnsZones/${DOMAIN}`;
const zone = (path = "") => world.network(`${ZONE}${path}`);
const putA = (name: string, ipv4Address: string, of = zone()) =>
  world.arm("PUT", `${of}/a/${name}`, { properties: { ttl: 3600, aRecords: [{ ipv4Address }] } });
/** As programs of the C library ask. */
const addressesAt = async (at: string, name: string) => {
  const { stdout } = await world.exec(at, ["getent", "ahostsv4", name]);
  return [...new Set(stdout.match(/^[\d.]+/gm))];
};
const becomes = (at: string, name: string, addresses: readonly string[]) =>
  until(
    `${name} at ${at} is ${addresses.join(" ")}`,
    async () => (String(await addressesAt(at, name)) === String(addresses) ? true : undefined),
    5_000,
  );

describe("private DNS zones", () => {
  test("an ILB environment without its records says which are missing, and is healthy", async () => {
    const { properties } = await environment();
    expect(properties.environmentStatus).toBe("Healthy");
    expect(properties.notices).toEqual([
      expect.stringMatching(
        /^zone demo-ilb\.appserviceenvironment\.net needs A records that lead to 10\.2\.1\.\d+: \* is missing .*, @ is missing .*, \*\.scm is missing/,
      ),
    ]);
  });

  test("the records az writes lead clients of the linked network to the apps, and nobody else", async () => {
    const { internalIpAddress: address } = (
      await world.arm("GET", world.web("hostingEnvironments/demo-ilb/capacities/virtualip"))
    ).properties;
    await world.arm("PUT", zone(), { location: "global" });
    for (const name of ["*", "%40", "*.scm"]) await putA(name, address);
    // Without a link, the zone is nobody's.
    expect(await addressesAt(INSIDE, `hello-inside.${DOMAIN}`)).toEqual([]);
    await world.arm("PUT", zone("/virtualNetworkLinks/demo-ilb_link"), {
      location: "global",
      properties: {
        virtualNetwork: { id: world.network("virtualNetworks/demo-ilb-vnet") },
        registrationEnabled: false,
      },
    });
    for (const name of [`hello-inside.${DOMAIN}`, DOMAIN, `hello-inside.scm.${DOMAIN}`])
      await becomes(INSIDE, name, [address]);
    const called = await world.exec(INSIDE, [
      ...["curl", "-s", "-m", "2", "--cacert", world.home.authority],
      `https://hello-inside.${DOMAIN}/`,
    ]);
    expect(JSON.parse(called.stdout).instance).toMatch(/^demo-ilb-demo-ilb-plan-/);
    expect(await addressesAt("internet", `hello-inside.${DOMAIN}`)).toEqual([]);
    expect((await environment()).properties.notices).toEqual([]);
  });

  test("a record that leads elsewhere is told", async () => {
    await putA("*.scm", "10.2.9.9");
    const [notice] = await until(
      "it is told",
      async () => {
        const { notices } = (await environment()).properties;
        return notices.length === 0 ? undefined : notices;
      },
      5_000,
    );
    expect(notice).toContain("*.scm leads to 10.2.9.9");
  });

  test("record sets of every type are kept, listed and given back as az reads them", async () => {
    const corp = world.network("privateDnsZones/corp.example");
    await world.arm("PUT", corp, { location: "global" });
    await world.arm("PUT", `${corp}/CNAME/www`, {
      properties: { ttl: 60, cnameRecord: { cname: "db.corp.example" } },
    });
    await world.arm("PUT", `${corp}/SRV/_sql._tcp`, {
      properties: { srvRecords: [{ priority: 1, weight: 2, port: 3, target: "db.corp.example." }] },
    });
    await world.arm("PUT", `${corp}/TXT/@`, {
      properties: { txtRecords: [{ value: ["v=1"] }] },
    });
    const srv = await world.arm("GET", `${corp}/srv/_sql._tcp`);
    expect(srv).toMatchObject({
      type: "Microsoft.Network/privateDnsZones/SRV",
      name: "_sql._tcp",
      properties: {
        fqdn: "_sql._tcp.corp.example.",
        ttl: 3600,
        srvRecords: [{ priority: 1, weight: 2, port: 3, target: "db.corp.example" }],
      },
    });
    const { value } = await world.arm("GET", `${corp}/ALL`);
    expect(
      value.map(({ type, name }: Loose) => `${type.split("/").at(-1)} ${name}`).sort(),
    ).toEqual(["CNAME www", "SOA @", "SRV _sql._tcp", "TXT @"]);
    expect((await world.arm("GET", corp)).properties.numberOfRecordSets).toBe(4);
    const twin = await world.refused("PUT", `${corp}/A/www`, {
      properties: { aRecords: [{ ipv4Address: "10.2.3.4" }] },
    });
    expect(twin.code).toBe("BadRequest");
  });

  test("machines register themselves where the link says so; aliases lead to them", async () => {
    const corp = world.network("privateDnsZones/corp.example");
    const network = world.network("virtualNetworks/demo-ilb-vnet");
    await world.arm("PUT", `${network}/subnets/machines`, {
      properties: { addressPrefix: "10.2.3.0/24" },
    });
    await world.arm("PUT", `${corp}/virtualNetworkLinks/corp`, {
      location: "global",
      properties: { virtualNetwork: { id: network }, registrationEnabled: true },
    });
    await world.arm("PUT", world.network("networkInterfaces/db"), {
      location: "local",
      properties: {
        ipConfigurations: [
          {
            name: "first",
            properties: {
              subnet: { id: `${network}/subnets/machines` },
              privateIPAllocationMethod: "Static",
              privateIPAddress: "10.2.3.7",
            },
          },
        ],
      },
    });
    await becomes(INSIDE, "www.corp.example", ["10.2.3.7"]);
    const second = await world.refused("PUT", `${zone()}/virtualNetworkLinks/demo-ilb_link`, {
      location: "global",
      properties: { virtualNetwork: { id: network }, registrationEnabled: true },
    });
    expect(second).toMatchObject({
      code: "Conflict",
      what: expect.stringContaining("corp.example"),
    });
  });
});

/** A command in the sandbox of one instance of the app. */
const inApp = async (command: string): Promise<{ code: number; stdout: string }> => {
  const { internalIpAddress } = (
    await world.arm("GET", world.web("hostingEnvironments/demo-ilb/capacities/virtualip"))
  ).properties;
  const { stdout } = await world.exec(INSIDE, [
    ...["curl", "-s", "-m", "20", "-G", "--data-urlencode", `command=${command}`],
    ...["-H", `Host: hello-inside.${DOMAIN}`, `http://${internalIpAddress}/run`],
  ]);
  return JSON.parse(stdout).value;
};

describe("DNS servers of the network", () => {
  const network = () => world.network("virtualNetworks/demo-ilb-vnet");
  const WORKER = "demo-ilb-demo-ilb-plan-0";
  const notices = async (): Promise<string[]> => (await environment()).properties.notices;

  test("are a machine of the network that runs dnsmasq", async () => {
    await world.arm("PUT", world.network("networkInterfaces/names"), {
      location: "local",
      tags: {
        "openase.program": "dns-server",
        "openase.dns.db.customer.test": "10.2.3.7",
        "openase.dns.www.customer.test": "db.customer.test",
      },
      properties: {
        ipConfigurations: [
          {
            name: "first",
            properties: {
              subnet: { id: `${network()}/subnets/machines` },
              privateIPAllocationMethod: "Static",
              privateIPAddress: "10.2.3.4",
            },
          },
        ],
      },
    });
    const asked = await world.exec(INSIDE, ["nslookup", "www.customer.test", "10.2.3.4"]);
    expect(asked.stdout).toBe(
      [
        "Server:\t\t10.2.3.4",
        "Address:\t10.2.3.4#53",
        "",
        "Non-authoritative answer:",
        "www.customer.test\tcanonical name = db.customer.test.",
        "Name:\tdb.customer.test",
        "Address: 10.2.3.7",
        "",
      ].join("\n"),
    );
    const denied = await world.exec(INSIDE, ["nslookup", "management.azure.com", "10.2.3.4"]);
    expect(denied).toMatchObject({ exitCode: 1, stdout: expect.stringContaining("NXDOMAIN") });
  });

  test("that are changed take effect with a reboot, not before, and status says so", async () => {
    const { properties } = await world.arm("GET", network());
    await world.arm("PUT", network(), {
      location: "local",
      properties: { ...properties, dhcpOptions: { dnsServers: ["10.2.3.4"] } },
    });
    expect((await notices()).at(-1)).toBe(
      "a change of DNS servers waits for a reboot: all hosts ask the platform's resolver, the network says 10.2.3.4 (ase reboot demo-ilb)",
    );
    expect(await inApp("nameresolver db.customer.test")).toMatchObject({
      code: 1,
      stdout: expect.stringContaining("Server: 168.63.129.16\r\n"),
    });
    // Machines learn it at once.
    expect(await addressesAt(INSIDE, "db.customer.test")).toEqual(["10.2.3.7"]);
    await world.arm("POST", world.web("hostingEnvironments/demo-ilb/reboot"));
    await until(
      "no reboot is pending",
      async () => ((await notices()).length === 0 ? true : undefined),
      60_000,
    );
    await untilHealthy(world, "demo-ilb");
  });

  test("are asked by apps: nameresolver shows it, and nslookup asks the platform instead", async () => {
    const seen = [
      "Server: 10.2.3.4",
      "",
      "Non-authoritative answer:",
      "Name: db.customer.test",
      "Addresses: ",
      "\t10.2.3.7",
      "Aliases: ",
      "\twww.customer.test",
      "",
    ].join("\r\n");
    expect(await inApp("nameresolver www.customer.test")).toMatchObject({ code: 0, stdout: seen });
    expect((await world.exec(WORKER, ["nameresolver", "www.customer.test"])).stdout).toBe(seen);
    expect((await inApp("getent hosts db.customer.test")).stdout).toContain("10.2.3.7");
    expect((await inApp("nslookup db.customer.test")).stdout).toContain("NXDOMAIN");
    expect((await inApp("echo $WEBSITE_DNS_SERVER")).stdout).toBe("10.2.3.4\n");
    // A role of the environment asks the platform, always.
    expect(await addressesAt("demo-ilb-management-0", "db.customer.test")).toEqual([]);
  });

  test("that cannot resolve a name leave it to the platform", async () => {
    expect((await inApp("nameresolver management.azure.com")).stdout).toContain("198.19.0.81");
    expect((await inApp(`nameresolver ${DOMAIN}`)).stdout).toMatch(/\t10\.2\.1\.\d+\r\n/);
    expect(await inApp("nameresolver nowhere.test")).toMatchObject({
      code: 1,
      stdout: expect.stringContaining("No such host is known"),
    });
  });

  test("tcpping says what portals read", async () => {
    const open = await inApp("tcpping management.azure.com:443 -n 2");
    expect(open.stdout).toMatch(
      /^(Connected to management\.azure\.com:443, time taken: (<1|\d+)ms\r\n){2}Complete: 2\/2 successful attempts \(100%\)\. Average success time: [\d.]+ms\r\n$/,
    );
    const unknown = await inApp("tcpping nowhere.test -n 1");
    expect(unknown.stdout).toMatch(
      /^Connection attempt failed: No such host is known\r\nComplete: 0\/1/,
    );
    const silent = await inApp("tcpping 10.2.3.99:80 -n 1 -w 1");
    expect(silent.stdout).toMatch(
      /^Connection attempt failed: (Connection timed out|An attempt was)/,
    );
  });

  test("that the subnet does not reach make the environment ill, with the rule; apps fall back", async () => {
    const rule = world.network("networkSecurityGroups/demo-ilb-nsg/securityRules/cut-dns");
    await world.arm("PUT", rule, {
      properties: {
        ...{ priority: 100, direction: "Outbound", access: "Deny", protocol: "*" },
        ...{ sourceAddressPrefix: "*", sourcePortRange: "*" },
        ...{ destinationAddressPrefix: "10.2.3.4", destinationPortRange: "53" },
      },
    });
    const status = await untilText(
      "the cut is named",
      () => world.health("demo-ilb"),
      (text) => text.includes("denied by rule cut-dns (priority 100, outbound) of demo-ilb-nsg"),
      10_000,
    );
    expect(status).toMatch(
      /the virtual network's DNS servers \(Udp 10\.2\.1\.\d+ -> 10\.2\.3\.4:53\)/,
    );
    expect((await inApp("nameresolver management.azure.com")).stdout).toContain("198.19.0.81");
    await world.arm("DELETE", rule);
    await untilHealthy(world, "demo-ilb");
  });

  test("of an app's own settings come before those of the network", async () => {
    await world.arm("PUT", world.web("sites/hello-inside/config/appsettings"), {
      properties: { WEBSITE_DNS_SERVER: "168.63.129.16" },
    });
    // Instances start anew one half after the other.
    await until(
      "every instance asks the platform",
      async () => {
        const asked = Array.from({ length: 8 }, () => inApp("nameresolver management.azure.com"));
        const said = await Promise.all(asked);
        return said.every(({ stdout }) => stdout.includes("168.63.129.16")) ? true : undefined;
      },
      15_000,
    );
    expect((await inApp("nameresolver db.customer.test")).code).toBe(1);
  });
});
