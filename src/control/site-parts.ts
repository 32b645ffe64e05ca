/**
 * Parts of an app that ARM shows as resources of their own but that are kept in the app:
 * settings, connection strings, web configuration, host names.
 *
 * Each as a reading and as a change of the app. What they do to a running app is the loop's.
 */
import { isJsonObject, type JsonObject, type JsonValue, property } from "../arm/json.ts";
import { nameOf, parentOf, parseResourceId, type ResourceId, typeOf } from "../arm/ids.ts";
import type { Resource, ResourceOf } from "../arm/resources.ts";
import { parseResource } from "../arm/types.ts";
import { declined, found, type Problem, type Result } from "../base/problem.ts";

export type Site = ResourceOf<"Microsoft.Web/sites">;

export type SitePart = {
  /** The properties as GET or list shows them. */
  readonly show: (site: Site) => JsonObject;
  readonly change: (site: Site, properties: JsonObject) => Result<Site>;
  /** True: PATCH keeps what is not named. */
  readonly merges: boolean;
  /** True: values are secrets; only POST .../list shows them. */
  readonly secret: boolean;
};

const PARTS: Readonly<Record<string, SitePart>> = {
  appsettings: {
    show: ({ appSettings }) => appSettings,
    change: (site, properties) => {
      const settings = textsOf(properties, site, "appsettings");
      return settings.ok ? found({ ...site, appSettings: settings.value }) : settings;
    },
    merges: false,
    secret: true,
  },
  connectionstrings: {
    show: ({ connectionStrings }) => connectionStrings,
    change: (site, properties) => {
      const strings = connectionsOf(properties, site);
      return strings.ok ? found({ ...site, connectionStrings: strings.value }) : strings;
    },
    merges: false,
    secret: true,
  },
  web: { show: showConfig, change: changeConfig, merges: true, secret: false },
};

/** A part that is kept in the app; undefined for parts that are documents of their own. */
export function sitePart(name: string): SitePart | undefined {
  return Object.hasOwn(PARTS, name.toLowerCase()) ? PARTS[name.toLowerCase()] : undefined;
}

/** `.../sites/app1/config/appsettings`: the app's id and the part. */
export function partAt(
  id: ResourceId,
): { readonly site: ResourceId; readonly part: SitePart; readonly name: string } | undefined {
  if (typeOf(id).toLowerCase() !== "microsoft.web/sites/config") return undefined;
  const site = parentOf(id);
  const part = sitePart(nameOf(id));
  return site === undefined || part === undefined ? undefined : { site, part, name: nameOf(id) };
}

/** `.../sites/app1/hostNameBindings/www.contoso.com`: the app's id and the name. */
export function bindingAt(
  id: ResourceId,
): { readonly site: ResourceId; readonly hostName: string } | undefined {
  if (typeOf(id).toLowerCase() !== "microsoft.web/sites/hostnamebindings") return undefined;
  const site = parentOf(id);
  return site === undefined ? undefined : { site, hostName: nameOf(id).toLowerCase() };
}

/** Adds a host name to an app, or takes it away. */
export function changeBinding(
  hostName: string,
  to: "bound" | "free",
  body: JsonObject = {},
): (resource: Resource) => Result<Resource> {
  return (resource) => {
    if (resource.type !== "Microsoft.Web/sites") return declined(notAnApp(resource));
    if (!/^(\*\.)?([a-z\d]([a-z\d-]*[a-z\d])?\.)+[a-z\d-]+$/.test(hostName))
      return declined({
        code: "InvalidHostName",
        what: `"${hostName}" is not a host name`,
        fix: "Write a full name, like www.contoso.com.",
        where: resource.id,
      });
    const others = resource.hostNames.filter((name) => name.toLowerCase() !== hostName);
    const kept = resource.hostNameSslStates.filter(({ name }) => name !== hostName);
    if (to === "free") return found({ ...resource, hostNames: others, hostNameSslStates: kept });
    const states = property(body, "properties");
    const changed = { ...resource, hostNames: [...others, hostName] };
    return property(states, "sslState") === undefined
      ? found(changed)
      : withCertificate(changed, hostName, states);
  };
}

/** A binding that names its certificate says of a host name what the app's own list would. */
function withCertificate(
  site: Site,
  name: string,
  binding: JsonValue | undefined,
): Result<Resource> {
  const state = {
    name,
    sslState: property(binding, "sslState") ?? null,
    thumbprint: property(binding, "thumbprint") ?? null,
    toUpdate: true,
  };
  return parsedChange(site, { hostNameSslStates: [state] });
}

/** The change of an app that a PUT of one of its parts is. */
export function changeByPart(
  part: SitePart,
  body: JsonObject,
): (resource: Resource) => Result<Resource> {
  const given = property(body, "properties");
  const properties = isJsonObject(given) ? given : {};
  return (resource) =>
    resource.type === "Microsoft.Web/sites"
      ? part.change(resource, properties)
      : declined(notAnApp(resource));
}

export function notAnApp(resource: Resource): Problem {
  return {
    code: "InvalidResourceReference",
    what: `${resource.name} is not an app`,
    fix: "Name an app: .../providers/Microsoft.Web/sites/NAME.",
    where: resource.id,
  };
}

/** siteConfig as PUT and PATCH of config/web carry it: what is not named stays. */
function changeConfig(site: Site, siteConfig: JsonObject): Result<Site> {
  return parsedChange(site, { siteConfig });
}

/** Properties of an app as its own PUT carries them: what is not named stays. */
function parsedChange(site: Site, properties: JsonObject): Result<Site> {
  const id = parseResourceId(site.id);
  if (!id.ok) return id;
  const context = {
    location: site.location,
    lookUp: () => undefined,
    isServiceTag: (known: string) => ({ known }),
  };
  const parsed = parseResource({
    id: id.value,
    body: { properties },
    before: site,
    context,
  });
  if (!parsed.ok) return parsed;
  const [changed] = parsed.value.resources;
  return changed.type === site.type ? found(changed) : declined(notAnApp(changed));
}

function showConfig({ config }: Site): JsonObject {
  const { extra, ...own } = config;
  return { ...extra, ...own };
}

function textsOf(
  properties: JsonObject,
  site: Site,
  part: string,
): Result<Readonly<Record<string, string>>> {
  const entries: [string, string][] = [];
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "object" && value !== null)
      return declined(
        invalidPart(site, part, `${name} is not a text`, "Give each setting a text."),
      );
    // null takes a setting away.
    if (value !== null) entries.push([name, String(value)]);
  }
  return found(Object.fromEntries(entries));
}

function connectionsOf(properties: JsonObject, site: Site): Result<Site["connectionStrings"]> {
  const entries: [string, { value: string; type: string }][] = [];
  for (const [name, given] of Object.entries(properties)) {
    const value = property(given, "value");
    const type = property(given, "type") ?? "Custom";
    if (typeof value !== "string" || typeof type !== "string")
      return declined(
        invalidPart(
          site,
          "connectionstrings",
          `${name} has no value`,
          'Write { "value": "...", "type": "SQLAzure" }.',
        ),
      );
    entries.push([name, { value, type }]);
  }
  return found(Object.fromEntries(entries));
}

function invalidPart(site: Site, part: string, what: string, fix: string): Problem {
  return { code: "InvalidSiteConfig", what, fix, where: `${site.id}/config/${part}` };
}
