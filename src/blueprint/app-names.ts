/**
 * Whom apps ask for names: the DNS servers their worker was told, or those of their settings, and
 * the platform's resolver for what these cannot resolve. The platform itself does not ask here.
 *
 * Only who is asked in which order; asking is services/app-resolver.ts.
 *
 * @article Customer DNS
 */
import { DEPENDENCY_PORTS, PLATFORM_ADDRESS } from "../environment/ports.ts";
import { addressAt, parseCidr, parseIpv4, type Ipv4 } from "../network/prefix.ts";
import type { App, Endpoint, Host } from "./blueprint.ts";

/** Settings of an app that name DNS servers of its own. */
const SETTINGS = ["WEBSITE_DNS_SERVER", "WEBSITE_DNS_ALT_SERVER"] as const;
/** Where resolvers listen inside a host: the first for all apps, others for one app each. */
const LOOPBACK = "127.53.0.0/16";
const SHARED = 1;

/** @param siteNumber 1.. and the site's own: apps with settings have a resolver of their own */
export function namesOf(
  settings: App["settings"],
  host: Host,
  siteNumber: number,
): App["names"] | undefined {
  const own = SETTINGS.flatMap((name) => {
    const address = parseIpv4(settings[name] ?? "");
    return address.ok ? [address.value] : [];
  });
  if (own.length > 0) return { resolver: loopback(SHARED + siteNumber), servers: own };
  const { dnsServers = [] } = host;
  return dnsServers.length === 0 ? undefined : { resolver: loopback(SHARED), servers: dnsServers };
}

/** The program that answers a worker's apps; none where all of them ask the platform. */
export function resolverOf(host: Host, apps: readonly App[]): readonly Endpoint[] {
  const { dnsServers = [] } = host;
  const shared =
    dnsServers.length === 0 ? [] : [{ resolver: loopback(SHARED), servers: dnsServers }];
  const asked = new Map(
    [...shared, ...apps.flatMap(({ names }) => names ?? [])].map((one) => [one.resolver, one]),
  );
  if (asked.size === 0) return [];
  const platform = PLATFORM_ADDRESS as Ipv4;
  return [
    {
      kind: "endpoint",
      name: "resolver",
      service: "app-resolver",
      address: host.place.address,
      port: DEPENDENCY_PORTS.dns,
      asks: [...asked.values()].map(({ resolver, servers }) => ({
        at: resolver,
        servers: [...new Set([...servers, platform])],
      })),
    },
  ];
}

function loopback(offset: number): Ipv4 {
  const prefix = parseCidr(LOOPBACK);
  if (!prefix.ok) throw new Error("broken promise: loopback is a prefix");
  return addressAt(prefix.value, offset);
}
