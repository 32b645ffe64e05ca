/**
 * The typed resources: what is left of an ARM body once it was parsed.
 *
 * One union on `type`. References to other resources are an id as written and its key; children
 * (subnets, rules, routes) are resources of their own. Parsing and rendering stand in types/;
 * nothing here knows what a resource does, and no status is kept here: status is computed.
 */
import type { EnvironmentKind, InstanceSize, LoadBalancingMode } from "../environment/kind.ts";
import type { RecordData, RecordType } from "../network/names.ts";
import type { Cidr, Ipv4 } from "../network/prefix.ts";
import type { Cidr6 } from "../network/prefix6.ts";
import type { NextHop } from "../network/route.ts";
import type { SecurityRule } from "../network/rule.ts";
import type { JsonObject } from "./json.ts";

/** Another resource by its id. `key` is for look-ups, `id` for people. */
export type Reference = { readonly id: string; readonly key: string };

type Common = {
  /** Canonical id with the casing of its first writer. */
  readonly id: string;
  /** `keyOf(id)`: lower case, the key in stores. */
  readonly key: string;
  /** Last name of the id: `ase` for a subnet `vnet1/ase`. */
  readonly name: string;
  /** Properties we keep and give back but that change nothing here. */
  readonly extra: JsonObject;
};

type Located = Common & {
  readonly location: string;
  readonly tags: Readonly<Record<string, string>>;
};

export type ResourceGroup = Located & { readonly type: "Microsoft.Resources/resourceGroups" };

export type VirtualNetwork = Located & {
  readonly type: "Microsoft.Network/virtualNetworks";
  readonly prefixes: readonly Cidr[];
  /** Of a dual-stack network: kept and answered; the world carries IPv4. Absent: none. */
  readonly prefixes6?: readonly Cidr6[];
  /** Empty: the platform's resolver. */
  readonly dnsServers: readonly Ipv4[];
};

export type Subnet = Common & {
  readonly type: "Microsoft.Network/virtualNetworks/subnets";
  readonly network: Reference;
  readonly prefix: Cidr;
  /** Of a dual-stack subnet: one /64. */
  readonly prefix6?: Cidr6;
  readonly networkSecurityGroup?: Reference;
  readonly routeTable?: Reference;
  /** For example `Microsoft.Sql`. */
  readonly serviceEndpoints: readonly string[];
};

export type NetworkSecurityGroup = Located & {
  readonly type: "Microsoft.Network/networkSecurityGroups";
  /** True: a change of rules is applied to established flows too. */
  readonly flushConnection: boolean;
};

/** One side of a peering: what its own network sends to and takes from the remote one. */
export type VirtualNetworkPeering = Common & {
  readonly type: "Microsoft.Network/virtualNetworks/virtualNetworkPeerings";
  readonly network: Reference;
  readonly remote: Reference;
  readonly allowVirtualNetworkAccess: boolean;
  /** Takes what the remote network passes on for others. */
  readonly allowForwardedTraffic: boolean;
  /** Lets the remote network use the gateway of this one. */
  readonly allowGatewayTransit: boolean;
  readonly useRemoteGateways: boolean;
};

export type VirtualNetworkGateway = Located & {
  readonly type: "Microsoft.Network/virtualNetworkGateways";
  readonly kind: "Vpn" | "ExpressRoute";
  readonly subnet: Reference;
  readonly publicIpAddress?: Reference;
  /** The local network gateway that gets what no other one has (forced tunnelling). */
  readonly defaultSite?: Reference;
};

/** A network on premises as a VPN gateway knows it. */
export type LocalNetworkGateway = Located & {
  readonly type: "Microsoft.Network/localNetworkGateways";
  /** Static routes of the gateway. */
  readonly prefixes: readonly Cidr[];
  /** What its router announces by BGP. */
  readonly announced: readonly Cidr[];
  /** Of its device; absent: one of the world's own. */
  readonly publicAddress?: Ipv4;
};

/** A network on premises as an ExpressRoute gateway knows it. */
export type ExpressRouteCircuit = Located & {
  readonly type: "Microsoft.Network/expressRouteCircuits";
  readonly announced: readonly Cidr[];
};

/** Joins a gateway with a network on premises. */
export type GatewayConnection = Located & {
  readonly type: "Microsoft.Network/connections";
  readonly kind: "IPsec" | "ExpressRoute";
  readonly gateway: Reference;
  /** A local network gateway, or a circuit. */
  readonly peer: Reference;
  readonly enableBgp: boolean;
};

/** A name for interfaces; which belong to it, they say themselves. */
export type ApplicationSecurityGroup = Located & {
  readonly type: "Microsoft.Network/applicationSecurityGroups";
};

export type SecurityRuleResource = Common & {
  readonly type: "Microsoft.Network/networkSecurityGroups/securityRules";
  readonly group: Reference;
  readonly rule: SecurityRule;
  readonly description?: string;
  /** The eight words about ports and addresses as they were written, to be given back so. */
  readonly words: JsonObject;
};

export type RouteTable = Located & {
  readonly type: "Microsoft.Network/routeTables";
  /** True: routes of gateways do not reach the subnets of this table. */
  readonly disableBgpRoutePropagation: boolean;
};

export type RouteResource = Common & {
  readonly type: "Microsoft.Network/routeTables/routes";
  readonly table: Reference;
  /** A prefix, or every prefix of a service tag. */
  readonly destination:
    | { readonly kind: "prefix"; readonly prefix: Cidr }
    | { readonly kind: "tag"; readonly tag: string };
  readonly nextHop: NextHop;
};

export type PublicIpAddress = Located & {
  readonly type: "Microsoft.Network/publicIPAddresses";
  readonly sku: "Basic" | "Standard";
  readonly allocation: "Static" | "Dynamic";
  readonly version: "IPv4" | "IPv6";
  readonly idleTimeoutMinutes: number;
  readonly domainNameLabel?: string;
};

export type NetworkInterface = Located & {
  readonly type: "Microsoft.Network/networkInterfaces";
  /** What it passes on to public addresses carries its own address. */
  readonly translates: boolean;
  readonly networkSecurityGroup?: Reference;
  readonly forwards: boolean;
  readonly configurations: readonly {
    readonly name: string;
    readonly primary: boolean;
    readonly subnet: Reference;
    /** Absent: the platform chooses (Dynamic). */
    readonly address?: Ipv4;
    readonly applicationSecurityGroups: readonly Reference[];
    readonly publicIpAddress?: Reference;
  }[];
};

export type PrivateDnsZone = Located & { readonly type: "Microsoft.Network/privateDnsZones" };

/** All records of one name and type; the name is relative to the zone: `@`, `*`, `www`. */
export type PrivateDnsRecordSet = {
  readonly [Of in RecordType]: Common & {
    readonly type: `Microsoft.Network/privateDnsZones/${Of}`;
    readonly zone: Reference;
    readonly ttlSeconds: number;
    readonly records: readonly RecordData[];
    readonly metadata: Readonly<Record<string, string>>;
  };
}[RecordType];

export type PrivateDnsLink = Located & {
  readonly type: "Microsoft.Network/privateDnsZones/virtualNetworkLinks";
  readonly zone: Reference;
  readonly network: Reference;
  /** True: machines of the network get a name in the zone. */
  readonly registrationEnabled: boolean;
  /** True (`NxDomainRedirect`): what the zone does not have is looked for in public DNS. */
  readonly fallsThrough: boolean;
};

export type HostingEnvironment = Located & {
  readonly type: "Microsoft.Web/hostingEnvironments";
  /** `Internal` where web traffic arrives at an address of the subnet (mode Web or both). */
  readonly kind: EnvironmentKind;
  readonly mode: LoadBalancingMode;
  readonly subnet: Reference;
  /** The customer's domain; absent: the usual one of its kind. */
  readonly dnsSuffix?: string;
  /** One front end joins per this many instances, 5..15. */
  readonly frontEndScaleFactor: number;
  /** VM size of front ends, `Standard_D1_V2`. */
  readonly multiSize: string;
  readonly ipSslAddressCount: number;
  readonly clusterSettings: readonly { readonly name: string; readonly value: string }[];
  /** Suspension the user asked for (or resumed from); the health judge may suspend besides. */
  readonly suspended: boolean;
};

export type ServerFarm = Located & {
  readonly type: "Microsoft.Web/serverfarms";
  /** As the client sent it, `app` or `linux`. */
  readonly kind: string;
  readonly environment: Reference;
  readonly size: InstanceSize;
  /** Instances, 0..100. */
  readonly capacity: number;
  /** True: a Linux plan. Decides for all its sites. */
  readonly reserved: boolean;
  readonly perSiteScaling: boolean;
};

export type Site = Located & {
  readonly type: "Microsoft.Web/sites";
  /** As the client sent it, `app` or `app,linux`. */
  readonly kind: string;
  readonly plan: Reference;
  /** False: stopped. */
  readonly enabled: boolean;
  readonly httpsOnly: boolean;
  readonly clientAffinityEnabled: boolean;
  /** The user's own host names; those of the environment are not listed. */
  readonly hostNames: readonly string[];
  readonly hostNameSslStates: readonly {
    readonly name: string;
    readonly sslState: "Disabled" | "SniEnabled" | "IpBasedEnabled";
    readonly thumbprint?: string;
  }[];
  readonly appSettings: Readonly<Record<string, string>>;
  readonly connectionStrings: Readonly<
    Record<string, { readonly value: string; readonly type: string }>
  >;
  readonly config: {
    readonly appCommandLine: string;
    readonly nodeVersion: string;
    /** For example `NODE|20-lts`. */
    readonly linuxFxVersion: string;
    readonly alwaysOn: boolean;
    readonly defaultDocuments: readonly string[];
    /** Every other property of siteConfig, kept. */
    readonly extra: JsonObject;
  };
};

/** An uploaded certificate with its key. */
export type Certificate = Located & {
  readonly type: "Microsoft.Web/certificates";
  readonly plan?: Reference;
  readonly about: {
    readonly hostNames: readonly string[];
    readonly subjectName: string;
    readonly issuer: string;
    /** 40 hexadecimal digits, upper case. */
    readonly thumbprint: string;
    readonly issueDate: string;
    readonly expirationDate: string;
  };
  /** PEM: the certificate with its chain, and the key. A secret: shown and logged nowhere. */
  readonly pair?: { readonly certificate: string; readonly key: string };
};

/** Kept and given back; nothing runs for it. Deployments that create one carry a warning. */
export type DeclaredOnly = Common & {
  readonly type: "DeclaredOnly";
  /** Its real type in published spelling, `Microsoft.Cache/Redis`. */
  readonly declaredType: string;
  /** The whole body, without id, name and type. */
  readonly body: JsonObject;
};

export type Resource =
  | ResourceGroup
  | VirtualNetwork
  | Subnet
  | NetworkSecurityGroup
  | SecurityRuleResource
  | ApplicationSecurityGroup
  | VirtualNetworkPeering
  | VirtualNetworkGateway
  | LocalNetworkGateway
  | ExpressRouteCircuit
  | GatewayConnection
  | RouteTable
  | RouteResource
  | PublicIpAddress
  | NetworkInterface
  | PrivateDnsZone
  | PrivateDnsRecordSet
  | PrivateDnsLink
  | HostingEnvironment
  | ServerFarm
  | Site
  | Certificate
  | DeclaredOnly;

export type ResourceType = Resource["type"];
export type ResourceOf<Type extends ResourceType> = Extract<Resource, { readonly type: Type }>;
