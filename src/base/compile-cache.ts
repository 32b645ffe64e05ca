/**
 * Compiled code is kept from one start to the next: more than half of a cold start is compiling.
 *
 * Lies inside the installation, where only its owner writes. Where it cannot be written, every
 * start compiles anew and nothing else changes. Modules loaded before the call do not profit.
 */
import { enableCompileCache, flushCompileCache } from "node:module";
import { fileURLToPath } from "node:url";

const FOLDER = fileURLToPath(new URL("../../node_modules/.cache/openase", import.meta.url));

export function keepCompiledCode(): void {
  enableCompileCache(FOLDER);
}

/** For processes that may be killed: what is loaded by now is written now. */
export function writeCompiledCode(): void {
  flushCompileCache();
}
