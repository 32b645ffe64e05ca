/**
 * Flow logs that were declared: which groups are logged.
 */
import { keyOf } from "../arm/ids.ts";
import { propertyAt } from "../arm/json.ts";
import type { DeclaredOnly } from "../arm/resources.ts";
import type { Declared } from "./wanted.ts";

export const FLOW_LOG_TYPE = "Microsoft.Network/networkWatchers/flowLogs";

export function isFlowLog({ declaredType }: DeclaredOnly): boolean {
  return declaredType.toLowerCase() === FLOW_LOG_TYPE.toLowerCase();
}

/** Key of the group a flow log is about; undefined: it names none. */
export function targetOf({ body }: DeclaredOnly): string | undefined {
  const id = propertyAt(body, "properties", "targetResourceId");
  return typeof id === "string" ? keyOf(id) : undefined;
}

/** Absent means on, as in Azure. */
export function isOn({ body }: DeclaredOnly): boolean {
  return propertyAt(body, "properties", "enabled") !== false;
}

/** Ids of the groups, in their published spelling, sorted. */
export function loggedGroups(declared: Declared): readonly string[] {
  const keys = declared
    .all("DeclaredOnly")
    .filter((one) => isFlowLog(one) && isOn(one))
    .map(targetOf);
  return declared
    .all("Microsoft.Network/networkSecurityGroups")
    .filter(({ key }) => keys.includes(key))
    .map(({ id }) => id)
    .sort();
}
