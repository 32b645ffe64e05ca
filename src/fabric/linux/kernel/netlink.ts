/**
 * rtnetlink: links, addresses, routes and policy rules, spoken directly.
 *
 * One `Rtnetlink` talks to one namespace. Messages are queued and sent as one batch with one
 * acknowledgement each; the kernel carries them out in order. What they are for is not known here.
 */
import { closeSync } from "node:fs";

import { cidrAround, ipv4ToNumber, type Cidr, type Ipv4 } from "../../../network/prefix.ts";
import { netlinkSocket, receive, send, SystemCallError, type Namespace } from "./libc.ts";

const NETLINK_ROUTE = 0;
const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_GETLINK = 18;
const RTM_NEWADDR = 20;
const RTM_DELADDR = 21;
const RTM_NEWROUTE = 24;
const RTM_DELROUTE = 25;
const RTM_NEWRULE = 32;
const RTM_DELRULE = 33;
const NLM_F_REQUEST = 1;
const NLM_F_ACK = 4;
const NLM_F_REPLACE = 0x100;
const NLM_F_EXCL = 0x200;
const NLM_F_CREATE = 0x400;
const NLMSG_ERROR = 2;
const AF_INET = 2;
const IFF_UP = 1;
const IFF_NOARP = 0x80;

/** With NOARP the kernel writes its own address as the destination; both ends bear the same one. */
const LINK_ADDRESS = Buffer.from([0x12, 0x34, 0x56, 0x78, 0x9a, 0xbc]);
/** One size on all links of a path; with 1500 large bodies cost three times as much. */
const LINK_MTU = 65_535;

export const MAIN_TABLE = 254;
const LOOPBACK_INDEX = 1;

export type RouteKind = "unicast" | "blackhole" | "unreachable" | "throw";
const ROUTE_TYPES: Record<RouteKind, number> = {
  unicast: 1,
  blackhole: 6,
  unreachable: 7,
  throw: 9,
};

export type KernelRoute = {
  readonly prefix: Cidr;
  readonly kind: RouteKind;
  readonly table: number;
  /** Index of the link, of unicast routes. */
  readonly link?: number;
  readonly gateway?: Ipv4;
  readonly source?: Ipv4;
};

export type PolicyRule = { readonly table: number; readonly priority: number } & (
  | { readonly mark: number }
  /** Name of the link that a packet came in by. */
  | { readonly from: string }
);

export type LinkEnd = { readonly index: number; readonly name: string };

export class Rtnetlink {
  readonly #fd: number;
  readonly #answer = Buffer.alloc(1 << 16);
  #queue: Buffer[] = [];
  #sequence = 0;

  /** To be called standing in the namespace it shall talk to. */
  constructor() {
    this.#fd = netlinkSocket(NETLINK_ROUTE);
  }

  close(): void {
    closeSync(this.#fd);
  }

  /** A pair of linked ends, one here and one in another namespace. Both are down. */
  addPair(
    here: LinkEnd & { readonly group: number },
    there: LinkEnd & { readonly group: number; readonly namespace: Namespace },
  ): void {
    const peer = Buffer.concat([
      interfaceMessage(there.index, 0, 0),
      text(IFLA_IFNAME, there.name),
      u32(IFLA_MTU, LINK_MTU),
      u32(IFLA_GROUP, there.group),
      attribute(IFLA_ADDRESS, LINK_ADDRESS),
      u32(IFLA_NET_NS_FD, there.namespace.fd),
    ]);
    const data = attribute(VETH_INFO_PEER, peer);
    const info = Buffer.concat([text(IFLA_INFO_KIND, "veth"), attribute(IFLA_INFO_DATA, data)]);
    this.#add(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, [
      interfaceMessage(here.index, 0, 0),
      text(IFLA_IFNAME, here.name),
      u32(IFLA_MTU, LINK_MTU),
      u32(IFLA_GROUP, here.group),
      attribute(IFLA_ADDRESS, LINK_ADDRESS),
      attribute(IFLA_LINKINFO, info),
    ]);
  }

  linkUp(index: number): void {
    const noArp = index === LOOPBACK_INDEX ? 0 : IFF_NOARP;
    this.#add(RTM_NEWLINK, 0, [interfaceMessage(index, IFF_UP | noArp, IFF_UP | noArp)]);
  }

  /** Takes the other end along; the kernel takes its time meanwhile. */
  removeLink(index: number): void {
    this.#add(RTM_DELLINK, 0, [interfaceMessage(index, 0, 0)]);
  }

  loopbackUp(): void {
    this.linkUp(LOOPBACK_INDEX);
  }

  /**
   * Until a link whose other end has just come up carries packets: the kernel notices on its own
   * time and drops them before, and a lost first packet of TCP costs a second. Bounded; a link
   * that does not come up is found by who uses it.
   */
  waitForLink(index: number): void {
    for (const deadline = Date.now() + LINK_UP_WITHIN_MS; Date.now() < deadline;) {
      // Being asked makes newer kernels notice at once.
      const header = Buffer.alloc(16);
      header.writeUInt32LE(32, 0);
      header.writeUInt16LE(RTM_GETLINK, 4);
      header.writeUInt16LE(NLM_F_REQUEST, 6);
      header.writeUInt32LE((this.#sequence += 1), 8);
      send(this.#fd, Buffer.concat([header, interfaceMessage(index, 0, 0)]));
      const length = receive(this.#fd, this.#answer);
      if (
        this.#answer.readUInt16LE(4) !== RTM_NEWLINK ||
        isOperational(this.#answer.subarray(32, length))
      )
        return;
    }
  }

  addAddress(address: Ipv4, link: number = LOOPBACK_INDEX): void {
    this.#address(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE, address, link);
  }

  removeAddress(address: Ipv4, link: number = LOOPBACK_INDEX): void {
    this.#address(RTM_DELADDR, 0, address, link);
  }

  #address(type: number, flags: number, address: Ipv4, link: number): void {
    const header = Buffer.alloc(8);
    header.writeUInt8(AF_INET, 0);
    header.writeUInt8(32, 1);
    header.writeUInt32LE(link, 4);
    const bytes = addressBytes(address);
    this.#add(type, flags, [header, attribute(IFA_ADDRESS, bytes), attribute(IFA_LOCAL, bytes)]);
  }

  putRoute(route: KernelRoute): void {
    this.#route(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, route);
  }

  removeRoute(route: KernelRoute): void {
    this.#route(RTM_DELROUTE, 0, route);
  }

  #route(
    type: number,
    flags: number,
    { prefix, kind, table, link, gateway, source }: KernelRoute,
  ): void {
    const [address, length] = prefix.split("/") as [Ipv4, string];
    const header = Buffer.alloc(12);
    header.writeUInt8(AF_INET, 0);
    header.writeUInt8(Number(length), 1);
    header.writeUInt8(table < 256 ? table : 0, 4);
    header.writeUInt8(ROUTE_PROTOCOL, 5);
    header.writeUInt8(gateway !== undefined || kind !== "unicast" ? SCOPE_UNIVERSE : SCOPE_LINK, 6);
    header.writeUInt8(ROUTE_TYPES[kind], 7);
    header.writeUInt32LE(gateway === undefined ? 0 : RTNH_F_ONLINK, 8);
    this.#add(type, flags, [
      header,
      attribute(RTA_DST, addressBytes(address)),
      u32(RTA_TABLE, table),
      ...(link === undefined ? [] : [u32(RTA_OIF, link)]),
      ...(gateway === undefined ? [] : [attribute(RTA_GATEWAY, addressBytes(gateway))]),
      ...(source === undefined ? [] : [attribute(RTA_PREFSRC, addressBytes(source))]),
    ]);
  }

  /** Packets with a mark, or from a link, look into a table of their own. */
  addRule(rule: PolicyRule): void {
    this.#rule(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, rule);
  }

  removeRule(rule: PolicyRule): void {
    this.#rule(RTM_DELRULE, 0, rule);
  }

  #rule(type: number, flags: number, rule: PolicyRule): void {
    const header = Buffer.alloc(12);
    header.writeUInt8(AF_INET, 0);
    header.writeUInt8(FR_ACT_TO_TBL, 7);
    this.#add(type, flags, [
      header,
      u32(FRA_PRIORITY, rule.priority),
      "from" in rule ? text(FRA_IIFNAME, rule.from) : u32(FRA_FWMARK, rule.mark),
      u32(FRA_TABLE, rule.table),
    ]);
  }

  #add(type: number, flags: number, parts: readonly Buffer[]): void {
    const body = Buffer.concat(parts);
    const header = Buffer.alloc(16);
    header.writeUInt32LE(16 + body.length, 0);
    header.writeUInt16LE(type, 4);
    header.writeUInt16LE(flags | NLM_F_REQUEST | NLM_F_ACK, 6);
    header.writeUInt32LE((this.#sequence += 1), 8);
    this.#queue.push(header, body);
  }

  /**
   * Sends what is queued and waits for all acknowledgements.
   * @param forgiven error codes that mean "it is so already"
   */
  flush(forgiven: readonly string[] = []): void {
    const messages = this.#queue;
    this.#queue = [];
    let failed: SystemCallError | undefined;
    for (let start = 0; start < messages.length; start += 2 * BATCH) {
      const batch = messages.slice(start, start + 2 * BATCH);
      send(this.#fd, Buffer.concat(batch));
      for (let expected = batch.length / 2; expected > 0;) {
        const length = receive(this.#fd, this.#answer);
        for (let at = 0; at < length;) {
          const size = this.#answer.readUInt32LE(at);
          if (this.#answer.readUInt16LE(at + 4) === NLMSG_ERROR) {
            const code = -this.#answer.readInt32LE(at + 16);
            const error = code === 0 ? undefined : new SystemCallError("netlink", code);
            if (error !== undefined && !forgiven.includes(error.code)) failed ??= error;
            expected -= 1;
          }
          at += (size + 3) & ~3;
        }
      }
    }
    if (failed !== undefined) throw failed;
  }
}

const LINK_UP_WITHIN_MS = 200;
/** Messages sent at once: their acknowledgements fit into one receive buffer. */
const BATCH = 64;
/** Marks routes as ours. */
const ROUTE_PROTOCOL = 0xa5;
const SCOPE_UNIVERSE = 0;
const SCOPE_LINK = 253;
const RTNH_F_ONLINK = 4;
const FR_ACT_TO_TBL = 1;
const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_OPERSTATE = 16;
const IFLA_LINKINFO = 18;
const IFLA_GROUP = 27;
const IFLA_NET_NS_FD = 28;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const VETH_INFO_PEER = 1;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_PREFSRC = 7;
const RTA_TABLE = 15;
const FRA_IIFNAME = 3;
const FRA_PRIORITY = 6;
const FRA_FWMARK = 10;
const FRA_TABLE = 15;

function interfaceMessage(index: number, flags: number, change: number): Buffer {
  const header = Buffer.alloc(16);
  header.writeInt32LE(index, 4);
  header.writeUInt32LE(flags, 8);
  header.writeUInt32LE(change, 12);
  return header;
}

function isOperational(attributes: Buffer): boolean {
  const IF_OPER_UP = 6;
  for (let at = 0; at + 4 <= attributes.length;) {
    const size = attributes.readUInt16LE(at);
    if (attributes.readUInt16LE(at + 2) === IFLA_OPERSTATE)
      return attributes.readUInt8(at + 4) === IF_OPER_UP;
    at += Math.max(4, (size + 3) & ~3);
  }
  return false;
}

function attribute(type: number, value: Buffer): Buffer {
  const bytes = Buffer.alloc((4 + value.length + 3) & ~3);
  bytes.writeUInt16LE(4 + value.length, 0);
  bytes.writeUInt16LE(type, 2);
  value.copy(bytes, 4);
  return bytes;
}

function text(type: number, value: string): Buffer {
  return attribute(type, Buffer.from(`${value}\0`));
}

function u32(type: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return attribute(type, bytes);
}

function addressBytes(address: Ipv4): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(ipv4ToNumber(address));
  return bytes;
}

/** One address as a prefix. */
export function hostPrefix(address: Ipv4): Cidr {
  return cidrAround(address, 32);
}
