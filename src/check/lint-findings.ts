/**
 * Rules and routes that cannot mean what their writer meant: prefixes of another network, lists of
 * management addresses that drifted from the tag, rules that never decide.
 *
 * Advice only: whether a flow passes is proved elsewhere, over all packets.
 *
 * @article Network Security Groups
 */
import type { Subnet } from "../blueprint/blueprint.ts";
import { MANAGEMENT_PORTS } from "../environment/ports.ts";
import {
  differenceOf,
  intersectionOf,
  isEmpty,
  setOfPrefixes,
  unionOf,
  type AddressSet,
} from "../network/address-set.ts";
import { lintPolicy } from "../network/lint.ts";
import { setOfMatches } from "../network/meaning.ts";
import { nameSet, type NamedSets } from "../network/naming.ts";
import type { AddressMatch, SecurityRule } from "../network/rule.ts";
import type { Finding } from "./finding.ts";
import { ruleCulprit } from "./flow-findings.ts";
import { PRIVATE_SPACE } from "./named-sets.ts";
import type { Gates } from "./prove-flow.ts";
import type { Ground } from "./requirements.ts";
import type { Places } from "./subnet-findings.ts";

export type Linted = {
  readonly ground: Ground;
  readonly gates: Gates;
  readonly names: NamedSets;
  readonly placeOf: Places;
};

/** Findings of one kind are told up to here, then counted. */
const MOST_OF_A_KIND = 10;
const HEADING = "Network Security Groups";

export function lintFindings(linted: Linted): readonly Finding[] {
  const rules = (linted.ground.subnet.rules ?? []).filter(({ origin }) => origin === "user");
  return [
    ...capped(rules.flatMap((rule) => strangers(rule, linted))),
    ...drifted(rules, linted),
    ...capped(deadRules(linted)),
  ];
}

/** Private prefixes that nobody reaches from this subnet: copied from another network. */
function strangers(rule: SecurityRule, linted: Linted): readonly Finding[] {
  const known = insideOf(linted.ground);
  const named = [...rule.sources, ...rule.destinations].flatMap((match) =>
    match.kind === "prefix" ? [match.prefix] : [],
  );
  const strange = named.filter((prefix) => {
    const set = setOfPrefixes([prefix]);
    return !isEmpty(intersectionOf(set, PRIVATE_SPACE)) && isEmpty(intersectionOf(set, known));
  });
  if (strange.length === 0) return [];
  const own = [...linted.ground.network.prefixes].join(", ");
  return [
    {
      ...advice(rule, linted),
      id: "lint/foreign-prefix",
      title: "a rule names addresses of another network",
      what: `rule ${rule.name} names ${strange.join(", ")}, and the network is ${own}; from this subnet nobody is there`,
      consequence: "the rule lets through or stops nothing it was written for",
    },
  ];
}

/** What the subnet's routes reach inside: own space, peered and connected networks. */
function insideOf({ network, subnet }: Ground): AddressSet {
  const inward = subnet.routes
    .filter(
      ({ state, nextHop, prefix }) =>
        state === "Active" &&
        nextHop.kind !== "Internet" &&
        nextHop.kind !== "None" &&
        !prefix.endsWith("/0"),
    )
    .map(({ prefix }) => prefix);
  return setOfPrefixes([...network.prefixes, ...inward]);
}

/** Management ports opened for written-out addresses instead of the tag. */
function drifted(rules: readonly SecurityRule[], linted: Linted): readonly Finding[] {
  const opening = rules.filter(
    ({ direction, access, sources, destinationPorts }) =>
      direction === "Inbound" &&
      access === "Allow" &&
      sources.every(({ kind }) => kind === "prefix") &&
      destinationPorts.length > 0 &&
      destinationPorts.every(
        ({ low, high }) => MANAGEMENT_PORTS.command <= low && high <= MANAGEMENT_PORTS.monitoring,
      ),
  );
  const [first] = opening;
  if (first === undefined) return [];
  const tag = linted.ground.tag("AppServiceManagement");
  const written = unionOf(
    opening.map(({ sources }) => v4Of(sources, linted.ground.subnet, linted)),
  );
  const stale = differenceOf(written, tag);
  const lacking = differenceOf(tag, written);
  if (isEmpty(stale) && isEmpty(lacking)) return [];
  const parts = [
    ...(isEmpty(lacking)
      ? []
      : [
          `${addresses(lacking)} of the ${addresses(tag)} addresses of AppServiceManagement are not in it`,
        ]),
    ...(isEmpty(stale)
      ? []
      : [`${addresses(stale)} of its addresses manage nothing any more (${nameSet(stale, [])})`]),
  ];
  return [
    {
      ...advice(first, linted),
      id: "lint/drifted-list",
      title: "a list of management addresses drifted from the tag",
      what: `the management addresses written out in ${opening.length === 1 ? `rule ${first.name}` : `${opening.length} rules`} drifted: ${parts.join("; ")}`,
      consequence:
        "management from an address that is not in the list is cut, and the environment with it; use the tag",
    },
  ];
}

/**
 * Rules that decide about no packet. One that could merely be left out is no fault: what repeats a
 * default rule stands when somebody denies all the rest before those.
 */
function deadRules(linted: Linted): readonly Finding[] {
  const { ground } = linted;
  return (["Inbound", "Outbound"] as const).flatMap((direction) => {
    const policy = linted.gates.policy({ subnet: ground.subnet, direction }, 0);
    if (policy === undefined) return [];
    return lintPolicy(policy).findings.flatMap(({ kind, rule, by }): readonly Finding[] => {
      if (kind === "redundant") return [];
      const others = by.map(({ name, priority }) => `${name} (${priority})`).join(", ");
      return [
        {
          ...advice(rule, linted),
          id: DEAD[kind].id,
          title: DEAD[kind].title,
          consequence: DEAD[kind].consequence,
          what: `rule ${rule.name} (priority ${rule.priority}) ${DEAD[kind].because} ${others}`,
        },
      ];
    });
  });
}

const DEAD = {
  shadowed: {
    id: "lint/shadowed-rule",
    title: "a rule never decides",
    because: "decides about no packet: all of them are decided before, by",
    consequence: "removing it changes nothing",
  },
  contradicts: {
    id: "lint/contradicted-rule",
    title: "a rule is contradicted before it decides",
    because: "says the opposite of what was decided before, by",
    consequence: "what its writer meant does not happen",
  },
} as const;

function advice(rule: SecurityRule, linted: Linted) {
  return {
    grade: "advice",
    verdict: "violated",
    heading: HEADING,
    culprit: ruleCulprit(rule, linted),
    fixes: [],
  } as const;
}

function capped(findings: readonly Finding[]): readonly Finding[] {
  const [first] = findings;
  if (first === undefined || findings.length <= MOST_OF_A_KIND) return findings;
  const left = findings.length - MOST_OF_A_KIND;
  return [
    ...findings.slice(0, MOST_OF_A_KIND),
    { ...first, what: `and ${left} rules more of this kind` },
  ];
}

function v4Of(matches: readonly AddressMatch[], subnet: Subnet, { gates }: Linted): AddressSet {
  const [reading] = gates.meanings(subnet);
  if (reading === undefined) return { v4: [], v6: [] };
  return { v4: setOfMatches(matches, reading.meaning).v4, v6: [] };
}

function addresses({ v4 }: AddressSet): number {
  return v4.reduce((sum, { low, high }) => sum + high - low + 1, 0);
}
