/**
 * The resources of a Terraform plan or state and what refers to what: modules unfolded, and
 * values that are known only after apply followed through the configuration to the resource that
 * will give them.
 *
 * What a resource means in Azure's words stands in terraform-resources.ts.
 */
import {
  isJsonArray,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  property,
  propertyAt,
} from "../../arm/json.ts";

/** One step into a module: `module.net["a"]`. */
type ModuleStep = { readonly name: string; readonly index: JsonValue | undefined };

export type TerraformResource = {
  /** `module.net.azurerm_subnet.ase["a"]`. */
  readonly address: string;
  readonly mode: "managed" | "data";
  readonly type: string;
  readonly name: string;
  readonly index: JsonValue | undefined;
  readonly values: JsonObject;
  readonly module: readonly ModuleStep[];
  /** As the file has it, for places. */
  readonly json: JsonObject;
};

/** `subnet_id`, or `ip_configuration`, 0, `subnet_id`. */
export type AttributePath = readonly (string | number)[];

/** Has a life: only while one file is read. Nothing in it changes. */
export class TerraformFile {
  readonly resources: readonly TerraformResource[];
  readonly #configuration: JsonObject;

  constructor(root: JsonObject) {
    this.resources = resourcesOf(root);
    const configuration = propertyAt(root, "configuration", "root_module");
    this.#configuration = isJsonObject(configuration) ? configuration : {};
  }

  /** Resources of these types that an attribute refers to, of the configuration. */
  referred(
    from: TerraformResource,
    path: AttributePath,
    types: readonly string[],
  ): readonly TerraformResource[] {
    const module = this.#moduleAt(from.module);
    const resources = property(module, "resources");
    const own = (isJsonArray(resources) ? resources : []).find(
      (one) => property(one, "type") === from.type && property(one, "name") === from.name,
    );
    const [first = "", ...rest] = path;
    let expression = propertyAt(own, "expressions", String(first));
    for (const step of rest) expression = stepInto(expression, step);
    const seen = new Set<TerraformResource>();
    for (const one of this.#follow(expression, from.module, from.index, MOST_STEPS))
      if (types.includes(one.type)) seen.add(one);
    return [...seen];
  }

  #follow(
    expression: JsonValue | undefined,
    module: readonly ModuleStep[],
    index: JsonValue | undefined,
    depth: number,
  ): readonly TerraformResource[] {
    const references = property(expression, "references");
    if (!isJsonArray(references) || depth === 0) return [];
    const texts = references.filter((one) => typeof one === "string");
    // The longest says most; what it begins with is listed after it.
    const longest = texts.filter(
      (one) =>
        !texts.some(
          (other) =>
            other !== one && other.startsWith(one) && /^[.[]/.test(other.slice(one.length)),
        ),
    );
    return longest.flatMap((text) => this.#resolve(text, module, index, depth - 1));
  }

  #resolve(
    text: string,
    module: readonly ModuleStep[],
    index: JsonValue | undefined,
    depth: number,
  ): readonly TerraformResource[] {
    const [head = "", second = ""] = text.split(/[.[]/);
    if (head === "var") {
      const call = module.at(-1);
      if (call === undefined) return [];
      const outer = module.slice(0, -1);
      const given = propertyAt(
        this.#moduleAt(outer),
        "module_calls",
        call.name,
        "expressions",
        second,
      );
      return this.#follow(given, outer, call.index, depth);
    }
    if (head === "module") {
      const found = /^module\.([\w-]+)(\[[^\]]*\])?\.([\w-]+)/.exec(text);
      const [, name = "", written, output = ""] = found ?? [];
      const step = { name, index: indexOf(written) ?? index };
      const inner = [...module, step];
      const expression = propertyAt(this.#moduleAt(inner), "outputs", output, "expression");
      const exact = this.#follow(expression, inner, undefined, depth);
      return 0 < exact.length
        ? exact
        : this.#follow(expression, [...module, { name, index: undefined }], undefined, depth);
    }
    const data = head === "data";
    const parts = /^(?:data\.)?([\w-]+)\.([\w-]+)(\[(?:"(?:[^"\\]|\\.)*"|\d+)\])?/.exec(text);
    const [, type = "", name = "", written] = parts ?? [];
    const all = this.resources.filter(
      (one) =>
        one.type === type &&
        one.name === name &&
        (one.mode === "data") === data &&
        sameModule(one.module, module),
    );
    const wanted = indexOf(written);
    if (wanted !== undefined) return all.filter((one) => one.index === wanted);
    const alike = all.filter((one) => one.index !== undefined && one.index === index);
    return alike.length === 1 ? alike : all;
  }

  #moduleAt(steps: readonly ModuleStep[]): JsonValue | undefined {
    let module: JsonValue | undefined = this.#configuration;
    for (const { name } of steps) module = propertyAt(module, "module_calls", name, "module");
    return module;
  }
}

/** References of references: modules in modules, and no configuration goes in circles. */
const MOST_STEPS = 20;

function stepInto(expression: JsonValue | undefined, step: string | number): JsonValue | undefined {
  if (typeof step === "number") {
    // A dynamic block has one expression for all of its blocks.
    if (!isJsonArray(expression)) return expression;
    return expression[step] ?? expression[0];
  }
  if (isJsonArray(expression)) return property(expression[0], step);
  return property(expression, step) ?? (isReferences(expression) ? expression : undefined);
}

function isReferences(expression: JsonValue | undefined): boolean {
  return property(expression, "references") !== undefined;
}

function indexOf(written: string | undefined): JsonValue | undefined {
  if (written === undefined) return undefined;
  const inner = written.slice(1, -1);
  return /^\d+$/.test(inner) ? Number(inner) : inner.replaceAll(/^"|"$/g, "");
}

function sameModule(one: readonly ModuleStep[], other: readonly ModuleStep[]): boolean {
  return (
    one.length === other.length &&
    one.every(({ name, index }, at) => {
      const step = other[at];
      return (
        step?.name === name &&
        (step.index === index || step.index === undefined || index === undefined)
      );
    })
  );
}

function resourcesOf(root: JsonObject): readonly TerraformResource[] {
  const stateFile = property(root, "resources");
  if (isJsonArray(stateFile) && property(root, "terraform_version") !== undefined)
    return stateFile.flatMap(instancesOf);
  const planned = propertyAt(root, "planned_values", "root_module");
  const state = propertyAt(root, "values", "root_module");
  const before = propertyAt(root, "prior_state", "values", "root_module");
  const all = [...moduleResources(planned, []), ...moduleResources(state, [])];
  const known = new Set(all.map(({ address }) => address));
  // Data sources are read before a plan and stand in the state it begins with.
  const read = moduleResources(before, []).filter(
    ({ mode, address }) => mode === "data" && !known.has(address),
  );
  return [...all, ...read];
}

function moduleResources(
  module: JsonValue | undefined,
  steps: readonly ModuleStep[],
): readonly TerraformResource[] {
  const resources = property(module, "resources");
  const children = property(module, "child_modules");
  const own = (isJsonArray(resources) ? resources : []).flatMap(
    (json): readonly TerraformResource[] => {
      const resource = isJsonObject(json) ? resourceOf(json, steps) : undefined;
      return resource === undefined ? [] : [resource];
    },
  );
  const inner = (isJsonArray(children) ? children : []).flatMap((child) => {
    const address = property(child, "address");
    const last =
      typeof address === "string"
        ? /module\.([\w-]+)(\[(?:"(?:[^"\\]|\\.)*"|\d+)\])?$/.exec(address)
        : null;
    const step = { name: last?.[1] ?? "", index: indexOf(last?.[2]) };
    return steps.length < MOST_STEPS ? moduleResources(child, [...steps, step]) : [];
  });
  return [...own, ...inner];
}

function resourceOf(
  json: JsonObject,
  module: readonly ModuleStep[],
): TerraformResource | undefined {
  const type = property(json, "type");
  const name = property(json, "name");
  const address = property(json, "address");
  const values = property(json, "values");
  if (typeof type !== "string" || typeof name !== "string") return undefined;
  return {
    address: typeof address === "string" ? address : `${type}.${name}`,
    mode: property(json, "mode") === "data" ? "data" : "managed",
    type,
    name,
    index: property(json, "index"),
    values: isJsonObject(values) ? values : {},
    module,
    json,
  };
}

/** A `terraform.tfstate` has the instances of a resource in a list. */
function instancesOf(resource: JsonValue): readonly TerraformResource[] {
  const instances = property(resource, "instances");
  const type = property(resource, "type");
  const name = property(resource, "name");
  if (!isJsonArray(instances) || typeof type !== "string" || typeof name !== "string") return [];
  const module = property(resource, "module");
  const mode = property(resource, "mode") === "data" ? "data" : "managed";
  return instances.flatMap((instance): readonly TerraformResource[] => {
    const values = property(instance, "attributes");
    if (!isJsonObject(instance) || !isJsonObject(values)) return [];
    const index = property(instance, "index_key");
    const shown = index === undefined ? "" : `[${JSON.stringify(index)}]`;
    const path = typeof module === "string" ? `${module}.` : "";
    const kind = mode === "data" ? "data." : "";
    return [
      {
        address: `${path}${kind}${type}.${name}${shown}`,
        mode,
        type,
        name,
        index,
        values,
        module: [],
        json: instance,
      },
    ];
  });
}
