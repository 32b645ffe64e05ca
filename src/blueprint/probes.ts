/**
 * Probes: single uses of required flows, with addresses filled in.
 *
 * Only what is to be tried. Who tries it is a fabric; what failure means is environment/health.
 */
import { DEPENDENCIES } from "../environment/dependencies.ts";
import { PROBED_FLOWS, type Conversation, type ProbedFlow } from "../environment/flows.ts";
import type { Role } from "../environment/kind.ts";
import { PLATFORM_ADDRESS } from "../environment/ports.ts";
import { must } from "../base/problem.ts";
import type { Ipv4 } from "../network/prefix.ts";
import type { Blueprint, CertificateFiles, Host, Network } from "./blueprint.ts";

export type Probe = {
  /** Id of the required flow. */
  readonly flow: string;
  /** Resource id of the environment. */
  readonly environment: string;
  readonly from:
    | { readonly kind: "host"; readonly name: string; readonly address: Ipv4 }
    /** An address of the world outside (a management address, a client). */
    | { readonly kind: "internet"; readonly address: Ipv4 }
    /** 168.63.129.16 as the router of a network has it. */
    | { readonly kind: "load-balancer"; readonly network: string; readonly address: Ipv4 };
  readonly to: { readonly address: Ipv4; readonly port: number; readonly protocol: "Tcp" | "Udp" };
  readonly conversation: Conversation;
  /** A name to look up (dns), to ask for (http, https) or to expect (management). */
  readonly name: string;
  readonly tls?: CertificateFiles;
  readonly timeoutMs: number;
};

export type ProbeResult =
  | { readonly ok: true; readonly elapsedMs: number; readonly detail: string }
  | { readonly ok: false; readonly elapsedMs: number; readonly reason: string };

export const PROBE_TIMEOUT_MS = 1_000;
/** Inside communication tried per round; rounds go on where the last one stopped. */
const INTERNAL_PROBES_PER_ROUND = 12;

/** Which roles use a dependency; everybody else does not need it. */
const USERS: Partial<Record<Conversation, readonly Role[]>> = {
  sql: ["Management", "Publisher"],
  http: ["FrontEnd", "Management"],
  https: ["Management", "Publisher", "FileServer"],
};

/**
 * One round of probes for an environment: every required flow at least once, other hosts and
 * management addresses each time.
 * @param round counts up; decides who takes part
 */
export function probesOf(
  blueprint: Blueprint,
  environment: {
    readonly id: string;
    readonly managementName: string;
    readonly tls: CertificateFiles;
  },
  round: number,
): readonly Probe[] {
  const hosts = blueprint.hosts.filter((host) => host.environment === environment.id);
  const network = networkOf(blueprint, hosts[0]);
  if (network === undefined) return [];
  return PROBED_FLOWS.flatMap((flow, position): readonly Probe[] => {
    const base = {
      flow: flow.id,
      environment: environment.id,
      conversation: flow.conversation,
      timeoutMs: PROBE_TIMEOUT_MS,
    };
    switch (flow.from) {
      case "management-addresses":
        return managementProbes(blueprint, network, hosts, flow, round + position).map((ends) => ({
          ...base,
          ...ends,
          name: environment.managementName,
          tls: environment.tls,
        }));
      case "load-balancer":
        return hosts.filter(answersKeepAlive).map((host) => ({
          ...base,
          name: host.name,
          from: {
            kind: "load-balancer" as const,
            network: network.id,
            address: PLATFORM_ADDRESS as Ipv4,
          },
          to: { address: host.place.address, port: flow.port, protocol: flow.spoken },
        }));
      default:
        if (flow.to === "network-resolvers")
          return resolverProbes(hosts, round).map(({ from, address }) => ({
            ...base,
            name: DEPENDENCIES[0]?.domainName ?? "",
            from,
            to: { address, port: flow.port, protocol: flow.spoken },
          }));
        return flow.to === "subnet"
          ? internalProbes(hosts, round).map((ends) => ({ ...base, ...ends }))
          : outboundProbes(blueprint, hosts, flow, round).map((ends) => ({
              ...base,
              ...ends,
              tls: environment.tls,
            }));
    }
  });
}

function managementProbes(
  blueprint: Blueprint,
  network: Network,
  hosts: readonly Host[],
  flow: ProbedFlow,
  turn: number,
) {
  const addresses = blueprint.internet.managementAddresses;
  const from = addresses[turn % addresses.length];
  const own = new Set(hosts.map(({ name }) => name));
  const vip = network.translations.find(
    ({ port, targets }) => port === flow.port && targets.some(({ host }) => own.has(host)),
  );
  must(
    from !== undefined && vip !== undefined,
    "an environment is managed from somewhere at its VIP",
  );
  return [
    {
      from: { kind: "internet" as const, address: from },
      to: { address: vip.address, port: flow.port, protocol: flow.spoken },
    },
  ];
}

/** A ring: each host calls the next one, on one of the ports that one chose. */
function internalProbes(hosts: readonly Host[], round: number) {
  const count = Math.min(hosts.length, INTERNAL_PROBES_PER_ROUND);
  return Array.from({ length: count }, (_, offset) => {
    const position = (round * count + offset) % hosts.length;
    const from = hosts[position];
    const to = hosts[(position + 1 + (round % Math.max(1, hosts.length - 1))) % hosts.length];
    const agent = to?.programs.find((program) => program.kind === "role-agent");
    const port = agent?.internalPorts[(round + offset) % agent.internalPorts.length];
    must(from !== undefined && to !== undefined && port !== undefined, "every role has an agent");
    return {
      name: to.name,
      from: { kind: "host" as const, name: from.name, address: from.place.address },
      to: { address: to.place.address, port, protocol: "Tcp" as const },
    };
  });
}

/** Every DNS server that one of the hosts was told of. */
function resolverProbes(hosts: readonly Host[], round: number) {
  const told = hosts.filter(({ dnsServers }) => dnsServers !== undefined);
  const host = told[round % Math.max(1, told.length)];
  if (host === undefined) return [];
  const from = { kind: "host" as const, name: host.name, address: host.place.address };
  return (host.dnsServers ?? []).map((address) => ({ from, address }));
}

function outboundProbes(
  blueprint: Blueprint,
  hosts: readonly Host[],
  flow: ProbedFlow,
  round: number,
) {
  const roles = USERS[flow.conversation];
  const users = hosts.filter(
    ({ role }) => roles === undefined || (roles as readonly string[]).includes(role),
  );
  const from = users[round % users.length];
  const dependency = DEPENDENCIES.find(({ conversation }) => conversation === flow.conversation);
  must(from !== undefined && dependency !== undefined, "every dependency has a user");
  const address =
    flow.to === "platform-resolver"
      ? (PLATFORM_ADDRESS as Ipv4)
      : blueprint.internet.names[dependency.domainName];
  must(address !== undefined, "every dependency has an address");
  return [
    {
      name: dependency.domainName,
      from: { kind: "host" as const, name: from.name, address: from.place.address },
      to: { address, port: flow.port, protocol: flow.spoken },
    },
  ];
}

function answersKeepAlive({ programs }: Host): boolean {
  return programs.some((program) => program.kind === "role-agent" && program.keepAlive);
}

function networkOf(blueprint: Blueprint, host: Host | undefined): Network | undefined {
  const place = host?.place;
  if (place === undefined || !("network" in place)) return undefined;
  return blueprint.networks.find(({ id }) => id === place.network);
}
