/**
 * Who writes a resource that uses another one must be allowed to let it be used: an app's plan, an
 * environment's subnet, a subnet's rules. In Azure's words, to join it.
 *
 * Read from the body as it was sent; only what the resource did not use before counts.
 */
import { keyOf, parseResourceId, typeOf } from "../arm/ids.ts";
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../arm/json.ts";
import type { Problem } from "../base/problem.ts";
import { type Caller, type Identity, keyOfScope } from "./identity.ts";
import type { Asked } from "./operation-name.ts";

const JOINED = [
  "Microsoft.Network/applicationSecurityGroups",
  "Microsoft.Network/networkSecurityGroups",
  "Microsoft.Network/publicIPAddresses",
  "Microsoft.Network/routeTables",
  "Microsoft.Network/virtualNetworks",
  "Microsoft.Network/virtualNetworks/subnets",
  "Microsoft.Web/hostingEnvironments",
  "Microsoft.Web/serverfarms",
].map((type) => type.toLowerCase());

export function judgeLinks(
  { roles }: Pick<Identity, "roles">,
  write: {
    readonly caller: Caller;
    readonly asked: Asked;
    readonly body: JsonObject;
    /** The resource as it is; undefined: it is new. */
    readonly before: JsonObject | undefined;
  },
): Problem | undefined {
  const { asked, before, body, caller } = write;
  const own = keyOfScope(asked.scope);
  const known = before === undefined ? [] : idsIn(before).map(keyOf);
  for (const text of idsIn(body)) {
    const id = parseResourceId(text);
    if (!id.ok || !JOINED.includes(typeOf(id.value).toLowerCase())) continue;
    const key = keyOf(id.value);
    if (key === own || key.startsWith(`${own}/`) || known.includes(key)) continue;
    const action = `${typeOf(id.value)}/join/action`;
    if (!roles.permits(caller.objectId, action, key)) return notLinked(caller, asked, action, text);
  }
  return undefined;
}

/** Ids that stand for other resources. What clients send along of those is theirs, and not read. */
function idsIn(value: JsonValue): readonly string[] {
  if (typeof value === "string") return value.startsWith("/") ? [value] : [];
  if (isJsonArray(value)) return value.flatMap(idsIn);
  if (!isJsonObject(value)) return [];
  return Object.values(value).flatMap((item) => {
    const id = isJsonObject(item) ? item["id"] : undefined;
    return typeof id === "string" ? [id] : idsIn(item);
  });
}

function notLinked(
  { name, objectId, kind }: Caller,
  { action, scope }: Asked,
  joined: string,
  linked: string,
): Problem {
  return {
    code: "LinkedAuthorizationFailed",
    what: `The client '${name}' with object id '${objectId}' has permission to perform action '${action}' on scope '${scope}'; however, it does not have permission to perform action(s) '${joined}' on the linked scope(s) '${linked}' (respectively) or the linked scope(s) are invalid`,
    fix: `An owner may grant it: az role assignment create --assignee-object-id ${objectId} --assignee-principal-type ${kind} --role ROLE --scope ${linked}.`,
    where: linked,
  };
}
