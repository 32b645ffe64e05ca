import { describe, expect, test } from "vitest";

import {
  machine,
  NETWORK_ID,
  secondSubnet,
  sketch,
  SUBNET_ID,
} from "../../test/support/resources.ts";
import { allow, checked, deny, onlyOne, remarks, route, rulesOfAz } from "./check.testing.ts";
import { fails, type Finding } from "./finding.ts";
import { textReport } from "./reports/text.ts";

const SUBNET = "10.0.1.0/24";
const one = (...of: Parameters<typeof checked>) => onlyOne(checked(...of));
const AZ = rulesOfAz(SUBNET);
const DENY_ALL = deny("DenyAll", 4_000, "Inbound");
/** Management straight to the internet: the prefixes of the tag as the tests have it. */
const MANAGEMENT_ROUTES = [
  route("management-1", "13.64.0.0/11", "Internet"),
  route("management-2", "20.36.0.0/14", "Internet"),
];
const TUNNEL = route("Default", "0.0.0.0/0", "10.0.2.4");

describe("security groups", () => {
  test("no group lets everything pass", () => {
    const report = one({});
    expect(report.verdict).toBe("lives");
    expect(remarks(report)).toEqual({ "rules/no-group": "advice" });
  });

  test("what az writes lives, and keeps Web Deploy and one debugging port out", () => {
    const report = one({ rules: AZ });
    expect(report.verdict).toBe("lives");
    expect(remarks(report)).toEqual({
      "flow/load-balancer-management": "default-rule by AllowVnetInBound",
      "flow/remote-debugging": "violated by DenyAllInBound",
      "flow/web-deploy": "violated by DenyAllInBound",
    });
  });

  test("a rule that denies everything before the default rules cuts the keep-alive", () => {
    const rules = AZ.filter(({ name }) => name !== "Inbound-load-balancer-keep-alive");
    const report = one({ rules: [...rules, DENY_ALL] });
    expect(report.verdict).toBe("suspended");
    expect(remarks(report)).toMatchObject({ "flow/keep-alive": "violated by DenyAll" });
    const finding = findingOf(report.findings, "flow/keep-alive");
    expect(finding.packet).toMatchObject({ from: "168.63.129.16", to: "10.0.1.4", toPort: 16_001 });
    expect(finding.fixes).toMatchObject([{ reproved: true, alsoAllows: [] }]);
  });

  test("the default rules alone let everything pass but management and users", () => {
    const report = one({ rules: [] });
    expect(report.verdict).toBe("suspended");
    const violated = report.findings.filter((finding) => fails(finding, "app"));
    expect(violated.map(({ id }) => id)).toEqual([
      "flow/management",
      "flow/web",
      "flow/ftp",
      "flow/remote-debugging",
      "flow/web-deploy",
    ]);
    expect(fails(findingOf(report.findings, "flow/dns"), "hard")).toBe(false);
    expect(fails(findingOf(report.findings, "flow/dns"), "default-rule")).toBe(true);
  });

  test("a list of addresses in place of the tag is found out, with a packet that is not in it", () => {
    const rules = AZ.map((rule) =>
      rule.name === "Inbound-management"
        ? allow("Inbound-management", 100, "Inbound", {
            from: "13.75.127.117/32",
            ports: [[454, 455]],
          })
        : rule,
    );
    const report = one({ rules });
    expect(remarks(report)).toMatchObject({
      "flow/management": "violated by DenyAllInBound",
      "lint/drifted-list": "advice",
    });
    expect(findingOf(report.findings, "flow/management").packet?.from).not.toBe("13.75.127.117");
  });

  test("inside communication passes two gates, and each is told apart", () => {
    const report = one({
      rules: [...AZ, DENY_ALL, deny("NoWayOut", 125, "Outbound", { to: SUBNET })],
    });
    const internal = report.findings.filter(({ id }) => id === "flow/internal");
    expect(internal.map(({ culprit }) => culprit?.name)).toEqual(["NoWayOut"]);
  });

  test("a rule that names another network is told", () => {
    const report = one({ rules: rulesOfAz("192.168.250.0/24") });
    expect(remarks(report)).toMatchObject({
      "flow/internal": "default-rule by AllowVnetOutBound",
      "lint/foreign-prefix": "advice",
    });
  });

  test("a rule that never decides is told, and one that repeats a default rule is not", () => {
    const twice = allow("Again", 125, "Inbound", { ports: [80] });
    const never = deny("TooLate", 126, "Inbound", { ports: [80] });
    const dead = one({ rules: [...AZ, twice, never] }).findings.filter(({ id }) =>
      /lint\/(shadowed|contradicted)/.test(id),
    );
    expect(dead.map(({ id, culprit }) => `${id} ${culprit?.name}`)).toEqual([
      "lint/shadowed-rule Again",
      "lint/contradicted-rule TooLate",
    ]);
  });

  test("an internal environment asks for users of the network, not of the internet", () => {
    const report = one({ kind: "Internal", rules: [...AZ, DENY_ALL] });
    const web = findingOf(report.findings, "flow/web");
    expect(web.verdict).toBe("proven");
    const debugging = findingOf(report.findings, "flow/remote-debugging");
    expect(debugging.affected?.packets[0]?.sentence).toContain("net");
  });
});

describe("forced tunnels", () => {
  const tunnelled = (routes: Parameters<typeof checked>[0]["routes"], endpoints: string[] = []) =>
    one({
      ...(routes === undefined ? {} : { routes }),
      extra: [
        secondSubnet(`${NETWORK_ID}/subnets/other`),
        machine("firewall", `${NETWORK_ID}/subnets/other`, { address: "10.0.2.4", forwards: true }),
      ],
      endpoints,
    });

  test("everything to an appliance: management is answered elsewhere, and the database is lost", () => {
    const report = tunnelled([TUNNEL]);
    expect(report.verdict).toBe("suspended");
    expect(remarks(report)).toMatchObject({
      "reply/management": "violated by Default",
      "reply/clients": "violated by Default",
      "routes/forced-tunnel": "violated by Default",
    });
    expect(findingOf(report.findings, "reply/management").fixes[0]?.az).toContain(
      "--address-prefix AppServiceManagement --next-hop-type Internet",
    );
  });

  test("way 1: the default route of the subnet stays Internet", () => {
    expect(tunnelled([route("Default", "0.0.0.0/0", "Internet")]).verdict).toBe("lives");
  });

  test("way 3: management by the internet, SQL and Storage by service endpoints", () => {
    const report = tunnelled(
      [TUNNEL, ...MANAGEMENT_ROUTES],
      ["Microsoft.Sql", "Microsoft.Storage"],
    );
    expect(report.verdict).toBe("lives");
    expect(remarks(report)).toMatchObject({
      "reply/clients": "violated by Default",
      "routes/forced-tunnel": "advice",
      "endpoints/sql": "advice",
    });
  });

  test("way 3 without the endpoint for Storage is none of the supported ways", () => {
    const report = tunnelled([TUNNEL, ...MANAGEMENT_ROUTES], ["Microsoft.Sql"]);
    expect(report.verdict).toBe("suspended");
    const finding = findingOf(report.findings, "routes/forced-tunnel");
    expect(finding.fixes[0]?.az).toContain("--service-endpoints Microsoft.Sql Microsoft.Storage");
  });

  test("routes for the published addresses alone leave the rest of the tag unclear", () => {
    const published = [
      "13.75.127.117/32",
      "13.94.141.115/32",
      "13.94.143.126/32",
      "13.94.149.179/32",
    ];
    const report = tunnelled(
      [
        TUNNEL,
        ...published.map((prefix, index) => route(`management-${index}`, prefix, "Internet")),
      ],
      ["Microsoft.Sql", "Microsoft.Storage"],
    );
    const finding = findingOf(report.findings, "reply/management");
    expect(finding.verdict).toBe("unclear");
    expect(finding.readings).toMatchObject([{ passes: true }, { passes: false }]);
    expect(report.verdict).toBe("unclear");
  });
});

describe("the subnet", () => {
  test("a /28 holds four instances of an External environment", () => {
    expect(one({ subnet: "10.0.1.0/28", instances: 4 }).verdict).toBe("lives");
    const report = one({ subnet: "10.0.1.0/28", instances: 5 });
    expect(report.verdict).toBe("suspended");
    expect(findingOf(report.findings, "subnet/size").what).toMatchInlineSnapshot(
      `"ase (10.0.1.0/28) has 16 addresses, and the environment needs 17 (5 of the network itself + 7 roles + 5 plan instances = 17); use a prefix of /27 or larger"`,
    );
  });

  test("growth is asked for and foretold", () => {
    const report = one({ subnet: "10.0.1.0/26" }, { instances: 60 });
    expect(remarks(report)).toMatchObject({ "subnet/growth": "violated by ase" });
    expect(report.forecast).toEqual({
      subnetSize: 64,
      usedNow: 14,
      instancesNow: 2,
      usedWhileScaling: 16,
      mostInstances: 47,
      largestScalablePlan: 23,
    });
  });

  test("nothing else may stand in it", () => {
    const report = one({ extra: [machine("jumpbox", SUBNET_ID)] });
    expect(findingOf(report.findings, "subnet/exclusive").what).toContain("jumpbox");
    expect(report.verdict).toBe("suspended");
  });
});

describe("without an environment", () => {
  const networkOf = (of: Parameters<typeof sketch>[0]) => [
    ...sketch(of).filter(({ type }) => type.startsWith("Microsoft.Network/")),
    secondSubnet(`${NETWORK_ID}/subnets/other`),
  ];

  test("one is presumed in the subnet that has rules, and the report says so", () => {
    const report = one({}, { resources: networkOf({ rules: AZ }) });
    expect(report).toMatchObject({ presumed: true, name: "ase", kind: "External" });
    expect(report.subnet.name).toBe("ase");
  });

  test("where several subnets could hold one, the user names it", () => {
    const resources = networkOf({});
    expect(() => checked({}, { resources })).toThrow("several subnets could hold one");
    expect(one({}, { resources, subnet: "net/other" }).subnet.name).toBe("other");
  });
});

test("a report in text begins with the verdict and ends with the forecast", () => {
  const rules = AZ.filter(({ name }) => name !== "Inbound-load-balancer-keep-alive");
  const report = checked(
    { rules: [...rules, DENY_ALL] },
    {
      placeOf: (key) =>
        key.endsWith("/denyall")
          ? { format: "az", file: "nsg.json", line: 41, column: 5, path: "securityRules[9]" }
          : undefined,
    },
  );
  const text = textReport(report, { failOn: "hard", fixes: ["az"], paint: (_, words) => words });
  expect(text).toMatchInlineSnapshot(`
    "The environment shop would be suspended: 1 requirement its life depends on is not met.
      External, subnet ase (10.0.1.0/24) of net.

      ✗ Denied by rule DenyAll (priority 4000, inbound) of nsg at nsg.json:41 [hard]
        stops    load balancer keep-alive (flow/keep-alive)
                   e.g. Tcp 168.63.129.16:50000 -> 10.0.1.4:16001
                   all: Tcp AzureLoadBalancer:* -> ase:16001
        then     the load balancer takes all front ends for dead, and apps stop answering, sometimes
                 days later; the environment becomes unhealthy and is suspended in the end: its apps
                 stop
        sources  flow/keep-alive: table of the article: 16001; prose of the article and the API: 454,
                 455 and 16001 (the first two are asked for as load-balancer-management)
        fix      allow TCP from AzureLoadBalancer to 10.0.1.0/24 on 16001: rule ase-keep-alive, priority
                 180, inbound, of nsg (proved again; lets nothing else through)
                 az network nsg rule create --resource-group demo --nsg-name nsg --name ase-keep-alive \\
                   --priority 180 --direction Inbound --access Allow --protocol Tcp \\
                   --source-address-prefixes AzureLoadBalancer --source-port-ranges '*' \\
                   --destination-address-prefixes 10.0.1.0/24 --destination-port-ranges 16001

      ✗ Denied by rule DenyAll (priority 4000, inbound) of nsg at nsg.json:41 [degraded]
        stops    load balancer to the management ports (flow/load-balancer-management)
                   e.g. Tcp 168.63.129.16:50000 -> 10.0.1.4:454
                   all: Tcp AzureLoadBalancer:* -> ase:454-455
        then     the load balancer may take the management role for dead
        sources  flow/load-balancer-management: table of the article: 16001 only; prose of the article:
                 454 and 455 too
        fix      allow TCP from AzureLoadBalancer to 10.0.1.0/24 on 454-455: rule
                 ase-load-balancer-management, priority 190, inbound, of nsg (proved again; lets nothing
                 else through)
                 az network nsg rule create --resource-group demo --nsg-name nsg \\
                   --name ase-load-balancer-management --priority 190 --direction Inbound \\
                   --access Allow --protocol Tcp --source-address-prefixes AzureLoadBalancer \\
                   --source-port-ranges '*' --destination-address-prefixes 10.0.1.0/24 \\
                   --destination-port-ranges 454-455

      ✗ Denied by rule DenyAll (priority 4000, inbound) of nsg at nsg.json:41 [app]
        stops    remote debugging (flow/remote-debugging)
                   e.g. Tcp 203.0.113.10:50000 -> 10.0.1.4:4024
                   all: Tcp Internet:* -> ase:4024
                 Web Deploy (flow/web-deploy)
                   e.g. Tcp 203.0.113.10:50000 -> 10.0.1.4:8172
                   all: Tcp Internet:* -> ase:8172
        then     the environment lives, and users do not get through
        sources  flow/remote-debugging: article: 4020, 4022, 4024; az and public templates: 4016-4022
        fix      allow TCP from * to 10.0.1.0/24 on 4020, 4022, 4024: rule ase-remote-debugging,
                 priority 200, inbound, of nsg (proved again; lets through as well: Tcp private and
                 reserved addresses except ase:* -> ase:4024)
                 az network nsg rule create --resource-group demo --nsg-name nsg \\
                   --name ase-remote-debugging --priority 200 --direction Inbound --access Allow \\
                   --protocol Tcp --source-address-prefixes '*' --source-port-ranges '*' \\
                   --destination-address-prefixes 10.0.1.0/24 --destination-port-ranges 4020 4022 4024
        fix      allow TCP from * to 10.0.1.0/24 on 8172: rule ase-web-deploy, priority 210, inbound, of
                 nsg (proved again; lets through as well: Tcp private and reserved addresses except
                 ase:* -> ase:8172)
                 az network nsg rule create --resource-group demo --nsg-name nsg --name ase-web-deploy \\
                   --priority 210 --direction Inbound --access Allow --protocol Tcp \\
                   --source-address-prefixes '*' --source-port-ranges '*' \\
                   --destination-address-prefixes 10.0.1.0/24 --destination-port-ranges 8172

      Subnet: 14 of 256 addresses with 2 plan instances; room for 201, and for changing the size of a
      plan of 100.
      Flows and replies: 14 proved, 1 by a default rule only, 0 unclear, 5 violated."
  `);
  expect(text.split("\n").filter((line) => line.length > 100)).toEqual([]);
});

function findingOf(findings: readonly Finding[], id: string): Finding {
  const finding = findings.find((candidate) => candidate.id === id);
  if (finding === undefined) throw new Error(`no finding ${id}`);
  return finding;
}
