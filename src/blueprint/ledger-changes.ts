/** What changed hands between two ledgers: addresses taken and given back. */
import type { Ipv4 } from "../network/prefix.ts";
import type { Ledger } from "./ledger.ts";

export type AddressChange = {
  /** A subnet's key, or `public`. */
  readonly pool: string;
  readonly address: Ipv4;
  /** As the ledger names it: a host, or a key of what holds it. */
  readonly owner: string;
  readonly change: "taken" | "given back";
};

/** Given back first: an address may change hands. */
export function addressChanges(before: Ledger, after: Ledger): readonly AddressChange[] {
  const given = differenceOf(before, after).map(
    (one) => ({ ...one, change: "given back" }) as const,
  );
  const taken = differenceOf(after, before).map((one) => ({ ...one, change: "taken" }) as const);
  return [...given, ...taken];
}

/** Whether an owner of the ledger belongs to an environment: its hosts are named in its subnet. */
export function isOwnedBy(
  environment: { readonly key: string; readonly subnet: { readonly key: string } },
  { pool, owner }: Pick<AddressChange, "pool" | "owner">,
): boolean {
  if (pool === environment.subnet.key) return true;
  return (
    pool === "public" && (owner === environment.key || owner.startsWith(`${environment.key} `))
  );
}

/** How people call an owner: a host by its name, others by what the address is for. */
export function nameOfOwner(owner: string): string {
  if (!owner.startsWith("/")) return owner;
  if (owner.endsWith(" ilb")) return "the internal load balancer";
  const slot = / app address (\d+)$/.exec(owner)?.[1];
  return slot === undefined ? "the public address" : `the address of apps number ${slot}`;
}

function differenceOf(one: Ledger, other: Ledger): readonly Omit<AddressChange, "change">[] {
  return Object.entries(one.addresses).flatMap(([pool, { held }]) =>
    Object.entries(held)
      .filter(([owner, address]) => other.addresses[pool]?.held[owner] !== address)
      .map(([owner, address]) => ({ pool, owner, address })),
  );
}
