/**
 * Moving resources to another group: their ids change, and every reference to them with them.
 *
 * Moved are only those whose move changes nothing in the running world: rules, tables, zones, what
 * is kept without running, and networks in which no environment stands. Environments and what
 * lives on them stay, as environments do in Azure.
 */
import { formatResourceId, groupOf, keyOf, parseResourceId, type ResourceId } from "../arm/ids.ts";
import { isJsonArray, isJsonObject, type JsonValue } from "../arm/json.ts";
import type { Resource } from "../arm/resources.ts";
import { declined, found, type Problem, type Result } from "../base/problem.ts";
import type { Reading, Store, Transaction } from "../store/store.ts";
import type { ControlEvent } from "./control-plane.ts";
import {
  nextWantedGeneration,
  removeResource,
  storedResource,
  storedResources,
  type StoredResource,
  storeResource,
} from "./wanted.ts";

export type MoveRequest = {
  /** The group they stand in. */
  readonly from: ResourceId;
  readonly resources: readonly string[];
  readonly targetGroup: string;
};

export type Moves = {
  readonly validate: (request: MoveRequest) => Result<"movable">;
  readonly carryOut: (request: MoveRequest) => Result<"moved">;
};

type Move = { readonly oldKey: string; readonly newId: string; readonly newKey: string };

export function openMoves(options: {
  readonly store: Store;
  readonly now: () => number;
  readonly wake: () => void;
}): Moves {
  const { now, store, wake } = options;
  return {
    validate: (request) => {
      const moves = plan(store, request);
      return moves.ok ? found("movable") : moves;
    },
    carryOut: (request) => {
      const done = store.transaction((transaction) => {
        const moves = plan(transaction, request);
        if (!moves.ok) return moves;
        rewrite(transaction, moves.value, now());
        return found("moved" as const);
      });
      if (done.ok) wake();
      return done;
    },
  };
}

function plan(reading: Reading, request: MoveRequest): Result<readonly Move[]> {
  const target = parseResourceId(request.targetGroup);
  if (!target.ok) return target;
  const group = storedResource(reading, keyOf(target.value))?.resource;
  if (group?.type !== "Microsoft.Resources/resourceGroups")
    return declined(
      refused(
        "ResourceGroupNotFound",
        `the target group ${request.targetGroup} could not be found`,
      ),
    );
  if (group.key === keyOf(request.from))
    return declined(refused("MoveTargetIsSource", "source and target group are the same"));
  if (request.resources.length === 0)
    return declined(refused("InvalidRequestContent", "the request names no resources"));
  const moves: Move[] = [];
  for (const text of request.resources) {
    const move = planOne(reading, text, keyOf(request.from), group.id);
    if (!move.ok) return move;
    moves.push(move.value);
  }
  return found(moves);
}

function planOne(reading: Reading, text: string, fromKey: string, targetId: string): Result<Move> {
  const id = parseResourceId(text);
  if (!id.ok) return id;
  const resource = storedResource(reading, keyOf(id.value))?.resource;
  const stands = groupOf(id.value);
  if (resource === undefined || stands === undefined || keyOf(stands) !== fromKey)
    return declined({
      ...refused("ResourceNotFound", `${text} does not stand in the group`),
      where: text,
    });
  const problem = judge(reading, resource, id.value);
  if (problem !== undefined) return declined(problem);
  const tail = formatResourceId(id.value).slice(formatResourceId(stands).length);
  const newId = `${targetId}${tail}`;
  if (storedResource(reading, keyOf(newId)) !== undefined)
    return declined({
      ...refused("ResourceMoveConflict", `${newId} exists already`),
      fix: "Rename or remove one of them first.",
      where: newId,
    });
  return found({ oldKey: resource.key, newId, newKey: keyOf(newId) });
}

const MOVABLE: readonly Resource["type"][] = [
  "DeclaredOnly",
  "Microsoft.Network/networkSecurityGroups",
  "Microsoft.Network/routeTables",
  "Microsoft.Network/virtualNetworks",
];

function judge(reading: Reading, resource: Resource, id: ResourceId): Problem | undefined {
  if (id.types.length !== 1)
    return {
      ...refused("ResourceMoveNotSupported", `${resource.id} is a part of another resource`),
      fix: "Move the resource it is a part of.",
    };
  if (!MOVABLE.includes(resource.type))
    return {
      ...refused("ResourceMoveNotSupported", `a ${resource.type} cannot be moved to another group`),
      fix: "Deploy it in the other group, and delete it here.",
      where: resource.id,
    };
  if (resource.type !== "Microsoft.Network/virtualNetworks") return undefined;
  const inhabitant = storedResources(reading, "")
    .map((stored) => stored.resource)
    .find((one) => standsIn(one, resource.key));
  return inhabitant === undefined
    ? undefined
    : {
        ...refused(
          "ResourceMoveNotSupported",
          `${resource.id} cannot be moved: ${inhabitant.id} stands in it`,
        ),
        fix: "Delete what stands in it first; its addresses would not stay.",
        where: resource.id,
      };
}

/** Whether something with addresses lives in a subnet of the network. */
function standsIn(resource: Resource, networkKey: string): boolean {
  if (resource.key.startsWith(`${networkKey}/`)) return false;
  const occupies = [
    "Microsoft.Web/hostingEnvironments",
    "Microsoft.Network/networkInterfaces",
    "DeclaredOnly",
  ];
  return (
    occupies.includes(resource.type) &&
    JSON.stringify(resource).toLowerCase().includes(`"${networkKey}/subnets/`)
  );
}

/** Every string that is one of the ids or an id below it, in every stored resource. */
function rewrite(transaction: Transaction, moves: readonly Move[], now: number): void {
  const generation = nextWantedGeneration(transaction);
  const stored = storedResources(transaction, "");
  for (const one of stored) {
    const resource = renamed(one.resource, moves);
    if (resource === (one.resource as unknown)) continue;
    removeResource(transaction, one.resource.key);
    const moved: StoredResource = {
      ...one,
      resource: resource as unknown as Resource,
      changedAt: now,
      generation,
    };
    storeResource(transaction, moved);
  }
  for (const { newId, oldKey } of moves)
    transaction.append({
      level: "info",
      code: "ResourceMoved",
      subject: newId,
      message: `it stood at ${oldKey} before`,
    } satisfies ControlEvent);
}

/** The same object where nothing in it was renamed. */
function renamed(value: JsonValue, moves: readonly Move[]): JsonValue {
  if (typeof value === "string") return renamedText(value, moves);
  if (isJsonArray(value)) {
    const items = value.map((item) => renamed(item, moves));
    return items.every((item, index) => item === value[index]) ? value : items;
  }
  if (!isJsonObject(value)) return value;
  const entries = Object.entries(value).map(
    ([name, item]) => [name, renamed(item, moves)] as const,
  );
  return entries.every(([name, item]) => item === value[name])
    ? value
    : Object.fromEntries(entries);
}

function renamedText(text: string, moves: readonly Move[]): string {
  const key = text.toLowerCase();
  const move = moves.find(({ oldKey }) => key === oldKey || key.startsWith(`${oldKey}/`));
  if (move === undefined) return text;
  // Keys are lower case; ids keep the casing of their writer.
  return (text === key ? move.newKey : move.newId) + text.slice(move.oldKey.length);
}

function refused(code: string, what: string): Problem {
  return { code, what, fix: "Correct the request; az resource list shows what there is." };
}
