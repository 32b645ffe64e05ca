/**
 * The machine's own az, many commands in one process (az-driver.py): each start costs seconds.
 */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

import type { ClientServer } from "./client-server.ts";

export type Ended = { readonly code: number; readonly stdout: string; readonly stderr: string };

/** Tests look into answers by name; a wrong name fails the expectation. */
// oxlint-disable-next-line typescript/no-explicit-any
export type Loose = any;

export type Az = {
  /** Words as on a command line, quoted where they hold blanks; `{s}` is the subscription's id. */
  readonly run: (line: string) => Promise<Ended>;
  /** What a command that must go well prints, as JSON. */
  readonly json: (line: string) => Promise<Loose>;
  /** The same, as text. */
  readonly text: (line: string) => Promise<string>;
  /** What a command that must be refused says. */
  readonly refused: (line: string) => Promise<string>;
  readonly close: () => Promise<void>;
};

const DRIVER = fileURLToPath(new URL("az-driver.py", import.meta.url));

/** Signs in by `ase az`, then goes on with az itself in the surroundings that `ase az` makes. */
export function openAz(server: ClientServer): Az {
  server.ase("az", "account", "show");
  return startAz(server, server.variables());
}

/** az with other surroundings, for instance another AZURE_CONFIG_DIR. */
export function startAz(server: ClientServer, variables: Readonly<Record<string, string>>): Az {
  const child = spawn(pythonOfAz(), [DRIVER], { env: { ...variables }, stdio: "pipe" });
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const died = deathOf(child);
  let last: Promise<unknown> = Promise.resolve();
  const ask = async (line: string): Promise<Ended> => {
    const words = wordsOf(line.replaceAll("{s}", `/subscriptions/${server.subscription}`));
    child.stdin.write(`${JSON.stringify(words)}\n`);
    const answer = await Promise.race([answers.next(), died]);
    return JSON.parse(String(answer.value)) as Ended;
  };
  // One command after the other, as they are asked.
  const run = (line: string): Promise<Ended> => {
    const next = last.then(() => ask(line));
    last = next.catch(() => undefined);
    return next;
  };
  const text = async (line: string) => {
    const { code, stderr, stdout } = await run(line);
    if (code !== 0) throw new Error(`az ${line} ended with ${code}:\n${stderr}`);
    return stdout;
  };
  return {
    run,
    text,
    json: async (line) => JSON.parse((await text(line)) || "null"),
    refused: async (line) => {
      const { code, stderr, stdout } = await run(line);
      if (code === 0) throw new Error(`az ${line} was not refused:\n${stdout}`);
      return stderr;
    },
    close: async () => {
      if (child.exitCode !== null) return;
      const closed = new Promise((resolve) => child.once("close", resolve));
      child.stdin.end();
      await closed;
    },
  };
}

function deathOf(child: ChildProcessWithoutNullStreams): Promise<never> {
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => (said += chunk));
  const died = new Promise<never>((_, reject) => {
    child.once("error", reject);
    child.once("close", (code) => reject(new Error(`az's process ended with ${code}: ${said}`)));
  });
  // At the end it may: then nobody waits for it.
  died.catch(() => undefined);
  return died;
}

/** The Python that az itself names in its first line. */
function pythonOfAz(): string {
  const [first = ""] = readFileSync("/usr/bin/az", "utf8").split("\n");
  return first.startsWith("#!") ? first.slice(2).trim() : "/usr/bin/python3";
}

/** Words of a line; what stands between quotes is one of them. */
function wordsOf(line: string): readonly string[] {
  return [...line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(
    ([, double, single, bare]) => double ?? single ?? bare ?? "",
  );
}
