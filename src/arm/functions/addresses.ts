/**
 * Template functions about prefixes: `parseCidr`, `cidrSubnet`, `cidrHost`. IPv4 only.
 */
import {
  addressAt,
  type Cidr,
  cidrAround,
  parseCidr,
  prefixLength,
  rangeOf,
  numberToIpv4,
  sizeOf,
} from "../../network/prefix.ts";
import type { JsonValue } from "../json.ts";
import { type FunctionTable, intOf, refuse, takes, textOf } from "./arguments.ts";

export const ADDRESS_FUNCTIONS: FunctionTable = {
  parsecidr: takes(1, 1, ([text]) => {
    const prefix = prefixOf(text);
    const { low, high } = rangeOf(prefix);
    return {
      network: numberToIpv4(low),
      netmask: numberToIpv4(2 ** 32 - sizeOf(prefix)),
      broadcast: numberToIpv4(high),
      firstUsable: addressAt(prefix, sizeOf(prefix) === 1 ? 0 : 1),
      lastUsable: numberToIpv4(sizeOf(prefix) === 1 ? high : high - 1),
      cidr: prefixLength(prefix),
    };
  }),
  cidrsubnet: takes(3, 3, ([text, length, index]) => {
    const prefix = prefixOf(text);
    const size = 2 ** (32 - intOf(length));
    const count = sizeOf(prefix) / size;
    if (intOf(length) < prefixLength(prefix) || 32 < intOf(length))
      refuse(`${prefix} cannot be cut into prefixes of length ${intOf(length)}`);
    if (intOf(index) < 0 || count <= intOf(index))
      refuse(
        `${prefix} has ${count} prefixes of length ${intOf(length)}, none numbered ${intOf(index)}`,
      );
    return cidrAround(addressAt(prefix, intOf(index) * size), intOf(length));
  }),
  cidrhost: takes(2, 2, ([text, index]) => {
    const prefix = prefixOf(text);
    if (intOf(index) < 0 || sizeOf(prefix) <= intOf(index) + 1)
      refuse(`${prefix} has no host numbered ${intOf(index)}`);
    return addressAt(prefix, intOf(index) + 1);
  }),
};

function prefixOf(value: JsonValue | undefined): Cidr {
  const parsed = parseCidr(textOf(value));
  return parsed.ok ? parsed.value : refuse(parsed.problem.what, parsed.problem.fix);
}
