/**
 * The environment an app wakes up in: its settings and what the platform tells every app.
 *
 * Pure. Settings win over defaults but not over what the platform alone knows (the port, the site).
 */
import { createHash } from "node:crypto";

import type { App, Host } from "../blueprint/blueprint.ts";
import { NODE_INSIDE, TOOLS_INSIDE, WWWROOT_INSIDE } from "./sandbox.ts";

/** Part of a worker's memory that the heap of one Node program may take before it must tidy up. */
const HEAP_SHARE = 0.8;

export function appEnvironment(app: App, host: Host): Readonly<Record<string, string>> {
  const settings = Object.fromEntries(
    Object.entries(app.settings).filter(([name, value]) => isVariable(name, value)),
  );
  return {
    ...defaults(app),
    ...settings,
    ...Object.fromEntries(
      Object.entries(settings).map(([name, value]) => [`APPSETTING_${name}`, value]),
    ),
    ...platform(app, host),
  };
}

/** 64 hexadecimal digits that stay while the worker lives. */
export function instanceId(hostName: string): string {
  return createHash("sha256").update(hostName).digest("hex");
}

function defaults(app: App): Readonly<Record<string, string>> {
  const heapMb = Math.max(64, Math.floor(app.limits.memoryMb * HEAP_SHARE));
  return {
    LANG: "C.UTF-8",
    NODE_ENV: "production",
    NODE_OPTIONS: `--max-old-space-size=${heapMb}`,
    PATH: [
      `${WWWROOT_INSIDE}/node_modules/.bin`,
      NODE_INSIDE.slice(0, NODE_INSIDE.lastIndexOf("/")),
      TOOLS_INSIDE,
      "/usr/local/bin:/usr/bin:/bin",
    ].join(":"),
  };
}

function platform(app: App, host: Host): Readonly<Record<string, string>> {
  const { subscription, group } = ownersOf(app.siteId);
  const id = instanceId(host.name);
  const [server, alternative] = app.names?.servers ?? [];
  return {
    ...(server === undefined ? {} : { WEBSITE_DNS_SERVER: server }),
    ...(alternative === undefined ? {} : { WEBSITE_DNS_ALT_SERVER: alternative }),
    COMPUTERNAME: host.name,
    HOME: "/home",
    HTTP_PLATFORM_PORT: `${app.port}`,
    PORT: `${app.port}`,
    PWD: WWWROOT_INSIDE,
    SERVER_PORT: `${app.port}`,
    TMPDIR: "/tmp",
    USER: "app",
    WEBSITE_COMPUTE_MODE: "Dedicated",
    WEBSITE_INSTANCE_ID: id,
    WEBSITE_OWNER_NAME: `${subscription}+${group}`,
    WEBSITE_PRIVATE_IP: app.address,
    WEBSITE_RESOURCE_GROUP: group,
    WEBSITE_ROLE_INSTANCE_ID: host.name,
    WEBSITE_SITE_NAME: app.site,
  };
}

function ownersOf(siteId: string): { readonly subscription: string; readonly group: string } {
  const parts = siteId.split("/");
  const after = (word: string): string => {
    const at = parts.findIndex((part) => part.toLowerCase() === word);
    return at === -1 ? "" : (parts[at + 1] ?? "");
  };
  return { subscription: after("subscriptions"), group: after("resourcegroups") };
}

/** The kernel cannot carry others; the ARM API refuses them before. */
function isVariable(name: string, value: string): boolean {
  return name !== "" && !/[=\0]/.test(name) && !value.includes("\0");
}
