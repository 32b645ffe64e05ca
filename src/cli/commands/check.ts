/** `ase check`: reads, proves, reports. Exit code 0: lives, 1: does not, 2: the input is wrong. */
import { describeProblem, found } from "../../base/problem.ts";
import { check } from "../../check/check.ts";
import { reportFails, type FailOn } from "../../check/finding.ts";
import { jsonReport } from "../../check/reports/json.ts";
import { junitReport } from "../../check/reports/junit.ts";
import { markdownReport } from "../../check/reports/markdown.ts";
import { sarifReport } from "../../check/reports/sarif.ts";
import { FIX_LANGUAGES, textReport, type FixLanguage } from "../../check/reports/text.ts";
import { EXIT } from "../refusals.ts";
import type { Ending, Session } from "../session.ts";
import { versionOf } from "../version.ts";
import { readRequest, refuse, type InputOptions } from "./check-inputs.ts";

export const CHECK_FORMATS = ["text", "json", "sarif", "junit", "markdown"] as const;

export type CheckOptions = InputOptions & {
  readonly output: (typeof CHECK_FORMATS)[number];
  readonly failOn: FailOn;
  readonly instances?: number;
  readonly fix: FixLanguage | "all" | "none";
};

export async function checkFiles(
  session: Session,
  files: readonly string[],
  options: CheckOptions,
): Ending {
  const { terminal } = session;
  const request = await readRequest(session, files, options);
  if (!request.ok) return refuse(session, request.problem);
  const { instances, failOn, output } = options;
  const report = check({ ...request.value, ...(instances === undefined ? {} : { instances }) });
  if (!report.ok) return refuse(session, report.problem);
  // Beside the result, so that a machine's formats stay whole.
  for (const warning of request.value.warnings)
    terminal.note(`warning: ${describeProblem(warning)}`);
  switch (output) {
    case "text":
      terminal.print(
        textReport(report.value, { failOn, fixes: languagesOf(options), paint: terminal.tone }),
      );
      break;
    case "json":
      terminal.print(jsonReport(report.value, failOn));
      break;
    case "sarif":
      terminal.print(sarifReport(report.value, failOn, versionOf()));
      break;
    case "junit":
      terminal.print(junitReport(report.value, failOn).trimEnd());
      break;
    case "markdown":
      terminal.print(markdownReport(report.value, failOn).trimEnd());
      break;
  }
  return found(reportFails(report.value, failOn) ? EXIT.notAsWanted : EXIT.done);
}

function languagesOf({ fix }: CheckOptions): readonly FixLanguage[] {
  if (fix === "none") return [];
  return fix === "all" ? FIX_LANGUAGES : [fix];
}
