/**
 * Resources -> blueprint. Nothing is left to choose afterwards.
 *
 * Pure: the same declared resources and the same ledger give the same blueprint. An environment
 * that cannot be laid out is reported and left out; the others are compiled all the same.
 */
import { loggedGroups } from "./flow-logs.ts";
import { keyOf } from "../arm/ids.ts";
import { isJsonArray, propertyAt, type JsonObject } from "../arm/json.ts";
import type { ResourceOf } from "../arm/resources.ts";
import { isForwardingFirewall } from "../arm/types/declared.ts";
import { declined, type Problem } from "../base/problem.ts";
import { FIRST_HOST_OFFSET } from "../environment/addresses.ts";
import { CLIENT_ADDRESS, DEPENDENCIES, type Dependency } from "../environment/dependencies.ts";
import type { Conversation } from "../environment/flows.ts";
import { MANAGEMENT_ADDRESSES } from "../environment/management-addresses.ts";
import { DEPENDENCY_PORTS, PLATFORM_ADDRESS } from "../environment/ports.ts";
import { addressAt, contains, sizeOf, type Ipv4 } from "../network/prefix.ts";
import type {
  Blueprint,
  Endpoint,
  Host,
  Network,
  PublicAddress,
  Translation,
} from "./blueprint.ts";
import type { Admission } from "./admission.ts";
import { compileConnections, siteVisitors } from "./compile-connections.ts";
import { compileServices, environmentsAdmission } from "./compile-services.ts";
import { compileEnvironment, publicAddress } from "./compile-environment.ts";
import {
  compileNetwork,
  gateOf,
  single,
  tagsInUse,
  visitorAddress,
  type GroupMembers,
} from "./compile-network.ts";
import { compileZones } from "./compile-names.ts";
import { lastHostOffset, LedgerDraft, type Ledger } from "./ledger.ts";
import { programsOf } from "./machine-programs.ts";
import { Declared, type Wanted } from "./wanted.ts";

export type Compiled = {
  readonly blueprint: Blueprint;
  readonly ledger: Ledger;
  /** By key of the resource that could not be laid out. */
  readonly problems: Readonly<Record<string, Problem>>;
};

/** @param generation greater than that of the blueprint before */
export function compile(wanted: Wanted, before: Ledger, generation: number): Compiled {
  const declared = new Declared(wanted.resources);
  const ledger = new LedgerDraft(before);
  const problems: Record<string, Problem> = {};
  const machines = compileMachines(declared, ledger, problems);
  const members = membersOf(machines);
  const { connections, of: neighbourhoodOf } = compileConnections(declared, ledger);
  const networks = declared.all("Microsoft.Network/virtualNetworks").map((network) => ({
    key: network.key,
    ...compileNetwork(declared, wanted, ledger, network, {
      ...{ members, neighbourhood: neighbourhoodOf(network.key) },
    }),
  }));
  const environments = declared
    .all("Microsoft.Web/hostingEnvironments")
    .filter(({ key }) => wanted.runs(key))
    .flatMap((environment) => {
      const compiled = compileEnvironment(declared, wanted, ledger, environment);
      if (compiled.ok) return [{ ...compiled.value, subnet: environment.subnet.key }];
      problems[environment.key] = compiled.problem;
      return [];
    });
  const groups = loggedGroups(declared);
  const logged = groups.length === 0 ? {} : { loggedGroups: groups };
  const inNetwork = (key: string, subnet: string) => subnet.startsWith(`${key}/subnets/`);
  const full: readonly Network[] = networks.map(({ key, ...network }) => {
    const own = environments.filter(({ subnet }) => inNetwork(key, subnet));
    const publicAddresses: readonly PublicAddress[] = [
      ...machines.filter(({ subnet }) => inNetwork(key, subnet)).flatMap(({ source }) => source),
      ...own.flatMap((environment) => environment.publicAddresses),
      // What belongs to no environment leaves by an address of the network's own.
      { address: publicAddress(ledger, key), sourceOf: network.prefixes },
    ];
    const translations: readonly Translation[] = own.flatMap(
      (environment) => environment.translations,
    );
    return { ...network, ...logged, publicAddresses, translations };
  });
  const machineHosts = machines.map(({ host, group }) => ({
    ...host,
    ...gateOf(declared, group, members),
  }));
  const dependencies = compileDependencies(wanted);
  const services = compileServices(declared, wanted, ledger, full);
  const names = Object.assign(
    {},
    ...dependencies.map(({ dependency, address }) => ({ [dependency.domainName]: address })),
    ...environments.map((environment) => environment.names),
    services.names,
  ) as Record<string, Ipv4>;
  const blueprint: Blueprint = {
    generation,
    tags: tagsInUse(wanted, [...full.flatMap(({ subnets }) => subnets), ...machineHosts]),
    internet: {
      clientAddress: CLIENT_ADDRESS,
      managementAddresses: managementAddresses(wanted),
      names,
    },
    networks: full,
    connections,
    hosts: [
      ...endpointHosts(
        wanted,
        dependencies,
        names,
        compileZones(declared, machines),
        environmentsAdmission(declared, full),
      ),
      ...services.hosts,
      ...networks.flatMap((network) =>
        visitorOf(ledger, network, dnsServersOf(declared, network.key)),
      ),
      ...siteVisitors(connections.sites),
      ...machineHosts,
      ...environments.flatMap(({ hosts }) => hosts),
    ],
  };
  return { blueprint, ledger: ledger.close(), problems };
}

/** Published management addresses that the tag, as it was loaded, holds too. */
function managementAddresses(wanted: Wanted): readonly Ipv4[] {
  const tag = wanted.tag("AppServiceManagement");
  if (tag === undefined) return MANAGEMENT_ADDRESSES;
  const both = MANAGEMENT_ADDRESSES.filter((address) =>
    tag.some((prefix) => contains(prefix, address)),
  );
  return both.length === 0 ? MANAGEMENT_ADDRESSES : both;
}

type PlacedDependency = { readonly dependency: Dependency; readonly address: Ipv4 };

function compileDependencies(wanted: Wanted): readonly PlacedDependency[] {
  return DEPENDENCIES.map((dependency) => {
    const prefix = dependency.tag === undefined ? undefined : wanted.tag(dependency.tag)?.[0];
    const inTag = prefix === undefined ? undefined : addressAt(prefix, sizeOf(prefix) > 2 ? 1 : 0);
    const address = dependency.address ?? inTag;
    if (address === undefined) throw new Error(`broken promise: ${dependency.name} has an address`);
    return { dependency, address };
  });
}

const SERVICES: Partial<
  Record<Conversation, { readonly service: Endpoint["service"]; readonly port: number }>
> = {
  dns: { service: "dns", port: DEPENDENCY_PORTS.dns },
  time: { service: "time", port: DEPENDENCY_PORTS.time },
  http: { service: "http", port: DEPENDENCY_PORTS.http },
  https: { service: "https", port: DEPENDENCY_PORTS.https },
  sql: { service: "sql", port: DEPENDENCY_PORTS.sql },
  monitoring: { service: "monitoring", port: DEPENDENCY_PORTS.monitoring },
};

/** Endpoints that show a certificate, or publish what belongs to one (the revocation list). */
export function hasCertificate({ conversation }: Dependency): boolean {
  return conversation === "https" || conversation === "http";
}

/** Stem of the key pair an endpoint with TLS shows. */
export function endpointStem(dependency: Dependency): string {
  return `endpoint-${dependency.name}`;
}

function endpointHosts(
  wanted: Wanted,
  dependencies: readonly PlacedDependency[],
  names: Readonly<Record<string, Ipv4>>,
  zones: NonNullable<Endpoint["zones"]>,
  admits: Admission,
): readonly Host[] {
  const resolver: Endpoint = {
    kind: "endpoint",
    name: "dns",
    service: "dns",
    address: PLATFORM_ADDRESS as Ipv4,
    port: DEPENDENCY_PORTS.dns,
    names,
    ...(Object.keys(zones).length === 0 ? {} : { zones }),
  };
  return [
    endpointHost("platform-resolver", resolver),
    ...dependencies.map(({ dependency, address }) => {
      const service = SERVICES[dependency.conversation];
      if (service === undefined) throw new Error("broken promise: a dependency is a service");
      const host = endpointHost(`internet-${dependency.name}`, {
        kind: "endpoint",
        name: service.service,
        ...service,
        address,
        ...(service.service === "dns" ? { names } : {}),
        ...(service.service === "sql" ? { admits } : {}),
        ...(hasCertificate(dependency)
          ? { tls: wanted.certificate(endpointStem(dependency)) }
          : {}),
      });
      return wanted.down.has(dependency.name) ? { ...host, programs: [] } : host;
    }),
  ];
}

function endpointHost(name: string, program: Endpoint): Host {
  const place = { kind: "internet", address: program.address } as const;
  return { name, place, role: "Endpoint", forwards: false, programs: [program] };
}

function dnsServersOf(declared: Declared, network: string): readonly Ipv4[] {
  return declared.find("Microsoft.Network/virtualNetworks", network)?.dnsServers ?? [];
}

function visitorOf(
  ledger: LedgerDraft,
  network: Pick<Network, "id" | "name" | "prefixes" | "subnets"> & { readonly key: string },
  dnsServers: readonly Ipv4[],
): readonly Host[] {
  const address = visitorAddress(network.prefixes, network.subnets);
  if (address === undefined) return [];
  const name = `visitor-${ledger.stem(network.key, network.name)}`;
  const place = { kind: "visitor", network: network.id, address } as const;
  const told = dnsServers.length === 0 ? {} : { dnsServers };
  return [{ name, place, role: "Visitor", ...told, forwards: false, programs: [] }];
}

type Machine = {
  readonly host: Host;
  readonly subnet: string;
  /** Key of the group at its interface. */
  readonly group: string | undefined;
  /** Keys of the application security groups it belongs to. */
  readonly memberOf: readonly string[];
  readonly source: readonly PublicAddress[];
};

/** What becomes a host of its own: a network interface, or a firewall. */
type MachineSketch = Pick<
  ResourceOf<"Microsoft.Network/networkInterfaces">,
  "id" | "key" | "name" | "forwards"
> & {
  readonly translates: boolean;
  readonly tags: Readonly<Record<string, string>>;
  readonly group: string | undefined;
  readonly memberOf: readonly string[];
  readonly configuration:
    | Omit<
        ResourceOf<"Microsoft.Network/networkInterfaces">["configurations"][number],
        "name" | "primary" | "applicationSecurityGroups"
      >
    | undefined;
};

function machinesIn(declared: Declared): readonly MachineSketch[] {
  const interfaces = declared.all("Microsoft.Network/networkInterfaces").map((machine) => ({
    ...machine,
    group: machine.networkSecurityGroup?.key,
    memberOf: machine.configurations.flatMap(({ applicationSecurityGroups }) =>
      applicationSecurityGroups.map(({ key }) => key),
    ),
    configuration:
      machine.configurations.find(({ primary }) => primary) ?? machine.configurations[0],
  }));
  const firewalls = declared
    .all("DeclaredOnly")
    .filter(isForwardingFirewall)
    .map(({ id, key, name, body }) => ({
      ...{ id, key, name, forwards: true, translates: true, group: undefined, memberOf: [] },
      tags: {},
      configuration: firewallPlace(body),
    }));
  return [...interfaces, ...firewalls];
}

/** Subnet and public address of a firewall's first configuration. */
function firewallPlace(body: JsonObject): MachineSketch["configuration"] {
  const configurations = propertyAt(body, "properties", "ipConfigurations");
  const [first] = isJsonArray(configurations) ? configurations : [];
  const idAt = (name: string) => {
    const id = propertyAt(first, "properties", name, "id");
    return typeof id === "string" ? { id, key: keyOf(id) } : undefined;
  };
  const subnet = idAt("subnet");
  const publicIpAddress = idAt("publicIPAddress");
  if (subnet === undefined) return undefined;
  return { subnet, ...(publicIpAddress === undefined ? {} : { publicIpAddress }) };
}

/** Network interfaces are machines of their own: a host each, an appliance where it forwards. */
function compileMachines(
  declared: Declared,
  ledger: LedgerDraft,
  problems: Record<string, Problem>,
): readonly Machine[] {
  return machinesIn(declared).flatMap((machine): readonly Machine[] => {
    const { configuration } = machine;
    const subnet = declared.find(
      "Microsoft.Network/virtualNetworks/subnets",
      configuration?.subnet.key,
    );
    if (configuration === undefined || subnet === undefined) return [];
    const address = machineAddress(ledger, machine, configuration, subnet);
    if (address === undefined) {
      problems[machine.key] = declined({
        code: "PrivateIPAddressInUse",
        what: `${subnet.name} has no address for ${machine.name}`,
        fix: "Choose an address of the subnet that nobody holds, or a larger subnet.",
        where: machine.id,
      }).problem;
      return [];
    }
    const programs = programsOf(machine, address);
    if (!programs.ok) problems[machine.key] = programs.problem;
    const dnsServers = dnsServersOf(declared, subnet.network.key);
    const ip = configuration.publicIpAddress;
    const source =
      ip === undefined
        ? []
        : [{ address: publicAddress(ledger, ip.key), sourceOf: [single(address)] }];
    const host: Host = {
      name: ledger.stem(machine.key, machine.name),
      place: { kind: "subnet", network: subnet.network.id, subnet: subnet.id, address },
      role: "Machine",
      ...(dnsServers.length === 0 ? {} : { dnsServers }),
      forwards: machine.forwards,
      ...(machine.translates ? { translates: true } : {}),
      programs: programs.ok ? programs.value : [],
    };
    const { group, memberOf } = machine;
    return [{ host, subnet: subnet.key, group, memberOf, source }];
  });
}

function membersOf(machines: readonly Machine[]): GroupMembers {
  const members = new Map<string, Ipv4[]>();
  for (const { host, memberOf } of machines)
    for (const key of memberOf) members.set(key, [...(members.get(key) ?? []), host.place.address]);
  return members;
}

function machineAddress(
  ledger: LedgerDraft,
  machine: Pick<MachineSketch, "key">,
  configuration: NonNullable<MachineSketch["configuration"]>,
  subnet: ResourceOf<"Microsoft.Network/virtualNetworks/subnets">,
): Ipv4 | undefined {
  const { key, prefix } = subnet;
  const chosen = configuration.address;
  if (chosen === undefined)
    return ledger.address(key, prefix, machine.key, FIRST_HOST_OFFSET, lastHostOffset(prefix));
  return ledger.claim(key, machine.key, chosen, FIRST_HOST_OFFSET) ? chosen : undefined;
}
