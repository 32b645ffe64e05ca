/**
 * What is checked: an environment and where it stands; or, where files declare a network only, an
 * environment presumed in one of its subnets.
 *
 * Nothing is guessed: where several subnets could be meant, the user names one.
 */
import { keyOf } from "../arm/ids.ts";
import type { Resource, ResourceOf } from "../arm/resources.ts";
import { declined, found, type Problem, type Result } from "../base/problem.ts";
import { FRONT_END_SCALE_FACTOR } from "../environment/addresses.ts";
import type { LoadBalancingMode } from "../environment/kind.ts";
import { INSTANCE_SIZES } from "../environment/kind.ts";
import { parseCidr, type Cidr } from "../network/prefix.ts";

type Environment = ResourceOf<"Microsoft.Web/hostingEnvironments">;
type Subnet = ResourceOf<"Microsoft.Network/virtualNetworks/subnets">;

export type SubjectWish = {
  /** Name of the environment; absent: all of them. */
  readonly environment?: string;
  /** `ase`, `net/ase`, or a prefix where the files hold no network. */
  readonly subnet?: string;
  /** Of a presumed environment; External when absent. */
  readonly mode?: LoadBalancingMode;
};

export type Subject = {
  readonly environment: Environment;
  readonly subnet: Subnet;
  readonly presumed: boolean;
};

export type Subjects = {
  readonly subjects: readonly Subject[];
  /** The resources, with what had to be added or linked. */
  readonly resources: readonly Resource[];
  readonly notes: readonly Problem[];
};

/** Subnets of these names belong to another service. */
export const TAKEN_SUBNETS = [
  "GatewaySubnet",
  "AzureFirewallSubnet",
  "AzureFirewallManagementSubnet",
  "AzureBastionSubnet",
  "RouteServerSubnet",
] as const;

export function subjectsOf(resources: readonly Resource[], wish: SubjectWish): Result<Subjects> {
  const environments = ofType(resources, "Microsoft.Web/hostingEnvironments");
  if (wish.environment !== undefined && environments.length > 0) {
    const name = wish.environment.toLowerCase();
    const chosen = environments.filter((one) => one.name.toLowerCase() === name);
    if (chosen.length === 0)
      return declined({
        code: "EnvironmentNotFound",
        what: `no environment is called "${wish.environment}"`,
        fix: `Name one of: ${environments.map((one) => one.name).join(", ")}.`,
      });
    return declaredSubjects(resources, chosen, wish);
  }
  return environments.length > 0
    ? declaredSubjects(resources, environments, wish)
    : presumedSubject(resources, wish);
}

function declaredSubjects(
  resources: readonly Resource[],
  environments: readonly Environment[],
  wish: SubjectWish,
): Result<Subjects> {
  const subnets = ofType(resources, "Microsoft.Network/virtualNetworks/subnets");
  const notes: Problem[] = [];
  const subjects: Subject[] = [];
  for (const environment of environments) {
    const own = subnets.find(({ key }) => key === environment.subnet.key);
    const placed = own === undefined ? linked(environment, subnets, wish) : found(own);
    if (!placed.ok) return placed;
    const subnet = placed.value;
    if (own === undefined)
      notes.push({
        code: "LinkedByName",
        what: `${environment.name} names ${environment.subnet.id}, which no file holds; ${subnet.id} was taken for it`,
        fix: "Check the files together with the network they are deployed into.",
        where: environment.id,
      });
    subjects.push({
      environment: { ...environment, subnet: { id: subnet.id, key: subnet.key } },
      subnet,
      presumed: false,
    });
  }
  const replaced = new Map(subjects.map((one) => [one.environment.key, one.environment]));
  return found({
    subjects,
    resources: resources.map((resource) => replaced.get(resource.key) ?? resource),
    notes,
  });
}

/** The subnet of the same names in another group, or the one the user names. */
function linked(
  environment: Environment,
  subnets: readonly Subnet[],
  wish: SubjectWish,
): Result<Subnet> {
  const tail = environment.subnet.key.split("/").slice(-4).join("/");
  const wanted =
    wish.subnet === undefined
      ? subnets.filter(({ key }) => key.endsWith(`/${tail}`))
      : named(subnets, wish.subnet);
  const [only] = wanted;
  if (only !== undefined && wanted.length === 1) return found(only);
  const known = subnets.map(pathOf).join(", ");
  return declined({
    code: "SubnetNotFound",
    what: `the subnet of ${environment.name} is in none of the files: ${environment.subnet.id}`,
    fix:
      subnets.length === 0
        ? "Give the network too: its template, or what `az network vnet show` prints."
        : `Give the network too, or say which subnet is meant: --subnet with one of ${known}.`,
    where: environment.id,
  });
}

function presumedSubject(resources: readonly Resource[], wish: SubjectWish): Result<Subjects> {
  const subnets = ofType(resources, "Microsoft.Network/virtualNetworks/subnets");
  if (subnets.length === 0) return inMadeUpNetwork(resources, wish);
  const candidates = wish.subnet === undefined ? likely(subnets) : named(subnets, wish.subnet);
  const [subnet] = candidates;
  if (subnet === undefined || candidates.length > 1)
    return declined({
      code: "SubnetNotChosen",
      what:
        wish.subnet === undefined
          ? "the files declare no environment, and several subnets could hold one"
          : `"${wish.subnet}" names ${candidates.length === 0 ? "no subnet" : "several subnets"} of the files`,
      fix: `Say where the environment will stand: --subnet with one of ${subnets.map(pathOf).join(", ")}.`,
    });
  return presumedIn(resources, subnet, wish);
}

/** Subnets that may hold an environment; with rules or routes of their own before others. */
function likely(subnets: readonly Subnet[]): readonly Subnet[] {
  const free = subnets.filter(({ name }) => !isTaken(name));
  const furnished = free.filter(
    ({ networkSecurityGroup, routeTable }) =>
      networkSecurityGroup !== undefined || routeTable !== undefined,
  );
  return furnished.length === 0 ? free : furnished;
}

export function isTaken(subnetName: string): boolean {
  return TAKEN_SUBNETS.some((name) => name.toLowerCase() === subnetName.toLowerCase());
}

/** Only a group or a table: the user says which prefix the subnet has. */
function inMadeUpNetwork(resources: readonly Resource[], wish: SubjectWish): Result<Subjects> {
  const groups = ofType(resources, "Microsoft.Network/networkSecurityGroups");
  const tables = ofType(resources, "Microsoft.Network/routeTables");
  const prefix = wish.subnet === undefined ? undefined : parseCidr(wish.subnet);
  if (groups.length + tables.length === 0 || groups.length > 1 || tables.length > 1)
    return declined({
      code: "NothingToCheck",
      what:
        groups.length + tables.length === 0
          ? "the files declare no environment and no network"
          : "the files hold several security groups or route tables and no network that says which counts",
      fix: "Give a template of an environment, or what `az network vnet show`, `az network nsg show` and `az network route-table show` print.",
    });
  if (prefix === undefined)
    return declined({
      code: "SubnetNotChosen",
      what: "the files hold no virtual network, so it is not known which addresses the subnet has",
      fix: "Give what `az network vnet show` prints too, or the prefix of the subnet: --subnet 10.0.1.0/24.",
    });
  if (!prefix.ok) return prefix;
  const [group] = groups;
  const [table] = tables;
  const around = (group ?? table)?.id.replace(/\/providers\/.*$/i, "") ?? "";
  const made = networkOf(`${around}/providers/Microsoft.Network/virtualNetworks/network`, {
    prefix: prefix.value,
    ...(group === undefined ? {} : { networkSecurityGroup: { id: group.id, key: group.key } }),
    ...(table === undefined ? {} : { routeTable: { id: table.id, key: table.key } }),
  });
  const presumed = presumedIn([...resources, ...made.resources], made.subnet, wish);
  if (!presumed.ok) return presumed;
  return found({
    ...presumed.value,
    notes: [
      {
        code: "NetworkPresumed",
        what: `the files hold no virtual network; one of ${prefix.value} alone was taken`,
        fix: "Give what `az network vnet show` prints too: the tag VirtualNetwork and routes depend on it.",
      },
      ...presumed.value.notes,
    ],
  });
}

function networkOf(
  id: string,
  of: Pick<Subnet, "prefix"> & Partial<Pick<Subnet, "networkSecurityGroup" | "routeTable">>,
): { readonly subnet: Subnet; readonly resources: readonly Resource[] } {
  const key = keyOf(id);
  const subnet: Subnet = {
    type: "Microsoft.Network/virtualNetworks/subnets",
    id: `${id}/subnets/ase`,
    key: keyOf(`${id}/subnets/ase`),
    name: "ase",
    extra: {},
    network: { id, key },
    serviceEndpoints: [],
    ...of,
  };
  const prefixes: readonly Cidr[] = [of.prefix];
  const network: Resource = {
    type: "Microsoft.Network/virtualNetworks",
    ...{ id, key, name: "network", extra: {}, location: "", tags: {}, prefixes, dnsServers: [] },
  };
  return { subnet, resources: [network, subnet] };
}

function presumedIn(
  resources: readonly Resource[],
  subnet: Subnet,
  wish: SubjectWish,
): Result<Subjects> {
  const mode = wish.mode ?? "None";
  const name = wish.environment ?? "ase";
  const around = subnet.id.replace(/\/providers\/.*$/i, "");
  const id = `${around}/providers/Microsoft.Web/hostingEnvironments/${name}`;
  const environment: Environment = {
    type: "Microsoft.Web/hostingEnvironments",
    ...{ id, key: keyOf(id), name, extra: {}, location: "", tags: {}, mode },
    kind: mode === "Web" || mode === "Web, Publishing" ? "Internal" : "External",
    subnet: { id: subnet.id, key: subnet.key },
    frontEndScaleFactor: FRONT_END_SCALE_FACTOR.usual,
    multiSize: INSTANCE_SIZES.I1.vmSize,
    ipSslAddressCount: 0,
    clusterSettings: [],
    suspended: false,
  };
  return found({
    subjects: [{ environment, subnet, presumed: true }],
    resources: [...resources, environment],
    notes: [],
  });
}

function named(subnets: readonly Subnet[], wish: string): readonly Subnet[] {
  const wanted = wish.toLowerCase();
  return subnets.filter(
    (subnet) =>
      subnet.name.toLowerCase() === wanted ||
      pathOf(subnet).toLowerCase() === wanted ||
      subnet.key === keyOf(wish),
  );
}

/** `net/ase` */
export function pathOf({ id }: { readonly id: string }): string {
  const parts = id.split("/");
  return `${parts.at(-3) ?? ""}/${parts.at(-1) ?? ""}`;
}

export function ofType<Type extends Resource["type"]>(
  resources: readonly Resource[],
  type: Type,
): readonly ResourceOf<Type>[] {
  return resources.filter((resource): resource is ResourceOf<Type> => resource.type === type);
}
