/**
 * Effective routes of a host in Azure's words: `az network nic show-effective-route-table`.
 *
 * What is listed is what a fabric realises; which route wins is decided in network/.
 */
import type { NextHop, Route } from "../network/route.ts";
import type { Blueprint, Host } from "./blueprint.ts";

export type EffectiveRoute = {
  readonly name?: string;
  readonly source: Route["source"];
  readonly state: Route["state"];
  readonly addressPrefix: readonly string[];
  readonly nextHopType: NextHop["kind"];
  readonly nextHopIpAddress: readonly string[];
};

/** @returns undefined for a host that stands in no virtual network */
export function effectiveRoutesOf(
  { networks }: Blueprint,
  { place }: Host,
): readonly EffectiveRoute[] | undefined {
  if (!("network" in place)) return undefined;
  const network = networks.find(({ id }) => id === place.network);
  const subnet =
    place.kind === "subnet" ? network?.subnets.find(({ id }) => id === place.subnet) : network;
  return subnet && grouped(subnet.routes);
}

/** The prefixes of one tag or one service stand in one entry, as long as they share a fate. */
function grouped(routes: readonly Route[]): readonly EffectiveRoute[] {
  const entries = new Map<string, EffectiveRoute>();
  for (const route of routes) {
    const { source, state, name, prefix, nextHop, tag } = route;
    const together = tag !== undefined || nextHop.kind === "VirtualNetworkServiceEndpoint";
    const key = JSON.stringify([source, state, name, together ? "" : prefix, nextHop]);
    const before = entries.get(key)?.addressPrefix ?? [];
    entries.set(key, {
      ...(source === "User" ? { name } : {}),
      source,
      state,
      addressPrefix: [...before, prefix],
      nextHopType: nextHop.kind,
      nextHopIpAddress: nextHop.kind === "VirtualAppliance" ? [nextHop.address] : [],
    });
  }
  return [...entries.values()];
}
