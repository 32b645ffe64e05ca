/**
 * Packets that proofs are about: of random pairs of hosts the counterexample and every corner of the
 * violated boxes of each gate between them, with what the proofs say of each. Nothing is sent here.
 */
import type { Blueprint, Host, Subnet } from "../../src/blueprint/blueprint.ts";
import type { Flow } from "../../src/blueprint/walk.ts";
import { setOfAddresses } from "../../src/network/address-set.ts";
import { boxOf, holdsPacket, type Packet, type PacketBox } from "../../src/network/packet-set.ts";
import { openPolicy, type Proof } from "../../src/network/policy.ts";
import type { Ipv4 } from "../../src/network/prefix.ts";
import type { Direction, SecurityRule } from "../../src/network/rule.ts";
import { selectRoute } from "../../src/network/select-route.ts";
import type { Random } from "../../src/network/generate.testing.ts";
import { PLATFORM } from "./generate.ts";

/** What the proofs of all gates on the way say together. */
export type Claim = { readonly flow: Flow; readonly passes: boolean };

type Place = { readonly host: Host; readonly subnet: Subnet; readonly address: Ipv4 };

const PAIRS = 8;
const MOST_OF_A_PAIR = 12;

/** @param taken flows of the same round, which none of these may be taken for */
export function claimsOfProofs(
  random: Random,
  blueprint: Blueprint,
  taken: readonly Flow[],
): readonly Claim[] {
  const places = placesOf(blueprint);
  const used = new Set(taken.map(({ protocol, fromPort }) => `${protocol} ${fromPort}`));
  const claims: Claim[] = [];
  for (let pair = 0; pair < PAIRS; pair += 1) {
    const [from, to] = [random.one(places), random.one(places)];
    if (from === to || !leadsStraight(from, to) || !leadsStraight(to, from)) continue;
    // Ports at both ends of which source ports of rules end, or some nobody else uses.
    const low = random.chance(0.4) ? 31_990 : 33_000 + 40 * random.below(150);
    const required = boxOf({
      from: setOfAddresses([from.address]),
      to: setOfAddresses([to.address]),
      protocols: ["Tcp", "Udp"],
      fromPorts: [{ low, high: low + 130 }],
      toPorts: [{ low: 1, high: 29_999 }],
    });
    const proofs = [
      ...proofsAt(blueprint, from, "Outbound", required),
      ...proofsAt(blueprint, to, "Inbound", required),
    ];
    const boxes = [
      required,
      ...proofs.flatMap((proof) =>
        proof.holds ? [] : proof.violations.flatMap((one) => one.boxes),
      ),
    ];
    const packets = [
      ...proofs.flatMap((proof) => (proof.holds ? [] : [proof.counterexample])),
      ...boxes.flatMap(cornersOf),
    ];
    let count = 0;
    for (const packet of shuffled(random, packets)) {
      const key = `${packet.protocol} ${packet.fromPort}`;
      const said = proofs.map((proof) => stops(proof, packet));
      if (MOST_OF_A_PAIR <= count || used.has(key) || said.includes("not listed")) continue;
      used.add(key);
      count += 1;
      claims.push({
        flow: {
          from: { kind: "host", name: from.host.name },
          to: to.address,
          protocol: packet.protocol,
          fromPort: packet.fromPort,
          toPort: packet.toPort,
        },
        passes: said.every((one) => one === "passes"),
      });
    }
  }
  return claims;
}

function placesOf({ hosts, networks }: Blueprint): readonly Place[] {
  const subnets = networks.flatMap((network) =>
    network.subnets.map((subnet) => ({ network: network.id, subnet })),
  );
  return hosts.flatMap((host) => {
    const { place } = host;
    if (place.kind !== "subnet") return [];
    const found = subnets.find(
      (one) => one.network === place.network && one.subnet.name === place.subnet,
    );
    return found === undefined ? [] : [{ host, subnet: found.subnet, address: place.address }];
  });
}

/** Nobody stands between: what the gates let through arrives, and its answer too. */
function leadsStraight(from: Place, to: Place): boolean {
  return selectRoute(from.subnet.routes, to.address)?.nextHop.kind === "VnetLocal";
}

function proofsAt(
  blueprint: Blueprint,
  { host, subnet }: Place,
  direction: Direction,
  required: PacketBox,
): readonly Proof[] {
  const meaning = {
    virtualNetwork: subnet.virtualNetwork,
    platformAddress: PLATFORM,
    published: (tag: string) => blueprint.tags[tag],
  };
  const gates = [subnet.rules, host.rules].filter(
    (rules): rules is readonly SecurityRule[] => rules !== undefined,
  );
  return gates.map((rules) => openPolicy(rules, direction, meaning).prove([required]));
}

function stops(proof: Proof, packet: Packet): "passes" | "stopped" | "not listed" {
  if (proof.holds) return "passes";
  const listed = proof.violations.some(({ boxes }) =>
    boxes.some((box) => holdsPacket(box, packet)),
  );
  if (listed) return "stopped";
  return proof.truncated ? "not listed" : "passes";
}

/** Lowest and highest of every range, in all combinations; the pair of addresses is one. */
function cornersOf(box: PacketBox): readonly Packet[] {
  const [from, to] = [box.from, box.to];
  const [a, b] = [from.v4[0], to.v4[0]];
  if (a === undefined || b === undefined) return [];
  const ends = (ranges: PacketBox["toPorts"]) => [
    ...new Set(ranges.flatMap(({ low, high }) => [low, high])),
  ];
  return box.protocols.flatMap((protocol) =>
    ends(box.fromPorts).flatMap((fromPort) =>
      ends(box.toPorts).map((toPort): Packet => ({
        from: text(a.low),
        to: text(b.low),
        protocol,
        fromPort,
        toPort,
      })),
    ),
  );
}

function text(value: number): Ipv4 {
  return [24, 16, 8, 0].map((bits) => (value >>> bits) & 255).join(".") as Ipv4;
}

function shuffled<Value>(random: Random, values: readonly Value[]): readonly Value[] {
  return values
    .map((value) => ({ value, at: random.below(2 ** 30) }))
    .sort((a, b) => a.at - b.at)
    .map(({ value }) => value);
}
