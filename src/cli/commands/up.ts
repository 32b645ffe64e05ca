/**
 * `ase up`: from a template to an environment that is healthy and apps that answer.
 *
 * All input is read before anything is started. Safe to repeat: what stands is left standing.
 */
import { rmSync } from "node:fs";
import { basename, resolve } from "node:path";
import { fileURLToPath } from "node:url";

import { propertyAt, readJson, type JsonValue } from "../../arm/json.ts";
import { declined, found, type Result } from "../../base/problem.ts";
import type { AppContent } from "../arguments.ts";
import type { Client } from "../client.ts";
import { deployContentOnceDeclared, type Content } from "../deploy-app.ts";
import {
  DEFAULT_PORTS,
  readIfThere,
  readRunningServer,
  type Home,
  type RunningServer,
} from "../home.ts";
import { textAt } from "../read.ts";
import { EXIT, type ExitCode } from "../refusals.ts";
import {
  doorwayUrls,
  paths,
  readAccount,
  type Account,
  type Environment,
  type Site,
} from "../resources.ts";
import { startServer } from "../server.ts";
import { withServer, type Ending, type Session } from "../session.ts";
import { formatJson, type OutputFormat } from "../table.ts";
import { readTemplateFiles, type TemplateFiles } from "../template-file.ts";
import type { Terminal } from "../terminal.ts";
import { tellEvents, waitUntilUp, type Standing } from "../wait-until-up.ts";
import { readContent } from "../zip-folder.ts";
import { INTERNAL_USE, virtualRows } from "./listings.ts";

export type UpOptions = {
  readonly template?: string;
  readonly parameters?: string;
  readonly resourceGroup: string;
  readonly app: readonly AppContent[];
  readonly apiPort?: number;
  readonly httpPort?: number;
  readonly httpsPort?: number;
  readonly suspendAfter?: number;
  readonly fabric: "linux" | "simulated";
  readonly output: OutputFormat;
};

const EXAMPLES = fileURLToPath(new URL("../../../examples/", import.meta.url));
/** What `ase up` alone brings up; its app is named by the output `appName`. */
const SAMPLE = resolve(EXAMPLES, "external/azuredeploy.json");
const SAMPLE_PARAMETERS = resolve(EXAMPLES, "external/azuredeploy.parameters.json");
const SAMPLE_APP = resolve(EXAMPLES, "hello-app");
/** As the sample's template names it. */
const SAMPLE_APP_NAME = "hello";

export async function up(session: Session, options: UpOptions): Ending {
  const isSample = options.template === undefined || resolve(options.template) === SAMPLE;
  const parameters =
    options.parameters ?? (options.template === undefined ? SAMPLE_PARAMETERS : undefined);
  const files = readTemplateFiles(options.template ?? SAMPLE, parameters);
  if (!files.ok) return files;
  const sampleApp = isSample && options.app.length === 0 ? readContent(SAMPLE_APP) : undefined;
  if (sampleApp?.ok === false) return sampleApp;
  const contents: Content[] =
    sampleApp === undefined ? [] : [{ name: SAMPLE_APP_NAME, zip: sampleApp.value }];
  for (const { name, source } of options.app) {
    const zip = readContent(source);
    if (!zip.ok) return zip;
    contents.push({ name, zip: zip.value });
  }
  const { terminal, home } = session;
  const started = await ensureServer(terminal, home, options);
  if (!started.ok) return started;
  return await withServer(session, async (client, server) => {
    const account = await readAccount(client);
    if (!account.ok) return account;
    const group = { ...account.value, group: options.resourceGroup };
    const outputs = await terminal.during(
      `Deploying ${basename(options.template ?? SAMPLE)}`,
      (say) => tellEvents(client, say, () => deploy(client, group, files.value, contents)),
    );
    if (!outputs.ok) return outputs;
    const standing = await terminal.during("Waiting for health and answers", (say) =>
      waitUntilUp(client, server, group, say),
    );
    if (!standing.ok) return standing;
    const reports = await readReports(client, standing.value);
    if (!reports.ok) return reports;
    showFirstOwner(terminal, home);
    return found(
      report(terminal, server, {
        reports: reports.value,
        outputs: outputs.value,
        format: options.output,
      }),
    );
  });
}

/** Shown once: what is kept of the secret from then on is a hash. */
function showFirstOwner(terminal: Terminal, home: Home): void {
  const text = readIfThere(home.firstOwner);
  const read = text === undefined ? undefined : readJson(text, home.firstOwner);
  if (read?.ok !== true) return;
  rmSync(home.firstOwner, { force: true });
  terminal.note(
    [
      "The owner of this installation, for Azure's clients. The secret is shown this once; keep it.",
      `  Client id  ${textAt(read.value, "clientId") ?? ""}`,
      `  Secret     ${textAt(read.value, "secret") ?? ""}`,
      `  Tenant     ${textAt(read.value, "tenantId") ?? ""}`,
      "  `ase` and `ase az` need none of this: their own key lies in the home.",
      "",
    ].join("\n"),
  );
}

async function ensureServer(
  terminal: Terminal,
  home: Home,
  options: UpOptions,
): Promise<Result<RunningServer>> {
  const ports = {
    api: options.apiPort ?? DEFAULT_PORTS.api,
    http: options.httpPort ?? DEFAULT_PORTS.http,
    https: options.httpsPort ?? DEFAULT_PORTS.https,
  };
  const running = readRunningServer(home);
  if (running === undefined)
    return await terminal.during("Starting the server", () =>
      startServer(home, {
        ports,
        ...(options.suspendAfter !== undefined && { suspendAfterMs: options.suspendAfter }),
        ...(options.fabric === "simulated" && { fabric: options.fabric }),
      }),
    );
  const differs =
    (options.apiPort ?? running.apiPort) !== running.apiPort ||
    (options.httpPort ?? running.httpPort) !== running.httpPort ||
    (options.httpsPort ?? running.httpsPort) !== running.httpsPort ||
    options.suspendAfter !== undefined;
  if (!differs) return found(running);
  return declined({
    code: "ServerAlreadyRuns",
    what:
      `the server already runs with API port ${running.apiPort} and doors ` +
      `${running.httpPort} and ${running.httpsPort}; ports and --suspend-after are taken at its start`,
    where: home.folder,
    fix: "Leave these options away, or run `ase down` first.",
  });
}

/**
 * Answers with the deployment's outputs. Content goes in as soon as its site is declared, so that
 * apps start on it while the rest is made.
 */
async function deploy(
  client: Client,
  { subscription, location, group }: Account & { readonly group: string },
  { name, template, parameters }: TemplateFiles,
  contents: readonly Content[],
): Promise<Result<JsonValue>> {
  const made = await client.carryOut({
    method: "PUT",
    path: paths.group(subscription, group),
    body: { location },
  });
  if (!made.ok) return made;
  let isDeploying = true;
  const deploying = client
    .carryOut({
      method: "PUT",
      path: paths.deployment(subscription, group, name),
      body: { properties: { mode: "Incremental", template, parameters } },
    })
    .finally(() => (isDeploying = false));
  const sending = contents.map((content) =>
    deployContentOnceDeclared(client, subscription, content, () => isDeploying),
  );
  const [deployed, ...sent] = await Promise.all([deploying, ...sending]);
  if (!deployed.ok) return deployed;
  return sent.find((one) => !one.ok) ?? found(outputsOf(deployed.value));
}

function outputsOf(deployment: JsonValue): JsonValue {
  return propertyAt(deployment, "properties", "outputs") ?? {};
}

async function readReports(
  client: Client,
  { environments, sites }: Standing,
): Promise<Result<readonly EnvironmentReport[]>> {
  const reports: EnvironmentReport[] = [];
  for (const environment of environments) {
    const virtual = await client.get(paths.web(environment.id, "/capacities/virtualip"));
    if (!virtual.ok) return virtual;
    const isOwn = (site: Site) => site.environment.toLowerCase() === environment.name.toLowerCase();
    reports.push({
      environment,
      addresses: virtualRows(virtual.value),
      sites: sites.filter(isOwn),
    });
  }
  return found(reports);
}

type UpReport = {
  readonly reports: readonly EnvironmentReport[];
  readonly outputs: JsonValue;
  readonly format: OutputFormat;
};

function report(
  terminal: Terminal,
  server: RunningServer,
  { reports, outputs, format }: UpReport,
): ExitCode {
  const environments = reports.map((one) => reportAsJson(one, server));
  if (format === "json") terminal.print(formatJson({ outputs, environments }));
  else if (reports.length === 0) terminal.print("Deployed. The template declares no environment.");
  else for (const one of reports) printReport(terminal, one, server);
  return EXIT.done;
}

type EnvironmentReport = {
  readonly environment: Environment;
  readonly addresses: readonly { readonly address: string; readonly use: string }[];
  readonly sites: readonly Site[];
};

function reportAsJson(
  { environment, addresses, sites }: EnvironmentReport,
  server: RunningServer,
): JsonValue {
  return {
    id: environment.id,
    name: environment.name,
    kind: environment.kind,
    health: environment.health,
    addresses: addresses.map(({ address, use }) => ({ address, use })),
    apps: sites.map((site) => ({
      name: site.name,
      hostNames: site.hostNames,
      urls:
        environment.kind === "External" && server.fabric === "linux"
          ? Object.values(doorwayUrls(site, server))
          : [],
    })),
  };
}

function printReport(
  terminal: Terminal,
  { environment, addresses, sites }: EnvironmentReport,
  server: RunningServer,
): void {
  const { name, kind, health, subnet } = environment;
  const network = subnet.split("/")[0] ?? subnet;
  const line = (title: string, text: string) => terminal.print(`  ${title.padEnd(22)}  ${text}`);
  terminal.print(
    `${terminal.tone("strong", `Environment ${name}`)} (${kind}): ${terminal.tone("good", health)}`,
  );
  line("Subnet", subnet);
  for (const { use, address } of addresses) line(use, address);
  for (const site of sites) {
    terminal.print("");
    terminal.print(`${terminal.tone("strong", `App ${site.name}`)}: ${site.state}`);
    line("Host names", site.hostNames.join(", "));
    const host = site.hostNames[0] ?? site.name;
    if (server.fabric === "simulated") line("Simulated", "no program runs, nothing answers");
    else if (kind === "External") {
      const urls = doorwayUrls(site, server);
      line("From this machine", urls.http);
      line("", `${urls.https}  (certificate of this installation's own authority)`);
      line("From the world outside", `ase exec --at internet -- curl -s http://${host}/`);
    } else {
      line("From inside the VNet", insideCommand(host, network, addresses));
    }
  }
  terminal.print("");
}

/** Names of an internal environment are the customer's to publish: the command brings its own. */
function insideCommand(
  host: string,
  network: string,
  addresses: readonly { readonly use: string; readonly address: string }[],
): string {
  const internal = addresses.find(({ use }) => use === INTERNAL_USE)?.address;
  const resolved = internal === undefined ? "" : `--resolve ${host}:80:${internal} `;
  return `ase exec --at vnet/${network} -- curl -s ${resolved}http://${host}/`;
}
