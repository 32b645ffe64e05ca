/**
 * App Service plans in an environment: bodies to resources and back. What a body does not name
 * stays as it was.
 */
import { MOST_INSTANCES_PER_PLAN } from "../../environment/addresses.ts";
import type { InstanceSize } from "../../environment/kind.ts";
import { formatResourceId, groupOf } from "../ids.ts";
import type { JsonObject } from "../json.ts";
import type { Reference, ServerFarm } from "../resources.ts";
import { type Body, bodyOf, identity, located, type Parsed, type ParseRequest } from "./body.ts";
import { envelope, type RenderContext } from "./render.ts";

const PLAN = "Microsoft.Web/serverfarms";
const SIZES = ["I1", "I2", "I3"] as const satisfies readonly InstanceSize[];

export function parseServerFarm(request: ParseRequest): Parsed {
  const body = bodyOf(request);
  const before = request.before?.type === PLAN ? request.before : undefined;
  const capacity =
    body.int("sku.capacity", 0, MOST_INSTANCES_PER_PLAN) ??
    body.int("properties.numberOfWorkers", 0, MOST_INSTANCES_PER_PLAN);
  const kind = body.text("kind") ?? before?.kind;
  const linux = kind?.toLowerCase().includes("linux") ?? false;
  const reserved = body.bool("properties.reserved") ?? before?.reserved ?? linux;
  const plan: ServerFarm = {
    type: PLAN,
    ...identity(request.id, before),
    ...located(request, body),
    kind: kind ?? (reserved ? "linux" : "app"),
    environment:
      environmentOf(request, body) ??
      body.required("properties.hostingEnvironmentProfile.id", before?.environment),
    size: sizeOf(body) ?? before?.size ?? "I1",
    capacity: capacity ?? before?.capacity ?? 1,
    reserved,
    perSiteScaling: body.bool("properties.perSiteScaling") ?? before?.perSiteScaling ?? false,
    extra: { ...before?.extra, ...body.extra(READ) },
  };
  return { resources: [plan], replacedParts: [] };
}

const READ = [
  "name",
  "hostingEnvironmentProfile",
  "hostingEnvironment",
  "hostingEnvironmentId",
  "numberOfWorkers",
  "currentNumberOfWorkers",
  "workerSize",
  "workerSizeId",
  "reserved",
  "perSiteScaling",
  "numberOfSites",
  "serverFarmId",
  "maximumNumberOfWorkers",
  "resourceGroup",
  "geoRegion",
  "subscription",
  "workerTierName",
];

/** By id, or by name within the group of the plan, as older templates write it. */
function environmentOf(request: ParseRequest, body: Body): Reference | undefined {
  const profile = body.reference("properties.hostingEnvironmentProfile");
  if (profile !== undefined) return profile;
  const name =
    body.text("properties.hostingEnvironment") ??
    body.text("properties.hostingEnvironmentProfile.name");
  const group = groupOf(request.id);
  if (name === undefined || group === undefined) return undefined;
  const id = name.startsWith("/")
    ? name
    : `${formatResourceId(group)}/providers/Microsoft.Web/hostingEnvironments/${name}`;
  return body.referenceTo("properties.hostingEnvironment", id);
}

/** `sku.name` counts; a body with another sku is told which there are. */
function sizeOf(body: Body): InstanceSize | undefined {
  const name = body.text("sku.name") ?? body.text("sku.size");
  if (name === undefined) {
    const worker = body.int("properties.workerSizeId", 0, 2);
    return worker === undefined || body.has("sku") ? undefined : SIZES[worker];
  }
  const size = SIZES.find((one) => one.toLowerCase() === name.toLowerCase());
  return (
    size ??
    body.fail(
      "InvalidSku",
      `sku ${name} does not exist in an environment`,
      `Use one of ${SIZES.join(", ")}.`,
    )
  );
}

export function renderServerFarm(plan: ServerFarm, context: RenderContext): JsonObject {
  const sites = context.ofType("Microsoft.Web/sites").filter((site) => site.plan.key === plan.key);
  return envelope(
    plan,
    context,
    {
      isXenon: false,
      hyperV: false,
      zoneRedundant: false,
      ...plan.extra,
      name: plan.name,
      status: "Ready",
      workerSizeId: SIZES.indexOf(plan.size),
      numberOfWorkers: plan.capacity,
      currentNumberOfWorkers: plan.capacity,
      maximumNumberOfWorkers: MOST_INSTANCES_PER_PLAN,
      numberOfSites: sites.length,
      perSiteScaling: plan.perSiteScaling,
      reserved: plan.reserved,
      geoRegion: plan.location,
      hostingEnvironmentProfile: {
        id: plan.environment.id,
        name: plan.environment.id.split("/").at(-1) ?? "",
        type: "Microsoft.Web/hostingEnvironments",
      },
    },
    {
      kind: plan.kind,
      sku: {
        name: plan.size,
        tier: "Isolated",
        size: plan.size,
        family: "I",
        capacity: plan.capacity,
      },
    },
  );
}
