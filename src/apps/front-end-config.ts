/**
 * The configuration of a front end, as text: names of the environment, balanced over workers.
 *
 * Pure. Every name and path that comes from outside is of a pattern that needs no quoting, or is
 * refused. That HAProxy runs with it, and changes without a lost request, is front-end.ts.
 * HTTP/1.1 only towards clients, as App Service unless a site asks for more.
 *
 * @article ASE Front Ends
 */
import { declined, found, type Problem, type Result } from "../base/problem.ts";
import type { BoundCertificate, FrontEnd } from "../blueprint/blueprint.ts";
import { LOOK_AFTER_LOST_MS } from "../environment/health.ts";
import { APP_PORTS } from "../environment/ports.ts";

export type FrontEndOptions = {
  /** Folder of this version's files; the configuration names them by it. */
  readonly folder: string;
  /** The socket of the worker process, which also hands listeners to the next one. */
  readonly workerSocket: string;
  /** Files of certificate and key together, default first; none: no TLS. */
  readonly certificateFiles: readonly string[];
  /** The same for certificates bound to names, by the path of the certificate. */
  readonly boundFiles?: ReadonlyMap<string, string>;
  readonly maxConnections: number;
  readonly threads: number;
  /** Whom the worker process becomes after it holds its ports; absent where there is one user. */
  readonly user?: number;
};

/** File name -> text; `haproxy.cfg` among them. */
export type FrontEndFiles = Readonly<Record<string, string>>;

export function frontEndFiles(frontEnd: FrontEnd, options: FrontEndOptions): Result<FrontEndFiles> {
  const problems = [...refusedSites(frontEnd), ...refusedPaths(options)];
  if (problems.length > 0)
    return declined({
      code: "FrontEndRefused",
      what: `The front end ${frontEnd.name} cannot be configured as described`,
      fix: "Correct what is named below.",
      details: problems,
    });
  return found({
    "haproxy.cfg": [
      ...globalSection(options),
      ...defaultsSection(options),
      ...frontendSection(frontEnd, options),
      ...(frontEnd.appAddresses ?? []).flatMap((own) => ownSection(frontEnd, own, options)),
      ...frontEnd.sites.flatMap((site) => siteSection(site, options.folder)),
      ...unknownSection(options),
      "",
    ].join("\n"),
    "hosts.map": hostsMap(frontEnd),
    ...certificateLists(frontEnd, options),
    "404.html": page("404 Web Site not found", "No app of this environment has this name."),
    "403.html": page("Error 403 - This web app is stopped", "Its administrator has stopped it."),
    "502.html": page("502 Bad Gateway", "The app ended the connection before it had answered."),
    "503.html": page("503 Service Unavailable", "No instance of the app is able to answer now."),
    "504.html": page("504 Gateway Timeout", "The app did not answer in time."),
  });
}

/** How an instance is watched; of those in the file and of those that come later alike. */
export const SERVER_WORDS = `check inter 1s fastinter 250ms downinter ${LOOK_AFTER_LOST_MS}ms fall 2 rise 1 observe layer4 error-limit 1 on-error mark-down pool-purge-delay 2s`;

/** Azure's load balancer ends a request that stays silent for so long. */
const REQUEST_TIMEOUT = "230s";
const SITE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const HOST_NAME =
  /^(?:\*\.)?(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const IPV4 = /^\d{1,3}(?:\.\d{1,3}){3}$/;
const PATH = /^\/[A-Za-z0-9._/@:+-]+$/;

function globalSection(options: FrontEndOptions): readonly string[] {
  return [
    "global",
    `  nbthread ${options.threads}`,
    `  maxconn ${options.maxConnections}`,
    ...(options.user === undefined ? [] : [`  uid ${options.user}`, `  gid ${options.user}`]),
    `  stats socket ${options.workerSocket} mode 600 level admin expose-fd listeners`,
    "  hard-stop-after 10m",
    "  spread-checks 5",
    "  ssl-default-bind-options ssl-min-ver TLSv1.2",
    "  ssl-default-bind-ciphers ECDHE+AESGCM:ECDHE+CHACHA20",
  ];
}

function defaultsSection({ folder }: FrontEndOptions): readonly string[] {
  return [
    "defaults",
    "  mode http",
    "  timeout connect 2s",
    "  timeout client 240s",
    `  timeout server ${REQUEST_TIMEOUT}`,
    "  timeout tunnel 240s",
    "  timeout http-request 30s",
    "  timeout http-keep-alive 120s",
    "  timeout queue 30s",
    "  retries 3",
    "  option redispatch 1",
    "  option http-keep-alive",
    // A connection a client has ready stays usable for one more request while we change.
    "  option idle-close-on-response",
    "  http-reuse always",
    "  balance leastconn",
    ...[502, 503, 504].map(
      (status) =>
        `  http-error status ${status} content-type text/html file ${folder}/${status}.html`,
    ),
    `  default-server ${SERVER_WORDS}`,
  ];
}

function frontendSection(frontEnd: FrontEnd, options: FrontEndOptions): readonly string[] {
  const { http, https } = APP_PORTS.web;
  const hasTls = options.certificateFiles.length > 0;
  return [
    "frontend web",
    `  bind ${frontEnd.address}:${http}`,
    ...(hasTls
      ? [`  bind ${frontEnd.address}:${https} ssl crt-list ${options.folder}/certificates.list`]
      : []),
    ...siteOfRequest(options),
    "  use_backend %[var(txn.site)] if { var(txn.site) -m found }",
    "  default_backend unknown",
  ];
}

function siteOfRequest({ folder }: FrontEndOptions): readonly string[] {
  const hosts = `map_str(${folder}/hosts.map)`;
  return [
    "  http-request set-var(txn.host) req.hdr(host),field(1,:),lower",
    `  http-request set-var(txn.site) var(txn.host),${hosts}`,
    `  http-request set-var(txn.site) var(txn.host),regsub(^[^.]+,*),${hosts} if !{ var(txn.site) -m found }`,
  ];
}

type AppAddress = NonNullable<FrontEnd["appAddresses"]>[number];

/** What arrives at the ports of an app's own address: that app answers by its names, nobody else. */
function ownSection(
  { address }: FrontEnd,
  own: AppAddress,
  options: FrontEndOptions,
): readonly string[] {
  const backend = backendOf(own.site);
  const list = `${options.folder}/${ownListOf(own)}`;
  return [
    "",
    `frontend own-${own.site}`,
    `  bind ${address}:${own.ports.http}`,
    ...(own.certificates.length === 0
      ? []
      : [`  bind ${address}:${own.ports.https} ssl crt-list ${list}`]),
    ...siteOfRequest(options),
    `  use_backend ${backend} if { var(txn.site) -m str ${backend} }`,
    "  default_backend unknown",
  ];
}

function ownListOf({ site }: AppAddress): string {
  return `own-${site}.list`;
}

/** Lines of a list: a file, and the name it is for; the first is shown where no name is asked for. */
function certificateLists(frontEnd: FrontEnd, options: FrontEndOptions): FrontEndFiles {
  const { boundCertificates = [], appAddresses = [] } = frontEnd;
  const lineOf = ({ name, files }: BoundCertificate): readonly string[] => {
    const file = options.boundFiles?.get(files.certificate);
    return file === undefined ? [] : [`${file} ${name}\n`];
  };
  const own = appAddresses.map((one): [string, string] => {
    const [first] = one.certificates;
    const shown =
      first === undefined ? undefined : options.boundFiles?.get(first.files.certificate);
    const lines = one.certificates.flatMap(lineOf);
    return [ownListOf(one), [...(shown === undefined ? [] : [`${shown}\n`]), ...lines].join("")];
  });
  return {
    "certificates.list": [
      ...options.certificateFiles.map((file) => `${file}\n`),
      ...boundCertificates.flatMap(lineOf),
    ].join(""),
    ...Object.fromEntries(own),
  };
}

/**
 * A request that was not answered at all is tried again elsewhere only if doing it twice is the
 * same as once.
 */
function siteSection(site: FrontEnd["sites"][number], folder: string): readonly string[] {
  const head = ["", `backend ${backendOf(site.name)}`];
  if (!site.running) return [...head, returned(403, folder)];
  return [
    ...head,
    ...(site.httpsOnly
      ? ["  http-request redirect prefix https://%[var(txn.host)] code 301 if !{ ssl_fc }"]
      : []),
    "  retry-on conn-failure empty-response",
    "  http-request disable-l7-retry if !{ method GET HEAD OPTIONS }",
    ...requestHeaders(site),
    ...site.backends.map(({ name, address, port }) => `  server ${name} ${address}:${port}`),
  ];
}

/** What an app learns of its client. What the client itself sent under these names is replaced. */
function requestHeaders(site: FrontEnd["sites"][number]): readonly string[] {
  const set = (name: string, value: string): string => `  http-request set-header ${name} ${value}`;
  const certificate = "var(sess.certificate)";
  return [
    set("X-Forwarded-For", "%[src]:%[src_port]"),
    set("CLIENT-IP", "%[src]:%[src_port]"),
    set("X-Client-IP", "%[src]"),
    set("X-Client-Port", "%[src_port]"),
    set("X-Forwarded-Proto", "https if { ssl_fc }"),
    set("X-Forwarded-Proto", "http if !{ ssl_fc }"),
    set("X-AppService-Proto", "https if { ssl_fc }"),
    set("X-AppService-Proto", "http if !{ ssl_fc }"),
    set("X-Forwarded-TlsVersion", "%[ssl_fc_protocol,regsub(TLSv,)] if { ssl_fc }"),
    "  http-request del-header X-Forwarded-TlsVersion if !{ ssl_fc }",
    `  http-request set-var-fmt(sess.certificate) 2048|256|%[ssl_f_i_dn]|%[ssl_f_s_dn] if { ssl_fc } !{ ${certificate} -m found }`,
    set("X-ARR-SSL", `%[${certificate}] if { ssl_fc }`),
    "  http-request del-header X-ARR-SSL if !{ ssl_fc }",
    set("X-ARR-LOG-ID", "%[uuid()]"),
    set("DISGUISED-HOST", "%[req.hdr(host)]"),
    set("WAS-DEFAULT-HOSTNAME", site.hostNames[0]?.toLowerCase() ?? site.name),
    set("X-SITE-DEPLOYMENT-ID", site.name),
    set("X-Original-URL", "%[pathq]"),
    set("X-WAWS-Unencoded-URL", "%[pathq]"),
    set("Max-Forwards", "10"),
  ];
}

function unknownSection({ folder }: FrontEndOptions): readonly string[] {
  return ["", "backend unknown", returned(404, folder)];
}

function returned(status: number, folder: string): string {
  return `  http-request return status ${status} content-type text/html file ${folder}/${status}.html hdr Cache-Control no-store`;
}

/** Looked up by hash or tree, so a thousand names cost a request no more than one. */
function hostsMap(frontEnd: FrontEnd): string {
  const lines = frontEnd.sites.flatMap((site) =>
    site.hostNames.map((name) => `${name.toLowerCase()} ${backendOf(site.name)}\n`),
  );
  return [...new Set(lines)].join("");
}

export function backendOf(siteName: string): string {
  return `site-${siteName}`;
}

function refusedSites(frontEnd: FrontEnd): readonly Problem[] {
  const problems: Problem[] = [];
  const refuse = (text: string, what: string): void => {
    problems.push({
      code: "FrontEndNameInvalid",
      what: `${JSON.stringify(text)} cannot be ${what}`,
      fix: "Use letters, digits, dash and dot, as host names have them.",
    });
  };
  if (!IPV4.test(frontEnd.address)) refuse(frontEnd.address, "the address of a front end");
  const owners = new Map<string, string>();
  for (const site of frontEnd.sites) {
    if (!SITE_NAME.test(site.name)) refuse(site.name, "the name of a site");
    for (const host of site.hostNames.map((name) => name.toLowerCase())) {
      if (!HOST_NAME.test(host) || host.length > 253) refuse(host, "a host name");
      const owner = owners.get(host) ?? site.name;
      if (owner !== site.name) refuse(host, `the name of ${site.name} and of ${owner} at once`);
      owners.set(host, owner);
    }
    for (const { name, address, port } of site.backends) {
      if (!SITE_NAME.test(name)) refuse(name, "the name of an instance");
      if (!IPV4.test(address)) refuse(address, "the address of an instance");
      if (!Number.isInteger(port) || port < 1 || 65_535 < port) refuse(`${port}`, "a port");
    }
    const names = site.backends.map(({ name }) => name);
    for (const name of names.filter((one, at) => names.indexOf(one) !== at))
      refuse(name, `the name of two instances of ${site.name}`);
  }
  for (const { name } of frontEnd.boundCertificates ?? [])
    if (!HOST_NAME.test(name)) refuse(name, "a host name");
  const siteNames = frontEnd.sites.map(({ name }) => name);
  for (const name of siteNames.filter((one, at) => siteNames.indexOf(one) !== at))
    refuse(name, "the name of two sites");
  return problems;
}

function refusedPaths(options: FrontEndOptions): readonly Problem[] {
  const bound = [...(options.boundFiles?.values() ?? [])];
  return [options.folder, options.workerSocket, ...options.certificateFiles, ...bound]
    .filter((path) => !PATH.test(path))
    .map((path) => ({
      code: "FrontEndPathInvalid",
      what: `HAProxy cannot be told the path ${JSON.stringify(path)}`,
      fix: "Use a folder without blanks and signs.",
    }));
}

function page(title: string, text: string): string {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>${title}</title>
<body style="font:1.1rem system-ui;margin:15vh auto;max-width:40rem"><h1>${title}</h1><p>${text}</p></body></html>\n`;
}
