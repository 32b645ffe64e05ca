/**
 * Effective security rules of a host in Azure's words: `az network nic list-effective-nsg`; and
 * what they say to one packet: `az network watcher test-ip-flow`.
 *
 * The groups of its subnet and of its interface, in force as they stand in the blueprint.
 */
import { PLATFORM_ADDRESS } from "../environment/ports.ts";
import { compileRules } from "../network/evaluate.ts";
import type { TagMeaning } from "../network/meaning.ts";
import type { Packet } from "../network/packet-set.ts";
import type { Cidr, Ipv4 } from "../network/prefix.ts";
import type { Access, AddressMatch, Direction, PortRange, SecurityRule } from "../network/rule.ts";
import type { Blueprint, Host, Subnet } from "./blueprint.ts";

/** A group and where it is attached. */
export type AttachedGroup = {
  readonly group: string;
  readonly at: "subnet" | "interface";
  readonly rules: readonly SecurityRule[];
};

export type EffectiveRule = {
  readonly name: string;
  readonly protocol: string;
  readonly sourcePortRange: string;
  readonly destinationPortRange: string;
  readonly sourcePortRanges: readonly string[];
  readonly destinationPortRanges: readonly string[];
  readonly sourceAddressPrefix: string;
  readonly destinationAddressPrefix: string;
  readonly sourceAddressPrefixes: readonly string[];
  readonly destinationAddressPrefixes: readonly string[];
  readonly expandedSourceAddressPrefix: readonly string[];
  readonly expandedDestinationAddressPrefix: readonly string[];
  readonly access: Access;
  readonly priority: number;
  readonly direction: Direction;
};

export function subnetOfHost({ networks }: Blueprint, { place }: Host): Subnet | undefined {
  if (place.kind !== "subnet") return undefined;
  return networks
    .find(({ id }) => id === place.network)
    ?.subnets.find(({ id }) => id === place.subnet);
}

/** In the order in which they are asked about inbound packets; outbound ones meet them in reverse. */
export function groupsOf(blueprint: Blueprint, host: Host): readonly AttachedGroup[] {
  const attached = (at: AttachedGroup["at"], rules: readonly SecurityRule[] | undefined) => {
    const group = rules?.[0]?.group;
    return rules === undefined || group === undefined ? [] : [{ group, at, rules }];
  };
  return [
    ...attached("subnet", subnetOfHost(blueprint, host)?.rules),
    ...attached("interface", host.rules),
  ];
}

export type IpFlow = {
  readonly access: Access;
  /** `securityRules/allow-web`; empty where no group is attached. */
  readonly ruleName: string;
  /** Every group that was asked, with the rule that decided. */
  readonly asked: readonly { readonly group: AttachedGroup; readonly rule?: SecurityRule }[];
};

/** What the groups of a host say to a packet: the first denial ends, else the last group speaks. */
export function verifyIpFlow(
  blueprint: Blueprint,
  host: Host,
  direction: Direction,
  packet: Packet,
): IpFlow {
  const groups = groupsOf(blueprint, host);
  const meaning = meaningFor(blueprint, host);
  const asked: { group: AttachedGroup; rule?: SecurityRule }[] = [];
  for (const group of direction === "Inbound" ? groups : groups.toReversed()) {
    const rule = compileRules(group.rules, meaning)(direction, packet)?.rule;
    asked.push({ group, ...(rule === undefined ? {} : { rule }) });
    if (rule?.access === "Deny") break;
  }
  const last = asked.findLast(({ rule }) => rule !== undefined)?.rule;
  return {
    access: last?.access ?? "Allow",
    ruleName: last === undefined ? "" : effectiveName(last),
    asked,
  };
}

/** `defaultSecurityRules/AllowVnetInBound` */
export function effectiveName({ origin, name }: SecurityRule): string {
  return `${origin === "default" ? "defaultSecurityRules" : "securityRules"}/${name}`;
}

export function effectiveRule(rule: SecurityRule, blueprint: Blueprint, host: Host): EffectiveRule {
  const sources = rule.sources.map(matchInWords);
  const destinations = rule.destinations.map(matchInWords);
  const fromPorts = rule.sourcePorts.map(portsInWords);
  const toPorts = rule.destinationPorts.map(portsInWords);
  const meaning = meaningFor(blueprint, host);
  return {
    name: effectiveName(rule),
    protocol: rule.protocol === "*" ? "All" : rule.protocol,
    sourcePortRange: fromPorts[0] ?? "",
    destinationPortRange: toPorts[0] ?? "",
    sourcePortRanges: fromPorts,
    destinationPortRanges: toPorts,
    sourceAddressPrefix: sources[0] ?? "",
    destinationAddressPrefix: destinations[0] ?? "",
    sourceAddressPrefixes: sources,
    destinationAddressPrefixes: destinations,
    expandedSourceAddressPrefix: rule.sources.flatMap((match) => expanded(match, meaning)),
    expandedDestinationAddressPrefix: rule.destinations.flatMap((match) =>
      expanded(match, meaning),
    ),
    access: rule.access,
    priority: rule.priority,
    direction: rule.direction,
  };
}

type Meaning = Omit<TagMeaning, "published" | "virtualNetwork"> & {
  readonly virtualNetwork: readonly Cidr[];
  readonly published: (tag: string) => readonly Cidr[] | undefined;
};

function meaningFor(blueprint: Blueprint, host: Host): Meaning {
  return {
    virtualNetwork: subnetOfHost(blueprint, host)?.virtualNetwork ?? [],
    platformAddress: PLATFORM_ADDRESS as Ipv4,
    published: (tag) => blueprint.tags[tag],
  };
}

function matchInWords(match: AddressMatch): string {
  switch (match.kind) {
    case "any":
      return "0.0.0.0/0";
    case "tag":
      return match.tag;
    case "asg":
      return match.id;
    default:
      return match.prefix;
  }
}

function portsInWords({ low, high }: PortRange): string {
  return `${low}-${high}`;
}

/** What a tag or a group of machines stands for here; prefixes stand for themselves. */
function expanded(match: AddressMatch, meaning: Meaning): readonly string[] {
  if (match.kind === "asg") return match.addresses.map((address) => `${address}/32`);
  if (match.kind !== "tag") return [];
  if (match.tag === "VirtualNetwork") return [...meaning.virtualNetwork, `${PLATFORM_ADDRESS}/32`];
  if (match.tag === "AzureLoadBalancer") return [`${PLATFORM_ADDRESS}/32`];
  return match.tag === "Internet" ? [] : (meaning.published(match.tag) ?? []);
}
