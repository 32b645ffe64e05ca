/** The sample environment with as many instances of the bench's own app as wanted. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { EXAMPLES, there, type BenchWorld } from "./world.ts";

export const HELLO_APP = fileURLToPath(new URL("hello", import.meta.url));
export const SITE = "hello";
export const HOST = "hello.demo.p.azurewebsites.net";

type Up = {
  readonly environments: readonly {
    readonly addresses: readonly { readonly use: string; readonly address: string }[];
  }[];
};

/** Brings it up; answers with the public inbound address. */
export async function bringUpSample(world: BenchWorld, instanceCount: number): Promise<string> {
  const parameters = join(world.folder, "bench.parameters.json");
  writeFileSync(
    parameters,
    JSON.stringify({ parameters: { instanceCount: { value: instanceCount } } }),
  );
  const said = await world.ase(
    ...["up", ...world.portOptions, "-o", "json"],
    ...["--template", join(EXAMPLES, "external", "azuredeploy.json"), "--parameters", parameters],
    ...["--app", `${SITE}=${HELLO_APP}`],
  );
  const { environments } = JSON.parse(said) as Up;
  const addresses = environments.flatMap((one) => one.addresses);
  return there(
    addresses.find(({ use }) => use === "Public inbound")?.address,
    "the environment has a public address",
  );
}
