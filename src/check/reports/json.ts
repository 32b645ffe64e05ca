/**
 * The report as JSON: the values of finding.ts as they are, with a version. docs/check.md
 * describes it; fields are added, never changed.
 */
import { fails, reportFails, type FailOn, type Report } from "../finding.ts";

export const JSON_VERSION = 1;

export function jsonReport(report: Report, failOn: FailOn): string {
  const environments = report.environments.map((environment) => ({
    ...environment,
    findings: environment.findings.map((finding) => ({
      ...finding,
      fails: fails(finding, failOn),
    })),
  }));
  const whole = {
    version: JSON_VERSION,
    passes: !reportFails(report, failOn),
    failOn,
    environments,
    notes: report.notes,
  };
  return JSON.stringify(whole, undefined, 2);
}
