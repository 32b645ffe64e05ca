import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";

import { openLogBook, ROTATE_AT_BYTES } from "./log-book.ts";

const folders: string[] = [];
afterEach(() => folders.splice(0).forEach((folder) => rmSync(folder, { recursive: true })));

function open() {
  const folder = mkdtempSync(join(tmpdir(), "ase-log-"));
  folders.push(folder);
  const book = openLogBook(folder);
  const write = (time: number, host: string, text: string) =>
    book.write({ time, host, program: "app", stream: "stdout", text });
  return { folder, book, write };
}

test("the last lines are read in the order of time, of one host or of all", () => {
  const { book, write } = open();
  write(1, "a", "one");
  write(3, "a", "three");
  write(2, "b", "two");
  expect(book.read({ lines: 2 }).map(({ text }) => text)).toEqual(["two", "three"]);
  expect(book.read({ host: "a", lines: 9 }).map(({ text }) => text)).toEqual(["one", "three"]);
  book.forget("a");
  expect(book.read({ lines: 9 }).map(({ text }) => text)).toEqual(["two"]);
});

test("a file that has grown is set aside, and names never leave the folder", async () => {
  const { folder, book, write } = open();
  const line = "x".repeat(8_000);
  for (let bytes = 0; bytes <= ROTATE_AT_BYTES; bytes += 100 * line.length) {
    for (let count = 0; count < 100; count += 1) write(1, "../up", line);
    await book.settled();
  }
  write(2, "../up", "afterwards");
  await book.settled();
  const file = join(folder, "_._up", "app.log");
  expect(statSync(`${file}.1`).size).toBeGreaterThanOrEqual(ROTATE_AT_BYTES);
  expect(readFileSync(file, "utf8")).toBe("1970-01-01T00:00:00.002Z stdout afterwards\n");
});
