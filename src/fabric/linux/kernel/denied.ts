/** Packets that deny rules dropped, read from the counters of the gates in force. */
import type { DeniedCount } from "./kernel.ts";
import type { NetworkRouter } from "./router.ts";

type ListedRule = {
  readonly rule?: {
    readonly chain: string;
    readonly comment?: string;
    readonly expr: readonly { readonly counter?: { readonly packets: number } }[];
  };
};

export function readDenied(router: NetworkRouter): readonly DeniedCount[] {
  const { nftables } = router.listRules() as { readonly nftables: readonly ListedRule[] };
  const subnets = router.network?.subnets ?? [];
  return subnets.flatMap((subnet) =>
    (["outbound", "inbound"] as const).flatMap((gate) => {
      const direction = gate === "outbound" ? ("Outbound" as const) : ("Inbound" as const);
      const chain = router.chainOf(gate, subnet.index);
      return (subnet.rules ?? [])
        .filter((rule) => rule.direction === direction && rule.access === "Deny")
        .map((rule) => ({
          subnet: subnet.id,
          direction,
          rule: rule.name,
          priority: rule.priority,
          packets: packetsOf(nftables, chain, rule.priority),
        }));
    }),
  );
}

function packetsOf(listed: readonly ListedRule[], chain: string | undefined, priority: number): number {
  return listed
    .filter(({ rule }) => rule?.chain === chain && rule?.comment === String(priority))
    .flatMap(({ rule }) => rule?.expr ?? [])
    .reduce((sum, { counter }) => sum + (counter?.packets ?? 0), 0);
}
