/**
 * Routes of a subnet: what the platform gives, what the user adds, and which of them counts.
 * Selection is in select-route.ts.
 *
 * @article Routes
 */
import type { Cidr, Ipv4 } from "./prefix.ts";

export type NextHop =
  | { readonly kind: "VnetLocal" }
  /** Another virtual network, by its resource id. Only the platform writes these two. */
  | { readonly kind: "VNetPeering"; readonly network: string }
  /** A service as it is reached from inside, `Microsoft.Sql`: with the private source address. */
  | { readonly kind: "VirtualNetworkServiceEndpoint"; readonly service: string }
  | { readonly kind: "Internet" }
  | { readonly kind: "None" }
  | { readonly kind: "VirtualAppliance"; readonly address: Ipv4 }
  | { readonly kind: "VirtualNetworkGateway" };

export type Route = {
  readonly name: string;
  readonly source: "Default" | "User" | "VirtualNetworkGateway";
  readonly prefix: Cidr;
  readonly nextHop: NextHop;
  /** Of a user's route that was written with a service tag: the tag. */
  readonly tag?: string;
  /** `Invalid`: listed, but replaced by another route of the same prefix. */
  readonly state: "Active" | "Invalid";
  /** Resource id of the route table, of a user's route. */
  readonly table?: string;
};
