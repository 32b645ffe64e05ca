/**
 * Where blueprints become real: one small interface for every fabric.
 *
 * All implementations pass test/conformance/fabric.conformance.ts. A fabric knows blueprints;
 * it knows nothing of ARM, HTTP APIs or stores.
 */
import type { ChildProcess } from "node:child_process";
import type { Socket as UdpSocket } from "node:dgram";
import type { Server, Socket } from "node:net";

import type { Problem, Result } from "../base/problem.ts";
import type { Connections, Host, Internet, Network, Program } from "../blueprint/blueprint.ts";
import type { Probe, ProbeResult } from "../blueprint/probes.ts";
import type { SeenFlows } from "../blueprint/seen-flows.ts";
import type { Seen, Trace } from "../blueprint/seen.ts";
import type { Step } from "../blueprint/steps.ts";

export type Fabric = {
  /** Everything this fabric runs now, also what an earlier control plane asked for. */
  readonly observe: () => Promise<Result<Observed>>;
  /**
   * Safe to repeat: a step whose effect already holds succeeds and changes nothing.
   * Steps of a generation older than the newest seen are refused.
   */
  readonly carryOut: (generation: number, step: Step) => Promise<Result<"done">>;
  /** Uses a flow once, for real, from where it begins. Never rejects; bounded by the probe's timeout. */
  readonly probe: (probe: Probe) => Promise<ProbeResult>;
  /** Sends one packet for real and tells which gates it met; see blueprint/seen.ts. */
  readonly trace: (trace: Trace) => Promise<Result<Seen>>;
  /** Flows that logged groups saw, after a sequence number; see blueprint/seen-flows.ts. */
  readonly flows: (after: number) => Promise<Result<SeenFlows>>;
  /** Runs a command standing at a place of the world. */
  readonly run: (at: StandingPlace, command: Command) => Promise<Result<RunningCommand>>;
  /** The last lines of the programs of one host, newest last. */
  readonly logs: (query: LogQuery) => Promise<Result<readonly LogLine[]>>;
  /** Ends the world: no process, namespace or mount stays. */
  readonly end: () => Promise<void>;
};

export type Observed = {
  /** Newest generation any step came from; 0 in a new world. */
  readonly generation: number;
  readonly tags: Readonly<Record<string, readonly string[]>>;
  readonly internet?: Internet;
  readonly networks: readonly Network[];
  readonly connections: Connections;
  readonly hosts: readonly ObservedHost[];
};

export type ObservedHost = {
  readonly host: Host;
  readonly programs: readonly {
    readonly name: string;
    readonly state: "starting" | "running" | "failed";
    /** Times it was started again after it ended by itself. */
    readonly restarts: number;
    /** Milliseconds since 1970. */
    readonly since: number;
    readonly problem?: Problem;
    /** See `RunningProgram.busyWith`; absent: with none. */
    readonly busyWith?: readonly string[];
  }[];
};

export type StandingPlace =
  | { readonly kind: "internet" }
  | { readonly kind: "host"; readonly name: string };

export type Command = {
  readonly argv: readonly string[];
  readonly input?: string;
  readonly onOutput: (stream: "stdout" | "stderr", chunk: string) => void;
};

export type RunningCommand = {
  readonly ended: Promise<{ readonly exitCode: number }>;
  readonly kill: () => void;
};

export type LogQuery = {
  readonly host?: string;
  readonly program?: string;
  readonly lines: number;
};
export type LogLine = {
  readonly time: number;
  readonly host: string;
  readonly program: string;
  readonly stream: "stdout" | "stderr" | "platform";
  readonly text: string;
};

// ---- What programs are given: a host to stand in. services/ and apps/ implement StartProgram;
// ---- main joins them, so that a fabric need not know what a program does.

/** Sockets of one host's network. All calls that touch the kernel are done inside its namespace. */
export type HostSockets = {
  /** Listens on address:port of the host; the server is yours to close. */
  readonly listen: (
    server: Server,
    at: { readonly address: string; readonly port: number },
  ) => Promise<Result<"listening">>;
  /** A TCP connection that starts at the host, from `localAddress` where several are its own. */
  readonly connect: (to: {
    readonly address: string;
    readonly port: number;
    readonly localAddress?: string;
    /** Absent: any. */
    readonly localPort?: number;
    readonly timeoutMs: number;
  }) => Promise<Result<Socket>>;
  /** A bound UDP socket of the host; port 0: any. */
  readonly udp: (at: {
    readonly address: string;
    readonly port: number;
  }) => Promise<Result<UdpSocket>>;
};

export type ProgramPlace = {
  readonly host: Host;
  /** Id of the network it stands in; absent outside of all. The platform's hosts stand in each. */
  readonly network?: string;
  readonly sockets: HostSockets;
  /** Starts a process inside the host's network; it dies with the fabric. No shell. */
  readonly spawn: (argv: readonly string[], options: SpawnOptions) => ChildProcess;
  /** A folder of the program's own, on a memory file system, gone with the host. */
  readonly scratch: string;
  readonly log: (stream: LogLine["stream"], text: string) => void;
  /** Starts the other programs of this host anew (a management command). */
  readonly restartPrograms: () => void;
};

export type SpawnOptions = {
  readonly environment: Readonly<Record<string, string>>;
  readonly user?: number;
  /** Name of the limits group the process joins (the host's name) and its limits. */
  readonly limits?: {
    readonly cores: number;
    readonly memoryMb: number;
    readonly processes: number;
  };
  readonly folder?: string;
};

export type StartProgram = (
  program: Program,
  place: ProgramPlace,
) => Promise<Result<RunningProgram>>;

export type RunningProgram = {
  /**
   * True when it took the new description over without a restart; false asks for stop and start.
   * A problem: nothing can run as described, and what runs goes on as it was.
   */
  readonly change: (program: Program) => Promise<boolean | Problem>;
  readonly stop: () => Promise<void>;
  /**
   * Hosts that it leads nothing new to while something with them is under way; the name of its
   * own host while it takes nothing new and clients are connected. Absent: it leads nowhere.
   */
  readonly busyWith?: () => readonly string[];
  /** Settles when the program ended by itself; never for programs that cannot. */
  readonly ended: Promise<Problem>;
};

/** Speaks a probe's conversation over the sockets of the place where the flow begins. */
export type RunProbe = (probe: Probe, sockets: HostSockets) => Promise<ProbeResult>;
