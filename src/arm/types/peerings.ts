/** Peerings of virtual networks: bodies to resources and back. */
import { childOf, formatResourceId, keyOf, parentOf, type ResourceId } from "../ids.ts";
import type { JsonObject } from "../json.ts";
import type { Resource, VirtualNetworkPeering } from "../resources.ts";
import { Body, bodyOf, identity, type Parsed, type ParseRequest } from "./body.ts";
import { envelope, type RenderContext } from "./render.ts";

export const PEERING = "Microsoft.Network/virtualNetworks/virtualNetworkPeerings";

const FLAGS = [
  "allowVirtualNetworkAccess",
  "allowForwardedTraffic",
  "allowGatewayTransit",
  "useRemoteGateways",
] as const;

export function parsePeering(request: ParseRequest): Parsed {
  const peering = peeringOf(request.id, bodyOf(request), request.before);
  return { resources: [peering], replacedParts: [] };
}

/** Peerings in the body of their network; undefined: it does not name any. */
export function peeringsIn(
  request: ParseRequest,
  body: Body,
): readonly VirtualNetworkPeering[] | undefined {
  return body.list("properties.virtualNetworkPeerings")?.map((one, index) => {
    const path = `properties.virtualNetworkPeerings[${index}].name`;
    const id = childOf(request.id, "virtualNetworkPeerings", one.required(path, one.text("name")));
    const before = request.context.lookUp(keyOf(id));
    return peeringOf(id, new Body(one.json, formatResourceId(id)), before);
  });
}

function peeringOf(
  id: ResourceId,
  body: Body,
  before: Resource | undefined,
): VirtualNetworkPeering {
  const parent = parentOf(id) ?? id;
  const flag = (name: (typeof FLAGS)[number]) => body.bool(`properties.${name}`);
  const remote = body.required(
    "properties.remoteVirtualNetwork.id",
    body.reference("properties.remoteVirtualNetwork"),
  );
  return {
    type: PEERING,
    ...identity(id, before),
    network: { id: formatResourceId(parent), key: keyOf(parent) },
    remote,
    allowVirtualNetworkAccess: flag("allowVirtualNetworkAccess") ?? true,
    allowForwardedTraffic: flag("allowForwardedTraffic") ?? false,
    allowGatewayTransit: flag("allowGatewayTransit") ?? false,
    useRemoteGateways: flag("useRemoteGateways") ?? false,
    extra: body.extra([...FLAGS, "remoteVirtualNetwork", ...COMPUTED]),
  };
}

const COMPUTED = [
  "peeringState",
  "peeringSyncLevel",
  "remoteAddressSpace",
  "remoteVirtualNetworkAddressSpace",
];

/** The other side of a peering, where it exists. */
export function counterpartOf(
  peering: VirtualNetworkPeering,
  all: readonly VirtualNetworkPeering[],
): VirtualNetworkPeering | undefined {
  return all.find(
    ({ network, remote }) =>
      network.key === peering.remote.key && remote.key === peering.network.key,
  );
}

export function renderPeering(peering: VirtualNetworkPeering, context: RenderContext): JsonObject {
  const remote = context.get(peering.remote.key);
  const space = {
    addressPrefixes: remote?.type === "Microsoft.Network/virtualNetworks" ? remote.prefixes : [],
  };
  const isConnected = counterpartOf(peering, context.ofType(PEERING)) !== undefined;
  return envelope(peering, context, {
    ...peering.extra,
    peeringState: isConnected ? "Connected" : "Initiated",
    peeringSyncLevel: isConnected ? "FullyInSync" : "RemoteNotInSync",
    remoteVirtualNetwork: { id: peering.remote.id },
    remoteAddressSpace: space,
    remoteVirtualNetworkAddressSpace: space,
    allowVirtualNetworkAccess: peering.allowVirtualNetworkAccess,
    allowForwardedTraffic: peering.allowForwardedTraffic,
    allowGatewayTransit: peering.allowGatewayTransit,
    useRemoteGateways: peering.useRemoteGateways,
  });
}
