/**
 * The ledger: who holds which address, number and name, from blueprint to blueprint.
 *
 * What is held stays held for as long as its owner is wanted; what is given back is handed out
 * again as late as possible, so that an environment that was suspended comes back with other
 * addresses. Reading and writing the ledger's document is the loop's matter.
 *
 * @article ASE IP addresses
 */
import { must } from "../base/problem.ts";
import {
  addressAt,
  ipv4ToNumber,
  rangeOf,
  sizeOf,
  type Cidr,
  type Ipv4,
} from "../network/prefix.ts";

export type Ledger = {
  /** By pool: a subnet's key, or `public`. */
  readonly addresses: Readonly<Record<string, AddressBook>>;
  /** Small numbers that name kernel objects, by kind: networks, subnets of a network, sites. */
  readonly numbers: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** Host-name stems, by key of the resource. */
  readonly stems: Readonly<Record<string, string>>;
  /** By host: what it was told when it came up, which holds until it is rebooted. */
  readonly leases: Readonly<Record<string, Lease>>;
};

/** @article Customer DNS */
export type Lease = { readonly incarnation: number; readonly dnsServers: readonly Ipv4[] };

export type AddressBook = {
  /** Offset in the prefix from which the search for a free address begins. */
  readonly next: number;
  readonly held: Readonly<Record<string, Ipv4>>;
};

export const EMPTY_LEDGER: Ledger = { addresses: {}, numbers: {}, stems: {}, leases: {} };

/** The ledger while one blueprint is compiled: what is not taken again is given back at the end. */
export class LedgerDraft {
  readonly #before: Ledger;
  readonly #books = new Map<
    string,
    { next: number; held: Map<string, Ipv4>; taken: Map<Ipv4, string> }
  >();
  readonly #numbers = new Map<string, Map<string, number>>();
  readonly #stems = new Map<string, string>();
  readonly #leases = new Map<string, Lease>();

  constructor(before: Ledger) {
    this.#before = before;
  }

  /**
   * An address of the prefix for an owner: the one it holds, else the next free one.
   * @returns undefined when the pool is full
   */
  address(
    pool: string,
    prefix: Cidr,
    owner: string,
    first: number,
    last: number,
  ): Ipv4 | undefined {
    const book = this.#book(pool, first);
    const held = this.#before.addresses[pool]?.held[owner];
    if (held !== undefined && inside(prefix, held) && !book.taken.has(held)) {
      book.taken.set(held, owner);
      book.held.set(owner, held);
      return held;
    }
    const stillHeld = this.#before.addresses[pool]?.held ?? {};
    const reserved = new Set<string>(Object.values(stillHeld));
    const count = last - first + 1;
    // Twice around: first without what anyone held before, then with what nobody took again.
    for (const avoid of [true, false])
      for (let tried = 0; tried < count; tried += 1) {
        const offset = first + ((book.next - first + tried) % count);
        const candidate = addressAt(prefix, offset);
        if (book.taken.has(candidate) || (avoid && reserved.has(candidate))) continue;
        book.next = offset + 1 > last ? first : offset + 1;
        book.taken.set(candidate, owner);
        book.held.set(owner, candidate);
        return candidate;
      }
    return undefined;
  }

  /** Marks an address the user chose; false when another owner has it. */
  claim(pool: string, owner: string, address: Ipv4, first: number): boolean {
    const book = this.#book(pool, first);
    const holder = book.taken.get(address);
    if (holder !== undefined && holder !== owner) return false;
    book.taken.set(address, owner);
    book.held.set(owner, address);
    return true;
  }

  /** The owner's number of a kind: the one it has, else the smallest free, from 1. */
  number(kind: string, owner: string): number {
    const numbers = this.#numbers.get(kind) ?? new Map<string, number>();
    this.#numbers.set(kind, numbers);
    const own = numbers.get(owner) ?? this.#before.numbers[kind]?.[owner];
    const used = new Set([...Object.values(this.#before.numbers[kind] ?? {}), ...numbers.values()]);
    let number = own ?? 1;
    while (own === undefined && used.has(number)) number += 1;
    numbers.set(owner, number);
    return number;
  }

  /** A host-name stem of at most 26 characters that no other resource has. */
  stem(owner: string, name: string): string {
    const own = this.#stems.get(owner) ?? this.#before.stems[owner];
    const base = name
      .toLowerCase()
      .replaceAll(/[^a-z0-9-]/g, "-")
      .slice(0, 26);
    const used = new Set([...Object.values(this.#before.stems), ...this.#stems.values()]);
    let stem = own ?? base;
    for (let count = 2; own === undefined && used.has(stem); count += 1) stem = `${base}-${count}`;
    this.#stems.set(owner, stem);
    return stem;
  }

  /** The DNS servers of a host: those it was told, until another incarnation of it comes up. */
  lease(host: string, now: Lease): readonly Ipv4[] {
    const before = this.#before.leases[host];
    const lease = before?.incarnation === now.incarnation ? before : now;
    this.#leases.set(host, lease);
    return lease.dnsServers;
  }

  close(): Ledger {
    const addresses = Object.fromEntries(
      [...this.#books].map(([pool, { next, held }]) => [
        pool,
        { next, held: Object.fromEntries(held) },
      ]),
    );
    // A pool nobody asked for keeps its place, so that its addresses come back late.
    for (const [pool, book] of Object.entries(this.#before.addresses))
      addresses[pool] ??= { next: book.next, held: {} };
    const numbers = Object.fromEntries(
      [...this.#numbers].map(([kind, owners]) => [kind, Object.fromEntries(owners)]),
    );
    return {
      addresses,
      numbers,
      stems: Object.fromEntries(this.#stems),
      leases: Object.fromEntries(this.#leases),
    };
  }

  #book(pool: string, first: number) {
    const known = this.#books.get(pool);
    if (known !== undefined) return known;
    must(first >= 0, "an offset is not negative");
    const book = {
      next: Math.max(this.#before.addresses[pool]?.next ?? first, first),
      held: new Map<string, Ipv4>(),
      taken: new Map<Ipv4, string>(),
    };
    this.#books.set(pool, book);
    return book;
  }
}

/** Last offset at which a host may stand: the very last address is the platform's. */
export function lastHostOffset(prefix: Cidr): number {
  return sizeOf(prefix) - 2;
}

function inside(prefix: Cidr, address: Ipv4): boolean {
  const { low, high } = rangeOf(prefix);
  const value = ipv4ToNumber(address);
  return low <= value && value <= high;
}
