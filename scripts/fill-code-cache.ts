/**
 * Compiles what `ase` and the server load, and keeps it: the first start after set-up is then as
 * fast as every other. Starts nothing.
 */
import { keepCompiledCode, writeCompiledCode } from "../src/base/compile-cache.ts";

keepCompiledCode();
for (const entry of ["cli/program.ts", "cli/commands/check.ts", "run-control.ts", "run-world.ts"])
  await import(new URL(`../src/${entry}`, import.meta.url).href);
writeCompiledCode();
