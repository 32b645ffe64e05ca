/**
 * Which lines of the platform's log a change of health is worth. Those of addresses and instances
 * are address-records.ts, those of scaling layouts.ts.
 *
 * The words are environment/platform-logs.ts; nothing is stored here.
 */
import type { Health } from "../environment/health.ts";
import { environmentLine, PLATFORM_LOGS } from "../environment/platform-logs.ts";
import type { ControlEvent } from "./control-plane.ts";

export function platformLines(before: Health | undefined, now: Health): readonly ControlEvent[] {
  const known = new Set(before?.causes.map(({ flow }) => flow));
  const lost = now.causes
    .filter(({ flow, grade }) => grade === "hard" && !known.has(flow))
    .map(({ title }) => warning("DependencyUnreachable", environmentLine.unreachable(title)));
  if (now.state === "unhealthy")
    return before?.state === "unhealthy"
      ? lost
      : [warning("UnhealthyLogged", environmentLine.unhealthy), ...lost];
  if (now.state !== "suspended" || before?.state === "suspended") return [];
  return [
    {
      level: "error",
      code: "SuspensionLogged",
      message: environmentLine.suspended,
      category: PLATFORM_LOGS,
    },
  ];
}

function warning(code: string, message: string): ControlEvent {
  return { level: "warning", code, message, category: PLATFORM_LOGS };
}
