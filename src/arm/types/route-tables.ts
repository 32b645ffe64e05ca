/** Route tables and their routes: bodies to resources and back. */
import { parseCidr, parseIpv4 } from "../../network/prefix.ts";
import type { NextHop } from "../../network/route.ts";
import { childOf, formatResourceId, keyOf, parentOf, type ResourceId } from "../ids.ts";
import type { JsonObject } from "../json.ts";
import type { RouteResource, RouteTable } from "../resources.ts";
import {
  Body,
  bodyOf,
  identity,
  located,
  type ParseContext,
  type Parsed,
  type ParseRequest,
} from "./body.ts";
import { envelope, type RenderContext } from "./render.ts";
import { tagOf } from "./security-groups.ts";

const TABLE = "Microsoft.Network/routeTables";
const ROUTE = "Microsoft.Network/routeTables/routes";
const MOST_ROUTES = 400;

export function parseRouteTable(request: ParseRequest): Parsed {
  const body = bodyOf(request);
  const table: RouteTable = {
    type: TABLE,
    ...identity(request.id, request.before),
    ...located(request, body),
    disableBgpRoutePropagation: body.bool("properties.disableBgpRoutePropagation") ?? false,
    extra: body.extra(["disableBgpRoutePropagation", "routes", "subnets"]),
  };
  const routes = body.list("properties.routes") ?? [];
  if (MOST_ROUTES < routes.length)
    body.fail(
      "RouteLimitReached",
      `the table has ${routes.length} routes`,
      `Keep to ${MOST_ROUTES} routes.`,
    );
  const parts = routes.map((route, index) => {
    const name = route.required(`properties.routes[${index}].name`, route.text("name"));
    const id = childOf(request.id, "routes", name);
    const before = request.context.lookUp(keyOf(id));
    return routeOf(id, new Body(route.json, formatResourceId(id)), before, request.context);
  });
  return { resources: [table, ...parts], replacedParts: [ROUTE] };
}

export function parseRoute(request: ParseRequest): Parsed {
  const route = routeOf(request.id, bodyOf(request), request.before, request.context);
  return { resources: [route], replacedParts: [] };
}

function routeOf(
  id: ResourceId,
  body: Body,
  before: ParseRequest["before"],
  context: ParseContext,
): RouteResource {
  const parent = parentOf(id) ?? id;
  const path = "properties.addressPrefix";
  const text = body.required(path, body.text(path));
  const destination: RouteResource["destination"] = /^\d/.test(text)
    ? { kind: "prefix", prefix: body.accept(path, parseCidr(text), "InvalidAddressPrefixFormat") }
    : { kind: "tag", tag: tagOf(text, path, body, context) };
  return {
    type: ROUTE,
    ...identity(id, before),
    table: { id: formatResourceId(parent), key: keyOf(parent) },
    destination,
    nextHop: nextHopOf(body),
    extra: body.extra(["addressPrefix", "nextHopType", "nextHopIpAddress", "hasBgpOverride"]),
  };
}

function nextHopOf(body: Body): NextHop {
  const path = "properties.nextHopType";
  const kinds = [
    "VnetLocal",
    "Internet",
    "None",
    "VirtualAppliance",
    "VirtualNetworkGateway",
  ] as const;
  const kind = body.required(path, body.choice(path, kinds));
  const address = body.text("properties.nextHopIpAddress");
  if (kind !== "VirtualAppliance") {
    if (address === undefined) return { kind };
    return body.fail(
      "RouteNextHopIpAddressNotAllowed",
      `nextHopIpAddress ${address} is given with next hop ${kind}`,
      "Remove nextHopIpAddress, or use VirtualAppliance.",
    );
  }
  const needed = body.required("properties.nextHopIpAddress", address);
  return { kind, address: body.accept("properties.nextHopIpAddress", parseIpv4(needed)) };
}

export function renderRouteTable(table: RouteTable, context: RenderContext): JsonObject {
  const routes = context.ofType(ROUTE).filter((one) => one.table.key === table.key);
  const subnets = context
    .ofType("Microsoft.Network/virtualNetworks/subnets")
    .filter((one) => one.routeTable?.key === table.key);
  return envelope(table, context, {
    ...table.extra,
    disableBgpRoutePropagation: table.disableBgpRoutePropagation,
    routes: routes.map((route) => renderRoute(route, context)),
    ...(subnets.length === 0 ? {} : { subnets: subnets.map(({ id }) => ({ id })) }),
  });
}

export function renderRoute(route: RouteResource, context: RenderContext): JsonObject {
  const { destination, nextHop } = route;
  return envelope(route, context, {
    ...route.extra,
    addressPrefix: destination.kind === "prefix" ? destination.prefix : destination.tag,
    nextHopType: nextHop.kind,
    ...(nextHop.kind === "VirtualAppliance" ? { nextHopIpAddress: nextHop.address } : {}),
    hasBgpOverride: false,
  });
}
