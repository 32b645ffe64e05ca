/**
 * The names that sets of addresses have in a network, for packets in words people use.
 */
import type { Blueprint } from "../blueprint/blueprint.ts";
import {
  differenceOf,
  EVERYWHERE,
  setOfPrefixes,
  type AddressSet,
} from "../network/address-set.ts";
import { describeBox, type NamedSets } from "../network/naming.ts";
import { countPackets, type PacketBox } from "../network/packet-set.ts";
import type { NamedPackets } from "./finding.ts";
import { PLATFORM, publicAddresses } from "./named-sets.ts";

/** Subnets before networks before tags: the most telling name comes first. */
export function namedSetsOf(blueprint: Blueprint, tag: (name: string) => AddressSet): NamedSets {
  const { networks } = blueprint;
  const tags = new Set(["AppServiceManagement", "Sql", ...Object.keys(blueprint.tags)]);
  return [
    { name: "AzureLoadBalancer", set: PLATFORM },
    ...networks.flatMap(({ subnets }) =>
      subnets.map(({ name, prefix }) => ({ name, set: setOfPrefixes([prefix]) })),
    ),
    ...networks.flatMap((network) => [
      { name: network.name, set: setOfPrefixes(network.prefixes) },
      { name: "Internet", set: publicAddresses(network) },
      {
        name: "private and reserved addresses",
        set: differenceOf({ v4: EVERYWHERE.v4, v6: [] }, publicAddresses(network)),
      },
    ]),
    ...[...tags].map((name) => ({ name, set: tag(name) })),
  ];
}

export function nameBox(box: PacketBox, names: NamedSets): NamedPackets {
  return { sentence: describeBox(box, names), packets: countPackets([box]).toString() };
}
