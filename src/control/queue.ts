/**
 * Operations as their user sees them: under way, how far, or which place in the queue; and the
 * giving up of one.
 *
 * Reads the loop's last turn. The order itself is blueprint/layout.ts; nothing is begun here.
 */
import type { JsonObject } from "../arm/json.ts";
import type { Resource } from "../arm/resources.ts";
import { declined, found, type Problem, type Result } from "../base/problem.ts";
import { hostsOfBatch } from "../blueprint/compile-environment.ts";
import { FRONT_ENDS, hasArrived, queueOf, type Layout } from "../blueprint/layout.ts";
import { Declared } from "../blueprint/wanted.ts";
import type { Store } from "../store/store.ts";
import { canceled, seenIn, takeBack, wantedOf } from "./layouts.ts";
import type { Loop, LoopState } from "./loop.ts";
import { openOperationsIn, readOperation, type Operation } from "./operations.ts";
import { readBlueprint } from "./records.ts";
import { storedResource, wantedResources } from "./wanted.ts";

/** Every operation in progress, oldest first. */
export function operationsNow(store: Store, state: LoopState): readonly JsonObject[] {
  return openOperationsIn(store)
    .toSorted((one, other) => one.createdAt - other.createdAt || one.generation - other.generation)
    .map((operation) => describe(store, state, operation));
}

function describe(store: Store, state: LoopState, operation: Operation): JsonObject {
  const { id, kind, target, createdAt } = operation;
  const place = placeOf(store, state, operation);
  return {
    id,
    kind,
    target,
    startTime: new Date(createdAt).toISOString(),
    status: place === undefined || place.position === 0 ? "Running" : "Queued",
    ...(place === undefined ? {} : { position: place.position }),
    ...(place?.progress === undefined ? {} : { progress: place.progress }),
  };
}

type Place = {
  readonly environment: string;
  readonly crew: string;
  /** 0: under way. */
  readonly position: number;
  readonly progress?: string;
};

/** Undefined: nothing of the operation moves instances. */
function placeOf(store: Store, state: LoopState, operation: Operation): Place | undefined {
  if (operation.kind !== "write") return undefined;
  const resource = storedResource(store, operation.targetKey)?.resource;
  const named = crewOf(resource);
  const layout = named === undefined ? undefined : state.layouts[named.environment];
  if (named === undefined || layout === undefined) return undefined;
  if (hasArrived(layout, named.crew, operation.generation)) return undefined;
  if (isTaken(layout, named.crew, operation.generation))
    return { ...named, position: 0, progress: progressOf(store, state, layout, named) };
  const declared = new Declared(wantedResources(store));
  const environment = declared.find("Microsoft.Web/hostingEnvironments", named.environment);
  const wanted = environment && wantedOf(declared, environment, store);
  const position = wanted === undefined ? 1 : (queueOf(layout, wanted)[named.crew] ?? 1);
  return { ...named, position: Math.max(1, position) };
}

function crewOf(
  resource: Resource | undefined,
): { readonly environment: string; readonly crew: string } | undefined {
  if (resource?.type === "Microsoft.Web/serverfarms")
    return { environment: resource.environment.key, crew: resource.key };
  if (resource?.type === "Microsoft.Web/hostingEnvironments")
    return { environment: resource.key, crew: FRONT_ENDS };
  return undefined;
}

function isTaken(layout: Layout, crew: string, generation: number): boolean {
  const taken =
    crew === FRONT_ENDS ? layout.configuration.generation : layout.crews[crew]?.generation;
  return taken !== undefined && generation <= taken;
}

/** "6 I2 come, 3 of them answer; 2 I1 leave". */
function progressOf(
  store: Store,
  state: LoopState,
  layout: Layout,
  { environment, crew }: Pick<Place, "environment" | "crew">,
): string {
  const { ledger } = readBlueprint(store);
  const see = state.observed === undefined ? undefined : seenIn(state.observed);
  const words = (layout.crews[crew]?.batches ?? []).flatMap((batch) => {
    const hosts = hostsOfBatch(ledger, environment, crew, batch);
    const ready = hosts.filter((host) => see?.([host]).state === "ready").length;
    const what = `${hosts.length} ${batch.size}`;
    if (batch.state === "coming") return [`${what} come, ${ready} of them answer`];
    return batch.state === "leaving" ? [`${what} leave`] : [`${what} serve`];
  });
  return words.join("; ");
}

/** Ends an operation and takes back what it asked for, while its instances take no traffic yet. */
export async function cancelOperation(
  store: Store,
  loop: Loop,
  id: string,
  now: number,
): Promise<Result<"canceled">> {
  const operation = readOperation(store, id);
  if (operation === undefined) return declined(noSuchOperation(id));
  const place =
    operation.state === "InProgress" ? placeOf(store, loop.state(), operation) : undefined;
  if (place === undefined) return declined(notCancelable(operation, "it moves no instances now"));
  const { environment, crew } = place;
  if (place.position === 0) {
    loop.cancel([{ environment, crew }]);
    await loop.turned();
    return readOperation(store, id)?.state === "Canceled"
      ? found("canceled")
      : declined(notCancelable(operation, "its new instances take traffic already"));
  }
  const layout = loop.state().layouts[environment];
  const target = layout?.crews[crew]?.target;
  if (layout === undefined) return declined(notCancelable(operation, "its environment is gone"));
  const told = {
    kind: "declined" as const,
    crew,
    target,
    configuration: layout.configuration,
    generation: operation.generation,
    problem: canceled(),
  };
  const done = store.transaction((transaction) => {
    takeBack(transaction, [{ environment, told }], now);
    return found("canceled" as const);
  });
  loop.wake();
  return done;
}

function noSuchOperation(id: string): Problem {
  return {
    code: "ResourceNotFound",
    what: `there is no operation ${id}`,
    fix: "List those in progress with `ase operations`.",
    where: id,
  };
}

function notCancelable(operation: Operation, why: string): Problem {
  return {
    code: "OperationNotCancelable",
    what: `the ${operation.kind} of ${operation.target.split("/").at(-1) ?? ""} cannot be canceled: ${why}`,
    fix: "Wait for its end, then change the resource back.",
    where: operation.target,
  };
}
