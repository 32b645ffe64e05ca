/**
 * The sockets of this machine's loopback, in the form programs are given them: for tests and
 * benchmarks. A test takes addresses of its own in 127.0.0.0/8.
 */
import { createSocket } from "node:dgram";
import { connect, type Server } from "node:net";

import { declined, found, type Problem } from "../base/problem.ts";
import type { Host, Program } from "../blueprint/blueprint.ts";
import type { HostSockets, ProgramPlace } from "../fabric/fabric.ts";
import type { Ipv4 } from "../network/prefix.ts";

export const loopbackSockets: HostSockets = {
  listen: (server: Server, { address, port }) =>
    new Promise((resolve) => {
      server.once("error", (error) => resolve(declined(socketProblem(error, address, port))));
      server.listen(port, address, () => resolve(found("listening")));
    }),
  connect: ({ address, port, localAddress, timeoutMs }) =>
    new Promise((resolve) => {
      const socket = connect({ host: address, port, ...(localAddress ? { localAddress } : {}) });
      const late = setTimeout(() => socket.destroy(new Error("connect ETIMEDOUT")), timeoutMs);
      const refuse = (error: Error) => {
        clearTimeout(late);
        resolve(declined(socketProblem(error, address, port)));
      };
      socket.once("error", refuse);
      socket.once("connect", () => {
        clearTimeout(late);
        socket.off("error", refuse);
        resolve(found(socket));
      });
    }),
  udp: ({ address, port }) =>
    new Promise((resolve) => {
      const socket = createSocket("udp4");
      const refuse = (error: Error) => resolve(declined(socketProblem(error, address, port)));
      socket.once("error", refuse);
      socket.bind(port, address, () => {
        socket.off("error", refuse);
        resolve(found(socket));
      });
    }),
};

/** A host on loopback; `restarts` counts what its management was told. */
export function loopbackPlace(
  name: string,
  address: Ipv4,
  programs: readonly Program[],
): ProgramPlace & { readonly restarts: () => number } {
  let restarts = 0;
  const host: Host = {
    name,
    place: { kind: "internet", address },
    role: "Machine",
    forwards: false,
    programs,
  };
  return {
    host,
    sockets: loopbackSockets,
    spawn: () => {
      throw new Error("broken promise: no service starts a process");
    },
    scratch: "",
    log: () => undefined,
    restartPrograms: () => void (restarts += 1),
    restarts: () => restarts,
  };
}

function socketProblem(error: Error, address: string, port: number): Problem {
  return {
    code: "SocketFailed",
    what: error.message,
    fix: "Choose an address and port that are free.",
    where: `${address}:${port}`,
  };
}
