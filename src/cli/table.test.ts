import { describe, expect, test } from "vitest";

import { formatTable } from "./table.ts";

type Row = { readonly name: string; readonly count?: number; readonly note?: string };
const columns = [
  { title: "Name", of: ({ name }: Row) => name },
  { title: "Count", of: ({ count }: Row) => count },
  { title: "Note", of: ({ note }: Row) => note },
];

describe("a table", () => {
  test("has a header, dashes, and columns two spaces apart", () => {
    const lines = formatTable(
      [
        { name: "front-end", count: 2 },
        { name: "ä", count: 10 },
      ],
      columns,
    );
    expect(lines).toEqual([
      "Name       Count",
      "---------  -----",
      "front-end  2",
      "ä          10",
    ]);
  });

  test("leaves out a column that is empty everywhere, and keeps one that is not", () => {
    expect(formatTable([{ name: "a" }, { name: "b", note: "x" }], columns)[0]).toBe("Name  Note");
  });

  test("of no rows has no lines", () => {
    expect(formatTable<Row>([], columns)).toEqual([]);
  });

  test("keeps a row on one line", () => {
    expect(formatTable([{ name: "a\n  b" }], columns)[2]).toBe("a b");
  });
});
