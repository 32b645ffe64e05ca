/**
 * A life: the control plane (writes, store, loop, health) on the simulated fabric in simulated
 * time, with what users ask for and what goes wrong chosen by a seed.
 *
 * The same seed is the same life. Whatever happens, what must hold is checked after every step
 * that the fabric carries out; at the end faults stop, and everything must come to be as wanted.
 */
import { keyOf, parseResourceId } from "../../src/arm/ids.ts";
import type { JsonObject } from "../../src/arm/json.ts";
import { declined, found, must, type Problem } from "../../src/base/problem.ts";
import { planSteps } from "../../src/blueprint/steps.ts";
import { openArmWrites, type ArmWrites } from "../../src/control/arm-writes.ts";
import type { ControlEvent } from "../../src/control/control-plane.ts";
import { Loop, type LoopOptions } from "../../src/control/loop.ts";
import { openOperationsIn } from "../../src/control/operations.ts";
import { operationsNow, cancelOperation } from "../../src/control/queue.ts";
import { readBlueprint } from "../../src/control/records.ts";
import { storedResource } from "../../src/control/wanted.ts";
import type { Fabric, Observed } from "../../src/fabric/fabric.ts";
import { openSimulatedFabric, type Faults } from "../../src/fabric/simulated/simulated-fabric.ts";
import { readPfx } from "../../src/services/pfx.ts";
import type { Store } from "../../src/store/store.ts";
import { copyOf, emptyMemory, openMemoryStore, type Memory } from "../support/memory-store.ts";
import { wanted as factsFor } from "../support/resources.ts";
import { Chance } from "./chance.ts";
import { brokenBy, busyIn, ledNowhere, type Watched } from "./invariants.ts";

const SUBSCRIPTION = "11111111-1111-1111-1111-111111111111";
const GROUP = `/subscriptions/${SUBSCRIPTION}/resourceGroups/life`;
const web = (path: string) => `${GROUP}/providers/Microsoft.Web/${path}`;
const network = (path: string) => `${GROUP}/providers/Microsoft.Network/${path}`;
const ENVIRONMENT = web("hostingEnvironments/ase");
const PLANS = [web("serverfarms/one"), web("serverfarms/two")] as const;
const SITE = web("sites/app");
const RULE = network("networkSecurityGroups/nsg/securityRules/cut");
const SUSPEND_AFTER_MS = 600_000;
const ACCOUNT = { subscriptionId: SUBSCRIPTION, tenantId: SUBSCRIPTION, location: "here" };

/** The control plane's process died here. */
class Killed extends Error {}

export class LifeBroken extends Error {}

/** Resources declared, nothing stands yet; made once, each life begins with a copy. */
export function declaredWorld(kind: "External" | "Internal"): Memory {
  const memory = emptyMemory();
  const writes = writesOver(
    openMemoryStore(memory, () => 0),
    () => 0,
  );
  const put = (id: string, body: JsonObject) => {
    const done = writes.put({ id: parsed(id), body });
    if (!done.ok) throw new Error(`${id}: ${done.problem.what}`);
  };
  put(GROUP, { location: "here" });
  put(network("networkSecurityGroups/nsg"), { properties: { securityRules: [...NEEDED_RULES] } });
  put(network("virtualNetworks/net"), {
    properties: {
      addressSpace: { addressPrefixes: ["10.0.0.0/16"] },
      subnets: [
        {
          name: "ase",
          properties: {
            addressPrefix: kind === "External" ? "10.0.1.0/27" : "10.0.1.0/26",
            networkSecurityGroup: { id: network("networkSecurityGroups/nsg") },
          },
        },
      ],
    },
  });
  put(ENVIRONMENT, {
    properties: {
      internalLoadBalancingMode: kind === "External" ? "None" : "Web, Publishing",
      virtualNetwork: { id: network("virtualNetworks/net/subnets/ase") },
    },
  });
  put(PLANS[0], planBody("I1", 2));
  put(SITE, { properties: { serverFarmId: PLANS[0] } });
  return memory;
}

const NEEDED_RULES = [
  { name: "management", priority: 200, port: "454-455", from: "AppServiceManagement" },
  { name: "web", priority: 210, port: "80", from: "*" },
].map(({ name, priority, port, from }) => ({
  name,
  properties: {
    priority,
    direction: "Inbound",
    access: "Allow",
    protocol: "Tcp",
    sourceAddressPrefix: from,
    sourcePortRange: "*",
    destinationAddressPrefix: "*",
    destinationPortRange: port,
  },
}));

function planBody(size: string, capacity: number): JsonObject {
  return {
    sku: { name: size, capacity },
    properties: { hostingEnvironmentProfile: { id: ENVIRONMENT } },
  };
}

function writesOver(store: Store, now: () => number): ArmWrites {
  const isServiceTag = (name: string) => ({ known: name });
  return openArmWrites({
    store,
    account: ACCOUNT,
    now,
    wake: () => undefined,
    isServiceTag,
    readPfx,
  });
}

function parsed(id: string) {
  const resource = parseResourceId(id);
  if (!resource.ok) throw new Error(resource.problem.what);
  return resource.value;
}

export async function live(seed: number, begin: Memory): Promise<void> {
  const life = new Life(seed, copyOf(begin));
  try {
    await life.live();
  } catch (thrown) {
    const why = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
    throw new LifeBroken(`life ${seed}: ${why}\nwhat happened:\n${life.story.join("\n")}`);
  }
}

class Life {
  readonly story: string[] = [];
  readonly #chance: Chance;
  readonly #memory: Memory;
  readonly #fabric: Fabric;
  readonly #faults: Faults;
  readonly #watched: Watched = { addresses: new Map(), generation: 0, held: new Set() };
  /** What was acknowledged of plans, until a failure takes it back. */
  readonly #acknowledged = new Map<string, string>();
  readonly #busySince = new Map<string, number>();
  /** Hosts that a fault took, until they are put again. */
  readonly #dropped = new Set<string>();
  #now = 1_700_000_000_000;
  #stepsToDeath: number | undefined;
  #slowMs = 0;
  #cutOff = 0;
  #failingSteps = 0;
  #store: Store;
  #loop: Loop;

  constructor(seed: number, memory: Memory) {
    this.#chance = new Chance(seed);
    this.#memory = memory;
    const simulated = openSimulatedFabric(() => this.#now);
    this.#fabric = simulated.fabric;
    this.#faults = simulated.faults;
    this.#faults.declineSteps(() => this.#failing());
    [this.#store, this.#loop] = this.#start();
  }

  async live(): Promise<void> {
    await this.#turn();
    const count = this.#chance.between(2, 5);
    for (let act = 0; act < count; act += 1) {
      const [name, work] = this.#chance.oneOf(this.#acts());
      this.story.push(name);
      await work();
      for (let turn = this.#chance.between(0, 2); 0 < turn; turn -= 1) await this.#turn();
    }
    await this.#converge();
  }

  #acts(): readonly (readonly [string, () => Promise<void> | void])[] {
    const { between, oneOf } = this.#chance;
    const scale = () => this.#scale(oneOf(PLANS), oneOf(["I1", "I2", "I3"]), between(0, 12));
    return [
      ["scale", scale],
      ["scale", scale],
      ["scale", scale],
      ["front ends", () => this.#changeFrontEnds()],
      ["cancel", () => this.#cancel()],
      ["cut", () => this.#put(RULE, cutRule(oneOf(["1433", "454", "16001", "53"])))],
      ["heal", () => this.#remove(RULE)],
      ["suspend", () => this.#suspend(true)],
      ["resume", () => this.#suspend(false)],
      ["delete a plan", () => this.#remove(PLANS[1])],
      ["time passes", () => this.#pass(between(1, 120) * 1_000)],
      ["long time passes", () => this.#pass(SUSPEND_AFTER_MS + 1_000)],
      ["the clock goes back", () => void (this.#now -= 3_600_000)],
      ["death is near", () => void (this.#stepsToDeath = between(0, 40))],
      ["steps are slow", () => void (this.#slowMs = between(0, 30_000))],
      ["cut off from the world", () => void (this.#cutOff = between(1, 3))],
      ["steps fail", () => void (this.#failingSteps = between(1, 4))],
      ["a host drops out", () => this.#atHost((host) => this.#drop(host))],
      ["a program ends", () => this.#atProgram(this.#faults.killProgram)],
      ["a program starts", () => this.#atProgram(this.#faults.startProgram)],
      ["requests are under way", () => this.#atHost((host) => this.#hold(host))],
    ];
  }

  #failing(): Problem | undefined {
    if (this.#failingSteps <= 0) return undefined;
    this.#failingSteps -= 1;
    return { code: "StepBroke", what: "a step failed, by chance", fix: "Try again." };
  }

  /** A control plane, as after a start; the one before is forgotten where it was. */
  #start(): [Store, Loop] {
    const store = openMemoryStore(
      this.#memory,
      () => this.#now,
      () => this.#dies(),
    );
    const { tag, contentOf, certificate, incarnationOf, down } = factsFor([]);
    const facts = { tag, contentOf, certificate, incarnationOf, down };
    const options: LoopOptions = {
      store,
      fabric: {
        ...this.#fabric,
        observe: async () => {
          this.#dies();
          if (this.#cutOff <= 0) return this.#fabric.observe();
          this.#cutOff -= 1;
          return declined({ code: "FabricLost", what: "nobody answers", fix: "Wait." });
        },
        carryOut: async (generation, step) => {
          this.#dies();
          if (step.do === "remove-host") this.#checkRemoval(step.name);
          const done = await this.#fabric.carryOut(generation, step);
          if (done.ok && step.do === "put-host") this.#dropped.delete(step.host.name);
          this.#now += this.#slowMs;
          await this.#check();
          this.#dies();
          return done;
        },
      },
      prepare: async () => found(facts),
      client: () => certificate("client"),
      now: () => this.#now,
      suspendAfterMs: SUSPEND_AFTER_MS,
      report: (event: ControlEvent) => {
        this.story.push(`  ${event.code}: ${event.message}`);
        if (event.code === "ScaleFailed" && event.subject !== undefined)
          this.#acknowledged.delete(keyOf(event.subject));
        store.transaction((transaction) => found(transaction.append(event)));
      },
    };
    return [store, new Loop(options)];
  }

  #dies(): void {
    if (this.#stepsToDeath === undefined) return;
    this.#stepsToDeath -= 1;
    if (this.#stepsToDeath < 0) throw new Killed();
  }

  async #turn(): Promise<void> {
    this.#now += 1_000;
    await this.#survive(async () => {
      await this.#loop.takeTurn();
      await this.#loop.lookAround();
    });
    this.#checkStatus();
  }

  /** What dies is started again, and finds everything that was acknowledged. */
  async #survive(work: () => Promise<void> | void): Promise<void> {
    try {
      await work();
    } catch (thrown) {
      if (!(thrown instanceof Killed)) throw thrown;
      this.story.push("  the control plane dies");
      this.#stepsToDeath = undefined;
      [this.#store, this.#loop] = this.#start();
      this.#checkAcknowledged();
      await this.#olderIsRefused();
    }
  }

  async #olderIsRefused(): Promise<void> {
    const { generation } = await this.#observed();
    if (generation === 0) return;
    const late = await this.#fabric.carryOut(generation - 1, { do: "remove-host", name: "any" });
    must(!late.ok && late.problem.code === "OlderBlueprint", "an older generation is refused");
  }

  async #observed(): Promise<Observed> {
    const seen = await this.#fabric.observe();
    if (!seen.ok) throw new Error(seen.problem.what);
    return seen.value;
  }

  async #check(): Promise<void> {
    const seen = await this.#observed();
    const staying = new Set(readBlueprint(this.#store).blueprint?.hosts.map(({ name }) => name));
    const broken =
      brokenBy(seen, this.#watched) ?? ledNowhere(seen, { staying, dropped: this.#dropped });
    if (broken !== undefined) throw new Error(broken);
    const busy = busyIn(seen);
    for (const host of busy) if (!this.#busySince.has(host)) this.#busySince.set(host, this.#now);
    for (const host of this.#busySince.keys()) if (!busy.has(host)) this.#busySince.delete(host);
  }

  /** Who is in the middle of requests stays until they end, or until none can take so long. */
  #checkRemoval(host: string): void {
    const since = this.#busySince.get(host);
    if (since === undefined || 0 < this.#slowMs || LONGEST_REQUEST_MS <= this.#now - since) return;
    const { blueprint } = readBlueprint(this.#store);
    const runs = blueprint?.hosts.some(({ environment }) => environment !== undefined) === true;
    const isOfPlan = PLANS.some((id) => host.includes(`-${id.split("/").at(-1) ?? ""}-`));
    const isPlanGone = host.includes("-two-") && this.#planOf(keyOf(PLANS[1])) === "none";
    must(!runs || !isOfPlan || isPlanGone, `${host} goes only when its requests have ended`);
  }

  #checkAcknowledged(): void {
    for (const [key, wanted] of this.#acknowledged) {
      const now = this.#planOf(key);
      must(now === wanted, `the acknowledged ${wanted} of ${key} is kept, and it is ${now}`);
    }
  }

  #checkStatus(): void {
    const now = operationsNow(this.#store, this.#loop.state());
    const positions = now.flatMap(({ position }) =>
      typeof position === "number" ? [position] : [],
    );
    must(
      positions.every((position) => 0 <= position && position <= PLANS.length + 1),
      "places in the queue are places",
    );
    for (const layout of Object.values(this.#loop.state().layouts))
      for (const crew of Object.keys(layout.move?.before ?? {}))
        must(layout.crews[crew] !== undefined || crew.includes("serverfarms"), "moves move crews");
  }

  #planOf(key: string): string {
    const plan = storedResource(this.#store, key)?.resource;
    return plan?.type === "Microsoft.Web/serverfarms" ? `${plan.capacity} ${plan.size}` : "none";
  }

  async #scale(plan: string, size: string, capacity: number): Promise<void> {
    this.story.push(`  ${plan.split("/").at(-1) ?? ""}: ${capacity} ${size}`);
    await this.#write(keyOf(plan), (writes) =>
      writes.put({ id: parsed(plan), body: planBody(size, capacity) }),
    );
  }

  async #write(
    planKey: string | undefined,
    work: (writes: ArmWrites) => { readonly ok: boolean },
  ): Promise<void> {
    await this.#survive(() => {
      const done = work(writesOver(this.#store, () => this.#now));
      this.story.push(done.ok ? "  acknowledged" : "  refused");
      if (done.ok && planKey !== undefined) this.#acknowledged.set(planKey, this.#planOf(planKey));
    });
  }

  async #put(id: string, body: JsonObject): Promise<void> {
    await this.#write(undefined, (writes) => writes.put({ id: parsed(id), body }));
  }

  async #remove(id: string): Promise<void> {
    const key = keyOf(id);
    const isPlan = (PLANS as readonly string[]).includes(id);
    await this.#write(isPlan ? key : undefined, (writes) =>
      writes.remove(parsed(id), "unless-used"),
    );
  }

  async #changeFrontEnds(): Promise<void> {
    const { between, oneOf } = this.#chance;
    const properties = {
      frontEndScaleFactor: between(5, 15),
      multiSize: oneOf(["Standard_D1_V2", "Standard_D2_V2"]),
    };
    await this.#write(undefined, (writes) =>
      writes.patch({ id: parsed(ENVIRONMENT), body: { properties } }),
    );
  }

  async #suspend(suspended: boolean): Promise<void> {
    await this.#write(undefined, (writes) =>
      writes.change(keyOf(ENVIRONMENT), (resource) =>
        found({ ...resource, suspended } as typeof resource),
      ),
    );
  }

  async #cancel(): Promise<void> {
    const all = operationsNow(this.#store, this.#loop.state()).filter(
      ({ position }) => position !== undefined && 0 < Number(position),
    );
    const chosen = all.length === 0 ? undefined : this.#chance.oneOf(all);
    if (chosen === undefined) return;
    await this.#survive(async () => {
      // What is canceled is taken back; nobody waits for it any more.
      const { id, target } = chosen;
      must(typeof id === "string" && typeof target === "string", "operations are named");
      this.#acknowledged.delete(keyOf(target));
      await cancelOperation(this.#store, this.#loop, id, this.#now);
    });
  }

  async #pass(timeMs: number): Promise<void> {
    this.#now += timeMs;
    await this.#turn();
  }

  async #atHost(work: (host: string) => unknown): Promise<void> {
    const hosts = (await this.#observed()).hosts.filter(({ host }) => host.environment);
    if (0 < hosts.length) work(this.#chance.oneOf(hosts).host.name);
  }

  async #atProgram(work: (host: string, program: string) => unknown): Promise<void> {
    const hosts = (await this.#observed()).hosts.filter(({ host }) => host.environment);
    if (hosts.length === 0) return;
    const { host, programs } = this.#chance.oneOf(hosts);
    const program = programs.length === 0 ? undefined : this.#chance.oneOf(programs);
    if (program !== undefined) work(host.name, program.name);
  }

  #drop(host: string): void {
    this.#dropped.add(host);
    this.#faults.dropHost(host);
  }

  #hold(host: string): void {
    this.#watched.held.add(host);
    this.#faults.holdRequests(host);
  }

  /** Faults end, the network is healed, a suspended environment is resumed: all becomes as wanted. */
  async #converge(): Promise<void> {
    this.story.push("faults end");
    this.#stepsToDeath = undefined;
    [this.#slowMs, this.#cutOff, this.#failingSteps] = [0, 0, 0];
    for (const host of this.#watched.held) this.#faults.endRequests(host);
    this.#watched.held.clear();
    for (const { host, programs } of (await this.#observed()).hosts)
      for (const { name } of programs) this.#faults.startProgram(host.name, name);
    await this.#remove(RULE);
    if (await this.#isSuspended()) {
      await this.#suspend(true);
      await this.#turn();
      await this.#suspend(false);
    }
    for (let turn = 0; turn < MOST_TURNS; turn += 1) {
      await this.#turn();
      if (await this.#isAtRest()) return this.#checkAcknowledged();
    }
    const { health } = this.#loop.state();
    throw new Error(
      `not at rest after ${MOST_TURNS} turns: ${JSON.stringify({
        operations: operationsNow(this.#store, this.#loop.state()),
        health: [...health.values()].map((one) => one.health),
        problems: [this.#loop.state().layoutProblems, this.#loop.state().stepProblems],
      })}`,
    );
  }

  async #isSuspended(): Promise<boolean> {
    // What its user asked for last is followed first.
    await this.#turn();
    return [...this.#loop.state().health.values()].some(
      ({ health }) => health.state === "suspended",
    );
  }

  async #isAtRest(): Promise<boolean> {
    const { blueprint } = readBlueprint(this.#store);
    const state = this.#loop.state();
    const isHealthy = [...state.health.values()].every((one) => one.health.state === "healthy");
    return (
      blueprint !== undefined &&
      isHealthy &&
      openOperationsIn(this.#store).length === 0 &&
      planSteps(await this.#observed(), blueprint).length === 0 &&
      Object.values(state.layouts).every(({ move }) => move === undefined)
    );
  }
}

const MOST_TURNS = 60;
const LONGEST_REQUEST_MS = 230_000;

function cutRule(port: string): JsonObject {
  return {
    properties: {
      priority: 100,
      direction: port === "454" || port === "16001" ? "Inbound" : "Outbound",
      access: "Deny",
      protocol: "*",
      sourceAddressPrefix: "*",
      sourcePortRange: "*",
      destinationAddressPrefix: "*",
      destinationPortRange: port,
    },
  };
}
