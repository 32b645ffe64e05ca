/**
 * The command `ase`: opens the session, runs the words, ends with the exit code.
 *
 * The words are in program.ts, what they do in commands/.
 */
import { keepCompiledCode } from "../base/compile-cache.ts";
import { findHome } from "./home.ts";
import { openTerminal } from "./terminal.ts";

// The wrapper's word to this process alone.
delete process.env["NODE_COMPILE_CACHE"];
keepCompiledCode();
// Loaded from here on, so that its code is kept.
const { runProgram } = await import("./program.ts");
const { env: environment, stdout, stderr, argv } = process;
// `ase events | head` ends the reader, which is no error.
stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit(0);
  throw error;
});
process.exitCode = await runProgram(argv.slice(2), {
  home: findHome(environment, process.getuid?.()),
  terminal: openTerminal({ stdout, stderr, environment }),
});
