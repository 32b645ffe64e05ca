/**
 * What joins networks: peerings that both sides declared, gateways, sites on premises, and what
 * each network therefore learns.
 *
 * Routes of subnets are made of this in compile-network.ts. What a site announces is what its
 * resource says (static prefixes, and the tag that stands for BGP); nothing is negotiated here.
 */
import type { ResourceOf } from "../arm/resources.ts";
import { counterpartOf } from "../arm/types/peerings.ts";
import { parseCidr, type Cidr, type Ipv4 } from "../network/prefix.ts";
import { isPrivate } from "../network/select-route.ts";
import type { Connections, Gateway, Host, Peering, Site } from "./blueprint.ts";
import { publicAddress } from "./compile-environment.ts";
import { visitorAddress, type Neighbourhood } from "./compile-network.ts";
import type { LedgerDraft } from "./ledger.ts";
import type { Declared } from "./wanted.ts";

const PEERING = "Microsoft.Network/virtualNetworks/virtualNetworkPeerings";
const NETWORK = "Microsoft.Network/virtualNetworks";
const GATEWAY = "Microsoft.Network/virtualNetworkGateways";

export type CompiledConnections = {
  readonly connections: Connections;
  readonly of: (networkKey: string) => Neighbourhood;
};

export function compileConnections(declared: Declared, ledger: LedgerDraft): CompiledConnections {
  const sites = compileSites(declared, ledger);
  const gateways = compileGateways(declared, sites);
  const peerings = connectedPeerings(declared);
  return {
    connections: {
      peerings: peerings.map((peering) => peeringInto(declared, peering, gateways)),
      gateways: gateways.map(({ learned: _, ...gateway }) => gateway),
      sites: sites.map(({ resource: _, announced: __, ...site }) => site),
    },
    of: (key) => ({
      peered: peerings
        .filter(({ network }) => network.key === key)
        .flatMap(({ remote }) => {
          const network = declared.find(NETWORK, remote.key);
          return network === undefined ? [] : [{ network: network.id, prefixes: network.prefixes }];
        }),
      learned: [
        ...new Set(
          gateways
            .filter(({ usedBy }) => usedBy.some((id) => id.toLowerCase() === key))
            .flatMap(({ learned }) => learned),
        ),
      ],
    }),
  };
}

/** Both sides declared it, and both let the other one in. */
function connectedPeerings(declared: Declared): readonly ResourceOf<typeof PEERING>[] {
  const all = declared.all(PEERING);
  return all.filter((peering) => {
    const counterpart = counterpartOf(peering, all);
    return (
      peering.allowVirtualNetworkAccess &&
      counterpart !== undefined &&
      counterpart.allowVirtualNetworkAccess
    );
  });
}

/** The direction that ends at the network which declared this side: what it accepts. */
function peeringInto(
  declared: Declared,
  peering: ResourceOf<typeof PEERING>,
  gateways: readonly CompiledGateway[],
): Peering {
  const remote = declared.find(NETWORK, peering.remote.key);
  const behind = peering.useRemoteGateways
    ? gateways.filter(({ network }) => network === remote?.id).flatMap(({ learned }) => learned)
    : [];
  return {
    from: remote?.id ?? peering.remote.id,
    into: declared.find(NETWORK, peering.network.key)?.id ?? peering.network.id,
    accepts: peering.allowForwardedTraffic
      ? [everywhere()]
      : [...(remote?.prefixes ?? []), ...behind],
  };
}

type CompiledSite = Site & {
  /** Key of its resource. */
  readonly resource: string;
  readonly announced: readonly Cidr[];
};

function compileSites(declared: Declared, ledger: LedgerDraft): readonly CompiledSite[] {
  const local = declared.all("Microsoft.Network/localNetworkGateways");
  const circuits = declared
    .all("Microsoft.Network/expressRouteCircuits")
    .map((circuit) => ({ ...circuit, prefixes: [], publicAddress: undefined }));
  const taken = new Set<Ipv4>();
  return [...local, ...circuits].map((site) => {
    const announced = [...site.prefixes, ...site.announced];
    const own = site.publicAddress;
    const chosen = own === undefined || isPrivate(own) || taken.has(own) ? undefined : own;
    const address = chosen ?? publicAddress(ledger, site.key);
    taken.add(address);
    return {
      id: site.id,
      name: ledger.stem(site.key, site.name),
      index: ledger.number("site", site.key),
      prefixes: announced.filter((prefix) => isPrivate(prefix.split("/")[0] as Ipv4)),
      publicAddress: address,
      resource: site.key,
      announced,
    };
  });
}

type CompiledGateway = Gateway & { readonly learned: readonly Cidr[] };

function compileGateways(
  declared: Declared,
  sites: readonly CompiledSite[],
): readonly CompiledGateway[] {
  return declared.all(GATEWAY).flatMap((gateway) => {
    const subnet = declared.find("Microsoft.Network/virtualNetworks/subnets", gateway.subnet.key);
    const network = declared.find(NETWORK, subnet?.network.key);
    if (subnet === undefined || network === undefined) return [];
    const behind = declared
      .all("Microsoft.Network/connections")
      .filter((connection) => connection.gateway.key === gateway.key)
      .flatMap(({ peer, enableBgp }) => {
        const site = sites.find(({ resource }) => resource === peer.key);
        if (site === undefined) return [];
        const local = declared.find("Microsoft.Network/localNetworkGateways", peer.key);
        const learned = enableBgp ? site.announced : (local?.prefixes ?? []);
        const isDefault = gateway.defaultSite?.key === peer.key;
        return [
          { site: site.id, learned, prefixes: isDefault ? [...learned, everywhere()] : learned },
        ];
      });
    const users = usersOf(declared, network);
    return [
      {
        id: gateway.id,
        name: gateway.name,
        kind: gateway.kind,
        network: network.id,
        subnet: subnet.id,
        usedBy: users.map(({ id }) => id),
        advertises: users.flatMap(({ prefixes }) => prefixes),
        sites: behind.map(({ site, prefixes }) => ({ site, prefixes: [...new Set(prefixes)] })),
        learned: [...new Set(behind.flatMap(({ learned }) => learned))],
      },
    ];
  });
}

/** A gateway's own network, and the peers that use it and may. */
function usersOf(declared: Declared, network: ResourceOf<typeof NETWORK>) {
  const all = connectedPeerings(declared);
  const peers = all
    .filter(({ remote, useRemoteGateways }) => useRemoteGateways && remote.key === network.key)
    .filter((peering) => counterpartOf(peering, all)?.allowGatewayTransit === true)
    .flatMap((peering) => declared.find(NETWORK, peering.network.key) ?? []);
  return [network, ...peers];
}

/** Somebody on premises: the highest address of the site's first prefix. */
export function siteVisitors(sites: readonly Site[]): readonly Host[] {
  return sites.flatMap(({ id, name, prefixes }): readonly Host[] => {
    const address = visitorAddress(prefixes, []);
    if (address === undefined) return [];
    const place = { kind: "site", site: id, address } as const;
    return [{ name: `onprem-${name}`, place, role: "Visitor", forwards: false, programs: [] }];
  });
}

function everywhere(): Cidr {
  const parsed = parseCidr("0.0.0.0/0");
  if (!parsed.ok) throw new Error("broken promise: everything is a prefix");
  return parsed.value;
}
