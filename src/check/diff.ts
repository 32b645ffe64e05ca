/**
 * What a change of a network changes: requirements that are met or no longer met, packets that a
 * gate of the environment's subnet lets through or stops from now on, and where routes lead.
 *
 * Exact over all packets; few of the sets are shown.
 */
import { found, declined, type Result } from "../base/problem.ts";
import { compile } from "../blueprint/compile.ts";
import { EMPTY_LEDGER } from "../blueprint/ledger.ts";
import { intersectionOf, isEmpty, unionOf, type AddressSet } from "../network/address-set.ts";
import { describePacket, nameSet, type NamedSets } from "../network/naming.ts";
import { boxOf, subtractAll, type PacketBox, type PacketSet } from "../network/packet-set.ts";
import type { Policy } from "../network/policy.ts";
import { partitionByNextHop } from "../network/routes.ts";
import type { Direction } from "../network/rule.ts";
import { check, groundOf, wantedOf, type CheckRequest } from "./check.ts";
import type { EnvironmentReport, Finding, Verdict } from "./finding.ts";
import { setOfSubnet } from "./named-sets.ts";
import { Gates } from "./prove-flow.ts";
import type { Ground } from "./requirements.ts";
import { subjectsOf } from "./subject.ts";
import { witnessOf } from "./witness.ts";
import { nameBox, namedSetsOf } from "./words.ts";
import { routeInWords } from "./flow-findings.ts";

export type FlowChange = {
  readonly direction: Direction;
  /** `Tcp Internet:* -> ase:443` */
  readonly sentence: string;
  /** One packet of it. */
  readonly packet: string;
  readonly packets: string;
};

export type Difference = {
  readonly environment: string;
  readonly verdicts: readonly {
    readonly id: string;
    readonly title: string;
    readonly before: Verdict;
    readonly after: Verdict;
  }[];
  readonly gained: readonly FlowChange[];
  readonly lost: readonly FlowChange[];
  /** True: more sets of packets changed than are listed. */
  readonly more: boolean;
  readonly routes: readonly {
    readonly to: string;
    readonly before: string;
    readonly after: string;
  }[];
};

/** Sets of packets that are shown, gained and lost together. */
const MOST_SHOWN = 20;

export function diff(before: CheckRequest, after: CheckRequest): Result<readonly Difference[]> {
  const [old, now] = [sideOf(before), sideOf(after)];
  if (!old.ok) return old;
  if (!now.ok) return now;
  const pairs = now.value.flatMap((side) => {
    const same =
      old.value.find(
        ({ report }) => report.name.toLowerCase() === side.report.name.toLowerCase(),
      ) ?? (old.value.length === 1 && now.value.length === 1 ? old.value[0] : undefined);
    return same === undefined ? [] : [{ old: same, now: side }];
  });
  if (pairs.length === 0)
    return declined({
      code: "NothingToCompare",
      what: "no environment of the one stands in the other",
      fix: "Compare two states of one network; --environment and --subnet choose in both.",
    });
  return found(pairs.map(({ old: one, now: other }) => differenceOf(one, other)));
}

type Side = {
  readonly report: EnvironmentReport;
  readonly ground: Ground;
  readonly gates: Gates;
  readonly names: NamedSets;
};

function sideOf(request: CheckRequest): Result<readonly Side[]> {
  const report = check(request);
  if (!report.ok) return report;
  const chosen = subjectsOf(request.resources, request);
  if (!chosen.ok) return chosen;
  const whole = { ...request, resources: chosen.value.resources };
  const { blueprint } = compile(wantedOf(whole), EMPTY_LEDGER, 1);
  return found(
    chosen.value.subjects.flatMap((subject, index): readonly Side[] => {
      const own = report.value.environments[index];
      if (own === undefined) return [];
      const ground = groundOf(subject, whole, blueprint);
      const names = namedSetsOf(blueprint, ground.tag);
      return [{ report: own, ground, names, gates: new Gates(request.tag) }];
    }),
  );
}

function differenceOf(old: Side, now: Side): Difference {
  const changes = (["Inbound", "Outbound"] as const).map((direction) => {
    const [before, after] = [policyAt(old, direction), policyAt(now, direction)];
    const universe = universeOf(old, now, direction);
    return {
      direction,
      gained: newlyAllowed(before, after, universe),
      lost: newlyAllowed(after, before, universe),
    };
  });
  const told = (of: "gained" | "lost", side: Side) =>
    changes.flatMap(({ direction, [of]: { boxes } }) =>
      boxes.map((box): FlowChange => ({
        direction,
        ...nameBox(box, side.names),
        packet: describePacket(witnessOf(box, [])),
      })),
    );
  const [gained, lost] = [told("gained", now), told("lost", old)];
  return {
    environment: now.report.name,
    verdicts: verdictsOf(old.report.findings, now.report.findings),
    gained: gained.slice(0, MOST_SHOWN / 2),
    lost: lost.slice(0, MOST_SHOWN / 2),
    more:
      MOST_SHOWN / 2 < Math.max(gained.length, lost.length) ||
      changes.some((one) => one.gained.truncated || one.lost.truncated),
    routes: routesOf(old, now),
  };
}

function policyAt({ gates, ground }: Side, direction: Direction): Policy | undefined {
  return gates.policy({ subnet: ground.subnet, direction }, 0);
}

/** All packets that the gate of the subnet is asked about. */
function universeOf(old: Side, now: Side, direction: Direction): PacketBox {
  const subnet = unionOf([setOfSubnet(old.ground.subnet), setOfSubnet(now.ground.subnet)]);
  return boxOf(direction === "Inbound" ? { to: subnet } : { from: subnet });
}

/** Allowed by the second and not by the first. */
function newlyAllowed(
  before: Policy | undefined,
  after: Policy | undefined,
  universe: PacketBox,
): { readonly boxes: PacketSet; readonly truncated: boolean } {
  const denied = deniedBy(before, [universe]);
  let truncated = denied.truncated;
  const boxes = denied.boxes.flatMap((box) => {
    const still = deniedBy(after, [box]);
    truncated ||= still.truncated;
    return subtractAll([box], still.boxes);
  });
  return { boxes, truncated };
}

function deniedBy(
  policy: Policy | undefined,
  of: PacketSet,
): { readonly boxes: PacketSet; readonly truncated: boolean } {
  const proof = policy?.prove(of);
  if (proof === undefined || proof.holds) return { boxes: [], truncated: false };
  return {
    boxes: proof.violations.flatMap(({ boxes }) => boxes),
    truncated: proof.truncated,
  };
}

function verdictsOf(before: readonly Finding[], after: readonly Finding[]): Difference["verdicts"] {
  const worst = (findings: readonly Finding[], id: string): Verdict => {
    const own = findings.filter((finding) => finding.id === id).map(({ verdict }) => verdict);
    return VERDICTS.find((verdict) => own.includes(verdict)) ?? "proven";
  };
  const all = new Map(
    [...before, ...after]
      .filter(({ grade }) => grade !== "advice")
      .map(({ id, title }) => [id, title]),
  );
  return [...all].flatMap(([id, title]) => {
    const [was, is] = [worst(before, id), worst(after, id)];
    return was === is ? [] : [{ id, title, before: was, after: is }];
  });
}

const VERDICTS: readonly Verdict[] = ["violated", "unclear", "default-rule", "proven"];

/** Where the next hop of a destination changed. */
function routesOf(old: Side, now: Side): Difference["routes"] {
  const [before, after] = [old, now].map(({ ground }) => partitionByNextHop(ground.subnet.routes));
  const changed = new Map<string, { before: string; after: string; to: AddressSet }>();
  for (const was of before ?? [])
    for (const is of after ?? []) {
      if (JSON.stringify(was.nextHop) === JSON.stringify(is.nextHop)) continue;
      const to = intersectionOf(was.to, is.to);
      if (isEmpty(to)) continue;
      const words = [routeInWords(was.route), routeInWords(is.route)] as const;
      const key = `${JSON.stringify(was.nextHop)} ${JSON.stringify(is.nextHop)}`;
      const known = changed.get(key);
      changed.set(key, {
        before: known?.before ?? words[0],
        after: known?.after ?? words[1],
        to: known === undefined ? to : unionOf([known.to, to]),
      });
    }
  return [...changed.values()].map(({ to, ...words }) => ({
    ...words,
    to: nameSet(to, now.names),
  }));
}
