/**
 * Documents of an app that nothing runs for: logs, metadata, names that stay with a slot, source
 * control and the like. Kept as written; until somebody writes one, it is as Azure has it at first.
 *
 * Settings and configuration that an app runs by are in control/site-parts.ts.
 */
import { type Context, Hono } from "hono";

import { keyOf, parseResourceId } from "../arm/ids.ts";
import { isJsonObject, type JsonObject, property } from "../arm/json.ts";
import { notFound } from "../control/arm-writes.ts";
import type { ControlPlane } from "../control/control-plane.ts";
import { type Site, sitePart } from "../control/site-parts.ts";
import { answer, page, refuse, sent } from "./answer.ts";
import { scmHostOf } from "./publishing.ts";
import { bodyOf } from "./request.ts";
import { SITE_PATH, withSite } from "./sites.ts";

type SiteDocument = {
  /** Published spelling of its name. */
  readonly name: string;
  /** Undefined: there is none until it is written. */
  readonly usual: JsonObject | undefined;
  /** Shown by POST .../list alone. */
  readonly secret: boolean;
};

const DOCUMENTS: readonly SiteDocument[] = [
  {
    name: "logs",
    usual: {
      applicationLogs: { fileSystem: { level: "Off" } },
      httpLogs: { fileSystem: { retentionInMb: 35, enabled: false } },
      failedRequestsTracing: { enabled: false },
      detailedErrorMessages: { enabled: false },
    },
    secret: false,
  },
  {
    name: "slotConfigNames",
    usual: { connectionStringNames: [], appSettingNames: [], azureStorageConfigNames: [] },
    secret: false,
  },
  { name: "authsettingsV2", usual: { platform: { enabled: false } }, secret: false },
  { name: "authsettings", usual: { enabled: false }, secret: true },
  { name: "azurestorageaccounts", usual: {}, secret: true },
  { name: "backup", usual: undefined, secret: true },
  { name: "metadata", usual: {}, secret: true },
  { name: "pushsettings", usual: { isPushEnabled: false }, secret: true },
];

export function siteDocumentRoutes(plane: ControlPlane): Hono {
  const routes = new Hono();
  for (const document of DOCUMENTS) {
    const path = `${SITE_PATH}/config/${document.name.toLowerCase()}`;
    routes.get(path, (context) =>
      withSite(context, plane, 2, (site) => show(context, plane, site, document, "public")),
    );
    for (const how of ["get", "post"] as const)
      routes[how](`${path}/list`, (context) =>
        withSite(context, plane, 3, (site) => show(context, plane, site, document, "secret")),
      );
    routes.put(path, (context) =>
      withSite(context, plane, 2, (site) => write(context, plane, site, document)),
    );
  }
  routes.get(`${SITE_PATH}/config`, (context) =>
    withSite(context, plane, 1, (site) =>
      page(context, [
        {
          id: `${site.id}/config/web`,
          name: "web",
          type: "Microsoft.Web/sites/config",
          location: site.location,
          properties: sitePart("web")?.show(site) ?? {},
        },
      ]),
    ),
  );
  routes.get(`${SITE_PATH}/sourcecontrols/web`, (context) =>
    withSite(context, plane, 2, (site) => sourceControl(context, plane, site)),
  );
  // A list without an envelope: an environment is in its network, apps join no other.
  routes.get(`${SITE_PATH}/virtualnetworkconnections`, (context) =>
    withSite(context, plane, 1, () => context.json([])),
  );
  routes.get(`${SITE_PATH}/instances`, (context) =>
    withSite(context, plane, 1, (site) =>
      page(
        context,
        plane.world.instancesOf(site.key).map((name) => ({
          id: `${site.id}/instances/${name}`,
          name,
          type: "Microsoft.Web/sites/instances",
          location: site.location,
          properties: { state: site.enabled ? "READY" : "STOPPED" },
        })),
      ),
    ),
  );
  return routes;
}

function show(
  context: Context,
  plane: ControlPlane,
  site: Site,
  document: SiteDocument,
  how: "public" | "secret",
): Response {
  const id = `${site.id}/config/${document.name}`;
  const kept = keptProperties(plane, id);
  const properties = kept === undefined ? document.usual : { ...document.usual, ...kept };
  if (properties === undefined) {
    const named = parseResourceId(id);
    return refuse(context, named.ok ? notFound(named.value) : named.problem);
  }
  return sent(context, {
    id,
    name: document.name,
    type: "Microsoft.Web/sites/config",
    location: site.location,
    properties: document.secret && how === "public" ? {} : properties,
  });
}

/** As they were written; a view would add to them, and these hold nothing but names of others. */
function keptProperties(plane: ControlPlane, id: string): JsonObject | undefined {
  const resource = plane.resources.get(keyOf(id))?.resource;
  if (resource?.type !== "DeclaredOnly") return undefined;
  const properties = property(resource.body, "properties");
  return isJsonObject(properties) ? properties : {};
}

async function write(
  context: Context,
  plane: ControlPlane,
  site: Site,
  document: SiteDocument,
): Promise<Response> {
  const body = await bodyOf(context);
  if (!body.ok) return refuse(context, body.problem);
  const given = property(body.value, "properties");
  if (given !== undefined && given !== null && !isJsonObject(given))
    return refuse(context, {
      code: "InvalidRequestContent",
      what: "properties must be an object",
      fix: 'Send { "properties": { ... } }.',
      where: site.id,
    });
  const id = parseResourceId(`${site.id}/config/${document.name}`);
  if (!id.ok) return refuse(context, id.problem);
  const written = plane.resources.put({ id: id.value, body: { properties: given ?? {} } });
  return answer(context, written, () => show(context, plane, site, document, "secret"));
}

/** One that was written, or the app's own repository where it is published to by git. */
function sourceControl(context: Context, plane: ControlPlane, site: Site): Response {
  const id = `${site.id}/sourcecontrols/web`;
  const isLocal = property(site.config.extra, "scmType") === "LocalGit";
  const own: JsonObject | undefined = isLocal
    ? { repoUrl: `https://${scmHostOf(plane, site)}`, isManualIntegration: false }
    : undefined;
  const properties = keptProperties(plane, id) ?? own;
  if (properties === undefined)
    return refuse(context, {
      code: "ResourceNotFound",
      what: `Cannot find SourceControl with name ${site.name}`,
      fix: "Set one: az webapp deployment source config-local-git.",
      where: site.id,
    });
  return sent(context, {
    id,
    name: site.name,
    type: "Microsoft.Web/sites/sourcecontrols",
    location: site.location,
    properties: { branch: "master", isMercurial: false, ...properties },
  });
}
