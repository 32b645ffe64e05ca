/**
 * Findings about the network around an environment: tunnels and how Azure supports them, service
 * endpoints, DNS servers and records, missing groups and tables.
 */
import { keyOf } from "../arm/ids.ts";
import { isJsonArray, plainText, propertyAt, type JsonValue } from "../arm/json.ts";
import type { Resource, ResourceOf } from "../arm/resources.ts";
import { missingNames } from "../blueprint/environment-names.ts";
import { environmentDomain } from "../environment/names.ts";
import type { Route } from "../network/route.ts";
import type { Culprit, Finding } from "./finding.ts";
import { routeCulprit, routeInWords } from "./flow-findings.ts";
import type { Ground, Requirement } from "./requirements.ts";
import { spellEndpoints } from "./spellings.ts";
import { ofType, type Subject } from "./subject.ts";
import type { Places } from "./subnet-findings.ts";

export type Around = {
  readonly subject: Subject;
  readonly ground: Ground;
  readonly resources: readonly Resource[];
  readonly requirements: readonly Requirement[];
  readonly placeOf: Places;
};

const TUNNEL = "Forced tunneling";
const ENDPOINTS = "Service Endpoints";

export function networkFindings(around: Around): readonly Finding[] {
  return [
    ...tunnel(around),
    ...sqlServers(around),
    ...customerDns(around),
    ...records(around),
    ...missing(around),
  ];
}

/**
 * The supported ways to force outbound traffic elsewhere: (1, 2) the default route of the subnet
 * stays Internet, gateway routes stay out; (3) management straight to the internet, SQL and Storage
 * by service endpoints; (4) the same with SQL through the tunnel, whose egress addresses the
 * environment was told.
 *
 * @article Route Tables
 */
function tunnel({ subject, requirements, placeOf }: Around): readonly Finding[] {
  const outward = requirements.filter(({ flow }) => flow.to === "internet" || flow.to === "sql");
  const routes = new Map<string, Route>();
  for (const { way } of outward)
    for (const { route } of way.tunnelled) routes.set(`${route.name} ${route.prefix}`, route);
  const [route] = [...routes.values()].sort((a, b) => (a.prefix < b.prefix ? -1 : 1));
  if (route === undefined) return [];
  const services = subject.subnet.serviceEndpoints.map((service) => service.toLowerCase());
  const storage = services.includes("microsoft.storage");
  const sql = services.includes("microsoft.sql");
  const told = isNotEmpty(propertyAt(subject.environment.extra, "userWhitelistedIpRanges"));
  const supported = storage && (sql || told);
  const base = {
    id: "routes/forced-tunnel",
    title: "forced tunnel",
    heading: TUNNEL,
    culprit: routeCulprit(route, { placeOf }),
  };
  const assumes = [...new Set(outward.flatMap(({ way }) => way.assumes))];
  const by = routeInWords(route);
  if (supported)
    return [
      {
        ...base,
        grade: "advice",
        verdict: "violated",
        what: `outbound traffic is tunnelled by ${by}, in a supported way: ${sql ? "SQL and Storage by service endpoints" : "Storage by a service endpoint, and the environment knows the tunnel's egress addresses"}`,
        consequence:
          "what the tunnel does not pass (names and ports of the outbound dependencies) makes the environment unhealthy; it cannot be proved from these files",
        assumes,
        fixes: [],
      },
    ];
  const lacking = [
    ...(storage ? [] : ["Microsoft.Storage"]),
    ...(sql || told ? [] : ["Microsoft.Sql"]),
  ];
  const all = [...subject.subnet.serviceEndpoints, ...lacking];
  return [
    {
      ...base,
      grade: "hard",
      verdict: "violated",
      what: `outbound traffic is tunnelled by ${by}, and ${lacking.join(" and ")} would be too: none of the supported ways`,
      consequence:
        "the environment loses its database or its storage, becomes unhealthy and is suspended in the end",
      assumes,
      sources: [
        "supported: default route to Internet; or service endpoints for SQL and Storage; or one for Storage, and the egress addresses in userWhitelistedIpRanges; management replies straight to the internet in every case",
      ],
      fixes: [
        {
          what: `let ${lacking.join(" and ")} leave by service endpoints, which no tunnel catches`,
          ...spellEndpoints(subject.subnet.id, all),
          reproved: true,
          alsoAllows: [],
        },
      ],
    },
  ];
}

/** @article Service Endpoints */
function sqlServers({ subject, resources, placeOf }: Around): readonly Finding[] {
  const { subnet } = subject;
  if (!subnet.serviceEndpoints.some((service) => service.toLowerCase() === "microsoft.sql"))
    return [];
  const declared = ofType(resources, "DeclaredOnly");
  const servers = declared.filter(({ declaredType }) => declaredType === "Microsoft.Sql/servers");
  const rules = declared.filter(
    ({ declaredType }) => declaredType === "Microsoft.Sql/servers/virtualNetworkRules",
  );
  const closed = servers.filter(
    (server) =>
      !rules.some(
        ({ key, body }) =>
          key.startsWith(`${server.key}/`) &&
          keyOf(plainText(propertyAt(body, "properties", "virtualNetworkSubnetId"))) === subnet.key,
      ),
  );
  const every =
    "once a subnet has the endpoint Microsoft.Sql, every SQL server reached from it must let the subnet in";
  const base = { id: "endpoints/sql", heading: ENDPOINTS, fixes: [], verdict: "violated" } as const;
  if (servers.length === 0)
    return [
      {
        ...base,
        title: "SQL by service endpoint",
        grade: "advice",
        what: `${subnet.name} has the service endpoint Microsoft.Sql, and no file says which SQL servers apps reach`,
        consequence: every,
      },
    ];
  return closed.map((server) => ({
    ...base,
    title: "a SQL server does not let the subnet in",
    grade: "app",
    what: `${server.name} has no virtual network rule for ${subnet.name}`,
    consequence: `apps do not reach it: ${every}`,
    culprit: culpritOf(server, placeOf),
  }));
}

/** @article Customer DNS */
function customerDns({ ground, subject, resources, placeOf }: Around): readonly Finding[] {
  if (ground.dnsServers.length === 0) return [];
  const network = ofType(resources, "Microsoft.Network/virtualNetworks").find(
    ({ key }) => key === subject.subnet.network.key,
  );
  return [
    {
      id: "dns/servers",
      title: "DNS servers of the virtual network",
      grade: "advice",
      verdict: "violated",
      heading: "Customer DNS",
      what: `apps ask ${ground.dnsServers.join(", ")}; the environment itself asks the platform's resolver`,
      consequence:
        "a later change of the servers takes effect only after the environment was rebooted",
      ...(network === undefined ? {} : { culprit: culpritOf(network, placeOf) }),
      fixes: [],
    },
  ];
}

/**
 * Names of an environment behind an internal load balancer are in no public DNS.
 *
 * @article Portal dependencies
 */
function records({ subject, ground, resources, placeOf }: Around): readonly Finding[] {
  const { environment } = subject;
  if (environment.kind === "External") return [];
  const domain = environmentDomain(environment);
  const zone = ofType(resources, "Microsoft.Network/privateDnsZones").find(
    ({ name }) => name.toLowerCase() === domain,
  );
  // Which address the balancer gets is not known before it stands: any record will do.
  const lacking = missingNames(ground.blueprint, { id: environment.id, domain }).filter(
    ({ leadsTo }) => leadsTo.length === 0,
  );
  if (lacking.length === 0) return [];
  const words = lacking.map(({ record, without }) => `${record} (else ${without})`).join(", ");
  const base = {
    id: "dns/records",
    title: "names of the apps",
    verdict: "violated",
    heading: "Portal dependencies",
    fixes: [],
  } as const;
  if (zone === undefined)
    return [
      {
        ...base,
        grade: "advice",
        what: `names of an environment with an internal load balancer are in no public DNS: users need a zone ${domain} with A records ${words}, all for the load balancer's address`,
        consequence: "until then apps are reached by address only",
      },
    ];
  return [
    {
      ...base,
      grade: "app",
      what: `the zone ${domain}, as ${ground.network.name} sees it, lacks the A records ${words}`,
      consequence: "users in the network do not find those names",
      culprit: culpritOf(zone, placeOf),
    },
  ];
}

/** What is not there and would be wise. */
function missing({ subject, ground, placeOf }: Around): readonly Finding[] {
  const { subnet } = subject;
  const base = { verdict: "violated", grade: "advice", fixes: [] } as const;
  const culprit = culpritOf(subnet, placeOf);
  const group: readonly Finding[] =
    ground.subnet.rules !== undefined
      ? []
      : [
          {
            ...base,
            id: "rules/no-group",
            title: "no security group",
            heading: "Network Security Groups",
            what: `${subnet.name} has no security group: every packet passes, also to the management ports from anywhere`,
            consequence: "the environment works; nothing keeps others out",
            culprit,
          },
        ];
  const gateway = ground.network.subnets.some(({ name }) => name.toLowerCase() === "gatewaysubnet");
  const table: readonly Finding[] =
    subnet.routeTable !== undefined || !gateway
      ? []
      : [
          {
            ...base,
            id: "routes/no-table",
            title: "no route table, and a gateway",
            heading: TUNNEL,
            what: `${subnet.name} has no route table, and the network has a gateway: a default route that on-premises routers announce would tunnel everything`,
            consequence:
              "replies to management would leave by another path, and the environment would be suspended",
            culprit,
          },
        ];
  return [...group, ...table];
}

function culpritOf(
  { name, id, key, type }: Resource | ResourceOf<"DeclaredOnly">,
  placeOf: Places,
): Culprit {
  const place = placeOf(key);
  const kind =
    type === "Microsoft.Network/virtualNetworks/subnets"
      ? "subnet"
      : type === "Microsoft.Network/virtualNetworks"
        ? "network"
        : "resource";
  return { kind, name, id, sentence: `${kind} ${name}`, ...(place === undefined ? {} : { place }) };
}

function isNotEmpty(value: JsonValue | undefined): boolean {
  return isJsonArray(value) && value.length > 0;
}
