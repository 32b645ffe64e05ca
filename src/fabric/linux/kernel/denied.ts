/** Packets that deny rules dropped, read from the counters of the gates in force. */
import type { Network } from "../../../blueprint/blueprint.ts";
import type { GateKeeper } from "./gate-keeper.ts";
import { directionOf, rulesAt } from "./gates.ts";
import type { DeniedCount } from "./kernel.ts";

export function readDenied(keeper: GateKeeper, network: Network): readonly DeniedCount[] {
  return network.subnets.flatMap((subnet) =>
    (["outbound", "inbound"] as const).flatMap((gate) => {
      const counted = keeper.counted(gate, subnet);
      return rulesAt(gate, subnet)
        .filter(({ access }) => access === "Deny")
        .map(({ name, priority }) => ({
          subnet: subnet.id,
          direction: directionOf(gate),
          rule: name,
          priority,
          packets: counted.get(String(priority)) ?? 0,
        }));
    }),
  );
}
