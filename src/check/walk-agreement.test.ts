/**
 * The law: what a proof says of a set of packets, the walk of blueprint/ says of each of them.
 * Random rules and routes; packets of every requirement between hosts that really stand there.
 */
import fc from "fast-check";
import { expect, test } from "vitest";

import {
  machine,
  NETWORK_ID,
  secondSubnet,
  sketch,
  SUBNET_ID,
  wanted,
} from "../../test/support/resources.ts";
import type { Host, Translation } from "../blueprint/blueprint.ts";
import { compile } from "../blueprint/compile.ts";
import { EMPTY_LEDGER } from "../blueprint/ledger.ts";
import { walk, type Flow } from "../blueprint/walk.ts";
import { PROBED_FLOWS } from "../environment/flows.ts";
import { CLIENT_ADDRESS, DEPENDENCIES } from "../environment/dependencies.ts";
import {
  APP_PORTS,
  KEEP_ALIVE_PORT,
  MANAGEMENT_PORTS,
  PLATFORM_ADDRESS,
} from "../environment/ports.ts";
import { holdsPacket, type Packet } from "../network/packet-set.ts";
import type { Cidr, Ipv4 } from "../network/prefix.ts";
import type { NextHop } from "../network/route.ts";
import type { AddressMatch, SecurityRule } from "../network/rule.ts";
import { groundOf } from "./check.ts";
import { Gates } from "./prove-flow.ts";
import { requirementsOf, type Requirement } from "./requirements.ts";
import { ofType } from "./subject.ts";

const OTHER_SUBNET = `${NETWORK_ID}/subnets/other`;
const APPLIANCE = "10.0.2.4" as Ipv4;
const prefix = (text: string): AddressMatch => ({ kind: "prefix", prefix: text as Cidr });
const tag = (name: string): AddressMatch => ({ kind: "tag", tag: name });
const address = fc.constantFrom<AddressMatch>(
  { kind: "any" },
  ...["VirtualNetwork", "Internet", "AzureLoadBalancer", "AppServiceManagement", "Sql"].map(tag),
  ...["10.0.1.0/24", "10.0.1.0/28", "10.0.0.0/16", "13.75.127.117/32", "198.18.0.0/15"].map(prefix),
);
const ports = fc.constantFrom(
  { low: 0, high: 65_535 },
  { low: MANAGEMENT_PORTS.command, high: MANAGEMENT_PORTS.monitoring },
  { low: KEEP_ALIVE_PORT, high: KEEP_ALIVE_PORT },
  { low: 0, high: 1_023 },
  { low: 443, high: 443 },
  { low: 20_000, high: 40_000 },
);
const rule = fc
  .record({
    direction: fc.constantFrom("Inbound" as const, "Outbound" as const),
    access: fc.constantFrom("Allow" as const, "Deny" as const),
    protocol: fc.constantFrom("*" as const, "Tcp" as const, "Udp" as const),
    source: address,
    destination: address,
    port: ports,
  })
  .map(({ source, destination, port, ...rest }): Partial<SecurityRule> => ({
    ...rest,
    sources: [source],
    destinations: [destination],
    destinationPorts: [port],
  }));
const nextHop = fc.constantFrom<NextHop>(
  { kind: "Internet" },
  { kind: "None" },
  { kind: "VnetLocal" },
  { kind: "VirtualAppliance", address: APPLIANCE },
);
const route = fc.record({
  to: fc.constantFrom(
    "0.0.0.0/0",
    "10.0.1.0/24",
    "13.64.0.0/11",
    "13.75.127.117/32",
    "198.18.0.0/15",
  ),
  nextHop,
});

test("what a proof says of all packets, the walk says of each", () => {
  let asked = 0;
  let stopped = 0;
  fc.assert(
    fc.property(
      fc.constantFrom("External" as const, "Internal" as const),
      fc.array(rule, { maxLength: 6 }),
      fc.uniqueArray(route, { maxLength: 4, selector: ({ to }) => to }),
      (kind, rules, routes) => {
        const resources = sketch({
          kind,
          instances: 1,
          rules,
          routes: routes.map(({ to, nextHop: hop }, index) => ({
            name: `route-${index}`,
            destination: { kind: "prefix", prefix: to as Cidr },
            nextHop: hop,
          })),
          extra: [
            secondSubnet(OTHER_SUBNET),
            machine("firewall", OTHER_SUBNET, { address: APPLIANCE, forwards: true }),
          ],
        });
        const facts = wanted(resources);
        const { blueprint } = compile(facts, EMPTY_LEDGER, 1);
        const [environment] = ofType(resources, "Microsoft.Web/hostingEnvironments");
        const subnet = ofType(resources, "Microsoft.Network/virtualNetworks/subnets").find(
          ({ id }) => id === SUBNET_ID,
        );
        if (environment === undefined || subnet === undefined) throw new Error("no environment");
        const ground = groundOf({ environment, subnet, presumed: false }, facts, blueprint);
        const gates = new Gates(facts.tag);
        const requirements = requirementsOf(ground);
        const hosts = blueprint.hosts.filter((host) => host.environment === environment.id);
        for (const { ids, flow, packet } of packetsOf(hosts, kind, ground.network.translations)) {
          const concerned = requirements.filter(({ id }) => ids.includes(id));
          const walked = walk(blueprint, flow);
          const passed =
            walked.delivered || !["rule", "route"].includes(walked.stoppedBy?.kind ?? "");
          asked += 1;
          if (!passed) stopped += 1;
          const proved = concerned.every((one) => passes(one, packet, gates));
          expect({ ids, none: concerned.length === 0 }).toEqual({ ids, none: false });
          expect({ ids, packet, passed: proved, by: walked.stoppedBy?.sentence }).toEqual({
            ids,
            packet,
            passed,
            by: walked.stoppedBy?.sentence,
          });
        }
      },
    ),
    { numRuns: 300 },
  );
  expect(asked).toBeGreaterThan(2_000);
  expect(stopped).toBeGreaterThan(asked / 10);
});

/** No gate on the way denies it, and no route leads it astray. */
function passes({ way }: Requirement, packet: Packet, gates: Gates): boolean {
  const lost = way.lost.some(({ packets }) => holdsPacket(packets, packet));
  const denied = way.legs.some((leg) => {
    if (!holdsPacket(leg.packets, packet)) return false;
    return gates.policy(leg, 0)?.decide(packet)?.access === "Deny";
  });
  return !lost && !denied;
}

type Case = { readonly ids: readonly string[]; readonly flow: Flow; readonly packet: Packet };

function packetsOf(
  hosts: readonly Host[],
  kind: "External" | "Internal",
  translations: readonly Translation[],
): readonly Case[] {
  const [first, second] = hosts;
  if (first === undefined || second === undefined) return [];
  // Rules of this test name no single front end, so all targets of a translation fare alike.
  const atVip = (ids: readonly string[], source: Ipv4, port: number): readonly Case[] => {
    const vip = translations.find((one) => one.port === port);
    const target = vip?.targets[0]?.address;
    if (vip === undefined || target === undefined) return [];
    const from = { kind: "internet", address: source } as const;
    return [caseOf(ids, { from, to: vip.address, toPort: port }, { from: source, to: target })];
  };
  const management = Object.values(MANAGEMENT_PORTS).flatMap((port) =>
    (["13.75.127.117", "20.36.1.1"] as Ipv4[]).flatMap((source) =>
      atVip(["flow/management", "reply/management"], source, port),
    ),
  );
  const users =
    kind === "Internal"
      ? []
      : Object.values(APP_PORTS.web).flatMap((port) =>
          atVip(["flow/web", "reply/clients"], CLIENT_ADDRESS, port),
        );
  const keepAlive = hosts
    .filter(({ role }) => role === "FrontEnd")
    .map(({ place }) =>
      caseOf(
        ["flow/keep-alive"],
        {
          from: { kind: "load-balancer", network: NETWORK_ID },
          to: place.address,
          toPort: KEEP_ALIVE_PORT,
        },
        { from: PLATFORM_ADDRESS as Ipv4, to: place.address },
      ),
    );
  const outward = (id: string, to: Ipv4, toPort: number, protocol?: "Udp"): Case =>
    caseOf(
      [id],
      {
        from: { kind: "host", name: first.name },
        to,
        toPort,
        ...(protocol === undefined ? {} : { protocol }),
      },
      { from: first.place.address, to },
    );
  const dependencies = DEPENDENCIES.flatMap(({ conversation, address: to }) => {
    const flow = PROBED_FLOWS.find(
      (one) => one.conversation === conversation && one.to === "internet",
    );
    if (to === undefined || flow === undefined) return [];
    return [outward(`flow/${flow.id}`, to, flow.port, flow.spoken === "Udp" ? "Udp" : undefined)];
  });
  const inside = outward("flow/internal", second.place.address, 20_500);
  return [...management, ...users, ...keepAlive, inside, ...dependencies];
}

function caseOf(
  ids: readonly string[],
  flow: Pick<Flow, "from" | "to" | "toPort"> & Partial<Pick<Flow, "protocol">>,
  ends: { readonly from: Ipv4; readonly to: Ipv4 },
): Case {
  const whole: Flow = { protocol: "Tcp", fromPort: 50_000, ...flow };
  const { protocol, fromPort, toPort } = whole;
  return { ids, flow: whole, packet: { ...ends, protocol, fromPort, toPort } };
}
