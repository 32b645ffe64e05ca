/** Declared resources for tests: a network with one environment, its plan and its app. */
import { keyOf } from "../../src/arm/ids.ts";
import type { Reference, Resource, ResourceOf } from "../../src/arm/resources.ts";
import type { Wanted } from "../../src/blueprint/wanted.ts";
import type { Cidr, Ipv4 } from "../../src/network/prefix.ts";
import type { SecurityRule } from "../../src/network/rule.ts";

const GROUP = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/demo";

export function idOf(type: string, name: string): string {
  return `${GROUP}/providers/${type}/${name}`;
}

export function reference(id: string): Reference {
  return { id, key: keyOf(id) };
}

function common(type: string, name: string) {
  const id = idOf(type, name);
  return {
    id,
    key: keyOf(id),
    name: name.split("/").at(-1) ?? name,
    extra: {},
    location: "local",
    tags: {},
  };
}

export const NETWORK_ID = idOf("Microsoft.Network/virtualNetworks", "net");
export const SUBNET_ID = `${NETWORK_ID}/subnets/ase`;
export const ENVIRONMENT_ID = idOf("Microsoft.Web/hostingEnvironments", "shop");
export const PLAN_ID = idOf("Microsoft.Web/serverfarms", "plan");
export const SITE_ID = idOf("Microsoft.Web/sites", "hello");

export type Sketch = {
  readonly kind?: "External" | "Internal";
  readonly subnet?: string;
  readonly instances?: number;
  readonly rules?: readonly Partial<SecurityRule>[];
  readonly routes?: readonly Pick<
    ResourceOf<"Microsoft.Network/routeTables/routes">,
    "name" | "destination" | "nextHop"
  >[];
  readonly extra?: readonly Resource[];
  /** Service endpoints of the environment's subnet. */
  readonly endpoints?: readonly string[];
};

/** A small environment; what the sketch leaves out is usual. */
export function sketch(of: Sketch = {}): readonly Resource[] {
  const groupId = idOf("Microsoft.Network/networkSecurityGroups", "nsg");
  const tableId = idOf("Microsoft.Network/routeTables", "routes");
  const kind = of.kind ?? "External";
  const network: Resource = {
    ...common("Microsoft.Network/virtualNetworks", "net"),
    type: "Microsoft.Network/virtualNetworks",
    prefixes: ["10.0.0.0/16" as Cidr],
    dnsServers: [],
  };
  const {
    location: _,
    tags: __,
    ...subnetCommon
  } = common("Microsoft.Network/virtualNetworks", "net");
  const subnet: Resource = {
    ...subnetCommon,
    id: SUBNET_ID,
    key: keyOf(SUBNET_ID),
    name: "ase",
    type: "Microsoft.Network/virtualNetworks/subnets",
    network: reference(NETWORK_ID),
    prefix: (of.subnet ?? "10.0.1.0/24") as Cidr,
    ...(of.rules === undefined ? {} : { networkSecurityGroup: reference(groupId) }),
    ...(of.routes === undefined ? {} : { routeTable: reference(tableId) }),
    serviceEndpoints: of.endpoints ?? [],
  };
  const environment: Resource = {
    ...common("Microsoft.Web/hostingEnvironments", "shop"),
    type: "Microsoft.Web/hostingEnvironments",
    kind,
    mode: kind === "External" ? "None" : "Web, Publishing",
    subnet: reference(SUBNET_ID),
    frontEndScaleFactor: 15,
    multiSize: "Standard_D1_V2",
    ipSslAddressCount: 0,
    clusterSettings: [],
    suspended: false,
  };
  const plan: Resource = {
    ...common("Microsoft.Web/serverfarms", "plan"),
    type: "Microsoft.Web/serverfarms",
    kind: "app",
    environment: reference(ENVIRONMENT_ID),
    size: "I1",
    capacity: of.instances ?? 2,
    reserved: false,
    perSiteScaling: false,
  };
  const site: Resource = {
    ...common("Microsoft.Web/sites", "hello"),
    type: "Microsoft.Web/sites",
    kind: "app",
    plan: reference(PLAN_ID),
    enabled: true,
    httpsOnly: false,
    clientAffinityEnabled: false,
    hostNames: [],
    hostNameSslStates: [],
    appSettings: { GREETING: "hello" },
    connectionStrings: {},
    config: {
      appCommandLine: "",
      nodeVersion: "",
      linuxFxVersion: "",
      alwaysOn: false,
      defaultDocuments: [],
      extra: {},
    },
  };
  const group: readonly Resource[] =
    of.rules === undefined
      ? []
      : [
          {
            ...common("Microsoft.Network/networkSecurityGroups", "nsg"),
            type: "Microsoft.Network/networkSecurityGroups",
            flushConnection: false,
          },
          ...of.rules.map((rule, position) => ruleResource(groupId, rule, position)),
        ];
  const table: readonly Resource[] =
    of.routes === undefined
      ? []
      : [
          {
            ...common("Microsoft.Network/routeTables", "routes"),
            type: "Microsoft.Network/routeTables",
            disableBgpRoutePropagation: false,
          },
          ...of.routes.map((route): Resource => {
            const id = `${tableId}/routes/${route.name}`;
            return {
              ...route,
              id,
              key: keyOf(id),
              extra: {},
              type: "Microsoft.Network/routeTables/routes",
              table: reference(tableId),
            };
          }),
        ];
  return [network, subnet, ...group, ...table, environment, plan, site, ...(of.extra ?? [])];
}

function ruleResource(group: string, rule: Partial<SecurityRule>, position: number): Resource {
  const name = rule.name ?? `rule-${position}`;
  const id = `${group}/securityRules/${name}`;
  return {
    id,
    key: keyOf(id),
    name,
    extra: {},
    type: "Microsoft.Network/networkSecurityGroups/securityRules",
    group: reference(group),
    words: {},
    rule: {
      name,
      group,
      origin: "user",
      priority: 100 + position,
      direction: "Inbound",
      access: "Allow",
      protocol: "*",
      sources: [{ kind: "any" }],
      sourcePorts: [{ low: 0, high: 65_535 }],
      destinations: [{ kind: "any" }],
      destinationPorts: [{ low: 0, high: 65_535 }],
      ...rule,
    },
  };
}

/** A subnet beside that of the environment, 10.0.2.0/24. */
export function secondSubnet(id: string): Resource {
  const { location: _, tags: __, ...own } = common("Microsoft.Network/virtualNetworks", "net");
  return {
    ...own,
    id,
    key: keyOf(id),
    name: id.split("/").at(-1) ?? id,
    type: "Microsoft.Network/virtualNetworks/subnets",
    network: reference(NETWORK_ID),
    prefix: "10.0.2.0/24" as Cidr,
    serviceEndpoints: [],
  };
}

/** A machine in a subnet, an appliance where it forwards. */
export function machine(
  name: string,
  subnetId: string,
  of: {
    readonly address?: string;
    readonly forwards?: boolean;
    readonly group?: string;
    readonly applicationGroup?: string;
  } = {},
): Resource {
  return {
    ...common("Microsoft.Network/networkInterfaces", name),
    type: "Microsoft.Network/networkInterfaces",
    forwards: of.forwards ?? false,
    translates: false,
    ...(of.group === undefined ? {} : { networkSecurityGroup: reference(of.group) }),
    configurations: [
      {
        name: "first",
        primary: true,
        subnet: reference(subnetId),
        applicationSecurityGroups:
          of.applicationGroup === undefined ? [] : [reference(of.applicationGroup)],
        ...(of.address === undefined ? {} : { address: of.address as Ipv4 }),
      },
    ],
  };
}

const TAGS: Readonly<Record<string, readonly string[]>> = {
  AppServiceManagement: ["13.64.0.0/11", "20.36.0.0/14"],
  Sql: ["40.112.139.250/32", "104.40.168.64/26"],
  Storage: ["52.239.128.0/28"],
};

/** The compiler's facts beside the resources. */
export function wanted(resources: readonly Resource[], of: Partial<Wanted> = {}): Wanted {
  return {
    resources,
    tag: (name) => TAGS[name] as readonly Cidr[] | undefined,
    runs: () => true,
    contentOf: () => ({ folder: "/content/hello", version: "1", runtime: "static", number: 1 }),
    certificate: (stem) => ({
      certificate: `/pki/${stem}.crt`,
      key: `/pki/${stem}.key`,
      authority: "/pki/authority.crt",
    }),
    incarnationOf: () => 0,
    silent: new Set(),
    away: new Set(),
    down: new Set(),
    layoutOf: () => undefined,
    ...of,
  };
}
