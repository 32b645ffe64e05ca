/** `ase events`: what happened, oldest first, and what happens while one waits. */
import type { OutputFormat } from "../table.ts";
import { found, type Result } from "../../base/problem.ts";
import type { Client } from "../client.ts";
import { readEvents, shortSubject, type Event } from "../events.ts";
import { EXIT, type ExitCode } from "../refusals.ts";
import { withServer, type Ending, type Session } from "../session.ts";
import type { Terminal } from "../terminal.ts";

const WAIT_SECONDS = 30;
/** Events shown when not following; older ones are in `-o json`. */
const PAGE = 1_000;

export async function events(
  session: Session,
  options: { readonly output: OutputFormat; readonly follow: boolean },
): Ending {
  return await withServer(session, async (client) => {
    const all = await readAll(client);
    if (!all.ok) return all;
    if (options.follow) return await follow(session.terminal, client, all.value, options.output);
    session.terminal.list({
      format: options.output,
      rows: all.value.slice(-PAGE),
      columns: [
        { title: "Time", of: ({ time }) => time },
        { title: "Level", of: ({ level }) => level },
        { title: "Code", of: ({ code }) => code },
        { title: "Subject", of: ({ subject }) => shortSubject(subject) },
        { title: "Message", of: ({ message }) => message },
      ],
      json: all.value.map(({ raw }) => raw),
      empty: "Nothing has happened yet.",
    });
    return found(EXIT.done);
  });
}

async function readAll(client: Client): Promise<Result<readonly Event[]>> {
  const all: Event[] = [];
  for (;;) {
    const page = await readEvents(client, all.at(-1)?.sequence ?? 0, 0);
    if (!page.ok) return page;
    all.push(...page.value.events);
    if (page.value.events.length === 0 || page.value.newest <= (all.at(-1)?.sequence ?? 0))
      return found(all);
  }
}

async function follow(
  terminal: Terminal,
  client: Client,
  past: readonly Event[],
  format: OutputFormat,
): Promise<Result<ExitCode>> {
  let last = past.at(-1)?.sequence ?? 0;
  for (const event of past.slice(-20)) show(terminal, event, format);
  for (;;) {
    const page = await readEvents(client, last, WAIT_SECONDS);
    if (!page.ok) return page;
    for (const event of page.value.events) show(terminal, event, format);
    last = page.value.events.at(-1)?.sequence ?? last;
  }
}

/** One event per line, in JSON too. */
function show(terminal: Terminal, event: Event, format: OutputFormat): void {
  if (format === "json") return terminal.print(JSON.stringify(event.raw));
  const subject = event.subject === "" ? "" : ` [${shortSubject(event.subject)}]`;
  const line = `${event.time}  ${event.level.padEnd(7)}  ${event.code}${subject}  ${event.message}`;
  terminal.print(event.level === "error" ? terminal.tone("bad", line) : line);
}
