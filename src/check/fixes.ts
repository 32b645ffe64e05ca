/**
 * Repairs of what a proof found: the flow itself as an allowing rule, just above the rule that
 * stops it; a route that leads replies back. Each is proved again in place, with the fixes that were
 * found before it, and told with what else it would let through.
 */
import { subtractAll, type PacketSet } from "../network/packet-set.ts";
import { boxOfRule, type TagMeaning } from "../network/meaning.ts";
import type { Policy } from "../network/policy.ts";
import { ANY_PORT, type Direction, type SecurityRule } from "../network/rule.ts";
import type { Fix } from "./finding.ts";
import type { Gates } from "./prove-flow.ts";
import type { Requirement } from "./requirements.ts";
import { matchInWords, spellRule } from "./spellings.ts";
import type { Leg } from "./way.ts";
import type { NamedSets } from "../network/naming.ts";
import { nameBox } from "./words.ts";

/** Users' rules have numbers from 100 to 4096. */
const PRIORITIES = { first: 100, last: 4_096 } as const;
/** Numbers people leave between rules; from `LATE` on they write what denies all the rest. */
const STEP = 10;
const LATE = 4_000;
/** What a fix lets through besides is shown in so many lines. */
const MOST_SHOWN = 5;
/** Rules that stop one flow one after the other; more is not tried. */
const MOST_TRIES = 64;

/** Rules that were proposed so far, by group: each new one is proved beside them. */
export class FixDraft {
  readonly #gates: Gates;
  readonly #names: NamedSets;
  readonly #added = new Map<string, readonly SecurityRule[]>();

  constructor(gates: Gates, names: NamedSets) {
    this.#gates = gates;
    this.#names = names;
  }

  /** The rules at a gate with what was proposed for its group. */
  #rulesAt({ subnet, host }: Leg): readonly SecurityRule[] {
    const { rules = [] } = host ?? subnet;
    const [first] = rules;
    return first === undefined ? rules : [...rules, ...(this.#added.get(first.group) ?? [])];
  }

  allow(requirement: Requirement, leg: Leg): Fix | undefined {
    const rules = this.#rulesAt(leg);
    const group = rules[0]?.group;
    if (group === undefined) return undefined;
    const draft = draftRule(requirement, leg.direction, group, rules);
    const placed = this.#place(draft, leg, rules);
    if (placed === "no way") return undefined;
    if (placed === "no number") return { ...unplaced(draft), reproved: false, alsoAllows: [] };
    this.#added.set(group, [...(this.#added.get(group) ?? []), placed]);
    const words = `${placed.protocol === "*" ? "everything" : placed.protocol.toUpperCase()} from ${placed.sources.map(matchInWords).join(", ")} to ${placed.destinations.map(matchInWords).join(", ")}`;
    return {
      what: `allow ${words} on ${portsOf(placed)}: rule ${placed.name}, priority ${placed.priority}, ${leg.direction.toLowerCase()}, of ${group.split("/").at(-1)}`,
      ...spellRule(placed),
      reproved: true,
      alsoAllows: this.#collateral(placed, leg, rules),
    };
  }

  /** At the highest free number below the first rule that stops it, and lower while another does. */
  #place(
    draft: SecurityRule,
    leg: Leg,
    rules: readonly SecurityRule[],
  ): SecurityRule | "no number" | "no way" {
    const taken = new Set(
      rules.filter(({ direction }) => direction === leg.direction).map(({ priority }) => priority),
    );
    // Where no rule of the user's is in the way, it follows on theirs.
    const highest = Math.max(PRIORITIES.first - STEP, ...[...taken].filter((one) => one < LATE));
    let priority: number | undefined = Math.floor(highest / STEP) * STEP + STEP;
    for (let tries = 0; tries < MOST_TRIES; tries += 1) {
      if (priority === undefined) return "no number";
      const placed = { ...draft, priority };
      const blamed = this.#blamed(leg, [...rules, placed]);
      if (blamed === undefined) return placed;
      if (PRIORITIES.last < blamed.priority) return "no way";
      priority = freeBelow(Math.min(priority, blamed.priority), taken);
    }
    return "no way";
  }

  /** The rule that stops the leg under any reading; undefined: none does. */
  #blamed(leg: Leg, rules: readonly SecurityRule[]): SecurityRule | undefined {
    for (const policy of this.#policies(leg, rules)) {
      const proof = policy.prove([leg.packets]);
      if (!proof.holds)
        return proof.violations.map(({ rule }) => rule).sort((a, b) => a.priority - b.priority)[0];
    }
    return undefined;
  }

  #policies(leg: Leg, rules: readonly SecurityRule[]): readonly Policy[] {
    return this.#gates
      .meanings(leg.subnet)
      .map((_, reading) => this.#gates.policyOf(leg, reading, rules));
  }

  /** What passes with the rule, did not without it, and is not part of the flow. */
  #collateral(placed: SecurityRule, leg: Leg, rules: readonly SecurityRule[]): readonly string[] {
    const [before] = this.#policies(leg, rules);
    const meaning: TagMeaning | undefined = before?.meaning;
    if (before === undefined || meaning === undefined) return [];
    const proof = before.prove([boxOfRule(placed, meaning)]);
    const stopped: PacketSet = proof.holds ? [] : proof.violations.flatMap(({ boxes }) => boxes);
    const gained = subtractAll(stopped, [leg.packets]);
    const named = gained.slice(0, MOST_SHOWN).map((box) => nameBox(box, this.#names).sentence);
    return gained.length > MOST_SHOWN
      ? [...named, `and ${gained.length - MOST_SHOWN} more`]
      : named;
  }
}

function draftRule(
  { flow, ends }: Requirement,
  direction: Direction,
  group: string,
  rules: readonly SecurityRule[],
): SecurityRule {
  const name = freeName(`ase-${flow.id}`, rules);
  return {
    name,
    group,
    origin: "user",
    priority: PRIORITIES.last,
    direction,
    access: "Allow",
    protocol: flow.protocol,
    sources: ends.from,
    sourcePorts: [ANY_PORT],
    destinations: ends.to,
    destinationPorts: flow.ports,
  };
}

function freeName(wanted: string, rules: readonly SecurityRule[]): string {
  const names = new Set(rules.map(({ name }) => name.toLowerCase()));
  let name = wanted;
  for (let count = 2; names.has(name.toLowerCase()); count += 1) name = `${wanted}-${count}`;
  return name;
}

/** A round number where one is near, so that there is room for more. */
function freeBelow(limit: number, taken: ReadonlySet<number>): number | undefined {
  const round = Math.floor((limit - 1) / STEP) * STEP;
  if (PRIORITIES.first <= round && !taken.has(round)) return round;
  for (let priority = limit - 1; PRIORITIES.first <= priority; priority -= 1)
    if (!taken.has(priority)) return priority;
  return undefined;
}

function unplaced(rule: SecurityRule): Pick<Fix, "what" | "az" | "arm" | "terraform"> {
  return {
    ...spellRule({ ...rule, priority: PRIORITIES.first }),
    what: `no priority is free above the rules that stop it: give those higher numbers, then allow it at ${PRIORITIES.first}`,
  };
}

function portsOf({ destinationPorts }: SecurityRule): string {
  const words = destinationPorts.map(({ low, high }) =>
    low === high ? `${low}` : `${low}-${high}`,
  );
  return words[0] === "0-65535" ? "all ports" : words.join(", ");
}
