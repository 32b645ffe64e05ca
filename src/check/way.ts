/**
 * The way of a whole set of packets through a blueprint: which gates it passes, and what routes do
 * with it. The gates are asked elsewhere (prove-flow.ts), each about its own part.
 *
 * The same way that blueprint/walk.ts takes with one packet; a test holds that both agree.
 *
 * @article Routes
 */
import type { Blueprint, Host, Network, Subnet } from "../blueprint/blueprint.ts";
import {
  intersectionOf,
  differenceOf,
  isEmpty,
  setOfPrefixes,
  singleAddress,
  type AddressSet,
} from "../network/address-set.ts";
import { isEmptyBox, type PacketBox } from "../network/packet-set.ts";
import type { Ipv4 } from "../network/prefix.ts";
import type { Route } from "../network/route.ts";
import { partitionByNextHop } from "../network/routes.ts";
import type { Direction } from "../network/rule.ts";
import { PRIVATE_SPACE } from "./named-sets.ts";

/** A gate and what must pass it. */
export type Leg = {
  readonly network: Network;
  readonly subnet: Subnet;
  readonly direction: Direction;
  readonly packets: PacketBox;
  /** The gate of one host's interface in the subnet; absent: the subnet's own. */
  readonly host?: Host;
};

/** Packets that a route leads astray. */
export type Lost = {
  readonly packets: PacketBox;
  readonly subnet: Subnet;
  readonly route?: Route;
  readonly sentence: string;
};

export type Way = {
  readonly legs: readonly Leg[];
  readonly lost: readonly Lost[];
  /** What no file says and the way depends on. */
  readonly assumes: readonly string[];
  /** Destinations that do not leave directly but by an appliance or a gateway, and which. */
  readonly tunnelled: readonly { readonly to: AddressSet; readonly route: Route }[];
};

export type At = { readonly network: Network; readonly subnet: Subnet };

/** Appliances that pass packets on to one another at most; more is a loop. */
const MOST_HOPS = 8;
const NO_WAY: Way = { legs: [], lost: [], assumes: [], tunnelled: [] };

/** From hosts of a subnet to wherever routes lead. */
export function wayOut(blueprint: Blueprint, at: At, packets: PacketBox): Way {
  if (isEmptyBox(packets)) return NO_WAY;
  const gate: Way = { ...NO_WAY, legs: [{ ...at, direction: "Outbound", packets }] };
  return join([gate, onward(blueprint, at, packets, 0)]);
}

/** To hosts of a subnet, from where no route is asked: the edge, a balancer, the platform. */
export function wayIn(at: At, packets: PacketBox): Way {
  if (isEmptyBox(packets)) return NO_WAY;
  return { ...NO_WAY, legs: [{ ...at, direction: "Inbound", packets }] };
}

/**
 * The way of replies from a subnet back to the clients of `packets`. Gates let replies pass; routes
 * may lead them astray. What came in by the edge must go back there, or nobody undoes the translation.
 *
 * @article ASE inbound dependencies
 */
export function wayBack(
  blueprint: Blueprint,
  at: At,
  packets: PacketBox,
  cameBy: "edge" | "inside",
): Way {
  const pieces = piecesOf(at.subnet, packets.from);
  return join(
    pieces.map(({ route, to }) => {
      const lost = (sentence: string): Way => ({
        ...NO_WAY,
        lost: [{ packets: { ...packets, from: to }, subnet: at.subnet, route, sentence }],
      });
      const kind: string = route.nextHop.kind;
      // Addresses of a service are called, and call nobody: there are no clients to lose there.
      if (kind === "VirtualNetworkServiceEndpoint") return NO_WAY;
      if (cameBy === "edge")
        return kind === "Internet"
          ? NO_WAY
          : lost("the replies leave by another path than the flow came in");
      if (isInside(kind)) return NO_WAY;
      if (kind === "VirtualNetworkGateway") return { ...NO_WAY, assumes: [GATEWAY_ASSUMED] };
      if (route.nextHop.kind !== "VirtualAppliance") return lost("the replies are lost");
      const [own] = piecesOf(at.subnet, singleAddress(route.nextHop.address));
      const around = own === undefined ? at.network.id : networkOf(at, own.route);
      const appliance = hostAt(blueprint, around, route.nextHop.address);
      if (appliance === undefined) return assumed(route);
      return appliance.forwards ? NO_WAY : lost(`${appliance.name} does not pass replies on`);
    }),
  );
}

/** What routes make of packets that left the gate of their subnet. */
function onward(blueprint: Blueprint, at: At, packets: PacketBox, hops: number): Way {
  return join(
    piecesOf(at.subnet, packets.to).map(({ route, to }) =>
      byRoute(blueprint, at, route, { ...packets, to }, hops),
    ),
  );
}

function byRoute(
  blueprint: Blueprint,
  at: At,
  route: Route,
  packets: PacketBox,
  hops: number,
): Way {
  const lost = (sentence: string): Way => ({
    ...NO_WAY,
    lost: [{ packets, subnet: at.subnet, route, sentence }],
  });
  const kind: string = route.nextHop.kind;
  if (isInside(kind)) return delivered(blueprint, networkOf(at, route), packets);
  if (kind === "Internet" || kind === "VirtualNetworkServiceEndpoint") return NO_WAY;
  if (kind === "VirtualNetworkGateway")
    return { ...NO_WAY, assumes: [GATEWAY_ASSUMED], tunnelled: [{ to: packets.to, route }] };
  if (route.nextHop.kind !== "VirtualAppliance") return lost("the packets go nowhere");
  const address = route.nextHop.address;
  const itself = intersectionOf(packets.to, singleAddress(address));
  const rest = { ...packets, to: differenceOf(packets.to, itself) };
  const [own] = piecesOf(at.subnet, singleAddress(address));
  const around = own === undefined ? at.network.id : networkOf(at, own.route);
  const appliance = hostAt(blueprint, around, address);
  const direct = delivered(blueprint, around, { ...packets, to: itself });
  if (isEmptyBox(rest)) return direct;
  const tunnelled: Way = { ...NO_WAY, tunnelled: [{ to: rest.to, route }] };
  if (appliance === undefined) return join([direct, tunnelled, assumed(route)]);
  if (!appliance.forwards || appliance.place.kind !== "subnet")
    return join([direct, lost(`${appliance.name} (${address}) does not forward`)]);
  if (MOST_HOPS <= hops) return join([direct, lost("the packets go round in circles")]);
  const there = subnetAt(blueprint, around, appliance.place.subnet);
  if (there === undefined) return join([direct, lost(`${appliance.name} stands in no subnet`)]);
  // A firewall puts its own address on what goes to public addresses.
  const pieces =
    appliance.translates === true
      ? [
          { ...rest, to: intersectionOf(rest.to, PRIVATE_SPACE) },
          { ...rest, to: differenceOf(rest.to, PRIVATE_SPACE), from: singleAddress(address) },
        ]
      : [rest];
  return join([
    direct,
    tunnelled,
    gatesOf(there, appliance, "Inbound", rest),
    ...pieces
      .filter((piece) => !isEmptyBox(piece))
      .map((piece) =>
        join([
          gatesOf(there, appliance, "Outbound", piece),
          onward(blueprint, there, piece, hops + 1),
        ]),
      ),
  ]);
}

/** Both gates of one host: its subnet's, and that of its interface where it has one. */
function gatesOf(at: At, host: Host, direction: Direction, packets: PacketBox): Way {
  const legs: readonly Leg[] = [
    { ...at, direction, packets },
    ...(host.rules === undefined ? [] : [{ ...at, direction, packets, host }]),
  ];
  return { ...NO_WAY, legs };
}

/** The network that a route inside leads into: the own one, or a peer. */
function networkOf(at: At, { nextHop }: Route): string {
  return nextHop.kind === "VNetPeering" ? nextHop.network : at.network.id;
}

/** To hosts of a virtual network: the gate of each subnet on the way of its part. */
function delivered(blueprint: Blueprint, into: string, packets: PacketBox): Way {
  const networks = blueprint.networks.filter(({ id }) => id === into);
  return join(
    networks.flatMap((network) =>
      network.subnets.map((subnet) => {
        const to = intersectionOf(packets.to, setOfPrefixes([subnet.prefix]));
        if (isEmpty(to)) return NO_WAY;
        const guarded = blueprint.hosts.flatMap((host): readonly Leg[] => {
          const { place, rules } = host;
          if (rules === undefined || place.kind !== "subnet" || place.subnet !== subnet.id)
            return [];
          const own = intersectionOf(to, singleAddress(place.address));
          if (isEmpty(own)) return [];
          return [
            { network, subnet, direction: "Inbound", packets: { ...packets, to: own }, host },
          ];
        });
        return join([wayIn({ network, subnet }, { ...packets, to }), { ...NO_WAY, legs: guarded }]);
      }),
    ),
  );
}

const GATEWAY_ASSUMED =
  "the network behind the gateway passes the packets on and their replies back";

function assumed(route: Route): Way {
  const address = route.nextHop.kind === "VirtualAppliance" ? route.nextHop.address : "";
  return {
    ...NO_WAY,
    assumes: [`${address} (next hop of route ${route.name}) is in no file and is taken to forward`],
  };
}

function isInside(kind: string): boolean {
  return kind === "VnetLocal" || kind === "VNetPeering";
}

/** Parts of a set by the route they take; what no route covers is left out: nobody is there. */
function piecesOf(
  subnet: Subnet,
  of: AddressSet,
): readonly { readonly route: Route; readonly to: AddressSet }[] {
  return partitionByNextHop(subnet.routes).flatMap(({ route, to }) => {
    const part = intersectionOf(to, of);
    return isEmpty(part) ? [] : [{ route, to: part }];
  });
}

function hostAt(blueprint: Blueprint, network: string, address: Ipv4): Host | undefined {
  return blueprint.hosts.find(
    ({ place }) => "network" in place && place.network === network && place.address === address,
  );
}

function subnetAt(blueprint: Blueprint, networkId: string, subnetId: string): At | undefined {
  const network = blueprint.networks.find(({ id }) => id === networkId);
  const subnet = network?.subnets.find(({ id }) => id === subnetId);
  return network === undefined || subnet === undefined ? undefined : { network, subnet };
}

export function join(ways: readonly Way[]): Way {
  return {
    legs: ways.flatMap(({ legs }) => legs),
    lost: ways.flatMap(({ lost }) => lost),
    assumes: [...new Set(ways.flatMap(({ assumes }) => assumes))],
    tunnelled: ways.flatMap(({ tunnelled }) => tunnelled),
  };
}
