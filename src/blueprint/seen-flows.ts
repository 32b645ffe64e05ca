/**
 * Flows as gates see them, for logs in the manner of Azure's flow logs, version 2.
 *
 * One value for each line of a log: a flow that began, went on, ended, or was denied. A fabric tells
 * them; what becomes of them is control/flow-logs.ts.
 */
import type { Ipv4 } from "../network/prefix.ts";
import type { Access, Direction } from "../network/rule.ts";

export type SeenFlow = {
  /** 1.. within the life of a world. */
  readonly sequence: number;
  /** Milliseconds since 1970. */
  readonly time: number;
  /** Resource id of the group, and the rule of it that decided. */
  readonly group: string;
  readonly rule: string;
  readonly origin: "user" | "default";
  readonly direction: Direction;
  readonly access: Access;
  readonly protocol: "Tcp" | "Udp";
  readonly from: Ipv4;
  readonly to: Ipv4;
  readonly fromPort: number;
  readonly toPort: number;
  /** B: began, or was denied. C: goes on. E: ended. */
  readonly state: "B" | "C" | "E";
  /** Since the flow's line before; absent where it begins. */
  readonly counted?: FlowCount;
};

export type FlowCount = {
  readonly packetsOut: number;
  readonly bytesOut: number;
  readonly packetsIn: number;
  readonly bytesIn: number;
};

export type SeenFlows = {
  readonly flows: readonly SeenFlow[];
  /** Sequence number of the newest; smaller than asked for in a world that began anew. */
  readonly newest: number;
  /** Some were lost: more happened than is kept. */
  readonly isLossy: boolean;
};

/** Lines a fabric keeps until they are fetched. */
const MOST_KEPT = 20_000;

/** Numbers lines, and keeps the newest. */
export class FlowBook {
  #lines: SeenFlow[] = [];
  #newest = 0;

  add(line: Omit<SeenFlow, "sequence">): void {
    this.#newest += 1;
    this.#lines.push({ ...line, sequence: this.#newest });
    if (this.#lines.length > 2 * MOST_KEPT) this.#lines = this.#lines.slice(-MOST_KEPT);
  }

  after(sequence: number): SeenFlows {
    const from = sequence > this.#newest ? 0 : sequence;
    const flows = this.#lines.filter((line) => from < line.sequence);
    const oldest = flows[0]?.sequence ?? this.#newest + 1;
    return { flows, newest: this.#newest, isLossy: from + 1 < oldest && from < this.#newest };
  }
}
