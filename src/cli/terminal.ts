/**
 * What the person at the terminal sees: results on stdout, everything else on stderr.
 *
 * Colours and the moving progress line only where a terminal is; elsewhere plain lines. No
 * command writes to a stream by itself.
 */
import { styleText } from "node:util";

import type { JsonValue } from "../arm/json.ts";
import { describeProblem, type Problem } from "../base/problem.ts";
import { formatJson, formatTable, type Column, type OutputFormat } from "./table.ts";

export type Tone = "good" | "bad" | "faint" | "strong";

export type Terminal = {
  /** A line of the result. */
  readonly print: (text: string) => void;
  /** Output of a command that runs elsewhere, as it came. */
  readonly pass: (stream: "stdout" | "stderr", text: string) => void;
  /** A line beside the result. */
  readonly note: (text: string) => void;
  readonly complain: (problem: Problem) => void;
  /** Text for `print`, coloured where stdout shows colours. */
  readonly tone: (tone: Tone, text: string) => string;
  readonly list: <Row>(listing: Listing<Row>) => void;
  /** Shows what is under way until `work` settles; says nothing when it is quick. */
  readonly during: <Value>(
    title: string,
    work: (say: (detail: string) => void) => Promise<Value>,
  ) => Promise<Value>;
};

export type Listing<Row> = {
  readonly format: OutputFormat;
  readonly rows: readonly Row[];
  readonly columns: readonly Column<Row>[];
  /** What `-o json` prints. */
  readonly json: JsonValue;
  /** Said on stderr when there is no row. */
  readonly empty: string;
};

export type Streams = {
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  readonly environment: Readonly<Record<string, string | undefined>>;
};

/** Work that ends sooner is not announced. */
const QUICK_MS = 400;
const FRAME_MS = 100;
const FRAMES = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"] as const;
const TONES = { good: "green", bad: "red", faint: "gray", strong: "bold" } as const;

export function openTerminal(streams: Streams): Terminal {
  const { stdout, stderr, environment } = streams;
  const plain = (environment["NO_COLOR"] ?? "") !== "" || environment["TERM"] === "dumb";
  const tint = (stream: NodeJS.WriteStream, tone: Tone, text: string) =>
    plain || !stream.isTTY ? text : styleText(TONES[tone], text, { validateStream: false });
  const print = (text: string) => void stdout.write(`${text}\n`);
  const note = (text: string) => void stderr.write(`${text}\n`);
  return {
    print,
    note,
    pass: (stream, text) => void streams[stream].write(text),
    complain: (problem) => note(`${tint(stderr, "bad", "error:")} ${describeProblem(problem)}`),
    tone: (tone, text) => tint(stdout, tone, text),
    list: ({ format, rows, columns, json, empty }) => {
      if (format === "json") print(formatJson(json));
      else if (rows.length === 0) note(empty);
      else for (const line of formatTable(rows, columns)) print(line);
    },
    during: async (title, work) => {
      const line =
        stderr.isTTY && environment["TERM"] !== "dumb"
          ? movingLine(stderr, title)
          : plainLines(note, title);
      try {
        return await work(line.say);
      } finally {
        line.end();
      }
    },
  };
}

type ProgressLine = { readonly say: (detail: string) => void; readonly end: () => void };

/** One line that is drawn over and over, and wiped in the end. */
function movingLine(stream: NodeJS.WriteStream, title: string): ProgressLine {
  const begun = Date.now();
  let detail = "";
  let frame = 0;
  let shown = false;
  const timer = setInterval(() => {
    const elapsedMs = Date.now() - begun;
    if (elapsedMs < QUICK_MS) return;
    shown = true;
    frame = (frame + 1) % FRAMES.length;
    const text = `${FRAMES[frame]} ${title} ${(elapsedMs / 1000).toFixed(1)} s  ${detail}`;
    stream.write(`\r\u001B[2K${[...text].slice(0, (stream.columns || 80) - 1).join("")}`);
  }, FRAME_MS);
  return {
    say: (next) => {
      detail = next.replaceAll(/\s+/g, " ");
    },
    end: () => {
      clearInterval(timer);
      if (shown) stream.write("\r\u001B[2K");
    },
  };
}

/** A line when work turns out to take time, and one for every new detail after that. */
function plainLines(note: (text: string) => void, title: string): ProgressLine {
  let detail = "";
  let announced = false;
  const line = () => note(detail === "" ? `${title} ...` : `${title}: ${detail}`);
  const timer = setTimeout(() => {
    announced = true;
    line();
  }, QUICK_MS);
  return {
    say: (next) => {
      if (next === detail) return;
      detail = next;
      if (announced) line();
    },
    end: () => clearTimeout(timer),
  };
}
