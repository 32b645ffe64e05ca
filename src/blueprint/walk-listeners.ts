/**
 * Which program of a host listens on a port, as blueprints say it.
 *
 * Whether a program really runs is for a fabric to observe.
 */
import {
  ADDRESS_ECHO_PORTS,
  APP_PORTS,
  KEEP_ALIVE_PORT,
  MANAGEMENT_PORTS,
} from "../environment/ports.ts";
import type { IpProtocol } from "../network/rule.ts";
import type { Host, Program } from "./blueprint.ts";

type Listening = { readonly protocol: "Tcp" | "Udp"; readonly port: number };

/** @returns undefined when nobody listens there */
export function listenerAt(host: Host, protocol: IpProtocol, port: number): Program | undefined {
  return host.programs.find((program) =>
    listeningOf(program).some((at) => at.protocol === protocol && at.port === port),
  );
}

function listeningOf(program: Program): readonly Listening[] {
  switch (program.kind) {
    case "role-agent":
      return [
        ...program.internalPorts,
        ...(program.keepAlive ? [KEEP_ALIVE_PORT, ...ADDRESS_ECHO_PORTS] : []),
        ...(program.management === undefined ? [] : Object.values(MANAGEMENT_PORTS)),
      ].map(tcp);
    case "front-end":
      return [
        ...[APP_PORTS.web.http, APP_PORTS.web.https],
        ...(program.appAddresses ?? []).flatMap(({ ports }) => [ports.http, ports.https]),
      ].map(tcp);
    case "app":
      return [tcp(program.port)];
    case "endpoint": {
      const { port } = program;
      if (program.service === "time") return [{ protocol: "Udp", port }];
      // It listens on loopback: nobody else reaches it.
      if (program.service === "app-resolver") return [];
      return program.service === "dns" || program.service === "dns-server"
        ? [{ protocol: "Udp", port }, tcp(port)]
        : [tcp(port)];
    }
  }
}

function tcp(port: number): Listening {
  return { protocol: "Tcp", port };
}
