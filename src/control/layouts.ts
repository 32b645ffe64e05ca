/**
 * Layouts of all environments, turn by turn: what was seen goes in, what is to stand comes out.
 *
 * The steps themselves are blueprint/layout.ts. Here: reading what was observed, taking back what
 * could not be done, and the words that are told about it. When a turn is taken is the loop's.
 */
import type { JsonObject } from "../arm/json.ts";
import type { Resource, ResourceOf } from "../arm/resources.ts";
import type { Problem } from "../base/problem.ts";
import { hostsOfBatch, wantedLayout } from "../blueprint/compile-environment.ts";
import {
  advanceLayout,
  beginLayout,
  FRONT_ENDS,
  giveUp,
  takenBack,
  type Advanced,
  type Batch,
  type BatchSeen,
  type CrewSize,
  type Layout,
  type Told,
  type WantedLayout,
} from "../blueprint/layout.ts";
import type { Ledger } from "../blueprint/ledger.ts";
import type { Declared } from "../blueprint/wanted.ts";
import { INSTANCE_SIZES } from "../environment/kind.ts";
import { PLATFORM_LOGS, scalingLine } from "../environment/platform-logs.ts";
import type { Observed } from "../fabric/fabric.ts";
import type { Reading, Transaction } from "../store/store.ts";
import type { ControlEvent } from "./control-plane.ts";
import { finishOperation, openOperationsIn } from "./operations.ts";
import { nextWantedGeneration, storedResource, storeResource } from "./wanted.ts";

type Environment = ResourceOf<"Microsoft.Web/hostingEnvironments">;
export type Layouts = Readonly<Record<string, Layout>>;

export type ToldOf = { readonly environment: string; readonly told: Told };

export type AdvancedLayouts = { readonly layouts: Layouts; readonly told: readonly ToldOf[] };

/** Crews by environment and crew that their user wants as they were. */
export type Cancels = readonly { readonly environment: string; readonly crew: string }[];

/** Every running environment's layout, one step further. Suspended ones have none. */
export function advanceLayouts(of: {
  readonly declared: Declared;
  readonly reading: Reading;
  readonly before: Layouts;
  readonly ledger: Ledger;
  readonly observed: Observed;
  readonly runs: (environmentKey: string) => boolean;
  readonly cancels: Cancels;
  readonly now: number;
}): AdvancedLayouts {
  const { declared, before, now } = of;
  const seen = seenIn(of.observed);
  const all = declared
    .all("Microsoft.Web/hostingEnvironments")
    .filter(({ key }) => of.runs(key))
    .flatMap((environment) => {
      const wanted = wantedOf(declared, environment, of.reading);
      if (wanted === undefined) return [];
      const { key } = environment;
      const layout = before[key];
      if (layout === undefined)
        return [{ key, advanced: { layout: beginLayout(wanted, now), told: [] } }];
      const canceled = withCancels(layout, key, of.cancels, now);
      const see = (crew: string, batch: Batch) => seen(hostsOfBatch(of.ledger, key, crew, batch));
      const next = advanceLayout({
        layout: canceled.layout,
        wanted: takenBack(wanted, canceled.told),
        see,
        now,
      });
      const advanced: Advanced = { ...next, told: [...canceled.told, ...next.told] };
      return [{ key, advanced }];
    });
  return {
    layouts: Object.fromEntries(all.map(({ key, advanced }) => [key, advanced.layout])),
    told: all.flatMap(({ key, advanced }) =>
      advanced.told.map((told) => ({ environment: key, told })),
    ),
  };
}

export function wantedOf(
  declared: Declared,
  environment: Environment,
  reading: Reading,
): WantedLayout | undefined {
  const subnet = declared.find("Microsoft.Network/virtualNetworks/subnets", environment.subnet.key);
  if (subnet === undefined) return undefined;
  return wantedLayout(
    declared,
    environment,
    subnet,
    (key) => storedResource(reading, key)?.generation ?? 0,
  );
}

function withCancels(layout: Layout, key: string, cancels: Cancels, now: number): Advanced {
  return cancels
    .filter(({ environment }) => environment === key)
    .reduce<Advanced>(
      (done, { crew }) => {
        const given = giveUp(done.layout, crew, canceled(), now);
        return given === undefined
          ? done
          : { layout: given.layout, told: [...done.told, ...given.told] };
      },
      { layout, told: [] },
    );
}

export function canceled(): Problem {
  return {
    code: "OperationCanceled",
    what: "the operation was canceled; everything is as it was before it",
    fix: "Write the resource again when you want the change.",
  };
}

/** What the hosts of a batch do, by their names. */
export function seenIn(observed: Observed): (hosts: readonly string[]) => BatchSeen {
  const standing = new Map(observed.hosts.map((one) => [one.host.name, one]));
  const busy = new Set(
    observed.hosts.flatMap(({ host, programs }) => [
      ...host.programs.flatMap((program) =>
        program.kind === "front-end" && program.finishing !== true
          ? program.sites.flatMap(({ backends }) => backends.map(({ name }) => name))
          : [],
      ),
      ...programs.flatMap(({ busyWith = [] }) => busyWith),
    ]),
  );
  for (const { translations } of observed.networks)
    for (const { targets } of translations) for (const { host } of targets) busy.add(host);
  return (hosts) => {
    const programs = hosts.map((name) => standing.get(name)?.programs);
    const failed = programs.flatMap((all) => all?.find(({ state }) => state === "failed") ?? []);
    const ready = programs.every((all) => all?.every(({ state }) => state === "running") === true);
    return {
      state: 0 < failed.length ? "failed" : ready ? "ready" : "starting",
      busy: hosts.some((name) => busy.has(name)),
      ...(failed[0]?.problem === undefined ? {} : { problem: failed[0].problem }),
    };
  };
}

/** Writes what could not be done back to what it was, and ends the operations that asked for it. */
export function takeBack(transaction: Transaction, all: readonly ToldOf[], now: number): boolean {
  const declinedOnes = all.flatMap(({ environment, told }) =>
    told.kind === "declined" ? [{ environment, told }] : [],
  );
  for (const { environment, told } of declinedOnes) {
    const key = told.crew === FRONT_ENDS ? environment : told.crew;
    const stored = storedResource(transaction, key);
    if (stored !== undefined && stored.generation <= told.generation)
      storeResource(transaction, {
        ...stored,
        resource: asBefore(stored.resource, told),
        changedAt: now,
        generation: nextWantedGeneration(transaction),
      });
    for (const operation of openOperationsIn(transaction))
      if (
        operation.kind === "write" &&
        operation.targetKey === key &&
        operation.generation <= told.generation
      )
        finishOperation(
          transaction,
          operation.id,
          { ...told.problem, where: operation.target },
          now,
        );
  }
  return 0 < declinedOnes.length;
}

function asBefore(resource: Resource, told: Extract<Told, { kind: "declined" }>): Resource {
  if (resource.type === "Microsoft.Web/serverfarms")
    return {
      ...resource,
      size: told.target?.size ?? resource.size,
      capacity: told.target?.count ?? 0,
    };
  if (resource.type !== "Microsoft.Web/hostingEnvironments") return resource;
  const { frontEndScaleFactor, frontEndSize, settings } = told.configuration;
  return {
    ...resource,
    frontEndScaleFactor,
    multiSize: INSTANCE_SIZES[frontEndSize].vmSize,
    clusterSettings: JSON.parse(settings) as Environment["clusterSettings"],
  };
}

/** What is told of a step, as an event; lines of the platform's log are those of plans. */
export function eventOf({ environment, told }: ToldOf, reading: Reading): ControlEvent {
  const owner = storedResource(reading, environment)?.resource;
  const plan = storedResource(reading, told.crew)?.resource;
  const subject = plan?.id ?? owner?.id ?? environment;
  const isPlan = told.crew !== FRONT_ENDS;
  const name = isPlan ? (plan?.name ?? told.crew) : "the front ends";
  const words = ({ count, size }: CrewSize) => `${count} ${size}`;
  switch (told.kind) {
    case "began":
      return isPlan
        ? { ...SCALE.began, subject, message: scalingLine.began(name, told.target) }
        : { ...SETTINGS.began, subject, message: `${name} change to ${words(told.target)}` };
    case "ended":
      return isPlan
        ? { ...SCALE.ended, subject, message: scalingLine.ended(name, told.target) }
        : { ...SETTINGS.ended, subject, message: `${name} are ${words(told.target)} now` };
    case "declined": {
      const how = isPlan ? SCALE.declined : SETTINGS.declined;
      const current = told.target ?? { count: 0, size: "I1" as const };
      const message = isPlan ? `${scalingLine.failed(name, current)} ` : "";
      return { ...how, subject, message: `${message}${told.problem.what}`, problem: told.problem };
    }
  }
}

const SCALE = {
  began: { level: "info", code: "ScaleStarted", category: PLATFORM_LOGS },
  ended: { level: "info", code: "ScaleCompleted", category: PLATFORM_LOGS },
  declined: { level: "error", code: "ScaleFailed", category: PLATFORM_LOGS },
} as const;
const SETTINGS = {
  began: { level: "info", code: "ConfigurationStarted" },
  ended: { level: "info", code: "ConfigurationCompleted" },
  declined: { level: "error", code: "ConfigurationFailed" },
} as const;

/** Properties that the API shows of a layout. */
export function describeLayout(layout: Layout | undefined): JsonObject {
  const move = layout?.move;
  if (move !== undefined) return { lastAction: ACTIONS[move.kind], lastActionResult: "InProgress" };
  const last = layout?.last;
  return last === undefined
    ? {}
    : { lastAction: ACTIONS[last.kind], lastActionResult: last.result };
}

const ACTIONS = { scale: "Scale", configuration: "ChangeConfiguration" } as const;
