/**
 * What an environment offers besides being a resource: its addresses, plans and apps, suspension
 * and reboot, the flows it depends on, and its address ledger.
 *
 * @article ASE dependencies
 */
import { type Context, Hono } from "hono";

import type { JsonObject, JsonValue } from "../arm/json.ts";
import type { Resource, ResourceOf } from "../arm/resources.ts";
import { declined, found, type Result } from "../base/problem.ts";
import { notFound } from "../control/arm-writes.ts";
import { forecastsOf } from "../blueprint/address-forecasts.ts";
import type { ControlPlane } from "../control/control-plane.ts";
import { DEPENDENCIES } from "../environment/dependencies.ts";
import { type FlowEnd, PROBED_FLOWS } from "../environment/flows.ts";
import { answer, followOperation, page, refuse, sent } from "./answer.ts";
import { idInPath, segmentCount } from "./request.ts";
import { viewsOf } from "./resources.ts";
import { keyOf } from "../arm/ids.ts";
import { sitesOf } from "./subscriptions.ts";

export type Environment = ResourceOf<"Microsoft.Web/hostingEnvironments">;

export const ENVIRONMENT_PATH =
  "/subscriptions/:sub/resourcegroups/:group/providers/microsoft.web/hostingenvironments/:name";

export function environmentRoutes(plane: ControlPlane): Hono {
  const routes = new Hono();
  const at = (
    path: string,
    words: number,
    show: (context: Context, environment: Environment) => Response | Promise<Response>,
  ) =>
    routes.get(`${ENVIRONMENT_PATH}/${path}`, (context) =>
      withEnvironment(context, plane, words, (found_) => show(context, found_)),
    );
  at("capacities/virtualip", 2, (context, one) => sent(context, virtualAddresses(plane, one)));
  at("serverfarms", 1, (context, one) => page(context, plansOf(plane, one)));
  at("sites", 1, (context, one) => page(context, sitesOf(plane, one.key)));
  at("inboundnetworkdependenciesendpoints", 1, (context, one) =>
    page(context, inbound(plane, one)),
  );
  at("outboundnetworkdependenciesendpoints", 1, (context) => page(context, outbound()));
  at("addressledger", 1, (context, one) =>
    page(
      context,
      plane.world.ledgerOf(one.key).map(({ since, ...entry }) => ({ ...entry, ...timeOf(since) })),
    ),
  );
  at("addressforecast", 1, (context, one) => {
    const resources = plane.resources.list("").map(({ resource }) => resource);
    const forecast = forecastsOf(resources).find(({ environment }) => environment === one.id);
    return context.json(forecast ?? {});
  });
  at("addresshistory", 1, (context, one) =>
    page(
      context,
      plane.world
        .addressHistoryOf(one.id)
        .map(({ time, ...entry }) => ({ time: new Date(time).toISOString(), ...entry })),
    ),
  );
  routes.post(`${ENVIRONMENT_PATH}/suspend`, (context) => suspend(context, plane, "suspended"));
  routes.post(`${ENVIRONMENT_PATH}/resume`, (context) => suspend(context, plane, "running"));
  routes.post(`${ENVIRONMENT_PATH}/reboot`, (context) =>
    withEnvironment(context, plane, 1, (one) => reboot(context, plane, one)),
  );
  return routes;
}

function timeOf(since: number | undefined): { readonly since?: string } {
  return since === undefined ? {} : { since: new Date(since).toISOString() };
}

export function withEnvironment(
  context: Context,
  plane: ControlPlane,
  /** Segments of the path behind the environment's name. */
  words: number,
  work: (environment: Environment) => Response | Promise<Response>,
): Response | Promise<Response> {
  const environment = environmentAt(context, plane, words);
  return environment.ok ? work(environment.value) : refuse(context, environment.problem);
}

function environmentAt(context: Context, plane: ControlPlane, words: number): Result<Environment> {
  const id = idInPath(context, segmentCount(context) - words);
  if (!id.ok) return id;
  const resource = plane.resources.get(keyOf(id.value))?.resource;
  return resource?.type === "Microsoft.Web/hostingEnvironments"
    ? found(resource)
    : declined(notFound(id.value));
}

function suspend(
  context: Context,
  plane: ControlPlane,
  to: "suspended" | "running",
): Response | Promise<Response> {
  return withEnvironment(context, plane, 1, (environment) => {
    const changed = plane.resources.change(environment.key, (resource: Resource) =>
      found({ ...(resource as Environment), suspended: to === "suspended" }),
    );
    return answer(context, changed, ({ operation }) => {
      if (operation !== undefined)
        followOperation(context, operation, ["Location", "Azure-AsyncOperation"], "sites");
      return sent(context, { value: sitesOf(plane, environment.key) }, 202);
    });
  });
}

function reboot(context: Context, plane: ControlPlane, environment: Environment): Response {
  const begun = plane.operations.begin({
    kind: "action",
    target: environment.id,
    targetKey: environment.key,
  });
  return answer(context, begun, ({ id }) => {
    plane.background(async () => {
      const done = await plane.world.rebootEnvironment(environment.key);
      plane.operations.finish(id, done.ok ? undefined : done.problem);
    });
    return context.body(null, 202);
  });
}

export function plansOf(plane: ControlPlane, { key }: Environment): readonly JsonObject[] {
  return plane.resources
    .list("")
    .flatMap(({ resource }) =>
      resource.type === "Microsoft.Web/serverfarms" && resource.environment.key === key
        ? viewsOf(plane, resource.key)
        : [],
    );
}

function virtualAddresses(plane: ControlPlane, { id, key, name }: Environment): JsonObject {
  const addresses = plane.world.addressesOf(key);
  return {
    id: `${id}/capacities/virtualip`,
    name,
    type: "Microsoft.Web/hostingEnvironments/capacities",
    properties: {
      serviceIpAddress: addresses?.publicAddress ?? null,
      internalIpAddress: addresses?.internalAddress ?? null,
      outboundIpAddresses: addresses?.outboundAddresses ?? [],
      vipMappings: (addresses?.appAddresses ?? []).map(({ address, ports, app }) => ({
        virtualIP: address,
        internalHttpPort: ports.http,
        internalHttpsPort: ports.https,
        inUse: app !== undefined,
        serviceName: app ?? null,
      })),
    },
  };
}

function inbound(plane: ControlPlane, environment: Environment): readonly JsonObject[] {
  const ends = [
    ...new Set(
      PROBED_FLOWS.filter(({ direction }) => direction === "Inbound").map(({ from }) => from),
    ),
  ];
  return ends.map((end) => {
    const ports = PROBED_FLOWS.filter(
      ({ direction, from }) => direction === "Inbound" && from === end,
    ).map(({ port }) => port);
    return {
      description: DESCRIPTIONS[end] ?? end,
      endpoints: endpointsOf(plane, environment, end),
      ports: ports.map((port) => (port === 0 ? "All" : String(port))),
    };
  });
}

const DESCRIPTIONS: Readonly<Partial<Record<FlowEnd, string>>> = {
  "management-addresses": "App Service management",
  "load-balancer": "Azure load balancer",
  subnet: "App Service Environment subnet",
};

function endpointsOf(
  plane: ControlPlane,
  { subnet }: Environment,
  end: FlowEnd,
): readonly string[] {
  if (end === "management-addresses") return plane.world.tags.prefixes("AppServiceManagement");
  if (end === "load-balancer") return plane.world.tags.prefixes("AzureLoadBalancer");
  const resource = plane.resources.get(subnet.key)?.resource;
  return resource?.type === "Microsoft.Network/virtualNetworks/subnets" ? [resource.prefix] : [];
}

function outbound(): readonly JsonObject[] {
  const categories = [...new Set(DEPENDENCIES.map(({ category }) => category))];
  return categories.map((category) => ({
    category,
    endpoints: DEPENDENCIES.filter((one) => one.category === category).map(
      ({ address, conversation, domainName }): JsonObject => ({
        domainName,
        endpointDetails: PROBED_FLOWS.filter(
          (flow) => flow.conversation === conversation && flow.direction === "Outbound",
        )
          .map(({ port }): JsonValue => ({
            ...(address === undefined ? {} : { ipAddress: address }),
            port,
          }))
          .filter((one, index, all) => all.findIndex((other) => same(one, other)) === index),
      }),
    ),
  }));
}

function same(one: JsonValue, other: JsonValue): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
