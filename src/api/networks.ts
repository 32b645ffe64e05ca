/**
 * Questions about networks beside their being resources: free addresses, usages, service tags and
 * services with endpoints.
 */
import { type Context, Hono } from "hono";

import { keyOf } from "../arm/ids.ts";
import type { JsonObject } from "../arm/json.ts";
import type { ResourceOf } from "../arm/resources.ts";
import { notFound } from "../control/arm-writes.ts";
import type { ControlPlane } from "../control/control-plane.ts";
import { FIRST_HOST_OFFSET, PLATFORM_ADDRESSES } from "../environment/addresses.ts";
import { addressAt, type Cidr, contains, type Ipv4, parseIpv4, sizeOf } from "../network/prefix.ts";
import { page, refuse, sent } from "./answer.ts";
import { idInPath, query, segmentCount } from "./request.ts";
import { typeOfResource } from "./resources.ts";

type Network = ResourceOf<"Microsoft.Network/virtualNetworks">;

export function networkRoutes(plane: ControlPlane): Hono {
  const routes = new Hono();
  const one =
    "/subscriptions/:sub/resourcegroups/:group/providers/microsoft.network/virtualnetworks/:name";
  routes.get(`${one}/checkipaddressavailability`, (context) =>
    withNetwork(context, plane, (network) => checkAddress(context, plane, network)),
  );
  routes.get(`${one}/usages`, (context) =>
    withNetwork(context, plane, (network) => page(context, usagesOf(plane, network))),
  );
  const location = "/subscriptions/:sub/providers/microsoft.network/locations/:location";
  routes.get(`${location}/usages`, (context) => page(context, usagesHere(plane)));
  routes.get(`${location}/servicetags`, (context) => sent(context, serviceTags(plane)));
  routes.get(`${location}/virtualnetworkavailableendpointservices`, (context) =>
    page(
      context,
      SERVICES.map((name) => ({
        name,
        id: `${context.req.path}/${name}`,
        type: "Microsoft.Network/virtualNetworkEndpointServices",
      })),
    ),
  );
  return routes;
}

/** Services that subnets may have endpoints of. */
const SERVICES = [
  "Microsoft.Storage",
  "Microsoft.Sql",
  "Microsoft.EventHub",
  "Microsoft.ServiceBus",
  "Microsoft.KeyVault",
  "Microsoft.AzureCosmosDB",
  "Microsoft.AzureActiveDirectory",
  "Microsoft.ContainerRegistry",
  "Microsoft.Web",
  "Microsoft.CognitiveServices",
];

function withNetwork(
  context: Context,
  plane: ControlPlane,
  show: (network: Network) => Response,
): Response {
  const id = idInPath(context, segmentCount(context) - 1);
  if (!id.ok) return refuse(context, id.problem);
  const resource = plane.resources.get(keyOf(id.value))?.resource;
  return resource?.type === "Microsoft.Network/virtualNetworks"
    ? show(resource)
    : refuse(context, notFound(id.value));
}

/** As many as Azure proposes. */
const MOST_PROPOSED = 5;

function checkAddress(context: Context, plane: ControlPlane, network: Network): Response {
  const asked = query(context, "ipAddress") ?? "";
  const address = parseIpv4(asked);
  if (!address.ok)
    return refuse(context, {
      code: "InvalidIPAddressFormat",
      what: `ipAddress "${asked}" is not an IPv4 address`,
      fix: "Ask with ?ipAddress=10.0.0.4.",
      where: network.id,
    });
  if (!network.prefixes.some((prefix) => contains(prefix, address.value)))
    return refuse(context, {
      code: "PrivateIPAddressNotInAnySubnet",
      what: `Private static IP address ${asked} does not belong to the range of the virtual network ${network.name} (${network.prefixes.join(", ")})`,
      fix: "Ask for an address of one of its subnets.",
      where: network.id,
    });
  const subnets = subnetsOf(plane, network);
  const subnet = subnets.find(({ prefix }) => contains(prefix, address.value));
  const available = subnet !== undefined && isFree(plane, subnet, address.value);
  const proposed =
    available || subnets.length === 0
      ? []
      : freeIn(plane, subnet ?? subnets[0]).slice(0, MOST_PROPOSED);
  return sent(context, {
    available,
    availableIPAddresses: proposed,
    isPlatformReserved: subnet !== undefined && isReserved(subnet.prefix, address.value),
  });
}

type Subnet = ResourceOf<"Microsoft.Network/virtualNetworks/subnets">;

function subnetsOf(plane: ControlPlane, network: Network): readonly Subnet[] {
  return plane.resources
    .list(`${network.key}/`)
    .flatMap(({ resource }) =>
      resource.type === "Microsoft.Network/virtualNetworks/subnets" ? [resource] : [],
    );
}

function isReserved(prefix: Cidr, address: Ipv4): boolean {
  const last = sizeOf(prefix) - 1;
  const first = Array.from({ length: FIRST_HOST_OFFSET }, (_, offset) => addressAt(prefix, offset));
  return [...first, addressAt(prefix, last)].includes(address);
}

function isFree(plane: ControlPlane, subnet: Subnet, address: Ipv4): boolean {
  return !isReserved(subnet.prefix, address) && !plane.world.takenIn(subnet.key).includes(address);
}

function freeIn(plane: ControlPlane, subnet: Subnet | undefined): readonly Ipv4[] {
  if (subnet === undefined) return [];
  const taken = new Set<string>(plane.world.takenIn(subnet.key));
  const free: Ipv4[] = [];
  const end = sizeOf(subnet.prefix) - 1;
  for (let offset = FIRST_HOST_OFFSET; offset < end && free.length < MOST_PROPOSED; offset += 1) {
    const address = addressAt(subnet.prefix, offset);
    if (!taken.has(address)) free.push(address);
  }
  return free;
}

function usagesOf(plane: ControlPlane, network: Network): readonly JsonObject[] {
  return subnetsOf(plane, network).map((subnet) => ({
    id: subnet.id,
    currentValue: plane.world.takenIn(subnet.key).length,
    limit: sizeOf(subnet.prefix) - PLATFORM_ADDRESSES,
    name: { localizedValue: "Subnet size and usage", value: "SubnetSpace" },
    unit: "Count",
  }));
}

/** Azure's usual limits per subscription and region. */
const LIMITS = [
  ["virtualNetworks", "Virtual Networks", 1_000],
  ["networkSecurityGroups", "Network Security Groups", 5_000],
  ["routeTables", "Route Tables", 200],
  ["publicIPAddresses", "Public IP Addresses", 1_000],
  ["networkInterfaces", "Network Interfaces", 65_536],
  ["applicationSecurityGroups", "Application Security Groups", 3_000],
  ["networkWatchers", "Network Watchers", 1],
] as const;

function usagesHere(plane: ControlPlane): readonly JsonObject[] {
  const counts = Map.groupBy(plane.resources.list(""), ({ resource }) =>
    typeOfResource(resource).toLowerCase(),
  );
  const { location, subscriptionId } = plane.account;
  const base = `/subscriptions/${subscriptionId}/providers/Microsoft.Network/locations/${location}`;
  return LIMITS.map(([type, localizedValue, limit]) => ({
    id: `${base}/usages/${type}`,
    currentValue: counts.get(`microsoft.network/${type.toLowerCase()}`)?.length ?? 0,
    limit,
    name: { localizedValue, value: `${type.charAt(0).toUpperCase()}${type.slice(1)}` },
    unit: "Count",
  }));
}

function serviceTags({ account, world }: ControlPlane): JsonObject {
  const { tags } = world;
  const { location, subscriptionId } = account;
  const changeNumber = String(tags.changeNumber);
  return {
    name: "Public",
    id: `/subscriptions/${subscriptionId}/providers/Microsoft.Network/serviceTags/Public`,
    type: "Microsoft.Network/serviceTags",
    location,
    changeNumber,
    cloud: "Public",
    values: tags.names.map((name) => ({
      name,
      id: name,
      properties: {
        changeNumber,
        region: name.includes(".") ? name.slice(name.indexOf(".") + 1).toLowerCase() : "",
        systemService: name.split(".")[0] ?? "",
        addressPrefixes: tags.texts(name),
      },
    })),
  };
}
