/**
 * SQL servers that users declare, as hosts of the world's internet with their firewall.
 *
 * Read from bodies that are kept as written: a rule that cannot be read admits nobody.
 *
 * @article Service Endpoints
 */
import { keyOf } from "../arm/ids.ts";
import { isJsonArray, propertyAt, type JsonValue } from "../arm/json.ts";
import type { DeclaredOnly } from "../arm/resources.ts";
import { PUBLIC_POOL } from "../environment/dependencies.ts";
import { DEPENDENCY_PORTS } from "../environment/ports.ts";
import {
  parseCidr,
  parseIpv4,
  rangeOf,
  numberToIpv4,
  sizeOf,
  type Cidr,
} from "../network/prefix.ts";
import type { Ipv4 } from "../network/prefix.ts";
import type { Admission } from "./admission.ts";
import type { Endpoint, Host, Network } from "./blueprint.ts";
import type { LedgerDraft } from "./ledger.ts";
import type { Declared, Wanted } from "./wanted.ts";

const SERVER = "Microsoft.Sql/servers";

export type CompiledServices = {
  readonly hosts: readonly Host[];
  readonly names: Readonly<Record<string, Ipv4>>;
};

export function compileServices(
  declared: Declared,
  wanted: Wanted,
  ledger: LedgerDraft,
  networks: readonly Pick<Network, "id" | "subnets">[],
): CompiledServices {
  const space = largest(wanted.tag("Sql") ?? []);
  const servers = ofType(declared, SERVER).flatMap((server) => {
    const address = space && ledger.address("service Sql", space, server.key, 2, sizeOf(space) - 2);
    if (address === undefined) return [];
    const name = `${server.name.toLowerCase()}.database.windows.net`;
    const program: Endpoint = {
      kind: "endpoint",
      name: "sql",
      service: "sql",
      address,
      port: DEPENDENCY_PORTS.sql,
      admits: admissionOf(declared, server, name, networks),
    };
    const host: Host = {
      name: `sql-${ledger.stem(server.key, server.name)}`,
      place: { kind: "internet", address },
      role: "Endpoint",
      forwards: false,
      programs: [program],
    };
    return [{ host, name, address }];
  });
  return {
    hosts: servers.map(({ host }) => host),
    names: Object.fromEntries(servers.map(({ name, address }) => [name, address])),
  };
}

/**
 * Whom the environments' database lets in: their VIPs, the egress addresses they told
 * (`userWhitelistedIpRanges`), and their subnets where these have the endpoint.
 */
export function environmentsAdmission(
  declared: Declared,
  networks: readonly Pick<Network, "id" | "subnets" | "publicAddresses">[],
): Admission {
  const environments = declared.all("Microsoft.Web/hostingEnvironments");
  const told = environments.flatMap(({ extra }) => {
    const ranges = extra["userWhitelistedIpRanges"];
    return isJsonArray(ranges) ? ranges : [];
  });
  return {
    name: "the environment's database",
    addresses: [
      ...networks.flatMap(({ publicAddresses }) =>
        publicAddresses
          .filter(({ sourceOf }) =>
            sourceOf.some((prefix) => isSubnetOf(environments, networks, prefix)),
          )
          .map(({ address }) => ({ from: address, to: address })),
      ),
      ...told.flatMap((text) => {
        const prefix = parseCidr(typeof text === "string" ? text : "");
        return prefix.ok ? [rangeAround(prefix.value)] : [];
      }),
    ],
    subnets: environments.flatMap(({ subnet }) => subnetsNamed(networks, subnet.id)),
  };
}

function isSubnetOf(
  environments: readonly { readonly subnet: { readonly id: string } }[],
  networks: readonly Pick<Network, "id" | "subnets">[],
  prefix: Cidr,
): boolean {
  return environments.some(({ subnet }) =>
    subnetsNamed(networks, subnet.id).some((one) => one.prefix === prefix),
  );
}

function admissionOf(
  declared: Declared,
  server: DeclaredOnly,
  name: string,
  networks: readonly Pick<Network, "id" | "subnets">[],
): Admission {
  const isClosed = propertyAt(server.body, "properties", "publicNetworkAccess") === "Disabled";
  if (isClosed) return { name, addresses: [], subnets: [] };
  const partsOf = (type: string) =>
    ofType(declared, `${SERVER}/${type}`).filter(({ key }) => key.startsWith(`${server.key}/`));
  return {
    name,
    addresses: partsOf("firewallRules").flatMap(({ body }) =>
      rangesOf(
        propertyAt(body, "properties", "startIpAddress"),
        propertyAt(body, "properties", "endIpAddress"),
      ),
    ),
    subnets: partsOf("virtualNetworkRules").flatMap(({ body }) => {
      const id = propertyAt(body, "properties", "virtualNetworkSubnetId");
      return typeof id === "string" ? subnetsNamed(networks, id) : [];
    }),
  };
}

/** 0.0.0.0 to 0.0.0.0 lets everything in that belongs to the platform: public addresses of networks. */
function rangesOf(
  start: JsonValue | undefined,
  end: JsonValue | undefined,
): Admission["addresses"] {
  const [from, to] = [start, end].map((text) => parseIpv4(typeof text === "string" ? text : ""));
  if (from?.ok !== true || to?.ok !== true) return [];
  if (from.value === "0.0.0.0" && to.value === "0.0.0.0") {
    const pool = parseCidr(PUBLIC_POOL);
    return pool.ok ? [rangeAround(pool.value)] : [];
  }
  return [{ from: from.value, to: to.value }];
}

export function rangeAround(prefix: Cidr): Admission["addresses"][number] {
  const { low, high } = rangeOf(prefix);
  return { from: numberToIpv4(low), to: numberToIpv4(high) };
}

export function subnetsNamed(
  networks: readonly Pick<Network, "id" | "subnets">[],
  id: string,
): Admission["subnets"] {
  const key = keyOf(id);
  return networks.flatMap((network) =>
    network.subnets
      .filter((subnet) => keyOf(subnet.id) === key)
      .map(({ prefix }) => ({ network: network.id, prefix })),
  );
}

function ofType(declared: Declared, type: string): readonly DeclaredOnly[] {
  return declared
    .all("DeclaredOnly")
    .filter(({ declaredType }) => declaredType.toLowerCase() === type.toLowerCase());
}

function largest(prefixes: readonly Cidr[]): Cidr | undefined {
  return prefixes.reduce<Cidr | undefined>(
    (best, prefix) => (best === undefined || sizeOf(best) < sizeOf(prefix) ? prefix : best),
    undefined,
  );
}
