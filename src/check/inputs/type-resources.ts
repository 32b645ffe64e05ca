/**
 * Written resources to typed ones, in the order of their files: what exists first, then what is
 * put over it. Every refusal is collected, each with the place it was written at.
 */
import { keyOf, parseResourceId, typeOf, type ResourceId } from "../../arm/ids.ts";
import { type JsonObject, type JsonValue, property } from "../../arm/json.ts";
import { formatPlace, type Places } from "../../arm/places.ts";
import type { Resource, ResourceType } from "../../arm/resources.ts";
import { knownType, KEPT_TYPES, parseResource, RUNNING_TYPES } from "../../arm/types.ts";
import type { ParseContext } from "../../arm/types/body.ts";
import { parseDeclared } from "../../arm/types/declared.ts";
import { declined, found, type Problem, type Result } from "../../base/problem.ts";
import { nearest } from "../../network/service-tags.ts";
import type { Origin } from "./inputs.ts";
import { originOf, partsOf, typeOfId, type Written } from "./written.ts";

export type Typed = {
  readonly resources: readonly Resource[];
  readonly origins: ReadonlyMap<string, Origin>;
  readonly warnings: readonly Problem[];
};

export function typeResources(
  all: readonly Written[],
  { isServiceTag, location }: Pick<ParseContext, "isServiceTag" | "location">,
  places: Places,
): Result<Typed> {
  const resources = new Map<string, Resource>();
  const origins = new Map<string, Origin>();
  const warnings: Problem[] = [];
  const problems: Problem[] = [];
  const context: ParseContext = {
    location,
    isServiceTag,
    lookUp: (key) => resources.get(key),
  };
  for (const written of inOrder(all)) {
    if (isOfEnvironment(written)) continue;
    const own = placesWithin(written, places);
    const refuse = (problem: Problem) => problems.push(located(problem, own, written));
    const id = parseResourceId(written.id);
    if (!id.ok) {
      refuse(id.problem);
      continue;
    }
    const odd = oddType(id.value, written) ?? newModel(written);
    if (odd?.isError === true) {
      refuse(odd.problem);
      continue;
    }
    if (odd !== undefined) warnings.push(located(odd.problem, own, written));
    // az and the API describe what is: a location that differs in spelling is the same one.
    const before = written.isPut ? resources.get(keyOf(written.id)) : undefined;
    const request = { id: id.value, body: cleaned(written.body), before, context };
    const parsed =
      odd === undefined ? parseResource(request) : found(parseDeclared(request, typeOf(id.value)));
    if (!parsed.ok) {
      refuse(parsed.problem);
      continue;
    }
    if (written.isPut) dropReplaced(resources, parsed.value, keyOf(written.id));
    for (const resource of parsed.value.resources) {
      resources.set(resource.key, resource);
      const origin = own.get(resource.key) ?? own.get(keyOf(written.id));
      if (origin === undefined) origins.delete(resource.key);
      else origins.set(resource.key, origin);
    }
  }
  const [first] = problems;
  if (first === undefined) return found({ resources: [...resources.values()], origins, warnings });
  if (problems.length === 1) return declined(first);
  return declined({
    code: "InvalidInput",
    what: `${problems.length} things in the files are not as Azure takes them`,
    fix: "Correct each of them.",
    details: problems,
  });
}

/** What exists, then what is put over it; otherwise as given. */
function inOrder(all: readonly Written[]): readonly Written[] {
  return [...all.filter(({ isPut }) => !isPut), ...all.filter(({ isPut }) => isPut)];
}

function dropReplaced(
  resources: Map<string, Resource>,
  parsed: {
    readonly resources: readonly Resource[];
    readonly replacedParts: readonly ResourceType[];
  },
  key: string,
): void {
  const kept = new Set(parsed.resources.map((one) => one.key));
  for (const one of resources.values())
    if (
      parsed.replacedParts.includes(one.type) &&
      one.key.startsWith(`${key}/`) &&
      !kept.has(one.key)
    )
      resources.delete(one.key);
}

/** Places by key: of the resource and of its parts. */
function placesWithin(written: Written, places: Places): ReadonlyMap<string, Origin> {
  const entries = [
    { key: keyOf(written.id), place: written.place },
    ...partsOf(written.id, written.body).map(({ key, body }) => ({ key, place: places.of(body) })),
  ];
  return new Map(
    entries.flatMap(({ key, place }) => {
      const origin = originOf(written, place);
      return origin === undefined ? [] : [[key, origin] as const];
    }),
  );
}

function located(problem: Problem, own: ReadonlyMap<string, Origin>, written: Written): Problem {
  const key = problem.where === undefined ? undefined : keyOf(problem.where);
  const origin = (key === undefined ? undefined : own.get(key)) ?? own.get(keyOf(written.id));
  const id = problem.where ?? written.id;
  const name = written.address ?? id;
  return { ...problem, where: origin === undefined ? name : `${formatPlace(origin)} (${name})` };
}

/** An interface of an environment's own host: shown by this product, declared by nobody. */
function isOfEnvironment({ body }: Written): boolean {
  const owner = property(body, "managedBy");
  return typeof owner === "string" && /\/hostingEnvironments\/[^/]+$/i.test(owner);
}

type Odd = { readonly isError: boolean; readonly problem: Problem };

/** A type that is not in the table: a slip of the pen is an error, a foreign one is kept. */
function oddType(id: ResourceId, written: Written): Odd | undefined {
  const type = typeOf(id);
  if (knownType(type) !== undefined) return undefined;
  const [near] = nearest(type, [...RUNNING_TYPES, ...KEPT_TYPES], 2);
  if (near !== undefined)
    return {
      isError: true,
      problem: {
        code: "UnknownResourceType",
        what: `There is no resource type ${type}`,
        fix: `Write ${near}, if that is meant.`,
        where: written.id,
      },
    };
  return {
    isError: false,
    problem: {
      code: "UnknownResourceType",
      what: `The type ${type} is not known here; "${id.names.at(-1) ?? ""}" is kept and changes no flow`,
      fix: "Check by hand whether it stands in the subnet or changes its rules or routes.",
      where: written.id,
    },
  };
}

/** An environment of the third version has another network model. */
function newModel(written: Written): Odd | undefined {
  const kind = property(written.body, "kind");
  if (typeof kind !== "string" || !/^asev3$/i.test(kind)) return undefined;
  if (typeOfId(written.id) !== "microsoft.web/hostingenvironments") return undefined;
  return {
    isError: true,
    problem: {
      code: "OtherNetworkModel",
      what: "the environment is of kind ASEV3, whose management traffic never enters the virtual network",
      fix: "Check environments of kind ASEV2 here; a v3 subnet needs its delegation and port 80 from the load balancer only.",
      where: written.id,
    },
  };
}

/** Properties that Azure shows in ways that no body may have. */
function cleaned(body: JsonObject): JsonObject {
  const location = property(body, "location");
  return location === null ? withoutNull(body, "location") : body;
}

function withoutNull(body: JsonObject, name: string): JsonObject {
  return Object.fromEntries(
    Object.entries(body).filter(
      ([key, value]: [string, JsonValue]) => key !== name || value !== null,
    ),
  );
}
