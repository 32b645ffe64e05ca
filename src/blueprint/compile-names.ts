/**
 * Private DNS zones as the platform's resolver has them: for each network the zones linked to it,
 * with the records users declared and those of machines that registered themselves.
 *
 * How a name is found in them is network/names.ts.
 */
import type { ResourceOf } from "../arm/resources.ts";
import { fullName, RECORD_SET_TYPES } from "../arm/types/private-dns.ts";
import type { NameRecord, Zone } from "../network/names.ts";
import type { Host } from "./blueprint.ts";
import type { Declared } from "./wanted.ts";

type Link = ResourceOf<"Microsoft.Network/privateDnsZones/virtualNetworkLinks">;

/** Seconds that a name which a machine registered itself may be kept. */
const REGISTERED_TTL = 10;

export function compileZones(
  declared: Declared,
  machines: readonly { readonly host: Host }[],
): Readonly<Record<string, readonly Zone[]>> {
  const zones = declared.all("Microsoft.Network/privateDnsZones");
  if (zones.length === 0) return {};
  const links = declared.all("Microsoft.Network/privateDnsZones/virtualNetworkLinks");
  const recordSets = RECORD_SET_TYPES.flatMap((type) => declared.all(type));
  const recordsOf = (key: string, name: string): readonly NameRecord[] => {
    const own = recordSets
      .filter(({ zone }) => zone.key === key)
      .flatMap((recordSet) =>
        recordSet.records.map((data) => ({
          name: fullName(recordSet),
          ttlSeconds: recordSet.ttlSeconds,
          data,
        })),
      );
    const registered = links
      .filter(({ zone, registrationEnabled }) => zone.key === key && registrationEnabled)
      .flatMap((link) => registeredRecords(link, name, machines));
    // What was written by hand stands before what a machine says of itself.
    return [...own, ...registered.filter((one) => own.every((other) => other.name !== one.name))];
  };
  const linked = links.flatMap(({ zone: { key }, network, fallsThrough }) => {
    const zone = zones.find((one) => one.key === key);
    if (zone === undefined) return [];
    const name = zone.name.toLowerCase();
    return [{ network: network.id, zone: { name, records: recordsOf(key, name), fallsThrough } }];
  });
  const networks = declared.all("Microsoft.Network/virtualNetworks");
  return Object.fromEntries(
    networks.flatMap(({ id }) => {
      const own = linked.filter(({ network }) => network.toLowerCase() === id.toLowerCase());
      return own.length === 0 ? [] : [[id, own.map(({ zone }) => zone)]];
    }),
  );
}

function registeredRecords(
  link: Link,
  zone: string,
  machines: readonly { readonly host: Host }[],
): readonly NameRecord[] {
  return machines
    .map(({ host }) => host)
    .flatMap(({ name, place }) =>
      place.kind === "subnet" && place.network.toLowerCase() === link.network.key
        ? [
            {
              name: `${name}.${zone}`,
              ttlSeconds: REGISTERED_TTL,
              data: { type: "A", address: place.address },
            },
          ]
        : [],
    );
}
