/**
 * What a file is, told by its content: a template, parameters, what `az` prints, a Terraform plan
 * or state. What it is not is said with the way to something that can be read.
 */
import {
  describeKind,
  isJsonArray,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  property,
  propertyAt,
  readJson,
} from "../../arm/json.ts";
import type { Places } from "../../arm/places.ts";
import { declined, found, type Problem, type Result } from "../../base/problem.ts";
import type { InputFile } from "./inputs.ts";

export type Recognition =
  | {
      readonly kind: "template";
      readonly template: JsonObject;
      /** Of a whole deployment: `{ name: { value } }`. */
      readonly parameters: JsonObject;
    }
  | { readonly kind: "parameters"; readonly parameters: JsonObject }
  | { readonly kind: "resources"; readonly items: readonly JsonObject[] }
  | { readonly kind: "effective-rules"; readonly items: readonly JsonObject[] }
  | { readonly kind: "terraform"; readonly root: JsonObject }
  | { readonly kind: "terraform-state-file"; readonly root: JsonObject }
  /** JSON, and nothing a check reads. */
  | { readonly kind: "other"; readonly problem: Problem };

export function recognise(file: InputFile, places: Places): Result<Recognition> {
  const source = sourceCode(file);
  if (source !== undefined) return declined(source);
  const read = readJson(file.text, file.name, places);
  if (!read.ok) return declined({ ...read.problem, code: "InvalidInput" });
  return found(kindOf(read.value, file.name));
}

/** Languages that another tool turns into JSON. */
function sourceCode({ name, text }: InputFile): Problem | undefined {
  const problem = (what: string, fix: string): Problem => ({
    code: "UnreadableInput",
    what: `${name} ${what}`,
    fix,
    where: name,
  });
  if (text.trim() === "")
    return problem("is empty", "Give a file that holds a template, JSON of az, or a plan.");
  if (text.startsWith("PK"))
    return problem(
      "is a binary Terraform plan or a zip",
      `Run \`terraform show -json ${name} > plan.json\` and give plan.json.`,
    );
  if (text.includes("\u0000"))
    return problem("is binary", "Give JSON text in UTF-8: a template, JSON of az, or a plan.");
  const begins = text.replace(/^(?:[\s\uFEFF]+|\/\/[^\n]*|\/\*[\s\S]*?\*\/)+/, "");
  if (/^[[{]/.test(begins)) return undefined;
  if (/\.bicepparam$/i.test(name) || /^\s*using\s+'/m.test(text))
    return problem(
      "is a Bicep parameters file",
      `Run \`az bicep build-params --file ${name}\` and give the JSON as --parameters.`,
    );
  if (
    /\.bicep$/i.test(name) ||
    /^\s*(targetScope\s*=|param\s+\w+\s+\S+|resource\s+\w+\s+'|module\s+\w+\s+'|@description\()/m.test(
      text,
    )
  )
    return problem(
      "is Bicep, which is read after it was built",
      `Run \`az bicep build --file ${name}\` (or \`bicep build ${name}\`) and give the JSON.`,
    );
  if (
    /\.tf$/i.test(name) ||
    /^\s*(resource|data|module|variable|provider)\s+"[^"]+"(\s+"[^"]+")?\s*\{/m.test(text)
  )
    return problem(
      "is Terraform's own language",
      "Run `terraform plan -out plan.bin`, then `terraform show -json plan.bin > plan.json`, and give plan.json.",
    );
  if (/^\s*<\w/.test(text)) return problem("is XML or HTML", "Give JSON.");
  if (/^(---|[\w.-]+:(\s|$))/m.test(text) && !/^[\s\uFEFF]*["\d]/.test(text))
    return problem("looks like YAML or a table", "Print JSON: `az ... -o json`.");
  return undefined;
}

function kindOf(value: JsonValue, name: string): Recognition {
  if (isJsonArray(value)) return listKind(value, name);
  if (!isJsonObject(value)) return other(name, `holds ${describeKind(value)}`);
  const schema = text(property(value, "$schema"));
  if (/deploymentParameters\.json/i.test(schema)) return parametersKind(value);
  if (/deploymentTemplate\.json/i.test(schema) || isTemplate(value))
    return { kind: "template", template: value, parameters: {} };
  const inner = propertyAt(value, "properties", "template") ?? property(value, "template");
  if (isJsonObject(inner) && isTemplate(inner)) {
    const given = propertyAt(value, "properties", "parameters") ?? property(value, "parameters");
    return { kind: "template", template: inner, parameters: isJsonObject(given) ? given : {} };
  }
  if (typeof property(value, "format_version") === "string")
    return { kind: "terraform", root: value };
  if (
    property(value, "terraform_version") !== undefined &&
    isJsonArray(property(value, "resources"))
  )
    return { kind: "terraform-state-file", root: value };
  if (isJsonArray(property(value, "values")) && property(value, "changeNumber") !== undefined)
    return other(name, "holds service tags", `Give it as \`--tags ${name}\`.`);
  const list = property(value, "value");
  if (isJsonArray(list)) return listKind(list, name);
  if (isEffective(value)) return { kind: "effective-rules", items: [value] };
  if (isResource(value)) return { kind: "resources", items: [value] };
  if (isParameters(property(value, "parameters"))) return parametersKind(value);
  if (/Microsoft\.CreateUIDef/i.test(text(property(value, "handler"))))
    return other(name, "describes a form of the portal");
  return other(name, "holds an object without id, resources, planned_values or format_version");
}

function listKind(items: readonly JsonValue[], name: string): Recognition {
  const objects = items.filter(isJsonObject);
  if (objects.length === items.length && 0 < objects.length && objects.every(isEffective))
    return { kind: "effective-rules", items: objects };
  const odd = items.findIndex((item) => !isResource(item));
  if (odd === -1) return { kind: "resources", items: objects };
  return other(
    name,
    `holds a list whose item ${odd} has no id of a resource`,
    "Give the whole output: `az ... list -o json`, without --query.",
  );
}

function isTemplate(value: JsonObject): boolean {
  const resources = property(value, "resources");
  return (
    (isJsonArray(resources) || isJsonObject(resources)) &&
    property(value, "terraform_version") === undefined &&
    (property(value, "contentVersion") !== undefined || property(value, "$schema") !== undefined)
  );
}

function isResource(value: JsonValue): boolean {
  const id = property(value, "id");
  return typeof id === "string" && /^\/subscriptions\/[^/]+\//i.test(id);
}

/** One association of the effective rules of an interface. */
function isEffective(value: JsonObject): boolean {
  return isJsonArray(property(value, "effectiveSecurityRules"));
}

function isParameters(value: JsonValue | undefined): boolean {
  return (
    isJsonObject(value) &&
    Object.values(value).every(
      (one) =>
        isJsonObject(one) &&
        (property(one, "value") !== undefined || property(one, "reference") !== undefined),
    )
  );
}

function parametersKind(value: JsonObject): Recognition {
  const parameters = property(value, "parameters");
  return { kind: "parameters", parameters: isJsonObject(parameters) ? parameters : {} };
}

function other(name: string, what: string, fix?: string): Recognition {
  return {
    kind: "other",
    problem: {
      code: "UnreadableInput",
      what: `${name} ${what}`,
      fix:
        fix ??
        "Give an ARM template, JSON of `az network ... show` or `list`, `az group export`, or `terraform show -json`.",
      where: name,
    },
  };
}

function text(value: JsonValue | undefined): string {
  return typeof value === "string" ? value : "";
}
