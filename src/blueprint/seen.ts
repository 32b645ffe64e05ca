/**
 * One packet as a fabric saw it go, gate by gate, and the law's words beside it.
 *
 * What is to be sent, what was seen, and whether the two agree. Who sends it is a fabric.
 */
import type { Ipv4 } from "../network/prefix.ts";
import type { Access, Direction, IpProtocol } from "../network/rule.ts";
import type { Host } from "./blueprint.ts";
import type { Flow, Walk, WalkStep } from "./walk.ts";

export type Trace = {
  /** Tcp or Udp. */
  readonly flow: Flow;
  /** Hosts that stand only while it lasts, at addresses where nobody does. */
  readonly standIns: readonly Host[];
  /** Id of the network the sender stands in: its gates are told first. */
  readonly network?: string;
  readonly timeoutMs: number;
};

export type SeenStep =
  /** A gate of a subnet or of a host's interface; `rule` decided. */
  | {
      readonly kind: "rule";
      /** Name of the subnet or host. */
      readonly at: string;
      readonly direction: Direction;
      readonly rule: string;
      readonly priority: number;
      /** Resource id of the group. */
      readonly group: string;
      readonly access: Access;
    }
  /** A network's router led it on. */
  | {
      readonly kind: "hop";
      readonly network: string;
      readonly from: Ipv4;
      readonly to: Ipv4;
      readonly toPort: number;
      /** `the edge`, the name of a host, `the peer hub`, `the gateway`. */
      readonly by: string;
      /** The host at the other end has the address it is for. */
      readonly arrives: boolean;
    }
  /** Dropped by the router itself, not by a rule of a group. */
  | { readonly kind: "dropped"; readonly network: string; readonly why: string };

export type Seen = {
  readonly steps: readonly SeenStep[];
  /** What the sender heard: a connection or datagram, a refusal, an unreachable, nothing. */
  readonly answer: "answered" | "refused" | "unreachable" | "nothing";
};

/** Law and packet side by side: one row for each step either of them knows. */
export type TraceRow = {
  readonly at: string;
  readonly law?: string;
  readonly seen?: string;
  readonly agrees: boolean;
};

export type Comparison = {
  readonly agrees: boolean;
  readonly rows: readonly TraceRow[];
  readonly law: string;
  readonly seen: string;
};

export function compare(walked: Walk, seen: Seen, protocol: IpProtocol): Comparison {
  const rows: TraceRow[] = [];
  const left = [...seen.steps];
  const onlySeen = (step: SeenStep) => {
    const { at, what } = words(step);
    rows.push({ at, seen: what, agrees: step.kind !== "rule" });
  };
  /** What was seen before the next gate. */
  const hops = () => {
    const gate = left.findIndex(({ kind }) => kind === "rule");
    for (const step of left.splice(0, gate === -1 ? left.length : gate)) onlySeen(step);
  };
  for (const step of walked.steps) {
    if (step.gate !== undefined || step === walked.steps.at(-1)) hops();
    if (step.gate === undefined) {
      rows.push({ at: step.at, law: step.what, agrees: true });
      continue;
    }
    const next = left.shift();
    const same = next !== undefined && isSame(step.gate, next);
    rows.push({
      at: step.at,
      law: step.what,
      seen: next === undefined ? "never seen there" : same ? step.what : words(next).what,
      agrees: same,
    });
  }
  for (const step of left) onlySeen(step);
  const ends = endsAgree(walked, seen, protocol);
  return {
    agrees: ends && rows.every(({ agrees }) => agrees),
    rows,
    law: lawVerdict(walked),
    seen: seenVerdict(seen, protocol),
  };
}

function isSame({ at, rule }: NonNullable<WalkStep["gate"]>, seen: SeenStep): boolean {
  return (
    seen.kind === "rule" &&
    seen.at === at &&
    seen.direction === rule.direction &&
    seen.rule === rule.name &&
    seen.group.toLowerCase() === rule.group.toLowerCase() &&
    seen.access === rule.access
  );
}

/** A datagram that nobody answers may have arrived; a connection may not. */
function endsAgree({ delivered, stoppedBy }: Walk, seen: Seen, protocol: IpProtocol): boolean {
  if (delivered && protocol === "Tcp") return seen.answer === "answered";
  if (delivered) return seen.answer !== "refused" && !seen.steps.some(isStop);
  if (stoppedBy?.kind === "program") return seen.answer === "refused";
  return seen.answer === "nothing" || seen.answer === "unreachable";
}

function isStop(step: SeenStep): boolean {
  return step.kind === "dropped" || (step.kind === "rule" && step.access === "Deny");
}

function lawVerdict({ delivered, host, program, stoppedBy }: Walk): string {
  if (delivered) return `arrives at ${program} of ${host}`;
  if (stoppedBy?.kind === "program") return `arrives, and ${stoppedBy.sentence}`;
  return `is stopped: ${stoppedBy?.sentence ?? "nobody says why"}`;
}

function seenVerdict({ answer, steps }: Seen, protocol: IpProtocol): string {
  const stop = steps.find(isStop);
  switch (answer) {
    case "answered":
      return protocol === "Tcp" ? "was accepted" : "was answered";
    case "refused":
      return "arrived and was refused: nothing listens";
    case "unreachable":
      return "was turned back: unreachable";
    case "nothing": {
      if (stop !== undefined) return `was ${words(stop).what}`;
      const arrived = steps.some((step) => step.kind === "hop" && step.arrives);
      if (arrived) return "arrived, and no answer came back";
      const left = steps.findLast((step) => step.kind === "hop");
      return left === undefined
        ? "was never answered"
        : `was ${words(left).what}, and no answer came back`;
    }
  }
}

function words(step: SeenStep): { readonly at: string; readonly what: string } {
  switch (step.kind) {
    case "rule": {
      const { at, direction, rule, priority, group, access } = step;
      const side = direction.toLowerCase();
      const said = access === "Allow" ? "allowed" : "denied";
      const name = group.split("/").at(-1) ?? group;
      return {
        at: `${side} gate of ${at}`,
        what: `${said} by rule ${rule} (priority ${priority}, ${side}) of ${name}`,
      };
    }
    case "hop": {
      const { by, from, network, to, toPort, arrives } = step;
      return {
        at: network,
        what: `${arrives ? "handed" : "led on"} to ${by}: ${from} -> ${to}:${toPort}`,
      };
    }
    case "dropped":
      return { at: step.network, what: `dropped: ${step.why}` };
  }
}
