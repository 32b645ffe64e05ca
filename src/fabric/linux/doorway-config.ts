/**
 * The configuration of the doorway, as text: which host name leads to which VIP.
 *
 * Pure. That HAProxy runs with it is doorway.ts.
 */
import type { Internet, Network } from "../../blueprint/blueprint.ts";
import { APP_PORTS } from "../../environment/ports.ts";

/** Names that browsers resolve to loopback by themselves. */
const LOCAL = ".localhost";

export type DoorTarget = {
  /** `demo.localhost`: the name itself, and every name below it where `below`. */
  readonly domain: string;
  readonly below: boolean;
  readonly address: string;
  readonly isOpen: { readonly http: boolean; readonly https: boolean };
};

/** Longest names first, so that the first that matches is the right one. */
export function doorTargets(
  internet: Internet | undefined,
  networks: readonly Network[],
): readonly DoorTarget[] {
  const open = new Set(
    networks.flatMap(({ translations }) =>
      translations
        .filter(
          ({ at, protocol, targets }) => at === "edge" && protocol === "Tcp" && targets.length > 0,
        )
        .map(({ address, port }) => `${address}:${port}`),
    ),
  );
  return Object.entries(internet?.names ?? {})
    .map(([name, address]) => ({ name: name.toLowerCase(), address }))
    .filter(({ name }) => name.endsWith(LOCAL) && HOST_NAME.test(name))
    .map(({ name, address }) => ({
      domain: name.replace(/^\*\./, ""),
      below: name.startsWith("*."),
      address,
      isOpen: {
        http: open.has(`${address}:${APP_PORTS.web.http}`),
        https: open.has(`${address}:${APP_PORTS.web.https}`),
      },
    }))
    .toSorted(
      (one, other) =>
        other.domain.length - one.domain.length || (one.domain < other.domain ? -1 : 1),
    );
}

/** What may stand in a configuration line without quotes. */
const HOST_NAME = /^(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*$/;

export type DoorwayOptions = {
  readonly targets: readonly DoorTarget[];
  /** Descriptors of the listening sockets, as HAProxy inherits them. */
  readonly sockets: { readonly http: number; readonly https: number };
  readonly clientAddress: string;
  readonly user: number | undefined;
};

export function doorwayConfig({ targets, sockets, clientAddress, user }: DoorwayOptions): string {
  const doors = targets.map((target, position) => ({ ...target, position }));
  const lines = [
    "global",
    "  nbthread 1",
    "  maxconn 1000",
    "  hard-stop-after 60s",
    ...(user === undefined ? [] : [`  uid ${user}`, `  gid ${user}`]),
    "defaults",
    "  timeout connect 5s",
    "  timeout client 240s",
    "  timeout server 240s",
    "  timeout tunnel 1h",
    "frontend http",
    "  mode http",
    `  bind fd@${sockets.http}`,
    "  http-request set-var(txn.name) req.hdr(host),field(1,:),lower",
    ...doors.map(
      (door) => `  use_backend http-${door.position} if ${asksFor(door, "var(txn.name)")}`,
    ),
    "  default_backend nowhere",
    "backend nowhere",
    "  mode http",
    `  http-request return status 404 ${page(unknownPage(targets))}`,
    ...doors.flatMap(({ position, domain, address, isOpen }) => [
      `backend http-${position}`,
      "  mode http",
      ...(isOpen.http
        ? [`  source ${clientAddress}`, `  server vip ${address}:${APP_PORTS.web.http}`]
        : [`  http-request return status 503 ${page(closedPage(domain))}`]),
    ]),
    "frontend https",
    "  mode tcp",
    `  bind fd@${sockets.https}`,
    "  tcp-request inspect-delay 5s",
    "  tcp-request content accept if { req.ssl_hello_type 1 }",
    "  tcp-request content reject",
    // A name of a longer, closed domain must not fall to a shorter one that is open.
    ...doors.map(
      (door) => `  use_backend https-${door.position} if ${asksFor(door, "req.ssl_sni,lower")}`,
    ),
    ...doors.flatMap(({ position, address, isOpen }) => [
      `backend https-${position}`,
      "  mode tcp",
      ...(isOpen.https
        ? [`  source ${clientAddress}`, `  server vip ${address}:${APP_PORTS.web.https}`]
        : ["  tcp-request content reject"]),
    ]),
  ];
  return `${lines.join("\n")}\n`;
}

function asksFor({ domain, below }: DoorTarget, sample: string): string {
  const itself = `{ ${sample} -m str ${domain} }`;
  return below ? `${itself} || { ${sample} -m end .${domain} }` : itself;
}

function unknownPage(targets: readonly DoorTarget[]): string {
  const names = [...new Set(targets.map(({ domain }) => domain))];
  const known =
    names.length === 0
      ? "<p>No environment stands yet.</p>"
      : `<p>These are known, and every name below them:</p><ul>${names.map((name) => `<li>${name}</li>`).join("")}</ul>`;
  return `<!doctype html><title>Unknown host</title><h1>No environment has this host name</h1>${known}`;
}

function closedPage(domain: string): string {
  return `<!doctype html><title>Closed</title><h1>${domain} lets nobody in now</h1><p>No front end of the environment takes connections: it is starting, unhealthy or suspended.</p>`;
}

/** As arguments of `http-request return`; backslash, quote and blank are escaped for HAProxy. */
function page(html: string): string {
  return `content-type text/html string ${html.replaceAll(/[\\"' #$]/g, "\\$&")}`;
}
