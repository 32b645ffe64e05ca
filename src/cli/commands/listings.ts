/** `ase status`, `addresses`, `hosts` and `app list`: what there is, as the API tells it. */
import { property, type JsonValue } from "../../arm/json.ts";
import { found, type Result } from "../../base/problem.ts";
import type { Client } from "../client.ts";
import { readRunningServer } from "../home.ts";
import { integerAt, listAt, textAt, textsAt } from "../read.ts";
import { EXIT } from "../refusals.ts";
import {
  doorwayUrls,
  listEnvironments,
  listSites,
  readAccount,
  type Environment,
} from "../resources.ts";
import { withServer, type Ending, type Session } from "../session.ts";
import type { OutputFormat } from "../table.ts";

type Output = { readonly output: OutputFormat };

/** Exit code 1 when the server is down or an environment is not healthy. */
export async function status(session: Session, { output }: Output): Ending {
  const { terminal, home } = session;
  if (readRunningServer(home) === undefined) {
    if (output === "json") terminal.print(JSON.stringify({ running: false, home: home.folder }));
    else terminal.print(`No server runs for ${home.folder}. Start it with \`ase up\`.`);
    return found(EXIT.notAsWanted);
  }
  return await withServer(session, async (client, server) => {
    const environments = await readEnvironments(client);
    if (!environments.ok) return environments;
    terminal.list({
      format: output,
      rows: environments.value,
      columns: [
        { title: "Name", of: ({ name }) => name },
        { title: "ResourceGroup", of: ({ group }) => group },
        { title: "Kind", of: ({ kind }) => kind },
        { title: "Subnet", of: ({ subnet }) => subnet },
        { title: "Provisioning", of: ({ provisioningState }) => provisioningState },
        { title: "Status", of: (one) => one.status },
        { title: "Health", of: ({ health }) => health.split(":", 1)[0] ?? "" },
      ],
      json: {
        running: true,
        pid: server.pid,
        apiPort: server.apiPort,
        httpPort: server.httpPort,
        httpsPort: server.httpsPort,
        environments: environments.value.map(({ raw }) => raw),
      },
      empty:
        "The server runs; no environment is declared. Deploy a template with `ase up --template FILE`.",
    });
    if (output === "table") environments.value.forEach((one) => explainHealth(session, one));
    const ill = environments.value.some((environment) => !isHealthy(environment));
    return found(ill ? EXIT.notAsWanted : EXIT.done);
  });
}

/** One line per cause (the flow, what it met, what stopped it), and one for what is left to do. */
function explainHealth({ terminal }: Session, { name, health, notices }: Environment): void {
  const causes = health.split(": ").slice(1).join(": ");
  const lines = [...(causes === "" ? [] : causes.split("; ")), ...notices];
  if (lines.length === 0) return;
  terminal.print("");
  terminal.print(`${name}:`);
  for (const line of lines) terminal.print(`  ${line}`);
}

export function isHealthy({ health, provisioningState }: Environment): boolean {
  return provisioningState === "Succeeded" && /^Healthy\b/.test(health);
}

/** How the address of an internal load balancer is listed. */
export const INTERNAL_USE = "Internal load balancer";

/** @article ASE IP addresses */
export function virtualRows(
  virtual: JsonValue,
): readonly { address: string; use: string; host: string }[] {
  const properties = property(virtual, "properties");
  const row = (use: string, address: string | undefined) =>
    address === undefined ? [] : [{ address, use, host: "" }];
  return [
    ...row("Public inbound", textAt(properties, "serviceIpAddress")),
    ...row(INTERNAL_USE, textAt(properties, "internalIpAddress")),
    ...textsAt(properties, "outboundIpAddresses").flatMap((one) => row("Outbound", one)),
    ...listAt(properties, "vipMappings").map((own) => ({
      address: textAt(own, "virtualIP") ?? "",
      use: `App ${textAt(own, "serviceName") ?? "(spare)"}`,
      host: `ports ${integerAt(own, "internalHttpPort") ?? ""} (HTTP), ${integerAt(own, "internalHttpsPort") ?? ""} (HTTPS)`,
    })),
  ];
}

export async function hosts(session: Session, { output }: Output): Ending {
  return await withServer(session, async (client) => {
    const world = await client.get("/openase/world");
    if (!world.ok) return world;
    session.terminal.list({
      format: output,
      rows: listAt(world.value, "hosts"),
      columns: [
        { title: "Name", of: (host) => textAt(host, "name") },
        { title: "Role", of: (host) => textAt(host, "role") },
        { title: "Place", of: (host) => textAt(host, "place") },
        { title: "Address", of: (host) => textAt(host, "address") },
        { title: "Programs", of: (host) => programsText(listAt(host, "programs")) },
      ],
      json: world.value,
      empty: "The world is empty.",
    });
    return found(EXIT.done);
  });
}

function programsText(programs: readonly JsonValue[]): string {
  return programs
    .map((program) => {
      const state = textAt(program, "state") ?? "";
      const problem = textAt(program, "problem", "what");
      const why = problem === undefined ? "" : `: ${problem}`;
      return state === "running"
        ? textAt(program, "name")
        : `${textAt(program, "name")} (${state}${why})`;
    })
    .join(", ");
}

export async function listApps(session: Session, { output }: Output): Ending {
  return await withServer(session, async (client, server) => {
    const account = await readAccount(client);
    if (!account.ok) return account;
    const sites = await listSites(client, account.value.subscription);
    if (!sites.ok) return sites;
    const environments = await listEnvironments(client, account.value.subscription);
    if (!environments.ok) return environments;
    const external = new Set(
      environments.value
        .filter(({ kind }) => kind === "External")
        .map(({ name }) => name.toLowerCase()),
    );
    session.terminal.list({
      format: output,
      rows: sites.value,
      columns: [
        { title: "Name", of: ({ name }) => name },
        { title: "Environment", of: ({ environment }) => environment },
        { title: "Plan", of: ({ plan }) => plan },
        { title: "State", of: ({ state }) => state },
        { title: "HostName", of: ({ hostNames }) => hostNames[0] },
        {
          title: "Url",
          of: (site) =>
            external.has(site.environment.toLowerCase())
              ? doorwayUrls(site, server).http
              : "inside the VNet only",
        },
      ],
      json: sites.value.map(({ raw }) => raw),
      empty: "No app is declared.",
    });
    return found(EXIT.done);
  });
}

export async function readEnvironments(client: Client): Promise<Result<readonly Environment[]>> {
  const account = await readAccount(client);
  return account.ok ? await listEnvironments(client, account.value.subscription) : account;
}
