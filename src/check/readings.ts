/**
 * What the tag VirtualNetwork may mean in a subnet of a blueprint, in words.
 *
 * The first reading is what a fabric realises; the others are those that documents leave open
 * (network/virtual-network.ts).
 */
import type { Subnet } from "../blueprint/blueprint.ts";
import type { Cidr } from "../network/prefix.ts";
import { virtualNetworkReadings } from "../network/virtual-network.ts";

export type NetworkReading = { readonly name: string; readonly prefixes: readonly Cidr[] };

/** More prefixes than this are counted, not listed. */
const MOST_LISTED = 3;

export function readingsOf({ virtualNetwork, routes }: Subnet): readonly NetworkReading[] {
  const userRoutes = routes.filter(({ source }) => source === "User");
  return virtualNetworkReadings({
    prefixes: virtualNetwork,
    peered: [],
    onPremises: [],
    userRoutes,
  }).map(({ name, prefixes }) => ({
    name: `${name}: VirtualNetwork is ${listed(prefixes)}`,
    prefixes,
  }));
}

function listed(prefixes: readonly Cidr[]): string {
  if (prefixes.length <= MOST_LISTED) return prefixes.join(", ");
  return `${prefixes.slice(0, MOST_LISTED).join(", ")} and ${prefixes.length - MOST_LISTED} more`;
}
