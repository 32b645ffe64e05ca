/**
 * How apps are published to: credentials, publish profiles, whether basic authentication is
 * allowed, and the publishing user. The doors that take them are not here.
 */
import { type Context, Hono } from "hono";

import { isJsonObject, type JsonObject, isJsonArray, property, propertyAt } from "../arm/json.ts";
import { keyOf } from "../arm/ids.ts";
import type { ControlPlane } from "../control/control-plane.ts";
import type { Site } from "../control/site-parts.ts";
import type { Identity } from "../identity/identity.ts";
import type { PublishedApp } from "../identity/publishing.ts";
import { answer, page, refuse, sent } from "./answer.ts";
import { bodyOf } from "./request.ts";
import { SITE_PATH, withSite } from "./sites.ts";

export function publishingRoutes(plane: ControlPlane, { publishing }: Identity): Hono {
  const routes = new Hono();
  const appOf = (site: Site): PublishedApp => ({
    key: site.key,
    name: site.name,
    createdAt: plane.resources.get(site.key)?.createdAt ?? 0,
  });
  routes.post(`${SITE_PATH}/config/publishingcredentials/list`, (context) =>
    withSite(context, plane, 3, (site) => {
      const { password, userName } = publishing.of(appOf(site));
      const host = scmHostOf(plane, site);
      return sent(context, {
        id: `${site.id}/config/publishingcredentials`,
        name: site.name,
        type: "Microsoft.Web/sites/config",
        location: site.location,
        properties: {
          name: userName,
          publishingUserName: userName,
          publishingPassword: password,
          scmUri: `https://${encodeURIComponent(userName)}:${password}@${host}`,
        },
      });
    }),
  );
  routes.post(`${SITE_PATH}/newpassword`, (context) =>
    withSite(context, plane, 1, (site) =>
      answer(context, publishing.renew(appOf(site)), () => context.body(null, 204)),
    ),
  );
  routes.post(`${SITE_PATH}/publishxml`, (context) =>
    withSite(context, plane, 1, async (site) => {
      const body = await bodyOf(context);
      if (!body.ok) return refuse(context, body.problem);
      const written = property(body.value, "format");
      const format = typeof written === "string" ? written.toLowerCase() : "webdeploy";
      if (format !== "webdeploy" && format !== "ftp")
        return refuse(context, {
          code: "BadRequest",
          what: `the format ${format} of publish profiles is not offered`,
          fix: "Ask for WebDeploy or Ftp.",
          where: site.id,
        });
      const credentials = publishing.of(appOf(site));
      const xml = profilesOf(plane, site, credentials).filter(
        ({ publishMethod }) => format === "webdeploy" || publishMethod === "FTP",
      );
      return context.body(xmlOf(xml), 200, { "Content-Type": "application/xml" });
    }),
  );
  const policies = `${SITE_PATH}/basicpublishingcredentialspolicies`;
  routes.get(policies, (context) =>
    withSite(context, plane, 1, (site) =>
      page(
        context,
        DOORS.map((door) => policyOf(plane, site, door)),
      ),
    ),
  );
  routes.get(`${policies}/:door{ftp|scm}`, (context) =>
    withSite(context, plane, 2, (site) =>
      sent(context, policyOf(plane, site, context.req.param("door") ?? "")),
    ),
  );
  userRoutes(routes, publishing);
  return routes;
}

const DOORS = ["ftp", "scm"] as const;

function userRoutes(routes: Hono, publishing: Identity["publishing"]): void {
  const path = "/providers/microsoft.web/publishingusers/web";
  const shown = (context: Context) =>
    sent(context, {
      id: "/providers/Microsoft.Web/publishingUsers/web",
      name: "web",
      type: "Microsoft.Web/publishingUsers/web",
      properties: { name: "web", publishingUserName: publishing.user() ?? "" },
    });
  routes.get(path, shown);
  routes.put(path, async (context) => {
    const body = await bodyOf(context);
    if (!body.ok) return refuse(context, body.problem);
    const name = propertyAt(body.value, "properties", "publishingUserName");
    const password = propertyAt(body.value, "properties", "publishingPassword");
    const set = await publishing.setUser(
      typeof name === "string" ? name : "",
      typeof password === "string" ? password : "",
    );
    return answer(context, set, () => shown(context));
  });
}

/** As written, else allowed. */
function policyOf(plane: ControlPlane, site: Site, door: string): JsonObject {
  const id = `${site.id}/basicPublishingCredentialsPolicies/${door}`;
  const kept = property(plane.view(keyOf(id)) ?? {}, "properties");
  const allow = isJsonObject(kept) ? property(kept, "allow") : true;
  return {
    id,
    name: door,
    type: "Microsoft.Web/sites/basicPublishingCredentialsPolicies",
    location: site.location,
    properties: { allow: allow !== false },
  };
}

export function scmHostOf(plane: ControlPlane, site: Site): string {
  const states = propertyAt(plane.view(site.key) ?? {}, "properties", "hostNameSslStates");
  const scm = (states !== undefined && isJsonArray(states) ? states : []).find(
    (state) => property(state, "hostType") === "Repository",
  );
  const name = property(scm, "name");
  return typeof name === "string" ? name : "";
}

type Profile = Readonly<Record<string, string>> & { readonly publishMethod: string };

function profilesOf(
  plane: ControlPlane,
  site: Site,
  { password, userName }: { readonly userName: string; readonly password: string },
): readonly Profile[] {
  const host = scmHostOf(plane, site);
  const domain = host.slice(host.indexOf(".scm.") + ".scm.".length);
  const allows = (door: string) =>
    propertyAt(policyOf(plane, site, door), "properties", "allow") === true;
  const shared = {
    destinationAppUrl: `http://${site.name.toLowerCase()}.${domain}`,
    SQLServerDBConnectionString: "",
    mySQLDBConnectionString: "",
    hostingProviderForumLink: "",
    controlPanelLink: "",
    webSystem: "WebSites",
  };
  const scm = { publishUrl: `${host}:443`, userName, userPWD: allows("scm") ? password : REDACTED };
  return [
    {
      profileName: `${site.name} - Web Deploy`,
      publishMethod: "MSDeploy",
      ...scm,
      msdeploySite: site.name,
      ...shared,
    },
    {
      profileName: `${site.name} - FTP`,
      publishMethod: "FTP",
      publishUrl: `ftps://ftp.${domain}/site/wwwroot`,
      ftpPassiveMode: "True",
      userName: `${site.name}\\${userName}`,
      userPWD: allows("ftp") ? password : REDACTED,
      ...shared,
    },
    { profileName: `${site.name} - Zip Deploy`, publishMethod: "ZipDeploy", ...scm, ...shared },
  ];
}

/** What Azure shows where basic authentication is turned off. */
const REDACTED = "REDACTED";

function xmlOf(profiles: readonly Profile[]): string {
  const elements = profiles.map((profile) => {
    const attributes = Object.entries(profile)
      .map(([name, value]) => `${name}="${escaped(value)}"`)
      .join(" ");
    return `<publishProfile ${attributes}><databases /></publishProfile>`;
  });
  return `<publishData>${elements.join("")}</publishData>`;
}

function escaped(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}
