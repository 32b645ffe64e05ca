/**
 * Checks networks: resources -> blueprint -> proofs of every flow -> findings. The one entry for
 * the command, the API and the portal.
 *
 * Pure: files are read by others (inputs/), texts are written by others (reports/).
 */
import type { Resource } from "../arm/resources.ts";
import { declined, found, type Problem, type Result } from "../base/problem.ts";
import type { Network } from "../blueprint/blueprint.ts";
import { compile } from "../blueprint/compile.ts";
import { EMPTY_LEDGER } from "../blueprint/ledger.ts";
import type { Wanted } from "../blueprint/wanted.ts";
import { FIRST_HOST_OFFSET } from "../environment/addresses.ts";
import { MANAGEMENT_ADDRESSES } from "../environment/management-addresses.ts";
import { PLATFORM_ADDRESS } from "../environment/ports.ts";
import { holdsAddress, type AddressSet } from "../network/address-set.ts";
import { setOfList } from "../network/meaning.ts";
import { addressAt, type Cidr, type Ipv4 } from "../network/prefix.ts";
import {
  lifeVerdict,
  type EnvironmentReport,
  type Finding,
  type FindingGrade,
  type Report,
} from "./finding.ts";
import { FixDraft } from "./fixes.ts";
import { tellProof } from "./flow-findings.ts";
import { lintFindings } from "./lint-findings.ts";
import { networkFindings } from "./network-findings.ts";
import { Gates, proveRequirement } from "./prove-flow.ts";
import { requirementsOf, type Ground } from "./requirements.ts";
import { ofType, subjectsOf, type Subject, type SubjectWish } from "./subject.ts";
import { plansOf, subnetFindings, subnetForecast, type Places } from "./subnet-findings.ts";
import { namedSetsOf } from "./words.ts";

export type CheckRequest = SubjectWish & {
  readonly resources: readonly Resource[];
  readonly placeOf: Places;
  /** IPv4 prefixes of a published tag; undefined: no such tag. */
  readonly tag: (name: string) => readonly Cidr[] | undefined;
  /** Plan instances there shall be one day. */
  readonly instances?: number;
  readonly notes?: readonly Problem[];
  /** What the resources refer to and no file holds. */
  readonly missing?: readonly Problem[];
};

export function check(request: CheckRequest): Result<Report> {
  const { missing = [] } = request;
  const chosen = subjectsOf(request.resources, request);
  if (!chosen.ok) return declined({ ...chosen.problem, ...detailed(missing) });
  const { subjects, resources, notes } = chosen.value;
  const lacking = subjects.find((subject) => !isWhole(subject, resources));
  if (lacking !== undefined)
    return declined({
      code: "NetworkIncomplete",
      what: `what guards or routes ${lacking.subnet.name} is in none of the files`,
      fix: "Give the security group and the route table too: nothing can be proved without them.",
      where: lacking.subnet.id,
      ...detailed(missing),
    });
  const blueprintRequest = { ...request, resources };
  const { blueprint, problems } = compile(wantedOf(blueprintRequest), EMPTY_LEDGER, 1);
  const environments = subjects.map((subject) =>
    checkOne(subject, blueprintRequest, blueprint, problems[subject.environment.key]),
  );
  return found({ environments, notes: [...(request.notes ?? []), ...missing, ...notes] });
}

function detailed(details: readonly Problem[]) {
  return details.length === 0 ? {} : { details };
}

/** Whether the files hold the group and the table of the subnet. */
function isWhole({ subnet }: Subject, resources: readonly Resource[]): boolean {
  const keys = new Set(resources.map(({ key }) => key));
  return [subnet.networkSecurityGroup, subnet.routeTable].every(
    (reference) => reference === undefined || keys.has(reference.key),
  );
}

function checkOne(
  subject: Subject,
  request: CheckRequest,
  blueprint: Ground["blueprint"],
  problem: Problem | undefined,
): EnvironmentReport {
  const { environment, subnet } = subject;
  const { resources, placeOf } = request;
  const ground = groundOf(subject, request, blueprint);
  const gates = new Gates(request.tag);
  const names = namedSetsOf(blueprint, ground.tag);
  const telling = {
    gates,
    names,
    fixes: new FixDraft(gates, names),
    placeOf,
    preferred: preferredAddresses(ground),
    published: publishedAddresses(ground.tag("AppServiceManagement")),
    prefixesOfTag: (tag: string) => request.tag(tag) ?? [],
    wayWith: (id: string, routes: Ground["subnet"]["routes"]) =>
      requirementsOf({ ...ground, subnet: { ...ground.subnet, routes } }).find(
        (one) => one.id === id,
      )?.way,
  };
  const requirements = requirementsOf(ground);
  const flows = requirements.flatMap((requirement) =>
    tellProof(proveRequirement(gates, requirement), telling),
  );
  const around = { subject, ground, resources, requirements, placeOf };
  const sizes = subnetFindings(subject, resources, {
    placeOf,
    ...(request.instances === undefined ? {} : { instances: request.instances }),
  });
  const others = [
    ...sizes,
    ...(problem === undefined || sizes.some(({ id }) => id === "subnet/size")
      ? []
      : [unplanned(problem)]),
    ...networkFindings(around),
    ...lintFindings({ ground, gates, names, placeOf }),
  ];
  const findings = [...flows, ...others.toSorted((a, b) => rankOf(a) - rankOf(b))];
  return {
    name: environment.name,
    id: environment.id,
    kind: environment.kind,
    mode: environment.mode,
    presumed: subject.presumed,
    network: ground.network.name,
    subnet: { id: subnet.id, name: subnet.name, prefix: subnet.prefix },
    verdict: lifeVerdict(findings),
    findings,
    forecast: subnetForecast(subject, plansOf(resources, environment)),
  };
}

/** Anything else the compiler could not lay out. */
function unplanned({ code, what, fix }: Problem): Finding {
  return {
    id: "environment/layout",
    title: "the environment cannot be laid out",
    grade: "hard",
    verdict: "violated",
    what: `${what} (${code}). ${fix}`,
    consequence: "creating the environment fails",
    fixes: [],
  };
}

const GRADES: readonly FindingGrade[] = ["hard", "degraded", "app", "optional", "advice"];

function rankOf({ grade }: Finding): number {
  return GRADES.indexOf(grade);
}

export function groundOf(
  { environment, subnet }: Subject,
  { resources, tag }: Pick<CheckRequest, "resources" | "tag">,
  blueprint: Ground["blueprint"],
): Ground {
  const network = blueprint.networks.find((one) => one.subnets.some(({ id }) => id === subnet.id));
  const standing = network?.subnets.find(({ id }) => id === subnet.id);
  if (network === undefined || standing === undefined)
    throw new Error(`broken promise: ${subnet.id} is in the blueprint`);
  const declared = ofType(resources, "Microsoft.Network/virtualNetworks").find(
    ({ id }) => id === network.id,
  );
  const sets = new Map<string, AddressSet>();
  const setOf = (name: string): AddressSet => {
    const known = sets.get(name) ?? setOfList(tag(name) ?? NO_PREFIXES);
    sets.set(name, known);
    return known;
  };
  return {
    blueprint,
    network,
    subnet: standing,
    mode: environment.mode,
    dnsServers: (declared?.dnsServers ?? []).filter((server) => server !== PLATFORM_ADDRESS),
    tag: setOf,
    translations: translationsOf(network, blueprint, environment.id),
  };
}

function translationsOf(network: Network, { hosts }: Ground["blueprint"], environment: string) {
  const own = new Set(
    hosts.filter((host) => host.environment === environment).map(({ name }) => name),
  );
  return network.translations.filter(({ targets }) => targets.some(({ host }) => own.has(host)));
}

/** Of the space kept for examples (RFC 5737): anybody outside. */
export const SOMEBODY = "203.0.113.10" as Ipv4;

const NO_PREFIXES: readonly Cidr[] = [];

/** Addresses a reader knows: hosts of the subnet, one that manages, the platform, a client. */
function preferredAddresses({ subnet, tag }: Ground): readonly Ipv4[] {
  return [
    addressAt(subnet.prefix, FIRST_HOST_OFFSET),
    addressAt(subnet.prefix, FIRST_HOST_OFFSET + 1),
    PLATFORM_ADDRESS as Ipv4,
    SOMEBODY,
    ...publishedAddresses(tag("AppServiceManagement")).slice(0, 1),
  ];
}

function publishedAddresses(tag: AddressSet): readonly Ipv4[] {
  return MANAGEMENT_ADDRESSES.filter((address) => holdsAddress(tag, address));
}

/** A network on paper: no content, no certificates, nothing was rebooted, nobody is silent. */
export function wantedOf({ resources, tag }: Pick<CheckRequest, "resources" | "tag">): Wanted {
  const numbers = new Map<string, number>();
  return {
    resources,
    tag,
    runs: () => true,
    contentOf: (key) => {
      const number = numbers.get(key) ?? numbers.size + 1;
      numbers.set(key, number);
      return { folder: "", version: "", runtime: "static", number };
    },
    certificate: () => ({ certificate: "", key: "", authority: "" }),
    incarnationOf: () => 0,
    silent: new Set(),
    away: new Set(),
    down: new Set(),
    layoutOf: () => undefined,
  };
}
