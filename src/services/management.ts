/**
 * Command and control (454) and system monitoring (455) of an environment: HTTPS, both sides
 * with a certificate of the product's authority, revoked ones refused.
 *
 * Everything it says it asked its roles for, over the subnet: a subnet that is cut from itself
 * shows here. What to do about it is decided elsewhere.
 *
 * 454: `GET /roles`, `POST /roles/{host}/restart`. 455: `GET /metrics`.
 *
 * @article ASE inbound dependencies
 */
import { createServer } from "node:https";

import { z } from "zod";

import { declined, found, type Result } from "../base/problem.ts";
import type { RoleAgent } from "../blueprint/blueprint.ts";
import { MANAGEMENT_PORTS } from "../environment/ports.ts";
import type { HostSockets, ProgramPlace } from "../fabric/fabric.ts";
import {
  answering,
  askOver,
  json,
  notFound,
  type Answer,
  type Asked,
  type HttpRequest,
} from "./http-answers.ts";
import type { Listeners } from "./listeners.ts";
import { readContext } from "./secure-contexts.ts";

type Description = NonNullable<RoleAgent["management"]>;
type Peer = Description["peers"][number];

export type RoleSeen =
  | {
      readonly host: string;
      readonly answering: true;
      readonly role: string;
      readonly uptimeSeconds: number;
    }
  | { readonly host: string; readonly answering: false; readonly reason: string };

export type Management = {
  /** False: the certificates could not be read. */
  readonly change: (description: Description) => Promise<boolean>;
};

const Health = z
  .string()
  .transform((text, context) => {
    try {
      return JSON.parse(text) as unknown;
    } catch {
      context.addIssue({ code: "custom", message: "not JSON" });
      return z.NEVER;
    }
  })
  .pipe(z.object({ role: z.string(), uptimeSeconds: z.number() }));

/** Shorter than a probe waits, so that silent peers do not silence management. */
const PEER_TIMEOUT_MS = 400;
/** Questions that come together are asked of the roles once. */
const FRESH_MS = 500;

export async function openManagement(
  description: Description,
  address: string,
  place: ProgramPlace,
  listeners: Listeners,
): Promise<Result<Management>> {
  const context = await readContext(description.tls);
  if (!context.ok) return context;
  const roles = new Roles(description.peers, address, place.sockets);
  const options = { ...context.value, requestCert: true, rejectUnauthorized: true };
  const command = createServer(
    options,
    answering((asked) => answerCommand(asked, roles)),
  );
  const monitoring = createServer(
    options,
    answering((asked) => answerMonitoring(asked, roles)),
  );
  const spots = [
    { server: command, port: MANAGEMENT_PORTS.command },
    { server: monitoring, port: MANAGEMENT_PORTS.monitoring },
  ];
  for (const { server, port } of spots) {
    const listening = await listeners.serve(server, { address, port });
    if (!listening.ok) return listening;
  }
  return found({
    change: async (next) => {
      const renewed = await readContext(next.tls);
      if (!renewed.ok) return false;
      for (const { server } of spots) server.setSecureContext(renewed.value);
      roles.peers = next.peers;
      return true;
    },
  });
}

async function answerCommand(asked: Asked, roles: Roles): Promise<Answer> {
  if (asked.method === "GET" && asked.path === "/roles")
    return json(200, { roles: await roles.seen() });
  const host = /^\/roles\/([a-z0-9.-]{1,63})\/restart$/.exec(asked.path)?.[1];
  if (asked.method !== "POST" || host === undefined) return notFound(asked);
  const peer = roles.peers.find((each) => each.host === host);
  if (peer === undefined) return json(404, { error: `There is no role ${host}.` });
  const told = await roles.ask(peer, { method: "POST", path: "/restart", host });
  if (!told.ok) return json(502, { error: `${host} does not answer: ${told.problem.what}` });
  return { ...told.value, type: "application/json" };
}

async function answerMonitoring(asked: Asked, roles: Roles): Promise<Answer> {
  if (asked.method !== "GET" || asked.path !== "/metrics") return notFound(asked);
  const seen = await roles.seen();
  const unreachable = seen.filter((role) => !role.answering).map(({ host }) => host);
  return json(200, {
    roles: seen.length,
    answering: seen.length - unreachable.length,
    unreachable,
  });
}

class Roles {
  peers: readonly Peer[];
  readonly #from: string;
  readonly #sockets: HostSockets;
  #latest:
    | {
        readonly peers: readonly Peer[];
        readonly at: number;
        readonly seen: Promise<readonly RoleSeen[]>;
      }
    | undefined;

  constructor(peers: readonly Peer[], from: string, sockets: HostSockets) {
    this.peers = peers;
    this.#from = from;
    this.#sockets = sockets;
  }

  seen(): Promise<readonly RoleSeen[]> {
    const now = performance.now();
    const latest = this.#latest;
    if (latest?.peers === this.peers && now - latest.at < FRESH_MS) return latest.seen;
    const seen = Promise.all(this.peers.map((peer) => this.#see(peer)));
    this.#latest = { peers: this.peers, at: now, seen };
    return seen;
  }

  async #see(peer: Peer): Promise<RoleSeen> {
    const health = await this.ask(peer, { method: "GET", path: "/health", host: peer.host });
    if (!health.ok) return { host: peer.host, answering: false, reason: health.problem.what };
    const told = healthOf(health.value.body);
    if (told === undefined)
      return { host: peer.host, answering: false, reason: "no health in its answer" };
    return { host: peer.host, answering: true, ...told };
  }

  async ask(
    peer: Peer,
    wish: HttpRequest,
  ): Promise<Result<{ readonly status: number; readonly body: string }>> {
    const { address, port } = peer;
    const connected = await this.#sockets.connect({
      address,
      port,
      // Roles obey this address only.
      localAddress: this.#from,
      timeoutMs: PEER_TIMEOUT_MS,
    });
    if (!connected.ok) return connected;
    const socket = connected.value;
    socket.setTimeout(PEER_TIMEOUT_MS, () => {
      socket.destroy(new Error(`no answer within ${PEER_TIMEOUT_MS} ms`));
    });
    try {
      const { status, body } = await askOver(socket, wish);
      return found({ status, body: body.toString("utf8") });
    } catch (thrown) {
      const what = thrown instanceof Error ? thrown.message : String(thrown);
      return declined({
        code: "RoleSilent",
        what,
        fix: "Allow the subnet to reach itself on all ports.",
        where: peer.host,
      });
    } finally {
      socket.destroy();
    }
  }
}

function healthOf(
  body: string,
): { readonly role: string; readonly uptimeSeconds: number } | undefined {
  const told = Health.safeParse(body);
  return told.success ? told.data : undefined;
}
