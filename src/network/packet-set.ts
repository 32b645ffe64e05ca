/**
 * Packets, and exact sets of them as unions of boxes.
 *
 * A box is a product of five sets. It holds packets from IPv4 to IPv4 and from IPv6 to IPv6 only.
 * Only Tcp and Udp have ports: a box about some ports holds no packet of the other protocols.
 * Rules are in meaning.ts, and questions about many boxes in policy.ts.
 */
import { must } from "../base/problem.ts";
import {
  differenceOf,
  EVERYWHERE,
  holdsAddress,
  intersectionOf,
  singleAddress,
  type AddressSet,
  type AnyIp,
} from "./address-set.ts";
import { numberToIpv4 } from "./prefix.ts";
import { isIpv6, numberToIpv6 } from "./prefix6.ts";
import { rangeAlgebra, type Ranges } from "./ranges.ts";
import { ANY_PORT, PROTOCOLS, type IpProtocol, type PortRange } from "./rule.ts";

export type Packet = {
  readonly from: AnyIp;
  readonly to: AnyIp;
  readonly protocol: IpProtocol;
  /** 0 for protocols without ports. */
  readonly fromPort: number;
  readonly toPort: number;
};

export type PacketBox = {
  readonly from: AddressSet;
  readonly to: AddressSet;
  readonly protocols: readonly IpProtocol[];
  /** All of them whenever a protocol without ports is in the box. */
  readonly fromPorts: readonly PortRange[];
  readonly toPorts: readonly PortRange[];
};

/** The union of its boxes, which may overlap. */
export type PacketSet = readonly PacketBox[];

export const PORTS = rangeAlgebra<number>(65_535, 1);

export const ALL_PACKETS: PacketBox = {
  from: EVERYWHERE,
  to: EVERYWHERE,
  protocols: PROTOCOLS,
  fromPorts: [ANY_PORT],
  toPorts: [ANY_PORT],
};

/** What is not said is everything. */
export function boxOf(parts: Partial<PacketBox>): PacketBox {
  const box = { ...ALL_PACKETS, ...parts };
  const [fromPorts, toPorts] = [PORTS.normal(box.fromPorts), PORTS.normal(box.toPorts)];
  const allPorts = isAllPorts(fromPorts) && isAllPorts(toPorts);
  const protocols = allPorts ? box.protocols : box.protocols.filter(hasPorts);
  return { ...box, protocols, fromPorts, toPorts };
}

export function hasPorts(protocol: IpProtocol): boolean {
  return protocol === "Tcp" || protocol === "Udp";
}

export function isAllPorts(ports: readonly PortRange[]): boolean {
  return ports.some(({ low, high }) => low === 0 && high === 65_535);
}

export function isEmptyBox({ from, to, protocols, fromPorts, toPorts }: PacketBox): boolean {
  const joined =
    (from.v4.length > 0 && to.v4.length > 0) || (from.v6.length > 0 && to.v6.length > 0);
  return !joined || protocols.length === 0 || fromPorts.length === 0 || toPorts.length === 0;
}

export function holdsPacket(box: PacketBox, packet: Packet): boolean {
  if (!box.protocols.includes(packet.protocol)) return false;
  if (isIpv6(packet.from) !== isIpv6(packet.to)) return false;
  if (hasPorts(packet.protocol)) {
    if (!PORTS.holds(box.toPorts, packet.toPort)) return false;
    if (!PORTS.holds(box.fromPorts, packet.fromPort)) return false;
  }
  return holdsAddress(box.from, packet.from) && holdsAddress(box.to, packet.to);
}

/** @returns undefined when they have no packet in common */
export function intersectBoxes(one: PacketBox, other: PacketBox): PacketBox | undefined {
  const protocols = one.protocols.filter((protocol) => other.protocols.includes(protocol));
  if (protocols.length === 0) return undefined;
  const toPorts = PORTS.intersection(one.toPorts, other.toPorts);
  const fromPorts = PORTS.intersection(one.fromPorts, other.fromPorts);
  if (toPorts.length === 0 || fromPorts.length === 0) return undefined;
  const from = intersectionOf(one.from, other.from);
  const to = intersectionOf(one.to, other.to);
  const common = { from, to, protocols, fromPorts, toPorts };
  return isEmptyBox(common) ? undefined : common;
}

/** What is left of a box, in at most five boxes that do not overlap. */
export function subtractBox(box: PacketBox, without: PacketBox): readonly PacketBox[] {
  const common = intersectBoxes(box, without);
  if (common === undefined) return [box];
  const protocols = box.protocols.filter((protocol) => !without.protocols.includes(protocol));
  const inside = { ...box, protocols: common.protocols };
  const pieces: readonly PacketBox[] = [
    { ...box, protocols },
    { ...inside, to: differenceOf(box.to, without.to) },
    { ...inside, to: common.to, from: differenceOf(box.from, without.from) },
    {
      ...common,
      fromPorts: box.fromPorts,
      toPorts: PORTS.difference(box.toPorts, without.toPorts),
    },
    { ...common, fromPorts: PORTS.difference(box.fromPorts, without.fromPorts) },
  ];
  return pieces.filter((piece) => !isEmptyBox(piece));
}

/** The packets of a set that are in none of the boxes; the pieces do not overlap if the set's do not. */
export function subtractAll(set: PacketSet, without: PacketSet): PacketSet {
  return without.reduce<PacketSet>(
    (left, box) => left.flatMap((piece) => subtractBox(piece, box)),
    set,
  );
}

/** The same packets in boxes that do not overlap. */
export function disjoint(set: PacketSet): PacketSet {
  return set.reduce<PacketSet>((done, box) => [...done, ...subtractAll([box], done)], []);
}

/** How many packets, exactly; a protocol without ports counts one for all of its ports. */
export function countPackets(set: PacketSet): bigint {
  return countDisjoint(disjoint(set));
}

/** The same for boxes that do not overlap. */
export function countDisjoint(set: PacketSet): bigint {
  return set.reduce((sum, box) => sum + countBox(box), 0n);
}

function countBox({ from, to, protocols, fromPorts, toPorts }: PacketBox): bigint {
  const pairs = sizeOf(from.v4, 1) * sizeOf(to.v4, 1) + sizeOf(from.v6, 1n) * sizeOf(to.v6, 1n);
  const ports = sizeOf(fromPorts, 1) * sizeOf(toPorts, 1);
  const kinds = protocols.reduce((sum, one) => sum + (hasPorts(one) ? ports : 1n), 0n);
  return pairs * kinds;
}

function sizeOf<Num extends number | bigint>(ranges: Ranges<Num>, one: Num): bigint {
  return ranges.reduce((sum, { low, high }) => sum + BigInt(high) - BigInt(low) + BigInt(one), 0n);
}

/** The box of one packet. */
export function packetBox({ from, to, protocol, fromPort, toPort }: Packet): PacketBox {
  const port = (at: number) => (hasPorts(protocol) ? [{ low: at, high: at }] : [ANY_PORT]);
  return {
    from: singleAddress(from),
    to: singleAddress(to),
    protocols: [protocol],
    fromPorts: port(fromPort),
    toPorts: port(toPort),
  };
}

/** The lowest packet of a box. */
export function firstPacket({ from, to, protocols, fromPorts, toPorts }: PacketBox): Packet {
  const [protocol] = protocols;
  must(protocol !== undefined, "a box that is asked for a packet holds one");
  const ported = hasPorts(protocol);
  return {
    ...firstPair(from, to),
    protocol,
    fromPort: ported ? (fromPorts[0]?.low ?? 0) : 0,
    toPort: ported ? (toPorts[0]?.low ?? 0) : 0,
  };
}

function firstPair(from: AddressSet, to: AddressSet): Pick<Packet, "from" | "to"> {
  const [a4, b4, a6, b6] = [from.v4[0], to.v4[0], from.v6[0], to.v6[0]];
  if (a4 !== undefined && b4 !== undefined)
    return { from: numberToIpv4(a4.low), to: numberToIpv4(b4.low) };
  must(a6 !== undefined && b6 !== undefined, "a box that is asked for a packet holds one");
  return { from: numberToIpv6(a6.low), to: numberToIpv6(b6.low) };
}
