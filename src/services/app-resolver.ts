/**
 * The resolver of a worker's apps: passes questions on, as they are, to the network's DNS servers
 * in turn, and to the platform's for what these cannot resolve.
 *
 * "Cannot resolve" is silence, a failure, a refusal, and "no such name" too. It keeps no answers:
 * what an app sees is what the servers say now. Who is asked in which order is blueprint/.
 *
 * @article Customer DNS
 */
import type { Result } from "../base/problem.ts";
import { found } from "../base/problem.ts";
import { DEPENDENCY_PORTS } from "../environment/ports.ts";
import type { HostSockets } from "../fabric/fabric.ts";
import { answerStream, withLength } from "./dns-endpoint.ts";
import type { Serving } from "./endpoints.ts";

/** As published for apps: one attempt per server, three seconds. */
const ANSWER_MS = 3_000;
/** All servers together: the C library gives up after ten. */
const ALL_ANSWERS_MS = 8_000;
/** A silent server is passed over for so long. */
const SILENT_MS = 30_000;
const SHORTEST_MESSAGE = 12;
const [SERVER_FAILURE, NO_SUCH_NAME] = [2, 3];

export async function serveAppNames(serving: Serving): Promise<Result<"listening">> {
  const { current, listeners, sockets } = serving;
  const { port, asks = [] } = current();
  for (const { at, servers } of asks) {
    const turn = new Turn(servers, sockets);
    const spot = { address: at, port };
    const datagrams = await listeners.receive(spot, (message) => turn.ask(message, askDatagram));
    if (!datagrams.ok) return datagrams;
    const streams = await listeners.accept(spot, (socket) =>
      answerStream(socket, (message) => turn.ask(message, askStream)),
    );
    if (!streams.ok) return streams;
  }
  return found("listening");
}

type Ask = (
  message: Buffer,
  server: string,
  within: { readonly sockets: HostSockets; readonly timeoutMs: number },
) => Promise<Buffer | undefined>;

/** Servers that are asked one after the other; remembers who was silent. */
class Turn {
  readonly #servers: readonly string[];
  readonly #sockets: HostSockets;
  readonly #silentSince = new Map<string, number>();

  constructor(servers: readonly string[], sockets: HostSockets) {
    this.#servers = servers;
    this.#sockets = sockets;
  }

  async ask(message: Buffer, over: Ask): Promise<Buffer | undefined> {
    if (message.length < SHORTEST_MESSAGE) return undefined;
    const timeoutMs = Math.min(ANSWER_MS, ALL_ANSWERS_MS / this.#servers.length);
    let best: Buffer | undefined;
    for (const server of this.#servers.filter((one) => !this.#isSilent(one))) {
      const answer = await over(message, server, { sockets: this.#sockets, timeoutMs });
      if (answer === undefined) this.#silentSince.set(server, performance.now());
      else if (codeOf(answer) === 0) return answer;
      // "No such name" says more than a failure; the first who said it is believed.
      else if (best === undefined || codeOf(best) !== NO_SUCH_NAME) best = answer;
    }
    return best ?? failureOf(message);
  }

  #isSilent(server: string): boolean {
    const since = this.#silentSince.get(server);
    return since !== undefined && performance.now() - since < SILENT_MS;
  }
}

function codeOf(message: Buffer): number {
  return (message[3] ?? 0) & 0x0f;
}

/** The question as an answer that says nobody could be asked. */
function failureOf(question: Buffer): Buffer {
  const answer = Buffer.from(question);
  answer.writeUInt16BE((answer.readUInt16BE(2) & 0x7900) | 0x8080 | SERVER_FAILURE, 2);
  return answer;
}

const askDatagram: Ask = async (message, server, { sockets, timeoutMs }) => {
  const bound = await sockets.udp({ address: "", port: 0 });
  if (!bound.ok) return undefined;
  const socket = bound.value;
  try {
    return await new Promise<Buffer | undefined>((resolve) => {
      const timer = setTimeout(resolve, timeoutMs, undefined);
      const end = (answer: Buffer | undefined) => {
        clearTimeout(timer);
        resolve(answer);
      };
      socket.on("error", () => end(undefined));
      socket.on("message", (answer, from) => {
        const isOurs =
          from.address === server &&
          SHORTEST_MESSAGE <= answer.length &&
          answer.readUInt16BE(0) === message.readUInt16BE(0);
        if (isOurs) end(answer);
      });
      socket.send(message, DEPENDENCY_PORTS.dns, server, (error) => error && end(undefined));
    });
  } finally {
    socket.close();
  }
};

const askStream: Ask = async (message, server, { sockets, timeoutMs }) => {
  const to = { address: server, port: DEPENDENCY_PORTS.dns, timeoutMs };
  const connected = await sockets.connect(to);
  if (!connected.ok) return undefined;
  const socket = connected.value;
  try {
    return await new Promise<Buffer | undefined>((resolve) => {
      let received: Buffer = Buffer.alloc(0);
      socket.setTimeout(timeoutMs, () => resolve(undefined));
      socket.once("error", () => resolve(undefined));
      socket.once("close", () => resolve(undefined));
      socket.on("data", (chunk: Buffer) => {
        received = Buffer.concat([received, chunk]);
        if (2 <= received.length && 2 + received.readUInt16BE(0) <= received.length)
          resolve(received.subarray(2, 2 + received.readUInt16BE(0)));
      });
      socket.write(withLength(message));
    });
  } finally {
    socket.destroy();
  }
};
