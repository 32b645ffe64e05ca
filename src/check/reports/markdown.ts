/** The report as Markdown, to stand as a comment under a pull request. */
import {
  fails,
  type EnvironmentReport,
  type FailOn,
  type Finding,
  type Report,
} from "../finding.ts";
import { placeInWords, summaryOf, verdictInWords } from "./summary.ts";
import { packetInWords } from "./text.ts";

export function markdownReport(report: Report, failOn: FailOn): string {
  const notes = report.notes.map(({ what, fix }) => `> ${what}. ${fix}`);
  return [
    ...report.environments.map((environment) => environmentMarkdown(environment, failOn)),
    ...(notes.length === 0 ? [] : [notes.join("\n>\n")]),
    "",
  ].join("\n\n");
}

function environmentMarkdown(environment: EnvironmentReport, failOn: FailOn): string {
  const { findings, verdict, kind, subnet, network, presumed } = environment;
  const failing = findings.filter((finding) => fails(finding, "app"));
  const rest = findings.filter(
    (finding) =>
      !failing.includes(finding) && finding.verdict !== "proven" && finding.grade !== "optional",
  );
  const mark = verdict === "lives" ? "✅" : "❌";
  return [
    `### ${mark} ${escaped(verdictInWords(environment))}`,
    `${presumed ? "No environment is declared: checked as if one stood there. " : ""}${kind}, subnet \`${subnet.name}\` (${subnet.prefix}) of \`${network}\`. ${summaryOf(environment)}`,
    ...(failing.length === 0 ? [] : [table(failing, failOn)]),
    ...failing.flatMap(detailsOf),
    ...(rest.length === 0
      ? []
      : [
          `<details><summary>${rest.length} more to know</summary>\n\n${rest.map((one) => `- ${escaped(one.what)}${placed(one)}`).join("\n")}\n\n</details>`,
        ]),
  ].join("\n\n");
}

function table(findings: readonly Finding[], failOn: FailOn): string {
  const rows = findings.map((finding) => {
    const { title, grade, packet, culprit } = finding;
    return `| ${fails(finding, failOn) ? "❌" : "⚠️"} | ${cell(title)} | ${grade} | ${packet === undefined ? "" : `\`${packetInWords(packet)}\``} | ${cell(culprit?.sentence ?? finding.what)}${placed(finding)} |`;
  });
  return ["| | What | Grade | Packet | Stopped by |", "|---|---|---|---|---|", ...rows].join("\n");
}

function detailsOf(finding: Finding): readonly string[] {
  const { title, what, consequence, fixes } = finding;
  const parts = [
    `${escaped(what)}.`,
    ...(consequence === undefined ? [] : [`Then ${escaped(consequence)}.`]),
    ...fixes.flatMap((fix) => [
      `Fix: ${escaped(fix.what)} (${fix.reproved ? "proved again" : "not proved"}${fix.alsoAllows.length === 0 ? "; lets nothing else through" : `; lets through as well: ${escaped(fix.alsoAllows.join("; "))}`}).`,
      fence("sh", fix.az),
      fence("json", fix.arm),
      fence("hcl", fix.terraform),
    ]),
  ];
  return [
    `<details><summary>${escaped(title)} (${finding.id})</summary>\n\n${parts.join("\n\n")}\n\n</details>`,
  ];
}

function placed({ culprit }: Finding): string {
  return culprit?.place === undefined ? "" : ` (\`${placeInWords(culprit.place)}\`)`;
}

function fence(language: string, text: string): string {
  return `\`\`\`${language}\n${text}\n\`\`\``;
}

function cell(text: string): string {
  return escaped(text).replaceAll("|", "\\|").replaceAll("\n", " ");
}

function escaped(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(/([*_`])/g, "\\$1");
}
