/** Files, or a running server, to resources: what `ase check`, `diff` and `explain` begin with. */
import type { JsonObject } from "../../arm/json.ts";
import { isJsonObject } from "../../arm/json.ts";
import { declined, found, type Problem, type Result } from "../../base/problem.ts";
import type { CheckRequest } from "../../check/check.ts";
import { readInputs } from "../../check/inputs/read-inputs.ts";
import type { LoadBalancingMode } from "../../environment/kind.ts";
import { serviceTagAnswer, type ServiceTags } from "../../network/service-tags.ts";
import type { Cidr } from "../../network/prefix.ts";
import { readBeside, readCheckFiles, readParameterWords } from "../check-files.ts";
import { EXIT, type ExitCode } from "../refusals.ts";
import type { Session } from "../session.ts";
import { readTagFile } from "../tag-file.ts";

export type InputOptions = {
  readonly parameters: readonly string[];
  readonly environment?: string;
  readonly subnet?: string;
  readonly mode?: LoadBalancingMode;
  readonly resourceGroup?: string;
  readonly tags?: string;
  readonly server?: boolean;
};

export type ReadRequest = CheckRequest & { readonly warnings: readonly Problem[] };

export async function readRequest(
  session: Session,
  files: readonly string[],
  options: InputOptions,
): Promise<Result<ReadRequest>> {
  const tags = readTagFile(options.tags);
  if (!tags.ok) return tags;
  const server = options.server === true ? await serverResources(session) : found([]);
  if (!server.ok) return server;
  if (files.length === 0 && options.server !== true)
    return declined({
      code: "NothingToRead",
      what: "no file is given",
      fix: "Name a template, JSON of az or a Terraform plan, `-` for stdin, or give --server.",
    });
  const texts = readCheckFiles(files);
  if (!texts.ok) return texts;
  const parameters = readParameterWords(options.parameters);
  if (!parameters.ok) return parameters;
  const read = readInputs({
    files: texts.value,
    ...parameters.value,
    server: server.value,
    readBeside,
    isServiceTag: (name) => serviceTagAnswer(tags.value, name),
    ...(options.resourceGroup === undefined ? {} : { resourceGroup: options.resourceGroup }),
  });
  if (!read.ok) return read;
  const { resources, origins, notes, warnings, missing } = read.value;
  return found({
    resources,
    placeOf: (key) => origins.get(key),
    tag: prefixesIn(tags.value),
    notes,
    warnings,
    missing,
    ...(options.environment === undefined ? {} : { environment: options.environment }),
    ...(options.subnet === undefined ? {} : { subnet: options.subnet }),
    ...(options.mode === undefined ? {} : { mode: options.mode }),
  });
}

/** Whatever is declined here is the input's fault: exit code 2, never that of a verdict. */
export function refuse({ terminal }: Session, problem: Problem): Result<ExitCode> {
  terminal.complain(problem);
  return found(EXIT.wrongUse);
}

/** The same list for the same tag every time: sets are kept by the identity of their list. */
function prefixesIn(tags: ServiceTags): (name: string) => readonly Cidr[] | undefined {
  return (name) => {
    const known = tags.canonical(name);
    return known === undefined ? undefined : tags.prefixes(known);
  };
}

/** Types whose resources say something about a network. */
const READ_TYPES = [
  ["Microsoft.Network/virtualNetworks", "2021-08-01"],
  ["Microsoft.Network/networkSecurityGroups", "2021-08-01"],
  ["Microsoft.Network/routeTables", "2021-08-01"],
  ["Microsoft.Network/networkInterfaces", "2021-08-01"],
  ["Microsoft.Network/applicationSecurityGroups", "2021-08-01"],
  ["Microsoft.Web/hostingEnvironments", "2022-03-01"],
  ["Microsoft.Web/serverfarms", "2022-03-01"],
  ["Microsoft.Web/sites", "2022-03-01"],
] as const;

/** Loaded only when asked for: most checks need no server. */
async function serverResources(session: Session): Promise<Result<readonly JsonObject[]>> {
  const [{ withServer }, { readAccount }, { itemsOf }] = await Promise.all([
    import("../session.ts"),
    import("../resources.ts"),
    import("../read.ts"),
  ]);
  return await withServer(session, async (client) => {
    const account = await readAccount(client);
    if (!account.ok) return account;
    const all: JsonObject[] = [];
    for (const [type, version] of READ_TYPES) {
      const path = `/subscriptions/${account.value.subscription}/providers/${type}?api-version=${version}`;
      const answer = await client.get(path);
      if (!answer.ok) return answer;
      all.push(...itemsOf(answer.value).filter(isJsonObject));
    }
    return found(all);
  });
}
