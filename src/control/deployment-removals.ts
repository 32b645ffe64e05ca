/**
 * What stands in the group of a deployment beside what its template declares: mode Complete
 * removes it, what-if names it. Found here, removed by others.
 */
import type { Resource } from "../arm/resources.ts";
import type { Reading } from "../store/store.ts";
import type { Deployment } from "./deployment-record.ts";
import { wantedResources } from "./wanted.ts";

/** @param declared keys; parents and parts of what they name are declared with them */
export function othersInGroup(
  { key }: Pick<Deployment, "key">,
  declared: readonly string[],
  reading: Reading,
): readonly Resource[] {
  const groupKey = /^(.*\/resourcegroups\/[^/]+)\/providers/.exec(key)?.[1];
  if (groupKey === undefined) return [];
  return wantedResources(reading).filter(
    (one) =>
      one.key.startsWith(`${groupKey}/`) &&
      !declared.some(
        (kept) =>
          one.key === kept || one.key.startsWith(`${kept}/`) || kept.startsWith(`${one.key}/`),
      ),
  );
}
