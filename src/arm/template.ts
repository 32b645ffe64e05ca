/**
 * From a template and its parameters to a plan: the resources in the order of their dependencies.
 *
 * Names, types, conditions, loops and dependencies are settled when the plan is made; properties
 * are evaluated resource by resource, because they may ask the running world (`openStep`). A
 * nested deployment is a step too: opened, it gives a plan of its own. Nothing is stored or
 * created here.
 */
import { declined, found, type Problem, ProblemError, type Result } from "../base/problem.ts";
import {
  evaluateString,
  evaluateValue,
  loopCount,
  type Runtime,
  type Scope,
  type Sources,
  type UserFunction,
} from "./evaluate.ts";
import type { Place } from "./functions/place.ts";
import { refuse } from "./functions/arguments.ts";
import {
  isJsonArray,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  property,
  propertyAt,
  withoutProperties,
  plainText,
} from "./json.ts";
import { orderInstances } from "./order.ts";
import { definitionOf, isSecure, readParameters, readVariables } from "./parameters.ts";
import { type Instance, listInstances } from "./instances.ts";

export type DeploymentInput = {
  readonly template: JsonObject;
  /** `{ name: { value } }`, as a deployment carries them. */
  readonly parameters: JsonObject;
  readonly place: Place;
  readonly sources?: Sources;
};

export type Plan = {
  readonly place: Place;
  /** In an order in which each stands after what it depends on. */
  readonly steps: readonly Step[];
  /** Values of the parameters as they came to be; secure ones left out. */
  readonly parameters: JsonObject;
  readonly scope: Scope;
  readonly outputs: JsonObject;
};

export type Step = {
  readonly id: string;
  readonly key: string;
  /** Full type, `Microsoft.Network/virtualNetworks/subnets`. */
  readonly type: string;
  /** Full name, `vnet1/ase`. */
  readonly name: string;
  readonly apiVersion: string;
  /** Ids of the steps before it. */
  readonly dependsOn: readonly string[];
  /** Where it stands in the template, `resources[3]`. */
  readonly path: string;
  /** Declared as `existing`: only looked up, never created. */
  readonly existing: boolean;
  readonly instance: Instance;
};

/** A resource with all its expressions evaluated: the body of a PUT. */
export type Declaration = {
  readonly id: string;
  readonly key: string;
  readonly type: string;
  readonly name: string;
  readonly apiVersion: string;
  readonly location?: string;
  readonly kind?: string;
  readonly sku?: JsonObject;
  readonly tags?: JsonObject;
  readonly properties: JsonObject;
  /** Everything a PUT carries: location, kind, sku, tags, properties and what else was written. */
  readonly body: JsonObject;
  readonly dependsOn: readonly string[];
  readonly path: string;
};

export type OpenedStep =
  | { readonly kind: "resource"; readonly declaration: Declaration }
  | { readonly kind: "deployment"; readonly declaration: Declaration; readonly plan: Plan };

export const DEPLOYMENTS = "Microsoft.Resources/deployments";
/** Words of a template resource that are not part of the body of its PUT. */
const TEMPLATE_WORDS = [
  "apiVersion",
  "type",
  "name",
  "dependsOn",
  "condition",
  "copy",
  "resources",
  "comments",
  "scope",
  "existing",
  "import",
  "metadata",
];

export function planDeployment(input: DeploymentInput): Result<Plan> {
  return caught(() => plan(input, undefined));
}

/** Evaluates one step of a plan. Call it when everything before the step is there. */
export function openStep(plan: Plan, step: Step, runtime: Runtime): Result<OpenedStep> {
  return caught(() => {
    const scope: Scope = { ...step.instance.scope, runtime };
    if (step.type.toLowerCase() === DEPLOYMENTS.toLowerCase()) return openDeployment(step, scope);
    return { kind: "resource", declaration: declare(step, evaluated(step, scope, TEMPLATE_WORDS)) };
  });
}

/** The outputs of a deployment whose steps are done: `{ name: { type, value } }`. */
export function evaluateOutputs(plan: Plan, runtime: Runtime): Result<JsonObject> {
  return caught(() => {
    const scope: Scope = { ...plan.scope, runtime };
    const entries: [string, JsonValue][] = [];
    for (const [name, output] of Object.entries(plan.outputs)) {
      const path = `outputs.${name}`;
      const condition = property(output, "condition");
      if (condition !== undefined && evaluateValue(condition, scope, `${path}.condition`) !== true)
        continue;
      const type = property(output, "type") ?? "string";
      // A secret leaves no deployment.
      if (isSecure(type)) entries.push([name, { type }]);
      else entries.push([name, { type, value: outputValue(output, scope, path) }]);
    }
    return Object.fromEntries(entries);
  });
}

function outputValue(output: JsonValue, scope: Scope, path: string): JsonValue {
  const loop = property(output, "copy");
  if (loop === undefined) {
    const value = property(output, "value");
    return evaluateValue(value ?? null, scope, `${path}.value`);
  }
  const count = loopCount(property(loop, "count") ?? null, scope, `${path}.copy.count`);
  return Array.from({ length: count }, (_, index) =>
    evaluateValue(
      property(loop, "input") ?? null,
      { ...scope, loops: [...scope.loops, { name: "", index }] },
      `${path}.copy.input`,
    ),
  );
}

/** Runs a function of this room whose problems are thrown. */
export function caught<Value>(work: () => Value): Result<Value> {
  try {
    return found(work());
  } catch (thrown) {
    if (thrown instanceof ProblemError) return declined(thrown.problem);
    throw thrown;
  }
}

/** @param outer present: expressions of a nested template are evaluated in this scope */
function plan(input: DeploymentInput, outer: Scope | undefined): Plan {
  const { template, place } = input;
  const written = property(template, "resources");
  if (!isJsonArray(written) && !isJsonObject(written))
    invalid(
      "resources",
      "The template has no resources",
      "Add a list named resources, empty if need be.",
    );
  const own = outer === undefined ? ownScope(input) : { scope: outer, values: {} };
  let instances: readonly Instance[] = [];
  const scope: Scope = {
    ...own.scope,
    resolve: (name) => resolveName(instances, name) ?? outer?.resolve(name),
  };
  instances = listInstances(written, scope, place);
  const ordered = orderInstances(instances);
  return {
    place,
    steps: ordered.map(({ instance, dependsOn }) => ({
      id: instance.id,
      key: instance.key,
      type: instance.type,
      name: instance.name,
      apiVersion: instance.apiVersion,
      dependsOn,
      path: instance.path,
      existing: instance.existing,
      instance,
    })),
    parameters: own.values,
    scope,
    outputs: objectAt(template, "outputs"),
  };
}

/** What the expressions of a template see, as far as no resource is needed. Throws ProblemError. */
export function templateScope(input: DeploymentInput): Scope {
  return ownScope(input).scope;
}

function ownScope({ template, parameters, place, sources }: DeploymentInput): {
  readonly scope: Scope;
  readonly values: JsonObject;
} {
  const base: Scope = {
    place,
    functions: readFunctions(property(template, "functions")),
    loops: [],
    lambdas: {},
    parameter: (name) => refuse(`the template has no parameter "${name}"`),
    variable: (name) => refuse(`a parameter's default cannot use variables, here "${name}"`),
    resolve: () => undefined,
    ...(sources === undefined ? {} : { sources }),
  };
  const declared = objectAt(template, "parameters");
  const definitions = objectAt(template, "definitions");
  const { read, values } = readParameters({ declared, definitions }, parameters, (parameter) => ({
    ...base,
    parameter,
  }));
  const withParameters: Scope = { ...base, parameter: read };
  const variable = readVariables(objectAt(template, "variables"), (reader) => ({
    ...withParameters,
    variable: reader,
  }));
  const shown = Object.entries(values).filter(
    ([name]) =>
      !isSecure(property(definitionOf(property(declared, name) ?? {}, definitions), "type")),
  );
  return { scope: { ...withParameters, variable }, values: Object.fromEntries(shown) };
}

function readFunctions(value: JsonValue | undefined): ReadonlyMap<string, UserFunction> {
  const functions = new Map<string, UserFunction>();
  for (const group of isJsonArray(value) ? value : []) {
    const namespace = plainText(property(group, "namespace"));
    for (const [name, body] of Object.entries(objectAt(group, "members"))) {
      const parameters = property(body, "parameters");
      functions.set(`${namespace}.${name}`.toLowerCase(), {
        parameters: isJsonArray(parameters)
          ? parameters.map((parameter) => plainText(property(parameter, "name")))
          : [],
        output: propertyAt(body, "output", "value") ?? null,
      });
    }
  }
  return functions;
}

function resolveName(instances: readonly Instance[], name: string): string | undefined {
  const wanted = name.toLowerCase();
  // One of a loop: `symbol[2]`.
  const [, loop, index] = /^(.+)\[(\d+)\]$/.exec(wanted) ?? [];
  if (loop !== undefined)
    return instances.find(
      (one) =>
        one.symbol?.toLowerCase() === loop && one.scope.loops.at(-1)?.index === Number(index),
    )?.id;
  return (
    instances.find((one) => one.symbol?.toLowerCase() === wanted) ??
    instances.find((one) => one.name.toLowerCase() === wanted) ??
    instances.find((one) => one.name.toLowerCase().endsWith(`/${wanted}`))
  )?.id;
}

function evaluated(step: Step, scope: Scope, without: readonly string[]): JsonObject {
  const { body } = step.instance;
  const value = evaluateValue(withoutProperties(body, without), scope, step.path);
  return isJsonObject(value) ? value : {};
}

function declare(step: Step, body: JsonObject): Declaration {
  const { id, key, type, name, apiVersion, dependsOn, path } = step;
  const location = property(body, "location");
  const kind = property(body, "kind");
  const sku = property(body, "sku");
  const tags = property(body, "tags");
  return {
    id,
    key,
    type,
    name,
    apiVersion,
    ...(typeof location === "string" ? { location } : {}),
    ...(typeof kind === "string" ? { kind } : {}),
    ...(isJsonObject(sku) ? { sku } : {}),
    ...(isJsonObject(tags) ? { tags } : {}),
    properties: objectAt(body, "properties"),
    body,
    dependsOn,
    path,
  };
}

function openDeployment(step: Step, scope: Scope): OpenedStep {
  const { body, place } = step.instance;
  const properties = objectAt(body, "properties");
  const path = `${step.path}.properties`;
  const { template, isLinked } = templateOf(properties, step, scope);
  // The nested template keeps its expressions; it has a scope of its own, or borrows ours.
  const shell = {
    ...body,
    properties: withoutProperties(properties, ["template", "templateLink", "parametersLink"]),
  };
  const opened = evaluateValue(withoutProperties(shell, TEMPLATE_WORDS), scope, step.path);
  const inner = isLinked || isInner(properties);
  const given = parametersOf(properties, scope, path) ?? objectAt(opened, "properties");
  const deployment = {
    name: step.name,
    properties: { ...objectAt(opened, "properties"), template, templateHash: "" },
  };
  const innerPlace: Place = { ...place, deployment };
  const { sources } = scope;
  const input: DeploymentInput = {
    template,
    parameters: objectAt(given, "parameters"),
    place: innerPlace,
    ...(sources === undefined ? {} : { sources }),
  };
  const planned = inPath(`${path}.template`, () => plan(input, inner ? undefined : scope));
  const whole = isJsonObject(opened) ? opened : {};
  const declared = declare(step, {
    ...whole,
    properties: { ...objectAt(whole, "properties"), template },
  });
  return { kind: "deployment", declaration: declared, plan: planned };
}

/** The nested template, or the file that a link leads to. */
function templateOf(
  properties: JsonObject,
  step: Step,
  scope: Scope,
): { readonly template: JsonObject; readonly isLinked: boolean } {
  const own = property(properties, "template");
  if (isJsonObject(own)) return { template: own, isLinked: false };
  const path = `${step.path}.properties.templateLink`;
  const { address, template } = followLink(property(properties, "templateLink"), scope, path);
  if (template !== undefined) {
    scope.sources?.places.graft(properties, "template", template);
    return { template, isLinked: true };
  }
  return invalid(
    path,
    scope.sources === undefined
      ? `The nested deployment "${step.name}" links to a template at ${address || "nothing"}, and links are not followed here`
      : `The nested deployment "${step.name}" links to the template ${address || "of no address"}, and no file here is that`,
    scope.sources === undefined
      ? "Deploy with ase from the folder that holds the linked file, or put the template in place of the link."
      : "Put the linked file beside this one, in the folder that the link names, or name it as another file.",
  );
}

/** Parameters of a link; undefined where there is no link. */
function parametersOf(properties: JsonObject, scope: Scope, path: string): JsonObject | undefined {
  const link = property(properties, "parametersLink");
  if (link === undefined || link === null) return undefined;
  const { address, template } = followLink(link, scope, `${path}.parametersLink`);
  return (
    template ??
    invalid(
      `${path}.parametersLink`,
      `The parameters file ${address || "of no address"} is not here`,
      "Put it beside the template, or write the parameters in place of the link.",
    )
  );
}

function followLink(
  link: JsonValue | undefined,
  scope: Scope,
  path: string,
): { readonly address: string; readonly template?: JsonObject } {
  const written = property(link, "uri") ?? property(link, "relativePath");
  if (typeof written !== "string") return { address: "" };
  const address = plainText(evaluateString(written, scope, path));
  const { sources } = scope;
  const from = sources?.places.of(link)?.file;
  const template = sources?.readLinked(address, from);
  return { address, ...(template === undefined ? {} : { template }) };
}

/** @returns whether a nested template is evaluated on its own; Azure's default is not. */
function isInner(properties: JsonObject): boolean {
  const scope = propertyAt(properties, "expressionEvaluationOptions", "scope");
  return typeof scope === "string" && scope.toLowerCase() === "inner";
}

function inPath<Value>(path: string, work: () => Value): Value {
  try {
    return work();
  } catch (thrown) {
    if (!(thrown instanceof ProblemError)) throw thrown;
    throw new ProblemError(prefixed(thrown.problem, path));
  }
}

function prefixed(problem: Problem, path: string): Problem {
  const where = problem.where === undefined ? path : `${path}.${problem.where}`;
  return { ...problem, where };
}

function objectAt(value: JsonValue | undefined, name: string): JsonObject {
  const inner = property(value, name);
  return isJsonObject(inner) ? inner : {};
}

function invalid(where: string, what: string, fix: string): never {
  throw new ProblemError({ code: "InvalidTemplate", what, fix, where });
}
