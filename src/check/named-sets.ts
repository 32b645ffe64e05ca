/**
 * Sets of addresses that flows begin and end in, and the names people know them by.
 */
import type { Blueprint, Network, Subnet } from "../blueprint/blueprint.ts";
import { PLATFORM_ADDRESS } from "../environment/ports.ts";
import {
  differenceOf,
  EVERYWHERE,
  setOfPrefixes,
  singleAddress,
  unionOf,
  type AddressSet,
} from "../network/address-set.ts";
import { parseCidr, type Ipv4 } from "../network/prefix.ts";

export const PLATFORM = singleAddress(PLATFORM_ADDRESS as Ipv4);

/** Space in which no public address lies, and that a network may have. */
export const PRIVATE_SPACE = prefixes([
  "10.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "100.64.0.0/10",
]);

/** Space in which nobody on the internet stands: private, this host, link-local, multicast, reserved. */
const NO_PUBLIC_SPACE = unionOf([
  PRIVATE_SPACE,
  prefixes(["0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3"]),
  PLATFORM,
]);

/** All IPv4 addresses that somebody on the internet may have: environments of version 2 speak IPv4. */
export function publicAddresses(network: Network): AddressSet {
  return differenceOf(
    { v4: EVERYWHERE.v4, v6: [] },
    unionOf([NO_PUBLIC_SPACE, setOfPrefixes(network.prefixes)]),
  );
}

export function setOfSubnet({ prefix }: Pick<Subnet, "prefix">): AddressSet {
  return setOfPrefixes([prefix]);
}

export function setOfTagIn(blueprint: Blueprint, tag: string): AddressSet {
  const set = setOfPrefixes(blueprint.tags[tag] ?? []);
  return { v4: set.v4, v6: [] };
}

function prefixes(texts: readonly string[]): AddressSet {
  return setOfPrefixes(
    texts.map((text) => {
      const parsed = parseCidr(text);
      if (!parsed.ok) throw new Error(`broken promise: ${text} is a prefix`);
      return parsed.value;
    }),
  );
}
