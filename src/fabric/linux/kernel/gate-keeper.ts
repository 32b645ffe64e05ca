/**
 * The gates of one network in the kernel: what changed is put in force in one transaction.
 *
 * Every packet meets the old rules or the new ones, at all gates. Where little changed, rules are
 * exchanged in their chain; else a new chain is built beside the one in force and the two are
 * swapped. Ranges that rules name (tags first of all) are shared sets, built beforehand and never
 * changed: other content is another set. What a rule looks like is in gates.ts.
 */
import { PLATFORM_ADDRESS } from "../../../environment/ports.ts";
import type { TagMeaning } from "../../../network/meaning.ts";
import type { AddressRange, Ipv4 } from "../../../network/prefix.ts";
import { cutDeniedFlows } from "./conntrack.ts";
import { LOG_GROUP } from "./flow-watch.ts";
import { rulesAt, SUBNET_GATES, TABLE_NAME, tableRules, type Gate, type Guarded } from "./gates.ts";
import { countedRule, setsOf, TableMessages, type SetKind, type TableRule } from "./nf-tables.ts";
import { MOST_BYTES, NetfilterSocket } from "./netfilter.ts";
import type { Tags } from "./tags.ts";

/** A chain as it stands in the kernel; its rules in order. */
type Standing = { readonly chain: string; readonly rules: readonly PlacedRule[] };
type PlacedRule = { readonly rule: TableRule; readonly key: string };
type Change = {
  readonly gate: Gate;
  readonly index: number;
  readonly before: Standing | undefined;
  readonly rules: readonly PlacedRule[];
};

export class GateKeeper {
  readonly #netfilter = new NetfilterSocket();
  readonly #table = new TableMessages(TABLE_NAME);
  #standing: ReadonlyMap<string, Standing & { readonly gate: Gate; readonly index: number }> =
    new Map();
  /** Names of sets in the kernel, by content. */
  readonly #sets = new Map<string, string>();
  #contents = new WeakMap<readonly AddressRange[], string>();
  #generation = 0;

  /** All is in force when this returns; what is not among the guarded has no gate any more. */
  put(guarded: readonly Guarded[], tags: Tags): void {
    const builds: Buffer[] = [];
    const newSets = new Map<string, string>();
    const changes = this.#changes(guarded, tags, newSets, builds);
    if (changes.length === 0) return;
    const newChains: string[] = [];
    try {
      const steps = changes.map((change) => this.#step(change, builds, newChains));
      this.#netfilter.transactInPortions(builds);
      for (const [content, name] of newSets) this.#sets.set(content, name);
      this.#commit(changes, steps);
    } catch (thrown) {
      for (const chain of newChains) this.#sweep(this.#table.removeChain(chain));
      for (const [content, name] of newSets) {
        this.#sweep([this.#table.removeSet(name)]);
        this.#sets.delete(content);
      }
      throw thrown;
    }
    const asking = guarded.filter(
      ({ gates, index, flushConnection }) =>
        flushConnection &&
        changes.some((change) => change.index === index && gates.includes(change.gate)),
    );
    if (asking.length > 0)
      cutDeniedFlows(
        this.#netfilter,
        asking.map((one) => ({ ...one, meaning: meaningAt(one, tags) })),
      );
  }

  /** Gates that differ from those that stand; new sets are written to `builds`. */
  #changes(
    guarded: readonly Guarded[],
    tags: Tags,
    newSets: Map<string, string>,
    builds: Buffer[],
  ): readonly Change[] {
    const meanings = new Map<string, TagMeaning>();
    const nameSet = (kind: SetKind, ranges: readonly AddressRange[]) =>
      this.#setFor(kind, ranges, newSets, builds);
    const gone = [...this.#standing.values()]
      .filter(
        ({ gate, index }) =>
          !guarded.some((one) => one.index === index && one.gates.includes(gate)),
      )
      .map(({ gate, index, ...before }) => ({ gate, index, before, rules: [] }));
    const differing = guarded.flatMap((one) => {
      const { index } = one;
      // Most subnets mean the same by their tags: sets are worked out once for all of them.
      const content = one.virtualNetwork.join();
      const meaning = meanings.get(content) ?? meaningAt(one, tags);
      meanings.set(content, meaning);
      return one.gates.flatMap((gate): readonly Change[] => {
        const before = this.#standing.get(keyOf(gate, index));
        const rules = tableRules(rulesAt(gate, one), meaning, nameSet).map((plain) => {
          const rule = one.isLogged === true ? { ...plain, log: logOf(gate, index, plain) } : plain;
          return { rule, key: JSON.stringify(rule) };
        });
        return sameRules(before?.rules ?? [], rules) ? [] : [{ gate, index, before, rules }];
      });
    });
    return [...gone, ...differing];
  }

  #setFor(
    kind: SetKind,
    ranges: readonly AddressRange[],
    made: Map<string, string>,
    builds: Buffer[],
  ): string {
    const content =
      this.#contents.get(ranges) ??
      `${kind} ${ranges.map(({ low, high }) => `${low}-${high}`).join()}`;
    this.#contents.set(ranges, content);
    const known = this.#sets.get(content) ?? made.get(content);
    if (known !== undefined) return known;
    const name = `ranges_${(this.#generation += 1)}`;
    made.set(content, name);
    builds.push(...this.#table.addSet(name, kind, ranges));
    return name;
  }

  /** How a change comes in force; what can be built before is written to `builds`. */
  #step(change: Change, builds: Buffer[], newChains: string[]) {
    const { gate, index, before, rules } = change;
    if (before !== undefined && rules.length > 0) {
      const exchange = this.#exchange(before, rules);
      if (exchange !== undefined) return { chain: before.chain, messages: exchange };
    }
    const clear =
      before === undefined
        ? []
        : [this.#table.removeJump(gate, index), ...this.#table.removeChain(before.chain)];
    if (rules.length === 0) return { chain: undefined, messages: clear };
    const chain = `${gate}_${index}_${(this.#generation += 1)}`;
    newChains.push(chain);
    builds.push(
      this.#table.addChain(chain),
      ...rules.map(({ rule }) => this.#table.addRule(chain, rule)),
    );
    const [removeJump, ...removeChain] = clear;
    const jump = this.#table.addJump(gate, index, chain);
    return {
      chain,
      messages: [...(removeJump === undefined ? [] : [removeJump]), jump, ...removeChain],
    };
  }

  /** Messages that turn a chain into another one; undefined where building anew is better. */
  #exchange(
    { chain, rules: before }: Standing,
    after: readonly PlacedRule[],
  ): readonly Buffer[] | undefined {
    const { removed, added } = difference(before, after);
    if (removed.length + added.length > (before.length + after.length) / 4) return undefined;
    const handles = this.#netfilter
      .dump(this.#table.listRules(chain))
      .map((answer) => countedRule(answer).handle);
    if (handles.length !== before.length) return undefined;
    const messages = [
      ...added.map(({ rule, at }) =>
        this.#table.addRule(chain, rule, at === undefined ? undefined : handles[at]),
      ),
      ...removed.flatMap((at) => {
        const handle = handles[at];
        return handle === undefined ? [] : [this.#table.removeRule(chain, handle)];
      }),
    ];
    const size = messages.reduce((sum, { length }) => sum + length, 0);
    return size < MOST_BYTES / (2 * SUBNET_GATES.length) ? messages : undefined;
  }

  #commit(
    changes: readonly Change[],
    steps: readonly { readonly chain: string | undefined; readonly messages: readonly Buffer[] }[],
  ): void {
    const next = new Map(this.#standing);
    changes.forEach(({ gate, index, rules }, at) => {
      const chain = steps[at]?.chain;
      if (chain === undefined) next.delete(keyOf(gate, index));
      else next.set(keyOf(gate, index), { gate, index, chain, rules });
    });
    const used = new Set(
      [...next.values()].flatMap(({ rules }) => rules.flatMap(({ rule }) => setsOf(rule))),
    );
    const unused = [...this.#sets].filter(([, name]) => !used.has(name));
    this.#netfilter.transact([
      ...steps.flatMap(({ messages }) => messages),
      ...unused.map(([, name]) => this.#table.removeSet(name)),
    ]);
    for (const [content] of unused) this.#sets.delete(content);
    this.#standing = next;
  }

  /** Removes half-built things; those that were never built are not missed. */
  #sweep(messages: readonly Buffer[]): void {
    try {
      this.#netfilter.transact(messages);
    } catch {
      // Not there, which is what was wanted.
    }
  }

  /** At which gate a rule of the kernel stands, and for a rule of which priority. */
  placeOf(
    chain: string,
    handle: bigint,
  ): { readonly gate: Gate; readonly index: number; readonly priority: number } | undefined {
    const standing = [...this.#standing.values()].find((one) => one.chain === chain);
    if (standing === undefined) return undefined;
    const { gate, index } = standing;
    const listed = this.#netfilter.dump(this.#table.listRules(chain)).map(countedRule);
    const comment = listed.find((one) => one.handle === handle)?.comment;
    return comment === undefined ? undefined : { gate, index, priority: Number(comment) };
  }

  /** Packets counted so far by the deny rules of a gate, by their comment. */
  counted(gate: Gate, { index }: Guarded): ReadonlyMap<string, number> {
    const chain = this.#standing.get(keyOf(gate, index))?.chain;
    if (chain === undefined) return new Map();
    const rules = this.#netfilter.dump(this.#table.listRules(chain)).map(countedRule);
    return new Map(rules.map(({ comment, packets }) => [comment, packets]));
  }

  close(): void {
    this.#netfilter.close();
  }
}

function meaningAt({ virtualNetwork }: Guarded, tags: Tags): TagMeaning {
  const platformAddress = PLATFORM_ADDRESS as Ipv4;
  return { virtualNetwork, platformAddress, published: (tag) => tags[tag] };
}

function logOf(gate: Gate, index: number, { comment }: TableRule): TableRule["log"] {
  return { group: LOG_GROUP, label: `${gate} ${index} ${comment}` };
}

/** What the label of a logging rule says. */
export function placeOfLabel(label: string): {
  readonly gate: string;
  readonly index: number;
  readonly priority: number;
} {
  const [gate = "", index, priority] = label.split(" ");
  return { gate, index: Number(index), priority: Number(priority) };
}

function keyOf(gate: Gate, index: number): string {
  return `${gate} ${index}`;
}

function sameRules(one: readonly PlacedRule[], other: readonly PlacedRule[]): boolean {
  return one.length === other.length && one.every(({ key }, at) => key === other[at]?.key);
}

/**
 * Both lists are walked by priority. An added rule stands before the kept rule `at`, or last.
 */
function difference(before: readonly PlacedRule[], after: readonly PlacedRule[]) {
  const removed: number[] = [];
  const added: { readonly rule: TableRule; readonly at: number | undefined }[] = [];
  let waiting: TableRule[] = [];
  const place = (at: number | undefined) => {
    for (const rule of waiting) added.push({ rule, at });
    waiting = [];
  };
  let old = 0;
  for (const next of after) {
    for (; old < before.length; old += 1) {
      const here = before[old];
      if (here === undefined || here.key === next.key || priorityOf(next) < priorityOf(here)) break;
      removed.push(old);
    }
    if (before[old]?.key === next.key) {
      place(old);
      old += 1;
    } else waiting.push(next.rule);
  }
  for (; old < before.length; old += 1) removed.push(old);
  place(undefined);
  return { removed, added };
}

function priorityOf({ rule }: PlacedRule): number {
  return Number(rule.comment);
}
