/**
 * Sets and boxes in words people use: names of tags and subnets before prefixes.
 *
 * The words are exact unless they end in "more": nothing is rounded off silently.
 */
import {
  differenceOf,
  EVERYWHERE,
  includesAll,
  isEmpty,
  prefixesOf,
  sameSet,
  type AddressSet,
} from "./address-set.ts";
import { isAllPorts, type Packet, type PacketBox } from "./packet-set.ts";
import { isIpv6 } from "./prefix6.ts";
import { PROTOCOLS, type PortRange } from "./rule.ts";

/** What people call a set; the first that fits is used, so the most telling names come first. */
export type NamedSet = { readonly name: string; readonly set: AddressSet };
export type NamedSets = readonly NamedSet[];

export type NamedBox = {
  readonly from: string;
  readonly fromPorts: string;
  readonly to: string;
  readonly toPorts: string;
  readonly protocols: string;
};

/** Prefixes or parts that are written out before "and N more". */
const MOST_WORDS = 4;

export function nameBox(box: PacketBox, names: NamedSets): NamedBox {
  const families = {
    v4: 0 < box.from.v4.length && 0 < box.to.v4.length,
    v6: 0 < box.from.v6.length && 0 < box.to.v6.length,
  };
  const side = (set: AddressSet) => nameSetIn(set, names, families);
  return {
    from: side(box.from),
    fromPorts: namePorts(box.fromPorts),
    to: side(box.to),
    toPorts: namePorts(box.toPorts),
    protocols: nameProtocols(box.protocols),
  };
}

/** For example `Tcp AppServiceManagement:* -> ase-subnet:454-455`. */
export function describeBox(box: PacketBox, names: NamedSets): string {
  const { from, fromPorts, to, toPorts, protocols } = nameBox(box, names);
  return `${protocols} ${from}:${fromPorts} -> ${to}:${toPorts}`;
}

/** For example `Tcp 203.0.113.5:50000 -> 10.0.1.4:454`. */
export function describePacket({ protocol, from, fromPort, to, toPort }: Packet): string {
  const at = (address: string, port: number) => {
    const shown = isIpv6(address) ? `[${address}]` : address;
    return protocol === "Tcp" || protocol === "Udp" ? `${shown}:${port}` : address;
  };
  return `${protocol} ${at(from, fromPort)} -> ${at(to, toPort)}`;
}

export function nameSet(set: AddressSet, names: NamedSets): string {
  return nameSetIn(set, names, { v4: 0 < set.v4.length, v6: 0 < set.v6.length });
}

export function namePorts(ports: readonly PortRange[]): string {
  if (isAllPorts(ports)) return "*";
  const words = ports.map(({ low, high }) => (low === high ? `${low}` : `${low}-${high}`));
  return listed(words, ",", 2 * MOST_WORDS);
}

export function nameProtocols(protocols: readonly string[]): string {
  if (protocols.length === PROTOCOLS.length) return "any protocol";
  return protocols.join("/");
}

type Families = { readonly v4: boolean; readonly v6: boolean };

/** A family that no packet of the box is of does not count. */
function nameSetIn(whole: AddressSet, names: NamedSets, families: Families): string {
  const within = ({ v4, v6 }: AddressSet): AddressSet => ({
    v4: families.v4 ? v4 : [],
    v6: families.v6 ? v6 : [],
  });
  const set = within(whole);
  const known = [...names, { name: "any", set: EVERYWHERE }]
    .map(({ name, set }) => ({ name, set: within(set) }))
    .filter((one) => !isEmpty(one.set));
  const same = known.find((one) => sameSet(one.set, set));
  if (same !== undefined) return same.name;
  const prefixes = sizeOf(set) <= 2 * MOST_WORDS ? prefixesOf(set) : [];
  if (0 < prefixes.length && prefixes.length <= 2) return prefixes.map(bare).join(", ");
  const words = [unionWords(set, known), exceptWords(set, known)]
    .filter((one) => one !== undefined)
    .sort((a, b) => a.length - b.length);
  const [best] = words;
  if (best !== undefined) return best.join("");
  return listed((0 < prefixes.length ? prefixes : prefixesOf(set)).map(bare), ", ", MOST_WORDS);
}

/** Named sets that together are the set, and at most a few prefixes more. */
function unionWords(set: AddressSet, known: NamedSets): readonly string[] | undefined {
  const inside = known.filter((one) => includesAll(set, one.set));
  const { chosen, left } = takeFrom(set, inside);
  if (chosen.length === 0) return undefined;
  return rest(chosen, left, ", ");
}

/** The smallest named set around it, without others. */
function exceptWords(set: AddressSet, known: NamedSets): readonly string[] | undefined {
  const around = known
    .filter((one) => includesAll(one.set, set))
    .reduce<NamedSet | undefined>(
      (least, one) => (least === undefined || includesAll(least.set, one.set) ? one : least),
      undefined,
    );
  if (around === undefined) return undefined;
  const missing = differenceOf(around.set, set);
  const inside = known.filter((one) => includesAll(missing, one.set));
  const { chosen, left } = takeFrom(missing, inside);
  const words = rest(chosen, left, ", ");
  return words && [`${around.name} except `, ...words];
}

/** Greedily: what covers most of what is left, until little or nothing is. */
function takeFrom(set: AddressSet, names: NamedSets): { chosen: string[]; left: AddressSet } {
  let left = set;
  const chosen: string[] = [];
  while (chosen.length < MOST_WORDS && !isEmpty(left)) {
    const before = sizeOf(left);
    const best = names
      .map((one) => ({ name: one.name, left: differenceOf(left, one.set) }))
      .reduce<{ name: string; left: AddressSet } | undefined>(
        (least, one) =>
          least === undefined || sizeOf(one.left) < sizeOf(least.left) ? one : least,
        undefined,
      );
    if (best === undefined || before <= sizeOf(best.left)) break;
    chosen.push(best.name);
    left = best.left;
  }
  return { chosen, left };
}

function rest(
  chosen: readonly string[],
  left: AddressSet,
  separator: string,
): readonly string[] | undefined {
  const prefixes = isEmpty(left) ? [] : sizeOf(left) <= MOST_WORDS ? prefixesOf(left) : undefined;
  if (prefixes === undefined || MOST_WORDS < prefixes.length) return undefined;
  const words = [...chosen, ...prefixes.map(bare)];
  return words.flatMap((word, at) => (at === 0 ? [word] : [separator, word]));
}

function listed(words: readonly string[], separator: string, most: number): string {
  if (words.length <= most) return words.join(separator);
  return `${words.slice(0, most).join(separator)} and ${words.length - most} more`;
}

/** An address without a length where the length says nothing. */
function bare(prefix: string): string {
  return prefix.replace(prefix.includes(":") ? /\/128$/ : /\/32$/, "");
}

function sizeOf({ v4, v6 }: AddressSet): number {
  return v4.length + v6.length;
}
