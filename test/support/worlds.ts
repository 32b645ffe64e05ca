/** Small blueprints for tests of fabrics and of the law: a network, two subnets, a few hosts. */
import type { Blueprint, Host, RoleAgent } from "../../src/blueprint/blueprint.ts";
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
  readonly tags?: Blueprint["tags"];
};

/** Alice and Bob in the near subnet, Carol in the far one; the VIP leads to Bob. */
export function smallWorld(of: SmallWorld = {}): Blueprint {
  const prefixes = ["10.0.0.0/16" as Cidr];
  const routes = (written: SmallWorld["routes"] = []) =>
    effectiveRoutes({
      prefixes,
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
            routes: routes(of.routes),
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
    hosts,
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
