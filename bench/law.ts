/**
 * The network law at a thousand rules with the published tags: proofs, edits, differences, lint, pairs.
 *
 *     node bench/law.ts [--rules 1000] [--rounds 5]
 *
 * CPU time of this process. The certificate's checker runs in every proof. Z3 (Debian's z3)
 * is asked the six requirements at the end, together: wall time of its process, verdicts compared.
 */
import { setOfPrefixes } from "../src/network/address-set.ts";
import { diffPolicies } from "../src/network/compare.ts";
import { PLATFORM, randomFrom } from "../src/network/generate.testing.ts";
import { largeRules, USUAL_TAGS } from "../src/network/large.testing.ts";
import { lintPolicy } from "../src/network/lint.ts";
import { setOfTag, type TagMeaning } from "../src/network/meaning.ts";
import { ALL_PACKETS, boxOf, type PacketBox } from "../src/network/packet-set.ts";
import { openPolicy } from "../src/network/policy.ts";
import type { Cidr } from "../src/network/prefix.ts";
import { reachability } from "../src/network/reach.ts";
import { Region } from "../src/network/region.ts";
import { loadServiceTags } from "../src/store/service-tag-file.ts";
import { askZ3 } from "../test/agreement/z3.ts";
import { printMachine, printTable, readNumbers, spread } from "./figures.ts";

const { rules: ruleCount, rounds } = readNumbers({ rules: 1_000, rounds: 5 });
const tags = loadServiceTags();
if (!tags.ok) throw new Error(tags.problem.what);
const meaning: TagMeaning = {
  virtualNetwork: ["10.0.0.0/15" as Cidr],
  platformAddress: PLATFORM,
  published: (tag) => tags.value.set(tag),
};
const rules = largeRules(randomFrom(7), "enterprise", ruleCount, USUAL_TAGS);
const subnet = setOfPrefixes(["10.0.3.0/24" as Cidr]);
const tag = (name: string) => setOfTag(name, meaning);
const ports = (...list: readonly number[]) => list.map((port) => ({ low: port, high: port }));
const inbound = (parts: Partial<PacketBox>) => [
  boxOf({ to: subnet, protocols: ["Tcp"], ...parts }),
];
const requirements = [
  inbound({ from: tag("AppServiceManagement"), toPorts: ports(454, 455) }),
  inbound({ from: tag("AzureLoadBalancer"), toPorts: ports(16_001) }),
  [boxOf({ from: subnet, to: subnet })],
  inbound({ from: tag("Internet"), toPorts: ports(80, 443) }),
  inbound({ from: tag("Internet"), toPorts: [...ports(21, 990), { low: 10_001, high: 10_020 }] }),
  inbound({ from: tag("VirtualNetwork"), toPorts: ports(8_172) }),
];

const found = new Map<string, number[]>();
function timed<Value>(what: string, work: () => Value, times = 1): Value {
  const before = process.cpuUsage();
  let value = work();
  for (let at = 1; at < times; at += 1) value = work();
  const { user, system } = process.cpuUsage(before);
  found.set(what, [...(found.get(what) ?? []), (user + system) / 1_000 / times]);
  return value;
}

for (let round = 0; round < rounds; round += 1) {
  const policy = timed("rules to boxes", () => openPolicy(rules, "Inbound", meaning));
  const prove = () => requirements.map((required) => policy.prove(required));
  timed("six requirements, asked for the first time", prove);
  timed("six requirements, asked again", prove);
  const random = randomFrom(round);
  timed(
    "one rule edited and all six proved again",
    () => {
      const rule = random.one(rules.slice(0, ruleCount));
      policy.put({ ...rule, access: random.chance(0.5) ? "Allow" : "Deny" });
      return prove();
    },
    100,
  );
  timed("everything the rules say, as one diagram", () => {
    const region = new Region({ family: "v4", bounds: ALL_PACKETS, answers: "verdicts" });
    region.update(openPolicy(rules, "Inbound", meaning).boxes);
  });
  timed("difference after the edits", () =>
    diffPolicies(openPolicy(rules, "Inbound", meaning), policy),
  );
  timed("needless rules", () => lintPolicy(policy));
  const ends = Array.from({ length: 500 }, (_, at) =>
    setOfPrefixes([`10.${at >> 8}.${at & 255}.0/24` as Cidr]),
  );
  timed("all pairs of 500 subnets", () => reachability(policy, ends, ends));
}
const asked = requirements.map((required) => ({ rules, meaning, required }));
const begun = performance.now();
const models = askZ3(asked);
found.set("the same six by Z3 (wall, once)", [performance.now() - begun]);
const last = openPolicy(rules, "Inbound", meaning);
requirements.forEach((required, at) => {
  if (last.prove(required).holds !== (models[at] === undefined))
    throw new Error(`Z3 says otherwise of requirement ${at}`);
});
printMachine();
printTable(
  `${ruleCount} rules, ${USUAL_TAGS.length} published tags; CPU ms, median (least..greatest) of ${rounds}`,
  [...found].map(([what, values]) => ({ what, "CPU ms": spread(values, 2) })),
);
