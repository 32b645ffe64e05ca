/**
 * What clients ask of an environment beside its addresses: capacities, pools of front ends and
 * workers, usages, diagnostics, operations, and the change of its network.
 *
 * Pools are shown as they stand. Their sizes follow from plans and from frontEndScaleFactor: who
 * writes another size is told where it is decided.
 *
 * @article ASE subnet size
 */
import { type Context, Hono } from "hono";

import { parseResourceId } from "../arm/ids.ts";
import {
  isJsonArray,
  isJsonObject,
  type JsonObject,
  plainText,
  property,
  propertyAt,
} from "../arm/json.ts";
import type { Problem } from "../base/problem.ts";
import type { ControlPlane } from "../control/control-plane.ts";
import { MOST_INSTANCES, MOST_INSTANCES_PER_PLAN } from "../environment/addresses.ts";
import { INSTANCE_SIZES, type InstanceSize } from "../environment/kind.ts";
import { answer, followOperation, page, refuse, sent } from "./answer.ts";
import { type Environment, ENVIRONMENT_PATH, plansOf, withEnvironment } from "./environments.ts";
import { bodyOf } from "./request.ts";
import { sitesOf } from "./subscriptions.ts";

type Show = (context: Context, environment: Environment) => Response | Promise<Response>;

export function environmentPartRoutes(plane: ControlPlane): Hono {
  const routes = new Hono();
  const at = (path: string, show: Show) =>
    routes.get(`${ENVIRONMENT_PATH}/${path}`, (context) =>
      withEnvironment(context, plane, path.split("/").length, (one) => show(context, one)),
    );
  at("capacities/compute", (context, one) => page(context, capacities(plane, one)));
  at("usages", (context, one) => page(context, usages(plane, one)));
  // These two are lists without an envelope.
  at("operations", (context, one) => context.json(operations(plane, one) as object));
  at("diagnostics", (context, one) => context.json(diagnostics(plane, one) as object));
  at("diagnostics/:part", (context, one) => {
    const part = (context.req.param("part") ?? "").toLowerCase();
    const shown = diagnostics(plane, one).find(({ name }) => name === part);
    return shown === undefined
      ? refuse(context, noPart(one, `diagnostics/${part}`, "health, addresses"))
      : sent(context, shown);
  });
  at("multirolepools", (context, one) => page(context, [frontEndPool(plane, one)]));
  at("multirolepools/default", (context, one) => sent(context, frontEndPool(plane, one)));
  pools(routes, at, plane);
  for (const path of ["privateendpointconnections", "privatelinkresources", "recommendations"])
    at(path, (context) => page(context, []));
  routes.post(`${ENVIRONMENT_PATH}/changevirtualnetwork`, (context) =>
    withEnvironment(context, plane, 1, (one) => changeNetwork(context, plane, one)),
  );
  return routes;
}

function pools(routes: Hono, at: (path: string, show: Show) => Hono, plane: ControlPlane): void {
  at("workerpools", (context, one) => page(context, workerPools(plane, one)));
  at("workerpools/:pool", (context, one) => {
    const pool = poolIn(context, plane, one);
    return pool === undefined ? noPool(context, one) : sent(context, pool);
  });
  for (const base of ["multirolepools/default", "workerpools/:pool"]) {
    const withPool = (path: string, show: (one: Environment, pool: JsonObject) => JsonObject[]) =>
      at(`${base}/${path}`, (context, one) => {
        const pool = poolIn(context, plane, one);
        return pool === undefined ? noPool(context, one) : page(context, show(one, pool));
      });
    withPool("skus", (_, pool) => [skuOf(pool)]);
    withPool("usages", (one, pool) => [poolUsage(one, pool)]);
    // Measurements of single machines are not offered as Azure's metrics.
    withPool("metricdefinitions", () => []);
    withPool("instances/:instance/metricdefinitions", () => []);
    for (const how of ["put", "patch"] as const)
      routes[how](`${ENVIRONMENT_PATH}/${base}`, (context) =>
        withEnvironment(context, plane, 2, (one) => writePool(context, plane, one)),
      );
  }
}

const SIZES = Object.keys(INSTANCE_SIZES) as readonly InstanceSize[];
const SIZE_WORDS = { I1: "Small", I2: "Medium", I3: "Large" } as const;

function sizesInUse(plane: ControlPlane, one: Environment): Readonly<Record<InstanceSize, number>> {
  const counts = { I1: 0, I2: 0, I3: 0 };
  for (const plan of plansOf(plane, one)) {
    const size = SIZES.find((known) => known === propertyAt(plan, "sku", "name"));
    const count = propertyAt(plan, "properties", "numberOfWorkers");
    if (size !== undefined && typeof count === "number") counts[size] += count;
  }
  return counts;
}

function instancesOf(plane: ControlPlane, one: Environment): number {
  return Object.values(sizesInUse(plane, one)).reduce((sum, count) => sum + count, 0);
}

function capacities(plane: ControlPlane, one: Environment): readonly JsonObject[] {
  const left = MOST_INSTANCES - instancesOf(plane, one);
  const counts = sizesInUse(plane, one);
  return SIZES.map((size, workerSizeId) => ({
    name: SIZE_WORDS[size],
    availableCapacity: left,
    totalCapacity: left + counts[size],
    unit: "Instances",
    computeMode: "Dedicated",
    workerSize: SIZE_WORDS[size],
    workerSizeId,
    excludeFromCapacityAllocation: false,
    isApplicableForAllComputeModes: false,
    isLinux: false,
  }));
}

function usages(plane: ControlPlane, one: Environment): readonly JsonObject[] {
  const usage = (value: string, localizedValue: string, currentValue: number, limit: number) => ({
    ...{ unit: "Count", currentValue, limit },
    name: { value, localizedValue },
  });
  const plans = plansOf(plane, one).length;
  const taken = plane.world.ledgerOf(one.key).length;
  const subnet = plane.resources.get(one.subnet.key)?.resource;
  const room =
    subnet?.type === "Microsoft.Network/virtualNetworks/subnets"
      ? 2 ** (32 - Number(subnet.prefix.split("/")[1] ?? 32))
      : taken;
  return [
    usage("Instances", "Instances of all plans", instancesOf(plane, one), MOST_INSTANCES),
    usage("ServerFarms", "App Service plans", plans, MOST_INSTANCES),
    usage("SubnetAddresses", "Addresses of the subnet", taken, room),
  ];
}

function operations(plane: ControlPlane, one: Environment): readonly JsonObject[] {
  return plane.world
    .operations()
    .filter(({ target }) => typeof target === "string" && concerns(plane, one, target))
    .map(({ id, kind, startTime, status }) => ({
      id: `${one.id}/operations/${plainText(id)}`,
      name: plainText(kind),
      status: status === "Queued" ? "Created" : "InProgress",
      createdTime: plainText(startTime),
      modifiedTime: plainText(startTime),
      errors: [],
    }));
}

function concerns(plane: ControlPlane, one: Environment, target: string): boolean {
  const key = target.toLowerCase();
  return (
    key === one.key || plansOf(plane, one).some(({ id }) => plainText(id).toLowerCase() === key)
  );
}

function diagnostics(plane: ControlPlane, one: Environment) {
  const properties = property(plane.view(one.key) ?? {}, "properties");
  const shown = isJsonObject(properties) ? properties : {};
  const notices = property(shown, "notices") ?? [];
  const lines = plane.world
    .ledgerOf(one.key)
    .map(({ address, host = "", use }) => `${address} ${use} ${host}`.trimEnd());
  return [
    {
      name: "health",
      diagnosticsOutput: [
        `${textOf(shown, "status")}: ${textOf(shown, "environmentStatus")}`,
        ...(isJsonArray(notices) ? notices.map(plainText) : []),
      ].join("\n"),
    },
    { name: "addresses", diagnosticsOutput: lines.join("\n") },
  ];
}

function frontEndPool(plane: ControlPlane, one: Environment): JsonObject {
  const names = plane.world
    .ledgerOf(one.key)
    .filter(({ use }) => use === "FrontEnd")
    .map(({ address }) => address);
  const size = SIZES.findIndex((known) => INSTANCE_SIZES[known].vmSize === one.multiSize);
  return {
    id: `${one.id}/multiRolePools/default`,
    name: "default",
    type: "Microsoft.Web/hostingEnvironments/multiRolePools",
    location: one.location,
    properties: {
      workerSizeId: size,
      computeMode: "Dedicated",
      workerSize: one.multiSize,
      workerCount: names.length,
      instanceNames: names,
    },
    sku: { name: "MultiRolePool", tier: "Isolated", size: one.multiSize, capacity: names.length },
  };
}

/** One pool for each size of instances; `0` is I1. */
function workerPools(plane: ControlPlane, one: Environment): readonly JsonObject[] {
  const counts = sizesInUse(plane, one);
  return SIZES.map((size, number) => ({
    id: `${one.id}/workerPools/${number}`,
    name: String(number),
    type: "Microsoft.Web/hostingEnvironments/workerPools",
    location: one.location,
    properties: {
      workerSizeId: number,
      computeMode: "Dedicated",
      workerSize: INSTANCE_SIZES[size].vmSize,
      workerCount: counts[size],
    },
    sku: { name: size, tier: "Isolated", size, family: "I", capacity: counts[size] },
  }));
}

/** Without a pool in the path: that of the front ends. */
function poolIn(context: Context, plane: ControlPlane, one: Environment): JsonObject | undefined {
  const name = context.req.param("pool");
  if (name === undefined) return frontEndPool(plane, one);
  const sizes = SIZES.map((size) => size.toLowerCase());
  return workerPools(plane, one).find(
    (pool, number) => pool["name"] === name || sizes[number] === name,
  );
}

function textOf(object: JsonObject, name: string): string {
  return plainText(property(object, name));
}

function skuOf(pool: JsonObject): JsonObject {
  const count = propertyAt(pool, "properties", "workerCount");
  return {
    resourceType: textOf(pool, "type"),
    sku: property(pool, "sku") ?? {},
    capacity: {
      minimum: 0,
      maximum: MOST_INSTANCES_PER_PLAN,
      default: typeof count === "number" ? count : 0,
      scaleType: "automatic",
    },
  };
}

function poolUsage(one: Environment, pool: JsonObject): JsonObject {
  const id = textOf(pool, "id");
  return {
    id: `${id}/usages/Instances`,
    name: "Instances",
    type: `${textOf(pool, "type")}/usages`,
    location: one.location,
    properties: {
      displayName: "Instances",
      resourceName: id.split("/").at(-1) ?? "",
      unit: "Count",
      currentValue: propertyAt(pool, "properties", "workerCount") ?? 0,
      limit: MOST_INSTANCES,
      computeMode: "Dedicated",
    },
  };
}

async function writePool(
  context: Context,
  plane: ControlPlane,
  one: Environment,
): Promise<Response> {
  const pool = poolIn(context, plane, one);
  if (pool === undefined) return noPool(context, one);
  const body = await bodyOf(context);
  if (!body.ok) return refuse(context, body.problem);
  const isFrontEnds = context.req.param("pool") === undefined;
  const count =
    propertyAt(body.value, "properties", "workerCount") ??
    propertyAt(body.value, "sku", "capacity");
  if (
    count !== undefined &&
    count !== null &&
    count !== propertyAt(pool, "properties", "workerCount")
  )
    return refuse(context, {
      code: "BadRequest",
      what: `the number of machines in ${textOf(pool, "id")} is not set by hand`,
      fix: isFrontEnds
        ? "Front ends follow the instances: set frontEndScaleFactor of the environment."
        : "Scale the App Service plan: az appservice plan update --number-of-workers N.",
      where: one.id,
    });
  const size = propertyAt(body.value, "properties", "workerSize");
  if (!isFrontEnds || size === undefined || size === null) return sent(context, pool);
  const resource = parseResourceId(one.id);
  if (!resource.ok) return refuse(context, resource.problem);
  const written = plane.resources.patch({
    id: resource.value,
    body: { properties: { multiSize: size } },
  });
  return answer(context, written, ({ operation }) => {
    if (operation !== undefined) followOperation(context, operation, ["Azure-AsyncOperation"]);
    const changed = plane.resources.get(one.key)?.resource;
    return sent(context, frontEndPool(plane, changed?.type === one.type ? changed : one), 200);
  });
}

/** Judged as the PUT of an environment with another network is. */
async function changeNetwork(
  context: Context,
  plane: ControlPlane,
  one: Environment,
): Promise<Response> {
  const body = await bodyOf(context);
  if (!body.ok) return refuse(context, body.problem);
  if (property(body.value, "id") === undefined)
    return refuse(context, {
      code: "InvalidRequestContent",
      what: "the body names no network",
      fix: 'Send { "id": "/subscriptions/.../virtualNetworks/NET/subnets/SUBNET" }.',
      where: one.id,
    });
  const resource = parseResourceId(one.id);
  if (!resource.ok) return refuse(context, resource.problem);
  const written = plane.resources.put({
    id: resource.value,
    body: { properties: { virtualNetwork: body.value } },
  });
  return answer(context, written, (value) => {
    if (value.operation !== undefined)
      followOperation(context, value.operation, ["Location", "Azure-AsyncOperation"], "sites");
    return sent(context, { value: sitesOf(plane, one.key) }, 202);
  });
}

function noPool(context: Context, one: Environment): Response {
  return refuse(context, noPart(one, `workerPools/${context.req.param("pool") ?? ""}`, "0, 1, 2"));
}

function noPart({ id, name }: Environment, part: string, known: string): Problem {
  return {
    code: "ResourceNotFound",
    what: `${name} has no ${part}`,
    fix: `Ask for one of: ${known}.`,
    where: id,
  };
}
