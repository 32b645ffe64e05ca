/**
 * The meaning of a rule said once more, as slowly and obviously as can be: text, bits and loops.
 *
 * Nothing of the engine is used, so that both can be wrong only in different ways.
 */
import type { TagMeaning } from "./meaning.ts";
import type { Packet, PacketBox } from "./packet-set.ts";
import type { AddressMatch, PortRange, SecurityRule } from "./rule.ts";

/** @param rules in any order */
export function naiveDecide(
  rules: readonly SecurityRule[],
  packet: Packet,
  meaning: TagMeaning,
): SecurityRule | undefined {
  return rules
    .filter((rule) => naiveMatches(rule, packet, meaning))
    .sort((a, b) => a.priority - b.priority)[0];
}

export function naiveMatches(rule: SecurityRule, packet: Packet, meaning: TagMeaning): boolean {
  const { protocol, from, to, fromPort, toPort } = packet;
  if (from.includes(":") !== to.includes(":")) return false;
  if (rule.protocol !== "*" && rule.protocol !== protocol) return false;
  if (!rule.sources.some((match) => fits(match, from, meaning))) return false;
  if (!rule.destinations.some((match) => fits(match, to, meaning))) return false;
  const platform = rule.destinations.some(
    (match) => match.kind === "tag" && match.tag.startsWith("AzurePlatform"),
  );
  if (rule.direction === "Outbound" && to === meaning.platformAddress && !platform) return false;
  if (protocol !== "Tcp" && protocol !== "Udp")
    return allOf(rule.sourcePorts) && allOf(rule.destinationPorts);
  return within(rule.sourcePorts, fromPort) && within(rule.destinationPorts, toPort);
}

export function naiveHolds(box: PacketBox, packet: Packet): boolean {
  const { protocol, from, to, fromPort, toPort } = packet;
  if (from.includes(":") !== to.includes(":") || !box.protocols.includes(protocol)) return false;
  const inside = (set: PacketBox["from"], address: string) => {
    const value = BigInt(`0b${bits(address)}`);
    return address.includes(":")
      ? set.v6.some(({ low, high }) => low <= value && value <= high)
      : set.v4.some(({ low, high }) => BigInt(low) <= value && value <= BigInt(high));
  };
  if (!inside(box.from, from) || !inside(box.to, to)) return false;
  if (protocol !== "Tcp" && protocol !== "Udp") return true;
  return within(box.fromPorts, fromPort) && within(box.toPorts, toPort);
}

function fits(match: AddressMatch, address: string, meaning: TagMeaning): boolean {
  switch (match.kind) {
    case "any":
      return true;
    case "prefix":
    case "prefix6":
      return inPrefix(match.prefix, address);
    case "asg":
      return match.addresses.some((member) => member === address);
    case "tag": {
      const inNetwork =
        address === meaning.platformAddress ||
        meaning.virtualNetwork.some((prefix) => inPrefix(prefix, address));
      if (match.tag === "VirtualNetwork") return inNetwork;
      if (match.tag === "Internet") return !inNetwork;
      if (match.tag === "AzureLoadBalancer" || match.tag.startsWith("AzurePlatform"))
        return address === meaning.platformAddress;
      const published = meaning.published(match.tag) ?? [];
      return Array.isArray(published) && published.some((prefix) => inPrefix(prefix, address));
    }
  }
}

function inPrefix(prefix: string, address: string): boolean {
  if (prefix.includes(":") !== address.includes(":")) return false;
  const [network = "", length = ""] = prefix.split("/");
  return bits(network).slice(0, Number(length)) === bits(address).slice(0, Number(length));
}

function bits(address: string): string {
  if (!address.includes(":"))
    return address
      .split(".")
      .map((part) => Number(part).toString(2).padStart(8, "0"))
      .join("");
  const [head = "", tail = ""] = address.split("::");
  const groups = (text: string) => text.split(":").filter((group) => group !== "");
  const missing = 8 - groups(head).length - groups(tail).length;
  const all = [...groups(head), ...Array.from({ length: missing }, () => "0"), ...groups(tail)];
  return all.map((group) => Number.parseInt(group, 16).toString(2).padStart(16, "0")).join("");
}

function within(ranges: readonly PortRange[], port: number): boolean {
  return ranges.some(({ low, high }) => low <= port && port <= high);
}

/** Every port: the first, and after each range the next. */
function allOf(ranges: readonly PortRange[]): boolean {
  return [0, ...ranges.map(({ high }) => high + 1)].every(
    (port) => 65_535 < port || within(ranges, port),
  );
}
