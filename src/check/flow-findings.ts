/**
 * What the proof of a requirement means to people: a verdict, the most ordinary packet that dies,
 * the rule or route to blame, what follows, and a repair that was proved again.
 */
import { intersectionOf, isEmpty, setOfAddresses } from "../network/address-set.ts";
import { hasPorts, type Packet, type PacketBox } from "../network/packet-set.ts";
import type { Fails } from "../network/policy.ts";
import type { Cidr, Ipv4 } from "../network/prefix.ts";
import type { Route } from "../network/route.ts";
import type { SecurityRule } from "../network/rule.ts";
import { keyOf } from "../arm/ids.ts";
import type { Culprit, Finding, NamedPackets } from "./finding.ts";
import type { FixDraft } from "./fixes.ts";
import type { Gates, ReadingProof, RequirementProof } from "./prove-flow.ts";
import type { Requirement } from "./requirements.ts";
import { spellRoute } from "./spellings.ts";
import type { Places } from "./subnet-findings.ts";
import type { Leg, Lost, Way } from "./way.ts";
import { describePacket, type NamedSets } from "../network/naming.ts";
import { nameBox } from "./words.ts";
import { witnessOf } from "./witness.ts";

export type Telling = {
  readonly gates: Gates;
  readonly names: NamedSets;
  readonly fixes: FixDraft;
  readonly placeOf: Places;
  /** Addresses that people know: they stand in packets before others. */
  readonly preferred: readonly Ipv4[];
  /** The published management addresses; the tag holds many more. */
  readonly published: readonly Ipv4[];
  /** IPv4 prefixes of a tag. */
  readonly prefixesOfTag: (tag: string) => readonly Cidr[];
  /** The way of a requirement if the environment's subnet had these routes. */
  readonly wayWith: (requirementId: string, routes: readonly Route[]) => Way | undefined;
};

/** Boxes shown of one failure; the number of packets counts all. */
const MOST_BOXES = 20;
const EVERYWHERE = "0.0.0.0/0" as Cidr;

export function tellProof(proof: RequirementProof, telling: Telling): readonly Finding[] {
  const { requirement, readings, lost } = proof;
  const findings = [...lostFindings(requirement, lost, telling), ...gateFindings(proof, telling)];
  if (findings.length > 0) return findings;
  return [
    {
      ...about(requirement),
      verdict: "proven",
      what: `${requirement.title}: every packet passes`,
      fixes: [],
      ...assumptions(requirement),
      ...(readings.length > 1
        ? { readings: readings.map(({ name }) => ({ name, passes: true })) }
        : {}),
    },
  ];
}

function about({ id, title, flow }: Requirement) {
  const { grade, heading, consequence, sources } = flow;
  return { id, title, grade, heading, consequence, ...(sources === undefined ? {} : { sources }) };
}

function assumptions({ way }: Requirement) {
  return way.assumes.length === 0 ? {} : { assumes: way.assumes };
}

/** @article ASE inbound dependencies */
function lostFindings(
  requirement: Requirement,
  lost: readonly Lost[],
  telling: Telling,
): readonly Finding[] {
  const byRoute = Map.groupBy(lost, ({ route, sentence }) => `${route?.name} ${sentence}`);
  return [...byRoute.values()].flatMap((parts): readonly Finding[] => {
    const [first] = parts;
    if (first === undefined) return [];
    const boxes = parts.map(({ packets }) => packets);
    const unclear = publishedPass(requirement, boxes, telling);
    return [
      {
        ...about(requirement),
        verdict: unclear === undefined ? "violated" : "unclear",
        ...packetOf(boxes, telling),
        what: `${first.sentence}: ${first.route === undefined ? "no route" : routeInWords(first.route)}`,
        ...(first.route === undefined ? {} : { culprit: routeCulprit(first.route, telling) }),
        affected: namedOf(boxes, telling),
        ...assumptions(requirement),
        ...unclear,
        fixes: routeFixes(requirement, first, telling),
      },
    ];
  });
}

/**
 * The tag holds thousands of addresses, the published list some dozens; which of them really
 * manage an environment is not public. When the list passes and the tag does not, that is unclear.
 */
function publishedPass(requirement: Requirement, boxes: readonly PacketBox[], telling: Telling) {
  if (requirement.flow.from !== "management-addresses") return undefined;
  const published = setOfAddresses(telling.published);
  if (boxes.some(({ from }) => !isEmpty(intersectionOf(from, published)))) return undefined;
  const count = boxes.reduce((sum, { from }) => sum + addressCount(from), 0);
  return {
    readings: [
      {
        name: `the ${telling.published.length} management addresses of every published list`,
        passes: true,
      },
      {
        name: `all of the tag AppServiceManagement: ${count} of its addresses are answered elsewhere`,
        passes: false,
      },
    ],
  };
}

function addressCount({ v4 }: PacketBox["from"]): number {
  return v4.reduce((sum, { low, high }) => sum + high - low + 1, 0);
}

/** A route to the internet: of the management tag, or in place of the default route. */
function routeFixes(requirement: Requirement, lost: Lost, telling: Telling): Finding["fixes"] {
  const { flow, id } = requirement;
  const { subnet, route } = lost;
  const table = route?.table ?? subnet.routes.find((one) => one.table !== undefined)?.table;
  const outward = flow.direction === "Inbound" || flow.to === "internet" || flow.to === "sql";
  if (table === undefined || !outward) return [];
  const management = flow.from === "management-addresses";
  const spelled = management
    ? { name: "ase-management", destination: "AppServiceManagement" }
    : { name: "ase-internet", destination: "0.0.0.0/0" };
  const prefixes = management ? telling.prefixesOfTag("AppServiceManagement") : [EVERYWHERE];
  const made = prefixes.map((prefix): Route => ({
    ...{ name: spelled.name, prefix, table, source: "User", state: "Active" },
    nextHop: { kind: "Internet" },
  }));
  const replaced = new Set<string>(management ? [] : prefixes);
  const kept = subnet.routes.filter(({ prefix }) => !replaced.has(prefix));
  const known = new Set<string>(kept.map(({ prefix }) => prefix));
  const way = telling.wayWith(id, [...kept, ...made.filter(({ prefix }) => !known.has(prefix))]);
  if (way === undefined || way.lost.length > 0) return [];
  const of = lastOf(table);
  return [
    {
      what: management
        ? `send replies to AppServiceManagement straight to the internet: one route of the tag in ${of}`
        : `send 0.0.0.0/0 straight to the internet in ${of}; or keep the tunnel and let users come in through a reverse proxy in the virtual network`,
      ...spellRoute(table, { ...spelled, nextHop: "Internet" }),
      reproved: true,
      alsoAllows:
        management || route === undefined
          ? []
          : [`all that ${routeInWords(route)} sent another way`],
    },
  ];
}

function gateFindings(proof: RequirementProof, telling: Telling): readonly Finding[] {
  const { requirement, readings } = proof;
  const failing = readings.filter(({ stopped }) => stopped.length > 0);
  const [worst] = failing;
  if (worst === undefined) return defaultFindings(proof, telling);
  const verdict = failing.length === readings.length ? "violated" : "unclear";
  return worst.stopped.map(({ leg, proof: failed }): Finding => {
    const boxes = failed.violations.flatMap((violation) => violation.boxes);
    const witness = blamedWitness(leg, failed, worst, readings, telling);
    const fix = telling.fixes.allow(requirement, leg);
    return {
      ...about(requirement),
      verdict,
      packet: plainPacket(witness.packet),
      what: `${describePacket(witness.packet)} is ${ruleInWords(witness.rule)}`,
      culprit: ruleCulprit(witness.rule, telling),
      affected: { ...namedOf(boxes, telling), more: failed.truncated || boxes.length > MOST_BOXES },
      ...(readings.length > 1
        ? {
            readings: readings.map(({ name, stopped }) => ({ name, passes: stopped.length === 0 })),
          }
        : {}),
      ...assumptions(requirement),
      fixes: fix === undefined ? [] : [fix],
    };
  });
}

/** An ordinary packet, if the same rule stops it; else the engine's. */
function blamedWitness(
  leg: Leg,
  failed: Fails,
  reading: ReadingProof,
  readings: readonly ReadingProof[],
  telling: Telling,
): { readonly packet: Packet; readonly rule: SecurityRule } {
  const policy = telling.gates.policy(leg, readings.indexOf(reading));
  const boxes = failed.violations.flatMap((violation) => violation.boxes);
  // Protocols with ports first: those are what people try.
  for (const box of [...boxes.filter(isPorted), ...boxes]) {
    const packet = witnessOf(box, telling.preferred);
    const rule = policy?.decide(packet);
    if (rule?.access === "Deny") return { packet, rule };
  }
  return { packet: failed.counterexample, rule: failed.blamed };
}

function isPorted({ protocols }: PacketBox): boolean {
  return protocols.every(hasPorts);
}

function defaultFindings(proof: RequirementProof, telling: Telling): readonly Finding[] {
  const { requirement, readings } = proof;
  const parts = readings.flatMap(({ byDefault }) => byDefault);
  const [first] = parts;
  if (first === undefined) return [];
  const { leg } = first;
  const boxes = first.packets;
  const policy = telling.gates.policy(leg, 0);
  const [box] = boxes;
  const packet = box === undefined ? undefined : witnessOf(box, telling.preferred);
  const rule = packet === undefined ? undefined : policy?.decide(packet);
  const fix = telling.fixes.allow(requirement, leg);
  return [
    {
      ...about(requirement),
      verdict: "default-rule",
      ...(packet === undefined ? {} : { packet: plainPacket(packet) }),
      what: `${requirement.title}: passes only by ${rule === undefined ? "a default rule" : `the default rule ${rule.name}`}; a rule that denies everything before it would cut it`,
      ...(rule === undefined ? {} : { culprit: ruleCulprit(rule, telling) }),
      affected: namedOf(boxes, telling),
      ...(readings.length > 1
        ? { readings: readings.map(({ name }) => ({ name, passes: true })) }
        : {}),
      ...assumptions(requirement),
      fixes: fix === undefined ? [] : [fix],
    },
  ];
}

function packetOf(boxes: readonly PacketBox[], telling: Telling) {
  const [box] = boxes;
  return box === undefined ? {} : { packet: plainPacket(witnessOf(box, telling.preferred)) };
}

function plainPacket({ protocol, from, fromPort, to, toPort }: Packet) {
  return { protocol, from, fromPort, to, toPort };
}

function namedOf(
  boxes: readonly PacketBox[],
  telling: Telling,
): { readonly packets: readonly NamedPackets[]; readonly more: boolean } {
  return {
    packets: boxes.slice(0, MOST_BOXES).map((box) => nameBox(box, telling.names)),
    more: boxes.length > MOST_BOXES,
  };
}

export function ruleInWords(rule: SecurityRule): string {
  const said = rule.access === "Allow" ? "allowed" : "denied";
  return `${said} by rule ${rule.name} (priority ${rule.priority}, ${rule.direction.toLowerCase()}) of ${lastOf(rule.group)}`;
}

export function routeInWords({ name, prefix, nextHop, table }: Route): string {
  const hop =
    nextHop.kind === "VirtualAppliance" ? `${nextHop.kind} ${nextHop.address}` : nextHop.kind;
  const of = table === undefined ? "" : ` of ${lastOf(table)}`;
  return `route ${name} (${prefix} -> ${hop})${of}`;
}

export function ruleCulprit(rule: SecurityRule, { placeOf }: Pick<Telling, "placeOf">): Culprit {
  const place =
    placeOf(keyOf(`${rule.group}/securityRules/${rule.name}`)) ?? placeOf(keyOf(rule.group));
  return {
    kind: "rule",
    name: rule.name,
    id: rule.group,
    sentence: ruleInWords(rule),
    ...(place === undefined ? {} : { place }),
  };
}

export function routeCulprit(route: Route, { placeOf }: Pick<Telling, "placeOf">): Culprit {
  const place =
    route.table === undefined
      ? undefined
      : (placeOf(keyOf(`${route.table}/routes/${route.name}`)) ?? placeOf(keyOf(route.table)));
  return {
    kind: "route",
    name: route.name,
    ...(route.table === undefined ? {} : { id: route.table }),
    sentence: routeInWords(route),
    ...(place === undefined ? {} : { place }),
  };
}

function lastOf(id: string): string {
  return id.split("/").at(-1) ?? id;
}
