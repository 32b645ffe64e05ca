/**
 * The report as one wants to read it: the verdict first; then each rule or route that stops
 * something, with the flows and one packet each, what follows, and the repair. 100 columns; colours
 * are the terminal's matter.
 */
import { SUSPENDS } from "../../environment/flows.ts";
import type { AnyIp } from "../../network/address-set.ts";
import { describePacket } from "../../network/naming.ts";
import type { IpProtocol } from "../../network/rule.ts";
import {
  FAIL_ON,
  fails,
  type EnvironmentReport,
  type FailOn,
  type Finding,
  type Fix,
  type Report,
} from "../finding.ts";
import { placeInWords, plural, summaryOf, verdictInWords } from "./summary.ts";

export type Paint = (tone: "good" | "bad" | "faint" | "strong", text: string) => string;

/** Languages that repairs are written in. */
export const FIX_LANGUAGES = ["az", "arm", "terraform"] as const;
export type FixLanguage = (typeof FIX_LANGUAGES)[number];

export type TextOptions = {
  readonly failOn: FailOn;
  /** In which languages repairs are written out. */
  readonly fixes: readonly FixLanguage[];
  readonly paint: Paint;
};

const WIDTH = 100;
/** Words of a block begin here; labels stand before. */
const INDENT = 13;
/** Sets of packets of one failure that are listed. */
const MOST_BOXES = 6;

export function textReport(report: Report, options: TextOptions): string {
  const parts = [
    ...report.environments.map((environment) => environmentText(environment, options)),
    ...report.notes.map(({ what, fix }) => wrapped(`note: ${what}. ${fix}`, 0, 6).join("\n")),
  ];
  return parts.join("\n\n");
}

function environmentText(environment: EnvironmentReport, options: TextOptions): string {
  const { paint } = options;
  const { findings, verdict } = environment;
  const failing = findings.filter((finding) => fails(finding, "app"));
  const blocks = [
    [
      ...wrapped(verdictInWords(environment), 0, 2).map((line) =>
        paint(verdict === "lives" ? "good" : "bad", line),
      ),
      ...wrapped(whereInWords(environment), 2, 2),
    ].join("\n"),
    ...byCulprit(failing).map((group) => failureText(group, options)),
    ...defaultText(findings, options),
    ...assumedText(findings, options),
    ...adviceText(findings, options),
    footer(environment, options),
  ];
  return blocks.join("\n\n");
}

function whereInWords({ kind, mode, subnet, network, presumed }: EnvironmentReport): string {
  const internal = mode === "None" ? "" : ` (internal load balancer: ${mode})`;
  const as = presumed ? "No environment is declared: checked as if one stood there. " : "";
  return `${as}${kind}${internal}, subnet ${subnet.name} (${subnet.prefix}) of ${network}.`;
}

/** What one rule or route stops stands together; the worst first, as the findings come. */
function byCulprit(findings: readonly Finding[]): readonly (readonly Finding[])[] {
  return [
    ...Map.groupBy(findings, ({ id, culprit, grade, verdict }) =>
      culprit?.kind === "rule"
        ? `${culprit.id} ${culprit.name} ${culprit.sentence} ${grade} ${verdict}`
        : id,
    ).values(),
  ].toSorted((a, b) => gradeOf(a) - gradeOf(b));
}

function gradeOf([first]: readonly Finding[]): number {
  return ["hard", "degraded", "app"].indexOf(first?.grade ?? "");
}

function failureText(group: readonly Finding[], { paint, fixes }: TextOptions): string {
  const [first] = group;
  if (first === undefined) return "";
  const { culprit, grade, verdict, assumes = [], readings = [] } = first;
  const at = culprit?.place === undefined ? "" : ` at ${placeInWords(culprit.place)}`;
  const byRule = culprit?.kind === "rule";
  const title = byRule ? `${capital(culprit.sentence)}${at}` : capital(first.title);
  const label = verdict === "unclear" ? `${grade}, unclear` : grade;
  const [head = "", ...more] = wrapped(`${title} [${label}]`, 4, 4);
  const lines = [
    `  ${paint("bad", "✗")} ${paint("strong", head.trimStart())}`,
    ...more.map((line) => paint("strong", line)),
  ];
  if (!byRule) lines.push(...row("because", `${first.what}${at}`, paint));
  group.forEach(({ title, id, packet, affected }, index) => {
    if (packet === undefined) return;
    const flow = byRule ? `${title} (${id})\n` : "";
    const sets = affected?.packets ?? [];
    const shown = sets.slice(0, MOST_BOXES).map(({ sentence }) => `all: ${sentence}`);
    if (sets.length > shown.length || affected?.more === true) shown.push("and more");
    lines.push(
      ...row(
        index === 0 ? "stops" : "",
        [
          `${flow}${flow === "" ? "" : "  "}e.g. ${packetInWords(packet)}`,
          ...shown.map((one) => `${flow === "" ? "" : "  "}${one}`),
        ].join("\n"),
        paint,
      ),
    );
  });
  for (const { name, passes } of readings)
    lines.push(...row(passes ? "passes" : "fails", `if ${name}`, paint));
  for (const one of assumes) lines.push(...row("assumed", one, paint));
  const then = consequencesOf(group);
  if (then !== "") lines.push(...row("then", then, paint));
  for (const { id, sources } of group)
    if (sources !== undefined) lines.push(...row("sources", `${id}: ${sources.join("; ")}`, paint));
  for (const finding of group)
    lines.push(...finding.fixes.flatMap((fix) => fixText(fix, fixes, paint)));
  return lines.join("\n");
}

/** Each once, and what they all lead to at the end. */
function consequencesOf(group: readonly Finding[]): string {
  const all = group.flatMap(({ consequence }) => (consequence === undefined ? [] : [consequence]));
  const own = all.map((one) => one.replace(SUSPENDS, "").replace(/; $/, ""));
  const end = all.some((one) => one.endsWith(SUSPENDS)) ? [SUSPENDS] : [];
  return [...new Set([...own, ...end])].filter((one) => one !== "").join("; ");
}

function fixText(fix: Fix, languages: readonly FixLanguage[], paint: Paint): readonly string[] {
  const proved = fix.reproved ? "proved again" : "not proved";
  const also =
    fix.alsoAllows.length === 0
      ? "lets nothing else through"
      : `lets through as well: ${fix.alsoAllows.join("; ")}`;
  return [
    ...row("fix", `${fix.what} (${proved}; ${also})`, paint),
    ...languages.flatMap((language) =>
      (language === "az" ? commandLines(fix.az) : fix[language].split("\n")).map(
        (line) => `${" ".repeat(INDENT)}${paint("good", line)}`,
      ),
    ),
  ];
}

/** A command over several lines, to be copied as it stands. */
function commandLines(command: string): readonly string[] {
  const lines: string[] = [];
  let line = "";
  for (const part of command.split(/ (?=--)/)) {
    if (line !== "" && INDENT + line.length + part.length + 3 > WIDTH) {
      lines.push(`${line} \\`);
      line = `  ${part}`;
    } else line = line === "" ? part : `${line} ${part}`;
  }
  return [...lines, line];
}

function defaultText(findings: readonly Finding[], { paint }: TextOptions): readonly string[] {
  const passing = findings.filter(
    ({ verdict, grade }) => verdict === "default-rule" && grade !== "optional",
  );
  if (passing.length === 0) return [];
  const by = Map.groupBy(passing, ({ culprit }) => culprit?.name ?? "a default rule");
  return [
    [
      `  ${paint("strong", `${plural(passing.length, "flow passes", "flows pass")} only by a default rule`)}; a rule that denies everything before it would cut ${passing.length === 1 ? "it" : "them"}:`,
      ...[...by].flatMap(([rule, flows]) =>
        wrapped(`- ${rule}: ${flows.map(({ title }) => title).join(", ")}`, 4, 6),
      ),
    ].join("\n"),
  ];
}

function assumedText(findings: readonly Finding[], { paint }: TextOptions): readonly string[] {
  const assumed = findings.flatMap(({ title, verdict, assumes = [] }) =>
    verdict === "proven" ? assumes.map((one) => ({ title, one })) : [],
  );
  if (assumed.length === 0) return [];
  const by = Map.groupBy(assumed, ({ one }) => one);
  return [
    [
      `  ${paint("strong", "Taken for given")}, because no file says it:`,
      ...[...by].flatMap(([one, flows]) =>
        wrapped(`- ${one}: ${flows.map(({ title }) => title).join(", ")}`, 4, 6),
      ),
    ].join("\n"),
  ];
}

function adviceText(findings: readonly Finding[], { paint }: TextOptions): readonly string[] {
  const advice = findings.filter(
    ({ grade, verdict }) => grade === "advice" && verdict !== "proven",
  );
  if (advice.length === 0) return [];
  return [
    [
      `  ${paint("strong", "To know:")}`,
      ...advice.flatMap(({ what, culprit, consequence }) => {
        const at = culprit?.place === undefined ? "" : ` (${placeInWords(culprit.place)})`;
        const then = consequence === undefined ? "" : `; ${consequence}`;
        return wrapped(`- ${what}${at}${then}`, 4, 6);
      }),
    ].join("\n"),
  ];
}

function footer(environment: EnvironmentReport, { paint, failOn }: TextOptions): string {
  const { forecast } = environment;
  const { usedNow, subnetSize, instancesNow, mostInstances, largestScalablePlan } = forecast;
  const room = `Subnet: ${usedNow} of ${subnetSize} addresses with ${plural(instancesNow, "plan instance")}; room for ${mostInstances}, and for changing the size of a plan of ${largestScalablePlan}.`;
  const lines = FAIL_ON.slice(0, FAIL_ON.indexOf(failOn) + 1).join(", ");
  return [
    ...wrapped(room, 2, 2),
    ...wrapped(summaryOf(environment), 2, 2),
    ...(failOn === "hard" ? [] : wrapped(`Fails on: ${lines}.`, 2, 2)),
  ]
    .map((line) => paint("faint", line))
    .join("\n");
}

export function packetInWords(packet: NonNullable<Finding["packet"]>): string {
  return describePacket({
    ...packet,
    protocol: packet.protocol as IpProtocol,
    from: packet.from as AnyIp,
    to: packet.to as AnyIp,
  });
}

function row(name: string, text: string, paint: Paint): readonly string[] {
  const [first = "", ...more] = text.split("\n").flatMap((line) => {
    const inner = line.length - line.trimStart().length;
    return wrapped(line.trimStart(), INDENT + inner, INDENT + inner + (inner > 0 ? 2 : 0));
  });
  const label = `    ${name}`.padEnd(INDENT);
  return [`${paint("faint", label)}${first.slice(INDENT)}`, ...more];
}

/** Breaks between words; what is longer than a line stays whole. */
function wrapped(text: string, first: number, rest: number): readonly string[] {
  const lines: string[] = [];
  let line = " ".repeat(first);
  let empty = true;
  for (const word of text.split(" ")) {
    if (!empty && [...line].length + 1 + [...word].length > WIDTH) {
      lines.push(line);
      line = " ".repeat(rest);
      empty = true;
    }
    line += empty ? word : ` ${word}`;
    empty = false;
  }
  return [...lines, line];
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
