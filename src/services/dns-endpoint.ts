/**
 * A DNS server (UDP and TCP) for the names its description holds. It asks nobody else.
 *
 * Private zones of the network it stands in come first; how a name is found in them is
 * network/names.ts. Of the public names: exact ones, then the nearest `*.` above. Other types of
 * a known name: an answer without records; unknown names: NXDOMAIN.
 */
import { type Answer as WireRecord, AUTHORITATIVE_ANSWER, decode, encode } from "dns-packet";
import type { Packet } from "dns-packet";
import type { Socket } from "node:net";

import type { Result } from "../base/problem.ts";
import { RECORD_TYPES, resolveName, type NameRecord, type Zone } from "../network/names.ts";
import type { Ipv4 } from "../network/prefix.ts";
import type { Serving } from "./endpoints.ts";

/** Short: names change while people watch. */
const TTL_SECONDS = 5;
const NXDOMAIN = 3;
const NOT_IMPLEMENTED = 4;
const FORMAT_ERROR = 1;
/** RD, copied into the answer. */
const RECURSION_DESIRED = 0x01_00;
const RECURSION_AVAILABLE = 0x00_80;

/** What is known where a question arrives. */
type Known = { readonly names: Readonly<Record<string, Ipv4>>; readonly zones: readonly Zone[] };

export async function serveNames(serving: Serving): Promise<Result<"listening">> {
  const { current, listeners, network = "" } = serving;
  const { address, port } = current();
  const answer = (message: Buffer) => {
    const { names = {}, zones = {} } = current();
    return encodedAnswer(message, { names, zones: zones[network] ?? [] });
  };
  const datagrams = await listeners.receive({ address, port }, answer);
  if (!datagrams.ok) return datagrams;
  return listeners.accept({ address, port }, (socket) =>
    answerStream(socket, async (message) => answer(message)),
  );
}

/** Finds the address of a name, `*.` names included. */
export function addressOf(name: string, names: Readonly<Record<string, Ipv4>>): Ipv4 | undefined {
  const labels = name.toLowerCase().replace(/\.$/, "").split(".");
  const candidates = [
    labels.join("."),
    ...labels.slice(1).map((_, index) => `*.${labels.slice(index + 1).join(".")}`),
  ];
  const known = candidates.find((candidate) => Object.hasOwn(names, candidate));
  return known === undefined ? undefined : names[known];
}

/** A name that was read need not be one that can be written: then nothing is answered. */
function encodedAnswer(message: Buffer, known: Known): Buffer | undefined {
  const packet = answerQuery(message, known);
  try {
    return packet && encode(packet);
  } catch {
    return undefined;
  }
}

function answerQuery(message: Buffer, known: Known): Packet | undefined {
  const query = readQuery(message);
  if (query === "unreadable")
    return message.length < 12 ? undefined : refusal(message.readUInt16BE(0), FORMAT_ERROR);
  // An answer is never answered: two servers would talk forever.
  if (query.type === "response") return undefined;
  const [question, ...more] = query.questions ?? [];
  if (question === undefined || more.length > 0) return refusal(query.id ?? 0, FORMAT_ERROR);
  const isOrdinary = query.opcode === "QUERY" && (question.class ?? "IN") === "IN";
  if (!isOrdinary) return { ...refusal(query.id ?? 0, NOT_IMPLEMENTED), questions: [question] };
  const asked = (query.flags ?? 0) & RECURSION_DESIRED;
  const { code, records, authority } = resolveName(
    { name: question.name, type: typeAsked(question.type) },
    known.zones,
    (name) => publicRecords(name, known.names),
  );
  const isKnown = code === "found";
  return {
    type: "response",
    id: query.id,
    flags: AUTHORITATIVE_ANSWER | RECURSION_AVAILABLE | asked | (isKnown ? 0 : NXDOMAIN),
    questions: [question],
    // The name comes back in the casing in which it was asked.
    answers: records.map((record, index) =>
      wireRecord(index === 0 ? { ...record, name: question.name } : record),
    ),
    authorities: authority === undefined ? [] : [wireRecord(authority)],
  };
}

function typeAsked(type: string): Parameters<typeof resolveName>[0]["type"] {
  return RECORD_TYPES.find((one) => one === type) ?? (type === "ANY" ? "ANY" : "other");
}

function publicRecords(name: string, names: Known["names"]): readonly NameRecord[] | undefined {
  const address = addressOf(name, names);
  return address && [{ name, ttlSeconds: TTL_SECONDS, data: { type: "A", address } }];
}

function wireRecord({ name, ttlSeconds: ttl, data }: NameRecord): WireRecord {
  const common = { name, ttl };
  switch (data.type) {
    case "A":
    case "AAAA":
      return { ...common, type: data.type, data: data.address };
    case "CNAME":
    case "PTR":
      return { ...common, type: data.type, data: data.target };
    case "MX":
      return {
        ...common,
        type: "MX",
        data: { preference: data.preference, exchange: data.exchange },
      };
    case "SRV": {
      const { priority, weight, port, target } = data;
      return { ...common, type: "SRV", data: { priority, weight, port, target } };
    }
    case "TXT":
      return { ...common, type: "TXT", data: [...data.texts] };
    case "SOA":
      return {
        ...common,
        type: "SOA",
        data: {
          mname: data.host,
          rname: data.email,
          serial: data.serial,
          refresh: data.refreshSeconds,
          retry: data.retrySeconds,
          expire: data.expireSeconds,
          minimum: data.minimumSeconds,
        },
      };
  }
}

type Query = Packet & { readonly opcode?: string; readonly rcode?: string };

function readQuery(message: Buffer): Query | "unreadable" {
  try {
    return decode(message);
  } catch {
    return "unreadable";
  }
}

function refusal(id: number, code: number): Packet {
  return { type: "response", id, flags: code, questions: [], answers: [] };
}

/** Over TCP every message is preceded by its length. */
export function answerStream(
  socket: Socket,
  answer: (message: Buffer) => Promise<Buffer | undefined>,
): void {
  let rest: Buffer = Buffer.alloc(0);
  const reply = (answered: Buffer | undefined) => {
    if (answered === undefined || socket.writableLength > 65_536) socket.destroy();
    else if (socket.writable) socket.write(withLength(answered));
  };
  socket.on("data", (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) {
      const end = 2 + rest.readUInt16BE(0);
      void answer(rest.subarray(2, end)).then(reply, () => socket.destroy());
      rest = rest.subarray(end);
    }
  });
}

/** As messages go over TCP. */
export function withLength(message: Buffer): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(message.length);
  return Buffer.concat([length, message]);
}

/** One query for the address of a name, as the probe sends it. */
export function encodeQuery(id: number, name: string): Buffer {
  return encode({
    type: "query",
    id,
    flags: RECURSION_DESIRED,
    questions: [{ type: "A", name }],
  });
}

/** The first address of an answer to our query; a reason when there is none. */
export function readAnswer(
  message: Buffer,
  id: number,
): { readonly address: string } | { readonly reason: string } | "not ours" {
  const answer = readQuery(message);
  if (answer === "unreadable" || answer.type !== "response" || answer.id !== id) return "not ours";
  if (answer.rcode !== "NOERROR")
    return { reason: `the answer was ${answer.rcode ?? "unreadable"}` };
  const record = answer.answers?.find((each) => each.type === "A");
  return record?.type === "A" && "data" in record
    ? { address: record.data }
    : { reason: "the answer holds no address" };
}
