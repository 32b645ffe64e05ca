/** Small blueprints for tests of fabrics and of the law: a network, two subnets, a few hosts. */
import {
  NO_CONNECTIONS,
  type Blueprint,
  type Host,
  type Network,
  type RoleAgent,
  type Subnet,
} from "../../src/blueprint/blueprint.ts";
import type { Probe } from "../../src/blueprint/probes.ts";
import type { Cidr, Ipv4 } from "../../src/network/prefix.ts";
import { ANY_PORT, defaultRules, type SecurityRule } from "../../src/network/rule.ts";
import { effectiveRoutes, type UserRoute } from "../../src/network/select-route.ts";

export const NETWORK = "/networks/small";
export const NEAR = `${NETWORK}/subnets/near`;
export const FAR = `${NETWORK}/subnets/far`;
export const GROUP = "/groups/small-nsg";
export const TABLE = "/tables/small-routes";

export const ALICE = "10.0.1.4" as Ipv4;
export const BOB = "10.0.1.5" as Ipv4;
export const CAROL = "10.0.2.4" as Ipv4;
export const VIP = "198.18.0.1" as Ipv4;
export const CLIENT = "198.19.255.10" as Ipv4;
export const PLATFORM = "168.63.129.16" as Ipv4;
/** What every host's agent listens on, and the VIP's port that leads to Bob. */
export const INSIDE_PORT = 20_100;
export const VIP_PORT = 8_080;

export type SmallWorld = {
  readonly generation?: number;
  /** Of the near subnet, beside the default ones; absent: no group. */
  readonly rules?: readonly SecurityRule[];
  readonly routes?: readonly Omit<UserRoute, "table">[];
  readonly farRoutes?: readonly Omit<UserRoute, "table">[];
  readonly hosts?: readonly Host[];
  /** What the near subnet reaches by a service endpoint. */
  readonly endpoints?: readonly string[];
  readonly tags?: Blueprint["tags"];
};

/** Alice and Bob in the near subnet, Carol in the far one; the VIP leads to Bob. */
export function smallWorld(of: SmallWorld = {}): Blueprint {
  const prefixes = ["10.0.0.0/16" as Cidr];
  const routes = (written: SmallWorld["routes"] = [], endpoints: readonly string[] = []) =>
    effectiveRoutes({
      prefixes,
      endpoints: [{ service: "Microsoft.Test", prefixes: endpoints.map((text) => text as Cidr) }],
      userRoutes: written.map((route) => ({ ...route, table: TABLE })),
    });
  const hosts = of.hosts ?? [
    agentHost("alice", NEAR, ALICE),
    agentHost("bob", NEAR, BOB),
    agentHost("carol", FAR, CAROL),
  ];
  const target = hosts.find(({ place }) => place.address === BOB);
  return {
    generation: of.generation ?? 1,
    tags: of.tags ?? {},
    internet: { clientAddress: CLIENT, managementAddresses: [], names: {} },
    networks: [
      {
        id: NETWORK,
        name: "small",
        index: 1,
        prefixes,
        routes: routes(),
        subnets: [
          {
            id: NEAR,
            name: "near",
            index: 1,
            prefix: "10.0.1.0/24" as Cidr,
            ...(of.rules === undefined
              ? {}
              : { rules: sorted([...of.rules, ...defaultRules(GROUP)]) }),
            virtualNetwork: prefixes,
            flushConnection: false,
            routes: routes(of.routes, of.endpoints),
          },
          {
            id: FAR,
            name: "far",
            index: 2,
            prefix: "10.0.2.0/24" as Cidr,
            virtualNetwork: prefixes,
            flushConnection: false,
            routes: routes(of.farRoutes),
          },
        ],
        publicAddresses: [{ address: VIP, sourceOf: prefixes }],
        translations:
          target === undefined
            ? []
            : [
                {
                  at: "edge",
                  address: VIP,
                  protocol: "Tcp",
                  port: VIP_PORT,
                  targets: [{ host: target.name, address: BOB, port: INSIDE_PORT }],
                },
              ],
      },
    ],
    connections: NO_CONNECTIONS,
    hosts,
  };
}

export const PEER = "/networks/peer";
export const SITE = "/sites/office";
export const ERIN = "10.1.1.4" as Ipv4;
export const FRANK = "192.168.1.9" as Ipv4;
const PEER_PREFIX = "10.1.0.0/16" as Cidr;
const SITE_PREFIX = "192.168.0.0/16" as Cidr;
const GATEWAYS = `${NETWORK}/subnets/GatewaySubnet`;

/** The small world with a gateway to Frank's office, and a peer with Erin that may use it. */
export function connectedWorld(
  of: SmallWorld & {
    /** What the office announces, beside its own space. */
    readonly announced?: readonly string[];
    readonly peerRoutes?: readonly Omit<UserRoute, "table">[];
    readonly peering?: "connected" | "not connected";
    readonly forwarded?: "allowed" | "not allowed";
  } = {},
): Blueprint {
  const small = smallWorld(of);
  const [network] = small.networks;
  if (network === undefined) throw new Error("the small world has a network");
  const learned = [SITE_PREFIX, ...(of.announced ?? []).map((text) => text as Cidr)];
  const isPeered = of.peering !== "not connected";
  const routesFrom = (own: readonly Cidr[], other: Network | undefined) => {
    const peered =
      other === undefined || !isPeered
        ? []
        : [other].map(({ id, prefixes }) => ({ network: id, prefixes }));
    return (written: SmallWorld["routes"] = []) =>
      effectiveRoutes({
        prefixes: own,
        userRoutes: written.map((route) => ({ ...route, table: TABLE })),
        peered,
        learned,
      });
  };
  const bare: Network = {
    id: PEER,
    name: "peer",
    index: 2,
    prefixes: [PEER_PREFIX],
    routes: [],
    subnets: [],
    publicAddresses: [{ address: "198.18.0.2" as Ipv4, sourceOf: [PEER_PREFIX] }],
    translations: [],
  };
  const inPeer = routesFrom(bare.prefixes, network);
  const inSmall = routesFrom(network.prefixes, bare);
  const subnet = (id: string, index: number, prefix: string, routes: Subnet["routes"]): Subnet => ({
    ...{ id, index, routes },
    name: id.split("/").at(-1) ?? id,
    prefix: prefix as Cidr,
    virtualNetwork: [...network.prefixes, PEER_PREFIX, ...learned],
    flushConnection: false,
  });
  const [near, far] = network.subnets;
  const whole: Network = {
    ...network,
    routes: inSmall(),
    subnets: [
      ...(near === undefined ? [] : [{ ...near, routes: inSmall(of.routes) }]),
      ...(far === undefined ? [] : [{ ...far, routes: inSmall(of.farRoutes) }]),
      subnet(GATEWAYS, 3, "10.0.9.0/24", inSmall()),
    ],
  };
  const peer: Network = {
    ...bare,
    routes: inPeer(),
    subnets: [subnet(`${PEER}/subnets/there`, 1, "10.1.1.0/24", inPeer(of.peerRoutes))],
  };
  const accepts = (own: readonly Cidr[]) =>
    of.forwarded === "allowed" ? ["0.0.0.0/0" as Cidr] : own;
  const erin = agentHost("erin", `${PEER}/subnets/there`, ERIN);
  const frank = agentHost("frank", "", FRANK);
  return {
    ...small,
    networks: [whole, peer],
    connections: {
      peerings: isPeered
        ? [
            { from: NETWORK, into: PEER, accepts: accepts([...network.prefixes, ...learned]) },
            { from: PEER, into: NETWORK, accepts: accepts([PEER_PREFIX]) },
          ]
        : [],
      gateways: [
        {
          id: "/gateways/g",
          name: "g",
          kind: "Vpn",
          network: NETWORK,
          subnet: GATEWAYS,
          usedBy: isPeered ? [NETWORK, PEER] : [NETWORK],
          advertises: isPeered ? [...network.prefixes, PEER_PREFIX] : network.prefixes,
          sites: [{ site: SITE, prefixes: learned }],
        },
      ],
      sites: [
        {
          id: SITE,
          name: "office",
          index: 1,
          prefixes: [SITE_PREFIX],
          publicAddress: "198.18.0.3" as Ipv4,
        },
      ],
    },
    hosts: [
      ...small.hosts,
      {
        ...erin,
        place: { kind: "subnet", network: PEER, subnet: `${PEER}/subnets/there`, address: ERIN },
      },
      { ...frank, place: { kind: "site", site: SITE, address: FRANK } },
    ],
  };
}

/** A host with an agent that keeps alive and answers inside. */
export function agentHost(name: string, subnet: string, address: Ipv4, forwards = false): Host {
  const agent: RoleAgent = {
    kind: "role-agent",
    name: "agent",
    role: "FrontEnd",
    address,
    internalPorts: [INSIDE_PORT],
    keepAlive: true,
    echoAddress: VIP,
  };
  const place = { kind: "subnet", network: NETWORK, subnet, address } as const;
  return { name, place, role: "FrontEnd", forwards, programs: [agent] };
}

/** A user's rule; what is left out matches everything. */
export function rule(
  of: Partial<SecurityRule> & Pick<SecurityRule, "name" | "access">,
): SecurityRule {
  return {
    group: GROUP,
    origin: "user",
    priority: 100,
    direction: "Inbound",
    protocol: "*",
    sources: [{ kind: "any" }],
    sourcePorts: [ANY_PORT],
    destinations: [{ kind: "any" }],
    destinationPorts: [ANY_PORT],
    ...of,
  };
}

export function probe(
  from: Probe["from"],
  address: Ipv4,
  of: Partial<Probe> & { readonly port?: number } = {},
): Probe {
  const { port = INSIDE_PORT, ...rest } = of;
  return {
    flow: "test",
    environment: "/environments/test",
    from,
    to: { address, port, protocol: "Tcp" },
    conversation: "internal",
    name: "",
    timeoutMs: 400,
    ...rest,
  };
}

export const FROM_ALICE: Probe["from"] = { kind: "host", name: "alice", address: ALICE };
export const FROM_CAROL: Probe["from"] = { kind: "host", name: "carol", address: CAROL };
export const FROM_CLIENT: Probe["from"] = { kind: "internet", address: CLIENT };
export const FROM_BALANCER: Probe["from"] = {
  kind: "load-balancer",
  network: NETWORK,
  address: PLATFORM,
};

function sorted(rules: readonly SecurityRule[]): readonly SecurityRule[] {
  return rules.toSorted((a, b) =>
    a.direction === b.direction ? a.priority - b.priority : a.direction < b.direction ? -1 : 1,
  );
}
