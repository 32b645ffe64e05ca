import { beforeAll, describe, expect, test } from "vitest";

import { playScenarios } from "./scenarios.testing.ts";

let saw: (scenario: string) => unknown;
beforeAll(async () => {
  saw = await playScenarios(new URL("paths.scenarios.testing.ts", import.meta.url));
});

describe("the edge of a network", () => {
  test("who calls the VIP reaches one of the targets, with the own address", () => {
    expect(saw("in by the vip")).toEqual({
      answered: ["alice sees 203.0.113.10", "bob sees 203.0.113.10"],
      manager: "somebody sees 198.51.100.7",
      otherPort: "silence",
    });
  });

  test("a public address with nothing behind is silent, from outside and inside", () => {
    expect(saw("nothing behind")).toEqual({
      before: "silence",
      opened: "alice sees 203.0.113.10",
      closed: "silence",
      own: "silence",
    });
  });

  test("a balancer without targets is silent", () => {
    expect(saw("no target")).toBe("silence");
  });

  test("addresses of the network are no way in from outside", () => {
    expect(saw("direct from outside")).toBe("no route");
  });

  test("what leaves carries the first public address that is meant for its source", () => {
    expect(saw("out by the edge")).toEqual({
      alice: "stranger sees VIP",
      carol: "stranger sees SECOND",
      datagrams: "seen VIP",
    });
  });

  test("a host reaches its network's VIP through the world outside", () => {
    expect(saw("own vip from inside")).toBe("alice sees VIP");
  });

  test("a reply that leaves by another path than the question came is lost", () => {
    expect(saw("asymmetric")).toEqual({
      direct: "alice sees 203.0.113.10",
      appliance: "silence",
      healed: "alice sees 203.0.113.10",
      none: "silence",
    });
  });
});

describe("internal load balancers", () => {
  test("the target sees the client; outbound rules see the balancer's address", () => {
    expect(saw("inside balancer")).toEqual({
      seesBalancer: "carol sees 10.0.1.4",
      deniedByIt: "silence",
      changed: "alice sees 10.0.2.4",
      direct: "carol sees 10.0.1.4",
    });
  });

  test("routes are asked for the balancer's address, not for the target's", () => {
    expect(saw("inside balancer and routes")).toEqual({
      pastTarget: "alice sees 10.0.2.4",
      stopped: "silence",
      viaGuard: "no route",
    });
  });
});

describe("routes", () => {
  test("None drops, and the longest prefix decides", () => {
    expect(saw("route to nowhere")).toEqual({
      stopped: "silence",
      longest: "carol sees 10.0.1.4",
      noInternet: "silence",
      exception: "stranger sees VIP",
      other: "silence",
    });
  });

  test("VnetLocal leads to the network's own addresses only", () => {
    expect(saw("local beyond the network")).toEqual({
      outside: "no route",
      inside: "carol sees 10.0.1.4",
    });
  });

  test("a replaced route does not count", () => {
    expect(saw("replaced routes")).toBe("carol sees 10.0.1.4");
  });

  test("an appliance must exist and forward; its own gates count too", () => {
    expect(saw("appliance")).toEqual({
      nobody: "no route",
      doesNotForward: "no route",
      passed: "carol sees 10.0.1.4",
      out: "stranger sees VIP",
      carried: true,
      deniedAtGuard: "silence",
      gone: "no route",
    });
  });

  test("a visitor has no group and no table", () => {
    expect(saw("visitors")).toEqual({
      in: "alice sees 10.0.255.254",
      out: "stranger sees VIP",
      reached: "guest sees 168.63.129.16",
    });
  });
});

describe("a world of several networks", () => {
  test("the same prefixes stand in two networks; removing one leaves the other", () => {
    const alice = "alice sees 203.0.113.10";
    expect(saw("same prefixes")).toEqual([alice, "twin sees 203.0.113.10", alice, "no route"]);
  });

  test("a network is built and removed again and again; every call may be repeated", () => {
    expect(saw("again and again")).toEqual(["bob sees 10.0.1.4", "alice sees 203.0.113.10"]);
  });

  test("an address belongs to the newest host; removing the old one leaves it there", () => {
    expect(saw("host on a taken address")).toBe("heir sees 10.0.1.5");
  });

  test("what is removed leaves no link, no route and no open descriptor", () => {
    expect(saw("nothing stays")).toEqual({ links: true, routes: true, descriptors: 0 });
  });
});

describe("established flows when rules change", () => {
  test("go on as they were", () => {
    expect(saw("open flow")).toEqual({ before: true, after: true, anew: "silence" });
  });

  test("are cut where the group asks for it and the new rules deny them", () => {
    expect(saw("flushed flow")).toEqual({
      before: { denied: true, allowed: true, balanced: true, leaving: true },
      after: { denied: false, allowed: true, balanced: true, leaving: false },
      balancer: false,
    });
  });
});
