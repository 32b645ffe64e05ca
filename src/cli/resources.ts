/**
 * Environments, plans and apps as the API tells them, found by their names.
 *
 * Paths and readings only; what is done with them stands in commands/.
 */
import { canonicalId, nameOf, parseResourceId } from "../arm/ids.ts";
import { property, propertyAt, type JsonValue } from "../arm/json.ts";
import { declined, found, type Result } from "../base/problem.ts";
import { appHostName, doorwayDomain } from "../environment/names.ts";
import type { Client } from "./client.ts";
import type { RunningServer } from "./home.ts";
import { itemsOf, textAt, textsAt } from "./read.ts";

const WEB = "api-version=2022-03-01";
const RESOURCES = "api-version=2021-04-01";

export const paths = {
  group: (subscription: string, group: string) =>
    `/subscriptions/${subscription}/resourcegroups/${encodeURIComponent(group)}?${RESOURCES}`,
  deployment: (subscription: string, group: string, name: string) =>
    `/subscriptions/${subscription}/resourcegroups/${encodeURIComponent(group)}` +
    `/providers/Microsoft.Resources/deployments/${encodeURIComponent(name)}?${RESOURCES}`,
  all: (subscription: string, type: "hostingEnvironments" | "sites" | "serverfarms") =>
    `/subscriptions/${subscription}/providers/Microsoft.Web/${type}?${WEB}`,
  /** A resource of Microsoft.Web, or what hangs under one: `{id}/suspend`. */
  web: (id: string, below = "") => `${id}${below}?${WEB}`,
};

/** The one subscription of an installation, and its region. */
export type Account = { readonly subscription: string; readonly location: string };

export async function readAccount(client: Client): Promise<Result<Account>> {
  const answer = await client.get("/openase/version");
  if (!answer.ok) return answer;
  const subscription = textAt(answer.value, "subscriptionId");
  const location = textAt(answer.value, "location");
  if (subscription !== undefined && location !== undefined)
    return found({ subscription, location });
  return declined({
    code: "UnexpectedAnswer",
    what: "the server names no subscription",
    fix: "The server is of another version: run `ase down`, then `ase up`.",
  });
}

export type Environment = {
  readonly id: string;
  readonly name: string;
  readonly group: string;
  readonly kind: "External" | "Internal";
  readonly subnet: string;
  readonly provisioningState: string;
  /** `Ready`, `Preparing`, `Suspended`. */
  readonly status: string;
  /** The words of the last check: `Healthy`, `Unhealthy: ...`. */
  readonly health: string;
  /** What works and yet asks for something to be done. */
  readonly notices: readonly string[];
  readonly domain: string;
  readonly raw: JsonValue;
};

export type Site = {
  readonly id: string;
  readonly name: string;
  readonly group: string;
  readonly state: string;
  readonly plan: string;
  /** Name of its environment. */
  readonly environment: string;
  readonly hostNames: readonly string[];
  readonly raw: JsonValue;
};

export async function listEnvironments(
  client: Client,
  subscription: string,
): Promise<Result<readonly Environment[]>> {
  const list = await client.get(paths.all(subscription, "hostingEnvironments"));
  return list.ok ? found(itemsOf(list.value).map(readEnvironment)) : list;
}

export async function listSites(
  client: Client,
  subscription: string,
): Promise<Result<readonly Site[]>> {
  const list = await client.get(paths.all(subscription, "sites"));
  return list.ok ? found(itemsOf(list.value).map(readSite)) : list;
}

/** The resource of that name, whatever its casing; the fix names those there are. */
export function findByName<Item extends { readonly name: string }>(
  items: readonly Item[],
  name: string,
  what: "app" | "environment",
): Result<Item> {
  const match = items.find((item) => item.name.toLowerCase() === name.toLowerCase());
  if (match !== undefined) return found(match);
  const names = items.map((item) => item.name).join(", ");
  return declined({
    code: what === "app" ? "AppNotFound" : "EnvironmentNotFound",
    what: `there is no ${what} named "${name}"`,
    fix: names === "" ? `Deploy one with \`ase up\`.` : `Choose one of: ${names}.`,
  });
}

export function readEnvironment(raw: JsonValue): Environment {
  const properties = property(raw, "properties");
  const mode = textAt(properties, "internalLoadBalancingMode") ?? "None";
  const subnet =
    textAt(properties, "virtualNetwork", "id") ?? textAt(properties, "vnetSubnetName") ?? "";
  return {
    id: textAt(raw, "id") ?? "",
    name: textAt(raw, "name") ?? "",
    group: groupIn(textAt(raw, "id")),
    kind: mode === "None" || mode === "Publishing" ? "External" : "Internal",
    subnet: shortSubnet(subnet, textAt(properties, "virtualNetwork", "subnet")),
    provisioningState: textAt(properties, "provisioningState") ?? "",
    status: textAt(properties, "status") ?? "",
    health: textAt(properties, "environmentStatus") ?? "",
    notices: textsAt(properties, "notices"),
    domain: textAt(properties, "dnsSuffix") ?? "",
    raw,
  };
}

export function readSite(raw: JsonValue): Site {
  const properties = property(raw, "properties");
  const profile = propertyAt(properties, "hostingEnvironmentProfile");
  return {
    id: textAt(raw, "id") ?? "",
    name: textAt(raw, "name") ?? "",
    group: groupIn(textAt(raw, "id")),
    state: textAt(properties, "state") ?? "",
    plan: lastName(textAt(properties, "serverFarmId")),
    environment: textAt(profile, "name") ?? lastName(textAt(profile, "id")),
    hostNames: textsAt(properties, "hostNames"),
    raw,
  };
}

/** Where a browser on this machine reaches an app of an External environment. */
export function doorwayUrls(site: Site, server: RunningServer): { http: string; https: string } {
  const host = appHostName(site.name, doorwayDomain(site.environment));
  return {
    http: `http://${host}:${server.httpPort}/`,
    https: `https://${host}:${server.httpsPort}/`,
  };
}

function groupIn(id: string | undefined): string {
  const parsed = parseResourceId(id ?? "");
  return parsed.ok ? (parsed.value.resourceGroup ?? "") : "";
}

function lastName(id: string | undefined): string {
  const parsed = parseResourceId(id ?? "");
  return parsed.ok ? nameOf(parsed.value) : "";
}

/** `network/subnet` for a table. */
function shortSubnet(id: string, subnet: string | undefined): string {
  const canonical = canonicalId(id);
  const parsed = parseResourceId(canonical.ok ? canonical.value : id);
  if (!parsed.ok) return [id, subnet].filter((part) => part).join("/");
  const names = parsed.value.names;
  return (names.length === 1 && subnet !== undefined ? [...names, subnet] : names).join("/");
}
