/**
 * What the programs of the world said: the last lines in memory, all of it in files.
 *
 * `<folder>/<host>/<program>.log`, one older file beside it. Writing never delays a program:
 * where the disk is slower than the program speaks, lines are left out and counted.
 */
import { appendFile, mkdir, rename, stat } from "node:fs/promises";
import { join } from "node:path";

import type { LogLine, LogQuery } from "../fabric.ts";

export type LogBook = {
  readonly write: (line: LogLine) => void;
  /** Newest last. */
  readonly read: (query: LogQuery) => readonly LogLine[];
  /** The host is gone: its lines leave the memory, the files stay. */
  readonly forget: (host: string) => void;
  /** Everything written so far stands in the files. */
  readonly settled: () => Promise<void>;
};

export const ROTATE_AT_BYTES = 5 * 1024 * 1024;
const LINES_KEPT = 500;
const LINE_LENGTH = 8 * 1024;
const BYTES_WAITING = 1024 * 1024;

export function openLogBook(folder: string): LogBook {
  const pages = new Map<string, Map<string, Page>>();

  function pageOf(host: string, program: string): Page {
    const ofHost = pages.get(host) ?? new Map<string, Page>();
    pages.set(host, ofHost);
    const page =
      ofHost.get(program) ?? new Page(join(folder, fileName(host), `${fileName(program)}.log`));
    ofHost.set(program, page);
    return page;
  }

  return {
    write: (line) =>
      pageOf(line.host, line.program).write({ ...line, text: line.text.slice(0, LINE_LENGTH) }),
    read: ({ host, program, lines }) =>
      [...pages]
        .filter(([name]) => host === undefined || name === host)
        .flatMap(([, ofHost]) => [...ofHost])
        .filter(([name]) => program === undefined || name === program)
        .flatMap(([, page]) => page.lines())
        .toSorted((one, other) => one.time - other.time)
        .slice(-Math.max(lines, 1)),
    forget: (host) => pages.delete(host),
    settled: async () => {
      const all = [...pages.values()].flatMap((ofHost) => [...ofHost.values()]);
      await Promise.all(all.map((page) => page.settled()));
    },
  };
}

/** One program's lines. */
class Page {
  readonly #file: string;
  #lines: LogLine[] = [];
  #waiting: string[] = [];
  #waitingBytes = 0;
  #leftOut = 0;
  #fileBytes: number | undefined;
  #writing: Promise<void> | undefined;

  constructor(file: string) {
    this.#file = file;
  }

  lines(): readonly LogLine[] {
    return this.#lines.slice(-LINES_KEPT);
  }

  write(line: LogLine): void {
    this.#lines.push(line);
    if (this.#lines.length >= 2 * LINES_KEPT) this.#lines = this.#lines.slice(-LINES_KEPT);
    const text = `${new Date(line.time).toISOString()} ${line.stream} ${line.text}\n`;
    if (this.#waitingBytes + text.length > BYTES_WAITING) {
      this.#leftOut += 1;
      return;
    }
    this.#waiting.push(text);
    this.#waitingBytes += text.length;
    this.#writing ??= this.#drain().finally(() => (this.#writing = undefined));
  }

  async settled(): Promise<void> {
    await this.#writing;
  }

  /** A disk that refuses costs the lines, never the program. */
  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      const text = this.#waiting.join("") + this.#gap();
      this.#waiting = [];
      this.#waitingBytes = 0;
      await this.#append(text).catch(() => undefined);
    }
  }

  #gap(): string {
    const count = this.#leftOut;
    this.#leftOut = 0;
    return count === 0 ? "" : `${new Date().toISOString()} platform ${count} lines were left out\n`;
  }

  async #append(text: string): Promise<void> {
    if (this.#fileBytes === undefined) {
      await mkdir(join(this.#file, ".."), { recursive: true, mode: 0o700 });
      this.#fileBytes = await stat(this.#file).then(
        ({ size }) => size,
        () => 0,
      );
    }
    if (this.#fileBytes >= ROTATE_AT_BYTES) {
      await rename(this.#file, `${this.#file}.1`);
      this.#fileBytes = 0;
    }
    await appendFile(this.#file, text, { mode: 0o600 });
    this.#fileBytes += Buffer.byteLength(text);
  }
}

/** A name as one path segment, never `.` or `..`. */
export function fileName(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9._-]/g, "_").replace(/^\./, "_");
}
