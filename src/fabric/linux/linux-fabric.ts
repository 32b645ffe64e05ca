/**
 * One Linux machine as a fabric: what was carried out, and the programs that live in it.
 *
 * Packets are the kernel's (kernel/), the life of one program is kept-program.ts; this file joins
 * them and remembers, since `observe` reads what stands and not what was asked for.
 */
import { declined, found, problemOf, type Problem, type Result } from "../../base/problem.ts";
import {
  NO_CONNECTIONS,
  type Host,
  type Internet,
  type Network,
  type Connections,
} from "../../blueprint/blueprint.ts";
import { FlowBook } from "../../blueprint/seen-flows.ts";
import { same, type Step } from "../../blueprint/steps.ts";
import { contains, type Cidr, type Ipv4 } from "../../network/prefix.ts";
import type { Fabric, Observed, RunProbe, StandingPlace, StartProgram } from "../fabric.ts";
import { openDoorway, type DoorSockets } from "./doorway.ts";
import { HostPrograms, isPlatformHost, type HostGround, type Spot } from "./host-programs.ts";
import type { Kernel, Space } from "./kernel/kernel.ts";
import type { Limits } from "./limits.ts";
import type { LogBook } from "./log-book.ts";
import { probeWithin } from "./probe-within.ts";
import type { ResolverFile } from "./mounts.ts";
import { runCommand } from "./run-command.ts";
import { sendTrace, StandIns } from "./send-trace.ts";

export type LinuxFabricOptions = {
  readonly kernel: Kernel;
  readonly startProgram: StartProgram;
  readonly runProbe: RunProbe;
  readonly limits: Limits;
  readonly logBook: LogBook;
  /** A folder in memory, which users of any number may pass through. */
  readonly scratch: string;
  readonly hasUsers: boolean;
  /** Listening sockets of the machine's loopback; without them nobody comes in from there. */
  readonly doors?: DoorSockets;
  /** Folder of commands that people find at every place, besides the machine's own. */
  readonly tools?: string;
  /** A command that sees these resolvers is started through the words this answers. */
  readonly withResolvers?: (name: string, file: ResolverFile) => readonly string[];
  /** Addresses of resolvers changed: the platform's own first. */
  readonly resolversChanged?: (addresses: readonly string[]) => void;
  readonly log: (message: string, fields: object) => void;
};

/** A host counts as put when its programs were started once, or this long has passed. */
const PUT_WITHIN_MS = 10_000;
const TELL_EVERY_MS = 500;
const END_WITHIN_MS = 3_000;

export function openLinuxFabric(options: LinuxFabricOptions): Fabric {
  const { kernel, limits, logBook, scratch, log } = options;
  const hosts = new Map<string, HostPrograms>();
  const networks = new Map<string, Network>();
  const children = new Set<() => void>();
  const flowBook = new FlowBook();
  // The kernel keeps what it tells for a while only; nobody may be asking.
  const telling = setInterval(() => kernel.tellFlows(flowBook, Date.now()), TELL_EVERY_MS).unref();
  const standIns = new StandIns(kernel);
  let tags: Observed["tags"] = {};
  let internet: Internet | undefined;
  let connections: Connections = NO_CONNECTIONS;
  let generation = 0;
  let isEnding = false;
  const ground: HostGround = {
    ...options,
    startsAtOnce: turns(STARTS_AT_ONCE),
    note: (host, program, stream, text) =>
      logBook.write({ time: Date.now(), host, program, stream, text }),
  };
  const doorway =
    options.doors === undefined
      ? undefined
      : openDoorway({
          sockets: options.doors,
          folder: `${scratch}/doorway`,
          hasUsers: options.hasUsers,
          log: (text) => ground.note("doorway", "haproxy", "platform", text),
        });
  if (limits.version === "none")
    log("hosts have no limits of memory and processor", { why: limits.why });
  doorway?.update(undefined, []);

  async function carryOut(from: number, step: Step): Promise<Result<"done">> {
    if (isEnding) return declined(ending());
    if (from < generation) return declined(older(from, generation));
    generation = from;
    try {
      const answer = await act(step);
      if (answer.ok) doorway?.update(internet, [...networks.values()]);
      else log("step declined", { step: step.do, problem: answer.problem });
      return answer;
    } catch (thrown) {
      const problem = problemOf(thrown, {
        code: "StepBroke",
        what: `the step "${step.do}" broke`,
        fix: "Report this with logs/fabric.log.",
      });
      log("step broke", { step: step.do, problem, stack: (thrown as Error).stack });
      return declined(problem);
    }
  }

  function act(step: Step): Promise<Result<"done">> | Result<"done"> {
    switch (step.do) {
      case "put-tags":
        return after(kernel.putTags(step.tags as Readonly<Record<string, readonly Cidr[]>>), () => {
          tags = step.tags;
        });
      case "put-internet":
        return after(kernel.putInternet(step.internet), () => {
          internet = step.internet;
        });
      case "put-network":
        return putNetwork(step.network);
      case "put-connections":
        return putConnections(step.connections);
      case "put-host":
        return putHost(step.host);
      case "put-translations":
        return putTranslations(step.network, step.translations);
      case "wait":
        return passed(step.forMs).then(() => found("done"));
      case "remove-host":
        return removeHost(step.name);
      case "remove-network":
        return removeNetwork(step.id);
    }
  }

  async function putNetwork(network: Network): Promise<Result<"done">> {
    const { translations = [] } = networks.get(network.id) ?? {};
    const put = kernel.putNetwork(network);
    if (!put.ok) return put;
    networks.set(network.id, { ...network, translations });
    await withinPut([...hosts.values()].filter(({ host }) => isOutside(host)).map(stand));
    return found("done");
  }

  /** Hosts of a site that is no more go before it. */
  async function putConnections(wanted: Connections): Promise<Result<"done">> {
    const leaving = [...hosts.values()].filter(
      ({ host: { place } }) =>
        place.kind === "site" && !wanted.sites.some(({ id }) => id === place.site),
    );
    await Promise.all(leaving.map(({ host }) => removeHost(host.name)));
    return after(kernel.putConnections(wanted), () => {
      connections = wanted;
    });
  }

  async function putHost(host: Host): Promise<Result<"done">> {
    const before = hosts.get(host.name);
    if (before !== undefined && same(before.host, host)) return found("done");
    if (before !== undefined && !same(before.host.place, host.place)) await removeHost(host.name);
    if (!isPlatformHost(host)) {
      standIns.makeRoom(host.place.address);
      const created = kernel.createHost(host);
      if (!created.ok) return created;
    }
    const programs = hosts.get(host.name) ?? new HostPrograms(host, ground);
    hosts.set(host.name, programs);
    programs.host = host;
    tellResolvers();
    await withinPut([stand(programs)]);
    return found("done");
  }

  /** Starts, changes and stops what differs, at every place the host stands. */
  function stand(programs: HostPrograms): Promise<void> {
    return programs.stand(spotsOf(programs.host));
  }

  function spotsOf(host: Host): ReadonlyMap<string, Spot> {
    const spots = new Map<string, Spot>();
    if (isPlatformHost(host))
      for (const { id, index } of networks.values()) {
        const space = kernel.space({ kind: "load-balancer", network: id });
        if (space !== undefined) spots.set(`network-${index}`, { space, network: id });
      }
    else {
      const { place } = host;
      const space = kernel.space({ kind: "host", name: host.name });
      const network = "network" in place ? { network: place.network } : {};
      if (space !== undefined) spots.set("", { space, ...network });
      // A service stands in each network that reaches it by an endpoint of its own, too.
      if (place.kind === "internet" && space !== undefined)
        for (const { id, index, subnets } of networks.values()) {
          if (!subnets.some((subnet) => reachesByEndpoint(subnet, place.address))) continue;
          const inside = kernel.space({ kind: "service", network: id, address: place.address });
          if (inside !== undefined) spots.set(`service-${index}`, { space: inside, network: id });
        }
    }
    return spots;
  }

  function putTranslations(id: string, translations: Network["translations"]): Result<"done"> {
    const network = networks.get(id);
    if (network === undefined) return declined(noSuchNetwork(id));
    return after(kernel.putTranslations(id, translations), () => {
      networks.set(id, { ...network, translations });
    });
  }

  async function removeHost(name: string): Promise<Result<"done">> {
    const programs = hosts.get(name);
    if (programs === undefined) return found("done");
    hosts.delete(name);
    await programs.stop();
    if (!isPlatformHost(programs.host)) {
      const removed = kernel.removeHost(name);
      if (!removed.ok) return removed;
    }
    await limits.remove(name);
    if (hosts.has(name)) return found("done");
    programs.forget();
    logBook.forget(name);
    tellResolvers();
    return found("done");
  }

  async function removeNetwork(id: string): Promise<Result<"done">> {
    networks.delete(id);
    const inside = [...hosts.values()].filter(
      ({ host: { place } }) => "network" in place && place.network === id,
    );
    await Promise.all(inside.map(({ host }) => removeHost(host.name)));
    await withinPut([...hosts.values()].filter(({ host }) => isOutside(host)).map(stand));
    return kernel.removeNetwork(id);
  }

  function tellResolvers(): void {
    const all = [...hosts.values()].filter(({ host }) =>
      host.programs.some((program) => program.kind === "endpoint" && program.service === "dns"),
    );
    const byPlatformFirst = all.toSorted(
      (one, other) => Number(isPlatformHost(other.host)) - Number(isPlatformHost(one.host)),
    );
    options.resolversChanged?.(byPlatformFirst.map(({ host }) => host.place.address));
  }

  function spaceAt(at: StandingPlace): Space | undefined {
    if (at.kind === "internet") return kernel.space({ kind: "internet" });
    const programs = hosts.get(at.name);
    return programs === undefined ? undefined : [...spotsOf(programs.host).values()][0]?.space;
  }

  return {
    observe: async () =>
      found({
        generation,
        tags,
        ...(internet === undefined ? {} : { internet }),
        networks: [...networks.values()],
        connections,
        hosts: [...hosts.values()].map((programs) => programs.look()),
      }),
    carryOut,
    probe: (probe) => {
      const { from } = probe;
      const space = kernel.space(from);
      return space === undefined
        ? Promise.resolve({
            ok: false,
            elapsedMs: 0,
            reason: `${describeStart(from)} does not exist`,
          })
        : probeWithin(probe, space.sockets, options.runProbe);
    },
    flows: async (sequence) => {
      const told = kernel.tellFlows(flowBook, Date.now());
      return told.ok ? found(flowBook.after(sequence)) : told;
    },
    trace: async (trace) => (isEnding ? declined(ending()) : sendTrace(kernel, trace, standIns)),
    run: async (at, command) => {
      if (isEnding) return declined(ending());
      const space = spaceAt(at);
      if (space === undefined) return declined(noSuchPlace(at));
      const host = at.kind === "host" ? hosts.get(at.name)?.host : undefined;
      const file = host === undefined ? undefined : resolversAt(host);
      const started = await runCommand(space, command, {
        path: options.tools === undefined ? [] : [options.tools],
        through:
          host === undefined || file === undefined
            ? []
            : (options.withResolvers?.(host.name, file) ?? []),
      });
      if (started.ok) {
        children.add(started.value.kill);
        void started.value.ended.then(() => children.delete(started.value.kill));
      }
      return started;
    },
    logs: async (query) => found(logBook.read(query)),
    end: async () => {
      isEnding = true;
      clearInterval(telling);
      doorway?.close();
      children.forEach((kill) => kill());
      const stopped = Promise.all([...hosts.values()].map((programs) => programs.stop()));
      await Promise.race([stopped, passed(END_WITHIN_MS)]);
      await limits.sweep();
      await logBook.settled();
      kernel.close();
    },
  };
}

/**
 * Whom programs of a host ask: the resolver of its apps, or the servers the host was told; nothing
 * for the roles of an environment, which ask the platform.
 */
function resolversAt(host: Host): ResolverFile | undefined {
  const own = host.programs.flatMap((program) =>
    program.kind === "endpoint" ? (program.asks?.[0] ?? []) : [],
  );
  if (own[0] !== undefined) return { asked: [own[0].at], behind: own[0].servers };
  const { dnsServers, role } = host;
  if (dnsServers === undefined || (role !== "Machine" && role !== "Visitor")) return undefined;
  return { asked: dnsServers, behind: [] };
}

/** Stands in no network of its own, and perhaps in several: it follows what networks say. */
function isOutside({ place }: Host): boolean {
  return place.kind === "internet";
}

function reachesByEndpoint({ routes }: Network["subnets"][number], address: Ipv4): boolean {
  return routes.some(
    ({ nextHop, prefix }) =>
      nextHop.kind === "VirtualNetworkServiceEndpoint" && contains(prefix, address),
  );
}

/** New processes begun at the same time: enough to fill the machine, not to flood it. */
const STARTS_AT_ONCE = 16;

function after(answer: Result<"done">, remember: () => void): Result<"done"> {
  if (answer.ok) remember();
  return answer;
}

async function withinPut(work: readonly Promise<void>[]): Promise<void> {
  await Promise.race([Promise.all(work), passed(PUT_WITHIN_MS)]);
}

function passed(timeMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, timeMs).unref());
}

/** Lets so many pieces of work run at once; the others wait their turn. */
function turns(count: number): <T>(work: () => Promise<T>) => Promise<T> {
  const waiting: (() => void)[] = [];
  let free = count;
  return async (work) => {
    if (free === 0) await new Promise<void>((resolve) => waiting.push(resolve));
    else free -= 1;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) free += 1;
      else next();
    }
  };
}

function describeStart(from: Parameters<Fabric["probe"]>[0]["from"]): string {
  switch (from.kind) {
    case "host":
      return `the host ${from.name}`;
    case "internet":
      return `the address ${from.address} of the internet`;
    case "load-balancer":
      return `the load balancer of ${from.network}`;
  }
}

function older(from: number, newest: number): Problem {
  return {
    code: "OlderBlueprint",
    what: `a step of generation ${from} came after generation ${newest}`,
    fix: "Read the newest blueprint; another control plane may be at work on this world.",
  };
}

function ending(): Problem {
  return { code: "WorldIsEnding", what: "the world is being taken down", fix: "Run `ase up`." };
}

function noSuchNetwork(id: string): Problem {
  return {
    code: "NetworkNotInWorld",
    what: "translations came for a network that does not stand",
    where: id,
    fix: "Put the network first.",
  };
}

function noSuchPlace(at: StandingPlace): Problem {
  const name = at.kind === "host" ? at.name : "internet";
  return {
    code: "PlaceNotInWorld",
    what: `there is no place "${name}" in the world`,
    fix: "List the places with `ase addresses`.",
  };
}
