/**
 * What every fabric promises. Each implementation runs this over its own way of opening a world.
 *
 * Only what all of them have: what a packet or a process really is, they test beside themselves.
 */
import { afterEach, describe, expect, test, vi } from "vitest";

import { NO_CONNECTIONS, type Blueprint, type Host } from "../../src/blueprint/blueprint.ts";
import type { Probe } from "../../src/blueprint/probes.ts";
import { planSteps, type Step } from "../../src/blueprint/steps.ts";
import { KEEP_ALIVE_PORT } from "../../src/environment/ports.ts";
import type { Fabric, Observed } from "../../src/fabric/fabric.ts";
import {
  agentHost,
  ALICE,
  BOB,
  CAROL,
  connectedWorld,
  ERIN,
  FAR,
  FRANK,
  FROM_ALICE,
  FROM_BALANCER,
  FROM_CAROL,
  FROM_CLIENT,
  NEAR,
  NETWORK,
  probe,
  rule,
  smallWorld,
  VIP,
  VIP_PORT,
} from "../support/worlds.ts";

export type OpenFabric = () => Promise<{
  readonly fabric: Fabric;
  readonly close: () => Promise<void>;
}>;

/** A world may need a moment until its programs listen. */
const WITHIN = { timeout: 10_000, interval: 20 };

const TO_BOB = probe(FROM_ALICE, BOB);
const TO_ALICE = probe(FROM_CAROL, ALICE);
const AT_VIP = probe(FROM_CLIENT, VIP, { port: VIP_PORT });
const FROM_ERIN: Probe["from"] = { kind: "host", name: "erin", address: ERIN };
const FROM_FRANK: Probe["from"] = { kind: "host", name: "frank", address: FRANK };
const KEEP_ALIVE = probe(FROM_BALANCER, BOB, {
  port: KEEP_ALIVE_PORT,
  conversation: "keep-alive",
  name: "bob",
});

/** @param open a new, empty world each time */
export function describeFabric(name: string, open: OpenFabric): void {
  describe(name, () => {
    const closers: (() => Promise<void>)[] = [];
    afterEach(async () => {
      for (const close of closers.splice(0).reverse()) await close();
    });

    const opened = async () => {
      const { fabric, close } = await open();
      closers.push(close);
      return fabric;
    };
    const standing = async (blueprint: Blueprint) => {
      const fabric = await opened();
      await become(fabric, blueprint);
      return fabric;
    };

    test("a new world is empty", async () => {
      const fabric = await opened();
      const { internet: _, ...empty } = await observed(fabric);
      expect(empty).toEqual({
        generation: 0,
        tags: {},
        networks: [],
        connections: NO_CONNECTIONS,
        hosts: [],
      });
    });

    test("what was put is observed, and nothing is left to do", async () => {
      const world = smallWorld({ generation: 7, rules: [] });
      const fabric = await standing(world);
      const seen = await observed(fabric);
      expect(seen.generation).toBe(7);
      expect(seen.networks).toEqual(world.networks);
      expect(seen.hosts.map(({ host }) => host)).toEqual(expect.arrayContaining([...world.hosts]));
      expect(planSteps(seen, world)).toEqual([]);
    });

    test("programs run, and were not started again", async () => {
      const fabric = await standing(smallWorld());
      await vi.waitFor(async () => {
        for (const { programs } of (await observed(fabric)).hosts)
          expect(programs).toMatchObject([{ name: "agent", state: "running", restarts: 0 }]);
      }, WITHIN);
    });

    test("every step may be repeated, and then changes nothing", async () => {
      const world = smallWorld({ rules: [] });
      const fabric = await standing(world);
      await passes(fabric, TO_BOB);
      const before = await observed(fabric);
      for (const step of stepsTo(world)) await done(fabric, world.generation, step);
      expect(await observed(fabric)).toEqual(before);
    });

    test("a step of an older generation is refused and changes nothing", async () => {
      const fabric = await standing(smallWorld({ generation: 5 }));
      const before = await observed(fabric);
      const refused = await fabric.carryOut(4, { do: "remove-host", name: "bob" });
      expect(refused).toMatchObject({ ok: false, problem: { code: "OlderBlueprint" } });
      expect(await observed(fabric)).toEqual(before);
      await passes(fabric, TO_BOB);
    });

    test("a network that is put again keeps its translations", async () => {
      const world = smallWorld();
      const fabric = await standing(world);
      const [network] = smallWorld({ rules: [] }).networks;
      if (network === undefined) throw new Error("the small world has a network");
      await done(fabric, 2, { do: "put-network", network: { ...network, translations: [] } });
      const seen = (await observed(fabric)).networks[0];
      expect(seen?.translations).toEqual(world.networks[0]?.translations);
      expect(seen?.subnets[0]?.rules).toBeDefined();
    });

    test("without a group everything passes: inside, from outside, from the balancer", async () => {
      const fabric = await standing(smallWorld());
      for (const one of [TO_BOB, TO_ALICE, AT_VIP, KEEP_ALIVE]) await passes(fabric, one);
    });

    test("a traced packet shows the rule that decides at each gate it meets", async () => {
      const fabric = await standing(smallWorld({ rules: [] }));
      const flow = { from: { kind: "host", name: "alice" }, to: BOB, protocol: "Tcp" } as const;
      const traced = await fabric.trace({
        flow: { ...flow, fromPort: 51_234, toPort: 9 },
        standIns: [],
        timeoutMs: 500,
        network: NETWORK,
      });
      expect(traced).toMatchObject({ ok: true, value: { answer: "refused" } });
      const rules = (traced.ok ? traced.value.steps : []).filter(({ kind }) => kind === "rule");
      expect(rules).toMatchObject([
        { direction: "Outbound", rule: "AllowVnetOutBound", access: "Allow" },
        { direction: "Inbound", rule: "AllowVnetInBound", access: "Allow" },
      ]);
    });

    test("flows are told of logged groups only: how they began, and that they were denied", async () => {
      const world = smallWorld({ rules: [] });
      const fabric = await standing(world);
      await passes(fabric, TO_BOB);
      expect(await fabric.flows(0)).toMatchObject({ ok: true, value: { flows: [], newest: 0 } });
      const [network] = world.networks;
      const group = network?.subnets[0]?.rules?.[0]?.group;
      if (network === undefined || group === undefined) throw new Error("there is a group");
      const logged = { ...network, loggedGroups: [group] };
      await done(fabric, world.generation, { do: "put-network", network: logged });
      await passes(fabric, TO_BOB);
      await fails(fabric, AT_VIP);
      const told = await vi.waitFor(async () => {
        const answer = await fabric.flows(0);
        expect(answer.ok && answer.value.flows.some(({ access }) => access === "Deny")).toBe(true);
        return answer;
      }, WITHIN);
      const flows = told.ok ? told.value.flows : [];
      expect(flows).toContainEqual(
        expect.objectContaining({
          ...{ group, rule: "AllowVnetInBound", access: "Allow", state: "B", to: BOB },
        }),
      );
      const denied = flows.findLast(({ access }) => access === "Deny");
      expect(denied).toMatchObject({ rule: "DenyAllInBound", direction: "Inbound", state: "B" });
      // Nothing is told twice.
      const newest = told.ok ? told.value.newest : 0;
      const more = await fabric.flows(newest);
      expect(more.ok && more.value.flows.every(({ sequence }) => newest < sequence)).toBe(true);
    });

    test("default rules let the network and the balancer in, and nobody from outside", async () => {
      const fabric = await standing(smallWorld({ rules: [] }));
      for (const one of [TO_BOB, TO_ALICE, KEEP_ALIVE]) await passes(fabric, one);
      await fails(fabric, AT_VIP);
    });

    test("a deny cuts what it names, inside the subnet too, and its removal heals", async () => {
      const fabric = await standing(smallWorld({ rules: [] }));
      await passes(fabric, TO_BOB);
      const deny = rule({
        name: "Cut",
        access: "Deny",
        destinations: [{ kind: "prefix", prefix: prefix(BOB) }],
      });
      await become(fabric, smallWorld({ generation: 2, rules: [deny] }));
      await fails(fabric, TO_BOB);
      await fails(fabric, KEEP_ALIVE);
      await passes(fabric, TO_ALICE);
      await become(fabric, smallWorld({ generation: 3, rules: [] }));
      await passes(fabric, TO_BOB);
    });

    test("outbound rules stand at the sender", async () => {
      const deny = rule({ name: "Silence", access: "Deny", direction: "Outbound" });
      const fabric = await standing(smallWorld({ rules: [deny] }));
      await fails(fabric, probe(FROM_ALICE, CAROL));
      // A reply belongs to a flow that was let in.
      await passes(fabric, TO_ALICE);
    });

    test("rules of an interface stand behind those of its subnet, and may change", async () => {
      const deny = rule({ name: "Cut", access: "Deny" });
      const atBob = (generation: number, rules: Host["rules"]) => {
        const world = smallWorld({ generation, rules: [] });
        const hosts = world.hosts.map((host) =>
          host.name === "bob" && rules !== undefined ? { ...host, rules } : host,
        );
        return { ...world, hosts };
      };
      const fabric = await standing(atBob(1, [deny]));
      await fails(fabric, TO_BOB);
      await fails(fabric, KEEP_ALIVE);
      await passes(fabric, TO_ALICE);
      await become(fabric, atBob(2, undefined));
      await passes(fabric, TO_BOB);
      await become(fabric, atBob(3, [{ ...deny, direction: "Outbound" }]));
      await passes(fabric, TO_BOB);
      await fails(fabric, probe({ kind: "host", name: "bob", address: BOB }, CAROL));
    });

    test("the first rule by priority decides", async () => {
      const some = { destinationPorts: [{ low: 20_000, high: 20_200 }] };
      const deny = rule({ name: "Deny", access: "Deny", priority: 300, ...some });
      const allow = rule({ name: "Allow", access: "Allow", priority: 200, ...some });
      const fabric = await standing(smallWorld({ rules: [deny, allow] }));
      await passes(fabric, AT_VIP);
      await become(
        fabric,
        smallWorld({ generation: 2, rules: [{ ...deny, priority: 150 }, allow] }),
      );
      await fails(fabric, AT_VIP);
    });

    test("a route to nowhere cuts, and its removal heals", async () => {
      const nowhere = { name: "Hole", prefix: prefix(CAROL), nextHop: { kind: "None" } as const };
      const fabric = await standing(smallWorld({ routes: [nowhere] }));
      await fails(fabric, probe(FROM_ALICE, CAROL));
      await passes(fabric, TO_BOB);
      await become(fabric, smallWorld({ generation: 2 }));
      await passes(fabric, probe(FROM_ALICE, CAROL));
    });

    test("a reply that finds no way back is a cut too", async () => {
      const nowhere = { name: "Hole", prefix: everywhere, nextHop: { kind: "None" } as const };
      const fabric = await standing(smallWorld({ routes: [nowhere] }));
      await fails(fabric, AT_VIP);
      await passes(fabric, TO_BOB);
    });

    test("an appliance passes packets on only if it forwards", async () => {
      const dave = "10.0.2.5" as typeof BOB;
      const through = (generation: number, forwards: boolean) =>
        smallWorld({
          generation,
          routes: [
            {
              name: "Via",
              prefix: prefix(CAROL),
              nextHop: { kind: "VirtualAppliance", address: dave },
            },
          ],
          hosts: [
            agentHost("alice", NEAR, ALICE),
            agentHost("carol", FAR, CAROL),
            agentHost("dave", FAR, dave, forwards),
          ],
        });
      const fabric = await standing(through(1, false));
      await passes(fabric, probe(FROM_ALICE, dave));
      await fails(fabric, probe(FROM_ALICE, CAROL));
      await become(fabric, through(2, true));
      await passes(fabric, probe(FROM_ALICE, CAROL));
    });

    test("peers and a site on premises are reached from everywhere, and reach everybody", async () => {
      const fabric = await standing(connectedWorld());
      for (const one of [
        probe(FROM_ALICE, ERIN),
        probe(FROM_ERIN, CAROL),
        probe(FROM_ALICE, FRANK),
        probe(FROM_ERIN, FRANK),
        probe(FROM_FRANK, ALICE),
        probe(FROM_FRANK, ERIN),
        probe(FROM_FRANK, VIP, { port: VIP_PORT }),
      ])
        await passes(fabric, one);
      const seen = await observed(fabric);
      expect(planSteps(seen, connectedWorld())).toEqual([]);
    });

    test("a peering that ends cuts, one that comes again heals, and gateways stay", async () => {
      const fabric = await standing(connectedWorld());
      await passes(fabric, probe(FROM_ALICE, ERIN));
      await become(fabric, connectedWorld({ generation: 2, peering: "not connected" }));
      for (const one of [probe(FROM_ALICE, ERIN), probe(FROM_ERIN, FRANK)])
        await fails(fabric, one);
      await passes(fabric, probe(FROM_ALICE, FRANK));
      await become(fabric, connectedWorld({ generation: 3 }));
      await passes(fabric, probe(FROM_ERIN, FRANK));
    });

    test("a site that announces everything takes the replies of the VIP along", async () => {
      const fabric = await standing(connectedWorld({ announced: ["0.0.0.0/0"] }));
      await fails(fabric, AT_VIP);
      await passes(fabric, probe(FROM_ALICE, FRANK));
      const back = {
        name: "Back",
        prefix: prefix(FROM_CLIENT.address),
        nextHop: { kind: "Internet" } as const,
      };
      await become(
        fabric,
        connectedWorld({ generation: 2, announced: ["0.0.0.0/0"], routes: [back] }),
      );
      await passes(fabric, AT_VIP);
    });

    test("an appliance of a peer passes packets on only if it forwards", async () => {
      const guard = "10.0.2.5" as typeof BOB;
      const viaGuard = { kind: "VirtualAppliance", address: guard } as const;
      const world = (generation: number, forwards: boolean) =>
        connectedWorld({
          generation,
          peerRoutes: [
            { name: "Via", prefix: "192.168.0.0/16" as typeof everywhere, nextHop: viaGuard },
          ],
          hosts: [
            agentHost("alice", NEAR, ALICE),
            agentHost("bob", NEAR, BOB),
            agentHost("guard", FAR, guard, forwards),
          ],
        });
      const fabric = await standing(world(1, false));
      await passes(fabric, probe(FROM_ERIN, guard));
      await fails(fabric, probe(FROM_ERIN, FRANK));
      await become(fabric, world(2, true));
      await passes(fabric, probe(FROM_ERIN, FRANK));
    });

    test("a service endpoint leads past a tunnel, until it is disabled", async () => {
      const address = "198.51.100.20" as typeof BOB;
      const shop: Host = {
        ...agentHost("shop", "", address),
        place: { kind: "internet", address },
      };
      const nowhere = { name: "Hole", prefix: everywhere, nextHop: { kind: "None" } as const };
      const world = (generation: number, endpoints: readonly string[]) => {
        const small = smallWorld({ generation, endpoints, routes: [nowhere] });
        return { ...small, hosts: [...small.hosts, shop] };
      };
      const fabric = await standing(world(1, ["198.51.100.0/24"]));
      await passes(fabric, probe(FROM_ALICE, address));
      await passes(fabric, probe(FROM_CAROL, address));
      await become(fabric, world(2, []));
      await fails(fabric, probe(FROM_ALICE, address));
      await passes(fabric, probe(FROM_CAROL, address));
    });

    test("nobody answers at a port where nothing listens, and the answer comes in time", async () => {
      const fabric = await standing(smallWorld());
      await passes(fabric, TO_BOB);
      const startedAt = performance.now();
      await fails(fabric, probe(FROM_ALICE, BOB, { port: 9 }));
      await fails(fabric, probe(FROM_ALICE, "10.0.1.77" as typeof BOB));
      expect(performance.now() - startedAt).toBeLessThan(2_000);
    });

    test("a DNS server in a machine answers, and a route cuts it off", async () => {
      const server = (service: "dns" | "dns-server"): Host => ({
        ...agentHost("names", FAR, CAROL),
        programs: [
          {
            ...{ kind: "endpoint", name: "dns", service, address: CAROL, port: 53 },
            names: { "db.test": BOB },
          },
        ],
      });
      const world = (of: Parameters<typeof smallWorld>[0], service: "dns" | "dns-server") =>
        smallWorld({ ...of, hosts: [agentHost("alice", NEAR, ALICE), server(service)] });
      const asked = {
        ...probe(FROM_ALICE, CAROL, { port: 53, conversation: "resolver", name: "no.test" }),
      };
      const question: Probe = { ...asked, to: { ...asked.to, protocol: "Udp" } };
      const fabric = await standing(world({}, "dns-server"));
      await passes(fabric, question);
      const nowhere = { name: "Hole", prefix: prefix(CAROL), nextHop: { kind: "None" } as const };
      await become(fabric, world({ generation: 2, routes: [nowhere] }, "dns-server"));
      await fails(fabric, question);
      await become(fabric, world({ generation: 3 }, "dns"));
      await passes(fabric, question);
    });

    test("a host that is removed is gone, the others stay, and it may be removed again", async () => {
      const fabric = await standing(smallWorld());
      await passes(fabric, TO_BOB);
      await done(fabric, 2, { do: "put-translations", network: NETWORK, translations: [] });
      await done(fabric, 2, { do: "remove-host", name: "bob" });
      await done(fabric, 2, { do: "remove-host", name: "bob" });
      expect((await observed(fabric)).hosts.map(({ host }) => host.name).toSorted()).toEqual([
        "alice",
        "carol",
      ]);
      await fails(fabric, TO_BOB);
      await passes(fabric, TO_ALICE);
    });

    test("a removed network takes its hosts along, and may come again", async () => {
      const fabric = await standing(smallWorld());
      await done(fabric, 2, { do: "remove-network", id: NETWORK });
      await done(fabric, 2, { do: "remove-network", id: NETWORK });
      expect(await observed(fabric)).toMatchObject({ networks: [], hosts: [] });
      await become(fabric, smallWorld({ generation: 3 }));
      await passes(fabric, TO_BOB);
    });

    test("translations of a network that does not stand are declined", async () => {
      const fabric = await opened();
      const step: Step = { do: "put-translations", network: NETWORK, translations: [] };
      expect(await fabric.carryOut(1, step)).toMatchObject({ ok: false });
    });

    test("a command at a host that does not stand is declined", async () => {
      const fabric = await opened();
      const command = { argv: ["true"], onOutput: () => undefined };
      const answer = await fabric.run({ kind: "host", name: "nobody" }, command);
      expect(answer).toMatchObject({ ok: false, problem: { fix: expect.any(String) } });
    });

    test("logs are read per host, at most as many lines as asked for", async () => {
      const fabric = await standing(smallWorld());
      const lines = await fabric.logs({ host: "alice", lines: 5 });
      if (!lines.ok) throw new Error(lines.problem.what);
      expect(lines.value.length).toBeLessThanOrEqual(5);
      expect(lines.value.filter(({ host }) => host !== "alice")).toEqual([]);
    });
  });
}

const everywhere = "0.0.0.0/0" as ReturnType<typeof prefix>;

function prefix(address: typeof BOB) {
  return `${address}/32` as Blueprint["networks"][number]["prefixes"][number];
}

const EMPTY: Observed = {
  generation: 0,
  tags: {},
  networks: [],
  connections: NO_CONNECTIONS,
  hosts: [],
};

function stepsTo(blueprint: Blueprint, from: Observed = EMPTY): readonly Step[] {
  return planSteps(from, blueprint).flat();
}

async function become(fabric: Fabric, blueprint: Blueprint): Promise<void> {
  for (const step of stepsTo(blueprint, await observed(fabric)))
    await done(fabric, blueprint.generation, step);
}

async function done(fabric: Fabric, generation: number, step: Step): Promise<void> {
  expect(await fabric.carryOut(generation, step)).toEqual({ ok: true, value: "done" });
}

async function observed(fabric: Fabric): Promise<Observed> {
  const seen = await fabric.observe();
  if (!seen.ok) throw new Error(seen.problem.what);
  return seen.value;
}

async function passes(fabric: Fabric, one: Probe): Promise<void> {
  await vi.waitFor(async () => expect(await fabric.probe(one)).toMatchObject({ ok: true }), WITHIN);
}

async function fails(fabric: Fabric, one: Probe): Promise<void> {
  expect(await fabric.probe(one)).toMatchObject({ ok: false, reason: expect.any(String) });
}
