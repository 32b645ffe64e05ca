/**
 * Starts, uses and ends a world as whoever runs it; the test runs it as a user without rights.
 * Not part of the product.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";

import { endWorld, startWorld } from "./world.ts";

const [home = "", entry = ""] = process.argv.slice(2);
const said: string[] = [];
const world = await startWorld({ home, entry });
said.push(world.ok ? "stands" : world.problem.what);
if (world.ok) {
  const begun = await world.value.run(
    { kind: "internet" },
    { argv: ["ip", "link", "set", "lo", "up"], onOutput: (_, chunk) => said.push(chunk) },
  );
  const exitCode = begun.ok ? (await begun.value.ended).exitCode : begun.problem.what;
  said.push(exitCode === 0 ? "answers" : `ended with ${exitCode}`);
  world.value.disconnect();
}
const ended = await endWorld(home);
const left = readdirSync(join(home, "run"));
said.push(ended.ok && left.length === 0 ? "ended" : `left ${left.join(" ")}`);
console.log(said.join("; "));
