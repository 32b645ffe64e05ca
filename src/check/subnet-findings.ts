/**
 * Findings about the subnet itself: big enough, nobody else's, not delegated away, of a name that
 * may hold an environment.
 *
 * @article ASE subnet size
 */
import { isJsonArray, propertyAt, plainText } from "../arm/json.ts";
import type { Resource, ResourceOf } from "../arm/resources.ts";
import { DECLARED_TYPES } from "../arm/types/declared.ts";
import {
  addressesAtRest,
  addressesWhileScaling,
  MOST_INSTANCES,
  type Size,
} from "../environment/addresses.ts";
import { sizeOf } from "../network/prefix.ts";
import type { Finding, Forecast } from "./finding.ts";
import { arithmeticOf, forecastOf } from "./forecast.ts";
import { isTaken, ofType, pathOf, type Subject } from "./subject.ts";
import type { Origin } from "./inputs/inputs.ts";

const HEADING = "ASE subnet size";
/** The article: "We recommend a size of /24 with 256 addresses". */
const RECOMMENDED_SIZE = 256;

export type Places = (key: string) => Origin | undefined;

export function subnetForecast(
  { environment, subnet }: Subject,
  plans: readonly number[],
): Forecast {
  const { kind, frontEndScaleFactor } = environment;
  return forecastOf(subnet.prefix, { kind, frontEndScaleFactor }, plans);
}

/** Instances of each plan of the environment. */
export function plansOf(
  resources: readonly Resource[],
  environment: Subject["environment"],
): readonly number[] {
  return ofType(resources, "Microsoft.Web/serverfarms")
    .filter((plan) => plan.environment.key === environment.key)
    .map(({ capacity }) => capacity);
}

export function subnetFindings(
  subject: Subject,
  resources: readonly Resource[],
  of: { readonly instances?: number; readonly placeOf: Places },
): readonly Finding[] {
  const place = of.placeOf(subject.subnet.key);
  const about = (finding: Omit<Finding, "fixes" | "heading" | "verdict" | "culprit">): Finding => ({
    ...finding,
    verdict: "violated",
    fixes: [],
    heading: HEADING,
    culprit: {
      kind: "subnet",
      name: subject.subnet.name,
      id: subject.subnet.id,
      sentence: `subnet ${subject.subnet.name} (${subject.subnet.prefix})`,
      ...(place === undefined ? {} : { place }),
    },
  });
  return [
    ...sizeFindings(subject, plansOf(resources, subject.environment), of.instances),
    ...neighbours(subject, resources),
    ...delegations(subject),
    ...names(subject),
  ].map(about);
}

type Bare = Omit<Finding, "fixes" | "heading" | "verdict" | "culprit">;

function sizeFindings(
  { environment, subnet }: Subject,
  plans: readonly number[],
  wished: number | undefined,
): readonly Bare[] {
  const { kind, frontEndScaleFactor } = environment;
  const has = sizeOf(subnet.prefix);
  const instances = plans.reduce((sum, count) => sum + count, 0);
  const size = (count: number): Size => ({ kind, frontEndScaleFactor, instances: count });
  const needs = addressesAtRest(size(instances));
  const then =
    "the size of the subnet cannot change while an environment is in it: a larger one needs a new environment";
  const larger = (needed: number) =>
    `use a prefix of /${32 - Math.ceil(Math.log2(needed))} or larger`;
  if (has < needs)
    return [
      {
        id: "subnet/size",
        title: "the subnet is too small",
        grade: "hard",
        what: `${subnet.name} (${subnet.prefix}) has ${has} addresses, and the environment needs ${needs} (${arithmeticOf(size(instances))}); ${larger(needs)}`,
        consequence: `the environment cannot be created with its plans; ${then}`,
      },
    ];
  const findings: Bare[] = [];
  if (wished !== undefined && MOST_INSTANCES < wished)
    findings.push({
      id: "subnet/instances",
      title: "more instances than an environment may have",
      grade: "degraded",
      what: `${wished} instances are wanted, and an environment has ${MOST_INSTANCES} at most`,
      consequence: "a second environment is needed",
    });
  const wishedNeeds = wished === undefined ? 0 : addressesAtRest(size(wished));
  if (wished !== undefined && has < wishedNeeds)
    findings.push({
      id: "subnet/growth",
      title: `the subnet is too small for ${wished} instances`,
      grade: "degraded",
      what: `${subnet.name} (${subnet.prefix}) has ${has} addresses, and ${wished} instances need ${wishedNeeds} (${arithmeticOf(size(wished))}); ${larger(wishedNeeds)}`,
      consequence: then,
    });
  // Of the instances that are to come nothing is known but that they may all be in one plan.
  const largest = wished === undefined ? Math.max(0, ...plans) : Math.min(wished, 100);
  const total = wished ?? instances;
  const peak = addressesWhileScaling(size(total), largest);
  if (0 < largest && has < peak && wishedNeeds <= has)
    findings.push({
      id: "subnet/scaling",
      title: "a plan cannot change its size",
      grade: "degraded",
      what: `while a plan of ${largest} instances changes its size they exist twice: ${peak} addresses (${arithmeticOf(size(total + largest))}), and ${subnet.name} (${subnet.prefix}) has ${has}`,
      consequence: `scaling up or down of that plan fails; ${then}`,
    });
  if (has < RECOMMENDED_SIZE) {
    const forecast = forecastOf(subnet.prefix, { kind, frontEndScaleFactor }, plans);
    findings.push({
      id: "subnet/recommended-size",
      title: "smaller than recommended",
      grade: "advice",
      what: `${subnet.prefix} reaches ${forecast.mostInstances} instances, and one plan that still can change its size may have ${forecast.largestScalablePlan}; a /24 reaches 201 and 100`,
      consequence: then,
    });
  }
  return findings;
}

/** @article ASE subnet size */
function neighbours(
  { environment, subnet }: Subject,
  resources: readonly Resource[],
): readonly Bare[] {
  const others = resources.filter(
    (resource) => resource.key !== environment.key && standsIn(resource, subnet),
  );
  if (others.length === 0) return [];
  return [
    {
      id: "subnet/exclusive",
      title: "something else stands in the subnet",
      grade: "hard",
      what: `${pathOf(subnet)} also holds ${others.map(({ name }) => name).join(", ")}; nothing but the environment may be in its subnet`,
      consequence: "creating the environment fails, or the others lose their connections",
    },
  ];
}

function standsIn(
  resource: Resource,
  subnet: ResourceOf<"Microsoft.Network/virtualNetworks/subnets">,
) {
  switch (resource.type) {
    case "Microsoft.Network/networkInterfaces":
      return resource.configurations.some((one) => one.subnet.key === subnet.key);
    case "Microsoft.Web/hostingEnvironments":
      return resource.subnet.key === subnet.key;
    case "DeclaredOnly":
      return (
        DECLARED_TYPES[resource.declaredType]?.occupiesSubnet === true &&
        plainText(resource.body).toLowerCase().includes(`${subnet.key}"`)
      );
    default:
      return false;
  }
}

function delegations({ subnet }: Subject): readonly Bare[] {
  const delegated = propertyAt(subnet.extra, "delegations");
  const to = (isJsonArray(delegated) ? delegated : [])
    .map((one) =>
      plainText(propertyAt(one, "properties", "serviceName") ?? propertyAt(one, "serviceName")),
    )
    .filter((service) => service !== "");
  return to.map((service) => {
    const own = service.toLowerCase() === "microsoft.web/hostingenvironments";
    return {
      id: "subnet/delegation",
      title: "the subnet is delegated",
      grade: own ? "advice" : "hard",
      what: own
        ? `${subnet.name} is delegated to ${service}: that is for version 3; an environment of version 2 needs no delegation`
        : `${subnet.name} is delegated to ${service}, and an environment of version 2 cannot stand in a subnet of another service`,
      consequence: own ? "nothing" : "creating the environment fails",
    };
  });
}

function names({ subnet }: Subject): readonly Bare[] {
  if (!isTaken(subnet.name)) return [];
  return [
    {
      id: "subnet/name",
      title: "the subnet belongs to another service",
      grade: "hard",
      what: `a subnet called ${subnet.name} is kept for gateways and firewalls`,
      consequence: "creating the environment fails",
    },
  ];
}
