/**
 * `ase az`: runs the user's az with a configuration of its own, signed in to this installation.
 *
 * The first call registers the cloud and signs in; az's own settings are never touched. With
 * --print-env it prints what other clients need.
 */
import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

import { declined, found, type Result } from "../../base/problem.ts";
import {
  type AzClient,
  azClient,
  type AzHome,
  azVariables,
  isJoined,
  openAzHome,
  type Place,
  readPlace,
  rememberJoined,
  sdkVariables,
  shimFor,
} from "../az-home.ts";
import { EXIT } from "../refusals.ts";
import { type Ending, type Session, withServer } from "../session.ts";

const CLOUD = "OpenASE";

type Ready = { readonly az: AzHome; readonly client: AzClient; readonly place: Place };

export type AzOptions = { readonly printEnv: boolean; readonly signIn: boolean };

/** Ends with az's own exit code. */
export async function az(
  session: Session,
  words: readonly string[],
  { printEnv, signIn }: AzOptions,
): Ending {
  if (printEnv) return await printEnvironment(session);
  const program = findProgram("az", process.env["PATH"] ?? "");
  if (!program.ok) return program;
  const ready = await prepare(session);
  if (!ready.ok) return ready;
  const variables = { ...process.env, ...azVariables(ready.value.az), ...shim(program.value) };
  const run = { program: program.value, variables };
  if (signIn || !isJoined(ready.value.az)) {
    const joined = await session.terminal.during("Signing az in", () =>
      joinCloud(run, ready.value),
    );
    if (!joined.ok) return joined;
  }
  return found(await runOpenly(run, words));
}

/** What a shell may take over: eval "$(ase az --print-env)". */
async function printEnvironment(session: Session): Ending {
  const ready = await prepare(session);
  if (!ready.ok) return ready;
  const { az: home, client, place } = ready.value;
  const program = findProgram("az", process.env["PATH"] ?? "");
  const variables = {
    ...azVariables(home),
    ...(program.ok ? shim(program.value) : {}),
    ...sdkVariables(home, client, place),
  };
  for (const [name, value] of Object.entries(variables))
    session.terminal.print(`export ${name}=${quoted(value)}`);
  // The secret itself is read where it is needed, and printed nowhere.
  session.terminal.print(`export AZURE_CLIENT_SECRET="$(cat ${quoted(home.secretFile)})"`);
  return found(EXIT.done);
}

async function prepare(session: Session): Promise<Result<Ready>> {
  return await withServer(session, async (client, server): Promise<Result<Ready>> => {
    const opened = openAzHome(session.home, server);
    if (!opened.ok) return opened;
    const place = await readPlace(client);
    if (!place.ok) return place;
    const known = await azClient(client, opened.value, place.value);
    if (!known.ok) return known;
    const { clientId, isNew, objectId } = known.value;
    // An address that is not its own makes the next `ase az` sign in.
    if (isNew) rememberJoined({ ...opened.value, origin: "" }, { clientId, objectId });
    return found({ az: opened.value, client: { clientId, objectId }, place: place.value });
  });
}

type Run = { readonly program: string; readonly variables: NodeJS.ProcessEnv };

async function joinCloud(run: Run, { az: home, client, place }: Ready): Promise<Result<"joined">> {
  const cloud = ["-n", CLOUD, "--cloud-config", `@${home.cloudFile}`];
  const registered = await runQuietly(run, ["cloud", "register", ...cloud]);
  if (!registered.ok) {
    const updated = await runQuietly(run, ["cloud", "update", ...cloud]);
    if (!updated.ok) return registered;
  }
  const steps = [
    ["cloud", "set", "-n", CLOUD],
    [
      ...["login", "--service-principal", "--tenant", place.tenant, "--username", client.clientId],
      // az reads the file; the secret stands in no argument.
      ...["--password", `@${home.secretFile}`],
    ],
  ];
  for (const step of steps) {
    const done = await runQuietly(run, step);
    if (!done.ok) return done;
  }
  rememberJoined(home, client);
  return found("joined");
}

function runQuietly(
  { program, variables }: Run,
  words: readonly string[],
): Promise<Result<"done">> {
  return new Promise((resolve) => {
    const child = spawn(program, [...words], {
      env: variables,
      stdio: ["ignore", "ignore", "pipe"],
    });
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
    const failed = (why: string) =>
      resolve(
        declined({
          code: "AzNotJoined",
          what: `az ${words.slice(0, 2).join(" ")} failed: ${why.trim().split("\n").at(-1) ?? ""}`,
          fix: "Check that az runs by itself (az version), then try again.",
        }),
      );
    child.once("error", (error) => failed(error.message));
    child.once("close", (code) => (code === 0 ? resolve(found("done")) : failed(said)));
  });
}

function runOpenly({ program, variables }: Run, words: readonly string[]): Promise<number> {
  return new Promise((resolve) => {
    const child = spawn(program, [...words], { env: variables, stdio: "inherit" });
    // Ctrl-C is az's: it ends by itself, and then so do we.
    const ignore = () => undefined;
    process.on("SIGINT", ignore);
    child.once("error", () => resolve(EXIT.notAsWanted));
    child.once("close", (code) => {
      process.off("SIGINT", ignore);
      resolve(code ?? EXIT.notAsWanted);
    });
  });
}

function shim(program: string): Readonly<Record<string, string>> {
  const folder = shimFor(program);
  const before = process.env["PYTHONPATH"];
  if (folder === undefined) return {};
  return {
    PYTHONPATH: before === undefined ? folder : `${folder}${delimiter}${before}`,
    // Python would keep its compiled form beside it, in the program's own folder.
    PYTHONDONTWRITEBYTECODE: "1",
  };
}

function findProgram(name: string, path: string): Result<string> {
  for (const folder of path.split(delimiter)) {
    const file = join(folder, name);
    try {
      accessSync(file, constants.X_OK);
      return found(file);
    } catch {
      // Looked for in the next folder.
    }
  }
  return declined({
    code: "AzMissing",
    what: "there is no az in PATH",
    fix: "Install Azure's command line, for example: apt-get install azure-cli.",
  });
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
