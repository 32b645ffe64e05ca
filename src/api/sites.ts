/**
 * What an app offers besides being a resource: its settings and configuration, start, stop,
 * restart, and taking content as a zip.
 */
import { randomUUID } from "node:crypto";
import { createWriteStream } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";

import { type Context, Hono } from "hono";

import { keyOf } from "../arm/ids.ts";
import { isJsonObject, type JsonObject, property } from "../arm/json.ts";
import type { Resource } from "../arm/resources.ts";
import {
  declined,
  found,
  type Problem,
  problemOf,
  ProblemError,
  type Result,
} from "../base/problem.ts";
import { notFound } from "../control/arm-writes.ts";
import type { ControlPlane } from "../control/control-plane.ts";
import {
  changeBinding,
  changeByPart,
  notAnApp,
  type Site,
  sitePart,
  type SitePart,
} from "../control/site-parts.ts";
import { answer, followOperation, page, refuse, sent } from "./answer.ts";
import { bodyOf, idInPath, segmentCount } from "./request.ts";

export type SiteRoutesOptions = {
  /** Where uploads lie until they are unpacked. */
  readonly scratch: string;
  readonly largestUploadBytes: number;
};

export const SITE_PATH =
  "/subscriptions/:sub/resourcegroups/:group/providers/microsoft.web/sites/:name";

export function siteRoutes(plane: ControlPlane, options: SiteRoutesOptions): Hono {
  const routes = new Hono();
  const part = `${SITE_PATH}/config/:part{appsettings|connectionstrings|web}`;
  routes.get(part, (context) => showPart(context, plane, "public"));
  routes.post(`${part}/list`, (context) => showPart(context, plane, "secret"));
  routes.put(part, (context) => writePart(context, plane, "put"));
  routes.patch(part, (context) => writePart(context, plane, "patch"));
  const bindings = `${SITE_PATH}/hostnamebindings`;
  routes.get(bindings, (context) =>
    withSite(context, plane, 1, (site) =>
      page(
        context,
        site.hostNames.map((name) => bindingOf(site, name)),
      ),
    ),
  );
  routes.get(`${bindings}/:host`, (context) =>
    withSite(context, plane, 2, (site) => showBinding(context, site)),
  );
  routes.put(`${bindings}/:host`, (context) => bind(context, plane, "bound"));
  routes.delete(`${bindings}/:host`, (context) => bind(context, plane, "free"));
  routes.post(`${SITE_PATH}/start`, (context) => enable(context, plane, { enabled: true }));
  routes.post(`${SITE_PATH}/stop`, (context) => enable(context, plane, { enabled: false }));
  routes.post(`${SITE_PATH}/restart`, (context) =>
    withSite(context, plane, 1, async (site) => {
      const done = await plane.world.restartSite(site.key);
      return answer(context, done, () => context.body(null, 200));
    }),
  );
  routes.post(`${SITE_PATH}/extensions/zipdeploy`, (context) =>
    withSite(context, plane, 2, (site) => takeZip(context, plane, site, options)),
  );
  return routes;
}

export async function withSite(
  context: Context,
  plane: ControlPlane,
  /** Segments of the path behind the app's name. */
  words: number,
  work: (site: Site) => Response | Promise<Response>,
): Promise<Response> {
  const id = idInPath(context, segmentCount(context) - words);
  if (!id.ok) return refuse(context, id.problem);
  const resource = plane.resources.get(keyOf(id.value))?.resource;
  return resource?.type === "Microsoft.Web/sites"
    ? work(resource)
    : refuse(context, notFound(id.value));
}

function partIn(context: Context): SitePart {
  const part = sitePart(context.req.param("part") ?? "");
  if (part === undefined) throw new Error("broken promise: the route names a part");
  return part;
}

function showPart(
  context: Context,
  plane: ControlPlane,
  how: "public" | "secret",
): Promise<Response> {
  return withSite(context, plane, how === "secret" ? 3 : 2, (site) => {
    const part = partIn(context);
    // A plain GET never shows secrets; clients POST to list for them.
    return sent(
      context,
      renderPart(context, site, part.secret && how === "public" ? {} : part.show(site)),
    );
  });
}

function renderPart(context: Context, site: Site, properties: JsonObject): JsonObject {
  const name = context.req.param("part") ?? "";
  return {
    id: `${site.id}/config/${name}`,
    name,
    type: "Microsoft.Web/sites/config",
    location: site.location,
    properties,
  };
}

function writePart(context: Context, plane: ControlPlane, how: "put" | "patch"): Promise<Response> {
  return withSite(context, plane, 2, async (site) => {
    const body = await bodyOf(context);
    if (!body.ok) return refuse(context, body.problem);
    const part = partIn(context);
    const kept = how === "patch" && !part.merges ? part.show(site) : {};
    const given = property(body.value, "properties");
    const properties = { ...kept, ...(isJsonObject(given) ? given : {}) };
    const written = plane.resources.change(site.key, changeByPart(part, { properties }));
    return answer(context, written, ({ stored }) => {
      const { resource } = stored;
      return resource.type === "Microsoft.Web/sites"
        ? sent(context, renderPart(context, resource, part.show(resource)))
        : refuse(context, notAnApp(resource));
    });
  });
}

function bindingOf(site: Site, hostName: string): JsonObject {
  const tls = site.hostNameSslStates.find(({ name }) => name === hostName);
  return {
    id: `${site.id}/hostNameBindings/${hostName}`,
    name: `${site.name}/${hostName}`,
    type: "Microsoft.Web/sites/hostNameBindings",
    location: site.location,
    properties: {
      siteName: site.name,
      hostNameType: "Verified",
      sslState: tls?.sslState ?? "Disabled",
      ...(tls?.thumbprint === undefined ? {} : { thumbprint: tls.thumbprint }),
    },
  };
}

function showBinding(context: Context, site: Site): Response {
  const hostName = context.req.param("host") ?? "";
  if (site.hostNames.includes(hostName)) return sent(context, bindingOf(site, hostName));
  return refuse(context, {
    code: "ResourceNotFound",
    what: `${hostName} is not bound to ${site.name}`,
    fix: "Bind it first.",
    where: site.id,
  });
}

function bind(context: Context, plane: ControlPlane, to: "bound" | "free"): Promise<Response> {
  return withSite(context, plane, 2, async (site) => {
    const hostName = context.req.param("host") ?? "";
    if (to === "free" && !site.hostNames.includes(hostName)) return context.body(null, 204);
    const body = to === "free" ? found({}) : await bodyOf(context);
    if (!body.ok) return refuse(context, body.problem);
    const changed = plane.resources.change(site.key, changeBinding(hostName, to, body.value));
    return answer(context, changed, ({ stored: { resource } }) =>
      to === "bound" && resource.type === site.type
        ? sent(context, bindingOf(resource, hostName))
        : context.body(null, 200),
    );
  });
}

function enable(
  context: Context,
  plane: ControlPlane,
  change: { readonly enabled: boolean },
): Promise<Response> {
  return withSite(context, plane, 1, (site) => {
    const changed = plane.resources.change(site.key, (resource: Resource) =>
      resource.type === "Microsoft.Web/sites"
        ? found({ ...resource, ...change })
        : declined(notAnApp(resource)),
    );
    return answer(context, changed, () => context.body(null, 200));
  });
}

async function takeZip(
  context: Context,
  plane: ControlPlane,
  site: Site,
  options: SiteRoutesOptions,
): Promise<Response> {
  const file = join(options.scratch, `${randomUUID()}.zip`);
  const stored = await storeBody(context, file, options);
  const begun = stored.ok
    ? plane.operations.begin({ kind: "content", target: site.id, targetKey: site.key })
    : stored;
  if (!begun.ok) {
    await rm(file, { force: true });
    return refuse(context, begun.problem);
  }
  const operation = begun.value;
  plane.background(async () => {
    try {
      const done = await plane.world.deployContent(site.key, file);
      plane.operations.finish(operation.id, done.ok ? undefined : done.problem);
    } catch (thrown) {
      plane.operations.finish(operation.id, deploymentBroke(thrown, site));
      throw thrown;
    } finally {
      await rm(file, { force: true });
    }
  });
  followOperation(context, operation, ["Azure-AsyncOperation", "Location"]);
  return sent(context, { id: operation.id, status: operation.state }, 202);
}

function deploymentBroke(thrown: unknown, site: Site): Problem {
  return problemOf(thrown, {
    code: "ContentDeploymentBroken",
    what: `the content of ${site.name} could not be deployed`,
    fix: "Report it with the log, then deploy again.",
    where: site.id,
  });
}

async function storeBody(
  context: Context,
  file: string,
  options: SiteRoutesOptions,
): Promise<Result<"stored">> {
  const { body } = context.req.raw;
  if (body === null)
    return declined({
      code: "InvalidRequestContent",
      what: "the request has no body",
      fix: "Send the zip as the body: curl --data-binary @app.zip.",
    });
  let size = 0;
  const counted = new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      size += chunk.byteLength;
      done(size <= options.largestUploadBytes ? null : new ProblemError(tooLarge(options)), chunk);
    },
  });
  try {
    await mkdir(options.scratch, { recursive: true, mode: 0o700 });
    await pipeline(Readable.fromWeb(body), counted, createWriteStream(file, { mode: 0o600 }));
    return found("stored");
  } catch (thrown) {
    if (thrown instanceof ProblemError) return declined(thrown.problem);
    return declined(
      problemOf(thrown, {
        code: "UploadInterrupted",
        what: "the zip did not arrive whole",
        fix: "Send it again; if it happens again, check that the disk has room.",
      }),
    );
  }
}

function tooLarge({ largestUploadBytes }: SiteRoutesOptions): Problem {
  return {
    code: "ContentTooLarge",
    what: `the zip is larger than ${Math.floor(largestUploadBytes / 1024 / 1024)} MB`,
    fix: "Leave out what is not needed to run, or install packages on the way.",
  };
}
