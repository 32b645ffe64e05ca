/**
 * The API as one app: who may ask, the marks every answer carries, and which routes answer what.
 *
 * Thin: what is asked is read here and answered by the control plane. Sockets are in serve.ts.
 */
import { randomUUID } from "node:crypto";

import { type Context, Hono } from "hono";

import { type Problem, problemOf, ProblemError } from "../base/problem.ts";
import type { ControlPlane } from "../control/control-plane.ts";
import { type Access, permitted, signedIn } from "./access.ts";
import { activityRoutes, recorded } from "./activity.ts";
import { refuse } from "./answer.ts";
import { authorizationRoutes } from "./authorization.ts";
import { deploymentRoutes } from "./deployments.ts";
import { environmentPartRoutes } from "./environment-parts.ts";
import { environmentRoutes } from "./environments.ts";
import { graphRoutes } from "./graph.ts";
import { hostCardRoutes } from "./host-cards.ts";
import { limited, type Limits, USUAL_LIMITS } from "./limits.ts";
import { metadataRoutes } from "./metadata.ts";
import { moveRoutes } from "./moves.ts";
import { networkRoutes } from "./networks.ts";
import { ownRoutes } from "./own.ts";
import { judgeVersion, routePath } from "./request.ts";
import { planRoutes } from "./plans.ts";
import { publishingRoutes } from "./publishing.ts";
import { resourceRoutes } from "./resources.ts";
import { signInRoutes } from "./sign-in.ts";
import { siteDocumentRoutes } from "./site-documents.ts";
import { siteRoutes } from "./sites.ts";
import { subscriptionRoutes } from "./subscriptions.ts";
import { tagRoutes } from "./tags.ts";
import { watcherRoutes } from "./watchers.ts";
import { webRoutes } from "./web.ts";

export type ApiOptions = {
  readonly plane: ControlPlane;
  readonly access: Access;
  /** Absent: the usual ones. */
  readonly limits?: Limits;
  readonly now: () => number;
  /** Of the program, shown by /openase/version. */
  readonly version: string;
  /** A folder for uploads. */
  readonly scratch: string;
  readonly largestUploadBytes: number;
  /** Told of defects: what a request met that no one foresaw. */
  readonly onDefect: (thrown: unknown) => void;
};

export function createApi(options: ApiOptions): Hono {
  const { access, now, plane } = options;
  const { identity, local } = access;
  const app = new Hono({ getPath: routePath });
  app.use(mark);
  app.route("/metadata", metadataRoutes(plane.account));
  app.route("/", signInRoutes(identity, plane.account));
  app.use(signedIn(access));
  for (const version of ["/v1.0", "/beta"])
    app.route(version, graphRoutes(identity, plane.account));
  app.use(limited(options.limits ?? USUAL_LIMITS, local.caller.objectId, now));
  app.use(recorded(plane, identity, now));
  app.use(permitted(access));
  app.route("/openase", ownRoutes(plane, options.version));
  app.use(async (context, next) => {
    const wrong = judgeVersion(context);
    return wrong === undefined ? next() : refuse(context, wrong);
  });
  // The more particular first: what they do not answer falls to the general ones.
  app.route("/", authorizationRoutes(plane, identity));
  app.route("/", activityRoutes(identity, now));
  app.route("/", tagRoutes(plane));
  app.route("/", moveRoutes(plane, identity));
  app.route("/", subscriptionRoutes(plane, identity));
  app.route("/", deploymentRoutes(plane));
  app.route("/", environmentRoutes(plane));
  app.route("/", environmentPartRoutes(plane));
  app.route("/", planRoutes(plane));
  app.route("/", siteRoutes(plane, options));
  app.route("/", siteDocumentRoutes(plane));
  app.route("/", publishingRoutes(plane, identity));
  app.route("/", networkRoutes(plane));
  app.route("/", webRoutes(plane));
  app.route("/", hostCardRoutes(plane));
  app.route("/", watcherRoutes(plane));
  app.route("/", resourceRoutes(plane, identity));
  app.notFound((context) => refuse(context, unknownPath(context)));
  app.onError((thrown, context) => {
    if (thrown instanceof ProblemError) return refuse(context, thrown.problem);
    options.onDefect(thrown);
    const problem = problemOf(thrown, {
      code: "InternalServerError",
      what: "the request met a defect of this program",
      fix: "Report it with the log of the control plane.",
    });
    // What was thrown may hold anything; it is for the log only.
    const { cause: _, ...told } = problem;
    return refuse(context, told);
  });
  return app;
}

/** Ids by which a request is found again, in every answer. */
async function mark(context: Context, next: () => Promise<void>): Promise<void> {
  const asked = context.req.header("x-ms-client-request-id");
  const correlation = context.req.header("x-ms-correlation-request-id");
  await next();
  const id = randomUUID();
  context.header("x-ms-request-id", id);
  context.header("x-ms-correlation-request-id", plain(correlation) ?? id);
  if (plain(asked) !== undefined) context.header("x-ms-client-request-id", plain(asked));
  context.header("Cache-Control", "no-cache");
}

function plain(text: string | undefined): string | undefined {
  return text !== undefined && /^[\w.:-]{1,128}$/.test(text) ? text : undefined;
}

function unknownPath(context: Context): Problem {
  const { method, path } = context.req;
  return {
    code: "ResourceTypeOrActionNotFound",
    what: `${method} ${path} is not offered`,
    fix: "Check the path; GET /subscriptions/SUB/providers lists the types that are.",
  };
}
