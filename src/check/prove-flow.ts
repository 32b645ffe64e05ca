/**
 * Proves one requirement over all packets, under every reading of the tag VirtualNetwork.
 *
 * Each gate is asked about its own part; inclusion distributes over "and", so no product of gates
 * is ever built. What a failure means to people is said in flow-findings.ts.
 */
import { must } from "../base/problem.ts";
import type { Subnet } from "../blueprint/blueprint.ts";
import { PLATFORM_ADDRESS } from "../environment/ports.ts";
import type { TagMeaning } from "../network/meaning.ts";
import type { PacketSet } from "../network/packet-set.ts";
import { openPolicy, type Fails, type Policy } from "../network/policy.ts";
import type { Ipv4 } from "../network/prefix.ts";
import type { SecurityRule } from "../network/rule.ts";
import type { Requirement } from "./requirements.ts";
import type { Leg, Lost } from "./way.ts";
import { readingsOf } from "./readings.ts";

/** What one reading makes of a requirement. */
export type ReadingProof = {
  readonly name: string;
  readonly stopped: readonly { readonly leg: Leg; readonly proof: Fails }[];
  /** Parts that pass only by a rule that every group has. */
  readonly byDefault: readonly { readonly leg: Leg; readonly packets: PacketSet }[];
};

export type RequirementProof = {
  readonly requirement: Requirement;
  /** Routes know no tags: what they lead astray is lost under every reading. */
  readonly lost: readonly Lost[];
  readonly readings: readonly ReadingProof[];
};

/** The gates of subnets, opened once for many proofs. */
export class Gates {
  readonly #published: TagMeaning["published"];
  readonly #policies = new Map<string, Policy>();
  readonly #meanings = new Map<string, readonly { name: string; meaning: TagMeaning }[]>();

  /** @param published any tag of the published data: repairs name others than the rules do */
  constructor(published: TagMeaning["published"]) {
    this.#published = published;
  }

  meanings(subnet: Subnet): readonly { name: string; meaning: TagMeaning }[] {
    const known = this.#meanings.get(subnet.id);
    if (known !== undefined) return known;
    const made = readingsOf(subnet).map(({ name, prefixes }) => ({
      name,
      meaning: {
        virtualNetwork: prefixes,
        platformAddress: PLATFORM_ADDRESS as Ipv4,
        published: this.#published,
      },
    }));
    this.#meanings.set(subnet.id, made);
    return made;
  }

  /** The rules at a gate; undefined: no group, everything passes. */
  policy(leg: Pick<Leg, "subnet" | "direction" | "host">, reading: number): Policy | undefined {
    const at = leg.host ?? leg.subnet;
    if (at.rules === undefined) return undefined;
    const key = `${leg.subnet.id} ${leg.host?.name ?? ""} ${leg.direction} ${reading}`;
    const policy = this.#policies.get(key) ?? this.policyOf(leg, reading, at.rules);
    this.#policies.set(key, policy);
    return policy;
  }

  /** Other rules in the place of those at the gate. */
  policyOf(
    leg: Pick<Leg, "subnet" | "direction">,
    reading: number,
    rules: readonly SecurityRule[],
  ): Policy {
    const meanings = this.meanings(leg.subnet);
    const chosen = meanings[Math.min(reading, meanings.length - 1)];
    must(chosen !== undefined, "a tag has at least one reading");
    return openPolicy(rules, leg.direction, chosen.meaning);
  }
}

export function proveRequirement(gates: Gates, requirement: Requirement): RequirementProof {
  const { legs, lost } = requirement.way;
  const most = Math.max(1, ...legs.map(({ subnet }) => gates.meanings(subnet).length));
  const own = legs[0];
  const readings = Array.from({ length: most }, (_, reading): ReadingProof => {
    const asked = legs.flatMap((leg) => {
      const policy = gates.policy(leg, reading);
      return policy === undefined ? [] : [{ leg, proof: policy.prove([leg.packets]) }];
    });
    const names = own === undefined ? [] : gates.meanings(own.subnet);
    return {
      name: names[Math.min(reading, names.length - 1)]?.name ?? "",
      stopped: asked.flatMap(({ leg, proof }) => (proof.holds ? [] : [{ leg, proof }])),
      byDefault: asked.flatMap(({ leg, proof }) =>
        proof.holds && proof.byDefaultRule.length > 0
          ? [{ leg, packets: proof.byDefaultRule }]
          : [],
      ),
    };
  });
  return { requirement, lost, readings };
}
