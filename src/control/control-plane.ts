/**
 * What the API needs of the control plane, and nothing more.
 *
 * The reading and writing of resources is arm-writes.ts, deployments are deployments.ts; `World`
 * is what the loop knows and can do. Status is computed by whoever implements this, never stored.
 */
import type { EffectiveRoute } from "../blueprint/effective-routes.ts";
import type { Blueprint } from "../blueprint/blueprint.ts";
import type { SeenFlows } from "../blueprint/seen-flows.ts";
import type { Comparison, Seen } from "../blueprint/seen.ts";
import type { Decider } from "../blueprint/walk.ts";
import type { JsonObject } from "../arm/json.ts";
import type { Problem, Result } from "../base/problem.ts";
import type { ServiceTags } from "../network/service-tags.ts";
import type { LogLine, LogQuery } from "../fabric/fabric.ts";
import type { EventStream } from "../store/store.ts";
import type { ArmWrites } from "./arm-writes.ts";
import type { Capture, CaptureRequest } from "./capture.ts";
import type { Deployments } from "./deployments.ts";
import type { Moves } from "./moves.ts";
import type { FlowSummary } from "./flow-logs.ts";
import type { Operations } from "./operations.ts";
import type { Tags } from "./tags.ts";

export type ControlPlane = {
  readonly account: Account;
  readonly resources: ArmWrites;
  readonly operations: Operations;
  readonly deployments: Deployments;
  readonly tags: Tags;
  readonly moves: Moves;
  readonly events: EventStream;
  readonly world: World;
  /** A resource as GET shows it; undefined: there is none. */
  readonly view: (resourceKey: string) => JsonObject | undefined;
  /** Work that nobody waits for; a stop of the control plane does. */
  readonly background: (work: () => Promise<void>) => void;
};

/** Made once, with the first start, and stored. */
export type Account = {
  readonly subscriptionId: string;
  readonly tenantId: string;
  /** The one region of this installation. */
  readonly location: string;
};

/** The loop's side: what is computed from the running world and what can be done to it. */
export type World = {
  /** Computed state of one resource; undefined where nothing is computed (it is as declared). */
  readonly statusOf: (resourceKey: string) => ResourceStatus | undefined;
  /** Addresses of an environment; undefined until it stands. */
  readonly addressesOf: (environmentKey: string) => EnvironmentAddresses | undefined;
  /** The address ledger of an environment's subnet, in the order of addresses. */
  readonly ledgerOf: (environmentKey: string) => readonly LedgerEntry[];
  /** What changed hands of an environment's addresses, newest first. */
  readonly addressHistoryOf: (environmentId: string) => readonly AddressHistoryEntry[];
  /** The published service tags. */
  readonly tags: ServiceTags;
  /** Addresses of a subnet that somebody holds. */
  readonly takenIn: (subnetKey: string) => readonly string[];
  /** Names of the hosts on which an app runs. */
  readonly instancesOf: (siteKey: string) => readonly string[];
  /** Hosts, places and states. */
  readonly look: () => Promise<Result<WorldView>>;
  readonly logs: (
    query: LogQuery & {
      readonly site?: string;
      /** Name of an environment: its platform's log. */
      readonly environment?: string;
    },
  ) => Promise<Result<readonly LogLine[]>>;
  /** Effective routes of whoever stands at a place. */
  readonly routesAt: (place: string) => Result<readonly EffectiveRoute[]>;
  /** Sends a packet for real: what the law says and what was seen. `tcp demo-worker-0 -> vip:443` */
  readonly trace: (words: string) => Promise<Result<TraceView>>;
  /** Packets at a place, for a while. */
  readonly capture: (at: string, request: CaptureRequest) => Promise<Result<Capture>>;
  /** What the flow logs saw, newest first. */
  readonly flows: () => readonly FlowSummary[];
  /** Lines of the flow logs after a sequence number. */
  readonly flowLines: (after: number) => Promise<Result<SeenFlows>>;
  /** What stands, as the last turn left it; undefined before the first. */
  readonly blueprint: () => Blueprint | undefined;
  readonly run: (request: RunRequest) => Promise<Result<Running>>;
  /** Operations in progress, with their place in the queue and how far they are. */
  readonly operations: () => readonly JsonObject[];
  /** Gives an operation up that waits, or whose new instances take no traffic yet. */
  readonly cancel: (operationId: string) => Promise<Result<"canceled">>;
  /** Starts the programs of all instances of a site anew. */
  readonly restartSite: (siteKey: string) => Promise<Result<"done">>;
  /** Ends an endpoint of the world's internet, to see what follows, or starts it again. */
  readonly turnEndpoint: (name: string, to: "down" | "up") => Promise<Result<"done">>;
  /** Starts every role of an environment anew, one after the other. */
  readonly rebootEnvironment: (environmentKey: string) => Promise<Result<"done">>;
  /**
   * Unpacks a zip as the content of a site. Resolves when it is what new instances will serve;
   * `file` belongs to the caller, who removes it afterwards.
   */
  readonly deployContent: (siteKey: string, file: string) => Promise<Result<"done">>;
};

export type ResourceStatus = {
  readonly provisioningState: ProvisioningState;
  /** Computed properties, laid over those the resource renders (`environmentStatus`, `state`). */
  readonly properties: JsonObject;
};

export type ProvisioningState = "InProgress" | "Succeeded" | "Failed" | "Deleting";

export type EnvironmentAddresses = {
  /** The public VIP: apps of an External environment, management of both kinds. */
  readonly publicAddress?: string;
  /** The load balancer's address in the subnet, of an Internal environment. */
  readonly internalAddress?: string;
  readonly outboundAddresses: readonly string[];
  /** Addresses of single apps, the one that stands ready among them. */
  readonly appAddresses: readonly {
    readonly address: string;
    readonly ports: { readonly http: number; readonly https: number };
    /** Name of the app; absent: nobody has it. */
    readonly app?: string;
  }[];
};

export type LedgerEntry = {
  readonly address: string;
  /** `FrontEnd`, `Worker`, `Platform`, `InternalLoadBalancer`. */
  readonly use: string;
  readonly host?: string;
  /** Milliseconds since 1970; absent for the platform's own. */
  readonly since?: number;
};

export type AddressHistoryEntry = {
  readonly time: number;
  readonly address: string;
  readonly change: "taken" | "given back";
  readonly holder: string;
};

export type WorldView = {
  readonly generation: number;
  readonly hosts: readonly {
    readonly name: string;
    readonly role: string;
    readonly place: string;
    readonly address: string;
    readonly environment?: string;
    readonly programs: readonly {
      readonly name: string;
      readonly state: string;
      readonly restarts: number;
      readonly problem?: Problem;
    }[];
  }[];
  /** Places a command may stand at: `internet`, `vnet/NAME`, `onprem/NAME`, names of hosts. */
  readonly places: readonly string[];
};

export type TraceView = Comparison & {
  /** As it was sent: `Tcp 10.1.2.4:53112 -> 10.1.1.5:454`. */
  readonly packet: string;
  readonly answer: Seen["answer"];
  /** Who stops it by the law. */
  readonly stoppedBy?: Decider;
  /** What was asked for and sent otherwise, and who stood there for the trace only. */
  readonly notes: readonly string[];
};

export type RunRequest = {
  /** `internet`, `vnet/NAME`, `onprem/NAME` or the name of a host. */
  readonly at: string;
  readonly argv: readonly string[];
  readonly input?: string;
  readonly onOutput: (stream: "stdout" | "stderr", chunk: string) => void;
};

export type Running = {
  readonly ended: Promise<{ readonly exitCode: number }>;
  readonly kill: () => void;
};

/** What an event of the control plane says. The store keeps it, sequence and time come with it. */
export type ControlEvent = {
  readonly level: "info" | "warning" | "error";
  /** A constant word, `EnvironmentSuspended`. */
  readonly code: string;
  /** Resource id or host it is about. */
  readonly subject?: string;
  readonly message: string;
  readonly operation?: string;
  readonly problem?: Problem;
  /** The category of resource logs that Azure has such a line in. */
  readonly category?: string;
  /** Addresses that changed hands. */
  readonly addresses?: readonly Omit<AddressHistoryEntry, "time">[];
};
