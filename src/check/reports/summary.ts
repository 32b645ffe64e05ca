/** Words and counts that every form of the report shares. */
import { fails, type EnvironmentReport, type Finding } from "../finding.ts";

/** The flows and replies that were proved; the rest are remarks. */
export function requirementsIn(findings: readonly Finding[]): readonly Finding[] {
  return findings.filter(({ id }) => id.startsWith("flow/") || id.startsWith("reply/"));
}

/** The verdict in one sentence, with what it rests on. */
export function verdictInWords({ name, presumed, verdict, findings }: EnvironmentReport): string {
  const who = presumed ? "An environment" : `The environment ${name}`;
  const proved = requirementsIn(findings).filter(({ grade }) => grade !== "optional");
  const total = countOf(proved);
  const byDefault = countOf(proved.filter((one) => one.verdict === "default-rule"));
  const failed = (grade: Finding["grade"]) =>
    countOf(findings.filter((one) => one.grade === grade && fails(one, "app")));
  const [hard, degraded, app] = [failed("hard"), failed("degraded"), failed("app")];
  if (verdict === "suspended")
    return `${who} would be suspended: ${plural(hard, "requirement")} its life depends on ${hard === 1 ? "is" : "are"} not met.`;
  if (verdict === "unclear")
    return `${who} cannot be proved to live: ${plural(hard, "requirement depends", "requirements depend")} on how the platform reads its own rules.`;
  if (degraded + app === 0)
    return `${who} would live: ${total} of ${total} flows pass, proved over all packets${byDefault === 0 ? "" : `; ${byDefault} only by a default rule`}.`;
  const parts = [
    ...(app > 0 ? [`users do not get through (${plural(app, "flow")})`] : []),
    ...(degraded > 0 ? [`it would work worse (${plural(degraded, "requirement")})`] : []),
  ];
  return `${who} would live, but ${parts.join(", and ")}.`;
}

/** `Proved 11, by default rule only 2, unclear 0, violated 3 of 16 flows and replies.` */
export function summaryOf({ findings }: EnvironmentReport): string {
  const all = requirementsIn(findings);
  const by = (verdict: Finding["verdict"]) =>
    countOf(all.filter((finding) => finding.verdict === verdict));
  return `Flows and replies: ${by("proven")} proved, ${by("default-rule")} by a default rule only, ${by("unclear")} unclear, ${by("violated")} violated.`;
}

/** A flow that fails at two gates is one flow. */
export function countOf(findings: readonly Finding[]): number {
  return new Set(findings.map(({ id }) => id)).size;
}

export function placeInWords({
  file,
  line,
}: {
  readonly file: string;
  readonly line: number;
}): string {
  return `${file}:${line}`;
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}
