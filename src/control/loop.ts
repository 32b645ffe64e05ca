/**
 * The loop: wanted -> blueprint -> fabric -> health, again and again.
 *
 * A turn looks, compiles, checks, acts and settles; it keeps nothing that the next look would not
 * find. Blind, it does not act. Knows no HTTP, SQL or nftables.
 */
import { Declared, type Wanted } from "../blueprint/wanted.ts";
import { found, type Problem, type Result } from "../base/problem.ts";
import { checkBlueprint } from "../blueprint/check.ts";
import { compile, type Compiled } from "../blueprint/compile.ts";
import { managementName } from "../blueprint/compile-environment.ts";
import { planSteps, same, type Step } from "../blueprint/steps.ts";
import type { Blueprint, CertificateFiles } from "../blueprint/blueprint.ts";
import { FRONT_ENDS, hasArrived } from "../blueprint/layout.ts";
import { programEvents } from "./program-events.ts";
import { platformLines } from "./platform-lines.ts";
import type { Resource } from "../arm/resources.ts";
import { describeHealth, judge, PREPARING_MS, type Health } from "../environment/health.ts";
import type { Fabric, Observed } from "../fabric/fabric.ts";
import type { Store } from "../store/store.ts";
import { noteAddresses } from "./address-records.ts";
import { Alarm } from "./alarm.ts";
import type { ControlEvent } from "./control-plane.ts";
import type { Facts } from "./facts.ts";
import { EnvironmentWatch } from "./health-watch.ts";
import {
  advanceLayouts,
  eventOf,
  takeBack,
  type AdvancedLayouts,
  type Cancels,
  type Layouts,
} from "./layouts.ts";
import { settleOperations, type TargetStatus } from "./operations.ts";
import {
  allHealth,
  forgetHealth,
  readBlueprint,
  readHealth,
  storeBlueprint,
  storeHealth,
  type HealthRecord,
} from "./records.ts";
import { storedResource, wantedGeneration, wantedResources } from "./wanted.ts";

export type LoopOptions = {
  readonly store: Store;
  readonly fabric: Fabric;
  /** Facts beside the resources; prepares what must exist before a host starts (keys, content). */
  readonly prepare: (resources: Wanted["resources"]) => Promise<Result<Facts>>;
  /** The key pair that management shows; undefined: not made yet. */
  readonly client: () => CertificateFiles | undefined;
  readonly now: () => number;
  readonly suspendAfterMs: number;
  readonly report: (event: ControlEvent) => void;
};

/** What the last turn found; statuses are computed from it. */
export type LoopState = {
  /** Wanted generation that is in force in the fabric. */
  readonly inForce: number;
  /** When it came into force; health found before says nothing about it. */
  readonly inForceSince: number;
  readonly blueprint: Blueprint | undefined;
  readonly observed: Observed | undefined;
  readonly layoutProblems: Readonly<Record<string, Problem>>;
  readonly health: ReadonlyMap<string, HealthRecord>;
  readonly stepProblems: readonly Problem[];
  /** Which instances stand and which serve, by key of the environment. */
  readonly layouts: Layouts;
};

const ROUND_MS = 1_000;
/** While an environment is not yet healthy, rounds follow one another quickly. */
const EAGER_ROUND_MS = 60;
const RETRY_MS = 1_000;
/** While instances come and go, turns follow one another quickly. */
const MOVING_MS = 30;
/** Hosts brought up at once. */
const STEPS_AT_ONCE = 24;

export class Loop {
  readonly #options: LoopOptions;
  readonly #watches = new Map<string, { watch: EnvironmentWatch; silent: readonly string[] }>();
  readonly #turnAlarm = new Alarm();
  readonly #roundAlarm = new Alarm();
  #state: LoopState;
  #woken = true;
  #stopped = false;
  readonly #waiting: (() => void)[] = [];
  #running: Promise<void> | undefined;
  #cancels: Cancels = [];
  /** Hosts of the turn that is under way; others are about to go, and are not asked any more. */
  #staying: ReadonlySet<string> | undefined;
  #away: ReadonlySet<string> = new Set();
  #lastProblems: readonly string[] = [];

  constructor(options: LoopOptions) {
    this.#options = options;
    const { blueprint, layouts } = readBlueprint(options.store);
    this.#state = {
      inForce: -1,
      inForceSince: 0,
      blueprint,
      layouts,
      observed: undefined,
      layoutProblems: {},
      health: allHealth(options.store),
      stepProblems: [],
    };
  }

  state(): LoopState {
    return this.#state;
  }

  start(): void {
    this.#running ??= Promise.all([this.#turns(), this.#rounds()]).then(() => undefined);
  }

  /** Asks for a turn soon; many calls make one turn. */
  wake(): void {
    this.#woken = true;
    this.#turnAlarm.ring();
  }

  /** Asks to give up what is on its way to become of a plan, or of the front ends. */
  cancel(cancels: Cancels): void {
    this.#cancels = [...this.#cancels, ...cancels];
    this.wake();
  }

  /** Hosts that get nothing new, until they are named no more. Forgotten with the control plane. */
  keepAway(hosts: readonly string[]): void {
    this.#away = new Set(hosts);
    this.wake();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#turnAlarm.ring();
    this.#roundAlarm.ring();
    await this.#running;
  }

  async #turns(): Promise<void> {
    while (!this.#stopped) {
      await this.takeTurn();
      const isMoving = Object.values(this.#state.layouts).some(({ move }) => move !== undefined);
      if (!this.#woken && !this.#stopped)
        await this.#turnAlarm.wait(isMoving ? MOVING_MS : RETRY_MS);
    }
  }

  /** One turn: look, compile, act, settle. Not to be taken twice at once. */
  async takeTurn(): Promise<void> {
    this.#woken = false;
    const { store, fabric } = this.#options;
    const wantedNow = wantedGeneration(store);
    this.#followSuspension();
    const observed = await fabric.observe();
    if (!observed.ok) {
      this.#reportOnce([observed.problem]);
      return;
    }
    const compiled = await this.#compile(observed.value);
    if (compiled === undefined) return;
    this.#staying = new Set(compiled.blueprint.hosts.map(({ name }) => name));
    const stages = planSteps(observed.value, compiled.blueprint);
    const problems = await this.#carryOut(compiled.blueprint.generation, stages);
    const after = stages.length === 0 ? observed : await fabric.observe();
    this.#reportOnce(problems);
    if (after.ok) this.#tellOfPrograms(after.value);
    this.#state = {
      ...this.#state,
      blueprint: compiled.blueprint,
      layoutProblems: compiled.problems,
      stepProblems: problems,
      ...(problems.length === 0 && this.#state.inForce !== wantedNow
        ? { inForce: wantedNow, inForceSince: this.#options.now() }
        : {}),
      ...(after.ok ? { observed: after.value } : {}),
    };
    this.#beginWatching();
    this.settle();
    for (const tell of this.#waiting.splice(0)) tell();
  }

  /** Resolves after a whole turn that began later than this call. */
  async turned(): Promise<void> {
    const first = new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.wake();
    await first;
    const second = new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.wake();
    await second;
  }

  /** Ends operations that the world has caught up with. */
  settle(): void {
    const { store, now } = this.#options;
    settleOperations(store, (key, generation) => this.#statusOf(key, generation), now());
  }

  /** The blueprint of what is wanted now: the stored one where nothing changed. */
  async #compile(observed: Observed): Promise<Compiled | undefined> {
    const { store } = this.#options;
    const resources = wantedResources(store);
    const facts = await this.#options.prepare(resources);
    if (!facts.ok) {
      this.#reportOnce([facts.problem]);
      return undefined;
    }
    const record = readBlueprint(store);
    const cancels = this.#cancels;
    const advanced = advanceLayouts({
      declared: new Declared(resources),
      reading: store,
      before: record.layouts,
      ledger: record.ledger,
      observed,
      runs: (key) => this.#runs(key),
      cancels,
      now: this.#options.now(),
    });
    const compiled = compile(
      this.#wanted(resources, facts.value, advanced.layouts),
      record.ledger,
      record.generation + 1,
    );
    const unchanged =
      record.blueprint !== undefined &&
      same({ ...compiled.blueprint, generation: 0 }, { ...record.blueprint, generation: 0 });
    const next =
      unchanged && record.blueprint !== undefined
        ? { ...compiled, blueprint: record.blueprint, ledger: record.ledger }
        : compiled;
    const broken = unchanged ? [] : checkBlueprint(compiled.blueprint);
    if (broken.length > 0) {
      this.#reportOnce(broken);
      return undefined;
    }
    if (unchanged && same(advanced.layouts, record.layouts) && advanced.told.length === 0)
      return next;
    // Addresses and instances that nobody remembers are not handed out.
    return this.#remember(next, advanced, cancels) ? next : undefined;
  }

  #remember(compiled: Compiled, advanced: AdvancedLayouts, cancels: Cancels): boolean {
    const { store, now, report } = this.#options;
    const { blueprint, ledger } = compiled;
    const { layouts, told } = advanced;
    let noted: readonly ControlEvent[] = [];
    const stored = store.transaction((transaction) => {
      const { generation } = blueprint;
      const before = readBlueprint(transaction).ledger;
      storeBlueprint(transaction, { blueprint, ledger, generation, layouts });
      noted = noteAddresses(transaction, { before, after: ledger }, now());
      return found(takeBack(transaction, told, now()));
    });
    if (!stored.ok) {
      this.#reportOnce([stored.problem]);
      return false;
    }
    this.#cancels = this.#cancels.filter((one) => !cancels.includes(one));
    this.#state = { ...this.#state, layouts };
    for (const one of told) report(eventOf(one, store));
    for (const event of noted) report(event);
    if (stored.value) this.wake();
    return true;
  }

  /** Programs that ended by themselves since the last look, and those that run again. */
  #tellOfPrograms(observed: Observed): void {
    for (const event of programEvents(this.#state.observed, observed)) this.#options.report(event);
  }

  #runs(key: string): boolean {
    return this.#state.health.get(key)?.health.state !== "suspended";
  }

  #wanted(resources: Wanted["resources"], facts: Facts, layouts: Layouts): Wanted {
    const silent = [...this.#watches.values()].flatMap((watched) => watched.silent);
    return {
      resources,
      ...facts,
      runs: (key) => this.#runs(key),
      silent: new Set(silent),
      away: this.#away,
      layoutOf: (key) => layouts[key],
    };
  }

  async #carryOut(
    generation: number,
    stages: readonly (readonly Step[])[],
  ): Promise<readonly Problem[]> {
    const problems: Problem[] = [];
    for (const stage of stages) {
      const before = problems.length;
      const queue = [...stage];
      const worker = async () => {
        for (let step = queue.shift(); step !== undefined; step = queue.shift()) {
          const answer = await this.#options.fabric.carryOut(generation, step);
          if (!answer.ok) problems.push(answer.problem);
        }
      };
      await Promise.all(Array.from({ length: Math.min(STEPS_AT_ONCE, stage.length) }, worker));
      // Gates, new hosts and proxies come first: without them nothing is opened or taken away.
      if (before < problems.length) return problems;
    }
    return problems;
  }

  /** A user's suspend and resume, and environments that are gone. */
  #followSuspension(): void {
    const { store, now } = this.#options;
    const declared = new Declared(wantedResources(store));
    const environments = declared.all("Microsoft.Web/hostingEnvironments");
    const keys = new Set(environments.map(({ key }) => key));
    for (const key of this.#state.health.keys()) if (!keys.has(key)) this.#forget(key);
    for (const { key, suspended } of environments) {
      const record = readHealth(store, key);
      const written = storedResource(store, key)?.generation ?? 0;
      const by = record?.health.state === "suspended" ? record.health.by : undefined;
      if (suspended && by !== "user")
        this.#become(key, { state: "suspended", since: now(), causes: [], by: "user" }, written);
      else if (!suspended && by !== undefined && (record?.suspendedAt ?? 0) < written)
        this.#become(key, { state: "preparing", since: now(), causes: [] }, undefined);
    }
  }

  #forget(key: string): void {
    this.#watches.delete(key);
    this.#options.store.transaction((transaction) => {
      forgetHealth(transaction, key);
      return found("forgotten");
    });
    this.#state = { ...this.#state, health: allHealth(this.#options.store) };
  }

  #become(key: string, health: Health, suspendedAt: number | undefined): void {
    const { store, report } = this.#options;
    const before = readHealth(store, key)?.health;
    const record: HealthRecord = { health, ...(suspendedAt === undefined ? {} : { suspendedAt }) };
    store.transaction((transaction) => {
      storeHealth(transaction, key, record);
      return found("stored");
    });
    this.#state = { ...this.#state, health: allHealth(store) };
    if (health.state === "suspended" || health.state === "preparing") this.#watches.delete(key);
    if (before !== undefined && same(gistOf(before), gistOf(health))) return;
    const subject = storedResource(store, key)?.resource.id ?? key;
    report({ ...eventOfHealth(health), subject });
    for (const line of platformLines(before, health)) report({ ...line, subject });
  }

  /** Environments whose hosts all stand are watched from now on. */
  #beginWatching(): void {
    const { blueprint } = this.#state;
    const standing = new Set(
      blueprint?.hosts.flatMap(({ environment }) => environment?.toLowerCase() ?? []),
    );
    for (const key of standing) {
      if (readHealth(this.#options.store, key) === undefined)
        this.#become(
          key,
          { state: "preparing", since: this.#options.now(), causes: [] },
          undefined,
        );
      if (this.#watches.has(key) || this.#state.stepProblems.length > 0) continue;
      const watch = new EnvironmentWatch((probe) => this.#options.fabric.probe(probe));
      this.#watches.set(key, { watch, silent: [] });
      this.#roundAlarm.ring();
    }
  }

  async #rounds(): Promise<void> {
    while (!this.#stopped) {
      const keys = await this.lookAround();
      const eager = keys.some((key) => this.#state.health.get(key)?.health.state === "preparing");
      await this.#roundAlarm.wait(eager ? EAGER_ROUND_MS : ROUND_MS);
    }
  }

  /** One round of probes for every environment that is watched; answers which. */
  async lookAround(): Promise<readonly string[]> {
    const keys = [...this.#watches.keys()];
    await Promise.all(keys.map((key) => this.#round(key)));
    return keys;
  }

  async #round(key: string): Promise<void> {
    const watched = this.#watches.get(key);
    const { blueprint } = this.#state;
    const resource = storedResource(this.#options.store, key)?.resource;
    if (watched === undefined || blueprint === undefined) return;
    if (resource?.type !== "Microsoft.Web/hostingEnvironments") return;
    const tls = this.#options.client();
    if (tls === undefined) return;
    const staying = blueprint.hosts.filter(({ name }) => this.#staying?.has(name) !== false);
    const seen = await watched.watch.lookOnce(
      { ...blueprint, hosts: staying },
      {
        id: resource.id,
        managementName: managementName(resource),
        tls,
      },
      this.#options.now,
    );
    // The world changed meanwhile, or the environment was suspended: the round says nothing.
    if (this.#watches.get(key)?.watch !== watched.watch) return;
    if (blueprint.generation !== this.#state.blueprint?.generation) return;
    const before = readHealth(this.#options.store, key);
    if (before === undefined) return;
    const health = judge(before.health, seen.round, this.#options.suspendAfterMs);
    if (!same(watched.silent, seen.silent)) {
      this.#watches.set(key, { ...watched, silent: seen.silent });
      this.wake();
    }
    if (same(health, before.health)) return;
    const written = storedResource(this.#options.store, key)?.generation;
    this.#become(key, health, health.state === "suspended" ? written : undefined);
    this.settle();
    if (health.state === "suspended") this.wake();
  }

  #statusOf(key: string, generation: number): TargetStatus {
    const { inForce, layoutProblems, health, observed, blueprint } = this.#state;
    const refused = layoutProblems[key];
    if (refused !== undefined) return { state: "failed", problem: refused };
    if (inForce < generation || blueprint === undefined) return { state: "pending" };
    const resource = storedResource(this.#options.store, key)?.resource;
    if (!this.#hasMoved(resource, generation)) return { state: "pending" };
    if (resource?.type === "Microsoft.Web/hostingEnvironments")
      return statusOfEnvironment(
        resource.id,
        health.get(key)?.health,
        this.#options.now() - this.#state.inForceSince,
      );
    if (resource?.type !== "Microsoft.Web/sites") return { state: "reached" };
    const starting = observed?.hosts.some(({ host, programs }) =>
      host.programs.some(
        (program) =>
          program.kind === "app" &&
          program.siteId === resource.id &&
          programs.some(({ name, state }) => name === program.name && state === "starting"),
      ),
    );
    return { state: starting === true ? "pending" : "reached" };
  }

  /** The instances that a write asked for serve, and what they replace is gone. */
  #hasMoved(resource: Resource | undefined, generation: number): boolean {
    const { layouts } = this.#state;
    switch (resource?.type) {
      case "Microsoft.Web/serverfarms": {
        const layout = layouts[resource.environment.key];
        return layout === undefined || hasArrived(layout, resource.key, generation);
      }
      case "Microsoft.Web/hostingEnvironments": {
        const layout = layouts[resource.key];
        return layout === undefined || hasArrived(layout, FRONT_ENDS, generation);
      }
      default:
        return true;
    }
  }

  /** A problem is an event once, until it changes. */
  #reportOnce(problems: readonly Problem[]): void {
    const now = problems.map(({ code, what, where }) => `${code} ${what} ${where ?? ""}`);
    problems
      .filter((_, position) => !this.#lastProblems.includes(now[position] ?? ""))
      .forEach((problem) =>
        this.#options.report({
          level: "error",
          code: problem.code,
          message: problem.what,
          problem,
        }),
      );
    this.#lastProblems = now;
  }
}

function eventOfHealth(health: Health): ControlEvent {
  const isWell = health.state === "healthy" || health.state === "preparing";
  return {
    level: isWell ? "info" : health.state === "unhealthy" ? "warning" : "error",
    code: `Environment${health.state[0]?.toUpperCase() ?? ""}${health.state.slice(1)}`,
    message: describeHealth(health),
  };
}

/** What makes a change of health worth an event: not which host met it this time. */
function gistOf({ state, causes }: Health) {
  return { state, causes: causes.map(({ flow, stoppedBy }) => ({ flow, stoppedBy })) };
}

/** @param inForceMs how long what is wanted has been in force: a repair needs some rounds to show */
function statusOfEnvironment(
  id: string,
  health: Health | undefined,
  inForceMs: number,
): TargetStatus {
  switch (health?.state) {
    case undefined:
    case "preparing":
      return { state: "pending" };
    case "healthy":
      return { state: "reached" };
    case "suspended":
      if (health.by === "user") return { state: "reached" };
      break;
    case "unhealthy":
      if (inForceMs < PREPARING_MS) return { state: "pending" };
      break;
  }
  return {
    state: "failed",
    problem: {
      code: "EnvironmentIsUnhealthy",
      what: describeHealth(health),
      fix: "Let the flow through: change the named rule or route. The environment heals by itself while it is not suspended.",
      where: id,
    },
  };
}
