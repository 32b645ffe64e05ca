/**
 * Whom a service of the world's internet lets in: public addresses, and subnets by their endpoint.
 *
 * One sentence for the law and for the service itself. Where a connection comes from is given.
 *
 * @article Service Endpoints
 */
import { contains, ipv4ToNumber, type Cidr, type Ipv4 } from "../network/prefix.ts";

export type Admission = {
  /** The name clients know it by. */
  readonly name: string;
  readonly addresses: readonly { readonly from: Ipv4; readonly to: Ipv4 }[];
  readonly subnets: readonly { readonly network: string; readonly prefix: Cidr }[];
};

/**
 * @param network id of the network whose endpoint it came by; undefined: from the internet
 * @returns why not; undefined: it may come in
 */
export function refusalOf(
  { name, addresses, subnets }: Admission,
  source: Ipv4,
  network: string | undefined,
): string | undefined {
  if (network !== undefined) {
    const isMember = subnets.some(
      (rule) => rule.network === network && contains(rule.prefix, source),
    );
    return isMember
      ? undefined
      : `${name} has no virtual network rule for the subnet of ${source}, which reaches it by a service endpoint`;
  }
  const value = ipv4ToNumber(source);
  const isAllowed = addresses.some(
    ({ from, to }) => ipv4ToNumber(from) <= value && value <= ipv4ToNumber(to),
  );
  return isAllowed
    ? undefined
    : `client with IP address ${source} is not allowed to access ${name}`;
}
