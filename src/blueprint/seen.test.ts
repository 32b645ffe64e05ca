import { describe, expect, test } from "vitest";

import type { Ipv4 } from "../network/prefix.ts";
import { defaultRules, type SecurityRule } from "../network/rule.ts";
import { compare, type Seen, type SeenStep } from "./seen.ts";
import type { Walk } from "./walk.ts";

const GROUP = "/groups/g";
const [allow] = defaultRules(GROUP).filter(({ name }) => name === "AllowVnetInBound");
const [deny] = defaultRules(GROUP).filter(({ name }) => name === "DenyAllInBound");

function seenAt(rule: SecurityRule | undefined): SeenStep {
  if (rule === undefined) throw new Error("there are default rules");
  const { access, direction, group, name, priority } = rule;
  return { kind: "rule", at: "near", direction, rule: name, priority, group, access };
}

function walked(rule: SecurityRule | undefined): Walk {
  if (rule === undefined) throw new Error("there are default rules");
  const ends = { from: "10.0.0.4" as Ipv4, to: "10.0.0.5" as Ipv4, fromPort: 1, toPort: 2 };
  const gate = { at: "near", rule, packet: { ...ends, protocol: "Tcp" } } as const;
  const step = { at: "inbound gate of near", what: "as the law has it", gate };
  if (rule.access === "Allow")
    return { delivered: true, host: "bob", program: "agent", steps: [step] };
  const stoppedBy = { kind: "rule", name: rule.name, sentence: "denied" } as const;
  return { delivered: false, steps: [step], stoppedBy };
}

describe("law and packet", () => {
  test("agree where the same rule decided and the end is the same", () => {
    const accepted: Seen = { steps: [seenAt(allow)], answer: "answered" };
    expect(compare(walked(allow), accepted, "Tcp").agrees).toBe(true);
    const silent: Seen = { steps: [seenAt(deny)], answer: "nothing" };
    expect(compare(walked(deny), silent, "Tcp")).toMatchObject({
      agrees: true,
      seen: "was denied by rule DenyAllInBound (priority 65500, inbound) of g",
    });
  });

  test("differ where another rule decided, also when the end is the same", () => {
    const other = { ...seenAt(deny), rule: "somebody-elses" };
    const compared = compare(walked(deny), { steps: [other], answer: "nothing" }, "Tcp");
    expect(compared.agrees).toBe(false);
    expect(compared.rows[0]).toMatchObject({
      agrees: false,
      seen: "denied by rule somebody-elses (priority 65500, inbound) of g",
    });
  });

  test("differ where a gate was never met, met beside the law, or the end is another", () => {
    const none: Seen = { steps: [], answer: "answered" };
    expect(compare(walked(allow), none, "Tcp").rows[0]?.seen).toBe("never seen there");
    const more: Seen = { steps: [seenAt(allow), seenAt(deny)], answer: "answered" };
    expect(compare(walked(allow), more, "Tcp").agrees).toBe(false);
    const lost: Seen = { steps: [seenAt(allow)], answer: "nothing" };
    expect(compare(walked(allow), lost, "Tcp").agrees).toBe(false);
  });

  test("a datagram that nobody answers may have arrived", () => {
    const silent: Seen = { steps: [seenAt(allow)], answer: "nothing" };
    expect(compare(walked(allow), silent, "Udp").agrees).toBe(true);
  });
});
