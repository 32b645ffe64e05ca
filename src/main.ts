/**
 * The only place where the parts are joined: which fabric, which store, which ports.
 *
 *   main.ts control --home DIR --api-port N --http-port N --https-port N [--suspend-after MS] [--fabric simulated]
 *   main.ts fabric --home DIR [--doors]
 *   main.ts down --home DIR [--purge]
 *
 * People use `ase`, which calls this. What cannot start says so as a JSON Problem, last on stderr.
 */
import { parseArgs } from "node:util";

import { keepCompiledCode, writeCompiledCode } from "./base/compile-cache.ts";
import { declined, found, problemOf, type Problem, type Result } from "./base/problem.ts";

keepCompiledCode();
const [command, ...rest] = process.argv.slice(2);

const COMMANDS: Readonly<
  Record<string, (args: readonly string[]) => Promise<Result<"started" | "done">>>
> = {
  control: async (args) => {
    const { values } = parseArgs({
      args: [...args],
      options: {
        home: { type: "string" },
        "api-port": { type: "string" },
        "http-port": { type: "string" },
        "https-port": { type: "string" },
        "suspend-after": { type: "string" },
        fabric: { type: "string", default: "linux" },
      },
    });
    // Loaded by the command that needs it: the fabric process stays small and starts fast.
    const { runControl } = await import("./run-control.ts");
    const ports = {
      api: numberOf("--api-port", values["api-port"]),
      http: numberOf("--http-port", values["http-port"]),
      https: numberOf("--https-port", values["https-port"]),
    };
    const suspendAfter = values["suspend-after"];
    return runControl({
      home: needed("--home", values.home),
      entry: import.meta.filename,
      ports,
      fabric: values.fabric === "simulated" ? "simulated" : "linux",
      ...(suspendAfter === undefined
        ? {}
        : { suspendAfterMs: numberOf("--suspend-after", suspendAfter) }),
    });
  },
  fabric: async (args) => {
    const { values } = parseArgs({
      args: [...args],
      options: { home: { type: "string" }, doors: { type: "boolean", default: false } },
    });
    const { runWorld } = await import("./run-world.ts");
    await runWorld(needed("--home", values.home), values.doors ? "with-doors" : "without-doors");
    return found("started");
  },
  down: async (args) => {
    const { values } = parseArgs({
      args: [...args],
      options: { home: { type: "string" }, purge: { type: "boolean", default: false } },
    });
    const { takeDown } = await import("./take-down.ts");
    return takeDown(needed("--home", values.home), values.purge ? "purge" : "keep");
  },
};

try {
  const run = COMMANDS[command ?? ""];
  const ended =
    run === undefined
      ? declined(wrongUse(`no such command: ${command ?? "none"}`))
      : await run(rest);
  if (!ended.ok) giveUp(ended.problem);
  writeCompiledCode();
} catch (thrown) {
  giveUp(
    problemOf(thrown, {
      code: "CannotStart",
      what: "The program met something nobody foresaw",
      fix: "Report this with the log.",
    }),
  );
}

function giveUp(problem: Problem): never {
  process.stderr.write(`${JSON.stringify(problem)}\n`);
  process.exit(1);
}

function needed(flag: string, value: string | undefined): string {
  if (value === undefined) giveUp(wrongUse(`${flag} is missing`));
  return value;
}

function numberOf(flag: string, value: string | undefined): number {
  const number = Number(needed(flag, value));
  if (!Number.isInteger(number) || number < 0)
    giveUp(wrongUse(`${flag} is not a number: ${value ?? ""}`));
  return number;
}

function wrongUse(what: string): Problem {
  return { code: "WrongUse", what, fix: "Use `ase`, which calls this rightly." };
}
