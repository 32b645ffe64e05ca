/**
 * What a check says: findings about one environment, each with its packet, its culprit, its
 * consequence and its fixes; and the verdict they add up to.
 *
 * Plain values only: reports/ turn them into text, JSON, SARIF, JUnit and Markdown, the API and
 * the portal show them as they are. docs/check.md describes the JSON; what stands there stays.
 */
import type { Grade } from "../environment/flows.ts";
import type { EnvironmentKind, LoadBalancingMode } from "../environment/kind.ts";
import type { Problem } from "../base/problem.ts";
import type { Origin } from "./inputs/inputs.ts";

/**
 * proven: for every packet; default-rule: for every packet, and for some only by a rule that every
 * group has; unclear: under one reading of the sources and not under another; violated: not.
 */
export type Verdict = "proven" | "default-rule" | "unclear" | "violated";

/** `advice`: nothing breaks, and somebody should know. */
export type FindingGrade = Grade | "advice";

export type FindingPacket = {
  readonly protocol: string;
  readonly from: string;
  readonly fromPort: number;
  readonly to: string;
  readonly toPort: number;
};

/** The rule, route or declaration to blame. */
export type Culprit = {
  readonly kind: "rule" | "route" | "subnet" | "network" | "environment" | "resource";
  readonly name: string;
  /** Resource id of what it stands in (a group, a table), or of itself. */
  readonly id?: string;
  /** `denied by rule DenyAll (priority 4000, inbound) of ase-nsg`. */
  readonly sentence: string;
  readonly place?: Origin;
};

/** Packets in names people use: `Tcp AppServiceManagement:* -> ase:454-455`. */
export type NamedPackets = {
  readonly sentence: string;
  /** Exact, in decimal: numbers of packets exceed what JSON numbers hold. */
  readonly packets: string;
};

/** A repair in three spellings. */
export type Fix = {
  /** What it does, one sentence. */
  readonly what: string;
  readonly az: string;
  /** A resource of an ARM template. */
  readonly arm: string;
  readonly terraform: string;
  /** True: the flow was proved again with the fix in place. */
  readonly reproved: boolean;
  /** What it lets through besides what the flow needs; empty: nothing. */
  readonly alsoAllows: readonly string[];
};

export type Reading = {
  /** `narrow: VirtualNetwork is 10.0.0.0/16`. */
  readonly name: string;
  readonly passes: boolean;
};

export type Finding = {
  /** Stable: `flow/keep-alive`, `reply/management`, `subnet/size`, `lint/shadowed-rule`. */
  readonly id: string;
  readonly title: string;
  readonly grade: FindingGrade;
  readonly verdict: Verdict;
  /** One sentence with the values in it. */
  readonly what: string;
  /** What follows in the end; absent where nothing does. */
  readonly consequence?: string;
  readonly packet?: FindingPacket;
  readonly culprit?: Culprit;
  /** Everything that is stopped (violated), or passes by default rules only (default-rule). */
  readonly affected?: { readonly packets: readonly NamedPackets[]; readonly more: boolean };
  readonly readings?: readonly Reading[];
  /** What the proof takes for given, because no file says it. */
  readonly assumes?: readonly string[];
  readonly fixes: readonly Fix[];
  /** Heading of the article. */
  readonly heading?: string;
  /** Whose numbers differ. */
  readonly sources?: readonly string[];
};

/** How far the subnet reaches. */
export type Forecast = {
  readonly subnetSize: number;
  readonly usedNow: number;
  readonly instancesNow: number;
  readonly usedWhileScaling: number;
  /** Instances that fit at rest. */
  readonly mostInstances: number;
  /** The largest single plan that can still change its size. */
  readonly largestScalablePlan: number;
};

/** lives: every flow that its life depends on is proven; unclear: that depends on a reading. */
export type LifeVerdict = "lives" | "unclear" | "suspended";

export type EnvironmentReport = {
  readonly name: string;
  readonly id: string;
  readonly kind: EnvironmentKind;
  readonly mode: LoadBalancingMode;
  /** True: no environment is declared; the check was made as if one stood in the subnet. */
  readonly presumed: boolean;
  readonly network: string;
  readonly subnet: { readonly id: string; readonly name: string; readonly prefix: string };
  readonly verdict: LifeVerdict;
  /** Flows first, in the order of the list; then the rest, worst first. Proven ones included. */
  readonly findings: readonly Finding[];
  readonly forecast: Forecast;
};

export type Report = {
  readonly environments: readonly EnvironmentReport[];
  /** What was read and not understood, assumed or linked by name. */
  readonly notes: readonly Problem[];
};

export const FAIL_ON = ["hard", "degraded", "app", "default-rule"] as const;
export type FailOn = (typeof FAIL_ON)[number];

/** Whether a finding counts as a failure where this line is drawn. */
export function fails(finding: Finding, line: FailOn): boolean {
  const level = FAIL_ON.indexOf(line);
  if (finding.verdict === "proven") return false;
  if (finding.verdict === "default-rule")
    return line === "default-rule" && finding.grade !== "optional";
  const grade = (FAIL_ON as readonly string[]).indexOf(finding.grade);
  return 0 <= grade && grade <= level;
}

/** Failures and what should be known; what is proven and bears no remark left out. */
export function isRemark({ verdict, grade }: Finding): boolean {
  return verdict !== "proven" && grade !== "optional";
}

export function lifeVerdict(findings: readonly Finding[]): LifeVerdict {
  const hard = findings.filter((finding) => finding.grade === "hard");
  if (hard.some(({ verdict }) => verdict === "violated")) return "suspended";
  return hard.some(({ verdict }) => verdict === "unclear") ? "unclear" : "lives";
}

export function reportFails(report: Report, line: FailOn): boolean {
  return report.environments.some(({ findings }) =>
    findings.some((finding) => fails(finding, line)),
  );
}
