/**
 * Established flows of a router: cuts those that changed rules deny now.
 *
 * The law decides, with what conntrack knows of a flow. Without its entry the rest of a TCP flow
 * is invalid and dropped, and the next datagram of a UDP flow is new and judged by the rules.
 */
import { compileRules } from "../../../network/evaluate.ts";
import type { TagMeaning } from "../../../network/meaning.ts";
import type { Packet } from "../../../network/packet-set.ts";
import { contains, numberToIpv4, type Ipv4 } from "../../../network/prefix.ts";
import type { Guarded } from "./gates.ts";
import type { NetfilterSocket } from "./netfilter.ts";
import { attributesOf, NetlinkWriter, NLM_F_DUMP, type Attributes } from "./netlink-writer.ts";

const GET = (1 << 8) | 1;
const DELETE = (1 << 8) | 2;
const FAMILY_IP = 2;
const TUPLE_ORIGINAL = 1;
const TUPLE_REPLY = 2;
const ENTRY_ID = 12;
const NESTED = 0x8000;

const PROTOCOLS: Readonly<Record<number, Packet["protocol"]>> = {
  1: "Icmp",
  6: "Tcp",
  17: "Udp",
  50: "Esp",
  51: "Ah",
};

type Tuple = Packet & { readonly from: Ipv4; readonly to: Ipv4 };
type Entry = { readonly original: Tuple; readonly reply: Tuple; readonly attributes: Attributes };

/** @param guarded those whose rules changed and whose group wants flows judged again */
export function cutDeniedFlows(
  netfilter: NetfilterSocket,
  guarded: readonly (Guarded & { readonly meaning: TagMeaning })[],
): void {
  const gates = guarded
    .filter(({ rules }) => rules.length > 0)
    .map(({ prefix, rules, meaning }) => ({ prefix, evaluate: compileRules(rules, meaning) }));
  const denied = readEntries(netfilter).filter(({ original, reply }) =>
    gates.some(({ prefix, evaluate }) => {
      // Outbound rules see what the sender wrote, inbound rules who really receives.
      const received: Tuple = { ...original, to: reply.from, toPort: reply.fromPort };
      return (
        (contains(prefix, original.from) && evaluate("Outbound", original)?.access === "Deny") ||
        (contains(prefix, received.to) && evaluate("Inbound", received)?.access === "Deny")
      );
    }),
  );
  netfilter.send(denied.map(deletion), ["ENOENT"]);
}

function readEntries(netfilter: NetfilterSocket): readonly Entry[] {
  return netfilter
    .dump(new NetlinkWriter().begin(GET, NLM_F_DUMP, FAMILY_IP).finish())
    .flatMap((answer) => {
      const attributes = attributesOf(answer);
      const original = tupleOf(attributes.get(TUPLE_ORIGINAL));
      const reply = tupleOf(attributes.get(TUPLE_REPLY));
      return original === undefined || reply === undefined ? [] : [{ original, reply, attributes }];
    });
}

function deletion({ attributes }: Entry): Buffer {
  const message = new NetlinkWriter().begin(DELETE, 0, FAMILY_IP);
  const tuple = attributes.get(TUPLE_ORIGINAL);
  const id = attributes.get(ENTRY_ID);
  if (tuple !== undefined) message.raw(TUPLE_ORIGINAL | NESTED, tuple);
  // The very entry that was judged, not one that took its place meanwhile.
  if (id !== undefined) message.raw(ENTRY_ID, id);
  return message.finish();
}

function tupleOf(bytes: Buffer | undefined): Tuple | undefined {
  if (bytes === undefined) return undefined;
  const tuple = attributesOf(bytes);
  const addresses = attributesOf(tuple.get(1) ?? Buffer.alloc(0));
  const protocol = attributesOf(tuple.get(2) ?? Buffer.alloc(0));
  const from = addressOf(addresses.get(1));
  const to = addressOf(addresses.get(2));
  const known = PROTOCOLS[protocol.get(1)?.readUInt8() ?? 0];
  if (from === undefined || to === undefined || known === undefined) return undefined;
  const port = (type: number) => protocol.get(type)?.readUInt16BE() ?? 0;
  return { from, to, protocol: known, fromPort: port(2), toPort: port(3) };
}

function addressOf(bytes: Buffer | undefined): Ipv4 | undefined {
  return bytes === undefined ? undefined : numberToIpv4(bytes.readUInt32BE());
}
