import { describe, expect, test } from "vitest";

import { sketch, wanted, type Sketch } from "../../test/support/resources.ts";
import { deny, route, rulesOfAz } from "./check.testing.ts";
import { diff } from "./diff.ts";
import { explain } from "./explain.ts";

const AZ = rulesOfAz("10.0.1.0/24");
const request = (of: Sketch) => {
  const resources = sketch(of);
  return { resources, placeOf: () => undefined, tag: wanted(resources).tag };
};
const told = (words: string, of: Sketch = { rules: AZ }) => {
  const explained = explain(words, request(of));
  return explained.ok ? explained.value : explained.problem;
};

describe("explaining one packet", () => {
  test("names stand for addresses, and every step says who decided", () => {
    expect(told("tcp internet -> vip:443")).toMatchObject({
      packet: "Tcp 203.0.113.10:50000 -> 198.18.0.1:443",
      passes: true,
      steps: [
        { at: "edge of net" },
        { what: "allowed by rule Inbound-HTTPS (priority 130, inbound) of nsg" },
        { what: "arrives at proxy" },
      ],
    });
  });

  test("what stops it is said first", () => {
    const rules = [...AZ, deny("DenyAll", 4_000, "Inbound")];
    expect(told("TCP 10.0.9.9 -> ase:3389", { rules })).toMatchObject({
      passes: false,
      verdict: "is stopped: denied by rule DenyAll (priority 4000, inbound) of nsg",
    });
  });

  test("protocols without ports, and ends that nobody holds, pass where gates and routes let them", () => {
    expect(told("icmp 10.0.1.4 to 10.0.1.200")).toMatchObject({ passes: true });
    expect(told("udp environment -> 203.0.113.5:123")).toMatchObject({ passes: true });
  });

  test("a route that leads nowhere is named", () => {
    const routes = [route("Nowhere", "203.0.113.0/24", "None")];
    expect(told("tcp environment -> 203.0.113.5:443", { rules: AZ, routes })).toMatchObject({
      passes: false,
      verdict: "is stopped: stopped by route Nowhere (203.0.113.0/24 -> None) of routes",
    });
  });

  test.each([
    "",
    "tcp",
    "tcp a b",
    "tcp 10.0.0.1 -> 10.0.1.4",
    "sctp 10.0.0.1 -> 10.0.1.4:1",
    "tcp 10.0.0.1:70000 -> 10.0.1.4:1",
    "tcp nobody -> vip:443",
    "tcp 10.0.0.256 -> vip:443",
  ])("%j is refused with what to write", (words) => {
    expect(told(words)).toMatchObject({
      code: expect.stringMatching(/^Invalid/),
      fix: expect.stringContaining("rite"),
    });
  });
});

describe("the difference of two networks", () => {
  const between = (one: Sketch, other: Sketch) => {
    const compared = diff(request(one), request(other));
    if (!compared.ok) throw new Error(compared.problem.what);
    const [difference] = compared.value;
    if (difference === undefined) throw new Error("nothing was compared");
    return difference;
  };

  test("is nothing between equals, and between rules that say the same in other words", () => {
    expect(between({ rules: AZ }, { rules: [...AZ].reverse() })).toMatchObject({
      verdicts: [],
      gained: [],
      lost: [],
      routes: [],
    });
  });

  test("names flows lost and gained with a packet each, and verdicts that changed", () => {
    const { verdicts, lost, gained } = between(
      { rules: AZ },
      { rules: [...AZ, deny("DenyAll", 102, "Inbound", { ports: [16_001] })] },
    );
    expect(verdicts).toContainEqual({
      id: "flow/keep-alive",
      title: "load balancer keep-alive",
      before: "proven",
      after: "violated",
    });
    expect(gained).toEqual([]);
    expect(lost.every(({ packet }) => packet.endsWith(":16001"))).toBe(true);
    expect(lost.length).toBeGreaterThan(0);
  });

  test("names routes that lead elsewhere", () => {
    const { routes } = between({}, { routes: [route("Default", "0.0.0.0/0", "10.0.2.4")] });
    expect(routes).toHaveLength(1);
    expect(routes[0]?.after).toBe(
      "route Default (0.0.0.0/0 -> VirtualAppliance 10.0.2.4) of routes",
    );
  });
});
