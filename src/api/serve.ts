/**
 * The API on a TLS socket of loopback.
 *
 * Opening and closing only; what is answered is decided in app.ts.
 */
import { createServer, type Server } from "node:https";
import { createServer as createTrial } from "node:net";

import { createAdaptorServer } from "@hono/node-server";
import type { Hono } from "hono";

import { declined, found, problemOf, type Result } from "../base/problem.ts";

export type ServeOptions = {
  readonly app: Pick<Hono, "fetch">;
  /** PEM texts. */
  readonly certificate: string;
  readonly key: string;
  /** A loopback address. */
  readonly address: string;
  /** 0: any free one. */
  readonly port: number;
};

export type ApiServer = {
  readonly port: number;
  readonly close: () => Promise<void>;
};

export async function serveApi(options: ServeOptions): Promise<Result<ApiServer>> {
  const { address, certificate, key, port } = options;
  try {
    const server = createAdaptorServer({
      fetch: options.app.fetch,
      createServer,
      serverOptions: { cert: certificate, key, minVersion: "TLSv1.2" },
      overrideGlobalObjects: false,
    }) as Server;
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(port, address, resolve);
    });
    const bound = server.address();
    return found({
      port: typeof bound === "object" && bound !== null ? bound.port : port,
      close: () => closeServer(server),
    });
  } catch (thrown) {
    return cannotListen(thrown, address, port);
  }
}

/** Whether the API could listen there now; asked before a world is made for it. */
export async function portIsFree(address: string, port: number): Promise<Result<"free">> {
  const trial = createTrial();
  try {
    await new Promise<void>((resolve, reject) => {
      trial.once("error", reject);
      trial.listen(port, address, resolve);
    });
    await new Promise<void>((resolve) => trial.close(() => resolve()));
    return found("free");
  } catch (thrown) {
    return cannotListen(thrown, address, port);
  }
}

function cannotListen(thrown: unknown, address: string, port: number) {
  const taken = isCode(thrown, "EADDRINUSE");
  return declined(
    problemOf(thrown, {
      code: taken ? "PortInUse" : "CannotListen",
      what: `the API cannot listen on ${address}:${port}`,
      fix: taken
        ? "End what listens there (`ase down` if it is an earlier run), or choose another port with --api-port."
        : "Check the address, the port and the certificate.",
      where: `${address}:${port}`,
    }),
  );
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

function isCode(thrown: unknown, code: string): boolean {
  return thrown instanceof Error && "code" in thrown && thrown.code === code;
}
