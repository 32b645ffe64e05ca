/**
 * What the tag VirtualNetwork means at one subnet, in each reading of Azure's documents.
 *
 * The tag holds the address space of the network, all peered and connected on-premises space,
 * 168.63.129.16 (which evaluation adds) and "address prefixes used on user-defined routes". Whether
 * a route that leads to the internet or to nowhere counts is said nowhere. Which network is meant
 * is not known here.
 */
import { encloses, prefixLength, rangeOf, type Cidr } from "./prefix.ts";
import type { NextHop } from "./route.ts";

export type VirtualNetworkReading = {
  readonly name: "routes inward count" | "every user route counts";
  /** Without what another one encloses; by address. */
  readonly prefixes: readonly Cidr[];
};

export type VirtualNetworkParts = {
  readonly prefixes: readonly Cidr[];
  readonly peered: readonly Cidr[];
  /** Static and learned prefixes of connected gateways; a learned default route counts. */
  readonly onPremises: readonly Cidr[];
  readonly userRoutes: readonly { readonly prefix: Cidr; readonly nextHop: NextHop }[];
};

/**
 * The first reading is what fabrics realise: routes to appliances, gateways and the network itself
 * count. Observed on Azure: 0.0.0.0/0 to an appliance makes the tag everything. The second is left
 * out where it says the same.
 */
export function virtualNetworkReadings(
  of: VirtualNetworkParts,
): readonly [VirtualNetworkReading, ...VirtualNetworkReading[]] {
  const own = [...of.prefixes, ...of.peered, ...of.onPremises];
  const inward = of.userRoutes.filter(
    ({ nextHop }) => nextHop.kind !== "Internet" && nextHop.kind !== "None",
  );
  const first = fewest([...own, ...inward.map(({ prefix }) => prefix)]);
  const every = fewest([...own, ...of.userRoutes.map(({ prefix }) => prefix)]);
  const realised = { name: "routes inward count", prefixes: first } as const;
  if (first.join() === every.join()) return [realised];
  return [realised, { name: "every user route counts", prefixes: every }];
}

/** Without prefixes that lie in another one, by address. */
function fewest(prefixes: readonly Cidr[]): readonly Cidr[] {
  const largestFirst = [...new Set(prefixes)].sort(
    (a, b) => prefixLength(a) - prefixLength(b) || rangeOf(a).low - rangeOf(b).low,
  );
  const kept: Cidr[] = [];
  for (const prefix of largestFirst)
    if (!kept.some((outer) => encloses(outer, prefix))) kept.push(prefix);
  return kept.sort((a, b) => rangeOf(a).low - rangeOf(b).low);
}
