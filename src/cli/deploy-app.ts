/** Sends an app's content as a zip and waits until the instances have it. */
import { found, type Result } from "../base/problem.ts";
import type { Client } from "./client.ts";
import { findByName, listSites, paths, type Site } from "./resources.ts";

export async function deployContent(
  client: Client,
  subscription: string,
  content: { readonly name: string; readonly zip: Buffer },
): Promise<Result<Site>> {
  const sites = await listSites(client, subscription);
  if (!sites.ok) return sites;
  const site = findByName(sites.value, content.name, "app");
  if (!site.ok) return site;
  const path = paths.web(site.value.id, "/extensions/zipdeploy");
  const done = await client.carryOut({ method: "POST", path, body: content.zip });
  return done.ok ? found(site.value) : done;
}
