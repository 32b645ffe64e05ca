/**
 * Flows of one router as the kernel tells them: rules that log say how a flow begins or is denied,
 * conntrack says what it carried and when it ended.
 *
 * Stands only where a group is logged. What a line of a log looks like is not known here.
 */
import type { FlowBook, FlowCount, SeenFlow } from "../../../blueprint/seen-flows.ts";
import { numberToIpv4 } from "../../../network/prefix.ts";
import type { SecurityRule } from "../../../network/rule.ts";
import { NetfilterSocket } from "./netfilter.ts";
import {
  attributesOf,
  NetlinkWriter,
  NLM_F_ACK,
  NLM_F_DUMP,
  type Attributes,
} from "./netlink-writer.ts";
import { countFlows } from "./sysctl.ts";

/** Group of nfnetlink_log that logging rules tell. */
export const LOG_GROUP = 7;
const LOG_PACKET = 4 << 8;
const LOG_CONFIG = (4 << 8) | 1;
const GROUP_DESTROYED = 3;
const CONNTRACK_GET = (1 << 8) | 1;
const CONNTRACK_DELETED = (1 << 8) | 2;
const FAMILY_IP = 2;
/** As of Azure's. */
const GOES_ON_AFTER_MS = 5 * 60_000;
/** The kernel gathers what it tells for so long. */
const TOLD_WITHIN_CENTISECONDS = 10;
const LOOK_EVERY_MS = 5_000;
const MOST_OPEN = 50_000;

type Line = Omit<SeenFlow, "sequence" | "time" | "state" | "counted">;
type Open = { readonly lines: Line[]; told: number; counted: FlowCount };

const NOTHING: FlowCount = { packetsOut: 0, bytesOut: 0, packetsIn: 0, bytesIn: 0 };

export class FlowWatch {
  readonly #logged = new NetfilterSocket();
  readonly #ended = new NetfilterSocket();
  readonly #open = new Map<string, Open>();
  #looked = 0;
  readonly #ruleOf: (label: string) => SecurityRule | undefined;

  /** To be called standing in the router's namespace. @param ruleOf the rule a label stands for */
  constructor(ruleOf: (label: string) => SecurityRule | undefined) {
    this.#ruleOf = ruleOf;
    countFlows();
    this.#ended.listen(GROUP_DESTROYED);
    const to = new NetlinkWriter();
    const BIND = 1;
    const COPY_PACKET = 2;
    const HEADERS_BYTES = 64;
    const mode = Buffer.alloc(6);
    mode.writeUInt32BE(HEADERS_BYTES);
    mode.writeUInt8(COPY_PACKET, 4);
    const config = (write: () => void) => {
      to.begin(LOG_CONFIG, NLM_F_ACK, 0, LOG_GROUP);
      write();
      return to.finish();
    };
    const command = Buffer.from([BIND]);
    this.#logged.send(
      [
        config(() => to.raw(1, command)),
        config(() => to.raw(2, mode)),
        config(() => to.u32(4, TOLD_WITHIN_CENTISECONDS)),
      ],
      [],
    );
  }

  /** Writes down what was told since the last call. */
  tell(book: FlowBook, now: number): void {
    for (const { type, body } of this.#logged.heard().messages)
      if (type === LOG_PACKET) this.#begun(attributesOf(body), now, book);
    for (const { type, body } of this.#ended.heard().messages)
      if (type === CONNTRACK_DELETED) this.#over(attributesOf(body), now, book);
    if (this.#open.size === 0 || now < this.#looked + LOOK_EVERY_MS) return;
    this.#looked = now;
    // The kernel forgets what is over when somebody looks.
    this.#goOn(now, book);
  }

  /** Of several groups in one direction the last that allows speaks for the flow. */
  #begun(packet: Attributes, now: number, book: FlowBook): void {
    const label = packet.get(10)?.toString("latin1").replace(/\0$/, "") ?? "";
    const rule = this.#ruleOf(label);
    const ends = endsOfPacket(packet.get(9));
    if (rule === undefined || ends === undefined) return;
    const { access, direction, group, name, origin } = rule;
    const line: Line = { group, rule: name, origin, direction, access, ...ends };
    book.add({ ...line, time: now, state: "B" });
    if (access === "Deny") return;
    const key = keyOf(ends);
    const open = this.#open.get(key) ?? { lines: [], told: now, counted: NOTHING };
    open.lines.push(line);
    this.#open.set(key, open);
    for (const oldest of this.#open.keys()) {
      if (this.#open.size <= MOST_OPEN) break;
      this.#open.delete(oldest);
    }
  }

  #over(entry: Attributes, now: number, book: FlowBook): void {
    const key = keyOfEntry(entry);
    const open = key === undefined ? undefined : this.#open.get(key);
    if (key === undefined || open === undefined) return;
    this.#open.delete(key);
    const counted = since(open.counted, countOf(entry));
    for (const line of open.lines) book.add({ ...line, time: now, state: "E", counted });
  }

  #goOn(now: number, book: FlowBook): void {
    const request = new NetlinkWriter().begin(CONNTRACK_GET, NLM_F_DUMP, FAMILY_IP).finish();
    const standing = new Map<string, Attributes>();
    for (const body of this.#logged.dump(request)) {
      const entry = attributesOf(body);
      const key = keyOfEntry(entry);
      if (key !== undefined) standing.set(key, entry);
    }
    for (const [key, open] of this.#open) {
      if (now < open.told + GOES_ON_AFTER_MS) continue;
      const entry = standing.get(key);
      // Its end was not heard: it is over all the same.
      if (entry === undefined) {
        this.#open.delete(key);
        for (const line of open.lines)
          book.add({ ...line, time: now, state: "E", counted: NOTHING });
        continue;
      }
      const total = countOf(entry);
      const counted = since(open.counted, total);
      open.told = now;
      open.counted = total;
      for (const line of open.lines) book.add({ ...line, time: now, state: "C", counted });
    }
  }

  close(): void {
    this.#logged.close();
    this.#ended.close();
  }
}

type Ends = Pick<Line, "protocol" | "from" | "to" | "fromPort" | "toPort">;

function endsOfPacket(bytes: Buffer | undefined): Ends | undefined {
  if (bytes === undefined || bytes.length < 20) return undefined;
  const headerBytes = (bytes.readUInt8(0) & 15) * 4;
  const protocol = protocolOf(bytes.readUInt8(9));
  if (protocol === undefined || bytes.length < headerBytes + 4) return undefined;
  return {
    protocol,
    from: numberToIpv4(bytes.readUInt32BE(12)),
    to: numberToIpv4(bytes.readUInt32BE(16)),
    fromPort: bytes.readUInt16BE(headerBytes),
    toPort: bytes.readUInt16BE(headerBytes + 2),
  };
}

function protocolOf(number: number | undefined): Ends["protocol"] | undefined {
  if (number === 6) return "Tcp";
  return number === 17 ? "Udp" : undefined;
}

function keyOf({ protocol, from, to, fromPort, toPort }: Ends): string {
  return `${protocol} ${from}:${fromPort} ${to}:${toPort}`;
}

/** As gates saw it: the sender wrote the source, and who answers is who really received it. */
function keyOfEntry(entry: Attributes): string | undefined {
  const original = tupleOf(entry.get(1));
  const reply = tupleOf(entry.get(2));
  const protocol = original && protocolOf(original.protocol);
  if (original === undefined || reply === undefined || protocol === undefined) return undefined;
  return keyOf({
    protocol,
    from: numberToIpv4(original.from),
    fromPort: original.fromPort,
    to: numberToIpv4(reply.from),
    toPort: reply.fromPort,
  });
}

function tupleOf(bytes: Buffer | undefined) {
  if (bytes === undefined) return undefined;
  const tuple = attributesOf(bytes);
  const from = attributesOf(tuple.get(1) ?? Buffer.alloc(0))
    .get(1)
    ?.readUInt32BE();
  const spoken = attributesOf(tuple.get(2) ?? Buffer.alloc(0));
  if (from === undefined) return undefined;
  const fromPort = spoken.get(2)?.readUInt16BE() ?? 0;
  return { from, fromPort, protocol: spoken.get(1)?.readUInt8() };
}

function countOf(entry: Attributes): FlowCount {
  const [out, back] = [9, 10].map((type) => attributesOf(entry.get(type) ?? Buffer.alloc(0)));
  const number = (counters: Attributes | undefined, type: number) =>
    Number(counters?.get(type)?.readBigUInt64BE() ?? 0n);
  return {
    packetsOut: number(out, 1),
    bytesOut: number(out, 2),
    packetsIn: number(back, 1),
    bytesIn: number(back, 2),
  };
}

function since(before: FlowCount, now: FlowCount): FlowCount {
  return {
    packetsOut: Math.max(0, now.packetsOut - before.packetsOut),
    bytesOut: Math.max(0, now.bytesOut - before.bytesOut),
    packetsIn: Math.max(0, now.packetsIn - before.packetsIn),
    bytesIn: Math.max(0, now.bytesIn - before.bytesIn),
  };
}
