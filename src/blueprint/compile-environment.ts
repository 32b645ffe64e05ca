/**
 * One environment: its hosts with addresses and programs, its VIP and what is translated to whom.
 *
 * Counts come from environment/addresses; who holds which address from the ledger.
 *
 * @article ASE IP addresses
 */
import type { ResourceOf } from "../arm/resources.ts";
import { declined, found, type Result } from "../base/problem.ts";
import { FIRST_HOST_OFFSET, infrastructureRoles } from "../environment/addresses.ts";
import { PORTS_BELOW } from "../environment/app-addresses.ts";
import { PUBLIC_POOL } from "../environment/dependencies.ts";
import {
  INSTANCE_SIZES,
  type InfrastructureRole,
  type InstanceSize,
  type Role,
} from "../environment/kind.ts";
import { appHostName, doorwayDomain, environmentDomain } from "../environment/names.ts";
import { ADDRESS_ECHO_PORTS, APP_PORTS, MANAGEMENT_PORTS } from "../environment/ports.ts";
import { parseCidr, sizeOf, type Ipv4 } from "../network/prefix.ts";
import type { App, FrontEnd, Host, PublicAddress, RoleAgent, Translation } from "./blueprint.ts";
import { allotAppAddresses, type AppAddress } from "./app-addresses.ts";
import { namesOf, resolverOf } from "./app-names.ts";
import { Bindings } from "./bindings.ts";
import {
  addressesOfLayout,
  beginLayout,
  FRONT_ENDS,
  instancesOf,
  type Batch,
  type Layout,
  type WantedLayout,
} from "./layout.ts";
import { lastHostOffset, type Ledger, type LedgerDraft } from "./ledger.ts";
import type { Declared, Wanted } from "./wanted.ts";

type Environment = ResourceOf<"Microsoft.Web/hostingEnvironments">;
type Subnet = ResourceOf<"Microsoft.Network/virtualNetworks/subnets">;

export type CompiledEnvironment = {
  readonly hosts: readonly Host[];
  readonly publicAddresses: readonly PublicAddress[];
  readonly translations: readonly Translation[];
  readonly names: Readonly<Record<string, Ipv4>>;
};

/** Stems of the key pairs an environment needs; services/certificates makes the files. */
export function certificateWishes(environment: Environment): readonly {
  readonly stem: string;
  readonly names: readonly string[];
}[] {
  const domain = environmentDomain(environment);
  const doorway = doorwayDomain(environment.name);
  const names = [domain, ...(environment.kind === "External" ? [doorway] : [])];
  return [
    {
      stem: certificateStem("front-end", environment),
      names: names.flatMap((name) => [name, `*.${name}`, `*.scm.${name}`]),
    },
    { stem: certificateStem("management", environment), names: [managementName(environment)] },
  ];
}

export function compileEnvironment(
  declared: Declared,
  wanted: Wanted,
  ledger: LedgerDraft,
  environment: Environment,
): Result<CompiledEnvironment> {
  const subnet = declared.find("Microsoft.Network/virtualNetworks/subnets", environment.subnet.key);
  if (subnet === undefined)
    return declined({
      code: "SubnetNotFound",
      what: `The subnet of ${environment.name} does not exist`,
      fix: "Create the subnet, or name one that exists in properties.virtualNetwork.",
      where: environment.subnet.id,
    });
  const wish = wantedLayout(declared, environment, subnet, () => 0);
  const layout = wanted.layoutOf(environment.key) ?? beginLayout(wish, 0);
  const needed = addressesOfLayout(layout, environment.kind);
  if (sizeOf(subnet.prefix) < needed)
    return declined({
      code: "SubnetIsFull",
      what: `${environment.name} with ${instancesOf(layout.crews)} plan instances needs ${needed} addresses, and ${subnet.name} (${subnet.prefix}) has ${sizeOf(subnet.prefix)}`,
      fix: "Use fewer instances. The size of the subnet cannot change while an environment is in it: a larger one needs a new environment.",
      where: subnet.id,
    });
  const network = declared.find("Microsoft.Network/virtualNetworks", subnet.network.key);
  const place = { subnet, dnsServers: network?.dnsServers ?? [] };
  return new HostDraft(wanted, ledger, environment, place, layout).compile(declared);
}

/**
 * What an environment's instances are wanted to be.
 * @param generationOf the wanted generation of the last write of a resource
 */
export function wantedLayout(
  declared: Declared,
  environment: Environment,
  subnet: Subnet,
  generationOf: (key: string) => number,
): WantedLayout {
  const { key, kind, frontEndScaleFactor, multiSize, clusterSettings } = environment;
  return {
    kind,
    room: sizeOf(subnet.prefix),
    configuration: {
      generation: generationOf(key),
      frontEndScaleFactor,
      frontEndSize: sizeOfMachine(multiSize),
      settings: JSON.stringify(clusterSettings),
    },
    plans: plansOf(declared, environment).map((plan) => ({
      key: plan.key,
      name: plan.name,
      size: plan.size,
      count: plan.capacity,
      generation: generationOf(plan.key),
    })),
  };
}

/** Names of the hosts of a batch: what the loop saw of them is told by these. */
export function hostsOfBatch(
  ledger: Pick<Ledger, "stems">,
  environmentKey: string,
  crew: string,
  batch: Batch,
): readonly string[] {
  const stem = ledger.stems[environmentKey] ?? "";
  const owner = crew === FRONT_ENDS ? ROLE_WORDS.FrontEnd : (ledger.stems[crew] ?? "");
  return membersOf(batch).map((index) => memberName(`${stem}-${owner}`, index, batch.size));
}

function membersOf({ from, to }: Batch): readonly number[] {
  return Array.from({ length: to - from }, (_, offset) => from + offset);
}

/** The usual size is not named. */
function memberName(stem: string, index: number, size: InstanceSize): string {
  return size === "I1" ? `${stem}-${index}` : `${stem}-${index}-${size.toLowerCase()}`;
}

function limitsOf(size: InstanceSize): App["limits"] {
  const { cores, memoryMb } = INSTANCE_SIZES[size];
  return { cores, memoryMb };
}

function sizeOfMachine(vmSize: string): InstanceSize {
  const sizes = Object.keys(INSTANCE_SIZES) as InstanceSize[];
  return sizes.find((size) => INSTANCE_SIZES[size].vmSize === vmSize) ?? "I1";
}

function plansOf(declared: Declared, { key }: Environment) {
  return declared
    .all("Microsoft.Web/serverfarms")
    .filter(({ environment }) => environment.key === key);
}

/** A host while it is laid out, and whether traffic is led to it. */
type Member = { readonly host: Host; readonly state: Batch["state"] };

/** One environment while its hosts are laid out. */
class HostDraft {
  readonly #wanted: Wanted;
  readonly #ledger: LedgerDraft;
  readonly #environment: Environment;
  readonly #subnet: Subnet;
  readonly #stem: string;
  readonly #vip: Ipv4;
  readonly #dnsServers: readonly Ipv4[];
  readonly #layout: Layout;

  constructor(
    wanted: Wanted,
    ledger: LedgerDraft,
    environment: Environment,
    place: { readonly subnet: Subnet; readonly dnsServers: readonly Ipv4[] },
    layout: Layout,
  ) {
    const { subnet, dnsServers } = place;
    this.#dnsServers = dnsServers;
    this.#layout = layout;
    this.#wanted = wanted;
    this.#ledger = ledger;
    this.#environment = environment;
    this.#subnet = subnet;
    this.#stem = ledger.stem(environment.key, environment.name);
    this.#vip = publicAddress(ledger, environment.key);
  }

  compile(declared: Declared): Result<CompiledEnvironment> {
    const domain = environmentDomain(this.#environment);
    const plans = plansOf(declared, this.#environment);
    const { FrontEnd: _, ...counts } = infrastructureRoles({
      kind: this.#environment.kind,
      instances: instancesOf(this.#layout.crews),
      frontEndScaleFactor: this.#layout.configuration.frontEndScaleFactor,
    });
    const frontEnds = this.#crew(FRONT_ENDS, ROLE_WORDS.FrontEnd, (name, size) => ({
      ...this.#bareHost("FrontEnd", name),
      limits: limitsOf(size),
    }));
    const roles = Object.entries(counts).flatMap(([role, count]) =>
      Array.from({ length: count }, (__, index) =>
        this.#bareHost(
          role as InfrastructureRole,
          `${this.#stem}-${ROLE_WORDS[role as InfrastructureRole]}-${index}`,
        ),
      ),
    );
    const internal =
      this.#environment.kind === "Internal"
        ? this.#address(`${this.#environment.key} ilb`)
        : undefined;
    const crews = plans.map((plan) => ({ plan, workers: this.#workersOf(declared, plan) }));
    const declaredSites = plans.flatMap((plan) => sitesOfPlan(declared, plan));
    const bindings = new Bindings(declared, this.#wanted, declaredSites);
    const own = this.#appAddresses(declaredSites);
    const proxy = {
      sites: this.#sitesOf(declared, crews),
      certificates: [
        bindings.defaultOf(this.#environment) ??
          this.#wanted.certificate(certificateStem("front-end", this.#environment)),
      ],
      ...bindings.listed(),
      ...bindings.appAddresses(own, (key, name) => this.#ledger.stem(key, name)),
    };
    const all = [
      ...frontEnds.map(({ host }) => host),
      ...roles,
      ...crews.flatMap(({ workers }) => workers.map(({ host }) => host)),
    ];
    const serving = this.#taking(frontEnds);
    const finishing = new Set(
      frontEnds
        .filter(({ host, state }) => state === "leaving" || this.#wanted.away.has(host.name))
        .map(({ host }) => host.name)
        .filter((name) => !serving.some((host) => host.name === name)),
    );
    const hosts = all.map((host) => this.#furnish(host, all, proxy, finishing));
    return found({
      hosts,
      publicAddresses: [
        { address: this.#vip, sourceOf: [this.#subnet.prefix] },
        ...own.map(({ address }) => ({ address, sourceOf: [] })),
      ],
      translations: [
        ...this.#translations(all, this.#answering(serving), internal),
        ...ownTranslations(own, this.#answering(serving)),
      ],
      names: this.#environment.kind === "External" ? this.#publicNames(domain) : {},
    });
  }

  #crew(
    key: string,
    owner: string,
    lay: (name: string, size: InstanceSize) => Host,
  ): readonly Member[] {
    const batches = this.#layout.crews[key]?.batches ?? [];
    return batches.flatMap((batch) =>
      membersOf(batch).map((index) => ({
        host: lay(memberName(`${this.#stem}-${owner}`, index, batch.size), batch.size),
        state: batch.state,
      })),
    );
  }

  /** Those that take traffic; where all of these are away, these all the same. */
  #taking(members: readonly Member[]): readonly Host[] {
    const serving = members.filter(({ state }) => state === "serving").map(({ host }) => host);
    const present = serving.filter(({ name }) => !this.#wanted.away.has(name));
    return present.length === 0 ? serving : present;
  }

  /** Those that answer the load balancer; all of them when none does: then the flow is cut. */
  #answering(frontEnds: readonly Host[]): readonly Host[] {
    const answering = frontEnds.filter(({ name }) => !this.#wanted.silent.has(name));
    return answering.length === 0 ? frontEnds : answering;
  }

  #publicNames(domain: string): Record<string, Ipv4> {
    const names = [domain, doorwayDomain(this.#environment.name)];
    return Object.fromEntries(
      names
        .flatMap((name) => [name, `*.${name}`, `*.scm.${name}`])
        .map((name) => [name, this.#vip]),
    );
  }

  #address(owner: string): Ipv4 {
    const { prefix, key } = this.#subnet;
    const address = this.#ledger.address(
      key,
      prefix,
      owner,
      FIRST_HOST_OFFSET,
      lastHostOffset(prefix),
    );
    if (address === undefined) throw new Error("broken promise: the subnet was counted to suffice");
    return address;
  }

  #bareHost(role: Role, name: string): Host {
    const incarnation = this.#wanted.incarnationOf(name);
    const dnsServers = this.#ledger.lease(name, { incarnation, dnsServers: this.#dnsServers });
    return {
      name,
      place: {
        kind: "subnet",
        network: this.#subnet.network.id,
        subnet: this.#subnet.id,
        address: this.#address(name),
      },
      role,
      environment: this.#environment.id,
      incarnation,
      ...(dnsServers.length === 0 ? {} : { dnsServers }),
      forwards: false,
      programs: [],
    };
  }

  #workersOf(declared: Declared, plan: ResourceOf<"Microsoft.Web/serverfarms">): readonly Member[] {
    const planStem = this.#ledger.stem(plan.key, plan.name);
    const sites = sitesOfPlan(declared, plan).filter((site) => site.enabled);
    return this.#crew(plan.key, planStem, (name, size) => {
      const limits = limitsOf(size);
      const bare = this.#bareHost("Worker", name);
      const apps = sites.map((site) => this.#app(site, bare, limits));
      return { ...bare, limits, programs: [...resolverOf(bare, apps), ...apps] };
    });
  }

  #app(site: ResourceOf<"Microsoft.Web/sites">, host: Host, limits: App["limits"]): App {
    const content = this.#wanted.contentOf(site.key);
    const command = site.config.appCommandLine;
    const domain = environmentDomain(this.#environment);
    const names = namesOf(site.appSettings, host, content.number);
    return {
      kind: "app",
      name: `app-${this.#ledger.stem(site.key, site.name)}`,
      site: site.name,
      siteId: site.id,
      runtime:
        content.runtime === "node" || command !== ""
          ? { kind: "node", ...(command === "" ? {} : { command }) }
          : { kind: "static" },
      content: content.folder,
      version: content.version,
      address: host.place.address,
      port: FIRST_APP_PORT + content.number,
      ...(names === undefined ? {} : { names }),
      settings: { WEBSITE_HOSTNAME: appHostName(site.name, domain), ...site.appSettings },
      user: userOfSite(content.number),
      limits,
    };
  }

  #sitesOf(
    declared: Declared,
    crews: readonly {
      readonly plan: ResourceOf<"Microsoft.Web/serverfarms">;
      readonly workers: readonly Member[];
    }[],
  ): FrontEnd["sites"] {
    const domain = environmentDomain(this.#environment);
    const doorway =
      this.#environment.kind === "External" ? [doorwayDomain(this.#environment.name)] : [];
    return crews.flatMap(({ plan, workers }) =>
      sitesOfPlan(declared, plan).map((site) => ({
        name: this.#ledger.stem(site.key, site.name),
        hostNames: [
          ...new Set([
            ...[domain, ...doorway].map((suffix) => appHostName(site.name, suffix)),
            ...site.hostNames,
          ]),
        ],
        running: site.enabled,
        httpsOnly: site.httpsOnly,
        backends: this.#taking(workers).flatMap((worker) =>
          worker.programs
            .filter(
              (program): program is App => program.kind === "app" && program.siteId === site.id,
            )
            .map(({ address, port }) => ({ name: worker.name, address, port })),
        ),
      })),
    );
  }

  #appAddresses(sites: readonly ResourceOf<"Microsoft.Web/sites">[]): readonly AppAddress[] {
    if (this.#environment.kind === "Internal") return [];
    const addressOf = (owner: string) => publicAddress(this.#ledger, owner);
    return allotAppAddresses(this.#ledger, this.#environment, sites, addressOf);
  }

  /** Gives a host its agent, and a front end its proxy. */
  #furnish(
    host: Host,
    all: readonly Host[],
    serves: Omit<FrontEnd, "kind" | "name" | "address">,
    finishing: ReadonlySet<string>,
  ): Host {
    const { address } = host.place;
    const agent: RoleAgent = {
      kind: "role-agent",
      name: "agent",
      role: host.role as Role,
      address,
      internalPorts: internalPorts(host.name),
      keepAlive: host.role === "FrontEnd" || host.role === "Management",
      echoAddress: this.#vip,
      commandedFrom: all
        .filter(({ role }) => role === "Management")
        .map(({ place }) => place.address),
      ...(host.role === "Management"
        ? {
            management: {
              tls: this.#wanted.certificate(certificateStem("management", this.#environment)),
              peers: all.map((peer) => ({
                host: peer.name,
                address: peer.place.address,
                port: internalPorts(peer.name)[0] ?? 0,
              })),
            },
          }
        : {}),
    };
    const proxy: FrontEnd = {
      kind: "front-end",
      name: "proxy",
      address,
      ...serves,
      ...(finishing.has(host.name) ? { finishing: true } : {}),
    };
    const own = host.role === "FrontEnd" ? [agent, proxy] : [agent];
    return { ...host, programs: [...own, ...host.programs] };
  }

  #translations(
    hosts: readonly Host[],
    frontEnds: readonly Host[],
    internal: Ipv4 | undefined,
  ): readonly Translation[] {
    const to =
      (targets: readonly Host[], at: "edge" | "router", address: Ipv4) => (port: number) => ({
        at,
        address,
        protocol: "Tcp" as const,
        port,
        targets: targets.map(({ name, place }) => ({ host: name, address: place.address, port })),
      });
    const management = hosts.filter(({ role }) => role === "Management");
    const web = [APP_PORTS.web.http, APP_PORTS.web.https];
    return [
      ...Object.values(MANAGEMENT_PORTS).map(to(management, "edge", this.#vip)),
      ...ADDRESS_ECHO_PORTS.map(to(frontEnds, "edge", this.#vip)),
      ...web.map(to(frontEnds, internal === undefined ? "edge" : "router", internal ?? this.#vip)),
    ];
  }
}

const ROLE_WORDS: Record<Role, string> = {
  FrontEnd: "front-end",
  Publisher: "publisher",
  FileServer: "file-server",
  Management: "management",
  Standby: "standby",
  Worker: "worker",
};

/** Ports and user ids of apps begin above these; a site keeps its own while it lives. */
const FIRST_APP_PORT = 8_080;
const FIRST_APP_USER = 30_000;
/** Ports of the inside communication lie this far apart at most; below those of clients. */
const INTERNAL_SPREAD = 11_000;

/** The user id on this machine that a site's files and processes belong to. */
export function userOfSite(siteNumber: number): number {
  return FIRST_APP_USER + siteNumber;
}

/** An address of one app leads to its pair of ports at every front end. */
function ownTranslations(
  own: readonly AppAddress[],
  frontEnds: readonly Host[],
): readonly Translation[] {
  const { http, https } = APP_PORTS.web;
  return own
    .filter(({ site }) => site !== undefined)
    .flatMap(({ address, ports }) =>
      [
        { port: http, to: ports.http },
        { port: https, to: ports.https },
      ].map(({ port, to }) => ({
        at: "edge" as const,
        address,
        protocol: "Tcp" as const,
        port,
        targets: frontEnds.map(({ name, place }) => ({
          host: name,
          address: place.address,
          port: to,
        })),
      })),
    );
}

function sitesOfPlan(declared: Declared, plan: ResourceOf<"Microsoft.Web/serverfarms">) {
  return declared.all("Microsoft.Web/sites").filter((site) => site.plan.key === plan.key);
}

/** A public address of the world's pool for an owner. */
export function publicAddress(ledger: LedgerDraft, owner: string): Ipv4 {
  const pool = parseCidr(PUBLIC_POOL);
  if (!pool.ok) throw new Error("broken promise: the pool is a prefix");
  const address = ledger.address("public", pool.value, owner, 1, sizeOf(pool.value) - 2);
  if (address === undefined) throw new Error("broken promise: the world has public addresses left");
  return address;
}

/**
 * Ports of the inside communication: two per host, of its own choosing, so that opening single
 * ports inside the subnet does not suffice.
 *
 * @article ASE inbound dependencies
 */
export function internalPorts(hostName: string): readonly number[] {
  let hash = 2_166_136_261;
  for (const letter of hostName) hash = Math.imul(hash ^ letter.charCodeAt(0), 16_777_619) >>> 0;
  return [PORTS_BELOW + (hash % INTERNAL_SPREAD), 34_000 + ((hash >>> 8) % INTERNAL_SPREAD)];
}

/**
 * Name of a key pair's files, from the whole id: environments of one name in two groups differ.
 * "client" is the pair that management itself shows; it belongs to no environment.
 */
export function certificateStem(use: "front-end" | "management", environment: Environment): string;
export function certificateStem(use: "client"): string;
export function certificateStem(use: string, environment?: Environment): string {
  const of = environment?.key.replaceAll(/[^a-z0-9]+/g, "-") ?? "";
  return `${use}${of}`;
}

/** The name that the management role's certificate bears. */
export function managementName(environment: Environment): string {
  return `management.${environmentDomain(environment)}`;
}
