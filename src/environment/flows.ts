/**
 * The flows an environment needs: the list that proof, realisation and probes all read.
 *
 * Only what must pass, between whom, and what it costs when it does not. How a packet is
 * judged is in network/; how a flow is used for real is in services/.
 */
import { DEPENDENCY_PORTS, KEEP_ALIVE_PORT, MANAGEMENT_PORTS } from "./ports.ts";

/** hard: the environment is suspended in the end; degraded: it works, worse; app: users do not get through. */
export type Grade = "hard" | "degraded" | "app";

export type FlowEnd =
  /** Addresses of the tag AppServiceManagement. */
  | "management-addresses"
  /** The platform's address, as the load balancer. */
  | "load-balancer"
  | "subnet"
  | "vip"
  | "clients"
  | "platform-resolver"
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
  | "monitoring";

export type RequiredFlow = {
  readonly id: string;
  readonly title: string;
  /** Heading of the article that asks for it. */
  readonly heading: string;
  readonly direction: "Inbound" | "Outbound";
  readonly from: FlowEnd;
  readonly to: FlowEnd;
  readonly protocol: "Tcp" | "Udp";
  readonly port: number;
  readonly conversation: Conversation;
  readonly grade: Grade;
};

const INBOUND = "ASE inbound dependencies";
const OUTBOUND = "ASE outbound dependencies";

/** @article ASE dependencies */
export const REQUIRED_FLOWS: readonly RequiredFlow[] = [
  inbound(
    "management-command",
    "management commands",
    "management-addresses",
    MANAGEMENT_PORTS.command,
    "management",
  ),
  inbound(
    "management-monitoring",
    "management monitoring",
    "management-addresses",
    MANAGEMENT_PORTS.monitoring,
    "management",
  ),
  inbound("keep-alive", "load balancer keep-alive", "load-balancer", KEEP_ALIVE_PORT, "keep-alive"),
  {
    id: "internal",
    title: "communication inside the subnet",
    heading: INBOUND,
    direction: "Inbound",
    from: "subnet",
    to: "subnet",
    protocol: "Tcp",
    // Any port may be used; each host listens on ports of its own choosing (blueprint/).
    port: 0,
    conversation: "internal",
    grade: "hard",
  },
  outbound(
    "platform-dns",
    "names by the platform's resolver",
    "platform-resolver",
    "Udp",
    DEPENDENCY_PORTS.dns,
    "dns",
    "hard",
  ),
  outbound("dns", "names by public DNS", "internet", "Udp", DEPENDENCY_PORTS.dns, "dns", "hard"),
  outbound("time", "time", "internet", "Udp", DEPENDENCY_PORTS.time, "time", "hard"),
  outbound(
    "http",
    "certificate revocation lists",
    "internet",
    "Tcp",
    DEPENDENCY_PORTS.http,
    "http",
    "hard",
  ),
  outbound(
    "https",
    "updates and services of the platform",
    "internet",
    "Tcp",
    DEPENDENCY_PORTS.https,
    "https",
    "hard",
  ),
  outbound("sql", "the environment's database", "sql", "Tcp", DEPENDENCY_PORTS.sql, "sql", "hard"),
  // The article lists 12000 as required; a later page says that blocking it only hinders support.
  // The article decides (docs/decisions).
  outbound(
    "monitoring",
    "monitoring",
    "internet",
    "Tcp",
    DEPENDENCY_PORTS.monitoring,
    "monitoring",
    "hard",
  ),
];

function inbound(
  id: string,
  title: string,
  from: FlowEnd,
  port: number,
  conversation: Conversation,
): RequiredFlow {
  const to = from === "load-balancer" ? "subnet" : "vip";
  return {
    id,
    title,
    heading: INBOUND,
    direction: "Inbound",
    from,
    to,
    protocol: "Tcp",
    port,
    conversation,
    grade: "hard",
  };
}

function outbound(
  id: string,
  title: string,
  to: FlowEnd,
  protocol: "Tcp" | "Udp",
  port: number,
  conversation: Conversation,
  grade: Grade,
): RequiredFlow {
  return {
    id,
    title,
    heading: OUTBOUND,
    direction: "Outbound",
    from: "subnet",
    to,
    protocol,
    port,
    conversation,
    grade,
  };
}
