/**
 * Template functions about prefixes: `parseCidr`, `cidrSubnet`, `cidrHost`, for IPv4 and IPv6.
 */
import { type Cidr, numberToIpv4, parseCidr, prefixLength, rangeOf } from "../../network/prefix.ts";
import { type Cidr6, numberToIpv6, parseCidr6, rangeOf6 } from "../../network/prefix6.ts";
import type { JsonValue } from "../json.ts";
import { type FunctionTable, intOf, refuse, takes, textOf } from "./arguments.ts";

export const ADDRESS_FUNCTIONS: FunctionTable = {
  parsecidr: takes(1, 1, ([text]) => {
    const prefix = prefixOf(text);
    const { low, high, bits, length, show } = prefix;
    const single = low === high;
    const mask = ((1n << BigInt(bits)) - 1n) ^ ((1n << BigInt(bits - length)) - 1n);
    return {
      network: show(low),
      netmask: show(mask),
      // IPv6 has no broadcast, and every address of a prefix can be used.
      ...(bits === 32 ? { broadcast: show(high) } : {}),
      firstUsable: show(single || bits === 128 ? low : low + 1n),
      lastUsable: show(single || bits === 128 ? high : high - 1n),
      cidr: length,
    };
  }),
  cidrsubnet: takes(3, 3, ([text, newLength, index]) => {
    const { low, bits, length, show, shown } = prefixOf(text);
    const wanted = intOf(newLength);
    const at = intOf(index);
    if (wanted < length || bits < wanted)
      refuse(`${shown} cannot be cut into prefixes of length ${wanted}`);
    const count = 1n << BigInt(wanted - length);
    if (at < 0 || count <= BigInt(at))
      refuse(`${shown} has ${count} prefixes of length ${wanted}, none numbered ${at}`);
    return `${show(low + BigInt(at) * (1n << BigInt(bits - wanted)))}/${wanted}`;
  }),
  cidrhost: takes(2, 2, ([text, index]) => {
    const { low, high, show, shown } = prefixOf(text);
    const at = BigInt(intOf(index));
    if (at < 0n || high - low <= at) refuse(`${shown} has no host numbered ${at}`);
    return show(low + at + 1n);
  }),
};

type Prefix = {
  readonly low: bigint;
  readonly high: bigint;
  readonly bits: 32 | 128;
  readonly length: number;
  readonly show: (address: bigint) => string;
  readonly shown: string;
};

/** The prefix as numbers, whichever version it is of. */
function prefixOf(value: JsonValue | undefined): Prefix {
  const text = textOf(value);
  if (text.includes(":")) {
    const shown = accepted(parseCidr6(text)) as Cidr6;
    const show = (address: bigint) => numberToIpv6(address);
    return {
      ...rangeOf6(shown),
      bits: 128,
      length: Number(shown.slice(shown.indexOf("/") + 1)),
      show,
      shown,
    };
  }
  const shown = accepted(parseCidr(text)) as Cidr;
  const { low, high } = rangeOf(shown);
  return {
    low: BigInt(low),
    high: BigInt(high),
    bits: 32,
    length: prefixLength(shown),
    show: (address) => numberToIpv4(Number(address)),
    shown,
  };
}

function accepted(parsed: ReturnType<typeof parseCidr> | ReturnType<typeof parseCidr6>): string {
  if (parsed.ok) return parsed.value;
  return refuse(parsed.problem.what, parsed.problem.fix);
}
