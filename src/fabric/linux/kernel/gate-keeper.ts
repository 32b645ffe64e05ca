/**
 * The gates of one network in the kernel: builds what changed beside what is in force, and swaps.
 *
 * The swap is one transaction, so every packet meets the old rules or the new ones. Ranges that
 * rules name (tags first of all) are shared sets, never changed: other content is another set.
 * What a rule looks like is in gates.ts.
 */
import type { Network, Subnet } from "../../../blueprint/blueprint.ts";
import { PLATFORM_ADDRESS } from "../../../environment/ports.ts";
import { isPublished, rangesOfTag, type TagMeaning } from "../../../network/evaluate.ts";
import type { AddressRange, Cidr, Ipv4 } from "../../../network/prefix.ts";
import type { SecurityRule } from "../../../network/rule.ts";
import { cutDeniedFlows } from "./conntrack.ts";
import { GATES, rulesAt, TABLE_NAME, tableRules, type Gate } from "./gates.ts";
import { countedRule, TableMessages, type SetKind } from "./nf-tables.ts";
import { NetfilterSocket } from "./netfilter.ts";

export type Tags = Readonly<Record<string, readonly Cidr[]>>;

type InForce = {
  readonly gate: Gate;
  readonly index: number;
  /** Everything it was made of, to see whether it changed. */
  readonly of: string;
  readonly chain: string;
  readonly sets: ReadonlySet<string>;
};
type Change = {
  readonly gate: Gate;
  readonly index: number;
  readonly from: InForce | undefined;
  readonly to: InForce | undefined;
};

export class GateKeeper {
  readonly #netfilter = new NetfilterSocket();
  readonly #table = new TableMessages(TABLE_NAME);
  readonly #inForce = new Map<string, InForce>();
  /** Names of sets in the kernel, by content. */
  readonly #sets = new Map<string, string>();
  #generation = 0;

  /** Everything of the network is in force when this returns; a subnet that is gone has no gate. */
  put(network: Network, tags: Tags): void {
    const meaning = meaningOf(network, tags);
    const tagRanges = rememberRanges(meaning);
    const builds: Buffer[] = [];
    const newSets = new Map<string, string>();
    const changes = this.#wanted(network, tags).map(({ gate, index, rules, of }): Change => {
      const from = this.#inForce.get(keyOf(gate, index));
      if (rules.length === 0) return { gate, index, from, to: undefined };
      const sets = new Set<string>();
      const planned = tableRules(rules, tagRanges, (kind, ranges) => {
        const name = this.#setFor(kind, ranges, newSets, builds);
        sets.add(name);
        return name;
      });
      const chain = `${gate}_${index}_${(this.#generation += 1)}`;
      builds.push(this.#table.addChain(chain), ...planned.map((rule) => this.#table.addRule(chain, rule)));
      return { gate, index, from, to: { gate, index, of, chain, sets } };
    });
    const real = changes.filter(({ from, to }) => from !== undefined || to !== undefined);
    if (real.length === 0) return;
    this.#build(builds, real, newSets);
    this.#swap(real);
    this.#cutFlows(network, real, meaning);
  }

  /** Gates that differ from those in force, gates to be removed included. */
  #wanted(network: Network, tags: Tags) {
    const gone = [...this.#inForce.values()]
      .filter(({ index }) => !network.subnets.some((subnet) => subnet.index === index))
      .map(({ gate, index }) => ({ gate, index, rules: [], of: "" }));
    const differing = network.subnets.flatMap((subnet) =>
      GATES.flatMap((gate) => {
        const { index } = subnet;
        const rules = rulesAt(gate, subnet);
        const of = rules.length === 0 ? "" : describe(rules, network, tags);
        return (this.#inForce.get(keyOf(gate, index))?.of ?? "") === of ? [] : [{ gate, index, rules, of }];
      }),
    );
    return [...gone, ...differing];
  }

  #setFor(kind: SetKind, ranges: readonly AddressRange[], made: Map<string, string>, builds: Buffer[]): string {
    const content = `${kind} ${ranges.map(({ low, high }) => `${low}-${high}`).join()}`;
    const known = this.#sets.get(content) ?? made.get(content);
    if (known !== undefined) return known;
    const name = `ranges_${(this.#generation += 1)}`;
    made.set(content, name);
    builds.push(...this.#table.addSet(name, kind, ranges));
    return name;
  }

  #build(builds: readonly Buffer[], changes: readonly Change[], newSets: ReadonlyMap<string, string>): void {
    try {
      this.#netfilter.transactInPortions(builds);
      for (const [content, name] of newSets) this.#sets.set(content, name);
    } catch (thrown) {
      for (const { to } of changes) if (to !== undefined) this.#sweep(this.#table.removeChain(to.chain));
      for (const name of newSets.values()) this.#sweep([this.#table.removeSet(name)]);
      throw thrown;
    }
  }

  /** Removes half-built things; those that were never built are not missed. */
  #sweep(messages: readonly Buffer[]): void {
    try {
      this.#netfilter.transact(messages);
    } catch {
      // Not there, which is what was wanted.
    }
  }

  #swap(changes: readonly Change[]): void {
    const jumps = changes.flatMap(({ gate, index, from, to }) => [
      ...(from === undefined ? [] : [this.#table.removeJump(gate, index)]),
      ...(to === undefined ? [] : [this.#table.addJump(gate, index, to.chain)]),
    ]);
    const replaced = changes.flatMap(({ from }) => (from === undefined ? [] : this.#table.removeChain(from.chain)));
    const next = new Map(this.#inForce);
    for (const { gate, index, to } of changes) {
      if (to === undefined) next.delete(keyOf(gate, index));
      else next.set(keyOf(gate, index), to);
    }
    const used = new Set([...next.values()].flatMap(({ sets }) => [...sets]));
    const unused = [...this.#sets].filter(([, name]) => !used.has(name));
    this.#netfilter.transact([...jumps, ...replaced, ...unused.map(([, name]) => this.#table.removeSet(name))]);
    for (const [content] of unused) this.#sets.delete(content);
    this.#inForce.clear();
    for (const [key, gate] of next) this.#inForce.set(key, gate);
  }

  /** Only where the group asks for it; otherwise established flows go on as they were. */
  #cutFlows(network: Network, changes: readonly Change[], meaning: TagMeaning): void {
    const changed = network.subnets.filter(
      (subnet) => subnet.flushConnection && changes.some(({ index }) => index === subnet.index),
    );
    if (changed.length > 0) cutDeniedFlows(this.#netfilter, changed, meaning);
  }

  /** Packets counted so far by the rules of a gate, by their comment. */
  counted(gate: Gate, subnet: Subnet): ReadonlyMap<string, number> {
    const chain = this.#inForce.get(keyOf(gate, subnet.index))?.chain;
    if (chain === undefined) return new Map();
    const rules = this.#netfilter.dump(this.#table.listRules(chain)).map(countedRule);
    return new Map(rules.map(({ comment, packets }) => [comment, packets]));
  }

  close(): void {
    this.#netfilter.close();
  }
}

function keyOf(gate: Gate, index: number): string {
  return `${gate} ${index}`;
}

function meaningOf(network: Network, tags: Tags): TagMeaning {
  return {
    virtualNetwork: network.virtualNetwork,
    platformAddress: PLATFORM_ADDRESS as Ipv4,
    published: (tag) => tags[tag] ?? [],
  };
}

/** Tags are worked out once per change. One without IPv4 prefixes matches no IPv4 packet. */
function rememberRanges(meaning: TagMeaning): (tag: string) => readonly AddressRange[] {
  const known = new Map<string, readonly AddressRange[]>();
  return (tag) => {
    const ranges =
      known.get(tag) ??
      (isPublished(tag) && meaning.published(tag).length === 0 ? [] : rangesOfTag(tag, meaning));
    known.set(tag, ranges);
    return ranges;
  };
}

function describe(rules: readonly SecurityRule[], network: Network, tags: Tags): string {
  const named = new Set<string>();
  for (const { sources, destinations } of rules)
    for (const match of [...sources, ...destinations]) if (match.kind === "tag") named.add(match.tag);
  const contents = [...named].sort().map((tag) => `${tag}=${(tags[tag] ?? []).join()}`);
  return [JSON.stringify(rules), network.virtualNetwork.join(), ...contents].join("\n");
}
