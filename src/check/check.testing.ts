/** For tests of this room: a check of a small network, and rules in few words. */
import { sketch, wanted, type Sketch } from "../../test/support/resources.ts";
import type { Cidr, Ipv4 } from "../network/prefix.ts";
import type { NextHop } from "../network/route.ts";
import { ANY_PORT, type AddressMatch, type PortRange, type SecurityRule } from "../network/rule.ts";
import { check, type CheckRequest } from "./check.ts";
import type { EnvironmentReport, Finding, Report } from "./finding.ts";

export function checked(of: Sketch, more: Partial<CheckRequest> = {}): Report {
  const resources = sketch(of);
  const report = check({
    resources,
    placeOf: () => undefined,
    tag: wanted(resources).tag,
    ...more,
  });
  if (!report.ok) throw new Error(report.problem.what);
  return report.value;
}

export function onlyOne(report: Report): EnvironmentReport {
  const [environment] = report.environments;
  if (environment === undefined) throw new Error("no environment");
  return environment;
}

/** Verdicts of what is not proven, by id: `{ "flow/keep-alive": "violated by DenyAll" }`. */
export function remarks({ findings }: EnvironmentReport): Readonly<Record<string, string>> {
  return Object.fromEntries(
    findings
      .filter(({ verdict, grade }) => verdict !== "proven" && grade !== "optional")
      .map((finding) => [finding.id, wordsOf(finding)]),
  );
}

function wordsOf({ verdict, grade, culprit }: Finding): string {
  const by = culprit === undefined ? "" : ` by ${culprit.name}`;
  return grade === "advice" ? "advice" : `${verdict}${by}`;
}

type RuleWords = {
  readonly from?: string;
  readonly to?: string;
  readonly ports?: readonly (number | readonly [number, number])[];
  readonly protocol?: SecurityRule["protocol"];
};

export function allow(
  name: string,
  priority: number,
  direction: "Inbound" | "Outbound",
  words: RuleWords = {},
): Partial<SecurityRule> {
  return rule(name, priority, direction, "Allow", words);
}

export function deny(
  name: string,
  priority: number,
  direction: "Inbound" | "Outbound",
  words: RuleWords = {},
): Partial<SecurityRule> {
  return rule(name, priority, direction, "Deny", words);
}

function rule(
  name: string,
  priority: number,
  direction: SecurityRule["direction"],
  access: SecurityRule["access"],
  { from = "*", to = "*", ports, protocol = "*" }: RuleWords,
): Partial<SecurityRule> {
  return {
    ...{ name, priority, direction, access, protocol },
    sources: [matchOf(from)],
    destinations: [matchOf(to)],
    destinationPorts: (ports ?? [[ANY_PORT.low, ANY_PORT.high]]).map(rangeOf),
  };
}

function matchOf(text: string): AddressMatch {
  if (text === "*") return { kind: "any" };
  return /^\d/.test(text) ? { kind: "prefix", prefix: text as Cidr } : { kind: "tag", tag: text };
}

function rangeOf(port: number | readonly [number, number]): PortRange {
  return typeof port === "number" ? { low: port, high: port } : { low: port[0], high: port[1] };
}

/** @param hop a kind of next hop, or the address of an appliance */
export function route(name: string, prefix: string, hop: string) {
  const nextHop: NextHop = /^\d/.test(hop)
    ? { kind: "VirtualAppliance", address: hop as Ipv4 }
    : { kind: hop as "Internet" };
  return { name, nextHop, destination: { kind: "prefix", prefix: prefix as Cidr } } as const;
}

/** What `az appservice ase create` writes for a subnet. */
export function rulesOfAz(subnet: string): readonly Partial<SecurityRule>[] {
  return [
    allow("Inbound-management", 100, "Inbound", {
      from: "AppServiceManagement",
      ports: [[454, 455]],
    }),
    allow("Inbound-load-balancer-keep-alive", 105, "Inbound", {
      from: "AzureLoadBalancer",
      ports: [16_001],
    }),
    allow("ASE-internal-inbound", 110, "Inbound", { from: subnet }),
    allow("Inbound-HTTP", 120, "Inbound", { ports: [80] }),
    allow("Inbound-HTTPS", 130, "Inbound", { ports: [443] }),
    allow("Inbound-FTP", 140, "Inbound", { ports: [21] }),
    allow("Inbound-FTPS", 150, "Inbound", { ports: [990] }),
    allow("Inbound-FTP-Data", 160, "Inbound", { ports: [[10_001, 10_020]] }),
    allow("Inbound-Remote-Debugging", 170, "Inbound", { ports: [[4_016, 4_022]] }),
    allow("Outbound-443", 100, "Outbound", { ports: [443] }),
    allow("Outbound-DB", 110, "Outbound", { to: "Sql", ports: [1_433] }),
    allow("Outbound-DNS", 120, "Outbound", { ports: [53] }),
    allow("ASE-internal-outbound", 130, "Outbound", { to: subnet }),
    allow("Outbound-80", 140, "Outbound", { ports: [80] }),
    allow("Outbound-monitor", 150, "Outbound", { ports: [12_000] }),
    allow("Outbound-NTP", 160, "Outbound", { ports: [123] }),
  ];
}
