/**
 * Plays the scenarios of one file in one world, all at once, each in a network of its own, and
 * says what each saw as a line of JSON. To be started in namespaces of its own; see scenarios.testing.ts.
 */
import { openWorld, placeIn, standOutside, type Scenario } from "./world.testing.ts";

const [file = ""] = process.argv.slice(2);
const { scenarios } = (await import(file)) as {
  readonly scenarios: Readonly<Record<string, Scenario>>;
};
const kernel = openWorld();
await standOutside(kernel);

await Promise.all(
  Object.entries(scenarios).map(async ([name, play], position) => {
    const at = placeIn(kernel, position + 1);
    try {
      say({ name, saw: await play(at) });
    } catch (thrown) {
      say({
        name,
        failed: thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown),
      });
    }
  }),
);
process.exit(0);

function say(line: unknown): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
