/** Kernel settings of a namespace; to be called standing in it. */
import { writeFileSync } from "node:fs";

export type NamespaceUse = "host" | "router" | "appliance";

/** What every namespace of the world is set to, by what it is for. */
export function applySettings(use: NamespaceUse): void {
  // Congestion control of the host may cost twice the CPU on links without loss.
  set("ipv4/tcp_congestion_control", "reno", "optional");
  set("ipv4/conf/all/rp_filter", "0", "needed");
  set("ipv4/conf/default/rp_filter", "0", "needed");
  set("ipv6/conf/all/disable_ipv6", "1", "optional");
  set("ipv6/conf/default/disable_ipv6", "1", "optional");
  // Any program may listen at ports below 1024: whose host this is decides, not its user.
  set("ipv4/ip_unprivileged_port_start", "0", "optional");
  if (use === "host") return;
  set("ipv4/ip_forward", "1", "needed");
  // What passes through belongs to no socket here: not worth a look for each packet.
  set("ipv4/ip_early_demux", "0", "optional");
  // Whoever sends to nowhere is told every time, not once a second.
  set("ipv4/icmp_ratelimit", "0", "optional");
  set("ipv4/conf/all/send_redirects", "0", "optional");
  set("ipv4/conf/default/send_redirects", "0", "optional");
}

/**
 * The router's own rules refuse senders who claim its address. With routes by mark the kernel would
 * look up the way back of every packet only to find that out.
 */
export function trustOwnRules(): void {
  set("ipv4/conf/all/accept_local", "1", "optional");
}

/** A reply without the flow it answers is invalid; to be called after rules use conntrack. */
export function trackStrictly(): void {
  set("netfilter/nf_conntrack_tcp_loose", "0", "optional");
}

/** Packets and bytes of every flow from now on; to be called standing in the namespace. */
export function countFlows(): void {
  set("netfilter/nf_conntrack_acct", "1", "optional");
  // A flow that ended is forgotten, and told, soon.
  set("netfilter/nf_conntrack_tcp_timeout_time_wait", "5", "optional");
  set("netfilter/nf_conntrack_tcp_timeout_close", "2", "optional");
}

function set(name: string, value: string, how: "needed" | "optional"): void {
  try {
    writeFileSync(`/proc/sys/net/${name}`, value);
  } catch (thrown) {
    if (how === "needed") throw thrown;
  }
}
