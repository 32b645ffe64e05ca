/**
 * What a list of security rules says to one packet: the first match ends.
 *
 * Rules become boxes once and are then asked often. What a rule matches is in meaning.ts; questions
 * about all packets at once are in policy.ts. Routes and translations are not known here.
 *
 * @article Network Security Groups
 */
import { boxOfRule, type RuleBox, type TagMeaning } from "./meaning.ts";
import { holdsPacket, type Packet } from "./packet-set.ts";
import type { Access, Direction, SecurityRule } from "./rule.ts";

export type Decision = { readonly access: Access; readonly rule: SecurityRule };

export type Evaluate = (direction: Direction, packet: Packet) => Decision | undefined;

/**
 * @param rules sorted by priority within a direction
 * @returns the deciding rule; undefined when none matches: traffic that is exempt, or no rules at all
 */
export function compileRules(rules: readonly SecurityRule[], meaning: TagMeaning): Evaluate {
  const boxes = rules.map((rule) => ({ rule, box: boxOfRule(rule, meaning) }));
  const gates = {
    Inbound: boxes.filter(({ rule }) => rule.direction === "Inbound"),
    Outbound: boxes.filter(({ rule }) => rule.direction === "Outbound"),
  };
  return (direction, packet) => {
    const rule = decidingRule(gates[direction], packet);
    return rule && { access: rule.access, rule };
  };
}

/** The first of the boxes that holds the packet. */
export function decidingRule(boxes: readonly RuleBox[], packet: Packet): SecurityRule | undefined {
  return boxes.find(({ box }) => holdsPacket(box, packet))?.rule;
}
