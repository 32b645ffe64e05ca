/** Packets that deny rules dropped, read from the counters of the gates in force. */
import type { GateKeeper } from "./gate-keeper.ts";
import { directionOf, rulesAt, type Guarded } from "./gates.ts";
import type { DeniedCount } from "./kernel.ts";

export function readDenied(
  keeper: GateKeeper,
  guarded: readonly Guarded[],
): readonly DeniedCount[] {
  return guarded.flatMap((one) =>
    one.gates
      .filter((gate) => !gate.endsWith("platform"))
      .flatMap((gate) => {
        const counted = keeper.counted(gate, one);
        return rulesAt(gate, one)
          .filter(({ access }) => access === "Deny")
          .map(({ name, priority }) => ({
            at: one.name,
            direction: directionOf(gate),
            rule: name,
            priority,
            packets: counted.get(String(priority)) ?? 0,
          }));
      }),
  );
}
