/**
 * The flows an environment needs: the list that proof, realisation, probes and docs all read.
 *
 * Only what must pass, between whom, and what it costs when it does not. How packets are judged
 * is in network/ and check/; how a flow is used for real is in services/.
 */
import type { PortRange } from "../network/rule.ts";
import type { LoadBalancingMode } from "./kind.ts";
import {
  ADDRESS_ECHO_PORTS,
  APP_PORTS,
  DEPENDENCY_PORTS,
  KEEP_ALIVE_PORT,
  MANAGEMENT_PORTS,
  OTHER_EDITIONS,
} from "./ports.ts";

/**
 * hard: the environment is suspended in the end; degraded: it works, worse; app: users do not get
 * through; optional: it may be blocked, and whoever needs it wants to know.
 */
export type Grade = "hard" | "degraded" | "app" | "optional";

export type FlowEnd =
  /** Addresses of the tag AppServiceManagement. */
  | "management-addresses"
  /** The platform's address, as the load balancer. */
  | "load-balancer"
  | "subnet"
  /** The public address; what arrives there goes on to hosts of the subnet. */
  | "vip"
  /** Where apps answer: the VIP, or the internal load balancer. */
  | "apps"
  /** Anybody outside for what stands on the VIP, the virtual network for what does not. */
  | "clients"
  | "platform-resolver"
  /** DNS servers that the virtual network declares. */
  | "network-resolvers"
  /** What else stands in the virtual network. */
  | "network"
  | "internet"
  /** Addresses of the tag Sql. */
  | "sql";

/** What is spoken over a flow, so that its use is real. */
export type Conversation =
  | "management"
  | "keep-alive"
  | "internal"
  | "dns"
  | "time"
  | "http"
  | "https"
  | "sql"
  | "monitoring"
  /** Any answer of a DNS server, "no such name" too. */
  | "resolver";

export type RequiredFlow = {
  readonly id: string;
  readonly title: string;
  /** Heading of the article that asks for it. */
  readonly heading: string;
  readonly direction: "Inbound" | "Outbound";
  readonly from: FlowEnd;
  readonly to: FlowEnd;
  /** `*`: every protocol. */
  readonly protocol: "Tcp" | "Udp" | "*";
  readonly ports: readonly PortRange[];
  readonly grade: Grade;
  /** What happens when it does not pass, to be read after "then". */
  readonly consequence: string;
  /** Whose numbers differ from these, and how: the article first. */
  readonly sources?: readonly string[];
  /** Apps ports go the way the mode says: `Web` ports, `Publishing` ports, or only with both. */
  readonly follows?: "Web" | "Publishing" | "both";
};

/** A flow that is also used for real, all the time. */
export type ProbedFlow = RequiredFlow & {
  /** How it is used: one protocol of `protocol`. */
  readonly spoken: "Tcp" | "Udp";
  /** One of `ports`; 0: a port of the receiver's own choosing. */
  readonly port: number;
  readonly conversation: Conversation;
};

const INBOUND = "ASE inbound dependencies";
const OUTBOUND = "ASE outbound dependencies";
const EVERY_PORT: PortRange = { low: 0, high: 65_535 };
/** What a cut of any hard flow leads to; stands at the end of its consequence. */
export const SUSPENDS =
  "the environment becomes unhealthy and is suspended in the end: its apps stop";

/** @article ASE dependencies */
export const PROBED_FLOWS: readonly ProbedFlow[] = [
  probed("management-command", "management commands", {
    ...inbound("management-addresses", "vip", MANAGEMENT_PORTS.command),
    conversation: "management",
    consequence: SUSPENDS,
  }),
  probed("management-monitoring", "management monitoring", {
    ...inbound("management-addresses", "vip", MANAGEMENT_PORTS.monitoring),
    conversation: "management",
    consequence: SUSPENDS,
  }),
  probed("keep-alive", "load balancer keep-alive", {
    ...inbound("load-balancer", "subnet", KEEP_ALIVE_PORT),
    conversation: "keep-alive",
    consequence: `the load balancer takes all front ends for dead, and apps stop answering, sometimes days later; ${SUSPENDS}`,
    sources: [
      `table of the article: ${KEEP_ALIVE_PORT}`,
      `prose of the article and the API: ${MANAGEMENT_PORTS.command}, ${MANAGEMENT_PORTS.monitoring} and ${KEEP_ALIVE_PORT} (the first two are asked for as load-balancer-management)`,
    ],
  }),
  {
    id: "internal",
    title: "communication inside the subnet",
    heading: INBOUND,
    direction: "Inbound",
    from: "subnet",
    to: "subnet",
    protocol: "*",
    ports: [EVERY_PORT],
    // Any port may be used; each host listens on ports of its own choosing (blueprint/).
    spoken: "Tcp",
    port: 0,
    conversation: "internal",
    grade: "hard",
    consequence: `the roles cannot talk to one another; ${SUSPENDS}`,
  },
  probed("platform-dns", "names by the platform's resolver", {
    ...outbound("platform-resolver", "Udp", DEPENDENCY_PORTS.dns),
    heading: "Customer DNS",
    conversation: "dns",
    consequence: `the environment finds no dependency by name; ${SUSPENDS}`,
  }),
  probed("dns", "names by public DNS", {
    ...outbound("internet", "Udp", DEPENDENCY_PORTS.dns),
    conversation: "dns",
    consequence: SUSPENDS,
    sources: ["article: UDP 53", "documentation of virtual networks: UDP and TCP 53 (dns-tcp)"],
  }),
  probed("time", "time", {
    ...outbound("internet", "Udp", DEPENDENCY_PORTS.time),
    conversation: "time",
    consequence: `clocks drift, and certificates and tokens stop being valid; ${SUSPENDS}`,
  }),
  probed("http", "certificate revocation lists", {
    ...outbound("internet", "Tcp", DEPENDENCY_PORTS.http),
    conversation: "http",
    consequence: SUSPENDS,
  }),
  probed("https", "updates and services of the platform", {
    ...outbound("internet", "Tcp", DEPENDENCY_PORTS.https),
    conversation: "https",
    consequence: SUSPENDS,
  }),
  probed("sql", "the environment's database", {
    ...outbound("sql", "Tcp", DEPENDENCY_PORTS.sql),
    conversation: "sql",
    consequence: SUSPENDS,
    sources: [
      `article: ${DEPENDENCY_PORTS.sql}`,
      `lists of the first version: ${portsInWords(OTHER_EDITIONS.sql)} too (not asked for)`,
    ],
  }),
  // The article lists 12000 as required; a later page says that blocking it only hinders support.
  // The article decides (docs/decisions).
  probed("monitoring", "monitoring", {
    ...outbound("internet", "Tcp", DEPENDENCY_PORTS.monitoring),
    conversation: "monitoring",
    consequence: SUSPENDS,
    sources: ["article: required", "firewall page: blocking it only makes support harder"],
  }),
  // Where the network names DNS servers: one of them has to answer.
  probed("customer-dns", "the virtual network's DNS servers", {
    ...outbound("network-resolvers", "Udp", DEPENDENCY_PORTS.dns),
    heading: "Customer DNS",
    conversation: "resolver",
    consequence: "creating the environment fails, and its apps find no names of the network's own",
  }),
];

const { web, ftp, remoteDebugging, webDeploy } = APP_PORTS;
const UNREACHED = "the environment lives, and users do not get through";

/** Flows that are proved and not probed. */
const PROVED_FLOWS: readonly RequiredFlow[] = [
  {
    id: "load-balancer-management",
    title: "load balancer to the management ports",
    ...inbound("load-balancer", "subnet", MANAGEMENT_PORTS.command),
    ports: [{ low: MANAGEMENT_PORTS.command, high: MANAGEMENT_PORTS.monitoring }],
    grade: "degraded",
    consequence: "the load balancer may take the management role for dead",
    sources: [
      `table of the article: ${KEEP_ALIVE_PORT} only`,
      `prose of the article: ${MANAGEMENT_PORTS.command} and ${MANAGEMENT_PORTS.monitoring} too`,
    ],
  },
  {
    id: "dns-tcp",
    title: "long DNS answers",
    ...outbound("internet", "Tcp", DEPENDENCY_PORTS.dns),
    grade: "degraded",
    consequence: "DNS answers that do not fit one datagram are lost",
    sources: ["article: UDP 53 only", "documentation of virtual networks: UDP and TCP 53"],
  },
  appFlow("web", "HTTP and HTTPS of the apps", "Web", [single(web.http), single(web.https)]),
  appFlow("ftp", "FTP and FTPS", "Publishing", [
    single(ftp.control),
    single(ftp.implicitTls),
    ftp.data,
  ]),
  {
    ...appFlow("remote-debugging", "remote debugging", "both", remoteDebugging.map(single)),
    sources: [
      `article: ${portsInWords(remoteDebugging.map(single))}`,
      `az and public templates: ${portsInWords([OTHER_EDITIONS.remoteDebugging])}`,
    ],
  },
  appFlow("web-deploy", "Web Deploy", "both", [single(webDeploy)]),
  {
    id: "network",
    title: "apps to what else stands in the virtual network",
    heading: "Network Security Groups",
    direction: "Outbound",
    from: "subnet",
    to: "network",
    grade: "optional",
    protocol: "Tcp",
    ports: [EVERY_PORT],
    consequence: "apps do not reach what else stands in the virtual network",
  },
  {
    id: "address-echo",
    title: "ports that answer with an address and nothing more",
    heading: INBOUND,
    direction: "Inbound",
    from: "clients",
    to: "vip",
    grade: "optional",
    protocol: "Tcp",
    ports: ADDRESS_ECHO_PORTS.map(single),
    consequence: "nothing: they may be blocked",
    sources: [
      `article: ${ADDRESS_ECHO_PORTS.join(" and ")}`,
      `edition of 2022: ${OTHER_EDITIONS.addressEcho} and ${ADDRESS_ECHO_PORTS[1]}`,
    ],
  },
];

/** @article ASE dependencies */
export const REQUIRED_FLOWS: readonly RequiredFlow[] = [...PROBED_FLOWS, ...PROVED_FLOWS];

/** Whether the mode puts a flow of apps on the internal load balancer. */
export function isInternal({ follows }: RequiredFlow, mode: LoadBalancingMode): boolean {
  if (follows === undefined || mode === "None") return false;
  return mode === "Web, Publishing" || mode === follows;
}

/** `80, 443`, `10001-10020`, or `all`. */
export function portsInWords(ports: readonly PortRange[]): string {
  if (ports.some(({ low, high }) => low === 0 && high === EVERY_PORT.high)) return "all";
  return ports.map(({ low, high }) => (low === high ? `${low}` : `${low}-${high}`)).join(", ");
}

function probed(id: string, title: string, of: Omit<ProbedFlow, "id" | "title">): ProbedFlow {
  return { id, title, ...of };
}

/** What flows of one list have in common; grade and heading may be overridden. */
type Usual = Omit<ProbedFlow, "id" | "title" | "consequence" | "conversation">;

function inbound(from: FlowEnd, to: FlowEnd, port: number): Usual {
  return {
    heading: INBOUND,
    direction: "Inbound",
    from,
    to,
    protocol: "Tcp",
    spoken: "Tcp",
    ports: [single(port)],
    port,
    grade: "hard",
  };
}

function outbound(to: FlowEnd, spoken: "Tcp" | "Udp", port: number): Usual {
  return {
    heading: OUTBOUND,
    direction: "Outbound",
    from: "subnet",
    to,
    protocol: spoken,
    spoken,
    ports: [single(port)],
    port,
    grade: "hard",
  };
}

function appFlow(
  id: string,
  title: string,
  follows: NonNullable<RequiredFlow["follows"]>,
  ports: readonly PortRange[],
): RequiredFlow {
  return {
    id,
    title,
    heading: INBOUND,
    direction: "Inbound",
    from: "clients",
    to: "apps",
    protocol: "Tcp",
    ports,
    follows,
    grade: "app",
    consequence: UNREACHED,
  };
}

function single(port: number): PortRange {
  return { low: port, high: port };
}
