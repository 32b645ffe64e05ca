/**
 * One packet of a set that stands for all of it: the most ordinary one, so that people recognise it.
 */
import { holdsAddress, type AddressSet, type AnyIp } from "../network/address-set.ts";
import { firstPacket, hasPorts, type Packet, type PacketBox } from "../network/packet-set.ts";
import type { PortRange } from "../network/rule.ts";

/** What clients take when nobody tells them which. */
const CLIENT_PORT = 50_000;

/** @param preferred addresses that people know: hosts of the subnet, management addresses */
export function witnessOf(box: PacketBox, preferred: readonly AnyIp[]): Packet {
  const first = firstPacket(box);
  const known = (set: AddressSet, otherwise: AnyIp, but?: AnyIp) =>
    preferred.find((address) => address !== but && holdsAddress(set, address)) ?? otherwise;
  const from = known(box.from, first.from);
  const to = known(box.to, first.to, from);
  // Families are not mixed: what was found must fit together.
  const fits = from.includes(":") === to.includes(":");
  const ported = hasPorts(first.protocol);
  return {
    protocol: first.protocol,
    from: fits ? from : first.from,
    to: fits ? to : first.to,
    fromPort: ported ? clientPort(box.fromPorts) : 0,
    toPort: ported ? serverPort(box.toPorts) : 0,
  };
}

function clientPort(ports: readonly PortRange[]): number {
  const free = ports.some(({ low, high }) => low <= CLIENT_PORT && CLIENT_PORT <= high);
  return free ? CLIENT_PORT : (ports[0]?.low ?? 0);
}

/** The lowest, but port 0 is nobody's. */
function serverPort(ports: readonly PortRange[]): number {
  const [first] = ports;
  if (first === undefined) return 0;
  return first.low === 0 && first.high > 0 ? 1 : first.low;
}
