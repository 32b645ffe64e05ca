/**
 * An installation for tests of clients: the product's own server with home and ports of its own,
 * over a world in memory, so that it stands within a second and needs no root.
 *
 * The same API as over a real world; only packets and programs are missing.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import type { JsonValue } from "../../../src/arm/json.ts";
import { type Answer, type Client, openClient, readDoor } from "../../../src/cli/client.ts";
import { findHome, type Home } from "../../../src/cli/home.ts";
import { endServer, startServer } from "../../../src/cli/server.ts";
import { readAccount } from "../../../src/cli/resources.ts";
import { freePorts } from "../../support/machine.ts";
import { good } from "../../support/world.ts";

export const ASE = fileURLToPath(new URL("../../../ase", import.meta.url));

export type ClientServer = {
  readonly home: Home;
  /** `https://localhost:PORT`. */
  readonly origin: string;
  readonly subscription: string;
  readonly location: string;
  /** One request by the command line's own key. */
  readonly ask: (method: string, path: string, body?: JsonValue) => Promise<Answer>;
  /** Sends, follows the operation to its end; a refusal fails the test. */
  readonly arm: (method: string, path: string, body?: JsonValue) => Promise<JsonValue>;
  /** What `ase az --print-env` prints, as a child process takes it; the secret among it. */
  readonly variables: () => Record<string, string>;
  /** Runs `ase` with words, as a person does. */
  readonly ase: (...words: readonly string[]) => string;
  readonly close: () => Promise<void>;
};

export async function openClientServer(): Promise<ClientServer> {
  const folder = mkdtempSync(join(tmpdir(), "ase-clients-"));
  const home = findHome({ ASE_HOME: folder }, 0);
  const [api = 0, http = 0, https = 0] = await freePorts(3);
  let client: Client | undefined;
  const close = async () => {
    client?.close();
    const ended = await endServer(home, "purge");
    rmSync(folder, { recursive: true, force: true });
    good(ended);
  };
  try {
    const wish = { ports: { api, http, https }, fabric: "simulated" } as const;
    const server = good(await startServer(home, wish));
    const opened = openClient(good(readDoor(home, server)));
    client = opened;
    const { location, subscription } = good(await readAccount(opened));
    const requestOf = (method: string, path: string, body?: JsonValue) => ({
      method,
      path,
      ...(body === undefined ? {} : { body }),
    });
    const environment = { ...process.env, ASE_HOME: folder, NO_COLOR: "1" };
    const ase = (...words: readonly string[]) =>
      execFileSync(ASE, [...words], { encoding: "utf8", env: environment, stdio: "pipe" });
    return {
      home,
      origin: `https://localhost:${api}`,
      subscription,
      location,
      ask: async (method, path, body) => good(await opened.ask(requestOf(method, path, body))),
      arm: async (method, path, body) =>
        good(await opened.carryOut(requestOf(method, path, body)), `${method} ${path}`),
      variables: () => readVariables(ase("az", "--print-env")),
      ase,
      close,
    };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

/** As a shell reads them. */
function readVariables(printed: string): Record<string, string> {
  const shell = execFileSync("/bin/sh", ["-c", `${printed}\nenv -0`], {
    encoding: "utf8",
    env: { PATH: process.env["PATH"] ?? "" },
  });
  return Object.fromEntries(
    shell
      .split("\0")
      .filter((line) => line !== "")
      .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
  );
}
