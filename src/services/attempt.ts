/**
 * One use of a flow in the making: its deadline, and every socket opened for it.
 *
 * Whatever happens, all of it is closed in the end. What is spoken is in conversations.ts.
 */
import type { Socket as UdpSocket } from "node:dgram";
import type { Socket } from "node:net";
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from "node:tls";

import type { Problem } from "../base/problem.ts";
import type { Probe } from "../blueprint/probes.ts";
import type { HostSockets } from "../fabric/fabric.ts";

/** Rejects with this: the one shape of failure inside a conversation, caught by runProbe. */
export class Unanswered extends Error {}

export const CLOSED = "connection closed by the other side";

export class Attempt {
  readonly probe: Probe;
  /** Rejects when the time is over. */
  readonly deadline: Promise<never>;
  readonly #sockets: HostSockets;
  readonly #began = performance.now();
  readonly #opened: (() => void)[] = [];
  #isOver = false;

  constructor(probe: Probe, sockets: HostSockets) {
    this.probe = probe;
    this.#sockets = sockets;
    this.deadline = new Promise((_, reject) => {
      const timer = setTimeout(() => reject(this.#late()), probe.timeoutMs);
      this.#opened.push(() => clearTimeout(timer));
    });
  }

  get elapsedMs(): number {
    return performance.now() - this.#began;
  }

  async connect(): Promise<Socket> {
    const { to, from, timeoutMs } = this.probe;
    const connected = await this.#sockets.connect({
      address: to.address,
      port: to.port,
      localAddress: from.address,
      timeoutMs: Math.max(1, Math.round(timeoutMs - this.elapsedMs)),
    });
    if (!connected.ok) throw this.#unconnected(connected.problem);
    return this.#keep(connected.value);
  }

  /** TLS over a connection of this attempt. */
  async secure(options: ConnectionOptions): Promise<TLSSocket> {
    const plain = await this.connect();
    const secured = connectTls({ ...options, socket: plain });
    this.#keep(secured);
    return new Promise((resolve, reject) => {
      secured.once("error", reject);
      secured.once("close", () => reject(new Unanswered("TLS: the connection was closed")));
      secured.once("secureConnect", () => resolve(secured));
    });
  }

  /** A datagram socket that hears nobody but the other end. */
  async datagrams(): Promise<UdpSocket> {
    const { to, from } = this.probe;
    const bound = await this.#sockets.udp({ address: from.address, port: 0 });
    if (!bound.ok) throw new Unanswered(bound.problem.what);
    const socket = bound.value;
    this.#closeLater(() => socket.close());
    return new Promise((resolve, reject) => {
      socket.on("error", reject);
      socket.once("connect", () => resolve(socket));
      socket.connect(to.port, to.address);
    });
  }

  close(): void {
    this.#isOver = true;
    for (const close of this.#opened.splice(0)) close();
  }

  #keep<Kept extends Socket>(socket: Kept): Kept {
    // Those who wait on the socket hear of errors themselves.
    socket.on("error", () => undefined);
    this.#closeLater(() => socket.destroy());
    return socket;
  }

  #closeLater(close: () => void): void {
    if (!this.#isOver) this.#opened.push(close);
    else {
      close();
      throw this.#late();
    }
  }

  #unconnected(problem: Problem): Unanswered {
    const told = wordsOf(problem);
    if (/ETIMEDOUT|timed? ?out/i.test(told) || this.elapsedMs >= this.probe.timeoutMs)
      return this.#late();
    return new Unanswered(reasonOf(told));
  }

  #late(): Unanswered {
    return new Unanswered(`no answer within ${this.probe.timeoutMs} ms`);
  }
}

/** What the kernel's and TLS's errors are called in plain words. */
export function reasonOf(thrown: unknown): string {
  if (thrown instanceof Unanswered) return thrown.message;
  const code = thrown instanceof Error && "code" in thrown ? String(thrown.code) : "";
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  const known = KERNEL_WORDS.find(([name]) => `${code} ${text}`.includes(name));
  if (known !== undefined) return known[1];
  const isTls = /^(ERR_SSL|ERR_TLS|CERT_|DEPTH_|SELF_SIGNED|UNABLE_TO|CRL_|HOSTNAME)/.test(code);
  return isTls ? `TLS: ${plainTls(text)}` : text;
}

const KERNEL_WORDS = [
  ["ECONNREFUSED", "connection refused"],
  ["ECONNRESET", CLOSED],
  ["EPIPE", CLOSED],
  ["EHOSTUNREACH", "no way to the host"],
  ["ENETUNREACH", "no way to the network"],
  ["EADDRNOTAVAIL", "the place where the flow begins does not have this address"],
  ["socket hang up", CLOSED],
] as const;

/** OpenSSL's messages are fields between colons, the words among them last but a few. */
function plainTls(text: string): string {
  return /error:[0-9A-F]+:[^:]*:[^:]*:([^:]+)/i.exec(text)?.[1] ?? text.trim();
}

function wordsOf(problem: Problem): string {
  return problem.cause === undefined ? problem.what : `${problem.what}: ${wordsOf(problem.cause)}`;
}
