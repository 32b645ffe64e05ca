/**
 * Explains one packet: walks it through the network of the files and names the rule or route that
 * decides each step. Names stand for addresses where that is natural.
 *
 * The walk is that of blueprint/walk.ts; here are the words and the places in files.
 */
import { keyOf } from "../arm/ids.ts";
import { declined, found, type Result } from "../base/problem.ts";
import type { Blueprint, Host, Network, Subnet } from "../blueprint/blueprint.ts";
import { compile } from "../blueprint/compile.ts";
import { EMPTY_LEDGER } from "../blueprint/ledger.ts";
import { walk, type Decider, type Flow, type Walk } from "../blueprint/walk.ts";
import { FIRST_HOST_OFFSET } from "../environment/addresses.ts";
import { MANAGEMENT_ADDRESSES } from "../environment/management-addresses.ts";
import { PLATFORM_ADDRESS } from "../environment/ports.ts";
import { addressAt, contains, parseIpv4, type Ipv4 } from "../network/prefix.ts";
import { describePacket } from "../network/naming.ts";
import { hasPorts } from "../network/packet-set.ts";
import { PROTOCOLS, type IpProtocol } from "../network/rule.ts";
import { groundOf, SOMEBODY, wantedOf, type CheckRequest } from "./check.ts";
import type { Origin } from "./inputs/inputs.ts";
import { subjectsOf } from "./subject.ts";

export type Explanation = {
  /** `Tcp 203.0.113.10:50000 -> 10.0.1.4:454` */
  readonly packet: string;
  readonly passes: boolean;
  readonly verdict: string;
  readonly steps: readonly {
    readonly at: string;
    readonly what: string;
    readonly place?: Origin;
  }[];
};

export type PacketWords = {
  readonly protocol: IpProtocol;
  readonly from: string;
  readonly fromPort: number;
  readonly to: string;
  readonly toPort: number;
};

/** What clients take when nobody says which. */
const CLIENT_PORT = 50_000;

export function explain(words: string, request: CheckRequest): Result<Explanation> {
  const parsed = parsePacketWords(words);
  if (!parsed.ok) return parsed;
  const opened = openExplain(request);
  return opened.ok ? opened.value(words) : opened;
}

/** For many packets through one network. */
export function openExplain(request: CheckRequest): Result<(words: string) => Result<Explanation>> {
  const chosen = subjectsOf(request.resources, request);
  if (!chosen.ok) return chosen;
  const [subject] = chosen.value.subjects;
  if (subject === undefined) throw new Error("broken promise: there is a subject");
  const whole = { ...request, resources: chosen.value.resources };
  const { blueprint } = compile(wantedOf(whole), EMPTY_LEDGER, 1);
  const ground = groundOf(subject, whole, blueprint);
  return found((words) => explainIn(words, request, blueprint, ground));
}

function explainIn(
  words: string,
  request: CheckRequest,
  blueprint: Blueprint,
  ground: ReturnType<typeof groundOf>,
): Result<Explanation> {
  const parsed = parsePacketWords(words);
  if (!parsed.ok) return parsed;
  const lookUp = (name: string) => addressOf(name, ground.subnet, ground.translations, blueprint);
  const [from, to] = [lookUp(parsed.value.from), lookUp(parsed.value.to)];
  if (!from.ok) return from;
  if (!to.ok) return to;
  const { protocol, fromPort, toPort } = parsed.value;
  const ends = { from: from.value, to: to.value };
  const standing = withHosts(blueprint, [from.value, to.value], ground.translations);
  const flow: Flow = {
    from: senderOf(standing, from.value),
    to: to.value,
    protocol,
    fromPort,
    toPort,
  };
  const walked = walk(arriving(standing, flow), flow);
  return found({
    packet: describePacket({ ...ends, protocol, fromPort, toPort }),
    ...verdictOf(walked),
    steps: (isOpenEnd(walked) ? walked.steps.slice(0, -1) : walked.steps).map(
      ({ at, what, decidedBy }) => {
        const place = decidedBy === undefined ? undefined : placeOf(decidedBy, request);
        return { at, what, ...(place === undefined ? {} : { place }) };
      },
    ),
  });
}

/** Nobody standing or listening there is no matter of the network: no file says who will. */
function isOpenEnd({ stoppedBy }: Walk): boolean {
  if (stoppedBy === undefined) return false;
  return stoppedBy.kind === "program" || /^(nobody|no host)/.test(stoppedBy.sentence);
}

function verdictOf(walked: Walk): Pick<Explanation, "passes" | "verdict"> {
  const { delivered, stoppedBy, host, program } = walked;
  if (delivered) return { passes: true, verdict: `arrives at ${program} of ${host}` };
  if (isOpenEnd(walked)) return { passes: true, verdict: "passes every gate and route" };
  return { passes: false, verdict: `is stopped: ${stoppedBy?.sentence ?? "nobody says why"}` };
}

function placeOf(
  { kind, name, id }: Decider,
  { placeOf: placed }: CheckRequest,
): Origin | undefined {
  if (id === undefined) return undefined;
  const part = kind === "rule" ? "securityRules" : "routes";
  return placed(keyOf(`${id}/${part}/${name}`)) ?? placed(keyOf(id));
}

/** Reads `tcp 10.0.0.5:50000 -> 10.0.1.4:443`; ports may be left out where there are none. */
export function parsePacketWords(words: string, clientPort = CLIENT_PORT): Result<PacketWords> {
  const match = /^\s*(\w+)\s+(?:from\s+)?(\S+)\s*(?:->|→|\s+to\s+)\s*(\S+)\s*$/i.exec(words);
  const [, protocolText = "", fromText = "", toText = ""] = match ?? [];
  const protocol = PROTOCOLS.find((one) => one.toLowerCase() === protocolText.toLowerCase());
  if (match === null || protocol === undefined) return wrongWords(words);
  const [from, to] = [splitPort(fromText), splitPort(toText)];
  if (from === undefined || to === undefined) return wrongWords(words);
  if (hasPorts(protocol) && to.port === undefined) return wrongWords(words);
  return found({
    protocol,
    from: from.name,
    fromPort: hasPorts(protocol) ? (from.port ?? clientPort) : 0,
    to: to.name,
    toPort: hasPorts(protocol) ? (to.port ?? 0) : 0,
  });
}

function splitPort(text: string): { readonly name: string; readonly port?: number } | undefined {
  const [name = "", portText, ...more] = text.split(":");
  if (name === "" || more.length > 0) return undefined;
  if (portText === undefined) return { name };
  const port = /^\d{1,5}$/.test(portText) ? Number(portText) : 65_536;
  return port < 65_536 ? { name, port } : undefined;
}

function wrongWords(words: string): ReturnType<typeof declined> {
  return declined({
    code: "InvalidPacket",
    what: `"${words}" is not a packet`,
    fix: `Write "tcp 10.0.0.5:50000 -> 10.0.1.4:443": a protocol (${PROTOCOLS.map((one) => one.toLowerCase()).join(", ")}), where from and where to, with the port of the receiver for tcp and udp. For addresses may stand: internet, management, load-balancer, vip, ilb, or the name of a subnet.`,
  });
}

function addressOf(
  name: string,
  subnet: Subnet,
  translations: Network["translations"],
  { networks }: Blueprint,
): Result<Ipv4> {
  if (/^[\d.]+$/.test(name)) return parseIpv4(name);
  const wanted = name.toLowerCase();
  const at = (kind: "edge" | "router") => translations.find((one) => one.at === kind)?.address;
  const named: Readonly<Record<string, Ipv4 | undefined>> = {
    internet: SOMEBODY,
    management: MANAGEMENT_ADDRESSES[0],
    appservicemanagement: MANAGEMENT_ADDRESSES[0],
    "load-balancer": PLATFORM_ADDRESS as Ipv4,
    azureloadbalancer: PLATFORM_ADDRESS as Ipv4,
    vip: at("edge"),
    ilb: at("router"),
    environment: addressAt(subnet.prefix, FIRST_HOST_OFFSET),
  };
  const subnets = networks.flatMap((network) => network.subnets);
  const own = subnets.find((one) => one.name.toLowerCase() === wanted);
  const address =
    named[wanted] ?? (own === undefined ? undefined : addressAt(own.prefix, FIRST_HOST_OFFSET));
  if (address !== undefined) return found(address);
  const known = [...Object.keys(named), ...subnets.map((one) => one.name)];
  return declined({
    code: "InvalidPacket",
    what: `"${name}" is neither an IPv4 address nor a known name`,
    fix: `Write an address, or one of: ${[...new Set(known)].join(", ")}.`,
  });
}

/** The blueprint with somebody at each address of a subnet where nobody stands yet. */
function withHosts(
  blueprint: Blueprint,
  addresses: readonly Ipv4[],
  translations: Network["translations"],
): Blueprint {
  const balanced = new Set<string>(translations.map(({ address }) => address));
  const added = [...new Set(addresses)].flatMap((address): readonly Host[] => {
    if (balanced.has(address)) return [];
    const network = blueprint.networks.find(({ prefixes }) =>
      prefixes.some((prefix) => contains(prefix, address)),
    );
    const taken = blueprint.hosts.some(
      ({ place }) => place.address === address && place.kind !== "internet",
    );
    if (network === undefined || taken) return [];
    const subnet = network.subnets.find(({ prefix }) => contains(prefix, address));
    return [
      {
        name: `host at ${address}`,
        place:
          subnet === undefined
            ? { kind: "visitor", network: network.id, address }
            : { kind: "subnet", network: network.id, subnet: subnet.id, address },
        role: "Machine",
        forwards: false,
        programs: [],
      },
    ];
  });
  return { ...blueprint, hosts: [...blueprint.hosts, ...added] };
}

/**
 * From outside to an address of a subnet: what arrives at the public address for it is meant, and
 * rules see it so. The edge is told to pass it on.
 */
function arriving(blueprint: Blueprint, { from, to, protocol, toPort }: Flow): Blueprint {
  const host = blueprint.hosts.find(({ place }) => place.kind === "subnet" && place.address === to);
  if (from.kind !== "internet" || host?.place.kind !== "subnet" || !hasPorts(protocol))
    return blueprint;
  const { network } = host.place;
  const translation: Network["translations"][number] = {
    at: "edge",
    address: to,
    protocol: protocol === "Udp" ? "Udp" : "Tcp",
    port: toPort,
    targets: [{ host: host.name, address: to, port: toPort }],
  };
  return {
    ...blueprint,
    networks: blueprint.networks.map((one) =>
      one.id === network ? { ...one, translations: [...one.translations, translation] } : one,
    ),
  };
}

function senderOf({ hosts, networks }: Blueprint, address: Ipv4): Flow["from"] {
  const [network] = networks;
  if (address === PLATFORM_ADDRESS && network !== undefined)
    return { kind: "load-balancer", network: network.id };
  const host = hosts.find(({ place }) => place.kind !== "internet" && place.address === address);
  return host === undefined ? { kind: "internet", address } : { kind: "host", name: host.name };
}
