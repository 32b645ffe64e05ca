/**
 * Apps: bodies to resources and back. What a body does not name stays as it was; a body that
 * only binds a certificate must not erase the app.
 */
import { environmentDomain, appHostName, scmHostName } from "../../environment/names.ts";
import { nameOf } from "../ids.ts";
import {
  isJsonArray,
  type JsonObject,
  type JsonValue,
  withoutProperties,
  plainText,
} from "../json.ts";
import type { Site } from "../resources.ts";
import { Body, bodyOf, identity, located, type Parsed, type ParseRequest } from "./body.ts";
import { envelope, type RenderContext } from "./render.ts";

const SITE = "Microsoft.Web/sites";
const LONGEST_NAME = 60;

export function parseSite(request: ParseRequest): Parsed {
  const body = bodyOf(request);
  const before = request.before?.type === SITE ? request.before : undefined;
  judgeName(nameOf(request.id), body);
  const planId = body.text("properties.serverFarmId");
  const plan =
    planId === undefined ? undefined : body.referenceTo("properties.serverFarmId", planId);
  const config = new Body(body.object("properties.siteConfig"), body.where);
  const site: Site = {
    type: SITE,
    ...identity(request.id, before),
    ...located(request, body),
    kind: body.text("kind") ?? before?.kind ?? "app",
    plan: plan ?? body.required("properties.serverFarmId", before?.plan),
    enabled: body.bool("properties.enabled") ?? before?.enabled ?? true,
    httpsOnly: body.bool("properties.httpsOnly") ?? before?.httpsOnly ?? false,
    clientAffinityEnabled:
      body.bool("properties.clientAffinityEnabled") ?? before?.clientAffinityEnabled ?? true,
    hostNames: hostNamesOf(body, request) ?? before?.hostNames ?? [],
    hostNameSslStates: sslStatesOf(body, before?.hostNameSslStates ?? []),
    appSettings: pairsOf(config, "appSettings") ?? before?.appSettings ?? {},
    connectionStrings: connectionsOf(config) ?? before?.connectionStrings ?? {},
    config: configOf(config, before?.config),
    extra: { ...before?.extra, ...body.extra(READ) },
  };
  return { resources: [site], replacedParts: [] };
}

const READ = [
  "name",
  "serverFarmId",
  "enabled",
  "httpsOnly",
  "clientAffinityEnabled",
  "hostNames",
  "hostNameSslStates",
  "siteConfig",
  "hostingEnvironment",
  "hostingEnvironmentId",
  "hostingEnvironmentProfile",
  "reserved",
  "state",
  "defaultHostName",
  "enabledHostNames",
  "repositorySiteName",
  "usageState",
  "availabilityState",
  "outboundIpAddresses",
  "possibleOutboundIpAddresses",
  "inboundIpAddress",
  "lastModifiedTimeUtc",
  "resourceGroup",
  "siteProperties",
];

function judgeName(name: string, body: Body): void {
  if (name.length <= LONGEST_NAME && /^[a-z\d]([a-z\d-]*[a-z\d])?$/i.test(name)) return;
  body.fail(
    "InvalidResourceName",
    `"${name}" cannot be the name of an app`,
    `Use up to ${LONGEST_NAME} letters, digits and dashes, beginning and ending with a letter or digit.`,
  );
}

/** The names that an environment gives are shown by GET and come back; they are not the user's. */
function hostNamesOf(body: Body, request: ParseRequest): readonly string[] | undefined {
  const names = body.texts("properties.hostNames");
  const plan =
    request.before?.type === SITE ? request.context.lookUp(request.before.plan.key) : undefined;
  const environment =
    plan?.type === "Microsoft.Web/serverfarms"
      ? request.context.lookUp(plan.environment.key)
      : undefined;
  const given =
    environment?.type === "Microsoft.Web/hostingEnvironments"
      ? appHostName(nameOf(request.id), environmentDomain(environment))
      : undefined;
  return names === undefined
    ? undefined
    : [...new Set(names.map((name) => name.toLowerCase()))].filter((name) => name !== given);
}

type SslStates = Site["hostNameSslStates"];

/** Entries are changed one by one: a body names only those it changes. */
function sslStatesOf(body: Body, before: SslStates): SslStates {
  const states = new Map(before.map((one) => [one.name, one]));
  for (const entry of body.list("properties.hostNameSslStates") ?? []) {
    const name = body
      .required("properties.hostNameSslStates.name", entry.text("name"))
      .toLowerCase();
    if (
      /^(standard|repository)$/i.test(entry.text("hostType") ?? "") &&
      entry.bool("toUpdate") !== true
    )
      continue;
    const sslState = sslStateOf(entry);
    const thumbprint = entry.text("thumbprint");
    states.set(name, { name, sslState, ...(thumbprint === undefined ? {} : { thumbprint }) });
  }
  return [...states.values()].filter(({ sslState }) => sslState !== "Disabled");
}

function sslStateOf(entry: Body): SslStates[number]["sslState"] {
  const states = ["Disabled", "SniEnabled", "IpBasedEnabled"] as const;
  const value = entry.value("sslState");
  if (typeof value === "number")
    return states[value] ?? entry.refuse("sslState", `one of ${states.join(", ")}`, value);
  return entry.choice("sslState", states) ?? "Disabled";
}

/** A list of `{ name, value }`, or an object. */
function pairsOf(config: Body, path: string): Readonly<Record<string, string>> | undefined {
  if (!isJsonArray(config.value(path))) return config.map(path);
  const entries = (config.list(path) ?? []).map((entry): [string, string] => [
    config.required(`siteConfig.${path}.name`, entry.text("name")),
    plainText(entry.value("value")),
  ]);
  return Object.fromEntries(entries);
}

function connectionsOf(config: Body): Site["connectionStrings"] | undefined {
  const list = config.list("connectionStrings");
  if (list === undefined) return undefined;
  return Object.fromEntries(
    list.map((entry) => [
      config.required("siteConfig.connectionStrings.name", entry.text("name")),
      { value: entry.text("connectionString") ?? "", type: entry.text("type") ?? "Custom" },
    ]),
  );
}

const CONFIG_READ = [
  "appSettings",
  "connectionStrings",
  "appCommandLine",
  "nodeVersion",
  "linuxFxVersion",
  "alwaysOn",
  "defaultDocuments",
];
export const DEFAULT_DOCUMENTS = [
  "index.html",
  "index.htm",
  "default.html",
  "default.htm",
] as const;

function configOf(config: Body, before: Site["config"] | undefined): Site["config"] {
  const text = (name: "appCommandLine" | "nodeVersion" | "linuxFxVersion"): string => {
    const value = config.value(name);
    return typeof value === "string" ? value : (before?.[name] ?? "");
  };
  return {
    appCommandLine: text("appCommandLine"),
    nodeVersion: text("nodeVersion"),
    linuxFxVersion: text("linuxFxVersion"),
    alwaysOn: config.bool("alwaysOn") ?? before?.alwaysOn ?? false,
    defaultDocuments:
      config.texts("defaultDocuments") ?? before?.defaultDocuments ?? DEFAULT_DOCUMENTS,
    extra: { ...before?.extra, ...withoutProperties(config.json, CONFIG_READ) },
  };
}

export function renderSite(site: Site, context: RenderContext): JsonObject {
  const plan = context.get(site.plan.key);
  const farm = plan?.type === "Microsoft.Web/serverfarms" ? plan : undefined;
  const found = farm === undefined ? undefined : context.get(farm.environment.key);
  const environment = found?.type === "Microsoft.Web/hostingEnvironments" ? found : undefined;
  const domain = environment === undefined ? undefined : environmentDomain(environment);
  const own = domain === undefined ? [] : [appHostName(site.name, domain)];
  const scm = domain === undefined ? [] : [scmHostName(site.name, domain)];
  const names = [...new Set([...site.hostNames, ...own])];
  return envelope(
    site,
    context,
    {
      isXenon: false,
      hyperV: false,
      ...site.extra,
      name: site.name,
      state: site.enabled ? "Running" : "Stopped",
      enabled: site.enabled,
      usageState: "Normal",
      availabilityState: "Normal",
      httpsOnly: site.httpsOnly,
      clientAffinityEnabled: site.clientAffinityEnabled,
      serverFarmId: site.plan.id,
      reserved: farm?.reserved ?? false,
      repositorySiteName: site.name,
      hostNames: names,
      enabledHostNames: [...names, ...scm],
      ...(own[0] === undefined ? {} : { defaultHostName: own[0] }),
      hostNameSslStates: [
        ...names.map((name) => sslStateShown(name, "Standard", site, context)),
        ...scm.map((name) => sslStateShown(name, "Repository", site, context)),
      ],
      siteConfig: renderSiteConfig(site),
      ...(environment === undefined
        ? {}
        : {
            hostingEnvironmentProfile: {
              id: environment.id,
              name: environment.name,
              type: environment.type,
            },
          }),
    },
    { kind: kindOf(site, farm?.reserved ?? false) },
  );
}

function sslStateShown(
  name: string,
  hostType: string,
  site: Site,
  context: RenderContext,
): JsonObject {
  const state = site.hostNameSslStates.find((one) => one.name === name);
  const hasOwn = state?.sslState === "IpBasedEnabled";
  return {
    name,
    sslState: state?.sslState ?? "Disabled",
    thumbprint: state?.thumbprint ?? null,
    virtualIP: hasOwn ? (context.statusOf(site.key)["inboundIpAddress"] ?? null) : null,
    toUpdate: null,
    hostType,
  };
}

/** The plan decides whether an app is one for Linux; az sends `reserved: false` all the same. */
function kindOf(site: Site, linux: boolean): string {
  const has = site.kind.toLowerCase().includes("linux");
  return linux && !has ? `${site.kind},linux` : site.kind;
}

/** Without settings and connection strings: these are secrets, listed by a call of their own. */
function renderSiteConfig(site: Site): { readonly [name: string]: JsonValue } {
  const { extra, ...config } = site.config;
  return { ...extra, ...config };
}
