/**
 * Listings as `az` prints them: a header, dashes, and columns two spaces apart; or JSON.
 *
 * Only text in, text out. What is listed stands in commands/; colours stand in terminal.ts.
 */
import type { JsonValue } from "../arm/json.ts";

export type OutputFormat = "table" | "json";

export type Column<Row> = {
  readonly title: string;
  readonly of: (row: Row) => string | number | undefined;
};

/** Lines of a table; columns that are empty in every row are left out. */
export function formatTable<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
): readonly string[] {
  if (rows.length === 0) return [];
  const cells = columns
    .map(({ title, of }) => ({ title, values: rows.map((row) => oneLine(of(row))) }))
    .filter(({ values }) => values.some((value) => value !== ""));
  const widths = cells.map(({ title, values }) =>
    Math.max(widthOf(title), ...values.map((value) => widthOf(value))),
  );
  const line = (parts: readonly string[]) =>
    parts
      .map((part, index) => part + " ".repeat((widths[index] ?? 0) - widthOf(part)))
      .join("  ")
      .trimEnd();
  return [
    line(cells.map(({ title }) => title)),
    widths.map((width) => "-".repeat(width)).join("  "),
    ...rows.map((_, index) => line(cells.map(({ values }) => values[index] ?? ""))),
  ];
}

export function formatJson(value: JsonValue): string {
  return JSON.stringify(value, undefined, 2);
}

function oneLine(value: string | number | undefined): string {
  return String(value ?? "").replaceAll(/\s*\n\s*/g, " ");
}

/** Characters, not UTF-16 units. */
function widthOf(text: string): number {
  return [...text].length;
}
