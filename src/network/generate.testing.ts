/**
 * Random policies and questions for tests and benches: small and mean, or large and like real ones.
 *
 * Everything comes from a seed. Values are drawn from few, so that rules overlap, hide each other and
 * end beside each other's ends.
 */
import { setOfPrefixes, type AddressSet, type AnyIp } from "./address-set.ts";
import type { TagMeaning } from "./meaning.ts";
import { boxOf, type Packet, type PacketBox } from "./packet-set.ts";
import { cidrAround, numberToIpv4, type Cidr, type Ipv4 } from "./prefix.ts";
import type { Cidr6, Ipv6 } from "./prefix6.ts";
import {
  ANY_PORT,
  defaultRules,
  PROTOCOLS,
  type AddressMatch,
  type PortRange,
  type SecurityRule,
} from "./rule.ts";

export type Random = {
  readonly below: (limit: number) => number;
  readonly one: <Value>(of: readonly Value[]) => Value;
  readonly chance: (part: number) => boolean;
};

/** The same numbers for the same seed. */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (limit: number) => Math.floor(next() * limit);
  return {
    below,
    chance: (part) => next() < part,
    one: (of) => of[below(of.length)] as (typeof of)[number],
  };
}

export const PLATFORM = "168.63.129.16" as Ipv4;
const TAGS: Readonly<Record<string, readonly (Cidr | Cidr6)[]>> = {
  Near: ["203.0.113.0/29", "203.0.113.50/32", "2001:db8:1::/48"] as (Cidr | Cidr6)[],
  Far: ["198.51.100.16/28", "203.0.113.8/29", "10.0.2.4/32"] as Cidr[],
  Wide: Array.from({ length: 40 }, (_, at) => `100.${at}.${(at * 37) % 256}.0/25` as Cidr),
};

export const MEANING: TagMeaning = {
  virtualNetwork: ["10.0.0.0/16" as Cidr, "2001:db8:10::/48" as Cidr6],
  platformAddress: PLATFORM,
  published: (tag) => TAGS[tag],
};

const ADDRESSES = [
  ...["10.0.1.4", "10.0.1.5", "10.0.2.4", "10.0.255.255", "10.1.0.0", "203.0.113.7", "203.0.113.8"],
  ...["203.0.113.50", "198.51.100.16", "100.3.111.127", "100.3.111.128", "0.0.0.0"],
  ...["255.255.255.255", "8.8.8.8", PLATFORM],
].map((text) => text as Ipv4);
const ADDRESSES6 = [
  ...["2001:db8:1::", "2001:db8:1::7", "2001:db8:10::4", "2001:db8:10:ffff:ffff:ffff:ffff:ffff"],
  ...["2001:db8:11::", "::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
].map((text) => text as Ipv6);
const PREFIXES6 = ["::/0", "2001:db8::/32", "2001:db8:1::/48", "2001:db8:10::/64", "8000::/1"];
const ENDS = [0, 1, 53, 79, 80, 81, 442, 443, 444, 1_000, 2_000, 65_534, 65_535];

export function randomRules(random: Random, count: number): readonly SecurityRule[] {
  const direction = random.one(["Inbound", "Outbound"] as const);
  const own = Array.from({ length: count }, (_, at): SecurityRule =>
    randomRule(random, at, direction),
  );
  return random.chance(0.8)
    ? [...own, ...defaultRules("/g").filter((rule) => rule.direction === direction)]
    : own;
}

export function randomRule(
  random: Random,
  at: number,
  direction: SecurityRule["direction"],
): SecurityRule {
  return {
    name: `r${at}`,
    group: "/g",
    origin: "user",
    priority: 100 + at,
    direction,
    access: random.chance(0.5) ? "Allow" : "Deny",
    protocol: random.one(["*", "*", "Tcp", "Tcp", "Udp", "Icmp", "Esp"] as const),
    sources: randomMatches(random),
    sourcePorts: random.chance(0.8) ? [ANY_PORT] : randomPorts(random),
    destinations: randomMatches(random),
    destinationPorts: random.chance(0.4) ? [ANY_PORT] : randomPorts(random),
  };
}

function randomMatches(random: Random): readonly AddressMatch[] {
  return Array.from({ length: 1 + random.below(3) }, (): AddressMatch => {
    switch (random.below(8)) {
      case 0:
        return { kind: "any" };
      case 1:
      case 2:
        return { kind: "tag", tag: random.one(["Near", "Far", "Wide"]) };
      case 3:
        return {
          kind: "tag",
          tag: random.one(["VirtualNetwork", "Internet", "AzureLoadBalancer", "AzurePlatformDNS"]),
        };
      case 4:
        return { kind: "prefix6", prefix: random.one(PREFIXES6) as Cidr6 };
      case 5:
        return {
          kind: "asg",
          id: "/a",
          addresses: [random.one(ADDRESSES), random.one(ADDRESSES6)],
        };
      default:
        return {
          kind: "prefix",
          prefix: cidrAround(random.one(ADDRESSES), random.one([0, 1, 8, 15, 16, 24, 29, 31, 32])),
        };
    }
  });
}

function randomPorts(random: Random): readonly PortRange[] {
  return Array.from({ length: 1 + random.below(2) }, () => {
    const ends = [random.one(ENDS), random.one(ENDS)].sort((a, b) => a - b);
    return { low: ends[0] ?? 0, high: ends[1] ?? 0 };
  });
}

export function randomBox(random: Random): PacketBox {
  const side = (): AddressSet =>
    setOfPrefixes(
      Array.from({ length: 1 + random.below(3) }, () =>
        random.chance(0.25)
          ? (random.one(PREFIXES6) as Cidr6)
          : cidrAround(random.one(ADDRESSES), random.one([0, 1, 8, 16, 24, 31, 32])),
      ),
    );
  return boxOf({
    from: side(),
    to: side(),
    protocols: PROTOCOLS.filter(() => random.chance(0.6)),
    ...(random.chance(0.6) ? { toPorts: randomPorts(random) } : {}),
    ...(random.chance(0.2) ? { fromPorts: randomPorts(random) } : {}),
  });
}

/** Near the ends of what rules name. */
export function randomPacket(random: Random): Packet {
  const six = random.chance(0.25);
  const address = (): AnyIp => (six ? random.one(ADDRESSES6) : beside(random));
  const protocol = random.one(PROTOCOLS);
  const ported = protocol === "Tcp" || protocol === "Udp";
  const port = () => (ported ? random.one(ENDS) : 0);
  return { from: address(), to: address(), protocol, fromPort: port(), toPort: port() };
}

function beside(random: Random): Ipv4 {
  const parts = random.one(ADDRESSES).split(".").map(Number);
  const value = parts.reduce((sum, part) => sum * 256 + part, 0) + random.below(3) - 1;
  return numberToIpv4(Math.min(Math.max(value, 0), 2 ** 32 - 1));
}
