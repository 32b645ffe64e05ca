/**
 * The one place where control/ and api/ ask arm/ to read and to show: bodies, resources, problems.
 */
import { ProblemError, declined, found, type Problem, type Result } from "../base/problem.ts";
import { typeOf } from "../arm/ids.ts";
import { isJsonObject, type JsonObject, type JsonValue, property, withoutProperties } from "../arm/json.ts";
import type { Resource } from "../arm/resources.ts";
import { bodyOf, identity, located, type Parsed, type ParseContext, type ParseRequest } from "../arm/types/body.ts";
import { envelope, type RenderContext } from "../arm/types/render.ts";
import * as addresses from "../arm/types/addresses.ts";
import * as tables from "../arm/types/route-tables.ts";
import * as groups from "../arm/types/security-groups.ts";
import * as networks from "../arm/types/virtual-networks.ts";

export type { ParseContext };

const PARSERS: Record<string, (request: ParseRequest) => Parsed> = {
  "microsoft.network/virtualnetworks": networks.parseVirtualNetwork,
  "microsoft.network/virtualnetworks/subnets": networks.parseSubnet,
  "microsoft.network/networksecuritygroups": groups.parseSecurityGroup,
  "microsoft.network/networksecuritygroups/securityrules": groups.parseSecurityRule,
  "microsoft.network/routetables": tables.parseRouteTable,
  "microsoft.network/routetables/routes": tables.parseRoute,
  "microsoft.network/publicipaddresses": addresses.parsePublicIpAddress,
  "microsoft.network/networkinterfaces": addresses.parseNetworkInterface,
  "microsoft.resources/resourcegroups": (request) => ({
    resources: [{ type: "Microsoft.Resources/resourceGroups", ...identity(request.id, request.before), ...located(request, bodyOf(request)), extra: {} }],
    replacedParts: [],
  }),
};

export function parseBody(request: ParseRequest): Result<Parsed> {
  try {
    const parser = PARSERS[typeOf(request.id).toLowerCase()];
    if (parser !== undefined) return found(parser(request));
    return found({ resources: [{ type: "DeclaredOnly", ...identity(request.id, request.before), extra: {}, declaredType: typeOf(request.id), body: withoutProperties(request.body, ["id", "name", "type"]) }], replacedParts: [] });
  } catch (thrown) {
    if (thrown instanceof ProblemError) return declined(thrown.problem);
    throw thrown;
  }
}

export function renderBody(resource: Resource, context: RenderContext): JsonObject {
  switch (resource.type) {
    case "Microsoft.Network/virtualNetworks": return networks.renderVirtualNetwork(resource, context);
    case "Microsoft.Network/virtualNetworks/subnets": return networks.renderSubnet(resource, context);
    case "Microsoft.Network/networkSecurityGroups": return groups.renderSecurityGroup(resource, context);
    case "Microsoft.Network/networkSecurityGroups/securityRules": return groups.renderSecurityRule(resource, context);
    case "Microsoft.Network/routeTables": return tables.renderRouteTable(resource, context);
    case "Microsoft.Network/routeTables/routes": return tables.renderRoute(resource, context);
    case "Microsoft.Network/publicIPAddresses": return addresses.renderPublicIpAddress(resource, context);
    case "Microsoft.Network/networkInterfaces": return addresses.renderNetworkInterface(resource, context);
    case "DeclaredOnly": return { id: resource.id, name: resource.name, type: resource.declaredType, ...resource.body };
    default: return envelope(resource, context, resource.extra);
  }
}

/** A PATCH as the PUT it amounts to: what it names replaces, in properties one by one. */
export function patchedBody(shown: JsonObject, patch: JsonObject): JsonObject {
  const properties = property(patch, "properties");
  const before = property(shown, "properties");
  const given = isJsonObject(properties) ? properties : {};
  const kept = isJsonObject(before) ? withoutProperties(before, Object.keys(given)) : {};
  return {
    ...withoutProperties(shown, [...Object.keys(patch), "properties"]),
    ...withoutProperties(patch, ["properties"]),
    properties: { ...kept, ...given },
  };
}

/** A problem as the inside of an ARM error. The fix belongs to the message: clients show no more. */
export function bodyOfProblem(problem: Problem): JsonObject {
  const { cause, code, details, fix, what, where } = problem;
  const inner = [...(details ?? []), ...(cause === undefined ? [] : [cause])];
  const end = /[.!?]$/.test(what) ? "" : ".";
  return {
    code,
    message: `${what}${end} ${fix}`,
    ...(where === undefined ? {} : { target: where }),
    ...(inner.length === 0 ? {} : { details: inner.map((one): JsonValue => bodyOfProblem(one)) }),
  };
}
