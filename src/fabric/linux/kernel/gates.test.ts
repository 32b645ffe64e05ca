import { beforeAll, describe, expect, test } from "vitest";

import { playScenarios, type Privilege } from "./scenarios.testing.ts";

const SCENARIOS = new URL("gates.scenarios.testing.ts", import.meta.url);

describe.each<Privilege>(["root", "rootless"])("gates of a network (%s)", (privilege) => {
  let saw: (scenario: string) => unknown;
  beforeAll(async () => {
    saw = await playScenarios(SCENARIOS, privilege);
  });

  test("without a group everything passes, and a router says where nobody is", () => {
    expect(saw("no group")).toEqual({
      inside: "bob sees 10.0.1.4",
      across: "alice sees 10.0.2.4",
      out: expect.stringMatching(/^stranger sees 198\.18\./),
      platform: "bob sees 168.63.129.16",
      nobody: "no route",
      closedPort: "connection refused",
    });
  });

  test("default rules: the network and the platform come in, the internet does not", () => {
    expect(saw("default rules")).toEqual({
      inside: "bob sees 10.0.1.4",
      across: "alice sees 10.0.2.4",
      out: expect.stringMatching(/^stranger sees/),
      platform: "bob sees 168.63.129.16",
      fromInternet: "silence",
    });
  });

  test("rules hold inside a subnet too, at the receiver", () => {
    expect(saw("inside the subnet")).toEqual({
      denied: "silence",
      otherPort: "alice at 81 sees 10.0.1.5",
      fromElsewhere: "bob sees 10.0.2.4",
    });
  });

  test("and at the sender", () => {
    expect(saw("outbound gate inside the subnet")).toEqual({
      toBob: "silence",
      toAlice: "alice sees 10.0.1.5",
    });
  });

  test("rules are stateful: the reply to what came in goes out", () => {
    expect(saw("both gates")).toEqual({ out: "silence", replyPasses: "alice sees 10.0.2.4" });
  });

  test("the first match by priority decides", () => {
    expect(saw("first match decides")).toEqual({ earlier: "bob sees 10.0.2.4", later: "silence" });
  });

  test("protocols, lists of ports, and ports of the sender", () => {
    expect(saw("protocols")).toEqual({
      udp: ["seen 10.0.1.4", "silence", "seen 10.0.1.4", "seen 10.0.1.4", "silence"],
      tcp: "silence",
      fromPorts: ["silence", "bob sees 10.0.2.4", "bob sees 10.0.2.4", "silence"],
    });
  });

  test("a rule about ports says nothing of ICMP; one about Icmp nothing of the rest", () => {
    expect(saw("icmp")).toEqual({
      before: { ping: "echo", web: "silence" },
      denied: { ping: "silence", web: "bob sees 10.0.1.4" },
    });
  });

  test("a published tag is its prefixes", () => {
    expect(saw("tags")).toEqual({
      named: expect.stringMatching(/^stranger sees/),
      other: "silence",
      inside: "carol sees 10.0.1.4",
    });
  });

  test("Internet is all that is neither the network nor the platform", () => {
    expect(saw("internet")).toEqual({
      world: "silence",
      network: "carol sees 10.0.1.4",
      intoIt: "alice sees 10.0.2.4",
      platform: "seen 10.0.1.4",
      fromPlatform: "bob sees 168.63.129.16",
    });
  });

  test("an IPv6 prefix matches no packet", () => {
    expect(saw("ipv6 prefixes")).toBe("bob sees 10.0.1.4");
  });

  test("the platform's resolver is exempt, unless a rule names it by its tag", () => {
    expect(saw("platform's resolver")).toEqual({ exempt: "seen 10.0.1.4", named: "silence" });
  });

  test("the platform's probes are known by AzureLoadBalancer", () => {
    expect(saw("load balancer tag")).toEqual({
      allowed: "bob sees 168.63.129.16",
      other: "silence",
    });
  });

  test("who sends as somebody else is not heard", () => {
    expect(saw("spoofed source")).toEqual({
      honest: "seen 10.0.1.4",
      again: "seen 10.0.1.4",
      seen: ["hello", "hello"],
    });
  });

  test("every change is in force when it returns, and putting the same again changes nothing", () => {
    const [alice, carol] = ["bob sees 10.0.1.4", "bob sees 10.0.2.4"];
    expect(saw("changes follow")).toEqual([
      `${alice} | ${carol}`,
      `silence | ${carol}`,
      `${alice} | silence`,
      `${alice} | silence`,
      `silence | ${carol}`,
      `${alice} | ${carol}`,
      `${alice} | ${carol}`,
      "silence | silence",
      `${alice} | ${carol}`,
    ]);
  });

  test("a thousand rules and a tag of five thousand prefixes, to the last of them", () => {
    expect(saw("large")).toEqual(["bob", "silence", "other", "silence", "stranger"]);
  });

  test("denied packets are counted by rule", () => {
    const counted = (direction: string, rule: string, priority: number, packets: boolean) => ({
      at: "one",
      direction,
      rule,
      priority,
      packets,
    });
    expect(saw("counts what it denies")).toEqual([
      counted("Outbound", "DenyOutbound100", 100, false),
      counted("Outbound", "DenyAllOutBound", 65_500, false),
      counted("Inbound", "DenyInbound100", 100, true),
      counted("Inbound", "DenyAllInBound", 65_500, false),
    ]);
  });

  test("a tag that is published no more keeps its meaning for the rules that still name it", () => {
    expect(saw("tag that went away")).toEqual({
      before: expect.stringMatching(/^stranger sees/),
      put: true,
      stillNamed: expect.stringMatching(/^stranger sees/),
    });
  });
});
