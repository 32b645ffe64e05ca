/**
 * The kernel side of the Linux fabric: namespaces, links, routes, gates and translations.
 *
 * Runs inside an already unshared (user,) network, mount and pid namespace; the namespace it is
 * opened in becomes the world, the "internet". Every call is synchronous and in force when it
 * returns. It starts no process and keeps no file: when this process ends, all of it is gone.
 * What runs in the hosts, and which step comes when, is not known here.
 */
import type { Result } from "../../../base/problem.ts";
import type {
  Connections,
  Host,
  Internet,
  Network,
  Translation,
} from "../../../blueprint/blueprint.ts";
import type { FlowBook } from "../../../blueprint/seen-flows.ts";
import type { SeenStep } from "../../../blueprint/seen.ts";
import type { Cidr } from "../../../network/prefix.ts";
import type { Direction } from "../../../network/rule.ts";
import type { HostSockets } from "../../fabric.ts";

export type Kernel = {
  /** Prefixes of the published tags; replaced as a whole, in every network, before it returns. */
  readonly putTags: (tags: Readonly<Record<string, readonly Cidr[]>>) => Result<"done">;
  /** The addresses people outside and the platform's management stand at become the world's own. */
  readonly putInternet: (internet: Internet) => Result<"done">;
  /** Router, edge, gates, routes and source addresses. Only what differs is touched. */
  readonly putNetwork: (network: Network) => Result<"done">;
  /** All targets of a network's public and internal load balancers, in one transaction per place. */
  readonly putTranslations: (
    networkId: string,
    translations: readonly Translation[],
  ) => Result<"done">;
  /** Links between networks and sites, all of them. Hosts of sites that go, go with them. */
  readonly putConnections: (connections: Connections) => Result<"done">;
  /** Takes the network's hosts with it. A network that is not there is removed already. */
  readonly removeNetwork: (id: string) => Result<"done">;
  /**
   * Its network must have been put before. Safe to repeat; a changed place is a new host, changed
   * rules of its interface are put in force.
   */
  readonly createHost: (host: Host) => Result<Space>;
  readonly removeHost: (name: string) => Result<"done">;
  readonly space: (of: SpaceName) => Space | undefined;
  /** Packets that every deny rule of a network, and of its hosts, has dropped so far. */
  readonly readDenied: (networkId: string) => Result<readonly DeniedCount[]>;
  /** Tells which gates of which routers a packet meets; a network named first comes first. */
  readonly watch: (packet: WatchedPacket, networks: readonly string[]) => Result<Watch>;
  /** Writes down which flows logged groups saw since the last call. */
  readonly tellFlows: (book: FlowBook, now: number) => Result<"done">;
  /** Forgets everything; the namespaces go when nothing runs in them any more. */
  readonly close: () => void;
};

/** Known by its protocol and the sender's port. */
export type WatchedPacket = { readonly protocol: "Tcp" | "Udp"; readonly fromPort: number };

export type Watch = { readonly read: () => readonly SeenStep[]; readonly close: () => void };

export type SpaceName =
  /** With an address: connections and datagrams begin there unless they say otherwise. */
  | { readonly kind: "internet"; readonly address?: string }
  | { readonly kind: "host"; readonly name: string }
  /** A service's address as subnets of a network with an endpoint reach it. */
  | { readonly kind: "service"; readonly network: string; readonly address: string }
  /** 168.63.129.16 of a network: resolver and source of load balancer probes. */
  | { readonly kind: "load-balancer"; readonly network: string };

/** A network namespace to stand in. */
export type Space = {
  readonly sockets: HostSockets;
  /**
   * Does synchronous work inside. A child process spawned in here starts in this namespace.
   * Must not be given work that returns a promise, nor create a Worker.
   */
  readonly inside: <T>(work: () => T) => T;
};

export type DeniedCount = {
  /** Id of the subnet, or name of the host whose interface has a group. */
  readonly at: string;
  readonly direction: Direction;
  readonly rule: string;
  readonly priority: number;
  readonly packets: number;
};
