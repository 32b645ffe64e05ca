/** `ase addresses`: who holds which address since when, how far a subnet reaches, what changed hands. */
import { property, type JsonValue } from "../../arm/json.ts";
import { found, type Result } from "../../base/problem.ts";
import type { Client } from "../client.ts";
import { integerAt, itemsOf, listAt, textAt } from "../read.ts";
import { EXIT } from "../refusals.ts";
import { paths, type Environment } from "../resources.ts";
import { withServer, type Ending, type Session } from "../session.ts";
import type { OutputFormat } from "../table.ts";
import { readEnvironments, virtualRows } from "./listings.ts";

type Options = {
  readonly output: OutputFormat;
  readonly forecast?: boolean;
  readonly history?: boolean;
};

const NOTHING = "No environment is declared.";

export function addresses(session: Session, options: Options): Ending {
  if (options.forecast === true) return forecast(session, options);
  return options.history === true ? history(session, options) : ledger(session, options);
}

async function ledger(session: Session, { output }: Options): Ending {
  return await withServer(session, async (client) => {
    const all = await ofEach(client, ["/capacities/virtualip", "/addressLedger"]);
    if (!all.ok) return all;
    const rows = all.value.flatMap(({ environment, answers: [virtual = null, held = null] }) => [
      ...virtualRows(virtual).map((row) => ({ environment: environment.name, since: "", ...row })),
      ...itemsOf(held).map((entry) => ({
        environment: environment.name,
        address: textAt(entry, "address") ?? "",
        use: textAt(entry, "use") ?? "",
        host: textAt(entry, "host") ?? "",
        since: shortTime(textAt(entry, "since")),
      })),
    ]);
    session.terminal.list({
      format: output,
      rows,
      columns: [
        { title: "Environment", of: ({ environment }) => environment },
        { title: "Address", of: ({ address }) => address },
        { title: "Use", of: ({ use }) => use },
        { title: "Host", of: ({ host }) => host },
        { title: "Since", of: ({ since }) => since },
      ],
      json: all.value.map(({ environment, answers: [virtual = null, held = null] }) => ({
        environment: environment.name,
        addresses: property(virtual, "properties") ?? null,
        ledger: itemsOf(held),
      })),
      empty: NOTHING,
    });
    return found(EXIT.done);
  });
}

const REACH: Readonly<Record<string, string>> = {
  scales: "yes",
  rests: "at rest; changing the size of all at once does not fit",
  "too small": "no",
};

async function forecast(session: Session, { output }: Options): Ending {
  return await withServer(session, async (client) => {
    const all = await ofEach(client, ["/addressForecast"]);
    if (!all.ok) return all;
    const rows = all.value.flatMap(({ environment, answers: [answer = null] }) =>
      listAt(answer, "steps").map((step) => ({ environment, answer, step })),
    );
    session.terminal.list({
      format: output,
      rows,
      columns: [
        { title: "Environment", of: ({ environment }) => environment.name },
        {
          title: "Instances",
          of: ({ answer, step }) => {
            const count = integerAt(step, "instances");
            return count === integerAt(answer, "instances") ? `${count} (now)` : String(count);
          },
        },
        { title: "AtRest", of: ({ step }) => String(integerAt(step, "atRest")) },
        { title: "WhileScaling", of: ({ step }) => String(integerAt(step, "whileScaling")) },
        { title: "Fits", of: ({ step }) => REACH[textAt(step, "reach") ?? ""] },
      ],
      json: all.value.map(({ answers: [answer = null] }) => answer),
      empty: NOTHING,
    });
    if (output === "table")
      for (const { environment, answers } of all.value)
        session.terminal.print(inOneSentence(environment.name, answers[0] ?? null));
    return found(EXIT.done);
  });
}

/** For example: demo uses 14 of the 256 addresses of 10.1.1.0/24; it has room for 201 instances. */
function inOneSentence(name: string, answer: JsonValue): string {
  const count = (at: string) => integerAt(answer, at) ?? 0;
  const subnet = textAt(answer, "subnet", "prefix") ?? "its subnet";
  return (
    `\n${name} uses ${count("used")} of the ${count("size")} addresses of ${subnet}. ` +
    `There is room for ${count("mostInstances")} instances; a plan of up to ` +
    `${count("mostWhileScaling")} can change its size in place.`
  );
}

async function history(session: Session, { output }: Options): Ending {
  return await withServer(session, async (client) => {
    const all = await ofEach(client, ["/addressHistory"]);
    if (!all.ok) return all;
    const rows = all.value.flatMap(({ environment, answers: [answer = null] }) =>
      itemsOf(answer).map((entry) => ({ environment, entry })),
    );
    session.terminal.list({
      format: output,
      rows,
      columns: [
        { title: "Time", of: ({ entry }) => shortTime(textAt(entry, "time")) },
        { title: "Environment", of: ({ environment }) => environment.name },
        { title: "Address", of: ({ entry }) => textAt(entry, "address") },
        { title: "Change", of: ({ entry }) => textAt(entry, "change") },
        { title: "Holder", of: ({ entry }) => textAt(entry, "holder") },
      ],
      json: all.value.map(({ environment, answers: [answer = null] }) => ({
        environment: environment.name,
        history: itemsOf(answer),
      })),
      empty: NOTHING,
    });
    return found(EXIT.done);
  });
}

type OfOne = { readonly environment: Environment; readonly answers: readonly JsonValue[] };

async function ofEach(client: Client, below: readonly string[]): Promise<Result<readonly OfOne[]>> {
  const environments = await readEnvironments(client);
  if (!environments.ok) return environments;
  const all: OfOne[] = [];
  for (const environment of environments.value) {
    const answers: JsonValue[] = [];
    for (const path of below) {
      const answer = await client.get(paths.web(environment.id, path));
      if (!answer.ok) return answer;
      answers.push(answer.value);
    }
    all.push({ environment, answers });
  }
  return found(all);
}

/** To the second. */
function shortTime(text: string | undefined): string {
  return text === undefined ? "" : text.replace("T", " ").replace(/\.\d+Z$/, "Z");
}
