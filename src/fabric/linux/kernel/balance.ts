/** One load balancer's rule as nftables has it: new flows go to a target by hash of the client. */
import type { Translation } from "../../../blueprint/blueprint.ts";

export function balancerRule({ address, protocol, port, targets }: Translation): string {
  const match = `ip daddr ${address} ${protocol.toLowerCase()} dport ${port}`;
  const [only] = targets;
  if (targets.length === 1 && only !== undefined)
    return `${match} dnat to ${only.address}:${only.port}`;
  const entries = targets.map((target, index) => `${index} : ${target.address} . ${target.port}`);
  const hash = `jhash ip saddr . ${protocol.toLowerCase()} sport mod ${targets.length}`;
  return `${match} dnat ip addr . port to ${hash} map { ${entries.join(", ")} }`;
}
