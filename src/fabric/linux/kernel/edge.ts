/**
 * The edge of a virtual network as nftables rules: public addresses in and out.
 *
 * Text only. Flows that did not come in by a balancer, or out of the network, do not pass; replies
 * that never came this way are invalid, which is what makes an asymmetric path really break.
 *
 * @article ASE IP addresses
 */
import type { PublicAddress, Translation } from "../../../blueprint/blueprint.ts";
import { balancerRule } from "./balance.ts";

export const TO_WORLD = "inet";
export const TO_NETWORK = "vnet";

const TABLE = "ip edge";

export function closedEdge(): string {
  return `
table ${TABLE} {
  chain balancers { type nat hook prerouting priority dstnat; policy accept; }
  chain sources { type nat hook postrouting priority srcnat; policy accept; }
  chain leaving { }
  chain gate {
    type filter hook forward priority filter; policy drop;
    ct state vmap { established : accept, related : accept, invalid : drop }
    iifname "${TO_NETWORK}" oifname "${TO_WORLD}" jump leaving
    iifname "${TO_WORLD}" ct status dnat accept
  }
}`;
}

export function sourceAddresses(publicAddresses: readonly PublicAddress[]): string {
  const from = publicAddresses.flatMap(({ address, sourceOf }) =>
    sourceOf.map((prefix) => ({ address, match: `ip saddr ${prefix}` })),
  );
  return [
    `flush chain ${TABLE} sources`,
    `flush chain ${TABLE} leaving`,
    // What no public address stands for has no business outside.
    ...from.map(({ match }) => `add rule ${TABLE} leaving ${match} accept`),
    ...from.map(
      ({ address, match }) =>
        `add rule ${TABLE} sources oifname "${TO_WORLD}" ${match} snat to ${address}`,
    ),
  ].join("\n");
}

export function publicBalancers(translations: readonly Translation[]): string {
  return [
    `flush chain ${TABLE} balancers`,
    ...translations
      .filter(({ at, targets }) => at === "edge" && targets.length > 0)
      .map(
        (translation) =>
          `add rule ${TABLE} balancers iifname "${TO_WORLD}" ${balancerRule(translation)}`,
      ),
  ].join("\n");
}

/** In the namespace of a firewall: what goes on to public addresses carries the firewall's own. */
export function ownAddressOutside(): string {
  const inside = "10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10";
  return `
table ip firewall {
  chain sources {
    type nat hook postrouting priority srcnat; policy accept;
    ip daddr != { ${inside} } masquerade
  }
}`;
}
