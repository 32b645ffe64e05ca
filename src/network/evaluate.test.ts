import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { rule } from "../../test/support/worlds.ts";
import { setOfPrefixes, unionOf, EVERYWHERE } from "./address-set.ts";
import { compileRules } from "./evaluate.ts";
import { isPublished, setOfMatches, setOfTag, type TagMeaning } from "./meaning.ts";
import type { Packet } from "./packet-set.ts";
import { cidrAround, contains, type Cidr, type Ipv4 } from "./prefix.ts";
import type { Cidr6 } from "./prefix6.ts";
import { defaultRules, type AddressMatch, type SecurityRule } from "./rule.ts";

const PLATFORM = "168.63.129.16" as Ipv4;
const PUBLISHED: Readonly<Record<string, readonly Cidr[]>> = {
  Sql: ["40.112.0.0/16", "13.65.31.249/32"] as Cidr[],
  Storage: ["40.112.128.0/17"] as Cidr[],
};
const MEANING: TagMeaning = {
  virtualNetwork: ["10.0.0.0/16" as Cidr],
  platformAddress: PLATFORM,
  published: (tag) => PUBLISHED[tag],
};

const packet = (of: Partial<Record<keyof Packet, string | number>> = {}): Packet =>
  ({
    from: "10.0.1.4",
    to: "10.0.1.5",
    protocol: "Tcp",
    fromPort: 50_000,
    toPort: 443,
    ...of,
  }) as Packet;
const tag = (name: string): AddressMatch => ({ kind: "tag", tag: name });
const inbound = (rules: readonly SecurityRule[], of: Parameters<typeof packet>[0]) =>
  compileRules([...rules, ...defaultRules("/g")], MEANING)("Inbound", packet(of))?.rule.name;
const outbound = (rules: readonly SecurityRule[], of: Parameters<typeof packet>[0]) =>
  compileRules([...rules, ...defaultRules("/g")], MEANING)("Outbound", packet(of))?.rule.name;

describe("rules and one packet", () => {
  test("default rules: the network and the balancer come in, everybody goes out", () => {
    expect(inbound([], {})).toBe("AllowVnetInBound");
    expect(inbound([], { from: "8.8.8.8" })).toBe("DenyAllInBound");
    // The tag VirtualNetwork holds the platform's address, so probes match it first.
    expect(inbound([], { from: PLATFORM })).toBe("AllowVnetInBound");
    expect(outbound([], {})).toBe("AllowVnetOutBound");
    expect(outbound([], { to: "8.8.8.8" })).toBe("AllowInternetOutBound");
    expect(outbound([], { from: "9.9.9.9", to: "10.0.0.4" })).toBe("DenyAllOutBound");
  });

  test("the balancer's own rule counts where the network is denied", () => {
    const deny = rule({
      name: "NoNet",
      access: "Deny",
      sources: [{ kind: "prefix", prefix: "10.0.0.0/16" as Cidr }],
    });
    const allow = rule({
      name: "Balancer",
      access: "Allow",
      priority: 200,
      sources: [tag("AzureLoadBalancer")],
    });
    expect(inbound([deny, allow], { from: PLATFORM })).toBe("Balancer");
    expect(inbound([deny, allow], {})).toBe("NoNet");
  });

  test("Internet is all that VirtualNetwork is not", () => {
    const both = unionOf([setOfTag("Internet", MEANING), setOfTag("VirtualNetwork", MEANING)]);
    expect(both).toEqual(EVERYWHERE);
    expect(
      inbound([rule({ name: "World", access: "Allow", sources: [tag("Internet")] })], {
        from: PLATFORM,
      }),
    ).toBe("AllowVnetInBound");
  });

  test("the platform's address is exempt going out, unless a rule names its tag", () => {
    const all = rule({ name: "Nothing", access: "Deny", direction: "Outbound" });
    const dns = { to: PLATFORM, protocol: "Udp", toPort: 53 };
    expect(outbound([all], dns)).toBeUndefined();
    const named = rule({
      name: "NoDns",
      access: "Deny",
      direction: "Outbound",
      priority: 200,
      destinations: [tag("AzurePlatformDNS")],
    });
    expect(outbound([all, named], dns)).toBe("NoDns");
    expect(outbound([all, named], { to: "10.0.1.9" })).toBe("Nothing");
  });

  test("ports are of Tcp and Udp: a rule for some ports says nothing of Icmp", () => {
    const some = rule({ name: "Web", access: "Deny", destinationPorts: [{ low: 443, high: 443 }] });
    expect(inbound([some], {})).toBe("Web");
    expect(inbound([some], { protocol: "Udp" })).toBe("Web");
    expect(inbound([some], { protocol: "Icmp" })).toBe("AllowVnetInBound");
    expect(
      inbound([{ ...some, destinationPorts: [{ low: 0, high: 65_535 }] }], { protocol: "Esp" }),
    ).toBe("Web");
  });

  test("an IPv6 prefix matches no IPv4 packet", () => {
    const six = rule({
      name: "Six",
      access: "Deny",
      sources: [{ kind: "prefix6", prefix: "::/0" as Cidr6 }],
    });
    expect(inbound([six], {})).toBe("AllowVnetInBound");
  });

  test("an unknown tag is a broken promise, never empty", () => {
    const unknown = rule({ name: "Odd", access: "Deny", sources: [tag("NoSuchTag")] });
    expect(() => compileRules([unknown], MEANING)).toThrow("NoSuchTag");
  });

  test("tags of the network and of the platform are not published data", () => {
    expect(
      ["VirtualNetwork", "Internet", "AzureLoadBalancer", "AzurePlatformDNS", "Sql"].map(
        isPublished,
      ),
    ).toEqual([false, false, false, false, true]);
  });

  test("ranges of several matches are sorted and joined; any is everything", () => {
    const of = (matches: readonly AddressMatch[]) => setOfMatches(matches, MEANING);
    expect(of([tag("Storage"), tag("Sql")])).toEqual(setOfTag("Sql", MEANING));
    expect(of([{ kind: "any" }])).toEqual(EVERYWHERE);
    const six = "2001:db8::/32" as Cidr6;
    expect(of([{ kind: "prefix6", prefix: six }])).toEqual(setOfPrefixes([six]));
    expect(of([{ kind: "asg", id: "/a", addresses: ["10.0.1.4" as Ipv4] }])).toEqual(
      setOfPrefixes(["10.0.1.4/32" as Cidr]),
    );
  });
});

// ---- Laws, over addresses few enough that rules meet.

const address = fc
  .constantFrom(
    "10.0.1.4",
    "10.0.1.5",
    "10.0.2.0",
    "10.1.0.0",
    "40.112.127.255",
    "40.112.128.0",
    "13.65.31.249",
    "8.8.8.8",
    "0.0.0.0",
    "255.255.255.255",
    PLATFORM,
  )
  .map((text) => text as Ipv4);
const prefix = fc
  .tuple(address, fc.constantFrom(0, 8, 16, 17, 24, 31, 32))
  .map(([of, length]) => cidrAround(of, length));
const match: fc.Arbitrary<AddressMatch> = fc.oneof(
  { weight: 4, arbitrary: prefix.map((of) => ({ kind: "prefix" as const, prefix: of })) },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom("Sql", "Storage", "VirtualNetwork", "Internet", "AzureLoadBalancer")
      .map(tag),
  },
  fc.uniqueArray(address, { maxLength: 2 }).map((addresses): AddressMatch => ({
    kind: "asg",
    id: "/asgs/a",
    addresses,
  })),
  fc.constant<AddressMatch>({ kind: "any" }),
  fc.constant<AddressMatch>({ kind: "prefix6", prefix: "2001:db8::/32" as Cidr6 }),
);
const matches = fc.array(match, { minLength: 1, maxLength: 3 });
const port = fc.constantFrom(0, 1, 53, 442, 443, 444, 65_535);
const ports = fc.oneof(
  fc.constant([{ low: 0, high: 65_535 }]),
  fc.array(
    fc.tuple(port, port).map(([a, b]) => ({ low: Math.min(a, b), high: Math.max(a, b) })),
    { minLength: 1, maxLength: 3 },
  ),
);
const someRule = fc
  .record({
    direction: fc.constantFrom("Inbound" as const, "Outbound" as const),
    access: fc.constantFrom("Allow" as const, "Deny" as const),
    protocol: fc.constantFrom("Tcp" as const, "Udp" as const, "Icmp" as const, "*" as const),
    sources: matches,
    sourcePorts: ports,
    destinations: matches,
    destinationPorts: ports,
  })
  .map((of) => rule({ name: "r", ...of }));
const rules = fc
  .array(someRule, { maxLength: 8 })
  .map((list) => list.map((one, at) => ({ ...one, name: `r${at}`, priority: 100 + at })));
const somePacket = fc.record({
  from: address,
  to: address.filter((to) => to !== PLATFORM),
  protocol: fc.constantFrom("Tcp" as const, "Udp" as const, "Icmp" as const),
  fromPort: port,
  toPort: port,
});

/** As slow and obvious as can be: no ranges, no compiling. */
function scan(
  list: readonly SecurityRule[],
  direction: SecurityRule["direction"],
  one: Packet & { readonly from: Ipv4; readonly to: Ipv4 },
): string | undefined {
  const inNetwork = (of: Ipv4) => of === PLATFORM || contains("10.0.0.0/16" as Cidr, of);
  const fits = (of: AddressMatch, value: Ipv4): boolean => {
    if (of.kind === "any") return true;
    if (of.kind === "prefix") return contains(of.prefix, value);
    if (of.kind === "prefix6") return false;
    if (of.kind === "asg") return of.addresses.includes(value);
    if (of.tag === "VirtualNetwork") return inNetwork(value);
    if (of.tag === "Internet") return !inNetwork(value);
    if (of.tag === "AzureLoadBalancer") return value === PLATFORM;
    return (PUBLISHED[of.tag] ?? []).some((prefix) => contains(prefix, value));
  };
  const all = (of: SecurityRule["sourcePorts"]) =>
    [0, ...of.map(({ high }) => high + 1)].every(
      (value) => 65_535 < value || of.some(({ low, high }) => low <= value && value <= high),
    );
  const portFits = (of: SecurityRule["sourcePorts"], value: number) =>
    one.protocol === "Icmp" ? all(of) : of.some(({ low, high }) => low <= value && value <= high);
  return list.find(
    (of) =>
      of.direction === direction &&
      (of.protocol === "*" || of.protocol === one.protocol) &&
      of.sources.some((each) => fits(each, one.from)) &&
      of.destinations.some((each) => fits(each, one.to)) &&
      portFits(of.sourcePorts, one.fromPort) &&
      portFits(of.destinationPorts, one.toPort),
  )?.name;
}

describe("laws of evaluation", () => {
  test("the first match equals a naive scan", () => {
    fc.assert(
      fc.property(rules, fc.array(somePacket, { minLength: 1, maxLength: 20 }), (list, packets) => {
        const evaluate = compileRules(list, MEANING);
        for (const direction of ["Inbound", "Outbound"] as const)
          for (const one of packets)
            expect(evaluate(direction, one)?.rule.name).toBe(scan(list, direction, one));
      }),
      { numRuns: 400 },
    );
  });

  test("a rule after one that matches everything changes nothing", () => {
    fc.assert(
      fc.property(rules, someRule, somePacket, (list, last, one) => {
        const closed = [...list, rule({ name: "all", access: "Deny", priority: 4_000 })];
        const more = [...closed, { ...last, direction: "Inbound" as const, priority: 4_001 }];
        expect(compileRules(more, MEANING)("Inbound", one)).toEqual(
          compileRules(closed, MEANING)("Inbound", one),
        );
      }),
    );
  });
});
