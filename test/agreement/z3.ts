/**
 * The law's questions in SMT-LIB, for Z3: rules as they are written, packets as bit vectors.
 *
 * Says the meaning of a rule once more, from its words and prefixes; nothing of the engine is used.
 */
import { spawnSync } from "node:child_process";

import type { TagMeaning } from "../../src/network/meaning.ts";
import type { Packet, PacketBox, PacketSet } from "../../src/network/packet-set.ts";
import type { AnyIp } from "../../src/network/address-set.ts";
import type { IpProtocol, PortRange, AddressMatch, SecurityRule } from "../../src/network/rule.ts";

export type Question = {
  readonly rules: readonly SecurityRule[];
  readonly meaning: TagMeaning;
  readonly required: PacketSet;
};

type Family = "v4" | "v6";
const WIDTH = { v4: 32, v6: 128 } as const;
const NUMBER = { Icmp: 1, Tcp: 6, Udp: 17, Esp: 50, Ah: 51 } as const;
const LONGEST_MS = 120_000;

/** A packet that is required and stopped, of each question; undefined: there is none. */
export function askZ3(questions: readonly Question[]): readonly (Packet | undefined)[] {
  const families = ["v4", "v6"] as const;
  const asked = questions.flatMap((question) => families.map((family) => ({ question, family })));
  const script = asked.map(
    ({ question, family }) => `(reset)
${declarations(family)}
(assert ${orOf(question.required.map((box) => boxTerm(box, family)))})
${stoppedTerm(question, family)}
(check-sat)
(get-value (from to protocol from-port to-port))
(echo "next")`,
  );
  const said = run(script.join("\n")).split("next\n");
  const packets = asked.map(({ family }, at) => packetOf(said[at] ?? "", family));
  return questions.map((_, at) => packets[2 * at] ?? packets[2 * at + 1]);
}

/** Whether Z3, too, finds each packet required and stopped. */
export function judgeByZ3(
  questions: readonly (Question & { readonly packet: Packet })[],
): readonly boolean[] {
  const script = questions.map(({ packet, ...question }) => {
    const family = packet.from.includes(":") ? "v6" : "v4";
    return `(reset)
${declarations(family)}
(assert ${orOf(question.required.map((box) => boxTerm(box, family)))})
${stoppedTerm(question, family)}
(assert (and (= from ${addressTerm(packet.from)}) (= to ${addressTerm(packet.to)})
  (= protocol ${bits(NUMBER[packet.protocol], 8)})
  (= from-port ${bits(packet.fromPort, 16)}) (= to-port ${bits(packet.toPort, 16)})))
(check-sat)`;
  });
  const said = run(script.join("\n")).trim().split("\n");
  return questions.map((_, at) => verdictOf(said[at] ?? "") === "sat");
}

function run(script: string): string {
  const { stdout, error } = spawnSync("z3", ["-in"], {
    input: script,
    encoding: "utf8",
    timeout: LONGEST_MS,
    maxBuffer: 2 ** 26,
  });
  if (error !== undefined)
    throw new Error("z3 does not run; scripts/set-up-tests installs it", { cause: error });
  return stdout;
}

function verdictOf(said: string): "sat" | "unsat" {
  const verdict = said.trim().split("\n")[0];
  if (verdict !== "sat" && verdict !== "unsat") throw new Error(`z3 says ${said}`);
  return verdict;
}

function packetOf(said: string, family: Family): Packet | undefined {
  if (verdictOf(said) === "unsat") return undefined;
  const value = (name: string): bigint => {
    const found = new RegExp(`\\(${name} #([xb])([0-9a-f]+)\\)`).exec(said);
    if (found === null) throw new Error(`z3 says ${said}`);
    return BigInt(`0${found[1]}${found[2]}`);
  };
  const protocol = (Object.keys(NUMBER) as IpProtocol[]).find(
    (name) => BigInt(NUMBER[name]) === value("protocol"),
  );
  if (protocol === undefined) throw new Error(`z3 chooses a protocol there is not: ${said}`);
  const ported = protocol === "Tcp" || protocol === "Udp";
  return {
    from: addressOf(value("from"), family),
    to: addressOf(value("to"), family),
    protocol,
    fromPort: ported ? Number(value("from-port")) : 0,
    toPort: ported ? Number(value("to-port")) : 0,
  };
}

function declarations(family: Family): string {
  const numbers = Object.values(NUMBER).map((number) => `(= protocol ${bits(number, 8)})`);
  return `(declare-const from (_ BitVec ${WIDTH[family]}))
(declare-const to (_ BitVec ${WIDTH[family]}))
(declare-const protocol (_ BitVec 8))
(declare-const from-port (_ BitVec 16))
(declare-const to-port (_ BitVec 16))
(define-fun ported () Bool (or (= protocol ${bits(6, 8)}) (= protocol ${bits(17, 8)})))
(assert ${orOf(numbers)})`;
}

/** The first rule that matches, denies; tags are written once. */
function stoppedTerm({ rules, meaning }: Question, family: Family): string {
  const tags = new Set(
    rules.flatMap(({ sources, destinations }) =>
      [...sources, ...destinations].flatMap((match) => (match.kind === "tag" ? [match.tag] : [])),
    ),
  );
  const sort = `(_ BitVec ${WIDTH[family]})`;
  const defined = [...tags].map(
    (tag) => `(define-fun |tag ${tag}| ((a ${sort})) Bool ${tagTerm(tag, meaning, family)})`,
  );
  const ordered = [...rules].sort((a, b) => a.priority - b.priority);
  const matches = ordered.map(
    (rule, at) => `(define-fun m${at} () Bool ${ruleTerm(rule, meaning, family)})`,
  );
  const chain = ordered.reduceRight(
    (below, { access }, at) =>
      access === "Deny" ? `(or m${at} ${below})` : `(and (not m${at}) ${below})`,
    "false",
  );
  return [...defined, ...matches, `(assert ${chain})`].join("\n");
}

function ruleTerm(rule: SecurityRule, meaning: TagMeaning, family: Family): string {
  const { protocol, sources, destinations, sourcePorts, destinationPorts } = rule;
  const all = [sourcePorts, destinationPorts].every(areAll);
  const ports = `(and ${portsTerm("from-port", sourcePorts)} ${portsTerm("to-port", destinationPorts)})`;
  const namesPlatform = destinations.some(
    (match) => match.kind === "tag" && match.tag.startsWith("AzurePlatform"),
  );
  const exempt = rule.direction === "Outbound" && !namesPlatform && family === "v4";
  return `(and ${[
    protocol === "*" ? "true" : `(= protocol ${bits(NUMBER[protocol], 8)})`,
    sidesTerm("from", sources, family),
    sidesTerm("to", destinations, family),
    all ? "true" : `(and ported ${ports})`,
    exempt ? `(not (= to ${addressTerm(meaning.platformAddress)}))` : "true",
  ].join(" ")})`;
}

function sidesTerm(name: "from" | "to", matches: readonly AddressMatch[], family: Family): string {
  return orOf(
    matches.map((match) => {
      switch (match.kind) {
        case "any":
          return "true";
        case "tag":
          return `(|tag ${match.tag}| ${name})`;
        case "asg":
          return orOf(
            match.addresses
              .filter((address) => isOf(address, family))
              .map((address) => `(= ${name} ${addressTerm(address)})`),
          );
        case "prefix":
        case "prefix6":
          return prefixTerm(name, match.prefix, family);
      }
    }),
  );
}

function tagTerm(tag: string, meaning: TagMeaning, family: Family): string {
  const platform = family === "v4" ? `(= a ${addressTerm(meaning.platformAddress)})` : "false";
  const own = orOf([
    ...meaning.virtualNetwork.map((one) => prefixTerm("a", one, family)),
    platform,
  ]);
  if (tag === "VirtualNetwork") return own;
  if (tag === "Internet") return `(not ${own})`;
  if (tag === "AzureLoadBalancer" || tag.startsWith("AzurePlatform")) return platform;
  const published = meaning.published(tag);
  if (published === undefined) throw new Error(`broken promise: ${tag} is known`);
  if (!("v4" in published)) return orOf(published.map((one) => prefixTerm("a", one, family)));
  return orOf(published[family].map((range) => rangeTerm("a", range, WIDTH[family])));
}

function prefixTerm(name: string, prefix: string, family: Family): string {
  if (!isOf(prefix, family)) return "false";
  const [network = "", length = ""] = prefix.split("/");
  const top = WIDTH[family] - 1;
  const fixed = Number(length);
  if (fixed === 0) return "true";
  const head = bits(numberOf(network) >> BigInt(WIDTH[family] - fixed), fixed);
  return `(= ((_ extract ${top} ${top - fixed + 1}) ${name}) ${head})`;
}

function boxTerm(box: PacketBox, family: Family): string {
  const side = (name: "from" | "to") =>
    orOf(box[name][family].map((range) => rangeTerm(name, range, WIDTH[family])));
  const protocols = box.protocols.map((one) => `(= protocol ${bits(NUMBER[one], 8)})`);
  const ports = `(and ${portsTerm("from-port", box.fromPorts)} ${portsTerm("to-port", box.toPorts)})`;
  return `(and ${side("from")} ${side("to")} ${orOf(protocols)} (or (not ported) ${ports}))`;
}

function portsTerm(name: string, ports: readonly PortRange[]): string {
  return orOf(ports.map((range) => rangeTerm(name, range, 16)));
}

function rangeTerm(
  name: string,
  { low, high }: { readonly low: number | bigint; readonly high: number | bigint },
  width: number,
): string {
  return `(and (bvule ${bits(low, width)} ${name}) (bvule ${name} ${bits(high, width)}))`;
}

/** Also as ranges that follow on each other. */
function areAll(ports: readonly PortRange[]): boolean {
  let next = 0;
  for (const { low, high } of [...ports].sort((a, b) => a.low - b.low))
    if (low <= next) next = Math.max(next, high + 1);
  return 65_535 < next;
}

function orOf(terms: readonly string[]): string {
  return terms.length === 0 ? "false" : `(or ${terms.join(" ")})`;
}

function bits(value: number | bigint, width: number): string {
  return `#b${BigInt(value).toString(2).padStart(width, "0")}`;
}

function addressTerm(address: AnyIp): string {
  return bits(numberOf(address), address.includes(":") ? 128 : 32);
}

function isOf(text: string, family: Family): boolean {
  return text.includes(":") === (family === "v6");
}

function numberOf(text: string): bigint {
  if (!text.includes(":"))
    return text.split(".").reduce((sum, part) => sum * 256n + BigInt(part), 0n);
  const [head = "", tail] = text.split("::");
  const groups = (part: string) => part.split(":").filter((group) => group !== "");
  const [before, after] = [groups(head), groups(tail ?? "")];
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => "0");
  return [...before, ...zeros, ...after].reduce(
    (sum, group) => sum * 65_536n + BigInt(`0x${group}`),
    0n,
  );
}

function addressOf(value: bigint, family: Family): AnyIp {
  const parts = (count: number, size: bigint) =>
    Array.from(
      { length: count },
      (_, at) => (value >> (BigInt(count - 1 - at) * size)) % 2n ** size,
    );
  return (
    family === "v4"
      ? parts(4, 8n).join(".")
      : parts(8, 16n)
          .map((part) => part.toString(16))
          .join(":")
  ) as AnyIp;
}
