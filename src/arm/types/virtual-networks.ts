/** Virtual networks and their subnets: bodies to resources and back. */
import { childOf, keyOf, parentOf, formatResourceId, type ResourceId } from "../ids.ts";
import type { Result } from "../../base/problem.ts";
import { parseCidr, parseIpv4, prefixLength } from "../../network/prefix.ts";
import { type Cidr6, isIpv6, parseCidr6 } from "../../network/prefix6.ts";
import type { JsonObject } from "../json.ts";
import type { ResourceOf, Subnet, VirtualNetwork } from "../resources.ts";
import { Body, bodyOf, identity, located, type Parsed, type ParseRequest } from "./body.ts";
import { PEERING, peeringsIn, renderPeering } from "./peerings.ts";
import { envelope, idOnly, type RenderContext } from "./render.ts";

const NETWORK = "Microsoft.Network/virtualNetworks";
const SUBNET = "Microsoft.Network/virtualNetworks/subnets";

/** Five addresses of every subnet are the network's own. */
const LONGEST_SUBNET_PREFIX = 29;

export function parseVirtualNetwork(request: ParseRequest): Parsed {
  const body = bodyOf(request);
  const path = "properties.addressSpace.addressPrefixes";
  const written = body.required(path, body.texts(path));
  if (written.length === 0)
    body.fail("InvalidRequestContent", `${path} is empty`, "Give at least one prefix.");
  const read = <Prefix>(texts: readonly string[], parse: (text: string) => Result<Prefix>) =>
    texts.map((text) => body.accept(path, parse(text), "InvalidAddressPrefixFormat"));
  const prefixes = read(
    written.filter((text) => !isIpv6(text)),
    parseCidr,
  );
  if (prefixes.length === 0)
    body.fail(
      "InvalidRequestContent",
      `${path} holds IPv6 prefixes alone`,
      "Give an IPv4 prefix too, as Azure wants it of a dual-stack network.",
    );
  const prefixes6 = read(written.filter(isIpv6), parseCidr6);
  const dnsServers = (body.texts("properties.dhcpOptions.dnsServers") ?? []).map((text) =>
    body.accept("properties.dhcpOptions.dnsServers", parseIpv4(text)),
  );
  const network: VirtualNetwork = {
    type: NETWORK,
    ...identity(request.id, request.before),
    ...located(request, body),
    prefixes,
    ...(prefixes6.length === 0 ? {} : { prefixes6 }),
    dnsServers,
    extra: body.extra(["addressSpace", "dhcpOptions", "subnets", "virtualNetworkPeerings"]),
  };
  const peerings = peeringsIn(request, body);
  const subnets = body.list("properties.subnets");
  const parts = subnets?.map((subnet, index) => {
    const name = subnet.required(`properties.subnets[${index}].name`, subnet.text("name"));
    const id = childOf(request.id, "subnets", name);
    return subnetOf(
      id,
      new Body(subnet.json, formatResourceId(id)),
      request.context.lookUp(keyOf(id)),
    );
  });
  return {
    resources: [network, ...(parts ?? []), ...(peerings ?? [])],
    replacedParts: [
      ...(parts === undefined ? [] : ([SUBNET] as const)),
      ...(peerings === undefined ? [] : ([PEERING] as const)),
    ],
  };
}

export function parseSubnet(request: ParseRequest): Parsed {
  return { resources: [subnetOf(request.id, bodyOf(request), request.before)], replacedParts: [] };
}

function subnetOf(id: ResourceId, body: Body, before: ParseRequest["before"]): Subnet {
  const several = body.texts("properties.addressPrefixes") ?? [];
  const text = body.text("properties.addressPrefix") ?? several.find((one) => !isIpv6(one));
  const prefix6 = secondPrefix(several, body);
  const path = "properties.addressPrefix";
  const prefix = body.accept(
    path,
    parseCidr(body.required(path, text)),
    "InvalidAddressPrefixFormat",
  );
  if (LONGEST_SUBNET_PREFIX < prefixLength(prefix))
    body.fail(
      "NetcfgInvalidSubnet",
      `${path} ${prefix} is too small for a subnet`,
      "Use a prefix of /29 or larger.",
    );
  const group = body.reference("properties.networkSecurityGroup");
  const table = body.reference("properties.routeTable");
  const parent = parentOf(id) ?? id;
  return {
    type: SUBNET,
    ...identity(id, before),
    network: { id: formatResourceId(parent), key: keyOf(parent) },
    prefix,
    ...(prefix6 === undefined ? {} : { prefix6 }),
    ...(group === undefined ? {} : { networkSecurityGroup: group }),
    ...(table === undefined ? {} : { routeTable: table }),
    serviceEndpoints: (body.list("properties.serviceEndpoints") ?? []).map((endpoint) =>
      endpoint.required("properties.serviceEndpoints.service", endpoint.text("service")),
    ),
    extra: body.extra([
      "addressPrefix",
      "addressPrefixes",
      "networkSecurityGroup",
      "routeTable",
      "serviceEndpoints",
      "ipConfigurations",
      "resourceNavigationLinks",
      "serviceAssociationLinks",
      "purpose",
    ]),
  };
}

/** The IPv6 prefix of a dual-stack subnet. */
function secondPrefix(several: readonly string[], body: Body): Cidr6 | undefined {
  const path = "properties.addressPrefixes";
  const [text, ...more] = several.filter(isIpv6);
  if (text === undefined) return undefined;
  const prefix = body.accept(path, parseCidr6(text), "InvalidAddressPrefixFormat");
  if (more.length === 0 && prefix.endsWith("/64")) return prefix;
  return body.fail(
    "NetcfgInvalidSubnet",
    `${path}: ${[text, ...more].join(", ")} cannot be the IPv6 part of a subnet`,
    "Give one IPv6 prefix of exactly /64 beside the IPv4 prefix.",
  );
}

export function renderVirtualNetwork(network: VirtualNetwork, context: RenderContext): JsonObject {
  const subnets = context.ofType(SUBNET).filter((subnet) => subnet.network.key === network.key);
  return envelope(network, context, {
    enableDdosProtection: false,
    ...network.extra,
    virtualNetworkPeerings: context
      .ofType(PEERING)
      .filter((peering) => peering.network.key === network.key)
      .map((peering) => renderPeering(peering, context)),
    addressSpace: { addressPrefixes: [...network.prefixes, ...(network.prefixes6 ?? [])] },
    dhcpOptions: { dnsServers: network.dnsServers },
    subnets: subnets.map((subnet) => renderSubnet(subnet, context)),
  });
}

export function renderSubnet(subnet: Subnet, context: RenderContext): JsonObject {
  const inside = (other: ResourceOf<"Microsoft.Web/hostingEnvironments">) =>
    other.subnet.key === subnet.key;
  const environments = context.ofType("Microsoft.Web/hostingEnvironments").filter(inside);
  const configurations = context
    .ofType("Microsoft.Network/networkInterfaces")
    .flatMap((card) =>
      card.configurations
        .filter((one) => one.subnet.key === subnet.key)
        .map((one) => ({ id: `${card.id}/ipConfigurations/${one.name}` })),
    );
  return envelope(subnet, context, {
    delegations: [],
    privateEndpointNetworkPolicies: "Disabled",
    privateLinkServiceNetworkPolicies: "Enabled",
    ...subnet.extra,
    addressPrefix: subnet.prefix,
    ...(subnet.prefix6 === undefined ? {} : { addressPrefixes: [subnet.prefix, subnet.prefix6] }),
    ...idOnly("networkSecurityGroup", subnet.networkSecurityGroup),
    ...idOnly("routeTable", subnet.routeTable),
    serviceEndpoints: subnet.serviceEndpoints.map((service) => ({
      service,
      locations: ["*"],
      provisioningState: "Succeeded",
    })),
    ...(configurations.length === 0 ? {} : { ipConfigurations: configurations }),
    ...(environments.length === 0
      ? {}
      : {
          resourceNavigationLinks: environments.map((environment) => ({
            id: `${subnet.id}/resourceNavigationLinks/${environment.name}`,
            name: environment.name,
            properties: {
              linkedResourceType: environment.type,
              link: environment.id,
              provisioningState: "Succeeded",
            },
          })),
        }),
  });
}
