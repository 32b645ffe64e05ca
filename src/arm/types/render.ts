/**
 * What all rendered resources share: the envelope of an ARM answer.
 */
import { guidOf } from "../deterministic.ts";
import type { JsonObject, JsonValue } from "../json.ts";
import type { Reference, Resource, ResourceOf, ResourceType } from "../resources.ts";

export type RenderContext = {
  readonly get: (key: string) => Resource | undefined;
  readonly ofType: <Type extends ResourceType>(type: Type) => readonly ResourceOf<Type>[];
  /** What the world says of a resource: merged over the properties, `provisioningState` among them. */
  readonly statusOf: (key: string) => JsonObject;
};

export function envelope(
  resource: Resource,
  context: RenderContext,
  properties: JsonObject,
  besides: JsonObject = {},
): JsonObject {
  return {
    id: resource.id,
    name: resource.name,
    type: resource.type,
    ...("location" in resource ? { location: resource.location, tags: resource.tags } : {}),
    ...(resource.type.startsWith("Microsoft.Network/") ? { etag: etagOf(resource) } : {}),
    ...besides,
    properties: {
      provisioningState: "Succeeded",
      ...properties,
      ...context.statusOf(resource.key),
    },
  };
}

/** Another text for every other state of what was declared. */
export function etagOf(resource: Resource): string {
  return `W/"${guidOf([JSON.stringify(resource)])}"`;
}

export function idOnly(
  name: string,
  reference: Reference | undefined,
): { readonly [name: string]: JsonValue } {
  return reference === undefined ? {} : { [name]: { id: reference.id } };
}
