/**
 * A fabric in memory that works: it keeps what it is told, and answers probes by the law.
 *
 * It does at once what it is asked. No packet is sent and no program runs, so commands are
 * declined; programs are entries in a table, which a test may end to see what follows.
 */
import { declined, found, type Problem, type Result } from "../../base/problem.ts";
import {
  NO_CONNECTIONS,
  type Blueprint,
  type Connections,
  type Host,
  type Internet,
  type Network,
  type Program,
} from "../../blueprint/blueprint.ts";
import type { Probe, ProbeResult } from "../../blueprint/probes.ts";
import { same, type Step } from "../../blueprint/steps.ts";
import { FlowBook } from "../../blueprint/seen-flows.ts";
import type { Seen, SeenStep, Trace } from "../../blueprint/seen.ts";
import { flowOf, openWalk, type Walk, type WalkStep } from "../../blueprint/walk.ts";
import type { Cidr, Ipv4 } from "../../network/prefix.ts";
import type { IpProtocol } from "../../network/rule.ts";
import type { Fabric, LogLine, Observed, ObservedHost } from "../fabric.ts";

/** What goes wrong in a world, for tests of what follows. */
export type Faults = {
  /** Ends a program for good; false: there is no such program. */
  readonly killProgram: (host: string, program: string) => boolean;
  /** Starts a killed program again. */
  readonly startProgram: (host: string, program: string) => boolean;
  /** The host is gone, as after a fault of the machine, and nobody was asked. */
  readonly dropHost: (host: string) => boolean;
  /** Requests of clients that a host is in the middle of, until they are ended. */
  readonly holdRequests: (host: string) => void;
  readonly endRequests: (host: string) => void;
  /** Declines steps until told otherwise; undefined: the step is carried out. */
  readonly declineSteps: (problemOf: (step: Step) => Problem | undefined) => void;
};

export type SimulatedFabric = { readonly fabric: Fabric; readonly faults: Faults };

type Run = ObservedHost["programs"][number];
type Standing = { readonly host: Host; readonly programs: ReadonlyMap<string, Run> };

/** @param now milliseconds since 1970, of the test's clock */
export function openSimulatedFabric(now: () => number): SimulatedFabric {
  const world = new World(now);
  const ended: Problem = {
    code: "WorldIsEnding",
    what: "the world is being taken down",
    fix: "Open a new fabric.",
  };
  let isEnded = false;
  const fabric: Fabric = {
    observe: async () => (isEnded ? declined(ended) : found(world.observed())),
    carryOut: async (generation, step) =>
      isEnded ? declined(ended) : world.carryOut(generation, step),
    probe: async (probe) => (isEnded ? unanswered(probe) : world.probe(probe)),
    flows: async (after) => (isEnded ? declined(ended) : found(world.flows.after(after))),
    trace: async (trace) => (isEnded ? declined(ended) : found(world.trace(trace))),
    run: async () =>
      declined({
        code: "NothingToRunIn",
        what: "a simulated world has no machine to run commands in",
        fix: "Use the Linux fabric.",
      }),
    logs: async ({ host, program, lines }) =>
      found(
        world.log
          .filter((line) => host === undefined || line.host === host)
          .filter((line) => program === undefined || line.program === program)
          .slice(-lines || world.log.length),
      ),
    end: async () => {
      isEnded = true;
    },
  };
  return {
    fabric,
    faults: {
      killProgram: (host, program) => world.setProgram(host, program, "failed"),
      startProgram: (host, program) => world.setProgram(host, program, "running"),
      dropHost: (host) => world.dropHost(host),
      holdRequests: (host) => void world.held.add(host),
      endRequests: (host) => void world.held.delete(host),
      declineSteps: (problemOf) => {
        world.problemOf = problemOf;
      },
    },
  };
}

class World {
  readonly log: LogLine[] = [];
  readonly flows = new FlowBook();
  readonly held = new Set<string>();
  /** By front end: hosts that it leads to no more. */
  readonly #going = new Map<string, Set<string>>();
  problemOf: (step: Step) => Problem | undefined = () => undefined;
  readonly #now: () => number;
  readonly #networks = new Map<string, Network>();
  readonly #hosts = new Map<string, Standing>();
  #generation = 0;
  #tags: Observed["tags"] = {};
  #internet: Internet | undefined;
  #connections: Connections = NO_CONNECTIONS;
  #walk: ReturnType<typeof openWalk> | undefined;

  constructor(now: () => number) {
    this.#now = now;
  }

  observed(): Observed {
    return {
      generation: this.#generation,
      tags: this.#tags,
      ...(this.#internet === undefined ? {} : { internet: this.#internet }),
      networks: [...this.#networks.values()],
      connections: this.#connections,
      hosts: [...this.#hosts.values()].map(({ host, programs }) => ({
        host,
        programs: [...programs.values()].map((run) => this.#withWork(host, run)),
      })),
    };
  }

  /** A proxy tells of requests that are under way with hosts it leads to no more. */
  #withWork(host: Host, run: Run): Run {
    const program = host.programs.find(({ name }) => name === run.name);
    if (program?.kind !== "front-end") return run;
    const gone = [...(this.#going.get(host.name) ?? [])];
    const all = program.finishing === true ? [...gone, host.name] : gone;
    const busyWith = all.filter((name) => this.held.has(name));
    return busyWith.length === 0 ? run : { ...run, busyWith };
  }

  carryOut(generation: number, step: Step): Result<"done"> {
    if (generation < this.#generation)
      return declined({
        code: "OlderBlueprint",
        what: `a step of generation ${generation} came after generation ${this.#generation}`,
        fix: "Read the newest blueprint; another control plane may be at work on this world.",
      });
    this.#generation = generation;
    const problem = this.problemOf(step);
    if (problem !== undefined) return declined(problem);
    this.#walk = undefined;
    return this.#act(step);
  }

  probe(probe: Probe): ProbeResult {
    this.#walk ??= openWalk(this.#blueprint());
    const walked = this.#walk(flowOf(probe));
    const { delivered, host, program, stoppedBy } = walked;
    this.#noteFlow(walked);
    const { address, port } = probe.to;
    if (stoppedBy?.kind === "program")
      return { ok: false, elapsedMs: 0, reason: `${address}:${port} refuses the connection` };
    if (!delivered || host === undefined) return unanswered(probe);
    const spoken = this.#hosts.get(host)?.host.programs.find(({ name }) => name === program);
    if (spoken === undefined || !speaks(spoken, probe.conversation))
      return {
        ok: false,
        elapsedMs: 0,
        reason: `${program} at ${address}:${port} does not speak ${probe.conversation}`,
      };
    return { ok: true, elapsedMs: 0, detail: `${program} of ${host} answered` };
  }

  /** Logged groups tell of a flow as it begins, and that it ended with nothing carried. */
  #noteFlow({ steps }: Walk): void {
    const logged = [...this.#networks.values()].flatMap(({ loggedGroups = [] }) => loggedGroups);
    for (const { gate } of steps) {
      if (gate === undefined || !logged.includes(gate.rule.group)) continue;
      const { access, direction, group, name, origin } = gate.rule;
      const { protocol, ...ends } = gate.packet;
      if (protocol !== "Tcp" && protocol !== "Udp") continue;
      const decided = { group, rule: name, origin, direction, access, protocol, ...ends };
      const line = { ...decided, time: this.#now() };
      this.flows.add({ ...line, state: "B" });
      if (access === "Allow") this.flows.add({ ...line, state: "E", counted: UNCOUNTED });
    }
  }

  /** Sees what the law says. */
  trace({ flow, standIns }: Trace): Seen {
    const blueprint = this.#blueprint();
    const walked = openWalk({ ...blueprint, hosts: [...blueprint.hosts, ...standIns] })(flow);
    return {
      steps: walked.steps.flatMap(({ gate }) => (gate === undefined ? [] : [seenAt(gate)])),
      answer: answerOf(walked, flow.protocol),
    };
  }

  setProgram(hostName: string, programName: string, state: "running" | "failed"): boolean {
    const standing = this.#hosts.get(hostName);
    const before = standing?.programs.get(programName);
    if (standing === undefined || before === undefined) return false;
    if (before.state === state) return true;
    const problem: Problem = {
      code: "ProgramEnded",
      what: `${programName} of ${hostName} ended by itself`,
      fix: "Start it again.",
    };
    const after: Run = {
      name: programName,
      state,
      restarts: before.restarts + (state === "running" ? 1 : 0),
      since: this.#now(),
      ...(state === "failed" ? { problem } : {}),
    };
    const programs = new Map(standing.programs).set(programName, after);
    this.#hosts.set(hostName, { host: standing.host, programs });
    this.#note(hostName, programName, state);
    this.#walk = undefined;
    return true;
  }

  dropHost(name: string): boolean {
    this.#walk = undefined;
    return this.#hosts.delete(name);
  }

  #act(step: Step): Result<"done"> {
    switch (step.do) {
      case "put-tags":
        this.#tags = step.tags;
        return found("done");
      case "put-internet":
        this.#internet = step.internet;
        return found("done");
      case "put-network": {
        const { translations = [] } = this.#networks.get(step.network.id) ?? {};
        this.#networks.set(step.network.id, { ...step.network, translations });
        return found("done");
      }
      case "put-connections":
        return this.#putConnections(step.connections);
      case "put-host":
        return this.#putHost(step.host);
      case "put-translations": {
        const network = this.#networks.get(step.network);
        if (network === undefined) return declined(noSuchNetwork(step.network));
        this.#networks.set(step.network, { ...network, translations: step.translations });
        return found("done");
      }
      // Here whoever looks has looked at once.
      case "wait":
        return found("done");
      case "remove-host":
        this.#hosts.delete(step.name);
        return found("done");
      case "remove-network":
        for (const [name, { host }] of this.#hosts)
          if ("network" in host.place && host.place.network === step.id) this.#hosts.delete(name);
        this.#networks.delete(step.id);
        return found("done");
    }
  }

  /** Hosts of a site that is no more go with it. */
  #putConnections(connections: Connections): Result<"done"> {
    this.#connections = connections;
    for (const [name, { host }] of this.#hosts)
      if (host.place.kind === "site" && !this.#hasSite(host.place.site)) this.#hosts.delete(name);
    return found("done");
  }

  #hasSite(id: string): boolean {
    return this.#connections.sites.some((site) => site.id === id);
  }

  /** Programs that stay as they are go on; a host at another place is another host. */
  #putHost(host: Host): Result<"done"> {
    if ("network" in host.place && !this.#networks.has(host.place.network))
      return declined(noSuchNetwork(host.place.network));
    if (host.place.kind === "site" && !this.#hasSite(host.place.site))
      return declined(noSuchNetwork(host.place.site));
    const before = this.#hosts.get(host.name);
    const isOther = before !== undefined && !same(natureOf(before.host), natureOf(host));
    const kept = isOther ? undefined : before;
    const programs = host.programs.map((program): [string, Run] => {
      const known = kept?.host.programs.find(({ name }) => name === program.name);
      const run = kept?.programs.get(program.name);
      if (run !== undefined && same(known, program)) return [program.name, run];
      this.#note(host.name, program.name, "running");
      const fresh: Run = { name: program.name, state: "running", restarts: 0, since: this.#now() };
      return [program.name, fresh];
    });
    this.#hosts.set(host.name, { host, programs: new Map(programs) });
    const now = new Set(backendsOf(host));
    const left = kept === undefined ? [] : backendsOf(kept.host);
    const going = [...(this.#going.get(host.name) ?? []), ...left];
    this.#going.set(host.name, new Set(going.filter((name) => !now.has(name))));
    return found("done");
  }

  /** What stands, with the programs that run. */
  #blueprint(): Blueprint {
    return {
      generation: this.#generation,
      tags: this.#tags as Readonly<Record<string, readonly Cidr[]>>,
      internet: this.#internet ?? NO_INTERNET,
      networks: [...this.#networks.values()],
      connections: this.#connections,
      hosts: [...this.#hosts.values()].map(({ host, programs }) => ({
        ...host,
        programs: host.programs.filter(({ name }) => programs.get(name)?.state === "running"),
      })),
    };
  }

  #note(host: string, program: string, text: string): void {
    this.log.push({ time: this.#now(), host, program, stream: "platform", text });
  }
}

const NO_INTERNET: Internet = {
  clientAddress: "0.0.0.0" as Ipv4,
  managementAddresses: [],
  names: {},
};

function backendsOf({ programs }: Host): readonly string[] {
  return programs.flatMap((program) =>
    program.kind === "front-end"
      ? program.sites.flatMap(({ backends }) => backends.map(({ name }) => name))
      : [],
  );
}

function natureOf({ place, role, forwards, incarnation }: Host) {
  return { place, role, forwards, incarnation };
}

function speaks(program: Program, conversation: Probe["conversation"]): boolean {
  switch (conversation) {
    case "management":
      return program.kind === "role-agent" && program.management !== undefined;
    case "keep-alive":
    case "internal":
      return program.kind === "role-agent";
    case "resolver":
      return isEndpointOf(program, "dns") || isEndpointOf(program, "dns-server");
    case "http":
    case "https":
      return program.kind === "front-end" || isEndpointOf(program, conversation);
    default:
      return isEndpointOf(program, conversation);
  }
}

function isEndpointOf(program: Program, service: Probe["conversation"] | "dns-server"): boolean {
  return program.kind === "endpoint" && program.service === service;
}

const UNCOUNTED = { packetsOut: 0, bytesOut: 0, packetsIn: 0, bytesIn: 0 };

function seenAt({ at, rule }: NonNullable<WalkStep["gate"]>): SeenStep {
  const { access, direction, group, name, priority } = rule;
  return { kind: "rule", at, direction, rule: name, priority, group, access };
}

function answerOf({ delivered, stoppedBy }: Walk, protocol: IpProtocol): Seen["answer"] {
  if (stoppedBy?.kind === "program") return "refused";
  return delivered && protocol === "Tcp" ? "answered" : "nothing";
}

function unanswered({ to, timeoutMs }: Probe): ProbeResult {
  const reason = `no answer from ${to.address}:${to.port} within ${timeoutMs} ms`;
  return { ok: false, elapsedMs: timeoutMs, reason };
}

function noSuchNetwork(id: string): Problem {
  return {
    code: "NoSuchNetwork",
    what: `the network ${id} does not stand in this world`,
    fix: "Put the network first.",
  };
}
