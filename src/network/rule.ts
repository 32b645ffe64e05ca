/**
 * Security rules as the law sees them: parsed, named, and still in the words of the user
 * (tags stay tags, so that a verdict can name them). Evaluation is in evaluate.ts.
 *
 * @article Network Security Groups
 */
import type { AnyIp } from "./address-set.ts";
import type { Cidr } from "./prefix.ts";
import type { Cidr6 } from "./prefix6.ts";

export type Protocol = "Tcp" | "Udp" | "Icmp" | "Esp" | "Ah" | "*";
export type Direction = "Inbound" | "Outbound";
export type Access = "Allow" | "Deny";

/** Both ends included, 0..65535. */
export type PortRange = { readonly low: number; readonly high: number };

export type AddressMatch =
  | { readonly kind: "any" }
  | { readonly kind: "prefix"; readonly prefix: Cidr }
  | { readonly kind: "prefix6"; readonly prefix: Cidr6 }
  /** The published spelling of the tag, `AppServiceManagement`. */
  | { readonly kind: "tag"; readonly tag: string }
  /** An application security group: the addresses of its members, found by whoever compiled the rule. */
  | { readonly kind: "asg"; readonly id: string; readonly addresses: readonly AnyIp[] };

export type SecurityRule = {
  readonly name: string;
  /** Resource id of the group it stands in. */
  readonly group: string;
  readonly origin: "user" | "default";
  /** 100..4096 for users' rules, 65000, 65001, 65500 for default ones. */
  readonly priority: number;
  readonly direction: Direction;
  readonly access: Access;
  readonly protocol: Protocol;
  /** A rule matches when any entry of each of the four lists matches. */
  readonly sources: readonly AddressMatch[];
  readonly sourcePorts: readonly PortRange[];
  readonly destinations: readonly AddressMatch[];
  readonly destinationPorts: readonly PortRange[];
};

/** What a packet can be of; `*` in a rule is all of these. Only the first two have ports. */
export const PROTOCOLS = ["Tcp", "Udp", "Icmp", "Esp", "Ah"] as const;
export type IpProtocol = (typeof PROTOCOLS)[number];

export const ANY_PORT: PortRange = { low: 0, high: 65_535 };

/** A group without an NSG has no rules at all, default ones included: everything passes. */
export function defaultRules(group: string): readonly SecurityRule[] {
  const tag = (name: string): AddressMatch => ({ kind: "tag", tag: name });
  const any: AddressMatch = { kind: "any" };
  const rule = (
    name: string,
    priority: number,
    direction: Direction,
    access: Access,
    from: AddressMatch,
    to: AddressMatch,
  ): SecurityRule => ({
    name,
    group,
    origin: "default",
    priority,
    direction,
    access,
    protocol: "*",
    sources: [from],
    sourcePorts: [ANY_PORT],
    destinations: [to],
    destinationPorts: [ANY_PORT],
  });
  const network = tag("VirtualNetwork");
  return [
    rule("AllowVnetInBound", 65_000, "Inbound", "Allow", network, network),
    rule(
      "AllowAzureLoadBalancerInBound",
      65_001,
      "Inbound",
      "Allow",
      tag("AzureLoadBalancer"),
      any,
    ),
    rule("DenyAllInBound", 65_500, "Inbound", "Deny", any, any),
    rule("AllowVnetOutBound", 65_000, "Outbound", "Allow", network, network),
    rule("AllowInternetOutBound", 65_001, "Outbound", "Allow", any, tag("Internet")),
    rule("DenyAllOutBound", 65_500, "Outbound", "Deny", any, any),
  ];
}
