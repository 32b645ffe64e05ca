/**
 * Resources of the Terraform providers azurerm and azapi in the words of Azure's API: a table of
 * types, each with where its id comes from and what its body is.
 *
 * Attributes are spelled as the providers publish them, those of earlier major versions too.
 */
import {
  isJsonArray,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  property,
} from "../../arm/json.ts";
import type { Attributes } from "./terraform-attributes.ts";

export type TerraformType = {
  /** Azure's type, `Microsoft.Network/virtualNetworks/subnets`. */
  readonly type: string;
  /** Names of the parents of a part, outermost first. */
  readonly parents?: (of: Attributes) => readonly string[];
  readonly properties: (of: Attributes) => JsonObject;
  readonly besides?: (of: Attributes) => JsonObject;
};

const SUBNETS = ["azurerm_subnet"];
const GROUPS = ["azurerm_network_security_group"];
const TABLES = ["azurerm_route_table"];
const NETWORKS = ["azurerm_virtual_network"];
const PLANS = ["azurerm_app_service_plan", "azurerm_service_plan"];
export const ENVIRONMENTS = [
  "azurerm_app_service_environment",
  "azurerm_app_service_environment_v3",
];
const ADDRESSES = ["azurerm_public_ip"];

export const TERRAFORM_TYPES: Readonly<Record<string, TerraformType>> = {
  azurerm_virtual_network: {
    type: "Microsoft.Network/virtualNetworks",
    properties: (of) => ({
      addressSpace: { addressPrefixes: of.list("address_space") },
      dhcpOptions: { dnsServers: of.list("dns_servers") },
      ...inlineSubnets(of),
    }),
  },
  azurerm_subnet: {
    type: "Microsoft.Network/virtualNetworks/subnets",
    parents: (of) => [of.nameOf("virtual_network_name", NETWORKS)],
    properties: (of) => ({
      addressPrefixes: prefixes(of),
      ...of.reference("networkSecurityGroup", ["network_security_group_id"], GROUPS),
      ...of.reference("routeTable", ["route_table_id"], TABLES),
      serviceEndpoints: of.list("service_endpoints").map((service) => ({ service })),
      delegations: of.blocks("delegation").map((block) => ({
        name: block.text("name") ?? "",
        properties: {
          serviceName: block.blocks("service_delegation")[0]?.text("name") ?? "",
        },
      })),
    }),
  },
  azurerm_network_security_group: {
    type: "Microsoft.Network/networkSecurityGroups",
    properties: (of) => ({
      securityRules: of
        .blocks("security_rule")
        .map((block) => block.placed({ name: block.text("name") ?? "", properties: rule(block) })),
    }),
  },
  azurerm_network_security_rule: {
    type: "Microsoft.Network/networkSecurityGroups/securityRules",
    parents: (of) => [of.nameOf("network_security_group_name", GROUPS)],
    properties: rule,
  },
  azurerm_application_security_group: {
    type: "Microsoft.Network/applicationSecurityGroups",
    properties: () => ({}),
  },
  azurerm_route_table: {
    type: "Microsoft.Network/routeTables",
    properties: (of) => ({
      disableBgpRoutePropagation:
        of.bool("disable_bgp_route_propagation") ??
        of.bool("bgp_route_propagation_enabled") === false,
      routes: of
        .blocks("route")
        .map((block) => block.placed({ name: block.text("name") ?? "", properties: route(block) })),
    }),
  },
  azurerm_route: {
    type: "Microsoft.Network/routeTables/routes",
    parents: (of) => [of.nameOf("route_table_name", TABLES)],
    properties: route,
  },
  azurerm_public_ip: {
    type: "Microsoft.Network/publicIPAddresses",
    properties: (of) => ({
      publicIPAllocationMethod: of.text("allocation_method") ?? "Static",
      publicIPAddressVersion: of.text("ip_version") ?? "IPv4",
      ...of.given("ipAddress", of.text("ip_address")),
    }),
    besides: (of) => ({ sku: { name: of.text("sku") ?? "Standard" } }),
  },
  azurerm_network_interface: {
    type: "Microsoft.Network/networkInterfaces",
    properties: (of) => ({
      enableIPForwarding:
        of.bool("ip_forwarding_enabled") ?? of.bool("enable_ip_forwarding") ?? false,
      ipConfigurations: of.blocks("ip_configuration").map((block) => ({
        name: block.text("name") ?? "",
        properties: {
          ...block.reference("subnet", ["subnet_id"], SUBNETS),
          ...block.reference("publicIPAddress", ["public_ip_address_id"], ADDRESSES),
          privateIPAllocationMethod: block.text("private_ip_address_allocation") ?? "Dynamic",
          ...block.given("privateIPAddress", block.text("private_ip_address")),
          ...block.given("primary", block.bool("primary")),
        },
      })),
    }),
  },
  azurerm_firewall: {
    type: "Microsoft.Network/azureFirewalls",
    properties: (of) => ({ ipConfigurations: configurations(of) }),
  },
  azurerm_bastion_host: {
    type: "Microsoft.Network/bastionHosts",
    properties: (of) => ({ ipConfigurations: configurations(of) }),
  },
  azurerm_virtual_network_gateway: {
    type: "Microsoft.Network/virtualNetworkGateways",
    properties: (of) => ({
      gatewayType: of.text("type") ?? "Vpn",
      vpnType: of.text("vpn_type") ?? "RouteBased",
      enableBgp: of.bool("bgp_enabled") ?? of.bool("enable_bgp") ?? false,
      ipConfigurations: configurations(of),
    }),
  },
  azurerm_local_network_gateway: {
    type: "Microsoft.Network/localNetworkGateways",
    properties: (of) => ({
      localNetworkAddressSpace: { addressPrefixes: of.list("address_space") },
      ...of.given("gatewayIpAddress", of.text("gateway_address")),
    }),
  },
  azurerm_virtual_network_gateway_connection: {
    type: "Microsoft.Network/connections",
    properties: (of) => ({
      connectionType: of.text("type") ?? "IPsec",
      enableBgp: of.bool("bgp_enabled") ?? of.bool("enable_bgp") ?? false,
      ...of.reference(
        "virtualNetworkGateway1",
        ["virtual_network_gateway_id"],
        ["azurerm_virtual_network_gateway"],
      ),
      ...of.reference(
        "localNetworkGateway2",
        ["local_network_gateway_id"],
        ["azurerm_local_network_gateway"],
      ),
    }),
  },
  azurerm_virtual_network_peering: {
    type: "Microsoft.Network/virtualNetworks/virtualNetworkPeerings",
    parents: (of) => [of.nameOf("virtual_network_name", NETWORKS)],
    properties: (of) => ({
      ...of.reference("remoteVirtualNetwork", ["remote_virtual_network_id"], NETWORKS),
      allowVirtualNetworkAccess: of.bool("allow_virtual_network_access") ?? true,
      allowForwardedTraffic: of.bool("allow_forwarded_traffic") ?? false,
      allowGatewayTransit: of.bool("allow_gateway_transit") ?? false,
      useRemoteGateways: of.bool("use_remote_gateways") ?? false,
    }),
  },
  azurerm_private_endpoint: {
    type: "Microsoft.Network/privateEndpoints",
    properties: (of) => of.reference("subnet", ["subnet_id"], SUBNETS),
  },
  azurerm_private_dns_zone: {
    type: "Microsoft.Network/privateDnsZones",
    properties: () => ({}),
    besides: () => ({ location: "global" }),
  },
  azurerm_private_dns_zone_virtual_network_link: {
    type: "Microsoft.Network/privateDnsZones/virtualNetworkLinks",
    parents: (of) => [of.nameOf("private_dns_zone_name", ["azurerm_private_dns_zone"])],
    properties: (of) => ({
      ...of.reference("virtualNetwork", ["virtual_network_id"], NETWORKS),
      registrationEnabled: of.bool("registration_enabled") ?? false,
    }),
    besides: () => ({ location: "global" }),
  },
  azurerm_private_dns_a_record: {
    type: "Microsoft.Network/privateDnsZones/A",
    parents: (of) => [of.nameOf("zone_name", ["azurerm_private_dns_zone"])],
    properties: (of) => ({
      ttl: of.value("ttl") ?? 300,
      aRecords: of.list("records").map((ipv4Address) => ({ ipv4Address })),
    }),
  },
  azurerm_private_dns_cname_record: {
    type: "Microsoft.Network/privateDnsZones/CNAME",
    parents: (of) => [of.nameOf("zone_name", ["azurerm_private_dns_zone"])],
    properties: (of) => ({
      ttl: of.value("ttl") ?? 300,
      cnameRecord: { cname: of.text("record") ?? "" },
    }),
  },
  azurerm_app_service_environment: {
    type: "Microsoft.Web/hostingEnvironments",
    properties: (of) => ({
      ...of.reference("virtualNetwork", ["subnet_id"], SUBNETS),
      internalLoadBalancingMode: of.text("internal_load_balancing_mode") ?? "None",
      ...of.given("frontEndScaleFactor", of.value("front_end_scale_factor")),
      userWhitelistedIpRanges: [
        ...of.list("allowed_user_ip_cidrs"),
        ...of.list("user_whitelisted_ip_ranges"),
      ],
      clusterSettings: of.blocks("cluster_setting").map((block) => ({
        name: block.text("name") ?? "",
        value: block.text("value") ?? "",
      })),
    }),
    besides: () => ({ kind: "ASEV2" }),
  },
  azurerm_app_service_environment_v3: {
    type: "Microsoft.Web/hostingEnvironments",
    properties: (of) => of.reference("virtualNetwork", ["subnet_id"], SUBNETS),
    besides: () => ({ kind: "ASEV3" }),
  },
  azurerm_app_service_plan: {
    type: "Microsoft.Web/serverfarms",
    properties: (of) => ({
      ...of.reference("hostingEnvironmentProfile", ["app_service_environment_id"], ENVIRONMENTS),
      reserved: of.bool("reserved") ?? false,
      perSiteScaling: of.bool("per_site_scaling") ?? false,
    }),
    besides: (of) => {
      const [sku] = of.blocks("sku");
      return {
        kind: of.text("kind") ?? "app",
        sku: { name: sku?.text("size") ?? "I1", capacity: sku?.value("capacity") ?? 1 },
      };
    },
  },
  azurerm_service_plan: {
    type: "Microsoft.Web/serverfarms",
    properties: (of) => ({
      ...of.reference("hostingEnvironmentProfile", ["app_service_environment_id"], ENVIRONMENTS),
      reserved: of.text("os_type") === "Linux",
      perSiteScaling: of.bool("per_site_scaling_enabled") ?? false,
    }),
    besides: (of) => ({
      kind: of.text("os_type") === "Linux" ? "linux" : "app",
      sku: { name: of.text("sku_name") ?? "I1", capacity: of.value("worker_count") ?? 1 },
    }),
  },
  azurerm_app_service: site("app_service_plan_id"),
  azurerm_function_app: site("app_service_plan_id"),
  azurerm_linux_web_app: site("service_plan_id"),
  azurerm_windows_web_app: site("service_plan_id"),
  azurerm_linux_function_app: site("service_plan_id"),
  azurerm_windows_function_app: site("service_plan_id"),
  azurerm_redis_cache: {
    type: "Microsoft.Cache/Redis",
    properties: (of) => {
      const id = of.idOf(["subnet_id"], SUBNETS);
      return of.given("subnetId", id);
    },
  },
};

function site(plan: string): TerraformType {
  return {
    type: "Microsoft.Web/sites",
    properties: (of) => {
      const id = of.idOf([plan], PLANS);
      return {
        ...of.given("serverFarmId", id),
        httpsOnly: of.bool("https_only") ?? false,
        enabled: of.bool("enabled") ?? true,
      };
    },
  };
}

/** Blocks of a network's own; those of resources beside it are listed in states too. */
function inlineSubnets(of: Attributes): JsonObject {
  const blocks = of.blocks("subnet");
  if (blocks.length === 0) return {};
  return {
    subnets: blocks.map((block) =>
      block.placed({
        name: block.text("name") ?? "",
        properties: {
          addressPrefixes: prefixes(block),
          ...block.reference("networkSecurityGroup", ["security_group"], GROUPS),
          ...block.reference("routeTable", ["route_table_id"], TABLES),
          serviceEndpoints: block.list("service_endpoints").map((service) => ({ service })),
        },
      }),
    ),
  };
}

function prefixes(of: Attributes): readonly JsonValue[] {
  const single = of.text("address_prefix");
  const several = of.list("address_prefixes");
  return 0 < several.length || single === undefined ? several : [single];
}

function configurations(of: Attributes): readonly JsonObject[] {
  return of.blocks("ip_configuration").map((block) => ({
    name: block.text("name") ?? "",
    properties: {
      ...block.reference("subnet", ["subnet_id"], SUBNETS),
      ...block.reference("publicIPAddress", ["public_ip_address_id"], ADDRESSES),
    },
  }));
}

const RULE_WORDS: Readonly<Record<string, string>> = {
  description: "description",
  priority: "priority",
  direction: "direction",
  access: "access",
  protocol: "protocol",
  source_port_range: "sourcePortRange",
  source_port_ranges: "sourcePortRanges",
  destination_port_range: "destinationPortRange",
  destination_port_ranges: "destinationPortRanges",
  source_address_prefix: "sourceAddressPrefix",
  source_address_prefixes: "sourceAddressPrefixes",
  destination_address_prefix: "destinationAddressPrefix",
  destination_address_prefixes: "destinationAddressPrefixes",
};

function rule(of: Attributes): JsonObject {
  const words = Object.entries(RULE_WORDS).flatMap(([name, meant]): [string, JsonValue][] => {
    const value = of.value(name);
    return value === undefined || value === null ? [] : [[meant, value]];
  });
  const asgs = (side: "source" | "destination"): JsonObject => {
    const ids = of.idsOf(
      [`${side}_application_security_group_ids`],
      ["azurerm_application_security_group"],
    );
    return ids.length === 0
      ? {}
      : { [`${side}ApplicationSecurityGroups`]: ids.map((id) => ({ id })) };
  };
  return { ...Object.fromEntries(words), ...asgs("source"), ...asgs("destination") };
}

function route(of: Attributes): JsonObject {
  const kind = of.text("next_hop_type") ?? "";
  const address =
    kind === "VirtualAppliance"
      ? (of.text("next_hop_in_ip_address") ?? of.applianceAddress(["next_hop_in_ip_address"]))
      : undefined;
  return {
    addressPrefix: of.text("address_prefix") ?? "",
    nextHopType: kind,
    ...of.given("nextHopIpAddress", address),
  };
}

/** `body` of azapi: JSON as a text in version 1, a value since. */
export function azapiBody(
  body: JsonValue | undefined,
  read: (text: string) => JsonValue,
): JsonObject {
  const value = typeof body === "string" ? read(body) : body;
  const inner =
    isJsonObject(value) && Object.keys(value).length === 2 && property(value, "type") !== undefined
      ? property(value, "value")
      : undefined;
  const meant = inner ?? value;
  return isJsonObject(meant) && !isJsonArray(meant) ? meant : {};
}
