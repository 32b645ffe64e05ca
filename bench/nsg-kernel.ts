/**
 * Started by nsg.ts inside namespaces of its own: the same change given to the kernel side alone.
 * Prints one JSON object of lists of milliseconds.
 */
import { addressAt, parseCidr, type Cidr, type Ipv4 } from "../src/network/prefix.ts";
import type { SecurityRule } from "../src/network/rule.ts";
import type { Network } from "../src/blueprint/blueprint.ts";
import { openKernel } from "../src/fabric/linux/kernel/open-kernel.ts";
import { ANY_PORT, defaultRules, type AddressMatch, type PortRange } from "../src/network/rule.ts";
import { readNumbers } from "./figures.ts";
import { good } from "./world.ts";

const TAG = "Storage";
const {
  rounds,
  rules: ruleCount,
  prefixes: prefixCount,
} = readNumbers({ rounds: 7, rules: 1_000, prefixes: 5_000 });
/** Every second /28: no two of them join. */
const space = good(parseCidr("20.0.0.0/8"));
const prefixes = Array.from(
  { length: prefixCount },
  (_, at) => `${addressAt(space, at * 32)}/28` as Cidr,
);

const kernel = good(openKernel());
good(
  kernel.putInternet({ clientAddress: "203.0.113.10" as Ipv4, managementAddresses: [], names: {} }),
);
good(kernel.putTags({ [TAG]: prefixes }));
const put = (rules: readonly SecurityRule[]) => good(kernel.putNetwork(networkWith(rules)));
put([]);
good(
  kernel.createHost({
    name: "one",
    place: { kind: "subnet", network: "net", subnet: "one", address: "10.0.1.4" as Ipv4 },
    role: "Machine",
    forwards: false,
    programs: [],
  }),
);

const many = (round: number, more: readonly SecurityRule[]) => [
  ...Array.from({ length: ruleCount - more.length }, (_, at) => {
    const port = 20_000 + at + round;
    const prefix = `203.0.${at % 256}.0/24` as Cidr;
    return deny(100 + at, { kind: "prefix", prefix }, { low: port, high: port });
  }),
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

const tagRule = deny(4_000, { kind: "tag", tag: TAG }, ANY_PORT);
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
  tagContent: times(
    (round) => good(kernel.putTags({ [TAG]: prefixes.slice(round + 1) })),
    () => put([tagRule]),
  ),
};
kernel.close();
console.log(JSON.stringify(figures));
process.exit(0);

function deny(priority: number, source: AddressMatch, port: PortRange): SecurityRule {
  return {
    name: `Deny${priority}`,
    group: "group",
    origin: "user",
    priority,
    direction: "Inbound",
    access: "Deny",
    protocol: "Tcp",
    sources: [source],
    sourcePorts: [ANY_PORT],
    destinations: [{ kind: "any" }],
    destinationPorts: [port],
  };
}

function networkWith(rules: readonly SecurityRule[]): Network {
  const prefixes = ["10.0.0.0/16" as Cidr];
  const byPriority = [...rules, ...defaultRules("group")].sort(
    (a, b) => a.direction.localeCompare(b.direction) || a.priority - b.priority,
  );
  return {
    id: "net",
    name: "net",
    index: 1,
    prefixes,
    routes: [],
    subnets: [
      {
        id: "one",
        name: "one",
        index: 1,
        prefix: "10.0.1.0/24" as Cidr,
        rules: byPriority,
        virtualNetwork: prefixes,
        flushConnection: false,
        routes: [],
      },
    ],
    publicAddresses: [],
    translations: [],
  };
}
