/** `ase down`, `app deploy`, `exec`, `logs`, `suspend`, `resume`, `reboot` and `rest`: what does something. */
import { setTimeout as pause } from "node:timers/promises";

import { isJsonObject, propertyAt, readJson, type JsonValue } from "../../arm/json.ts";
import { declined, found, type Result } from "../../base/problem.ts";
import type { Client } from "../client.ts";
import { deployContent } from "../deploy-app.ts";
import { timeText } from "../events.ts";
import { integerAt, itemsOf, listAt, textAt } from "../read.ts";
import { EXIT, problemOfAnswer } from "../refusals.ts";
import { findByName, listEnvironments, listSites, paths, readAccount } from "../resources.ts";
import { endServer } from "../server.ts";
import { withServer, type Ending, type Session } from "../session.ts";
import { formatJson, type OutputFormat } from "../table.ts";
import { readJsonFile } from "../template-file.ts";
import { readContent } from "../zip-folder.ts";

export async function down(session: Session, options: { readonly purge: boolean }): Ending {
  const { terminal, home } = session;
  const ended = await terminal.during("Taking the world down", () =>
    endServer(home, options.purge ? "purge" : "keep"),
  );
  if (!ended.ok) return ended;
  if (ended.value !== "") terminal.print(ended.value);
  return found(EXIT.done);
}

export async function deployApp(session: Session, name: string, source: string): Ending {
  const zip = readContent(source);
  if (!zip.ok) return zip;
  return await withServer(session, async (client) => {
    const account = await readAccount(client);
    if (!account.ok) return account;
    const sent = await session.terminal.during(`Deploying the content of ${name}`, () =>
      deployContent(client, account.value.subscription, { name, zip: zip.value }),
    );
    if (!sent.ok) return sent;
    session.terminal.print(`${sent.value.name}: the content of ${source} is deployed.`);
    return found(EXIT.done);
  });
}

/** Ends with the exit code of the command. */
export async function exec(
  session: Session,
  options: { readonly at: string; readonly stdin: boolean },
  argv: readonly string[],
): Ending {
  const input = options.stdin ? await readInput() : undefined;
  return await withServer(session, async (client) => {
    let ending: Awaited<Ending> | undefined;
    const body = { at: options.at, argv, ...(input !== undefined && { input }) };
    const streamed = await client.lines({ method: "POST", path: "/openase/exec", body }, (line) => {
      const read = readJson(line, "answer");
      if (!read.ok) return;
      const stream = textAt(read.value, "stream");
      const exitCode = integerAt(read.value, "exitCode");
      if (stream === "stdout" || stream === "stderr")
        session.terminal.pass(stream, textAt(read.value, "chunk") ?? "");
      else if (exitCode !== undefined) ending = found(exitCode);
      else if (isJsonObject(propertyAt(read.value, "error")))
        ending = declined(problemOfAnswer(read.value, "the command was lost"));
    });
    if (!streamed.ok) return streamed;
    return (
      ending ??
      declined({
        code: "CommandLost",
        what: "the server ended before the command did",
        fix: "Run `ase status`, then try again.",
      })
    );
  });
}

async function readInput(): Promise<string> {
  const chunks: string[] = [];
  process.stdin.setEncoding("utf8");
  for await (const chunk of process.stdin) chunks.push(String(chunk));
  return chunks.join("");
}

type LogOptions = {
  readonly follow: boolean;
  readonly lines: number;
  readonly output: OutputFormat;
};

/** Lines of one app, one host, the platform's log of an environment, or everything. */
export async function logs(
  session: Session,
  about: string | undefined,
  options: LogOptions,
): Ending {
  return await withServer(session, async (client) => {
    const filter = about === undefined ? found("") : await logFilter(client, about);
    if (!filter.ok) return filter;
    let shown: readonly string[] = [];
    for (;;) {
      const answer = await client.get(`/openase/logs?lines=${options.lines}${filter.value}`);
      if (!answer.ok) return answer;
      const items = itemsOf(answer.value);
      const lines = items.map((item) =>
        options.output === "json" ? JSON.stringify(item) : logLine(item),
      );
      if (options.output === "json" && !options.follow) session.terminal.print(formatJson(items));
      else for (const line of newLines(shown, lines)) session.terminal.print(line);
      if (!options.follow) return found(EXIT.done);
      shown = lines;
      await pause(500);
    }
  });
}

/** The lines that came after those already shown: the longest overlap of old end and new start. */
export function newLines(shown: readonly string[], lines: readonly string[]): readonly string[] {
  for (let length = Math.min(shown.length, lines.length); 0 < length; length -= 1) {
    const start = shown.length - length;
    if (lines.slice(0, length).every((line, index) => line === shown[start + index]))
      return lines.slice(length);
  }
  return lines;
}

/** An app's name, else an environment's, else a host's; the fix names all of them. */
async function logFilter(client: Client, about: string): Promise<Result<string>> {
  const account = await readAccount(client);
  if (!account.ok) return account;
  const sites = await listSites(client, account.value.subscription);
  if (!sites.ok) return sites;
  const site = findByName(sites.value, about, "app");
  if (site.ok) return found(`&site=${encodeURIComponent(site.value.name)}`);
  const environments = await listEnvironments(client, account.value.subscription);
  if (!environments.ok) return environments;
  const environment = findByName(environments.value, about, "environment");
  if (environment.ok) return found(`&environment=${encodeURIComponent(environment.value.name)}`);
  const world = await client.get("/openase/world");
  if (!world.ok) return world;
  const hosts = listAt(world.value, "hosts").map((host) => textAt(host, "name") ?? "");
  if (hosts.includes(about)) return found(`&host=${encodeURIComponent(about)}`);
  return declined({
    code: "LogNotFound",
    what: `there is no app, environment or host named "${about}"`,
    fix: `Choose one of: ${[...[...sites.value, ...environments.value].map(({ name }) => name), ...hosts].join(", ")}.`,
  });
}

function logLine(line: JsonValue): string {
  const place = `${textAt(line, "host") ?? ""}/${textAt(line, "program") ?? ""}`;
  return `${timeText(integerAt(line, "time"))}  ${place}  ${textAt(line, "text") ?? ""}`;
}

export type Action = "suspend" | "resume" | "reboot";
const DONE_WORDS = { suspend: "suspended", resume: "resumed", reboot: "rebooted" } as const;

export async function act(session: Session, action: Action, name: string): Ending {
  return await withServer(session, async (client) => {
    const account = await readAccount(client);
    if (!account.ok) return account;
    const all = await listEnvironments(client, account.value.subscription);
    if (!all.ok) return all;
    const environment = findByName(all.value, name, "environment");
    if (!environment.ok) return environment;
    const path = paths.web(environment.value.id, `/${action}`);
    const done = await session.terminal.during(`Asking for ${action}`, () =>
      client.carryOut({ method: "POST", path }),
    );
    if (!done.ok) return done;
    session.terminal.print(
      `${environment.value.name} is being ${DONE_WORDS[action]}; \`ase status\` tells when it is done.`,
    );
    return found(EXIT.done);
  });
}

/** An endpoint of the world's internet is ended, or started again: what follows shows in `ase events`. */
export async function turnEndpoint(session: Session, word: "stop" | "start", name: string): Ending {
  return await withServer(session, async (client) => {
    const path = `/openase/endpoints/${encodeURIComponent(name)}/${word}`;
    const turned = await client.ask({ method: "POST", path });
    if (!turned.ok) return turned;
    session.terminal.print(
      word === "stop"
        ? `${name} is down. \`ase endpoint start ${name}\` starts it again.`
        : `${name} answers again.`,
    );
    return found(EXIT.done);
  });
}

/** A call of the ARM API as it is; operations are followed. `{subscription}` is filled in. */
export async function rest(
  session: Session,
  method: string,
  path: string,
  file: string | undefined,
): Ending {
  const body = file === undefined ? found(undefined) : readJsonFile(file);
  if (!body.ok) return body;
  return await withServer(session, async (client) => {
    const account = await readAccount(client);
    if (!account.ok) return account;
    const filled = path.replaceAll(/\{subscription(Id)?\}/gi, account.value.subscription);
    const request = {
      method: method.toUpperCase(),
      path: filled.startsWith("/") ? filled : `/${filled}`,
    };
    const answer = await client.carryOut(
      body.value === undefined ? request : { ...request, body: body.value },
    );
    if (!answer.ok) return answer;
    if (answer.value !== null) session.terminal.print(formatJson(answer.value));
    return found(EXIT.done);
  });
}
