/**
 * Questions about Microsoft.Web as a whole: free names and the runtimes that apps may use.
 */
import { type Context, Hono } from "hono";

import { type JsonObject, property, propertyAt } from "../arm/json.ts";
import type { ControlPlane } from "../control/control-plane.ts";
import { verifySubnet } from "../control/verify-subnet.ts";
import { INSTANCE_SIZES } from "../environment/kind.ts";
import { page, refuse, sent } from "./answer.ts";
import { bodyOf } from "./request.ts";
import { typeOfResource, viewsOf } from "./resources.ts";

export function webRoutes(plane: ControlPlane): Hono {
  const routes = new Hono();
  const base = "/subscriptions/:sub/providers/microsoft.web";
  routes.post(`${base}/checknameavailability`, (context) => checkName(context, plane));
  routes.post(`${base}/verifyhostingenvironmentvnet`, (context) => verifyNetwork(context, plane));
  routes.post(`${base}/listsitesassignedtohostname`, (context) => sitesAtName(context, plane));
  routes.get(`${base}/georegions`, (context) => page(context, [regionOf(plane)]));
  routes.get(`${base}/deploymentlocations`, (context) => sent(context, deploymentLocations(plane)));
  routes.get(`${base}/skus`, (context) => sent(context, skus(plane)));
  routes.get("/providers/microsoft.web/sourcecontrols", (context) => page(context, []));
  routes.get(`${base}/availablestacks`, (context) => page(context, [STACK]));
  routes.get("/providers/microsoft.web/availablestacks", (context) => page(context, [STACK]));
  routes.get("/providers/microsoft.web/locations/:location/webappstacks", (context) =>
    page(context, [STACK]),
  );
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

/** Names the subnet by its id, or by group, network and name. */
async function verifyNetwork(context: Context, plane: ControlPlane): Promise<Response> {
  const body = await bodyOf(context);
  if (!body.ok) return refuse(context, body.problem);
  const text = (name: string) => {
    const value = propertyAt(body.value, "properties", name) ?? property(body.value, name);
    return typeof value === "string" && value !== "" ? value : undefined;
  };
  const [group, network, subnet] = [
    text("vnetResourceGroup"),
    text("vnetName"),
    text("vnetSubnetName"),
  ];
  const { subscriptionId } = plane.account;
  const id =
    text("subnetResourceId") ??
    (group === undefined || network === undefined || subnet === undefined
      ? undefined
      : `/subscriptions/${subscriptionId}/resourceGroups/${group}/providers/Microsoft.Network/virtualNetworks/${network}/subnets/${subnet}`);
  if (id === undefined)
    return refuse(context, {
      code: "InvalidRequestContent",
      what: "the body names no subnet",
      fix: "Give properties.subnetResourceId, or vnetResourceGroup, vnetName and vnetSubnetName.",
    });
  const verdict = verifySubnet(id, {
    resources: plane.resources.list("").map(({ resource }) => resource),
    tags: plane.world.tags,
  });
  if (!verdict.ok) return refuse(context, verdict.problem);
  const { failed, failedTests, warnings } = verdict.value;
  return sent(context, {
    id: `/subscriptions/${subscriptionId}/providers/Microsoft.Web/verifyHostingEnvironmentVnet`,
    name: "verifyHostingEnvironmentVnet",
    type: "Microsoft.Web/verifyHostingEnvironmentVnet",
    properties: {
      failed,
      message: failed
        ? "An environment in this subnet would be suspended."
        : "Every flow that the life of an environment depends on passes.",
      failedTests,
      warnings,
    },
  });
}

async function sitesAtName(context: Context, plane: ControlPlane): Promise<Response> {
  const body = await bodyOf(context);
  if (!body.ok) return refuse(context, body.problem);
  const name = property(body.value, "name");
  const asked = typeof name === "string" ? name.toLowerCase() : "";
  const sites = plane.resources
    .list("")
    .filter(
      ({ resource }) =>
        resource.type === "Microsoft.Web/sites" && resource.hostNames.includes(asked),
    );
  return page(
    context,
    sites.map(({ resource }) => ({ name: resource.name, type: resource.type, id: resource.id })),
  );
}

function regionOf({ account }: ControlPlane): JsonObject {
  const { location, subscriptionId } = account;
  return {
    id: `/subscriptions/${subscriptionId}/providers/Microsoft.Web/geoRegions/${location}`,
    name: location,
    type: "Microsoft.Web/geoRegions",
    properties: {
      name: location,
      displayName: location,
      description: "The region of this installation",
      orgDomain: "PUBLIC",
    },
  };
}

function deploymentLocations(plane: ControlPlane): JsonObject {
  const environments = plane.resources
    .list("")
    .flatMap(({ resource }) =>
      resource.type === "Microsoft.Web/hostingEnvironments" ? [resource] : [],
    );
  return {
    locations: [regionOf(plane)],
    hostingEnvironments: environments.flatMap(({ key }) => viewsOf(plane, key)),
    hostingEnvironmentDeploymentInfos: environments.map(({ location, name }) => ({
      name,
      location,
    })),
  };
}

function skus({ account }: ControlPlane): JsonObject {
  return {
    resourceType: "Microsoft.Web/sites",
    skus: Object.keys(INSTANCE_SIZES).map((name) => ({
      name,
      tier: "Isolated",
      size: name,
      family: "I",
      locations: [account.location],
      capabilities: [],
    })),
  };
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
