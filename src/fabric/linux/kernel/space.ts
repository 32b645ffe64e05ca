/**
 * A namespace to stand in: sockets of a host, used from the one process that owns the world.
 *
 * Sockets are made inside and driven by Node's own event loop afterwards. Whose they are and what
 * is spoken over them is not known here.
 */
import { closeSync } from "node:fs";
import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { Socket, type Server } from "node:net";

import { declined, found, type Problem, type Result } from "../../../base/problem.ts";
import type { HostSockets } from "../../fabric.ts";
import type { Space } from "./kernel.ts";
import {
  inNamespace,
  listen,
  SystemCallError,
  tcpSocket,
  udpSocket,
  type Namespace,
} from "./libc.ts";

const BACKLOG = 1_024;

/** @param own the address connections begin at unless they say otherwise */
export function spaceOf(namespace: Namespace, home: Namespace, own: string | undefined): Space {
  const inside = <Value>(work: () => Value) => inNamespace(namespace, home, work);
  const sockets: HostSockets = {
    listen: async (server, at) => listenOn(inside, server, at),
    connect: async (to) =>
      connectTo(inside, { ...(own === undefined ? {} : { localAddress: own }), ...to }),
    udp: async (at) =>
      bindUdp(inside, { ...at, address: at.address === "" ? (own ?? "0.0.0.0") : at.address }),
  };
  return { sockets, inside };
}

type Inside = Space["inside"];
type At = { readonly address: string; readonly port: number };

async function listenOn(inside: Inside, server: Server, at: At): Promise<Result<"listening">> {
  let fd: number;
  try {
    fd = inside(() => {
      const socket = tcpSocket(at);
      listen(socket, BACKLOG);
      return socket;
    });
  } catch (thrown) {
    return declined(socketProblem(thrown, `listen at ${at.address}:${at.port}`));
  }
  return new Promise((resolve) => {
    const failed = (error: Error) =>
      resolve(declined(socketProblem(error, `listen at ${at.address}:${at.port}`)));
    server.once("error", failed);
    server.listen({ fd, backlog: BACKLOG }, () => {
      server.off("error", failed);
      resolve(found("listening"));
    });
  });
}

async function connectTo(
  inside: Inside,
  to: At & Pick<Parameters<HostSockets["connect"]>[0], "localAddress" | "localPort" | "timeoutMs">,
): Promise<Result<Socket>> {
  const what = `connect to ${to.address}:${to.port}`;
  let socket: Socket;
  try {
    const bindTo =
      to.localAddress === undefined
        ? undefined
        : { address: to.localAddress, port: to.localPort ?? 0 };
    const fd = inside(() => tcpSocket(bindTo));
    // Unconnected: reading begins with the connection, not before.
    socket = new Socket({ fd, readable: true, writable: true, manualStart: true } as {
      fd: number;
    });
  } catch (thrown) {
    return declined(socketProblem(thrown, what));
  }
  return new Promise((resolve) => {
    const timer = setTimeout(
      () => end(new Error(`no answer within ${to.timeoutMs} ms`)),
      to.timeoutMs,
    );
    const end = (error: Error) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(declined(socketProblem(error, what)));
    };
    socket.once("error", end);
    socket.connect({ host: to.address, port: to.port }, () => {
      clearTimeout(timer);
      socket.off("error", end);
      resolve(found(socket));
    });
  });
}

async function bindUdp(inside: Inside, at: At): Promise<Result<UdpSocket>> {
  let fd: number;
  try {
    fd = inside(() => udpSocket(at));
  } catch (thrown) {
    return declined(socketProblem(thrown, `bind UDP ${at.address}:${at.port}`));
  }
  const socket = createSocket("udp4");
  return new Promise((resolve) => {
    socket.once("error", (error) => {
      closeSync(fd);
      resolve(declined(socketProblem(error, `bind UDP ${at.address}:${at.port}`)));
    });
    socket.bind({ fd }, () => {
      socket.removeAllListeners("error");
      resolve(found(socket));
    });
  });
}

function socketProblem(thrown: unknown, what: string): Problem {
  const reason = thrown instanceof Error ? reasonOf(thrown) : String(thrown);
  return {
    code: "SocketFailed",
    what: `could not ${what}: ${reason}`,
    fix: "See the cause; a rule, a route or a program that is not there.",
  };
}

function reasonOf(error: Error): string {
  const code =
    error instanceof SystemCallError ? error.code : (error as NodeJS.ErrnoException).code;
  switch (code) {
    case "ECONNREFUSED":
      return "connection refused";
    case "EHOSTUNREACH":
    case "ENETUNREACH":
      return "no route";
    case "ECONNRESET":
      return "connection reset";
    default:
      return error.message;
  }
}
