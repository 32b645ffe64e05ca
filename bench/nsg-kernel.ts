/**
 * Started by nsg.ts inside namespaces of its own: the same change given to the kernel side alone.
 * Prints one JSON object of lists of milliseconds.
 */
import { addressAt, parseCidr, type Cidr } from "../src/network/prefix.ts";
import type { SecurityRule } from "../src/network/rule.ts";
import { network, ok, openWorld, rule, subnet, subnetHost, withDefaults } from "../src/fabric/linux/kernel/world.testing.ts";
import { readNumbers } from "./figures.ts";
import { good } from "./world.ts";

const TAG = "Storage";
const { rounds, rules: ruleCount, prefixes: prefixCount } = readNumbers({ rounds: 7, rules: 1_000, prefixes: 5_000 });
/** Every second /28: no two of them join. */
const space = good(parseCidr("20.0.0.0/8"));
const prefixes = Array.from({ length: prefixCount }, (_, at) => `${addressAt(space, at * 32)}/28` as Cidr);

const kernel = openWorld();
ok(kernel.putTags({ [TAG]: prefixes }));
const put = (rules: readonly SecurityRule[]) =>
  ok(kernel.putNetwork(network([subnet(1, { rules: withDefaults(...rules) })])));
put([]);
ok(kernel.createHost(subnetHost("one", "10.0.1.4")));

const many = (round: number, more: readonly SecurityRule[]) => [
  ...Array.from({ length: ruleCount - more.length }, (_, at) =>
    rule("Inbound", 100 + at, "Deny", { protocol: "Tcp", from: [`203.0.${at % 256}.0/24`], ports: [20_000 + at + round] }),
  ),
  ...more,
];
const took = (work: () => void): number => {
  const begun = performance.now();
  work();
  return performance.now() - begun;
};
const times = (work: (round: number) => void, undo?: () => void): readonly number[] =>
  Array.from({ length: rounds }, (_, round) => {
    undo?.();
    return took(() => work(round));
  });

const tagRule = rule("Inbound", 4_000, "Deny", { from: [TAG] });
const figures = {
  few: times((round) => put(many(round, []).slice(0, 10))),
  many: times((round) => put(many(round, []))),
  manyWithKnownTag: times(
    (round) => put(many(round, [tagRule])),
    () => put([tagRule]),
  ),
  manyWithNewTag: times(
    (round) => put(many(round, [tagRule])),
    () => put([]),
  ),
  tagContent: times((round) => ok(kernel.putTags({ [TAG]: prefixes.slice(round + 1) })), () => put([tagRule])),
};
kernel.close();
console.log(JSON.stringify(figures));
process.exit(0);
