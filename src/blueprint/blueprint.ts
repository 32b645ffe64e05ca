/**
 * The blueprint: one plain, immutable, numbered value that leaves nothing to choose.
 *
 * The law walks it, a fabric realises it, probes test it. JSON through and through: it is stored,
 * compared and sent as it is. It holds no secrets: certificates and keys are named by file.
 * How it comes about is in compile.ts; what must hold in check.ts; what to do in steps.ts.
 */
import type { Role } from "../environment/kind.ts";
import type { Zone } from "../network/names.ts";
import type { Cidr, Ipv4 } from "../network/prefix.ts";
import type { Route } from "../network/route.ts";
import type { SecurityRule } from "../network/rule.ts";
import type { Admission } from "./admission.ts";

export type Blueprint = {
  /** Grows with every blueprint; a fabric refuses an older one. */
  readonly generation: number;
  /** Prefixes of every published service tag that a rule or route names. */
  readonly tags: Readonly<Record<string, readonly Cidr[]>>;
  readonly internet: Internet;
  readonly networks: readonly Network[];
  readonly connections: Connections;
  readonly hosts: readonly Host[];
};

/** What joins networks with one another and with sites on premises. */
export type Connections = {
  /** One entry for each direction of each peering that is connected. */
  readonly peerings: readonly Peering[];
  readonly gateways: readonly Gateway[];
  readonly sites: readonly Site[];
};

export type Peering = {
  /** Resource ids of networks. */
  readonly from: string;
  readonly into: string;
  /** Sources that are let in on this way; everything where forwarded traffic is allowed. */
  readonly accepts: readonly Cidr[];
};

/** A VPN or ExpressRoute gateway: a router between its network and sites. */
export type Gateway = {
  readonly id: string;
  readonly name: string;
  readonly kind: "Vpn" | "ExpressRoute";
  readonly network: string;
  /** Id of its GatewaySubnet: packets from sites follow the routes of this subnet. */
  readonly subnet: string;
  /** Networks that reach sites through it: its own, and peers that use it. */
  readonly usedBy: readonly string[];
  /** What sites are told to send here: the space of all these networks. */
  readonly advertises: readonly Cidr[];
  /** Where it sends what: the longest prefix counts. */
  readonly sites: readonly { readonly site: string; readonly prefixes: readonly Cidr[] }[];
};

/** A network on premises with a way of its own to the internet. */
export type Site = {
  /** Resource id of the local network gateway or the circuit that stands for it. */
  readonly id: string;
  readonly name: string;
  /** 1.. and kept while it lives. */
  readonly index: number;
  /** Private space that is there; nobody else in the world has it as seen from the site. */
  readonly prefixes: readonly Cidr[];
  /** What it sends to the internet carries this address. */
  readonly publicAddress: Ipv4;
};

export const NO_CONNECTIONS: Connections = { peerings: [], gateways: [], sites: [] };

/** The world outside the virtual networks. Its endpoints are hosts with place "internet". */
export type Internet = {
  /** Where people outside stand. */
  readonly clientAddress: Ipv4;
  /** Where the platform's management stands; probes and commands of 454/455 come from these. */
  readonly managementAddresses: readonly Ipv4[];
  /** Public DNS, which 168.63.129.16 answers too: full name (may begin with `*.`) -> address. */
  readonly names: Readonly<Record<string, Ipv4>>;
};

/** A virtual network: a router with two gates per subnet, and an edge with its public addresses. */
export type Network = {
  readonly id: string;
  readonly name: string;
  /** 1.. and kept while the network lives: kernel objects are named after it. */
  readonly index: number;
  readonly prefixes: readonly Cidr[];
  /** Of those who stand in no subnet: the platform's own and learned ones. */
  readonly routes: readonly Route[];
  readonly subnets: readonly Subnet[];
  readonly publicAddresses: readonly PublicAddress[];
  /** Ids of the groups whose flows are logged; absent: of none. */
  readonly loggedGroups?: readonly string[];
  readonly translations: readonly Translation[];
};

export type Subnet = {
  readonly id: string;
  readonly name: string;
  /** 1..200 and kept while the subnet lives: interface group, mark and table are made of it. */
  readonly index: number;
  readonly prefix: Cidr;
  /** What the tag VirtualNetwork means here; 168.63.129.16 comes with it. */
  readonly virtualNetwork: readonly Cidr[];
  /** Absent: no group is attached, everything passes. Sorted by direction and priority. */
  readonly rules?: readonly SecurityRule[];
  /** True: a change of rules is applied to established flows too. */
  readonly flushConnection: boolean;
  /** Effective routes, replaced ones (`Invalid`) included. */
  readonly routes: readonly Route[];
};

/** Packets that leave through the edge from these prefixes carry this source address. First match. */
export type PublicAddress = { readonly address: Ipv4; readonly sourceOf: readonly Cidr[] };

/** New flows to `address:port` go to one of the targets, chosen by hash of the client. */
export type Translation = {
  /** "edge": a public VIP. "router": an internal load balancer; the client keeps its address. */
  readonly at: "edge" | "router";
  readonly address: Ipv4;
  readonly protocol: "Tcp" | "Udp";
  readonly port: number;
  readonly targets: readonly {
    readonly host: string;
    readonly address: Ipv4;
    readonly port: number;
  }[];
};

export type Place =
  | {
      readonly kind: "subnet";
      readonly network: string;
      readonly subnet: string;
      readonly address: Ipv4;
    }
  /** A host of the world outside, on one public address. */
  | { readonly kind: "internet"; readonly address: Ipv4 }
  /** Stands in a network but in no subnet: a visitor's place, subject to no group. */
  | { readonly kind: "visitor"; readonly network: string; readonly address: Ipv4 }
  /** On premises. `site` is the id of a site. */
  | { readonly kind: "site"; readonly site: string; readonly address: Ipv4 };

export type Host = {
  /** Unique in the world, lower case, at most 60 characters: `demo-front-end-0`. */
  readonly name: string;
  readonly place: Place;
  readonly role: Role | "Machine" | "Visitor" | "Endpoint";
  /** Resource id of the environment it belongs to. */
  readonly environment?: string;
  /** Another number is another host: it was rebooted. */
  readonly incarnation?: number;
  /** DNS servers it was told when it came up; absent: the platform's resolver. */
  readonly dnsServers?: readonly Ipv4[];
  /** Passes on packets that are not its own: a virtual appliance. */
  readonly forwards: boolean;
  /**
   * Of the group at its interface: tried after the subnet's inbound rules and before its outbound
   * ones. Absent: no group is attached, everything passes.
   */
  readonly rules?: readonly SecurityRule[];
  /** As for a subnet, of the interface's group. */
  readonly flushConnection?: boolean;
  /** What it passes on to public addresses carries its own address: a firewall. */
  readonly translates?: boolean;
  /** Of the plan's size, or the front ends'; absent for other roles. All programs share them. */
  readonly limits?: Limits;
  readonly programs: readonly Program[];
};

export type Limits = { readonly cores: number; readonly memoryMb: number };

/** Files of a key pair; `authority` is what the other side is checked against. PEM, mode 0600. */
export type CertificateFiles = {
  readonly certificate: string;
  readonly key: string;
  readonly authority: string;
};

export type Program = RoleAgent | FrontEnd | App | Endpoint;

/** Runs on every role and worker of an environment: listeners of the role, inside communication. */
export type RoleAgent = {
  readonly kind: "role-agent";
  readonly name: string;
  readonly role: Role;
  readonly address: Ipv4;
  /** Ports of the inside communication, of the host's own choosing. */
  readonly internalPorts: readonly number[];
  /** Keep-alive and address echo listeners (front ends and management). */
  readonly keepAlive: boolean;
  /** The address that the echo ports answer with: the VIP. */
  readonly echoAddress: Ipv4;
  /** Addresses of the management role: only from these it takes commands. Absent: from nobody. */
  readonly commandedFrom?: readonly Ipv4[];
  /** Present on the management role only: 454/455 with mutual TLS, and whom it commands. */
  readonly management?: {
    readonly tls: CertificateFiles;
    readonly peers: readonly {
      readonly host: string;
      readonly address: Ipv4;
      readonly port: number;
    }[];
  };
};

/** HAProxy: names of the environment on 80/443, balanced over the workers of each app. */
export type FrontEnd = {
  readonly kind: "front-end";
  readonly name: string;
  readonly address: Ipv4;
  readonly sites: readonly {
    readonly name: string;
    readonly hostNames: readonly string[];
    /** False: answers 403 as Azure does for a stopped app. */
    readonly running: boolean;
    readonly httpsOnly: boolean;
    readonly backends: readonly {
      readonly name: string;
      readonly address: Ipv4;
      readonly port: number;
    }[];
  }[];
  /** Each chosen by the name the client asks for (SNI); the first is the default. */
  readonly certificates: readonly CertificateFiles[];
  /** Takes no new connection and ends when the last one has; it is about to go. */
  readonly finishing?: boolean;
  /** Certificates for one name each, which come before all others. */
  readonly boundCertificates?: readonly BoundCertificate[];
  /** Addresses of single apps: what arrives at these ports leads to one site only. */
  readonly appAddresses?: readonly {
    /** Name of the site, as in `sites`. */
    readonly site: string;
    readonly ports: { readonly http: number; readonly https: number };
    /** The first is shown to clients that ask for no name. */
    readonly certificates: readonly BoundCertificate[];
  }[];
};

export type BoundCertificate = { readonly name: string; readonly files: CertificateFiles };

/** One instance of an app on one worker. */
export type App = {
  readonly kind: "app";
  readonly name: string;
  readonly site: string;
  readonly siteId: string;
  readonly runtime:
    | { readonly kind: "node"; readonly command?: string }
    | { readonly kind: "static" };
  /** Folder of the site's content (wwwroot); shared by all instances. */
  readonly content: string;
  /** Changes when content was deployed or a restart was asked for. */
  readonly version: string;
  readonly address: Ipv4;
  readonly port: number;
  readonly settings: Readonly<Record<string, string>>;
  /** Whom its lookups go to, and who is asked behind that; absent: the platform's resolver. */
  readonly names?: { readonly resolver: Ipv4; readonly servers: readonly Ipv4[] };
  /** Its own user id on this machine, where the kernel lets us have several. */
  readonly user: number;
  readonly limits: Limits;
};

/**
 * Something the environment depends on; the platform's resolver; a customer's DNS server
 * ("dns-server"); or the resolver of a worker's apps, which listens inside its host only.
 */
export type Endpoint = {
  readonly kind: "endpoint";
  readonly name: string;
  readonly service:
    | "dns"
    | "time"
    | "http"
    | "https"
    | "sql"
    | "monitoring"
    | "dns-server"
    | "app-resolver";
  readonly address: Ipv4;
  readonly port: number;
  readonly tls?: CertificateFiles;
  /** Of a customer's DNS server: alias -> full name, and whom it asks for all other names. */
  readonly aliases?: Readonly<Record<string, string>>;
  readonly forwardTo?: readonly Ipv4[];
  /** Of an app-resolver: for each loopback address, the servers that are asked in turn. */
  readonly asks?: readonly { readonly at: Ipv4; readonly servers: readonly Ipv4[] }[];
  /** Of a dns service: full name (may begin with `*.`) -> address. */
  readonly names?: Readonly<Record<string, Ipv4>>;
  /** Of the platform's resolver: private zones by the id of the network they are linked to. */
  readonly zones?: Readonly<Record<string, readonly Zone[]>>;
  /** Absent: everybody. The environment's database and users' SQL servers choose. */
  readonly admits?: Admission;
};
