/**
 * Changes of what is wanted, as ARM has them: PUT, PATCH and DELETE of resources and groups.
 *
 * A body is parsed once (arm/), judged among its neighbours, and stored with an operation and an
 * event in one transaction; then the loop is woken. Nothing here waits for the world, and HTTP
 * is unknown.
 */
import { formatResourceId, groupOf, keyOf, parentOf, type ResourceId, typeOf } from "../arm/ids.ts";
import type { JsonObject } from "../arm/json.ts";
import type { Resource, ResourceType } from "../arm/resources.ts";
import { parseResource, patchedBody } from "../arm/types.ts";
import type { ParseContext } from "../arm/types/body.ts";
import { declined, found, type Problem, type Result } from "../base/problem.ts";
import type { Reading, Store, Transaction } from "../store/store.ts";
import type { Account, ControlEvent } from "./control-plane.ts";
import { judgeNeighbours } from "./neighbours.ts";
import { judgeRemoval, type Wanted } from "./references.ts";
import { beginOperation, type Operation } from "./operations.ts";
import { removeDeployment, readDeployments } from "./deployment-record.ts";
import { bindingAt, changeBinding, changeByPart, partAt } from "./site-parts.ts";
import { openViews } from "./view.ts";
import {
  nextWantedGeneration,
  removeResource,
  type StoredResource,
  storedResource,
  storedResources,
  storeResource,
} from "./wanted.ts";

export type ArmWrites = {
  readonly get: (key: string) => StoredResource | undefined;
  /** @param keyPrefix for example a group's key and `/`; empty for all */
  readonly list: (keyPrefix: string) => readonly StoredResource[];
  readonly put: (request: WriteRequest) => Result<Written>;
  readonly patch: (request: WriteRequest) => Result<Written>;
  /** Changes a stored resource by a function of it: parts of apps, start, stop, suspend. */
  readonly change: (
    key: string,
    change: (resource: Resource) => Result<Resource>,
  ) => Result<Written>;
  /** Removes a resource with its parts. Refused while somebody else uses it, unless forced. */
  readonly remove: (id: ResourceId, force: "force" | "unless-used") => Result<Removed>;
  /** Removes a group and all that stands in it. */
  readonly removeGroup: (id: ResourceId) => Result<Removed>;
};

export type WriteRequest = { readonly id: ResourceId; readonly body: JsonObject };

export type Written = {
  readonly stored: StoredResource;
  readonly created: boolean;
  /** Absent: it was done with the write. */
  readonly operation?: Operation;
};

/** Without an operation: there was nothing to remove. */
export type Removed = { readonly operation?: Operation };

export type ArmWritesOptions = {
  readonly store: Store;
  readonly account: Account;
  readonly now: () => number;
  /** Called after each change of what is wanted. */
  readonly wake: () => void;
  readonly isServiceTag: ParseContext["isServiceTag"];
  readonly readPfx: NonNullable<ParseContext["readPfx"]>;
};

export function openArmWrites(options: ArmWritesOptions): ArmWrites {
  const { store, account, isServiceTag, readPfx, now, wake } = options;
  const context = (): WriteContext => ({ account, isServiceTag, readPfx, now: now() });
  const inTransaction = <Value>(
    work: (transaction: Transaction) => Result<Value>,
  ): Result<Value> => {
    const result = store.transaction(work);
    if (result.ok) wake();
    return result;
  };
  return {
    get: (key) => storedResource(store, key),
    list: (keyPrefix) => storedResources(store, keyPrefix),
    put: (request) => inTransaction((tx) => writeResource(tx, request, context())),
    patch: (request) => inTransaction((tx) => patchResource(tx, request, context())),
    change: (key, change) => inTransaction((tx) => changeResource(tx, key, change, now())),
    remove: (id, force) => inTransaction((tx) => removeOne(tx, id, force, now())),
    removeGroup: (id) => inTransaction((tx) => removeAll(tx, id, now())),
  };
}

export type WriteContext = {
  readonly account: Account;
  readonly now: number;
  readonly isServiceTag: ParseContext["isServiceTag"];
  readonly readPfx: NonNullable<ParseContext["readPfx"]>;
};

/** Also used within a transaction that is undone, to see what would become of a write. */
export function writeResource(
  transaction: Transaction,
  { id, body }: WriteRequest,
  { account, isServiceTag, readPfx, now }: WriteContext,
): Result<Written> {
  const part = partAt(id);
  if (part !== undefined)
    return changeResource(transaction, keyOf(part.site), changeByPart(part.part, body), now);
  const binding = bindingAt(id);
  if (binding !== undefined)
    return changeResource(
      transaction,
      keyOf(binding.site),
      changeBinding(binding.hostName, "bound", body),
      now,
    );
  const place = judgePlace(transaction, id, account);
  if (place !== undefined) return declined(place);
  const key = keyOf(id);
  const before = storedResource(transaction, key)?.resource;
  const parsed = parseResource({
    id,
    body,
    before,
    context: { ...surroundings(transaction, id, account), isServiceTag, readPfx },
  });
  if (!parsed.ok) return parsed;
  const [resource, ...parts] = parsed.value.resources;
  const replaced = parsed.value.replacedParts.flatMap((type) => partsOf(transaction, key, type));
  const kept = new Set(parts.map((part) => part.key));
  const dropped = replaced.filter((part) => !kept.has(part.key));
  return store(transaction, { main: resource, parts, dropped }, now);
}

function patchResource(
  transaction: Transaction,
  request: WriteRequest,
  context: WriteContext,
): Result<Written> {
  const before = storedResource(transaction, keyOf(request.id));
  if (before === undefined) return declined(notFound(request.id));
  const shown = openViews(() => undefined).of(transaction, before.resource.key);
  const body = patchedBody(shown ?? {}, request.body);
  return writeResource(transaction, { id: request.id, body }, context);
}

function changeResource(
  transaction: Transaction,
  key: string,
  change: (resource: Resource) => Result<Resource>,
  now: number,
): Result<Written> {
  const before = storedResource(transaction, key);
  if (before === undefined)
    return declined({
      code: "ResourceNotFound",
      what: `there is no resource ${key}`,
      fix: "Create it first, or correct the name.",
      where: key,
    });
  const changed = change(before.resource);
  if (!changed.ok) return changed;
  return store(transaction, { main: changed.value, parts: [], dropped: [] }, now);
}

type Change = {
  readonly main: Resource;
  readonly parts: readonly Resource[];
  /** Parts that the new body no longer names. */
  readonly dropped: readonly Resource[];
};

function store(transaction: Transaction, change: Change, now: number): Result<Written> {
  const { main, parts, dropped } = change;
  const generation = nextWantedGeneration(transaction);
  const written = [main, ...parts];
  const before = new Map(
    written.map((one) => [one.key, storedResource(transaction, one.key)] as const),
  );
  for (const { key } of dropped) removeResource(transaction, key);
  for (const resource of written) {
    const createdAt = before.get(resource.key)?.createdAt ?? now;
    storeResource(transaction, { resource, createdAt, changedAt: now, generation });
  }
  const wanted = wantedIn(transaction);
  const staying = dropped.length === 0 ? [] : wanted.all();
  const problem =
    firstProblem(dropped, (part) => judgeRemoval(part, staying)) ??
    firstProblem(written, (one) => judgeNeighbours(one, before.get(one.key)?.resource, wanted));
  if (problem !== undefined) return declined(problem);
  const target = { target: main.id, targetKey: main.key, generation };
  const operation = isInstant(main)
    ? undefined
    : beginOperation(transaction, { kind: "write", ...target }, now);
  const created = before.get(main.key) === undefined;
  transaction.append({
    level: "info",
    code: created ? "ResourceCreated" : "ResourceChanged",
    subject: main.id,
    message: `${main.name} was ${created ? "created" : "changed"}`,
    ...(operation === undefined ? {} : { operation: operation.id }),
  } satisfies ControlEvent);
  const stored: StoredResource = {
    resource: main,
    createdAt: before.get(main.key)?.createdAt ?? now,
    changedAt: now,
    generation,
  };
  return found({ stored, created, ...(operation === undefined ? {} : { operation }) });
}

/** Nothing of the world depends on these: they are done when they are stored. */
function isInstant(resource: Resource): boolean {
  return resource.type === "Microsoft.Resources/resourceGroups" || resource.type === "DeclaredOnly";
}

/** Also used within a transaction that is undone. */
export function removeOne(
  transaction: Transaction,
  id: ResourceId,
  force: "force" | "unless-used",
  now: number,
): Result<Removed> {
  const key = keyOf(id);
  const stored = storedResource(transaction, key);
  if (stored === undefined) return found({});
  const all = storedResources(transaction, "").map(({ resource }) => resource);
  const tree = all.filter((one) => isWithin(one.key, key));
  const removed = force === "force" ? withUsers(tree, all) : tree;
  return removeSet(transaction, { target: stored.resource, removed, all }, now);
}

function removeAll(transaction: Transaction, id: ResourceId, now: number): Result<Removed> {
  const key = keyOf(id);
  const group = storedResource(transaction, key);
  if (group === undefined) return declined(groupNotFound(id));
  const all = storedResources(transaction, "").map(({ resource }) => resource);
  const removed = all.filter((one) => isWithin(one.key, key));
  for (const deployment of readDeployments(transaction, key))
    removeDeployment(transaction, deployment.key);
  return removeSet(transaction, { target: group.resource, removed, all }, now);
}

function removeSet(
  transaction: Transaction,
  set: {
    readonly target: Resource;
    readonly removed: readonly Resource[];
    readonly all: readonly Resource[];
  },
  now: number,
): Result<Removed> {
  const going = new Set(set.removed.map(({ key }) => key));
  const staying = set.all.filter(({ key }) => !going.has(key));
  const problem = firstProblem(set.removed, (one) => judgeRemoval(one, staying));
  if (problem !== undefined) return declined(problem);
  for (const key of going) removeResource(transaction, key);
  const generation = nextWantedGeneration(transaction);
  const { id: target, key: targetKey, name } = set.target;
  const operation = beginOperation(
    transaction,
    { kind: "delete", target, targetKey, generation },
    now,
  );
  transaction.append({
    level: "info",
    code: "ResourceDeleted",
    subject: target,
    message: `${name} was deleted${going.size === 1 ? "" : ` with ${going.size - 1} more`}`,
    operation: operation.id,
  } satisfies ControlEvent);
  return found({ operation });
}

/** A set and everything that could not be without it. */
function withUsers(set: readonly Resource[], all: readonly Resource[]): readonly Resource[] {
  let grown = set;
  for (;;) {
    const keys = new Set(grown.map(({ key }) => key));
    const next = all.filter(
      (one) =>
        keys.has(one.key) ||
        [...keys].some((key) => isWithin(one.key, key)) ||
        grown.some((other) => judgeRemoval(other, [one]) !== undefined),
    );
    if (next.length === grown.length) return grown;
    grown = next;
  }
}

function isWithin(key: string, outer: string): boolean {
  return key === outer || key.startsWith(`${outer}/`);
}

function judgePlace(reading: Reading, id: ResourceId, account: Account): Problem | undefined {
  if (id.subscription?.toLowerCase() !== account.subscriptionId.toLowerCase())
    return subscriptionNotFound(id.subscription ?? "");
  const group = groupOf(id);
  const isGroup = typeOf(id).toLowerCase() === "microsoft.resources/resourcegroups";
  if (group !== undefined && !isGroup && storedResource(reading, keyOf(group)) === undefined)
    return groupNotFound(group);
  const parent = parentOf(id);
  if (isGroup || parent === undefined) return undefined;
  return storedResource(reading, keyOf(parent)) === undefined
    ? {
        code: "ParentResourceNotFound",
        what: `${formatResourceId(id)} cannot be created: its parent ${formatResourceId(parent)} does not exist`,
        fix: "Create the parent first.",
        where: formatResourceId(id),
      }
    : undefined;
}

function surroundings(reading: Reading, id: ResourceId, account: Account) {
  const groupId = groupOf(id);
  const group =
    groupId === undefined ? undefined : storedResource(reading, keyOf(groupId))?.resource;
  const location =
    group?.type === "Microsoft.Resources/resourceGroups" ? group.location : account.location;
  return { location, lookUp: (key: string) => storedResource(reading, key)?.resource };
}

function partsOf(reading: Reading, key: string, type: ResourceType): readonly Resource[] {
  return storedResources(reading, `${key}/`)
    .map(({ resource }) => resource)
    .filter((resource) => resource.type === type);
}

/** The resources as a transaction has made them; listed once, when first asked for. */
function wantedIn(reading: Reading): Wanted & { readonly all: () => readonly Resource[] } {
  let all: readonly Resource[] | undefined;
  const list = () => (all ??= storedResources(reading, "").map(({ resource }) => resource));
  return {
    all: list,
    get: (key) => storedResource(reading, key)?.resource,
    ofType: (type) =>
      list().filter((one): one is Extract<Resource, { type: typeof type }> => one.type === type),
  };
}

function firstProblem<Item>(
  items: readonly Item[],
  judge: (item: Item) => Problem | undefined,
): Problem | undefined {
  for (const item of items) {
    const problem = judge(item);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

export function notFound(id: ResourceId): Problem {
  const group = id.resourceGroup === undefined ? "" : ` in resource group '${id.resourceGroup}'`;
  return {
    code: "ResourceNotFound",
    what: `The resource '${typeOf(id)}/${id.names.join("/")}'${group} was not found`,
    fix: "Create it first, or correct the name.",
    where: formatResourceId(id),
  };
}

export function groupNotFound(id: ResourceId): Problem {
  return {
    code: "ResourceGroupNotFound",
    what: `Resource group '${id.resourceGroup ?? ""}' could not be found`,
    fix: `Create it: az group create -n ${id.resourceGroup ?? "NAME"} -l LOCATION.`,
    where: formatResourceId(id),
  };
}

export function subscriptionNotFound(name: string): Problem {
  return {
    code: "SubscriptionNotFound",
    what: `The subscription '${name}' could not be found`,
    fix: "Use the subscription that GET /subscriptions shows.",
  };
}
