/**
 * Questions about Microsoft.Web as a whole: free names and the runtimes that apps may use.
 */
import { type Context, Hono } from "hono";

import { property } from "../arm/json.ts";
import type { ControlPlane } from "../control/control-plane.ts";
import { page, refuse, sent } from "./answer.ts";
import { bodyOf } from "./request.ts";
import { typeOfResource } from "./resources.ts";

export function webRoutes(plane: ControlPlane): Hono {
  const routes = new Hono();
  const base = "/subscriptions/:sub/providers/microsoft.web";
  routes.post(`${base}/checknameavailability`, (context) => checkName(context, plane));
  routes.get("/providers/microsoft.web/webappstacks", (context) => page(context, [STACK]));
  return routes;
}

const TYPES: Readonly<Record<string, string>> = {
  site: "microsoft.web/sites",
  hostingenvironment: "microsoft.web/hostingenvironments",
};

async function checkName(context: Context, plane: ControlPlane): Promise<Response> {
  const body = await bodyOf(context);
  if (!body.ok) return refuse(context, body.problem);
  const name = property(body.value, "name");
  const written = property(body.value, "type");
  const asked = typeof written === "string" ? written.toLowerCase() : "";
  if (typeof name !== "string" || name === "")
    return refuse(context, {
      code: "InvalidRequestContent",
      what: "the body names no name",
      fix: 'Send { "name": "app1", "type": "Site" }.',
    });
  const type = TYPES[asked] ?? asked;
  const holder = plane.resources
    .list("")
    .find(
      ({ resource }) =>
        typeOfResource(resource).toLowerCase() === type &&
        resource.name.toLowerCase() === name.toLowerCase(),
    );
  if (holder === undefined) return sent(context, { nameAvailable: true, reason: "", message: "" });
  return sent(context, {
    nameAvailable: false,
    reason: "AlreadyExists",
    message: `${name} is taken by ${holder.resource.id}`,
  });
}

/** The runtime that runs here, in the shape in which clients ask for all of them. */
const NODE_MAJOR = process.versions.node.split(".")[0] ?? "";
const RUNTIME = {
  displayText: `Node ${NODE_MAJOR}`,
  value: NODE_MAJOR,
  minorVersions: [
    {
      displayText: `Node ${NODE_MAJOR} LTS`,
      value: `${NODE_MAJOR}-lts`,
      stackSettings: {
        linuxRuntimeSettings: {
          runtimeVersion: `NODE|${NODE_MAJOR}-lts`,
          remoteDebuggingSupported: false,
          appInsightsSettings: { isSupported: false },
          gitHubActionSettings: { isSupported: false },
          supportedRuntimeVersion: `${NODE_MAJOR}.x`,
        },
        windowsRuntimeSettings: {
          runtimeVersion: `~${NODE_MAJOR}`,
          remoteDebuggingSupported: false,
          appInsightsSettings: { isSupported: false },
          gitHubActionSettings: { isSupported: false },
          appSettingsDictionary: { WEBSITE_NODE_DEFAULT_VERSION: `~${NODE_MAJOR}` },
          siteConfigPropertiesDictionary: {},
        },
      },
    },
  ],
};

const STACK = {
  id: "/providers/Microsoft.Web/webAppStacks/node",
  name: "node",
  type: "Microsoft.Web/webAppStacks",
  location: null,
  properties: {
    displayText: "Node",
    value: "node",
    preferredOs: "linux",
    majorVersions: [RUNTIME],
  },
};
