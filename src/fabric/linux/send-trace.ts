/**
 * Sends the first packet of a flow from where it begins, and tells which gates saw it.
 *
 * Hosts that stand only for a trace are made before and gone after; whoever is to stand there for
 * good comes first. What the gates say is read in kernel/trace.ts.
 */
import { declined, found, never, type Problem, type Result } from "../../base/problem.ts";
import type { Host } from "../../blueprint/blueprint.ts";
import type { Seen, Trace } from "../../blueprint/seen.ts";
import type { Flow } from "../../blueprint/walk.ts";
import type { Kernel, Space, SpaceName } from "./kernel/kernel.ts";

/** What a datagram asks a listener that speaks nothing in particular. */
const GREETING = "trace\n";

export class StandIns {
  readonly #kernel: Kernel;
  readonly #standing = new Map<string, string>();

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  stand(host: Host): Result<"done"> {
    const { address } = host.place;
    if (this.#standing.has(address)) return declined(busy(address));
    const created = this.#kernel.createHost(host);
    if (!created.ok) return created;
    this.#standing.set(address, host.name);
    return found("done");
  }

  /** Somebody is to stand at this address for good. */
  makeRoom(address: string): void {
    const name = this.#standing.get(address);
    if (name === undefined) return;
    this.#standing.delete(address);
    this.#kernel.removeHost(name);
  }
}

export async function sendTrace(
  kernel: Kernel,
  { flow, network, standIns, timeoutMs }: Trace,
  standing: StandIns,
): Promise<Result<Seen>> {
  const { protocol, fromPort } = flow;
  if (protocol !== "Tcp" && protocol !== "Udp") return declined(notSent(protocol));
  const made: Host[] = [];
  try {
    for (const host of standIns) {
      const stood = standing.stand(host);
      if (!stood.ok) return stood;
      made.push(host);
    }
    const from = spaceNameOf(flow);
    const space = kernel.space(from);
    if (space === undefined) return declined(nobody(from));
    const watch = kernel.watch({ protocol, fromPort }, network === undefined ? [] : [network]);
    if (!watch.ok) return watch;
    try {
      const answer =
        protocol === "Tcp"
          ? await connect(space, flow, timeoutMs)
          : await ask(space, flow, timeoutMs);
      if (!answer.ok) return answer;
      return found({ steps: watch.value.read(), answer: answer.value });
    } finally {
      watch.value.close();
    }
  } finally {
    for (const { place } of made) standing.makeRoom(place.address);
  }
}

function spaceNameOf({ from }: Flow): SpaceName {
  switch (from.kind) {
    case "host":
      return { kind: "host", name: from.name };
    case "internet":
      return { kind: "internet", address: from.address };
    case "load-balancer":
      return { kind: "load-balancer", network: from.network };
    default:
      return never(from);
  }
}

async function connect(
  { sockets }: Space,
  { to, toPort, fromPort }: Flow,
  timeoutMs: number,
): Promise<Result<Seen["answer"]>> {
  const connected = await sockets.connect({
    address: to,
    port: toPort,
    localPort: fromPort,
    timeoutMs,
  });
  if (!connected.ok) return answerOfRefusal(connected.problem);
  // A reset leaves nothing behind: the same ports may be used again at once.
  connected.value.on("error", () => undefined);
  connected.value.resetAndDestroy();
  return found("answered");
}

async function ask(
  { sockets }: Space,
  { to, toPort, fromPort }: Flow,
  timeoutMs: number,
): Promise<Result<Seen["answer"]>> {
  const bound = await sockets.udp({ address: "", port: fromPort });
  if (!bound.ok) return bound;
  const socket = bound.value;
  try {
    return await new Promise((resolve) => {
      const timer = setTimeout(() => resolve(found("nothing")), timeoutMs);
      const end = (answer: Result<Seen["answer"]>) => {
        clearTimeout(timer);
        resolve(answer);
      };
      socket.once("message", () => end(found("answered")));
      socket.on("error", (error: NodeJS.ErrnoException) => end(answerOfError(error)));
      socket.connect(toPort, to, () => socket.send(GREETING));
    });
  } finally {
    socket.close();
  }
}

function answerOfError(error: NodeJS.ErrnoException): Result<Seen["answer"]> {
  if (error.code === "ECONNREFUSED") return found("refused");
  return found(/UNREACH/.test(error.code ?? "") ? "unreachable" : "nothing");
}

function answerOfRefusal(problem: Problem): Result<Seen["answer"]> {
  const { what } = problem;
  if (/refused|reset/.test(what)) return found("refused");
  if (/no route/.test(what)) return found("unreachable");
  if (/no answer|ETIMEDOUT/.test(what)) return found("nothing");
  return declined(problem);
}

function notSent(protocol: string): Problem {
  return {
    code: "TraceNotPossible",
    what: `a packet of ${protocol} cannot be traced`,
    fix: "Trace tcp or udp; `ase explain` walks packets of every protocol.",
  };
}

function nobody(from: SpaceName): Problem {
  return {
    code: "TraceNotPossible",
    what: `there is nobody to send the packet: ${JSON.stringify(from)}`,
    fix: "Name somebody who stands in the world; `ase hosts` lists all.",
  };
}

function busy(address: string): Problem {
  return {
    code: "TraceNotPossible",
    what: `another trace just uses ${address}`,
    fix: "Try again in a second.",
  };
}
