/**
 * How long until a change of a network security group is in force, seen by packets.
 *
 *     node bench/nsg.ts [--rounds 5] [--rules 1000]
 *
 * Through the API: the sample's group is written with a thousand rules, one of them on a tag of
 * thousands of prefixes (AzureCloud), while a client on the internet connects every 2 ms; the last
 * rule opens or shuts the app. Then the kernel side alone, in namespaces of its own. Nothing is
 * asserted.
 */
import { fileURLToPath } from "node:url";
import { setTimeout as pause } from "node:timers/promises";

import { propertyAt, type JsonValue } from "../src/arm/json.ts";
import { readAccount } from "../src/cli/resources.ts";
import { readItems } from "./json.ts";
import { printMachine, printTable, readNumbers, spread } from "./figures.ts";
import { bringUpSample } from "./sample.ts";
import { good, inBenchWorld, run, there } from "./world.ts";

const PROBE = fileURLToPath(new URL("connect-often.mjs", import.meta.url));
const KERNEL = fileURLToPath(new URL("nsg-kernel.ts", import.meta.url));
const TAG = "AzureCloud";
const BEFORE_CHANGE_MS = 1_200;

const { rounds, rules: ruleCount } = readNumbers({ rounds: 5, rules: 1_000 });
printMachine();

await inBenchWorld(async (world) => {
  const address = await bringUpSample(world, 1);
  const client = world.client();
  const { subscription } = good(await readAccount(client));
  const path = `/subscriptions/${subscription}/resourceGroups/demo/providers/Microsoft.Network/networkSecurityGroups/demo-nsg?api-version=2022-01-01`;
  const group = good(await client.get(path));
  const location = propertyAt(group, "location") ?? "local";
  const own = readItems(group, "properties", "securityRules")
    .filter(({ name }) => name !== "Inbound-web")
    .map(({ name, properties }) => ({ name, properties }));
  const change = async (access: "Allow" | "Deny", rules: readonly JsonValue[]) => {
    const probing = world.ase(
      "exec",
      "--at",
      "internet",
      "--",
      process.execPath,
      PROBE,
      address,
      "80",
    );
    // Should the change fail, its own words are what is told.
    probing.catch(() => undefined);
    await pause(BEFORE_CHANGE_MS);
    const sent = performance.timeOrigin + performance.now();
    const body = {
      location,
      properties: { securityRules: [...rules, webRule(access)] },
    } as JsonValue;
    good(await client.carryOut({ method: "PUT", path, body }));
    const done = performance.timeOrigin + performance.now();
    const wanted = access === "Allow" ? "open" : "shut";
    const tries = (await probing)
      .trim()
      .split("\n")
      .map((line) => line.split(" "))
      .map(([at, state]) => ({ at: Number(at), state }))
      .sort((one, other) => one.at - other.at);
    const before = tries.findLastIndex(({ state }) => state !== wanted);
    const first = there(tries[before + 1], `the change came into force: ${access}`);
    return { inForce: first.at - sent, done: done - sent };
  };
  const cases: readonly (readonly [string, readonly JsonValue[]])[] = [
    ["the sample's rules", own],
    [`${ruleCount} rules, one of them on ${TAG}`, [...own, ...fillers(ruleCount - own.length - 2)]],
  ];
  const rows: Record<string, string>[] = [];
  for (const [what, rules] of cases)
    for (const access of ["Deny", "Allow"] as const) {
      const found: Awaited<ReturnType<typeof change>>[] = [];
      for (let round = 0; round < rounds; round += 1) {
        // From the other state, and from few rules: all of the change is new.
        good(
          await client.carryOut({
            method: "PUT",
            path,
            body: {
              location,
              properties: {
                securityRules: [...own, webRule(access === "Allow" ? "Deny" : "Allow")],
              },
            },
          }),
        );
        found.push(await change(access, rules));
      }
      rows.push({
        change: `${what}: ${access === "Deny" ? "shut" : "open"}`,
        "in force, ms": spread(found.map(({ inForce }) => inForce)),
        "operation seen done, ms": spread(found.map(({ done }) => done)),
      });
    }
  client.close();
  printTable(`Through the API, from the request on, median (least..greatest) of ${rounds}`, rows);
});

const asRoot = process.getuid?.() === 0 ? [] : ["--user", "--map-root-user"];
const said = await run("unshare", [
  ...[...asRoot, "--net", "--mount", "--pid", "--fork", "--mount-proc", "--kill-child"],
  ...[process.execPath, KERNEL, "--rules", `${ruleCount}`],
]);
const alone = JSON.parse(said) as Readonly<Record<string, readonly number[]>>;
const ALONE: Readonly<Record<string, string>> = {
  few: "10 rules",
  many: `${ruleCount} rules`,
  manyWithKnownTag: `${ruleCount} rules, one of them on a tag of 5000 prefixes that another rule named before`,
  manyWithNewTag: `${ruleCount} rules, one of them on a tag of 5000 prefixes that is new`,
  tagContent: "another content of a tag of 5000 prefixes",
};
printTable(
  "In the kernel alone, until the call returns, median (least..greatest) of 7",
  Object.entries(ALONE).map(([name, change]) => ({
    change,
    "in force, ms": spread(there(alone[name], `${name} was measured`), 1),
  })),
);

/** Rules that match nothing here, before the one that decides; one on the tag. */
function fillers(count: number): readonly JsonValue[] {
  const deny = (name: string, priority: number, from: string, port: string) => ({
    name,
    properties: {
      ...{ priority, direction: "Inbound", access: "Deny", protocol: "Tcp" },
      ...{ sourceAddressPrefix: from, sourcePortRange: "*" },
      ...{ destinationAddressPrefix: "*", destinationPortRange: port },
    },
  });
  return [
    deny("Tag", 1_999, TAG, "19999"),
    ...Array.from({ length: count }, (_, at) =>
      deny(`Filler-${at}`, 2_000 + at, `203.0.${at % 113}.0/24`, `${20_000 + at}`),
    ),
  ];
}

/** Behind all others, before the default ones. The sample's own rule for the web is left out. */
function webRule(access: "Allow" | "Deny"): JsonValue {
  return {
    name: "Bench-web",
    properties: {
      ...{ priority: 4_096, direction: "Inbound", access, protocol: "Tcp" },
      ...{ sourceAddressPrefix: "*", sourcePortRange: "*" },
      ...{ destinationAddressPrefix: "*", destinationPortRange: "80" },
    },
  };
}
