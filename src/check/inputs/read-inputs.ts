/**
 * Files to the resources of one network: recognised, read, matched with each other, typed.
 *
 * Pure: texts in, values out. What cannot be read is a problem with file, line and what to do.
 */
import { keyOf, parseResourceId } from "../../arm/ids.ts";
import { type JsonObject, property } from "../../arm/json.ts";
import { Places } from "../../arm/places.ts";
import { plainLocation } from "../../arm/types/body.ts";
import { declined, found, type Problem, type Result } from "../../base/problem.ts";
import { readEffectiveRules, readResources } from "./az.ts";
import type { InputFile, InputRequest, ReadInputs, Recognised } from "./inputs.ts";
import { matchIds } from "./match-ids.ts";
import { missingOf } from "./missing.ts";
import { type GivenParameters, undeclared } from "./parameters.ts";
import { recognise, type Recognition } from "./recognise.ts";
import { readTemplates, type TemplateFile } from "./templates.ts";
import { readTerraform } from "./terraform.ts";
import { typeResources } from "./type-resources.ts";
import type { FileReading, Written } from "./written.ts";

/** Of a template's group, where no file tells which it is. */
export const MADE_UP_GROUP = "resource-group";
export const MADE_UP_SUBSCRIPTION = "00000000-0000-0000-0000-000000000000";
const USUAL_LOCATION = "westeurope";

type Sorted = { readonly file: InputFile; readonly recognition: Recognition };

export function readInputs(request: InputRequest): Result<ReadInputs> {
  const places = new Places();
  const sorted = sortFiles(request, places);
  if (!sorted.ok) return sorted;
  const notes: Problem[] = [];
  const warnings: Problem[] = [];
  const described: Written[] = [];
  const take = (reading: FileReading) => {
    described.push(...reading.written);
    notes.push(...reading.notes);
    warnings.push(...reading.warnings);
  };
  take(readResources(request.server, "server", places));
  for (const { recognition } of sorted.value) {
    if (recognition.kind === "resources") take(readResources(recognition.items, "az", places));
    if (recognition.kind === "effective-rules")
      take(readResources(readEffectiveRules(recognition.items, places), "az", places));
    if (recognition.kind === "other") notes.push(recognition.problem);
  }
  const given = givenParameters(request, sorted.value, places);
  if (!given.ok) return given;
  const templates = templateFiles(sorted.value);
  for (const { file, recognition } of sorted.value) {
    if (recognition.kind !== "terraform" && recognition.kind !== "terraform-state-file") continue;
    const { group, subscription } = targetOf(request, described);
    const plan = readTerraform(
      { root: recognition.root, file: file.name, group: group.name, subscription },
      places,
    );
    if (!plan.ok) return plan;
    take(plan.value);
  }
  const target = targetOf(request, described);
  const read = readTemplates(
    {
      templates: mainTemplates(templates),
      given: given.value,
      described,
      ...target,
      files: request.files,
      readBeside: request.readBeside,
    },
    places,
  );
  if (!read.ok) return read;
  const odd = undeclared(
    templates.map(({ template }) => template),
    given.value,
  );
  if (odd !== undefined) return declined(odd);
  const { written, linked } = read.value;
  const matched = matchIds([...described, ...written], places);
  const typed = typeResources(
    matched.written,
    { isServiceTag: request.isServiceTag, location: target.group.location },
    places,
  );
  if (!typed.ok) return typed;
  const { resources, origins } = typed.value;
  return found({
    resources,
    origins,
    recognised: sorted.value.flatMap((one) => recognisedAs(one, linked)),
    notes: [...notes, ...read.value.notes, ...matched.notes],
    warnings: [...warnings, ...read.value.warnings, ...typed.value.warnings],
    missing: [...read.value.missing, ...missingOf(resources, origins)],
  });
}

function sortFiles(request: InputRequest, places: Places): Result<readonly Sorted[]> {
  const sorted: Sorted[] = [];
  const problems: Problem[] = [];
  for (const file of request.files) {
    const recognised = recognise(file, places);
    if (!recognised.ok) problems.push(recognised.problem);
    else if (recognised.value.kind === "other" && file.inFolder !== true)
      problems.push(recognised.value.problem);
    else sorted.push({ file, recognition: recognised.value });
  }
  if (problems.length === 0 && sorted.length === 0 && request.server.length === 0)
    problems.push({
      code: "NothingToRead",
      what: "No file is given",
      fix: "Give a template, JSON of az, a Terraform plan, or --server.",
    });
  const useful = sorted.some(
    ({ recognition: { kind } }) => kind !== "other" && kind !== "parameters",
  );
  if (problems.length === 0 && !useful && request.server.length === 0)
    problems.push({
      code: "NothingToRead",
      what: `${request.files.map(({ name }) => name).join(", ")}: nothing of a network is there`,
      fix: "Give a template, JSON of az, or a Terraform plan.",
    });
  const [first] = problems;
  if (first === undefined) return found(sorted);
  if (problems.length === 1) return declined(first);
  return declined({
    code: "InvalidInput",
    what: `${problems.length} files cannot be read`,
    fix: "Correct each of them.",
    details: problems,
  });
}

/** Parameters files among the files count as such; those of a folder go with their template. */
function givenParameters(
  request: InputRequest,
  sorted: readonly Sorted[],
  places: Places,
): Result<GivenParameters> {
  const files = [...sorted.filter(({ file }) => file.inFolder !== true)];
  for (const file of request.parameterFiles) {
    const recognised = recognise(file, places);
    if (!recognised.ok) return recognised;
    const { value: recognition } = recognised;
    if (recognition.kind !== "parameters")
      return declined({
        code: "UnreadableInput",
        what: `${file.name} is given as parameters and is no parameters file`,
        fix: 'Give a file with { "parameters": { NAME: { "value": ... } } }.',
        where: file.name,
      });
    files.push({ file, recognition });
  }
  return found({
    files: files.flatMap(({ file: { name }, recognition }) =>
      recognition.kind === "parameters" ? [{ name, parameters: recognition.parameters }] : [],
    ),
    values: request.parameterValues,
  });
}

function templateFiles(sorted: readonly Sorted[]): readonly TemplateFile[] {
  return sorted.flatMap(({ file, recognition }): readonly TemplateFile[] => {
    if (recognition.kind !== "template") return [];
    const { template, parameters } = recognition;
    const beside = file.inFolder === true ? parametersBeside(file.name, sorted) : undefined;
    return [{ file, template, own: { ...beside, ...parameters } }];
  });
}

/** `main.parameters.json` beside `main.json`. */
function parametersBeside(name: string, sorted: readonly Sorted[]): JsonObject | undefined {
  const wanted = name.replace(/\.json$/i, ".parameters.json").toLowerCase();
  const beside = sorted.find(
    ({ file, recognition }) =>
      recognition.kind === "parameters" && file.name.toLowerCase() === wanted,
  )?.recognition;
  return beside?.kind === "parameters" ? beside.parameters : undefined;
}

/** A template that another one links to is not deployed by itself. */
function mainTemplates(all: readonly TemplateFile[]): readonly TemplateFile[] {
  const mains = all.filter(
    (one) => !all.some((other) => other !== one && linksTo(other.file.text, one.file.name)),
  );
  return mains.length === 0 ? all : mains;
}

function linksTo(text: string, name: string): boolean {
  const base = name.split("/").at(-1) ?? name;
  return (
    /templateLink/i.test(text) &&
    ["/", "'", '"'].some((mark) => text.toLowerCase().includes(mark + base.toLowerCase()))
  );
}

/** Where templates are deployed to: the group of the other files when they have one in common. */
function targetOf(
  { resourceGroup, location }: InputRequest,
  described: readonly Written[],
): {
  readonly group: { readonly name: string; readonly location: string };
  readonly subscription: string;
} {
  const ids = described.flatMap(({ id }) => {
    const parsed = parseResourceId(id);
    return parsed.ok ? [parsed.value] : [];
  });
  const groups = new Map(
    ids.flatMap(({ subscription, resourceGroup: name }) =>
      subscription === undefined || name === undefined
        ? []
        : [[keyOf(`/subscriptions/${subscription}/${name}`), { subscription, name }] as const],
    ),
  );
  const [only] = groups.size === 1 ? [...groups.values()] : [];
  const places = described.flatMap(({ body }) => {
    const place = property(body, "location");
    return typeof place === "string" && place !== "" ? [plainLocation(place)] : [];
  });
  return {
    group: {
      name: resourceGroup ?? only?.name ?? MADE_UP_GROUP,
      location: location ?? places[0] ?? USUAL_LOCATION,
    },
    subscription: only?.subscription ?? ids[0]?.subscription ?? MADE_UP_SUBSCRIPTION,
  };
}

function recognisedAs(
  { file, recognition }: Sorted,
  linked: ReadonlySet<string>,
): readonly Recognised[] {
  const words: Readonly<Record<Recognition["kind"], string>> = {
    template: linked.has(file.name) ? "a linked template" : "an ARM template",
    parameters: "parameters",
    resources: "resources as az prints them",
    "effective-rules": "effective rules of an interface",
    terraform: "a Terraform plan or state",
    "terraform-state-file": "a Terraform state file",
    other: "nothing a check reads",
  };
  return [{ file: file.name, as: words[recognition.kind] }];
}
