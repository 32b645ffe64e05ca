/** Sends an app's content as a zip and waits until the instances have it. */
import { setTimeout as pause } from "node:timers/promises";

import { found, type Result } from "../base/problem.ts";
import type { Client } from "./client.ts";
import { findByName, listSites, paths, type Site } from "./resources.ts";

export type Content = { readonly name: string; readonly zip: Buffer };

const LOOK_EVERY_MS = 20;

export async function deployContent(
  client: Client,
  subscription: string,
  { name, zip }: Content,
): Promise<Result<Site>> {
  const sites = await listSites(client, subscription);
  if (!sites.ok) return sites;
  const site = findByName(sites.value, name, "app");
  if (!site.ok) return site;
  const path = paths.web(site.value.id, "/extensions/zipdeploy");
  const done = await client.carryOut({ method: "POST", path, body: zip });
  return done.ok ? found(site.value) : done;
}

/**
 * The same for a site that a deployment under way declares: sent as soon as it is there.
 * @param isDeploying false: what is not there now will not come
 */
export async function deployContentOnceDeclared(
  client: Client,
  subscription: string,
  content: Content,
  isDeploying: () => boolean,
): Promise<Result<Site>> {
  // Asked before looking: what was declared last is then seen.
  for (let more = isDeploying(); more; more = isDeploying()) {
    const sites = await listSites(client, subscription);
    if (!sites.ok) return sites;
    if (findByName(sites.value, content.name, "app").ok) break;
    await pause(LOOK_EVERY_MS);
  }
  return deployContent(client, subscription, content);
}
