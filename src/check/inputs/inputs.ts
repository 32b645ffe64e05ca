/**
 * What the commands that need no server read, and what comes of it: types only.
 *
 * Templates, what `az` prints, Terraform plans and resources of a running server become the same
 * typed resources; where each stood in which file is kept, so that findings can point there.
 */
import type { JsonObject } from "../../arm/json.ts";
import type { Resource } from "../../arm/resources.ts";
import type { ParseContext } from "../../arm/types/body.ts";
import type { Problem } from "../../base/problem.ts";

export type InputFile = {
  /** As the user named it, or `stdin`; findings repeat it. */
  readonly name: string;
  readonly text: string;
  /** True: it lay in a folder that was named; what is nothing of ours is passed over. */
  readonly inFolder?: boolean;
};

export type InputRequest = {
  /** Together they make one network. What each is, its content tells. */
  readonly files: readonly InputFile[];
  /** Parameters files of templates. */
  readonly parameterFiles: readonly InputFile[];
  /** Single parameters, `name=value`; they win over files. */
  readonly parameterValues: Readonly<Record<string, string>>;
  /** Resources of a running server, as its API shows them. */
  readonly server: readonly JsonObject[];
  /** A linked template: the file at `path` from the folder of `file`. */
  readonly readBeside: (file: string, path: string) => InputFile | undefined;
  readonly isServiceTag: ParseContext["isServiceTag"];
  /** Where templates are deployed to; absent: the one group of the other files, or a made-up one. */
  readonly resourceGroup?: string;
  /** Where it is; absent: where the other files are, or a usual region. */
  readonly location?: string;
};

export type InputFormat = "template" | "az" | "terraform";

/** Where a resource, a security rule or a route was written. */
export type Origin = {
  readonly format: InputFormat;
  readonly file: string;
  /** Both from 1. */
  readonly line: number;
  readonly column: number;
  /** Within the file: `resources[3].properties.securityRules[2]`. */
  readonly path: string;
  /** In Terraform's words: `module.net.azurerm_network_security_rule.deny`. */
  readonly address?: string;
};

/** What a file was taken for, for people. */
export type Recognised = {
  readonly file: string;
  /** `an ARM template with parameters.json`. */
  readonly as: string;
};

export type ReadInputs = {
  readonly resources: readonly Resource[];
  /** By key of the resource, rules and routes among them. What came from a server has none. */
  readonly origins: ReadonlyMap<string, Origin>;
  readonly recognised: readonly Recognised[];
  /** Decided by the reader, harmless: a name matched, a file passed over. */
  readonly notes: readonly Problem[];
  /** What could make a verdict less than whole: an unknown type, a value known only in Azure. */
  readonly warnings: readonly Problem[];
  /** Resources that the network needs and no file holds; `where` is who asks for them. */
  readonly missing: readonly Problem[];
};
