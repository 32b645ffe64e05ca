/**
 * The world as the API sees it: computed statuses, addresses, places, and what can be asked of it.
 *
 * Reads the loop's last turn and the ledger; writes nothing but wishes that the loop follows.
 *
 * @article ASE IP addresses
 */
import type { ResourceOf } from "../arm/resources.ts";
import { declined, found, type Result } from "../base/problem.ts";
import type { Blueprint } from "../blueprint/blueprint.ts";
import {
  describeMissing,
  missingNames,
  pendingDnsServers,
} from "../blueprint/environment-names.ts";
import { heldAppAddresses, unreachedAppAddresses } from "../blueprint/app-addresses.ts";
import { effectiveRoutesOf, type EffectiveRoute } from "../blueprint/effective-routes.ts";
import type { Layout } from "../blueprint/layout.ts";
import type { Ledger } from "../blueprint/ledger.ts";
import { FIRST_HOST_OFFSET, MOST_INSTANCES, PLATFORM_ADDRESSES } from "../environment/addresses.ts";
import { describeHealth, type Health } from "../environment/health.ts";
import { environmentDomain } from "../environment/names.ts";
import type { Fabric, LogLine } from "../fabric/fabric.ts";
import { addressAt, ipv4ToNumber, sizeOf } from "../network/prefix.ts";
import type { ServiceTags } from "../network/service-tags.ts";
import type { Store } from "../store/store.ts";
import type {
  ControlEvent,
  EnvironmentAddresses,
  LedgerEntry,
  ResourceStatus,
  RunRequest,
  World,
} from "./control-plane.ts";
import { addressHistory, heldSince } from "./address-records.ts";
import { capture } from "./capture.ts";
import type { FactBook } from "./facts.ts";
import type { FlowLogs } from "./flow-logs.ts";
import { describeLayout } from "./layouts.ts";
import type { Loop, LoopState } from "./loop.ts";
import { cancelOperation, operationsNow } from "./queue.ts";
import { rebootRolling } from "./reboot.ts";
import { describeHost, placeOf, placesOf } from "./places.ts";
import { tracePacket } from "./trace.ts";
import { readBlueprint, readHealth } from "./records.ts";
import { storedResource, wantedResources } from "./wanted.ts";

export type WorldOptions = {
  readonly store: Store;
  readonly fabric: Fabric;
  readonly loop: () => Loop;
  readonly facts: FactBook;
  readonly flowLogs: FlowLogs;
  /** A folder for files of a moment. */
  readonly scratch: string;
  readonly tags: ServiceTags;
};

export function openWorld(options: WorldOptions): World {
  const { store, fabric, loop, facts, tags } = options;
  const state = () => loop().state();
  return {
    statusOf: (key) => statusOf(store, state(), key),
    addressesOf: (key) => addressesOf(store, key),
    addressHistoryOf: (id) => addressHistory(store.events, id),
    ledgerOf: (key) => ledgerOf(store, state().blueprint, key),
    tags,
    takenIn: (key) => Object.values(readBlueprint(store).ledger.addresses[key]?.held ?? {}),
    instancesOf: (key) => {
      const name = storedResource(store, key)?.resource.name;
      if (name === undefined) return [];
      return appsOf(state().blueprint, name).map((one) => one.split(" ")[0] ?? one);
    },
    look: async () => {
      const observed = await fabric.observe();
      if (!observed.ok) return observed;
      const hosts = observed.value.hosts.map(({ host, programs }) => ({
        ...describeHost(host),
        programs,
      }));
      return found({
        generation: observed.value.generation,
        hosts,
        places: placesOf(state().blueprint),
      });
    },
    logs: async ({ site, host, environment, lines }) => {
      if (environment !== undefined) return found(platformLines(store, environment).slice(-lines));
      const named = site === undefined ? undefined : appsOf(state().blueprint, site);
      if (named?.length === 0) return declined(noSuchSite(site ?? ""));
      const listed = await fabric.logs({ lines, ...(host === undefined ? {} : { host }) });
      if (!listed.ok || named === undefined) return listed;
      return found(
        listed.value.filter((line) => named.includes(`${line.host} ${line.program}`)).slice(-lines),
      );
    },
    routesAt: (at) => routesAt(state().blueprint, at),
    capture: async (at, request) => {
      const place = placeOf(state().blueprint, at);
      if (!place.ok) return place;
      return capture(place.value, request, { fabric, folder: options.scratch });
    },
    flows: () => options.flowLogs.seen(),
    flowLines: (after) => fabric.flows(after),
    blueprint: () => state().blueprint,
    trace: (words) => tracePacket(words, state().blueprint, fabric),
    run: async ({ at, argv, input, onOutput }: RunRequest) => {
      const place = placeOf(state().blueprint, at);
      if (!place.ok) return place;
      return fabric.run(place.value, { argv, onOutput, ...(input === undefined ? {} : { input }) });
    },
    operations: () => operationsNow(store, state()),
    cancel: (id) => cancelOperation(store, loop(), id, Date.now()),
    restartSite: async (key) => {
      const asked = facts.restart(key);
      if (asked.ok) loop().wake();
      return asked;
    },
    turnEndpoint: async (name, to) => {
      const turned = facts.turnEndpoint(name, to);
      if (turned.ok) await loop().turned();
      return turned;
    },
    rebootEnvironment: async (key) => {
      const id = storedResource(store, key)?.resource.id ?? key;
      return rebootRolling({ fabric, loop: loop(), facts, now: Date.now }, id);
    },
    deployContent: async (key, file) => {
      const deployed = await facts.deploy(key, file);
      if (deployed.ok) await loop().turned();
      return deployed;
    },
  };
}

function statusOf(store: Store, state: LoopState, key: string): ResourceStatus | undefined {
  const resource = storedResource(store, key)?.resource;
  const problem = state.layoutProblems[key];
  if (problem !== undefined) return { provisioningState: "Failed", properties: {} };
  switch (resource?.type) {
    case "Microsoft.Web/hostingEnvironments":
      return statusOfEnvironment(store, state, resource);
    case "Microsoft.Web/sites":
      return statusOfSite(store, resource);
    case "Microsoft.Web/serverfarms":
      return statusOfPlan(resource, state.layouts[resource.environment.key]);
    default:
      return undefined;
  }
}

/** Where its users reach an app: at its own address, or at that of its environment. */
function statusOfSite(
  store: Store,
  { key, plan }: ResourceOf<"Microsoft.Web/sites">,
): ResourceStatus | undefined {
  const farm = storedResource(store, plan.key)?.resource;
  if (farm?.type !== "Microsoft.Web/serverfarms") return undefined;
  const shared = addressesOf(store, farm.environment.key);
  if (shared === undefined) return undefined;
  const { ledger } = readBlueprint(store);
  const own = heldAppAddresses(ledger, farm.environment.key).find(({ site }) => site === key);
  return {
    provisioningState: "Succeeded",
    properties: {
      inboundIpAddress: own?.address ?? shared.internalAddress ?? shared.publicAddress ?? null,
    },
  };
}

function statusOfEnvironment(
  store: Store,
  { blueprint, layouts }: LoopState,
  environment: ResourceOf<"Microsoft.Web/hostingEnvironments">,
): ResourceStatus {
  const layout = layouts[environment.key];
  const health = readHealth(store, environment.key)?.health;
  const addresses = addressesOf(store, environment.key);
  return {
    provisioningState:
      health === undefined || health.state === "preparing" ? "InProgress" : "Succeeded",
    properties: {
      environmentIsHealthy: health?.state === "healthy",
      environmentStatus: health === undefined ? "Preparing" : describeHealth(health),
      suspended: health?.state === "suspended",
      status: statusWord(health, layout),
      ...describeLayout(layout),
      maximumNumberOfMachines: MOST_INSTANCES,
      notices: blueprint === undefined ? [] : noticesOf(store, blueprint, environment),
      ...(addresses?.publicAddress === undefined ? {} : { publicAddress: addresses.publicAddress }),
    },
  };
}

/** What works and yet asks for something to be done. */
function noticesOf(
  store: Store,
  blueprint: Blueprint,
  environment: ResourceOf<"Microsoft.Web/hostingEnvironments">,
): readonly string[] {
  const { id, key, kind, name } = environment;
  const unreached = unreachedAppAddresses(
    blueprint,
    heldAppAddresses(readBlueprint(store).ledger, key),
  );
  const subnet = storedResource(store, environment.subnet.key)?.resource;
  const network =
    subnet?.type === "Microsoft.Network/virtualNetworks/subnets"
      ? storedResource(store, subnet.network.key)?.resource
      : undefined;
  if (network?.type !== "Microsoft.Network/virtualNetworks") return [];
  const domain = environmentDomain(environment);
  const asksPlatform = network.dnsServers.length === 0;
  const missing =
    kind === "Internal" && asksPlatform
      ? describeMissing(domain, missingNames(blueprint, { id, domain }))
      : undefined;
  const pending = pendingDnsServers(blueprint, { id, name }, network.dnsServers);
  return [missing, pending, ...unreached].filter((notice) => notice !== undefined);
}

function statusWord(health: Health | undefined, layout: Layout | undefined): string {
  if (health === undefined || health.state === "preparing") return "Preparing";
  return layout?.move === undefined ? "Ready" : "Scaling";
}

/** Instances that take traffic are current; the others come or leave. */
function statusOfPlan(
  plan: ResourceOf<"Microsoft.Web/serverfarms">,
  layout: Layout | undefined,
): ResourceStatus {
  const crew = layout?.crews[plan.key];
  const serving = (crew?.batches ?? [])
    .filter(({ state }) => state === "serving")
    .reduce((sum, { from, to }) => sum + to - from, 0);
  const isMoving = layout?.move !== undefined && plan.key in layout.move.before;
  return {
    provisioningState: isMoving ? "InProgress" : "Succeeded",
    properties: { status: "Ready", currentNumberOfWorkers: serving },
  };
}

/** Addresses come from the ledger, which holds them for as long as the environment is up. */
function addressesOf(store: Store, environmentKey: string): EnvironmentAddresses | undefined {
  const { ledger } = readBlueprint(store);
  const resource = storedResource(store, environmentKey)?.resource;
  if (resource?.type !== "Microsoft.Web/hostingEnvironments") return undefined;
  const publicAddress = ledger.addresses["public"]?.held[environmentKey];
  if (publicAddress === undefined) return undefined;
  const internal = ledger.addresses[resource.subnet.key]?.held[`${environmentKey} ilb`];
  return {
    publicAddress,
    ...(internal === undefined ? {} : { internalAddress: internal }),
    outboundAddresses: [publicAddress],
    appAddresses: heldAppAddresses(ledger, environmentKey).map(({ address, ports, site }) => {
      const app = site === undefined ? undefined : storedResource(store, site)?.resource.name;
      return { address, ports, ...(app === undefined ? {} : { app }) };
    }),
  };
}

const PLATFORM_USES = ["network address", "gateway", "DNS", "DNS"] as const;

function ledgerOf(
  store: Store,
  blueprint: Blueprint | undefined,
  environmentKey: string,
): readonly LedgerEntry[] {
  const environment = storedResource(store, environmentKey)?.resource;
  if (environment?.type !== "Microsoft.Web/hostingEnvironments") return [];
  const subnet = storedResource(store, environment.subnet.key)?.resource;
  if (subnet?.type !== "Microsoft.Network/virtualNetworks/subnets") return [];
  const { ledger } = readBlueprint(store);
  const platform = [
    ...PLATFORM_USES.slice(0, FIRST_HOST_OFFSET).map((use, offset) => ({
      address: addressAt(subnet.prefix, offset),
      use: `Platform: ${use}`,
    })),
    { address: addressAt(subnet.prefix, sizeOf(subnet.prefix) - 1), use: "Platform: broadcast" },
  ].slice(0, PLATFORM_ADDRESSES);
  const hosts = (blueprint?.hosts ?? [])
    .filter(({ environment: of }) => of === environment.id)
    .map(({ name, role, place }) => ({
      ...{ address: place.address, use: role, host: name },
      ...sinceOf(store, subnet.key, { owner: name, address: place.address }),
    }));
  const balancer = balancerOf(ledger, subnet.key, environmentKey).map((one) => ({
    ...one,
    ...sinceOf(store, subnet.key, { owner: `${environmentKey} ilb`, address: one.address }),
  }));
  return [...platform, ...hosts, ...balancer].sort(
    (a, b) => ipv4ToNumber(a.address) - ipv4ToNumber(b.address),
  );
}

function sinceOf(
  store: Store,
  pool: string,
  held: Parameters<typeof heldSince>[2],
): { readonly since?: number } {
  const since = heldSince(store, pool, held);
  return since === undefined ? {} : { since };
}

function balancerOf(ledger: Ledger, subnetKey: string, environmentKey: string) {
  const address = ledger.addresses[subnetKey]?.held[`${environmentKey} ilb`];
  return address === undefined ? [] : [{ address, use: "InternalLoadBalancer" }];
}

function routesAt(blueprint: Blueprint | undefined, at: string): Result<readonly EffectiveRoute[]> {
  const place = placeOf(blueprint, at);
  if (!place.ok) return place;
  const name = place.value.kind === "host" ? place.value.name : undefined;
  const host = blueprint?.hosts.find((one) => one.name === name);
  const routes = host && blueprint && effectiveRoutesOf(blueprint, host);
  if (routes !== undefined) return found(routes);
  return declined({
    code: "NoRoutesThere",
    what: `${at} stands in no virtual network, and has no effective routes`,
    fix: "Name a host of a subnet, or vnet/NAME. `ase hosts` lists them.",
    where: at,
  });
}

/** "host program" of every instance of a site, by its name. */
function appsOf(blueprint: Blueprint | undefined, site: string): readonly string[] {
  return (blueprint?.hosts ?? []).flatMap((host) =>
    host.programs
      .filter(
        (program) => program.kind === "app" && program.site.toLowerCase() === site.toLowerCase(),
      )
      .map((program) => `${host.name} ${program.name}`),
  );
}

/** What the platform's log of an environment says: events of its category. */
function platformLines(store: Store, environment: string): readonly LogLine[] {
  const newest = store.events.newest();
  return store.events
    .after<ControlEvent>(Math.max(0, newest - MOST_EVENTS), MOST_EVENTS)
    .filter(({ value }) => value.category !== undefined && isOf(store, value, environment))
    .map(({ time, value }) => ({
      time,
      host: environment,
      program: value.category ?? "",
      stream: "platform" as const,
      text: value.message,
    }));
}

const MOST_EVENTS = 10_000;

function isOf(store: Store, { subject = "" }: ControlEvent, environment: string): boolean {
  const resource = storedResource(store, subject.toLowerCase())?.resource;
  const id = resource?.type === "Microsoft.Web/serverfarms" ? resource.environment.id : subject;
  return id.toLowerCase().endsWith(`/hostingenvironments/${environment.toLowerCase()}`);
}

function noSuchSite(site: string) {
  return {
    code: "ResourceNotFound",
    what: `No instance of an app "${site}" runs`,
    fix: "See `ase app list` for the apps there are.",
    where: site,
  };
}

/** Sites that are gone leave their content behind until this is called. */
export async function forgetRemovedSites(store: Store, facts: FactBook): Promise<void> {
  const keys = new Set(wantedResources(store).map(({ key }) => key));
  const gone = store.list("content", "").filter(({ key }) => !keys.has(key));
  for (const { key } of gone) await facts.forget(key);
}
