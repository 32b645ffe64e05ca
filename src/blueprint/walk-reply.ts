/**
 * The way back of a flow: from who answers to where its source address was last written.
 *
 * Replies pass all gates, for the flow was let in; they follow the routes of the replier's subnet,
 * and are lost where nobody undoes a translation. The way there is in walk.ts.
 */
import { contains, type Ipv4 } from "../network/prefix.ts";
import type { Route } from "../network/route.ts";
import type { Network, Site, Subnet } from "./blueprint.ts";
import { describeRoute, type Onward, type Topology } from "./topology.ts";

/** Why a reply is lost. */
export type Lost = { readonly route?: Route; readonly sentence: string };

/** Appliances that pass a packet on to one another at most; more is a loop. */
export const MOST_HOPS = 8;

export type Reply = {
  readonly topology: Topology;
  /** Whom the reply is for: the source the replier saw. */
  readonly client: Ipv4;
  /** What stands in the way at an appliance of a network that did not see the flow. */
  readonly refusal: (appliance: Extract<Onward, { kind: "appliance" }>) => string | undefined;
};

/** @param subnet whose routes count; undefined: the replier stands in no subnet */
export function replyFrom(
  reply: Reply,
  network: Network,
  subnet: Subnet | undefined,
): Lost | undefined {
  const { topology, client } = reply;
  let at: { readonly network: Network; readonly subnet: Subnet | undefined } = { network, subnet };
  for (let hops = 0; hops <= MOST_HOPS; hops += 1) {
    const { route, onward } = topology.onward(at.network, at.subnet, client);
    const lost = (because = ""): Lost =>
      route === undefined
        ? { sentence: `no route leads back to ${client}` }
        : {
            route,
            sentence: `the reply to ${client} is lost by ${describeRoute(route)}${because}`,
          };
    switch (onward.kind) {
      case "local":
        return at.network.prefixes.some((prefix) => contains(prefix, client)) ? undefined : lost();
      case "peer":
        return undefined;
      case "edge":
      case "service":
        return lost();
      case "nowhere":
        return lost(onward.because === undefined ? "" : `, and ${onward.because}`);
      case "gateway": {
        const site = topology.siteBehind(onward.gateway, client);
        if (site !== undefined && topology.atSite(site, client) !== undefined) return undefined;
        const back = site && topology.inBySite(site, client);
        if (back === undefined) return lost();
        at = back;
        break;
      }
      case "appliance": {
        if (onward.host.place.address === client) return undefined;
        if (!onward.host.forwards) return lost(", and no host there forwards");
        const refused = reply.refusal(onward);
        if (refused !== undefined) return lost(`, where it is ${refused}`);
        at = onward;
      }
    }
  }
  return { sentence: `the reply to ${client} goes round in circles` };
}

/** From a site on premises, where a flow came in by a gateway. */
export function replyFromSite(reply: Reply, site: Site): Lost | undefined {
  const { topology, client } = reply;
  const back = topology.inBySite(site, client);
  if (back === undefined) return { sentence: `${site.name} knows no way back to ${client}` };
  return replyFrom(reply, back.network, back.subnet);
}
