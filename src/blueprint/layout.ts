/**
 * The layout of an environment: which instances stand, and which of them take traffic.
 *
 * From what is to what is wanted in steps: new instances come, answer, take the traffic; old ones
 * leave when nothing of theirs is under way any more. One move at a time: what is wanted meanwhile
 * waits, and then goes together; a change of the configuration goes alone. Pure: what was seen of
 * the instances and the time are given. Names and addresses are compile-environment.ts.
 *
 * @article ASE subnet size
 */
import type { Problem } from "../base/problem.ts";
import { infrastructureRoles, PLATFORM_ADDRESSES } from "../environment/addresses.ts";
import type { EnvironmentKind, InstanceSize } from "../environment/kind.ts";

export type Layout = {
  /** Plans by key, and the front ends. */
  readonly crews: Readonly<Record<string, Crew>>;
  readonly configuration: Configuration;
  readonly move?: Move;
  /** The last move that ended. */
  readonly last?: {
    readonly kind: Move["kind"];
    readonly result: "Succeeded" | "Failed";
  };
};

/** Instances that do the same: those of a plan, or the front ends. */
export type Crew = {
  /** What it is, or is on its way to. */
  readonly target: CrewSize;
  /** Wanted generation of the write that asked for the target. */
  readonly generation: number;
  readonly batches: readonly Batch[];
};

export type CrewSize = { readonly size: InstanceSize; readonly count: number };

/** Instances `from` to before `to` of one size. */
export type Batch = {
  readonly size: InstanceSize;
  readonly from: number;
  readonly to: number;
  /** coming: they start. serving: they take traffic. leaving: they finish what they have. */
  readonly state: "coming" | "serving" | "leaving";
  readonly since: number;
};

export type Configuration = {
  readonly generation: number;
  readonly frontEndScaleFactor: number;
  readonly frontEndSize: InstanceSize;
  /** The cluster settings, as one text. */
  readonly settings: string;
};

export type Move = {
  readonly kind: "scale" | "configuration";
  readonly since: number;
  /** The crews it changes, as they were; null: the crew is new. */
  readonly before: Readonly<Record<string, Pick<Crew, "target" | "generation"> | null>>;
  readonly configuration: Configuration;
};

export type WantedLayout = {
  readonly kind: EnvironmentKind;
  /** Addresses of the subnet. */
  readonly room: number;
  readonly configuration: Configuration;
  readonly plans: readonly WantedPlan[];
};

export type WantedPlan = CrewSize & {
  readonly key: string;
  readonly name: string;
  readonly generation: number;
};

/** What was seen of a batch's instances. */
export type BatchSeen = {
  readonly state: "ready" | "starting" | "failed";
  /** Traffic is led to them, or something of theirs is under way. */
  readonly busy: boolean;
  readonly problem?: Problem;
};

export type Told =
  | { readonly kind: "began" | "ended"; readonly crew: string; readonly target: CrewSize }
  /** The crew stays, or is again, what it was: what is wanted goes back to that. */
  | {
      readonly kind: "declined";
      readonly crew: string;
      readonly target: CrewSize | undefined;
      readonly configuration: Configuration;
      /** Writes up to this generation are meant. */
      readonly generation: number;
      readonly problem: Problem;
    };

export type Advanced = { readonly layout: Layout; readonly told: readonly Told[] };

export const FRONT_ENDS = "front-ends";
/** App Service gives an app this long to start. */
const READY_WITHIN_MS = 230_000;
/** Instances of a new size that fail so long while the old ones answer are given up. */
const FAILING_MS = 5_000;
/** Longer than any request may take. */
const LEAVE_WITHIN_MS = 240_000;

/** Everything at once: nobody has anything under way yet. */
export function beginLayout(wanted: WantedLayout, now: number): Layout {
  const { configuration } = wanted;
  const crews = Object.fromEntries(
    wanted.plans.map(({ key, size, count, generation }): [string, Crew] => [
      key,
      fresh({ size, count }, generation, now),
    ]),
  );
  const target = frontEndsFor(crews, configuration);
  return {
    configuration,
    crews: { ...crews, [FRONT_ENDS]: fresh(target, configuration.generation, now) },
  };
}

/** One step further; the same layout when nothing has changed. */
export function advanceLayout(of: {
  readonly layout: Layout;
  readonly wanted: WantedLayout;
  readonly see: (crew: string, batch: Batch) => BatchSeen;
  readonly now: number;
}): Advanced {
  const kept = keepWanted(of.layout, of.wanted);
  const moved =
    kept.move === undefined ? { layout: kept, told: [] } : goOn({ ...of, layout: kept });
  if (moved.layout.move !== undefined) return moved;
  const begun = beginMove(moved.layout, takenBack(of.wanted, moved.told), of.now);
  return { layout: begun.layout, told: [...moved.told, ...begun.told] };
}

/** What is wanted once what was told has been taken back. */
export function takenBack(wanted: WantedLayout, told: readonly Told[]): WantedLayout {
  return told.reduce<WantedLayout>((now, one) => {
    if (one.kind !== "declined") return now;
    if (one.crew === FRONT_ENDS) return { ...now, configuration: one.configuration };
    return {
      ...now,
      plans: now.plans.map((plan) =>
        plan.key === one.crew && plan.generation <= one.generation
          ? { ...plan, ...(one.target ?? { count: 0 }) }
          : plan,
      ),
    };
  }, wanted);
}

/** Addresses of the subnet that the layout holds, the network's own included. */
export function addressesOfLayout(layout: Layout, kind: EnvironmentKind): number {
  const { FrontEnd: _, ...others } = infrastructureRoles({
    kind,
    instances: instancesOf(layout.crews),
    frontEndScaleFactor: layout.configuration.frontEndScaleFactor,
  });
  const roles = Object.values(others).reduce((sum, count) => sum + count, 0);
  const members = Object.values(layout.crews)
    .flatMap(({ batches }) => batches)
    .reduce((sum, { from, to }) => sum + to - from, 0);
  return PLATFORM_ADDRESSES + roles + members + (kind === "Internal" ? 1 : 0);
}

/** Instances that the plans are, or are on their way to. */
export function instancesOf(crews: Layout["crews"]): number {
  return Object.entries(crews).reduce(
    (sum, [key, { target }]) => sum + (key === FRONT_ENDS ? 0 : target.count),
    0,
  );
}

/** 0: it is under way. From 1: its place in the queue. Absent: nothing of the crew is pending. */
export function queueOf(layout: Layout, wanted: WantedLayout): Readonly<Record<string, number>> {
  const running = Object.keys(layout.move?.before ?? {}).map((key): [string, number] => [key, 0]);
  const queued = pendingOf(layout, wanted).map(({ crew }, position): [string, number] => [
    crew,
    position + 1,
  ]);
  // What is under way and changes once more is queued for that.
  return Object.fromEntries([...running, ...queued]);
}

/** Gives a crew's change up while its new instances take no traffic yet. */
export function giveUp(
  layout: Layout,
  key: string,
  problem: Problem,
  now: number,
): Advanced | undefined {
  const crew = layout.crews[key];
  const before = layout.move?.before[key];
  if (crew === undefined || layout.move === undefined || before === undefined) return undefined;
  if (crew.batches.some(({ state }) => state === "leaving")) return undefined;
  const coming = crew.batches.filter(({ state }) => state === "coming");
  if (before !== null && coming.length === 0) return undefined;
  const { [key]: _, ...others } = layout.crews;
  const batches = crew.batches.filter(({ state }) => state !== "coming");
  const crews =
    before === null ? others : { ...others, [key]: { ...before, batches } satisfies Crew };
  const { [key]: __, ...remaining } = layout.move.before;
  const configuration = key === FRONT_ENDS ? layout.move.configuration : layout.configuration;
  const settled: Layout = { ...layout, configuration, crews };
  const told: Told = {
    kind: "declined",
    crew: key,
    target: before?.target,
    configuration,
    generation: crew.generation,
    problem,
  };
  const move = { ...layout.move, before: remaining };
  return { layout: withFrontEnds({ ...settled, move }, crew.generation, now), told: [told] };
}

/** What a write of this generation asked of a crew is so, and the move that did it is over. */
export function hasArrived(layout: Layout, key: string, generation: number): boolean {
  const crew = layout.crews[key];
  const taken = key === FRONT_ENDS ? layout.configuration.generation : crew?.generation;
  if (crew === undefined || taken === undefined || taken < generation) return false;
  return isSettled(crew) && layout.move?.before[key] === undefined;
}

/** A crew at rest is one batch that takes traffic. */
export function isSettled({ target, batches }: Crew): boolean {
  const [only, ...others] = batches;
  if (target.count === 0) return batches.length === 0;
  return (
    others.length === 0 &&
    only?.state === "serving" &&
    only.size === target.size &&
    only.to === target.count
  );
}

function fresh(target: CrewSize, generation: number, now: number): Crew {
  const { size, count } = target;
  const batches: readonly Batch[] =
    count === 0 ? [] : [{ size, from: 0, to: count, state: "serving", since: now }];
  return { target, generation, batches };
}

function frontEndsFor(crews: Layout["crews"], of: Configuration): CrewSize {
  const { frontEndScaleFactor, frontEndSize } = of;
  const instances = instancesOf(crews);
  const { FrontEnd } = infrastructureRoles({ kind: "External", instances, frontEndScaleFactor });
  return { size: frontEndSize, count: FrontEnd };
}

/** Plans that are gone are gone at once; writes that change no size are taken at once. */
function keepWanted(layout: Layout, wanted: WantedLayout): Layout {
  const plans = new Map(wanted.plans.map((plan) => [plan.key, plan]));
  const crews = Object.fromEntries(
    Object.entries(layout.crews).flatMap(([key, crew]): readonly [string, Crew][] => {
      if (key === FRONT_ENDS) return [[key, crew]];
      const plan = plans.get(key);
      if (plan === undefined) return [];
      return [[key, sameSize(crew.target, plan) ? { ...crew, generation: plan.generation } : crew]];
    }),
  );
  // A plan of no instances needs no move.
  for (const { key, size, count, generation } of wanted.plans)
    if (count === 0) crews[key] ??= { target: { size, count }, generation, batches: [] };
  const configuration = sameConfiguration(layout.configuration, wanted.configuration)
    ? wanted.configuration
    : layout.configuration;
  return { ...layout, crews, configuration };
}

type Surroundings = {
  readonly layout: Layout;
  readonly wanted: WantedLayout;
  readonly see: (crew: string, batch: Batch) => BatchSeen;
  readonly now: number;
};

/** The move that is under way, one step further. */
function goOn(of: Surroundings): Advanced {
  const told: Told[] = [];
  let { layout } = of;
  for (const key of Object.keys(layout.crews)) {
    const crew = layout.crews[key];
    if (crew === undefined) continue;
    const broken = brokenIn(of, key, crew);
    const given = broken === undefined ? undefined : giveUp(layout, key, broken, of.now);
    if (given !== undefined) {
      layout = given.layout;
      told.push(...given.told);
      continue;
    }
    const batches = stepped(of, key, crew);
    layout = { ...layout, crews: { ...layout.crews, [key]: { ...crew, batches } } };
  }
  const { move } = layout;
  if (
    move === undefined ||
    !Object.entries(layout.crews).every(([key, crew]) => atRest(of, key, crew))
  )
    return { layout, told };
  for (const crew of Object.keys(move.before)) {
    const target = layout.crews[crew]?.target;
    if (target !== undefined) told.push({ kind: "ended", crew, target });
  }
  const { move: _, ...rest } = layout;
  const result = told.some(({ kind }) => kind === "ended") ? "Succeeded" : "Failed";
  return { layout: { ...rest, last: { kind: move.kind, result } }, told };
}

function atRest({ see, now }: Surroundings, key: string, crew: Crew): boolean {
  return (
    isSettled(crew) &&
    crew.batches.every((batch) => {
      const isLate = READY_WITHIN_MS <= now - batch.since;
      return isLate || see(key, batch).state !== "starting";
    })
  );
}

/** Why the instances of a new size cannot take over from those that answer. */
function brokenIn({ see, now }: Surroundings, key: string, crew: Crew): Problem | undefined {
  const coming = crew.batches.find(({ state }) => state === "coming");
  const serving = crew.batches.find(({ state }) => state === "serving");
  if (coming === undefined || serving === undefined || coming.size === serving.size)
    return undefined;
  const seen = see(key, coming);
  const isLate = READY_WITHIN_MS <= now - coming.since && seen.state !== "ready";
  const fails = seen.state === "failed" && FAILING_MS <= now - coming.since;
  if (!(isLate || fails) || see(key, serving).state === "failed") return undefined;
  return {
    code: "InstancesNotReady",
    what: `the new ${coming.size} instances do not answer${seen.problem === undefined ? "" : `: ${seen.problem.what}`}; the ${serving.size} instances stay`,
    fix: "Read the log of the app on the new instances (ase logs), correct it, then change the size again.",
    ...(seen.problem === undefined ? {} : { cause: seen.problem }),
  };
}

function stepped({ see, now }: Surroundings, key: string, crew: Crew): readonly Batch[] {
  const remaining = crew.batches.filter(
    (batch) =>
      batch.state !== "leaving" || (see(key, batch).busy && now - batch.since < LEAVE_WITHIN_MS),
  );
  const coming = remaining.find(({ state }) => state === "coming");
  if (coming === undefined) return remaining;
  const replaces = remaining.some(({ state, size }) => state === "serving" && size !== coming.size);
  const { state } = see(key, coming);
  const isLate = READY_WITHIN_MS <= now - coming.since;
  // Where nobody is replaced, one that fails harms no request: it is left out until it answers.
  if (state === "starting" && !isLate) return remaining;
  if (state === "failed" && replaces) return remaining;
  const changed = remaining.map((batch): Batch => {
    if (batch === coming) return { ...batch, state: "serving", since: now };
    if (batch.state === "serving" && batch.size !== coming.size)
      return { ...batch, state: "leaving", since: now };
    return batch;
  });
  return joined(changed);
}

/** Serving batches of one size that touch are one. */
function joined(batches: readonly Batch[]): readonly Batch[] {
  return batches.reduce<readonly Batch[]>((done, batch) => {
    const touching = done.find(
      ({ state, size, to }) =>
        state === "serving" &&
        batch.state === "serving" &&
        size === batch.size &&
        to === batch.from,
    );
    if (touching === undefined) return [...done, batch];
    return done.map((one) => (one === touching ? { ...one, to: batch.to } : one));
  }, []);
}

type Pending = {
  readonly crew: string;
  readonly generation: number;
  readonly plan?: WantedPlan;
};

/** What waits, oldest first. */
function pendingOf(layout: Layout, wanted: WantedLayout): readonly Pending[] {
  const plans = wanted.plans
    .filter((plan) => !sameSize(layout.crews[plan.key]?.target, plan))
    .map((plan): Pending => ({ crew: plan.key, generation: plan.generation, plan }));
  const { configuration } = wanted;
  const own: readonly Pending[] = sameConfiguration(layout.configuration, configuration)
    ? []
    : [{ crew: FRONT_ENDS, generation: configuration.generation }];
  return [...plans, ...own].toSorted((one, other) => one.generation - other.generation);
}

function beginMove(layout: Layout, wanted: WantedLayout, now: number): Advanced {
  const pending = pendingOf(layout, wanted);
  const [first] = pending;
  if (first === undefined) return { layout, told: [] };
  const kind = first.plan === undefined ? "configuration" : "scale";
  const chosen = kind === "configuration" ? [first] : pending.filter(({ plan }) => plan);
  const start: Layout = {
    ...layout,
    move: { kind, since: now, before: {}, configuration: layout.configuration },
  };
  // Together, as far as the subnet has room for what is needed on the way.
  const begun = chosen.reduce<Layout>((sofar, one) => {
    const next = begin(sofar, one, wanted, now);
    return addressesOfLayout(next, wanted.kind) <= wanted.room ? next : sofar;
  }, start);
  const crews = Object.keys(begun.move?.before ?? {});
  if (crews.length === 0) return { layout, told: [refused(layout, first, wanted, start, now)] };
  const told = crews.flatMap((crew): readonly Told[] => {
    const target = begun.crews[crew]?.target;
    return target === undefined ? [] : [{ kind: "began", crew, target }];
  });
  return { layout: begun, told };
}

function begin(layout: Layout, one: Pending, wanted: WantedLayout, now: number): Layout {
  const { plan, crew: key, generation } = one;
  const before = layout.crews[key];
  const marked: Layout =
    layout.move === undefined
      ? layout
      : {
          ...layout,
          move: {
            ...layout.move,
            before: {
              ...layout.move.before,
              [key]:
                before === undefined
                  ? null
                  : { target: before.target, generation: before.generation },
            },
          },
        };
  if (plan === undefined)
    return withFrontEnds({ ...marked, configuration: wanted.configuration }, generation, now);
  const { size, count } = plan;
  const crew =
    before === undefined
      ? fresh({ size, count }, generation, now)
      : retargeted(before, { size, count }, generation, now);
  return withFrontEnds({ ...marked, crews: { ...marked.crews, [key]: crew } }, generation, now);
}

/** Front ends as many as the instances ask for. */
function withFrontEnds(layout: Layout, generation: number, now: number): Layout {
  const before = layout.crews[FRONT_ENDS];
  const target = frontEndsFor(layout.crews, layout.configuration);
  if (before === undefined) return layout;
  const crew = sameSize(before.target, target)
    ? { ...before, generation: Math.max(before.generation, generation) }
    : retargeted(before, target, generation, now);
  return { ...layout, crews: { ...layout.crews, [FRONT_ENDS]: crew } };
}

/** A crew with new instances beside those that serve, or with some of these leaving. */
function retargeted(crew: Crew, target: CrewSize, generation: number, now: number): Crew {
  const { size, count } = target;
  const others = crew.batches.filter((batch) => batch.state === "leaving" && batch.size !== size);
  // One of this size that was leaving stands, and may stay.
  const serving = joined(
    crew.batches
      .filter(
        (batch) => batch.state === "serving" || (batch.state === "leaving" && batch.size === size),
      )
      .map((batch): Batch => ({ ...batch, state: "serving" }))
      .toSorted((one, other) => one.from - other.from),
  );
  const same = serving.find((batch) => batch.size === size);
  const coming = (from: number): readonly Batch[] =>
    from < count ? [{ size, from, to: count, state: "coming", since: now }] : [];
  const leaving = (batch: Batch, from: number): readonly Batch[] =>
    from < batch.to ? [{ ...batch, from, state: "leaving", since: now }] : [];
  const kept = serving.flatMap((batch): readonly Batch[] => {
    if (batch === same) {
      const to = Math.min(batch.to, count);
      return [...(0 < to ? [{ ...batch, to }] : []), ...leaving(batch, to)];
    }
    // Of another size: they serve until the new ones take over, or leave where none come.
    return count === 0 ? leaving(batch, batch.from) : [batch];
  });
  if (serving.length === 0)
    return { target, generation, batches: [...others, ...fresh(target, generation, now).batches] };
  return { target, generation, batches: [...kept, ...coming(same?.to ?? 0), ...others] };
}

function refused(
  layout: Layout,
  one: Pending,
  wanted: WantedLayout,
  start: Layout,
  now: number,
): Told {
  const needed = addressesOfLayout(begin(start, one, wanted, now), wanted.kind);
  const words = ({ count, size }: CrewSize) => `${count} ${size}`;
  const target = layout.crews[one.crew]?.target;
  const to = one.plan ?? frontEndsFor(layout.crews, wanted.configuration);
  const name = one.plan?.name ?? "the front ends";
  return {
    kind: "declined",
    crew: one.crew,
    target,
    configuration: layout.configuration,
    generation: one.generation,
    problem: {
      code: "SubnetIsFull",
      what: `${name} cannot change from ${target === undefined ? "nothing" : words(target)} to ${words(to)}: on the way ${needed} addresses are needed, and the subnet has ${wanted.room}`,
      fix: "Use fewer instances, or first scale another plan in: while a size changes its instances exist twice.",
    },
  };
}

function sameSize(one: CrewSize | undefined, other: CrewSize): boolean {
  return one?.size === other.size && one.count === other.count;
}

function sameConfiguration(one: Configuration, other: Configuration): boolean {
  return (
    one.frontEndScaleFactor === other.frontEndScaleFactor &&
    one.frontEndSize === other.frontEndSize &&
    one.settings === other.settings
  );
}
