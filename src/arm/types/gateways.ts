/**
 * Gateways, networks on premises and what joins them: bodies to resources and back.
 *
 * What a router on premises announces by BGP stands in no body of Azure's: it is read from the tag
 * `openase-announces` of the local network gateway or the circuit.
 */
import { parseCidr, parseIpv4, type Cidr } from "../../network/prefix.ts";
import type { JsonObject } from "../json.ts";
import type {
  ExpressRouteCircuit,
  GatewayConnection,
  LocalNetworkGateway,
  VirtualNetworkGateway,
} from "../resources.ts";
import { type Body, bodyOf, identity, located, type Parsed, type ParseRequest } from "./body.ts";
import { envelope, idOnly, type RenderContext } from "./render.ts";

/** Prefixes separated by commas. */
export const ANNOUNCES_TAG = "openase-announces";

export function parseVirtualNetworkGateway(request: ParseRequest): Parsed {
  const body = bodyOf(request);
  const configurations = body.list("properties.ipConfigurations") ?? [];
  const [first] = configurations;
  const path = "properties.ipConfigurations[0].properties.subnet.id";
  const subnet = body.required(path, first?.reference("properties.subnet"));
  if (subnet.key.split("/").at(-1) !== "gatewaysubnet")
    body.fail(
      "InvalidGatewaySubnet",
      `${path} names ${subnet.id}, and a gateway stands in a subnet named GatewaySubnet`,
      "Create a subnet named GatewaySubnet in the network, and name it here.",
    );
  const publicIpAddress = first?.reference("properties.publicIPAddress");
  const defaultSite = body.reference("properties.gatewayDefaultSite");
  const gateway: VirtualNetworkGateway = {
    type: "Microsoft.Network/virtualNetworkGateways",
    ...identity(request.id, request.before),
    ...located(request, body),
    kind: body.choice("properties.gatewayType", ["Vpn", "ExpressRoute"]) ?? "Vpn",
    subnet,
    ...(publicIpAddress === undefined ? {} : { publicIpAddress }),
    ...(defaultSite === undefined ? {} : { defaultSite }),
    extra: body.extra(["ipConfigurations", "gatewayType", "gatewayDefaultSite"]),
  };
  return { resources: [gateway], replacedParts: [] };
}

export function renderVirtualNetworkGateway(
  gateway: VirtualNetworkGateway,
  context: RenderContext,
): JsonObject {
  return envelope(gateway, context, {
    enableBgp: false,
    activeActive: false,
    ...(gateway.kind === "Vpn" ? { vpnType: "RouteBased" } : {}),
    ...gateway.extra,
    gatewayType: gateway.kind,
    ...idOnly("gatewayDefaultSite", gateway.defaultSite),
    ipConfigurations: [
      {
        id: `${gateway.id}/ipConfigurations/default`,
        name: "default",
        properties: {
          provisioningState: "Succeeded",
          privateIPAllocationMethod: "Dynamic",
          subnet: { id: gateway.subnet.id },
          ...idOnly("publicIPAddress", gateway.publicIpAddress),
        },
      },
    ],
  });
}

export function parseLocalNetworkGateway(request: ParseRequest): Parsed {
  const body = bodyOf(request);
  const place = located(request, body);
  const path = "properties.localNetworkAddressSpace.addressPrefixes";
  const address = body.text("properties.gatewayIpAddress");
  const resource: LocalNetworkGateway = {
    type: "Microsoft.Network/localNetworkGateways",
    ...identity(request.id, request.before),
    ...place,
    prefixes: (body.texts(path) ?? []).map((text) =>
      body.accept(path, parseCidr(text), "InvalidAddressPrefixFormat"),
    ),
    announced: announcedIn(place.tags, body),
    ...(address === undefined
      ? {}
      : { publicAddress: body.accept("properties.gatewayIpAddress", parseIpv4(address)) }),
    extra: body.extra(["localNetworkAddressSpace", "gatewayIpAddress"]),
  };
  return { resources: [resource], replacedParts: [] };
}

export function renderLocalNetworkGateway(
  site: LocalNetworkGateway,
  context: RenderContext,
): JsonObject {
  return envelope(site, context, {
    ...site.extra,
    localNetworkAddressSpace: { addressPrefixes: site.prefixes },
    ...(site.publicAddress === undefined ? {} : { gatewayIpAddress: site.publicAddress }),
  });
}

export function parseExpressRouteCircuit(request: ParseRequest): Parsed {
  const body = bodyOf(request);
  const place = located(request, body);
  const circuit: ExpressRouteCircuit = {
    type: "Microsoft.Network/expressRouteCircuits",
    ...identity(request.id, request.before),
    ...place,
    announced: announcedIn(place.tags, body),
    extra: body.extra([]),
  };
  return { resources: [circuit], replacedParts: [] };
}

export function renderExpressRouteCircuit(
  circuit: ExpressRouteCircuit,
  context: RenderContext,
): JsonObject {
  return envelope(circuit, context, {
    ...circuit.extra,
    circuitProvisioningState: "Enabled",
    serviceProviderProvisioningState: "Provisioned",
  });
}

export function parseConnection(request: ParseRequest): Parsed {
  const body = bodyOf(request);
  const kinds = ["IPsec", "ExpressRoute", "Vnet2Vnet"] as const;
  const path = "properties.connectionType";
  const kind = body.required(path, body.choice(path, kinds));
  if (kind === "Vnet2Vnet")
    return body.fail(
      "ConnectionTypeNotSupported",
      "connections of type Vnet2Vnet are not carried out here",
      "Join the two networks by a peering.",
    );
  const needed = (of: string) => body.required(`${of}.id`, body.reference(of));
  const connection: GatewayConnection = {
    type: "Microsoft.Network/connections",
    ...identity(request.id, request.before),
    ...located(request, body),
    kind,
    gateway: needed("properties.virtualNetworkGateway1"),
    peer: needed(kind === "IPsec" ? "properties.localNetworkGateway2" : "properties.peer"),
    enableBgp: body.bool("properties.enableBgp") ?? kind === "ExpressRoute",
    // The shared key is kept nowhere: the tunnel is a link of the world's own.
    extra: body.extra([
      "connectionType",
      "virtualNetworkGateway1",
      "localNetworkGateway2",
      "peer",
      "enableBgp",
      "sharedKey",
      "authorizationKey",
      "connectionStatus",
    ]),
  };
  return { resources: [connection], replacedParts: [] };
}

export function renderConnection(
  connection: GatewayConnection,
  context: RenderContext,
): JsonObject {
  const { kind, gateway, peer } = connection;
  return envelope(connection, context, {
    ...connection.extra,
    connectionType: kind,
    connectionStatus: "Connected",
    virtualNetworkGateway1: { id: gateway.id },
    [kind === "IPsec" ? "localNetworkGateway2" : "peer"]: { id: peer.id },
    enableBgp: connection.enableBgp,
  });
}

function announcedIn(tags: Readonly<Record<string, string>>, body: Body): readonly Cidr[] {
  const text = Object.entries(tags).find(([name]) => name.toLowerCase() === ANNOUNCES_TAG)?.[1];
  return (text ?? "")
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "")
    .map((part) => body.accept(`tags.${ANNOUNCES_TAG}`, parseCidr(part)));
}
