/**
 * The listening sockets of one program: opened together, closed together with what they accepted.
 *
 * What is spoken over a connection is the program's; which network it stands in, the place's.
 */
import type { Socket as UdpSocket } from "node:dgram";
import { createServer, type Server, type Socket } from "node:net";

import type { Result } from "../base/problem.ts";
import type { HostSockets } from "../fabric/fabric.ts";

/** A connection that says nothing for so long is closed. */
const QUIET_MS = 120_000;
/** Who asks and never reads the answers is closed at this many. */
const MOST_UNREAD_BYTES = 65_536;

export type Spot = { readonly address: string; readonly port: number };

export class Listeners {
  readonly #sockets: HostSockets;
  readonly #open = new Set<{ readonly close: () => Promise<void> }>();
  readonly #connections = new Set<Socket>();
  #isOpen = true;

  constructor(sockets: HostSockets) {
    this.#sockets = sockets;
  }

  /** An HTTP or HTTPS server; it closes quiet connections itself. */
  async serve(server: Server, at: Spot): Promise<Result<"listening">> {
    server.on("connection", (socket: Socket) => this.#keep(socket));
    const listening = await this.#sockets.listen(server, at);
    if (listening.ok)
      this.#open.add({
        close: () => new Promise((resolve) => void server.close(() => resolve())),
      });
    return listening;
  }

  async accept(at: Spot, speak: (socket: Socket) => void): Promise<Result<"listening">> {
    const server = createServer((socket) => {
      socket.setTimeout(QUIET_MS, () => socket.destroy());
      speak(socket);
    });
    return this.serve(server, at);
  }

  async receive(
    at: Spot,
    answer: (message: Buffer) => Buffer | undefined | Promise<Buffer | undefined>,
  ): Promise<Result<"listening">> {
    const bound = await this.#sockets.udp(at);
    if (!bound.ok) return bound;
    const socket: UdpSocket = bound.value;
    // An answer that cannot be sent is lost, as any datagram may be.
    socket.on("error", () => undefined);
    socket.on("message", (message, from) => {
      const send = (answered: Buffer | undefined) => {
        if (answered !== undefined && this.#isOpen)
          socket.send(answered, from.port, from.address, () => undefined);
      };
      const answered = answer(message);
      if (answered instanceof Promise) void answered.then(send, () => undefined);
      else send(answered);
    });
    this.#open.add({ close: () => new Promise((resolve) => void socket.close(() => resolve())) });
    return { ok: true, value: "listening" };
  }

  async close(): Promise<void> {
    this.#isOpen = false;
    const closing = [...this.#open].map(({ close }) => close());
    this.#open.clear();
    for (const socket of this.#connections) socket.destroy();
    await Promise.all(closing);
  }

  #keep(socket: Socket): void {
    this.#connections.add(socket);
    // A connection that breaks is the other side's affair; it is closed by Node.
    socket.on("error", () => undefined);
    socket.on("close", () => this.#connections.delete(socket));
  }
}

/** Calls with every line, its end cut off; a line longer than allowed ends the connection. */
export function readLines(socket: Socket, longest: number, take: (line: string) => void): void {
  let rest = "";
  socket.setEncoding("utf8");
  socket.on("data", (chunk: string) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    const unread = socket.writableLength > MOST_UNREAD_BYTES;
    if (unread || rest.length > longest || lines.some((line) => line.length > longest)) {
      socket.destroy();
      return;
    }
    for (const line of lines) take(line.replace(/\r$/, ""));
  });
}
