/**
 * Large policies for tests and benches: like those of an enterprise, and such as are made to hurt.
 *
 * All of it our own and from a seed. Rules are inbound, and a thousand of them stand where Azure
 * lets a thousand stand.
 */
import type { Random } from "./generate.testing.ts";
import { cidrAround, numberToIpv4, type Cidr } from "./prefix.ts";
import {
  ANY_PORT,
  defaultRules,
  type AddressMatch,
  type PortRange,
  type SecurityRule,
} from "./rule.ts";

/** Tags that real groups name most. */
export const USUAL_TAGS = [
  ...["AppServiceManagement", "AzureCloud", "Sql", "Storage", "AzureActiveDirectory"],
  ...["AzureMonitor", "EventHub", "AzureKeyVault", "AzureTrafficManager", "GatewayManager"],
  ...["AzureFrontDoor.Frontend", "ApiManagement", "AzureBackup", "AzureContainerRegistry"],
  ...["AppService", "Storage.WestEurope"],
] as const;

const USUAL_PORTS = [
  22, 25, 53, 80, 135, 389, 443, 445, 636, 1_433, 3_306, 3_389, 5_432, 8_080, 8_443,
];

type Kind = "enterprise" | "stairs" | "rectangles" | "lists";

/** @param tags none: prefixes only */
export function largeRules(
  random: Random,
  kind: Kind,
  count: number,
  tags: readonly string[],
): readonly SecurityRule[] {
  const make = { enterprise, stairs, rectangles, lists }[kind];
  const step = 3_990 / Math.max(count, 3_990);
  const own = Array.from({ length: count }, (_, at): SecurityRule => ({
    name: `rule-${at}`,
    group: "/groups/large",
    origin: "user",
    direction: "Inbound",
    protocol: "Tcp",
    access: "Allow",
    sources: [{ kind: "any" }],
    sourcePorts: [ANY_PORT],
    destinations: [{ kind: "any" }],
    destinationPorts: [ANY_PORT],
    ...make({ random, at, count, tags }),
    priority: 100 + Math.floor(at * step),
  }));
  return [
    ...own,
    ...defaultRules("/groups/large").filter(({ direction }) => direction === "Inbound"),
  ];
}

type At = {
  readonly random: Random;
  readonly at: number;
  readonly count: number;
  readonly tags: readonly string[];
};

function enterprise({ random, tags }: At): Partial<SecurityRule> {
  return {
    access: random.chance(0.65) ? "Allow" : "Deny",
    protocol: random.one(["Tcp", "Tcp", "Tcp", "Udp", "*"] as const),
    sources: side(random, tags),
    destinations: side(random, []),
    destinationPorts: random.chance(0.15) ? [ANY_PORT] : ports(random),
  };
}

function side(random: Random, tags: readonly string[]): readonly AddressMatch[] {
  const drawn = random.below(10);
  if (drawn < 3 && 0 < tags.length) return [{ kind: "tag", tag: random.one(tags) }];
  if (drawn === 3) return [{ kind: "any" }];
  if (drawn === 4) return [{ kind: "tag", tag: random.one(["VirtualNetwork", "Internet"]) }];
  const prefixes = drawn < 7 ? 1 : 1 + random.below(8);
  return Array.from({ length: prefixes }, () => ({ kind: "prefix", prefix: place(random) }));
}

/** A subnet or host of the network, or somebody's elsewhere. */
function place(random: Random): Cidr {
  const inside = random.chance(0.7);
  const base = inside ? 10 * 2 ** 24 + random.below(500) * 256 : random.below(2 ** 31) + 2 ** 30;
  return cidrAround(
    numberToIpv4(base + random.below(256)),
    random.one(inside ? [24, 24, 24, 32, 28] : [24, 32, 20]),
  );
}

function ports(random: Random): readonly PortRange[] {
  return Array.from({ length: 1 + random.below(3) }, () => {
    const low = random.chance(0.8) ? random.one(USUAL_PORTS) : 1_024 + random.below(60_000);
    return { low, high: random.chance(0.8) ? low : Math.min(low + random.below(1_000), 65_535) };
  });
}

/** Each rule a step further on one side and less far on the other. */
function stairs({ at, count }: At): Partial<SecurityRule> {
  const step = Math.floor(2 ** 16 / (count + 1));
  const upTo = (steps: number): readonly PortRange[] => [
    { low: 0, high: Math.max(steps * step, 1) },
  ];
  return {
    access: at % 2 === 0 ? "Allow" : "Deny",
    sourcePorts: upTo(at + 1),
    destinationPorts: upTo(count - at),
  };
}

function rectangles({ random, at }: At): Partial<SecurityRule> {
  const wide = (): readonly AddressMatch[] =>
    Array.from({ length: 3 }, () => ({
      kind: "prefix",
      prefix: cidrAround(numberToIpv4(random.below(2 ** 32)), random.below(6)),
    }));
  const range = (): readonly PortRange[] => {
    const [a, b] = [random.below(65_536), random.below(65_536)];
    return [{ low: Math.min(a, b), high: Math.max(a, b) }];
  };
  return {
    access: at % 2 === 0 ? "Allow" : "Deny",
    sources: wide(),
    destinations: wide(),
    sourcePorts: range(),
    destinationPorts: range(),
  };
}

/** The worst known: a tenth of everything in three fields at once, chosen anew for each rule. */
function lists({ random, at }: At): Partial<SecurityRule> {
  const some = (of: number, base: number): readonly AddressMatch[] =>
    Array.from({ length: of / 10 }, () => ({
      kind: "prefix",
      prefix: cidrAround(numberToIpv4(base + 256 * random.below(of)), 24),
    }));
  return {
    access: at % 2 === 0 ? "Allow" : "Deny",
    sources: some(500, 10 * 2 ** 24),
    destinations: some(500, 11 * 2 ** 24),
    destinationPorts: Array.from({ length: 17 }, () => {
      const low = 10 * random.below(167);
      return { low, high: low + 9 };
    }),
  };
}

/** Azure's limit: every rule names four thousand prefixes on either side. */
export function longestLists(
  random: Random,
  rules: number,
  prefixes: number,
): readonly SecurityRule[] {
  return largeRules(random, "enterprise", rules, []).map((rule): SecurityRule => {
    if (rule.origin === "default") return rule;
    const many = (): readonly AddressMatch[] =>
      Array.from({ length: prefixes }, () => ({
        kind: "prefix",
        prefix: cidrAround(numberToIpv4(random.below(2 ** 32)), random.one([24, 28, 32])),
      }));
    return { ...rule, sources: many(), destinations: many() };
  });
}
