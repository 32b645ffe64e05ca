/**
 * Waiting until an environment is healthy and its apps answer.
 *
 * Looks and judges only; what is deployed before stands in commands/up.ts.
 */
import { request as httpRequest } from "node:http";
import { setTimeout as pause } from "node:timers/promises";

import { declined, found, type Problem, type Result } from "../base/problem.ts";
import { appHostName, doorwayDomain } from "../environment/names.ts";
import type { Client } from "./client.ts";
import { readEvents, shortSubject } from "./events.ts";
import type { RunningServer } from "./home.ts";
import { listAt, textAt } from "./read.ts";
import { listEnvironments, listSites, type Environment, type Site } from "./resources.ts";

/** What is looked at: everything of one resource group. */
export type Wish = { readonly subscription: string; readonly group: string };
export type Standing = {
  readonly environments: readonly Environment[];
  readonly sites: readonly Site[];
};

const LOOK_EVERY_MS = 100;
/** Illness of this length is no teething trouble. */
const PATIENCE_MS = 20_000;
const LONGEST_WAIT_MS = 5 * 60_000;
const ANSWER_WITHIN_MS = 3_000;

export async function waitUntilUp(
  client: Client,
  server: RunningServer,
  wish: Wish,
  say: (detail: string) => void,
): Promise<Result<Standing>> {
  const begun = Date.now();
  let illSince: number | undefined;
  let open: Problem = notYet("nothing was seen yet");
  while (Date.now() - begun < LONGEST_WAIT_MS) {
    const standing = await look(client, wish);
    if (!standing.ok) return standing;
    const ill = standing.value.environments.find(({ health }) =>
      /^(Unhealthy|Suspended)/.test(health),
    );
    illSince = ill === undefined ? undefined : (illSince ?? Date.now());
    if (
      ill !== undefined &&
      (ill.health.startsWith("Suspended") || PATIENCE_MS < Date.now() - (illSince ?? 0))
    )
      return declined(illness(ill));
    const failed = standing.value.environments.find((one) => one.provisioningState === "Failed");
    if (failed !== undefined) return declined(illness(failed));
    const missing = await firstMissing(client, server, standing.value);
    if (missing === undefined) return standing;
    open = missing;
    say(missing.what);
    await pause(LOOK_EVERY_MS);
  }
  return declined({ ...open, what: `${open.what} after ${LONGEST_WAIT_MS / 60_000} minutes` });
}

/** Tells `say` of events as they happen until the work ends. */
export async function tellEvents<Value>(
  client: Client,
  say: (detail: string) => void,
  work: () => Promise<Value>,
): Promise<Value> {
  let working = true;
  const begun = await readEvents(client, Number.MAX_SAFE_INTEGER, 0);
  const tell = async () => {
    let last = begun.ok ? begun.value.newest : 0;
    while (working) {
      const page = await readEvents(client, last, 0);
      if (!page.ok) return;
      const newest = page.value.events.at(-1);
      last = newest?.sequence ?? last;
      if (newest !== undefined) say(`${shortSubject(newest.subject)} ${newest.message}`.trim());
      await pause(2 * LOOK_EVERY_MS);
    }
  };
  const telling = tell();
  try {
    return await work();
  } finally {
    working = false;
    await telling;
  }
}

async function look(client: Client, { subscription, group }: Wish): Promise<Result<Standing>> {
  const environments = await listEnvironments(client, subscription);
  if (!environments.ok) return environments;
  const sites = await listSites(client, subscription);
  if (!sites.ok) return sites;
  const here = (one: { readonly group: string }) => one.group.toLowerCase() === group.toLowerCase();
  return found({
    environments: environments.value.filter(here),
    sites: sites.value.filter(here),
  });
}

/** What is not as wished yet; undefined when everything stands. */
async function firstMissing(
  client: Client,
  server: RunningServer,
  { environments, sites }: Standing,
): Promise<Problem | undefined> {
  for (const { name, health, provisioningState } of environments)
    if (!health.startsWith("Healthy") || provisioningState !== "Succeeded")
      return notYet(`environment ${name} is ${health || provisioningState || "being made"}`);
  for (const site of sites.filter(({ state }) => state !== "Stopped")) {
    const environment = environments.find(({ name }) => sameName(name, site.environment));
    if (environment === undefined) continue;
    const answer =
      environment.kind === "External" && server.fabric === "linux"
        ? await answerAtDoorway(site, server)
        : await stateOfPrograms(client, site);
    if (answer !== "good") return notYet(`app ${site.name} ${answer}`);
  }
  return undefined;
}

/** Asks for the app through the doorway, the VIP, a front end and a worker. */
async function answerAtDoorway(site: Site, server: RunningServer): Promise<string> {
  const host = appHostName(site.name, doorwayDomain(site.environment));
  return await new Promise((resolve) => {
    const call = httpRequest(
      { host: "127.0.0.1", port: server.httpPort, path: "/", agent: false, headers: { host } },
      (response) => {
        response.resume();
        const { statusCode = 0 } = response;
        resolve(statusCode < 500 ? "good" : `answers ${statusCode}`);
      },
    );
    call.setTimeout(ANSWER_WITHIN_MS, () => call.destroy(new Error("no answer in time")));
    call.on("error", (error) => resolve(`does not answer: ${error.message}`));
    call.end();
  });
}

/** Apps of an Internal environment answer inside the VNet only: their programs' state is read. */
async function stateOfPrograms(client: Client, site: Site): Promise<string> {
  const world = await client.get("/openase/world");
  if (!world.ok) return world.problem.what;
  const named = listAt(world.value, "hosts")
    .flatMap((host) => listAt(host, "programs"))
    .filter((program) => isOfSite(textAt(program, "name") ?? "", site.name));
  const states = named.map((program) => textAt(program, "state") ?? "unknown");
  if (states.length === 0) return "has no instance yet";
  return states.find((state) => state !== "running") ?? "good";
}

function isOfSite(program: string, site: string): boolean {
  const [one, other] = [program.toLowerCase(), site.toLowerCase()];
  return (
    one === other ||
    one.startsWith(`${other}-`) ||
    one.endsWith(`-${other}`) ||
    one.endsWith(`/${other}`)
  );
}

function sameName(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}

function notYet(what: string): Problem {
  return { code: "NotUpYet", what, fix: "Look at `ase status`, `ase hosts` and `ase events`." };
}

function illness({ name, id, health, provisioningState }: Environment): Problem {
  const suspended = health.startsWith("Suspended");
  return {
    code: suspended ? "EnvironmentSuspended" : "EnvironmentUnhealthy",
    what: `environment ${name} is not healthy: ${health || provisioningState}`,
    where: id,
    fix: suspended
      ? `Repair what is named, then run \`ase resume ${name}\`.`
      : "Repair the rule or route that is named; `ase events` tells when it passes again.",
  };
}
