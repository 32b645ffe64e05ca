/**
 * Templates to written resources: evaluated as a deployment would, nested and linked ones too,
 * with nothing deployed. Steps that ask for a resource of another file wait until it was read.
 */
import type { Sources } from "../../arm/evaluate.ts";
import type { Place as Where } from "../../arm/functions/place.ts";
import {
  isJsonObject,
  type JsonObject,
  type JsonValue,
  property,
  readJsonObject,
  withoutProperties,
} from "../../arm/json.ts";
import { tailsOf } from "../../arm/linked.ts";
import { formatPlace, type Places } from "../../arm/places.ts";
import {
  evaluateOutputs,
  openStep,
  type Plan,
  planDeployment,
  type Step,
} from "../../arm/template.ts";
import { declined, found, type Problem, ProblemError, type Result } from "../../base/problem.ts";
import type { InputFile, InputRequest } from "./inputs.ts";
import { Known, KNOWN_ONLY_IN_AZURE } from "./known.ts";
import { type GivenParameters, parametersFor } from "./parameters.ts";
import type { Written } from "./written.ts";

export type TemplateFile = {
  readonly file: InputFile;
  readonly template: JsonObject;
  /** Of the deployment the template is part of, and of a parameters file beside it in a folder. */
  readonly own: JsonObject;
};

export type TemplatesRequest = {
  readonly templates: readonly TemplateFile[];
  readonly given: GivenParameters;
  /** What the other files describe: templates may ask for it. */
  readonly described: readonly Written[];
  readonly group: { readonly name: string; readonly location: string };
  readonly subscription: string;
  readonly files: readonly InputFile[];
  readonly readBeside: InputRequest["readBeside"];
};

export type TemplatesReading = {
  readonly written: readonly Written[];
  readonly notes: readonly Problem[];
  readonly warnings: readonly Problem[];
  readonly missing: readonly Problem[];
  /** Names of files that others link to. */
  readonly linked: ReadonlySet<string>;
};

export function readTemplates(request: TemplatesRequest, places: Places): Result<TemplatesReading> {
  const reading = new Reading(request, places);
  return reading.run();
}

/** A step of a plan and the template it stands in, for places. */
type Pending = { readonly plan: Plan; readonly step: Step; readonly root: JsonObject };

/** Has a life: written resources gather until no step can be opened any more. */
class Reading {
  readonly #request: TemplatesRequest;
  readonly #places: Places;
  readonly #known = new Known();
  readonly #written: Written[] = [];
  readonly #notes: Problem[] = [];
  readonly #warnings: Problem[] = [];
  readonly #missing: Problem[] = [];
  readonly #problems: Problem[] = [];
  readonly #linked = new Set<string>();
  readonly #outputs: (() => JsonObject)[] = [];

  constructor(request: TemplatesRequest, places: Places) {
    this.#request = request;
    this.#places = places;
  }

  run(): Result<TemplatesReading> {
    for (const one of this.#request.described) this.#known.learn(one);
    let pending: readonly Pending[] = [];
    // A template whose parameters name outputs of others comes after them.
    const { templates } = this.#request;
    const later = templates.filter((one) => this.#asksOutputs(one));
    const sooner = templates.filter((one) => !later.includes(one));
    for (const one of [...sooner, ...later]) {
      pending = this.#settle([...pending, ...this.#begin(one)]);
    }
    for (const one of pending) this.#leave(one);
    const [first] = this.#problems;
    if (first !== undefined)
      return declined(this.#problems.length === 1 ? first : several(this.#problems));
    return found({
      written: this.#written,
      notes: this.#notes,
      warnings: this.#warnings,
      missing: this.#missing,
      linked: this.#linked,
    });
  }

  #asksOutputs(one: TemplateFile): boolean {
    const texts = [one.own, ...this.#request.given.files.map(({ parameters }) => parameters)];
    const declared = property(one.template, "parameters");
    const names = isJsonObject(declared) ? Object.keys(declared) : [];
    return texts.some((parameters) =>
      names.some((name) => {
        const value = property(property(parameters, name), "value");
        return typeof value === "string" && /^GET[-_]PREREQ/i.test(value);
      }),
    );
  }

  #begin({ file, template, own }: TemplateFile): readonly Pending[] {
    const outputs = (name: string): JsonValue | undefined => {
      for (const read of this.#outputs) {
        const value = property(property(read(), name), "value");
        if (value !== undefined) return value;
      }
      return undefined;
    };
    const parameters = parametersFor(
      { name: file.name, json: template, own },
      this.#request.given,
      outputs,
      this.#places,
    );
    if (!parameters.ok) {
      this.#problems.push(parameters.problem);
      return [];
    }
    this.#notes.push(...parameters.value.notes);
    this.#missing.push(...parameters.value.missing);
    const plan = planDeployment({
      template,
      parameters: parameters.value.parameters,
      place: this.#where(file, template),
      sources: this.#sources(file),
    });
    if (!plan.ok) {
      this.#problems.push(this.#located(plan.problem, template));
      return [];
    }
    this.#outputs.push(() => this.#outputsOf(plan.value));
    return plan.value.steps.map((step) => ({ plan: plan.value, step, root: template }));
  }

  /** Opens what can be opened, again and again while that helps. */
  #settle(all: readonly Pending[]): readonly Pending[] {
    let pending = all;
    for (;;) {
      const before = pending.length;
      const later: Pending[] = [];
      let opened = 0;
      const open = [...pending];
      for (let next = open.shift(); next !== undefined; next = open.shift()) {
        const inner = this.#open(next);
        if (inner === "later") later.push(next);
        else {
          opened += 1;
          open.unshift(...inner);
        }
      }
      pending = later;
      if (opened === 0 || later.length === 0 || before === 0) return pending;
    }
  }

  /** @returns the steps of a nested template, or that something is not known yet */
  #open(pending: Pending): readonly Pending[] | "later" {
    const { plan, step, root } = pending;
    if (step.existing) return [];
    let asked = false;
    const opened = openStep(plan, step, (call) => {
      asked = true;
      return this.#known.runtime(call);
    });
    if (!opened.ok) {
      if (asked || opened.problem.code === KNOWN_ONLY_IN_AZURE) return "later";
      this.#problems.push(this.#located(opened.problem, root));
      return [];
    }
    const { declaration } = opened.value;
    if (opened.value.kind === "deployment") {
      const nested = opened.value.plan;
      const template = property(declaration.properties, "template");
      this.#known.learnOutputs(declaration.id, () => this.#outputsOf(nested));
      return nested.steps.map((one) => ({
        plan: nested,
        step: one,
        root: isJsonObject(template) ? template : root,
      }));
    }
    const place = this.#places.of(step.instance.body);
    this.#write({
      id: declaration.id,
      body: declaration.body,
      format: "template",
      isPut: true,
      ...(place === undefined ? {} : { place }),
    });
    return [];
  }

  #write(written: Written): void {
    this.#written.push(written);
    this.#known.learn(written);
  }

  /** A step that asks what only Azure could tell. */
  #leave({ plan, step, root }: Pending): void {
    const bare =
      step.type.toLowerCase() === "microsoft.web/sites" ? withoutConfig(step) : undefined;
    if (bare !== undefined && this.#open({ plan, step: bare, root }) !== "later") return;
    const opened = openStep(plan, step, this.#known.runtime);
    if (opened.ok) return;
    const located = this.#located(opened.problem, root);
    const what = `${step.type} "${step.name}" uses a value that is known only in Azure: ${located.what}`;
    const fix =
      "Make the value a parameter and give it, or give the file of the resource it is asked of.";
    if (mattersToNetworks(step.type))
      this.#problems.push({ ...located, code: KNOWN_ONLY_IN_AZURE, what, fix });
    else
      this.#warnings.push({
        ...located,
        code: "LeftOut",
        what: `${what}; it is left out, and no flow depends on it`,
        fix,
      });
  }

  #outputsOf(plan: Plan): JsonObject {
    const entries = Object.entries(plan.outputs).flatMap(([name, output]) => {
      const read = evaluateOutputs({ ...plan, outputs: { [name]: output } }, this.#known.runtime);
      return read.ok ? Object.entries(read.value) : [];
    });
    return Object.fromEntries(entries);
  }

  #located(problem: Problem, root: JsonObject): Problem {
    const place = this.#places.along(root, problem.where ?? "") ?? this.#places.of(root);
    const details = problem.details?.map((one) => this.#located(one, root));
    const inside = problem.where;
    // A file that could not be read names its own line.
    const where =
      place === undefined || /:\d+:\d+$/.test(inside ?? "")
        ? inside
        : `${formatPlace(place)}${inside === undefined ? "" : ` (${inside})`}`;
    return {
      ...problem,
      ...(where === undefined ? {} : { where }),
      ...(details === undefined ? {} : { details }),
    };
  }

  #where(file: InputFile, template: JsonObject): Where {
    const { group, subscription } = this.#request;
    const schema = property(template, "$schema");
    const toGroup = typeof schema !== "string" || /\/deploymentTemplate\.json/i.test(schema);
    const base = file.name.split("/").at(-1) ?? file.name;
    return {
      subscription: { id: subscription, tenantId: subscription, displayName: "subscription" },
      ...(toGroup ? { resourceGroup: { ...group, tags: {} } } : {}),
      deployment: {
        name: base.replace(/\.[^.]*$/, ""),
        location: group.location,
        properties: { mode: "Incremental", templateLink: { uri: `${LINK_BASE}${base}` } },
      },
      environment: AZURE,
      now: BEGINNING,
      guidSeed: file.name,
    };
  }

  #sources(main: InputFile): Sources {
    return {
      places: this.#places,
      readLinked: (address, from) => {
        for (const path of tailsOf(address)) {
          const file = this.#find(path, from ?? main.name, main.name);
          if (file === undefined) continue;
          this.#linked.add(file.name);
          const read = readJsonObject(file.text, file.name, this.#places);
          if (read.ok) return read.value;
          throw new ProblemError(read.problem);
        }
        return undefined;
      },
    };
  }

  /** Beside the file with the link, beside the main file, or among the files given. */
  #find(path: string, from: string, main: string): InputFile | undefined {
    const { files, readBeside } = this.#request;
    const given = files.find(({ name }) => name === path || name.endsWith(`/${path}`));
    return given ?? readBeside(from, path) ?? (from === main ? undefined : readBeside(main, path));
  }
}

const LINK_BASE = "https://templates.example/main/";
/** Templates see a time that never moves; nothing of a network depends on it. */
const BEGINNING = "2026-01-01T00:00:00Z";

/** What `environment()` answers in the public cloud. */
const AZURE: JsonObject = {
  name: "AzureCloud",
  gallery: "https://gallery.azure.com/",
  graph: "https://graph.windows.net/",
  portal: "https://portal.azure.com",
  graphAudience: "https://graph.windows.net/",
  activeDirectoryDataLake: "https://datalake.azure.net/",
  batch: "https://batch.core.windows.net/",
  media: "https://rest.media.azure.net",
  sqlManagement: "https://management.core.windows.net:8443/",
  resourceManager: "https://management.azure.com/",
  authentication: {
    loginEndpoint: "https://login.microsoftonline.com/",
    audiences: ["https://management.core.windows.net/", "https://management.azure.com/"],
    tenant: "common",
    identityProvider: "AAD",
  },
  suffixes: {
    acrLoginServer: ".azurecr.io",
    azureDatalakeAnalyticsCatalogAndJob: "azuredatalakeanalytics.net",
    azureDatalakeStoreFileSystem: "azuredatalakestore.net",
    azureFrontDoorEndpointSuffix: "azurefd.net",
    keyvaultDns: ".vault.azure.net",
    sqlServerHostname: ".database.windows.net",
    storage: "core.windows.net",
  },
};

/** An app without its settings, which are what usually asks for keys of other services. */
function withoutConfig(step: Step): Step {
  const { body } = step.instance;
  const properties = property(body, "properties");
  if (!isJsonObject(properties)) return step;
  const kept = withoutProperties(properties, ["siteConfig"]);
  return {
    ...step,
    instance: {
      ...step.instance,
      body: { ...withoutProperties(body, ["properties", "identity"]), properties: kept },
    },
  };
}

/** Types whose absence would change a verdict. */
export function mattersToNetworks(type: string): boolean {
  return /^microsoft\.(network\/(?!dnszones|trafficmanager|networkwatchers|frontdoors)|web\/(hostingenvironments|serverfarms)$|resources\/deployments$)/i.test(
    type,
  );
}

function several(problems: readonly Problem[]): Problem {
  return {
    code: "InvalidInput",
    what: `${problems.length} things in the files cannot be read as they are`,
    fix: "Correct each of them.",
    details: problems,
  };
}
