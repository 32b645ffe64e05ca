/**
 * The report as SARIF 2.1.0, as GitHub's code scanning and other viewers take it: one rule per kind
 * of finding, one result per finding that is more than proven, with file and line where known.
 *
 * https://docs.oasis-open.org/sarif/sarif/v2.1.0/
 */
import { fails, isRemark, type FailOn, type Finding, type Report } from "../finding.ts";
import { packetInWords } from "./text.ts";

const SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json";

type Placed = { readonly environment: string; readonly subnet: string; readonly finding: Finding };

/** @param version of this program */
export function sarifReport(report: Report, failOn: FailOn, version: string): string {
  const placed = report.environments.flatMap(({ id, name, subnet, findings }): readonly Placed[] =>
    findings
      .filter(isRemark)
      .map((finding) => ({ environment: name === "" ? id : name, subnet: subnet.name, finding })),
  );
  const rules = [...Map.groupBy(placed, ({ finding }) => finding.id).values()].flatMap(([first]) =>
    first === undefined ? [] : [ruleOf(first.finding)],
  );
  const log = {
    $schema: SCHEMA,
    version: "2.1.0",
    runs: [
      {
        tool: {
          driver: {
            name: "ase check",
            semanticVersion: version,
            rules,
          },
        },
        columnKind: "utf16CodeUnits",
        results: placed.map((one) =>
          resultOf(
            one,
            rules.findIndex(({ id }) => id === one.finding.id),
            failOn,
          ),
        ),
        invocations: [
          {
            executionSuccessful: true,
            toolExecutionNotifications: report.notes.map(({ code, what, fix }) => ({
              level: "note",
              descriptor: { id: code },
              message: { text: `${what}. ${fix}` },
            })),
          },
        ],
      },
    ],
  };
  return JSON.stringify(log, undefined, 2);
}

function ruleOf(finding: Finding) {
  const { id, title, heading, consequence, sources = [] } = finding;
  const help = [
    ...(consequence === undefined ? [] : [`If it is not so: ${consequence}.`]),
    ...(heading === undefined ? [] : [`Asked for by "${heading}" of the source article.`]),
    ...sources.map((source) => `- ${source}`),
  ];
  const text = help.length === 0 ? title : help.join("\n");
  return {
    id,
    name: nameOf(id),
    shortDescription: { text: title },
    fullDescription: { text: title },
    help: { text, markdown: text },
    defaultConfiguration: { level: levelOf(finding) },
    properties: { tags: ["network", finding.grade] },
  };
}

function resultOf({ environment, subnet, finding }: Placed, ruleIndex: number, failOn: FailOn) {
  const { culprit, packet, consequence, fixes, affected } = finding;
  const place = culprit?.place;
  const fix = fixes.map(({ what, az }) => `Fix: ${what}\n\n    ${az}`);
  const text = [
    `${environment}: ${finding.title}. ${capital(finding.what)}.`,
    ...(packet === undefined ? [] : [`Packet: ${packetInWords(packet)}`]),
    ...(affected?.packets ?? []).map(({ sentence }) => `Affected: ${sentence}`),
    ...(consequence === undefined ? [] : [`Then ${consequence}.`]),
    ...fix,
  ].join("\n");
  return {
    ruleId: finding.id,
    ruleIndex,
    level: fails(finding, failOn) ? "error" : levelOf(finding),
    message: { text },
    locations: [
      {
        ...(place === undefined
          ? {}
          : {
              physicalLocation: {
                artifactLocation: { uri: uriOf(place.file) },
                region: { startLine: place.line, startColumn: place.column },
              },
            }),
        logicalLocations: [
          {
            fullyQualifiedName: culprit?.id ?? `${environment}/${subnet}`,
            name: culprit?.name ?? environment,
            kind: "resource",
          },
        ],
      },
    ],
    partialFingerprints: {
      "finding/v1": [environment, finding.id, culprit?.id ?? "", culprit?.name ?? ""].join("|"),
    },
  };
}

function levelOf({ grade, verdict }: Finding): "error" | "warning" | "note" {
  if (grade === "advice") return "note";
  if (verdict === "default-rule") return "note";
  return grade === "hard" ? "error" : "warning";
}

/** A path as a relative reference; what a URI cannot hold is escaped. */
function uriOf(file: string): string {
  const encoded = file.split("/").map(encodeURIComponent).join("/");
  return file.startsWith("/") ? `file://${encoded}` : encoded.replace(/^(\.\/)+/, "");
}

/** `flow/keep-alive` -> `FlowKeepAlive` */
function nameOf(id: string): string {
  return id.split(/[/-]/).map(capital).join("");
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
