/**
 * Medians, tables and the machine's class: how every bench says what it found. Measures nothing.
 */
import { cpus, loadavg, release, totalmem } from "node:os";
import { parseArgs } from "node:util";

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** The median with the least and the greatest beside it. */
export function spread(values: readonly number[], digits = 0): string {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return `${median(values).toFixed(digits)} (${low.toFixed(digits)}..${high.toFixed(digits)})`;
}

/** A Markdown table on stdout, so that it can be put into docs as it is. */
export function printTable(title: string, rows: readonly Readonly<Record<string, string>>[]): void {
  const columns = Object.keys(rows[0] ?? {});
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  console.log(`\n${title}\n`);
  console.log(line(columns));
  console.log(line(columns.map(() => "---")));
  for (const row of rows) console.log(line(columns.map((column) => row[column] ?? "")));
}

/** What a figure is worth nothing without. */
export function printMachine(): void {
  const load = loadavg().map((one) => one.toFixed(1));
  console.log(
    `${cpus().length} cores of ${cpus()[0]?.model.trim() ?? "unknown"}, ` +
      `${Math.round(totalmem() / 2 ** 30)} GB, Linux ${release()}, Node ${process.versions.node}, ` +
      `load ${load.join(" ")}`,
  );
}

/** `--rounds 5` and the like: numbers, with what holds without them. */
export function readNumbers<Name extends string>(
  usual: Readonly<Record<Name, number>>,
): Record<Name, number> {
  const names = Object.keys(usual) as Name[];
  const { values } = parseArgs({
    options: Object.fromEntries(names.map((name) => [name, { type: "string" as const }])),
  });
  return Object.fromEntries(
    names.map((name) => [name, Number(values[name] ?? usual[name])]),
  ) as Record<Name, number>;
}
