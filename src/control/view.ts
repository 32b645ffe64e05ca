/**
 * Resources as GET shows them: what was written, and what is computed of the world laid over it.
 */
import type { JsonObject } from "../arm/json.ts";
import type { Resource } from "../arm/resources.ts";
import { renderResource } from "../arm/types.ts";
import type { Reading } from "../store/store.ts";
import type { ResourceStatus } from "./control-plane.ts";
import { storedResource, storedResources } from "./wanted.ts";

export type Views = {
  /** Undefined: there is no such resource. */
  readonly of: (reading: Reading, key: string) => JsonObject | undefined;
};

export function openViews(statusOf: (resourceKey: string) => ResourceStatus | undefined): Views {
  return {
    of: (reading, key) => {
      const resource = storedResource(reading, key)?.resource;
      if (resource === undefined) return undefined;
      let all: readonly Resource[] | undefined;
      return renderResource(resource, {
        get: (other) => storedResource(reading, other)?.resource,
        ofType: (type) => {
          all ??= storedResources(reading, "").map((stored) => stored.resource);
          return all.filter(
            (one): one is Extract<Resource, { type: typeof type }> => one.type === type,
          );
        },
        statusOf: (other) => computed(statusOf(other)),
      });
    },
  };
}

function computed(status: ResourceStatus | undefined): JsonObject {
  if (status === undefined) return {};
  return { ...status.properties, provisioningState: status.provisioningState };
}
