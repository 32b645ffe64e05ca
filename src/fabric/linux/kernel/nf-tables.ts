/**
 * Messages of nf_tables: chains, rules, sets and elements of one table, as bytes.
 *
 * For what is large or changes often; libnftables reads whole sets before each command. Skeletons
 * are written as text (nft.ts). Which rules there are is not known here.
 */
import type { AddressRange } from "../../../network/prefix.ts";
import {
  attributeList,
  attributesOf,
  NetlinkWriter,
  NLM_F_APPEND,
  NLM_F_CREATE,
  NLM_F_DUMP,
} from "./netlink-writer.ts";

const SUBSYSTEM = 10 << 8;
const NEWCHAIN = SUBSYSTEM | 3;
const DELCHAIN = SUBSYSTEM | 5;
const NEWRULE = SUBSYSTEM | 6;
const GETRULE = SUBSYSTEM | 7;
const DELRULE = SUBSYSTEM | 8;
const NEWSET = SUBSYSTEM | 9;
const DELSET = SUBSYSTEM | 11;
const NEWSETELEM = SUBSYSTEM | 12;
const DELSETELEM = SUBSYSTEM | 14;
const FAMILY_IP = 2;

const REGISTER = 1;
const VERDICT_REGISTER = 0;
const VERDICTS = { drop: 0, return: -5 } as const;
const JUMP = -3;

/** A field of a packet that rules compare. */
export type Field =
  | "source"
  | "destination"
  | "original destination"
  | "source port"
  | "destination port"
  | "original destination port";

export type Expression =
  | { readonly match: Field; readonly within: AddressRange }
  | { readonly match: Field; readonly set: string }
  /** The number of the protocol, or a set of numbers. */
  | { readonly protocol: number }
  | { readonly protocolSet: string };

export type TableRule = {
  readonly expressions: readonly Expression[];
  readonly verdict: keyof typeof VERDICTS;
  /** Shown by `nft list`, and read back with the counter. Short, and ASCII. */
  readonly comment: string;
  /** Told to a group of nfnetlink_log with this label, whenever it decides. */
  readonly log?: { readonly group: number; readonly label: string };
};

export type SetKind = "addresses" | "ports";
const SET_KEYS = { addresses: { type: 7, length: 4 }, ports: { type: 13, length: 2 } } as const;
const LAST = { addresses: 0xffff_ffff, ports: 0xffff } as const;

/** Elements of one message: the length of their attribute is a 16 bit number. */
const ELEMENTS_PER_MESSAGE = 2_000;

export class TableMessages {
  readonly #table: string;
  readonly #writer = new NetlinkWriter();
  #setNumber = 0;

  constructor(table: string) {
    this.#table = table;
  }

  addChain(name: string): Buffer {
    return this.#begin(NEWCHAIN, NLM_F_CREATE).text(3, name).finish();
  }

  /** With its rules; what jumps there must be gone before, in the same transaction at the latest. */
  removeChain(name: string): readonly Buffer[] {
    return [
      this.#begin(DELRULE, 0).text(2, name).finish(),
      this.#begin(DELCHAIN, 0).text(3, name).finish(),
    ];
  }

  /** @param before handle of the rule that shall follow; otherwise the new one is the last */
  addRule(
    chain: string,
    { expressions, verdict, comment, log }: TableRule,
    before?: bigint,
  ): Buffer {
    const to = this.#begin(NEWRULE, NLM_F_CREATE | (before === undefined ? NLM_F_APPEND : 0)).text(
      2,
      chain,
    );
    if (before !== undefined) to.u64(6, before);
    to.nest(4, () => {
      for (const expression of expressions) this.#expression(expression);
      if (log !== undefined) this.#part("log", () => to.u16(1, log.group).text(2, log.label));
      // A counter costs memory on every processor; only denials are asked for.
      to.constant(verdict, () => {
        if (verdict === "drop") this.#part("counter", () => undefined);
        this.#part("immediate", () =>
          to.u32(1, VERDICT_REGISTER).nest(2, () => to.nest(2, () => to.u32(1, VERDICTS[verdict]))),
        );
      });
    });
    return to.text(7, `\0${String.fromCharCode(comment.length + 1)}${comment}`).finish();
  }

  removeRule(chain: string, handle: bigint): Buffer {
    return this.#begin(DELRULE, 0).text(2, chain).u64(3, handle).finish();
  }

  #expression(expression: Expression): void {
    const to = this.#writer;
    if ("match" in expression) {
      const { match } = expression;
      to.constant(match, () => this.#load(match));
      if ("set" in expression) this.#lookup(expression.set);
      else this.#compareRange(match, expression.within);
      return;
    }
    const L4PROTO = 16;
    to.constant("protocol", () => this.#part("meta", () => to.u32(1, REGISTER).u32(2, L4PROTO)));
    if ("protocolSet" in expression) this.#lookup(expression.protocolSet);
    else this.#compare(expression.protocol, 1);
  }

  #load(field: Field): void {
    const to = this.#writer;
    if (field === "original destination" || field === "original destination port") {
      this.#part("ct", () => to.u32(1, REGISTER).u32(2, TRACKED[field]).u8(3, 0));
      return;
    }
    const { base, offset, length } = FIELDS[field];
    this.#part("payload", () => to.u32(1, REGISTER).u32(2, base).u32(3, offset).u32(4, length));
  }

  #compareRange(field: Field, { low, high }: AddressRange): void {
    const length = field.endsWith("port") ? 2 : 4;
    if (low === high) return this.#compare(low, length);
    const to = this.#writer;
    this.#part("range", () =>
      to
        .u32(1, REGISTER)
        .u32(2, EQUAL)
        .nest(3, () => to.number(1, low, length))
        .nest(4, () => to.number(1, high, length)),
    );
  }

  #compare(value: number, length: number): void {
    const to = this.#writer;
    this.#part("cmp", () =>
      to
        .u32(1, REGISTER)
        .u32(2, EQUAL)
        .nest(3, () => to.number(1, value, length)),
    );
  }

  #lookup(set: string): void {
    this.#part("lookup", () => this.#writer.text(1, set).u32(2, REGISTER));
  }

  #part(name: string, write: () => void): void {
    const to = this.#writer;
    to.nest(1, () => to.constant(`part ${name}`, () => to.text(1, name)).nest(2, write));
  }

  /** A set of ranges, sorted and apart from each other. */
  addSet(name: string, kind: SetKind, ranges: readonly AddressRange[]): readonly Buffer[] {
    const INTERVAL = 4;
    const { type, length } = SET_KEYS[kind];
    const created = this.#begin(NEWSET, NLM_F_CREATE)
      .text(2, name)
      .u32(3, INTERVAL)
      .u32(4, type)
      .u32(5, length)
      .u32(10, (this.#setNumber += 1))
      .finish();
    const messages = [created];
    for (let start = 0; start < ranges.length; start += ELEMENTS_PER_MESSAGE / 2) {
      const some = ranges.slice(start, start + ELEMENTS_PER_MESSAGE / 2);
      const to = this.#begin(NEWSETELEM, NLM_F_CREATE).text(2, name);
      to.nest(3, () => {
        for (const { low, high } of some) {
          this.#element(low, length);
          // The end is the first value that is not inside any more; the last value needs none.
          if (high < LAST[kind]) this.#element(high + 1, length, "end");
        }
      });
      messages.push(to.finish());
    }
    return messages;
  }

  #element(value: number, length: number, end?: "end"): void {
    const INTERVAL_END = 1;
    const KEY = 8;
    const ended = end === undefined ? 0 : 8;
    const to = this.#writer
      .open(1, 4 + KEY + ended)
      .open(1, KEY)
      .number(1, value, length);
    if (ended > 0) to.u32(3, INTERVAL_END);
  }

  removeSet(name: string): Buffer {
    return this.#begin(DELSET, 0).text(2, name).finish();
  }

  /** In a map of interface groups to verdicts. */
  addJump(map: string, group: number, chain: string): Buffer {
    const to = this.#begin(NEWSETELEM, NLM_F_CREATE).text(2, map);
    to.nest(3, () =>
      to.nest(1, () => {
        to.nest(1, () => to.u32Own(1, group));
        to.nest(2, () => to.nest(2, () => to.u32(1, JUMP).text(2, chain)));
      }),
    );
    return to.finish();
  }

  removeJump(map: string, group: number): Buffer {
    const to = this.#begin(DELSETELEM, 0).text(2, map);
    return to.nest(3, () => to.nest(1, () => to.nest(1, () => to.u32Own(1, group)))).finish();
  }

  listRules(chain: string): Buffer {
    return this.#begin(GETRULE, NLM_F_DUMP).text(2, chain).finish();
  }

  #begin(type: number, flags: number): NetlinkWriter {
    return this.#writer.begin(type, flags, FAMILY_IP).text(1, this.#table);
  }
}

const EQUAL = 0;

const NETWORK_HEADER = 1;
const TRANSPORT_HEADER = 2;
/** What conntrack knows of the first packet of a flow. */
const TRACKED = { "original destination": 20, "original destination port": 12 } as const;
const FIELDS = {
  source: { base: NETWORK_HEADER, offset: 12, length: 4 },
  destination: { base: NETWORK_HEADER, offset: 16, length: 4 },
  "source port": { base: TRANSPORT_HEADER, offset: 0, length: 2 },
  "destination port": { base: TRANSPORT_HEADER, offset: 2, length: 2 },
} as const;

/** Names of the sets a rule looks into. */
export function setsOf({ expressions }: TableRule): readonly string[] {
  return expressions.flatMap((expression) => ("set" in expression ? [expression.set] : []));
}

/** What an answer to `listRules` says of one rule; only those with a counter count. */
export function countedRule(answer: Buffer): {
  readonly handle: bigint;
  readonly comment: string;
  readonly packets: number;
} {
  const rule = attributesOf(answer);
  const expressions = attributeList(rule.get(4) ?? Buffer.alloc(0)).map(([, part]) =>
    attributesOf(part),
  );
  const counter = expressions
    .find((part) => part.get(1)?.toString("latin1") === "counter\0")
    ?.get(2);
  const packets = counter && attributesOf(counter).get(2);
  return {
    handle: rule.get(3)?.readBigUInt64BE() ?? 0n,
    comment: rule.get(7)?.subarray(2, -1).toString() ?? "",
    packets: packets === undefined ? 0 : Number(packets.readBigUInt64BE()),
  };
}
