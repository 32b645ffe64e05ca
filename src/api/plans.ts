/** What a plan offers besides being a resource: its apps, their restart, and what it has none of. */
import { type Context, Hono } from "hono";

import { keyOf } from "../arm/ids.ts";
import type { JsonObject } from "../arm/json.ts";
import type { ResourceOf } from "../arm/resources.ts";
import { notFound } from "../control/arm-writes.ts";
import type { ControlPlane } from "../control/control-plane.ts";
import { MOST_INSTANCES_PER_PLAN } from "../environment/addresses.ts";
import { INSTANCE_SIZES } from "../environment/kind.ts";
import { page, refuse } from "./answer.ts";
import { idInPath, segmentCount } from "./request.ts";
import { viewsOf } from "./resources.ts";

type Plan = ResourceOf<"Microsoft.Web/serverfarms">;

export function planRoutes(plane: ControlPlane): Hono {
  const routes = new Hono();
  const one = "/subscriptions/:sub/resourcegroups/:group/providers/microsoft.web/serverfarms/:name";
  const withPlan = async (context: Context, work: (plan: Plan) => Response | Promise<Response>) => {
    const id = idInPath(context, segmentCount(context) - 1);
    if (!id.ok) return refuse(context, id.problem);
    const resource = plane.resources.get(keyOf(id.value))?.resource;
    return resource?.type === "Microsoft.Web/serverfarms"
      ? work(resource)
      : refuse(context, notFound(id.value));
  };
  routes.get(`${one}/sites`, (context) =>
    withPlan(context, (plan) =>
      page(
        context,
        sitesIn(plane, plan).flatMap(({ key }) => viewsOf(plane, key)),
      ),
    ),
  );
  // These are lists without an envelope.
  for (const path of ["capabilities", "virtualnetworkconnections"])
    routes.get(`${one}/${path}`, (context) => withPlan(context, () => context.json([])));
  routes.get(`${one}/skus`, (context) =>
    withPlan(context, () => context.json({ value: SKUS } as object)),
  );
  routes.post(`${one}/restartsites`, (context) =>
    withPlan(context, async (plan) => {
      for (const site of sitesIn(plane, plan)) {
        const done = await plane.world.restartSite(site.key);
        if (!done.ok) return refuse(context, done.problem);
      }
      return context.body(null, 204);
    }),
  );
  return routes;
}

const SKUS: readonly JsonObject[] = Object.keys(INSTANCE_SIZES).map((size) => ({
  resourceType: "Microsoft.Web/serverfarms",
  sku: { name: size, tier: "Isolated", size, family: "I" },
  capacity: { minimum: 0, maximum: MOST_INSTANCES_PER_PLAN, default: 1, scaleType: "manual" },
}));

function sitesIn(plane: ControlPlane, plan: Plan): readonly ResourceOf<"Microsoft.Web/sites">[] {
  return plane.resources
    .list("")
    .flatMap(({ resource }) =>
      resource.type === "Microsoft.Web/sites" && resource.plan.key === plan.key ? [resource] : [],
    );
}
