/**
 * Rules between networks that are joined: peerings, gateways, what overlaps and what excludes.
 * A resource by itself was judged when it was parsed.
 */
import type { ResourceOf } from "../arm/resources.ts";
import { counterpartOf } from "../arm/types/peerings.ts";
import type { Problem } from "../base/problem.ts";
import { overlap } from "../network/prefix.ts";
import type { Wanted } from "./references.ts";

type Network = ResourceOf<"Microsoft.Network/virtualNetworks">;
type Peering = ResourceOf<"Microsoft.Network/virtualNetworks/virtualNetworkPeerings">;

const PEERING = "Microsoft.Network/virtualNetworks/virtualNetworkPeerings";

export function judgePeering(peering: Peering, wanted: Wanted): Problem | undefined {
  const network = networkAt(peering.network.key, wanted);
  const remote = networkAt(peering.remote.key, wanted);
  if (network === undefined || remote === undefined) return undefined;
  const all = wanted.ofType(PEERING);
  const twin = all.find(
    (other) =>
      other.key !== peering.key &&
      other.network.key === peering.network.key &&
      other.remote.key === peering.remote.key,
  );
  if (twin !== undefined || network.key === remote.key)
    return {
      code:
        twin === undefined ? "InvalidRequestContent" : "AnotherPeeringAlreadyReferencesRemoteVnet",
      what:
        twin === undefined
          ? `Cannot create or update peering ${peering.id}: ${network.name} cannot be peered with itself`
          : `Peering ${twin.id} already references remote virtual network ${remote.id}. Cannot add peering ${peering.id} referencing the same remote virtual network`,
      fix:
        twin === undefined ? "Name another network." : `Change ${twin.name}, or delete it first.`,
      where: peering.id,
    };
  return (
    judgeOverlap(peering, network, remote) ??
    judgeSpaces(peering, network, remote, wanted) ??
    judgeTransit(peering, network, remote, wanted)
  );
}

function judgeOverlap(peering: Peering, network: Network, remote: Network): Problem | undefined {
  const both = network.prefixes.flatMap((own) =>
    remote.prefixes.filter((other) => overlap(own, other)).map((other) => `${own}, ${other}`),
  );
  if (both.length === 0) return undefined;
  return {
    code: "VnetAddressSpacesOverlap",
    what: `Cannot create or update peering ${peering.id}. Virtual networks ${network.id} and ${remote.id} cannot be peered because their address spaces overlap. Overlapping address prefixes: ${both.join(", ")}`,
    fix: "Give one of the networks another address space.",
    where: peering.id,
  };
}

/** Two networks that are peered with the same one must not overlap either: where would it send? */
function judgeSpaces(
  peering: Peering,
  network: Network,
  remote: Network,
  wanted: Wanted,
): Problem | undefined {
  const others = wanted
    .ofType(PEERING)
    .filter((other) => other.network.key === network.key && other.key !== peering.key)
    .flatMap((other) => networkAt(other.remote.key, wanted) ?? []);
  const twin = others.find((other) =>
    other.prefixes.some((one) => remote.prefixes.some((prefix) => overlap(one, prefix))),
  );
  if (twin === undefined) return undefined;
  return {
    code: "VnetAddressSpacesOverlap",
    what: `Cannot create or update peering ${peering.id}. Virtual networks ${twin.id} and ${remote.id}, both peered with ${network.id}, overlap`,
    fix: "Give one of them another address space.",
    where: peering.id,
  };
}

function judgeTransit(
  peering: Peering,
  network: Network,
  remote: Network,
  wanted: Wanted,
): Problem | undefined {
  if (!peering.useRemoteGateways) return undefined;
  if (gatewayOf(network, wanted) !== undefined)
    return {
      code: "PeeringWithUseRemoteGatewaysNotAllowedWithLocalGateway",
      what: `Peering ${peering.id} cannot have UseRemoteGateways flag set to true, because virtual network ${network.id} has a gateway of its own`,
      fix: "Delete the gateway, or set useRemoteGateways to false.",
      where: peering.id,
    };
  if (gatewayOf(remote, wanted) === undefined)
    return {
      code: "RemoteVnetHasNoGateways",
      what: `Peering ${peering.id} cannot have UseRemoteGateways flag set to true because remote virtual network ${remote.id} referenced by the peering does not have any gateways`,
      fix: "Create the gateway first, or set useRemoteGateways to false.",
      where: peering.id,
    };
  const counterpart = counterpartOf(peering, wanted.ofType(PEERING));
  if (counterpart === undefined || counterpart.allowGatewayTransit) return undefined;
  return {
    code: "RemotePeeringDoesNotAllowGatewayTransit",
    what: `Peering ${peering.id} cannot have UseRemoteGateways flag set to true, because corresponding remote peering ${counterpart.id} has AllowGatewayTransit flag set to false`,
    fix: `Set allowGatewayTransit of ${counterpart.name} to true first.`,
    where: peering.id,
  };
}

/** A network's new space must not overlap that of those it is peered with. */
export function judgePeeredSpace(network: Network, wanted: Wanted): Problem | undefined {
  for (const peering of wanted.ofType(PEERING)) {
    if (peering.network.key !== network.key) continue;
    const remote = networkAt(peering.remote.key, wanted);
    const problem = remote && judgeOverlap(peering, network, remote);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

/** One gateway of a kind in a network: the GatewaySubnet holds nobody else. */
export function judgeGateway(
  gateway: ResourceOf<"Microsoft.Network/virtualNetworkGateways">,
  wanted: Wanted,
): Problem | undefined {
  const twin = wanted
    .ofType("Microsoft.Network/virtualNetworkGateways")
    .find((other) => other.key !== gateway.key && other.subnet.key === gateway.subnet.key);
  if (twin === undefined) return undefined;
  return {
    code: "VirtualNetworkGatewayAlreadyExists",
    what: `${gateway.name} cannot stand in ${gateway.subnet.id}: ${twin.name} does`,
    fix: "A network has one gateway here: change that one, or delete it first.",
    where: gateway.id,
  };
}

/** The peer of a connection must be of the kind that its type asks for. */
export function judgeConnection(
  connection: ResourceOf<"Microsoft.Network/connections">,
  wanted: Wanted,
): Problem | undefined {
  const gateway = wanted.get(connection.gateway.key);
  const peer = wanted.get(connection.peer.key);
  const isVpn = connection.kind === "IPsec";
  const fits =
    gateway?.type === "Microsoft.Network/virtualNetworkGateways" &&
    gateway.kind === (isVpn ? "Vpn" : "ExpressRoute") &&
    peer?.type ===
      (isVpn ? "Microsoft.Network/localNetworkGateways" : "Microsoft.Network/expressRouteCircuits");
  if (fits) return undefined;
  return {
    code: "ConnectionTypeMismatch",
    what: `${connection.name} of type ${connection.kind} cannot join ${connection.gateway.id} and ${connection.peer.id}`,
    fix: isVpn
      ? "Name a gateway of type Vpn and a local network gateway."
      : "Name a gateway of type ExpressRoute and a circuit.",
    where: connection.id,
  };
}

function gatewayOf(network: Network, wanted: Wanted) {
  return wanted
    .ofType("Microsoft.Network/virtualNetworkGateways")
    .find(({ subnet }) => subnet.key.startsWith(`${network.key}/subnets/`));
}

function networkAt(key: string, wanted: Wanted): Network | undefined {
  const resource = wanted.get(key);
  return resource?.type === "Microsoft.Network/virtualNetworks" ? resource : undefined;
}
