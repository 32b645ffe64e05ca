/**
 * Rules between private zones, their records and their links: one alias per name, one zone of a
 * name per network, one zone in which a network's machines register.
 */
import type { PrivateDnsRecordSet, ResourceOf } from "../arm/resources.ts";
import { RECORD_SET_TYPES, recordTypeOf } from "../arm/types/private-dns.ts";
import type { Problem } from "../base/problem.ts";
import type { Wanted } from "./references.ts";

export function judgeRecordSet(
  recordSet: PrivateDnsRecordSet,
  wanted: Wanted,
): Problem | undefined {
  const twin = RECORD_SET_TYPES.flatMap((type) => wanted.ofType(type)).find(
    (other) =>
      other.zone.key === recordSet.zone.key &&
      other.key !== recordSet.key &&
      other.name.toLowerCase() === recordSet.name.toLowerCase() &&
      [other, recordSet].some((one) => recordTypeOf(one) === "CNAME"),
  );
  if (twin === undefined) return undefined;
  return {
    code: "BadRequest",
    what: `a CNAME record is the only one of its name, and ${recordSet.name} has a ${recordTypeOf(twin)} record too`,
    fix: "Keep one of them.",
    where: recordSet.id,
  };
}

export function judgeLink(
  link: ResourceOf<"Microsoft.Network/privateDnsZones/virtualNetworkLinks">,
  wanted: Wanted,
): Problem | undefined {
  const others = wanted
    .ofType("Microsoft.Network/privateDnsZones/virtualNetworkLinks")
    .filter(({ key, network }) => key !== link.key && network.key === link.network.key);
  const nameOf = (zone: string) => zone.split("/").at(-1) ?? "";
  const network = nameOf(link.network.id);
  const twin = others.find(({ zone }) => nameOf(zone.key) === nameOf(link.zone.key));
  if (twin !== undefined)
    return {
      code: "Conflict",
      what: `network ${network} is linked to a zone ${nameOf(link.zone.id)} already, by ${twin.id}`,
      fix: "Delete that link first.",
      where: link.id,
    };
  const other = others.find(({ registrationEnabled }) => registrationEnabled);
  if (other === undefined || !link.registrationEnabled) return undefined;
  return {
    code: "Conflict",
    what: `machines of network ${network} register in zone ${nameOf(other.zone.id)}, and in one zone only`,
    fix: "Write registrationEnabled false in one of the links.",
    where: link.id,
  };
}
