/** `ase check`: reads, proves, reports. Exit code 0: lives, 1: does not, 2: the input is wrong. */
import { describeProblem, found, type Problem, type Result } from "../../base/problem.ts";
import { check } from "../../check/check.ts";
import { reportFails, type FailOn, type Report } from "../../check/finding.ts";
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
  /** Sends every counterexample for real. */
  readonly trace?: boolean;
};

export async function checkFiles(
  session: Session,
  files: readonly string[],
  options: CheckOptions,
): Ending {
  const { terminal } = session;
  if (options.trace === true && (options.server !== true || options.output !== "text"))
    return refuse(session, cannotTrace());
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
  if (options.trace === true) {
    const traced = await traceCounterexamples(session, report.value);
    if (!traced.ok) return traced;
    if (traced.value === "differs") return found(EXIT.notAsWanted);
  }
  return found(reportFails(report.value, failOn) ? EXIT.notAsWanted : EXIT.done);
}

/** The packet of every flow that is stopped, sent through the running world. */
async function traceCounterexamples(
  session: Session,
  { environments }: Report,
): Promise<Result<"agrees" | "differs">> {
  const stopped = environments.flatMap(({ findings }) =>
    findings.flatMap(({ title, verdict, packet }) =>
      verdict === "violated" && packet !== undefined && /^(tcp|udp)$/i.test(packet.protocol)
        ? [{ title, packet }]
        : [],
    ),
  );
  const { terminal } = session;
  const [{ withServer }, { agrees, printTrace, sendTrace }] = await Promise.all([
    import("../session.ts"),
    import("./trace.ts"),
  ]);
  if (stopped.length === 0) terminal.print("No counterexample to trace.");
  return await withServer(session, async (client) => {
    let all: "agrees" | "differs" = "agrees";
    for (const { title, packet } of stopped) {
      const { protocol, from, fromPort, to, toPort } = packet;
      const words = `${protocol} ${from}:${fromPort} -> ${to}:${toPort}`;
      const traced = await sendTrace(client, words);
      if (!traced.ok) return traced;
      terminal.print(`\n${terminal.tone("strong", `Traced: ${title}`)}`);
      printTrace(terminal, traced.value);
      if (!agrees(traced.value)) all = "differs";
    }
    return found(all);
  });
}

function cannotTrace(): Problem {
  return {
    code: "WrongUse",
    what: "--trace sends packets through the running world and prints text",
    fix: "Use it with --server and -o text, and without files.",
  };
}

function languagesOf({ fix }: CheckOptions): readonly FixLanguage[] {
  if (fix === "none") return [];
  return fix === "all" ? FIX_LANGUAGES : [fix];
}
