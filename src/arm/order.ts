/**
 * The order of a template's resources: dependsOn in all its spellings, what expressions refer to,
 * and parents before children. Cycles are named.
 */
import { ProblemError } from "../base/problem.ts";
import { evaluate, evaluateValue, mapTemplate, type Scope } from "./evaluate.ts";
import { callsIn, type Expression, parseExpression, readTemplateString } from "./expression.ts";
import { isJsonArray, isJsonObject, type JsonObject, property, withoutProperties } from "./json.ts";
import { keyOf } from "./ids.ts";
import type { Instance } from "./instances.ts";

export type Ordered = { readonly instance: Instance; readonly dependsOn: readonly string[] };

/** Those that are wanted, each after what it depends on, otherwise as written. */
export function orderInstances(all: readonly Instance[]): readonly Ordered[] {
  const wanted = all.filter((one) => one.wanted);
  const edges = new Map(wanted.map((one) => [one, new Set(declaredEdges(one, all))]));
  addSerialLoops(wanted, edges);
  for (const one of wanted) {
    for (const other of impliedEdges(one, wanted))
      if (!reaches(other, one, edges)) edges.get(one)?.add(other);
  }
  return sort(wanted, edges);
}

type Edges = ReadonlyMap<Instance, Set<Instance>>;

function declaredEdges(one: Instance, all: readonly Instance[]): readonly Instance[] {
  const written = property(one.body, "dependsOn");
  if (written === undefined || written === null) return [];
  const path = `${one.path}.dependsOn`;
  const value = evaluateValue(written, one.scope, path);
  const entries = isJsonArray(value) ? value : [value];
  return entries.flatMap((entry, index) => {
    if (typeof entry !== "string")
      return invalid(
        `${path}[${index}]`,
        `${path}[${index}] is not a text`,
        "Name a resource there.",
      );
    if (entry === "") return [];
    return target(entry, one, all, `${path}[${index}]`).filter(
      (other) => other.wanted && other !== one,
    );
  });
}

/** Tries the exact spellings first, so that a short name never hides a full one. */
function target(
  entry: string,
  one: Instance,
  all: readonly Instance[],
  path: string,
): readonly Instance[] {
  const text = entry.toLowerCase().replace(/^\/+|\/+$/g, "");
  const ways: readonly ((other: Instance) => boolean)[] = [
    (other) => other.symbol?.toLowerCase() === text,
    // One of a loop: `symbol[2]`.
    (other) => `${other.symbol?.toLowerCase()}[${other.scope.loops.at(-1)?.index}]` === text,
    (other) => other.key === keyOf(entry),
    (other) => other.loop?.toLowerCase() === text,
    // Outer-scoped templates write ids of the outer group; type and names still tell.
    (other) => entry.startsWith("/") && tailOf(other.key) === tailOf(keyOf(entry)),
    (other) => tailOf(other.key) === text,
    (other) => `${other.type}/${other.name}`.toLowerCase() === text,
    (other) => other.name.toLowerCase() === text,
    (other) => other.name.toLowerCase().endsWith(`/${text}`),
  ];
  for (const matches of ways) {
    const those = all.filter(matches);
    const types = new Set(those.map(({ type }) => type.toLowerCase()));
    if (types.size === 1) return those;
    if (1 < types.size)
      return invalid(
        path,
        `"${entry}" could be ${those.map((other) => `${other.type} "${other.name}"`).join(" or ")}`,
        "Write type/name, or use resourceId().",
      );
  }
  const known = all.filter((other) => other !== one).map((other) => `${other.type}/${other.name}`);
  return invalid(
    path,
    `${one.type} "${one.name}" depends on "${entry}", which the template does not define`,
    `Remove the entry if it exists already, or name one of: ${known.join(", ") || "none"}.`,
  );
}

/** `microsoft.web/sites/app1` of a key. */
function tailOf(key: string): string {
  const at = key.lastIndexOf("/providers/");
  return at === -1 ? key : key.slice(at + "/providers/".length);
}

/** What reference() and list*() name, and the parent. */
function impliedEdges(one: Instance, wanted: readonly Instance[]): readonly Instance[] {
  const keys = new Set<string>();
  mapTemplate(visible(one), one.scope, one.path, (text, scope) => {
    const read = readTemplateString(text);
    const parsed = read.kind === "expression" ? parseExpression(read.source) : undefined;
    if (parsed?.ok) for (const id of runtimeTargets(parsed.value, scope)) keys.add(keyOf(id));
    return text;
  });
  const parentKey = one.writtenIn ?? one.key.split("/").slice(0, -2).join("/");
  return wanted.filter(
    (other) => other !== one && (keys.has(other.key) || other.key === parentKey),
  );
}

/** Without what does not belong to this resource's own evaluation. */
function visible(one: Instance): JsonObject {
  const body = withoutProperties(one.body, ["resources", "dependsOn", "copy"]);
  const properties = property(body, "properties");
  if (one.type.toLowerCase() !== "microsoft.resources/deployments" || !isJsonObject(properties))
    return body;
  return { ...body, properties: withoutProperties(properties, ["template"]) };
}

function runtimeTargets(expression: Expression, scope: Scope): readonly string[] {
  return callsIn(expression).flatMap((call) => {
    const name = call.name.toLowerCase();
    const [subject] = call.arguments;
    if (subject === undefined || (name !== "reference" && !name.startsWith("list"))) return [];
    try {
      const text = evaluate(subject, scope);
      if (typeof text !== "string") return [];
      return text.startsWith("/") ? [text] : [scope.resolve(text) ?? text];
    } catch (thrown) {
      // The same expression is evaluated again when its resource is created, and then reported.
      if (thrown instanceof ProblemError) return [];
      throw thrown;
    }
  });
}

/** A serial loop: each waits for the one `batchSize` before it. */
function addSerialLoops(wanted: readonly Instance[], edges: Edges): void {
  for (const one of wanted) {
    if (one.batchSize === undefined) continue;
    const loop = wanted.filter((other) => other.loop === one.loop && other.path === one.path);
    const before = loop[loop.indexOf(one) - one.batchSize];
    if (before !== undefined) edges.get(one)?.add(before);
  }
}

function reaches(from: Instance, to: Instance, edges: Edges): boolean {
  const seen = new Set<Instance>();
  const open = [from];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (next === to) return true;
    if (seen.has(next)) continue;
    seen.add(next);
    open.push(...(edges.get(next) ?? []));
  }
  return false;
}

function sort(wanted: readonly Instance[], edges: Edges): readonly Ordered[] {
  const done = new Set<Instance>();
  const ordered: Ordered[] = [];
  while (ordered.length < wanted.length) {
    const ready = wanted.find(
      (one) => !done.has(one) && [...(edges.get(one) ?? [])].every((other) => done.has(other)),
    );
    if (ready === undefined)
      return cycle(
        wanted.filter((one) => !done.has(one)),
        edges,
      );
    done.add(ready);
    ordered.push({ instance: ready, dependsOn: [...(edges.get(ready) ?? [])].map(({ id }) => id) });
  }
  return ordered;
}

function cycle(left: readonly Instance[], edges: Edges): never {
  const path: Instance[] = [];
  let at = left[0];
  while (at !== undefined && !path.includes(at)) {
    path.push(at);
    at = [...(edges.get(at) ?? [])].find((other) => left.includes(other));
  }
  const round = at === undefined ? path : [...path.slice(path.indexOf(at)), at];
  const names = round.map((one) => `${one.type}/${one.name}`).join(" -> ");
  return invalid(
    round[0]?.path ?? "resources",
    `Resources depend on each other in a circle: ${names}`,
    "Remove one of these dependencies.",
  );
}

function invalid(where: string, what: string, fix: string): never {
  throw new ProblemError({ code: "InvalidTemplate", what, fix, where });
}
