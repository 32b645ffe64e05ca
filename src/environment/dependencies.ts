/**
 * What an environment calls on the internet: the product's own internet offers these endpoints.
 *
 * Names are those the published list of outbound dependencies shows; addresses are chosen so
 * that they lie in the service tags of published data where a tag is required (Sql), and in
 * 198.18.0.0/15, which no real network uses, elsewhere.
 *
 * @article ASE outbound dependencies
 */
import type { Ipv4 } from "../network/prefix.ts";
import type { Conversation } from "./flows.ts";

export type Dependency = {
  /** Short name of the endpoint's host in the world. */
  readonly name: string;
  readonly category: string;
  readonly domainName: string;
  readonly conversation: Conversation;
  /** Absent: chosen from the tag by the compiler. */
  readonly address?: Ipv4;
  readonly tag?: string;
};

export const DEPENDENCIES: readonly Dependency[] = [
  own("public-dns", "DNS", "dns.openase.test", "dns", "198.19.0.53"),
  own("time", "Time", "time.windows.com", "time", "198.19.0.123"),
  own("revocation", "SSL Certificate Verification", "ocsp.msocsp.com", "http", "198.19.0.80"),
  own("updates", "Azure Management", "management.azure.com", "https", "198.19.0.81"),
  own("monitoring", "Regional Service", "az-prod.metrics.nsatc.net", "monitoring", "198.19.0.120"),
  {
    name: "database",
    category: "Azure SQL Database",
    domainName: "environment.database.windows.net",
    conversation: "sql",
    tag: "Sql",
  },
];

/** Where people outside stand; not in any service tag. */
export const CLIENT_ADDRESS = "198.19.255.10" as Ipv4;
/** Public addresses the world hands out. RFC 2544 space: used by no real network. */
export const PUBLIC_POOL = "198.18.0.0/16";

function own(
  name: string,
  category: string,
  domainName: string,
  conversation: Conversation,
  address: string,
): Dependency {
  return { name, category, domainName, conversation, address: address as Ipv4 };
}
