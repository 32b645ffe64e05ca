/** Application security groups, and lists of them in other bodies. */
import type { JsonObject } from "../json.ts";
import type { ApplicationSecurityGroup, Reference } from "../resources.ts";
import { type Body, bodyOf, identity, located, type Parsed, type ParseRequest } from "./body.ts";
import { envelope, type RenderContext } from "./render.ts";

export function parseApplicationSecurityGroup(request: ParseRequest): Parsed {
  const body = bodyOf(request);
  const group: ApplicationSecurityGroup = {
    type: "Microsoft.Network/applicationSecurityGroups",
    ...identity(request.id, request.before),
    ...located(request, body),
    extra: body.extra([]),
  };
  return { resources: [group], replacedParts: [] };
}

export function renderApplicationSecurityGroup(
  group: ApplicationSecurityGroup,
  context: RenderContext,
): JsonObject {
  return envelope(group, context, group.extra);
}

/** References in a list of `{ id }`. */
export function groupsIn(body: Body, path: string): readonly Reference[] {
  return (body.list(path) ?? []).map((one, index) =>
    body.referenceTo(`${path}[${index}].id`, one.required(`${path}[${index}].id`, one.text("id"))),
  );
}
