/**
 * The report as JUnit XML, as CI systems read it: a suite per environment, a case per requirement
 * and per remark; what fails at the chosen line is a failure.
 */
import {
  fails,
  type EnvironmentReport,
  type FailOn,
  type Finding,
  type Report,
} from "../finding.ts";
import { placeInWords } from "./summary.ts";
import { packetInWords } from "./text.ts";

export function junitReport(report: Report, failOn: FailOn): string {
  const suites = report.environments.map((environment) => suiteOf(environment, failOn));
  const sum = (of: (suite: Suite) => number) =>
    suites.reduce((total, suite) => total + of(suite), 0);
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="ase check" tests="${sum(({ tests }) => tests)}" failures="${sum(({ failures }) => failures)}" errors="0">`,
    ...suites.map(({ xml }) => xml),
    "</testsuites>",
    "",
  ].join("\n");
}

type Suite = { readonly tests: number; readonly failures: number; readonly xml: string };

function suiteOf({ name, subnet, network, findings }: EnvironmentReport, failOn: FailOn): Suite {
  const cases = [...Map.groupBy(findings, ({ id }) => id)].map(([id, of]) => ({
    failed: of.some((finding) => fails(finding, failOn)),
    xml: caseOf(name, id, of, failOn),
  }));
  const failures = cases.filter(({ failed }) => failed).length;
  const head = `  <testsuite name="${escaped(`${name} in ${network}/${subnet.name}`)}" tests="${cases.length}" failures="${failures}" errors="0" skipped="0">`;
  return {
    tests: cases.length,
    failures,
    xml: [head, ...cases.map(({ xml }) => xml), "  </testsuite>"].join("\n"),
  };
}

function caseOf(suite: string, id: string, findings: readonly Finding[], failOn: FailOn): string {
  const [first] = findings;
  const place = findings.find(({ culprit }) => culprit?.place !== undefined)?.culprit?.place;
  const at = place === undefined ? "" : ` file="${escaped(place.file)}" line="${place.line}"`;
  const open = `    <testcase classname="${escaped(suite)}" name="${escaped(`${first?.title ?? ""} (${id})`)}" time="0"${at}`;
  const failed = findings.filter((finding) => fails(finding, failOn));
  const told = findings.filter(
    (finding) => finding.verdict !== "proven" && !fails(finding, failOn),
  );
  if (failed.length + told.length === 0) return `${open}/>`;
  return [
    `${open}>`,
    ...failed.map(
      (finding) =>
        `      <failure type="${finding.verdict}" message="${escaped(finding.what)}">${escapedText(detailsOf(finding))}</failure>`,
    ),
    ...(told.length === 0
      ? []
      : [`      <system-out>${escapedText(told.map(detailsOf).join("\n\n"))}</system-out>`]),
    "    </testcase>",
  ].join("\n");
}

function detailsOf(finding: Finding): string {
  const { packet, culprit, consequence, fixes, what, verdict } = finding;
  const at = culprit?.place === undefined ? "" : ` at ${placeInWords(culprit.place)}`;
  return [
    `${verdict}: ${what}`,
    ...(packet === undefined ? [] : [`packet: ${packetInWords(packet)}`]),
    ...(culprit === undefined ? [] : [`culprit: ${culprit.sentence}${at}`]),
    ...(consequence === undefined ? [] : [`then: ${consequence}`]),
    ...fixes.map((fix) => `fix: ${fix.what}\n${fix.az}`),
  ].join("\n");
}

function escaped(text: string): string {
  return escapedText(text).replaceAll("\n", "&#10;");
}

/** Also what XML cannot hold at all is taken out. */
function escapedText(text: string): string {
  return text
    .replaceAll(/[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, "?")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
