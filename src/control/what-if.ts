/**
 * What-if as ARM tells it: changes of resources with their differing properties, and beside them
 * what the changes do to environments. Shapes and words only; trying is deployment-preview.ts.
 *
 * What happens to an environment is told twice, because clients show different parts of the
 * answer: in `diagnostics`, and as `networkEffect` among the differences of the environment itself.
 */
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue } from "../arm/json.ts";
import { describeProblem, type Problem } from "../base/problem.ts";
import type { Effect } from "../check/effect.ts";
import type { FlowChange } from "../check/diff.ts";
import type { LifeVerdict, Verdict } from "../check/finding.ts";
import type { Preview } from "./deployment-preview.ts";

export type Change = {
  readonly resourceId: string;
  readonly changeType: "Create" | "Modify" | "NoChange" | "Delete" | "Ignore" | "Unsupported";
  readonly unsupportedReason?: string;
  readonly before?: JsonObject;
  readonly after?: JsonObject;
  readonly delta: readonly Difference[];
};

export type Difference = {
  /** `properties.addressSpace`; within an array the index. */
  readonly path: string;
  readonly propertyChangeType: "Array" | "Create" | "Delete" | "Modify" | "NoEffect";
  readonly before?: JsonValue;
  readonly after?: JsonValue;
  readonly children?: readonly Difference[];
};

export function changeOf(of: {
  readonly id: string;
  readonly apiVersion: string;
  readonly before: JsonObject | undefined;
  readonly after: JsonObject | undefined;
}): Change {
  const { after, apiVersion, before, id } = of;
  const shown = {
    ...(before === undefined ? {} : { before: { ...before, apiVersion } }),
    ...(after === undefined ? {} : { after: { ...after, apiVersion } }),
  };
  if (before === undefined) return { resourceId: id, changeType: "Create", ...shown, delta: [] };
  const delta = differences(before, after ?? {}, "").filter(({ path }) => !path.endsWith("etag"));
  const changeType = delta.length === 0 ? "NoChange" : "Modify";
  return { resourceId: id, changeType, ...shown, delta };
}

/** Properties that differ, the deepest that tell it; items of arrays beneath their array. */
export function differences(
  before: JsonValue,
  after: JsonValue,
  path: string,
): readonly Difference[] {
  if (isJsonObject(before) && isJsonObject(after)) {
    const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
    return names.flatMap((name) =>
      differenceOf(before[name], after[name], path === "" ? name : `${path}.${name}`),
    );
  }
  if (isJsonArray(before) && isJsonArray(after)) {
    const count = Math.max(before.length, after.length);
    const children = Array.from({ length: count }, (_, index) => {
      const [own] = [differenceOf(before[index], after[index], "")];
      const [only] = own;
      if (only === undefined) return [];
      const at = String(index);
      return only.path === "" && own.length === 1
        ? [{ ...only, path: at }]
        : [{ path: at, propertyChangeType: "Modify" as const, children: own }];
    }).flat();
    return children.length === 0 ? [] : [{ path, propertyChangeType: "Array", children }];
  }
  return before === after ? [] : [{ path, propertyChangeType: "Modify", before, after }];
}

function differenceOf(
  left: JsonValue | undefined,
  right: JsonValue | undefined,
  path: string,
): readonly Difference[] {
  if (left === undefined && right === undefined) return [];
  if (left === undefined) return [{ path, propertyChangeType: "Create", after: right ?? null }];
  if (right === undefined) return [{ path, propertyChangeType: "Delete", before: left }];
  return differences(left, right, path);
}

export type ResultFormat = "FullResourcePayloads" | "ResourceIdOnly";

/** The `properties` of the answer. */
export function renderWhatIf(preview: Preview, format: ResultFormat): JsonObject {
  const { changes, effects, warnings } = preview;
  const shown =
    format === "ResourceIdOnly"
      ? changes.map(({ changeType, resourceId }) => ({
          resourceId,
          changeType: ["Modify", "NoChange"].includes(changeType) ? "Deploy" : changeType,
        }))
      : withEffects(changes, effects).map(changeShown);
  return {
    changes: shown,
    diagnostics: [...warnings.map(warningDiagnostic), ...effects.flatMap(effectDiagnostics)],
  };
}

function changeShown({ delta, ...change }: Change): JsonObject {
  return { ...change, delta: delta.map(differenceShown) };
}

function differenceShown({ children, ...difference }: Difference): JsonObject {
  return children === undefined
    ? difference
    : { ...difference, children: children.map(differenceShown) };
}

function warningDiagnostic({ code, fix, what, where }: Problem): JsonObject {
  return {
    level: "Warning",
    code,
    message: `${what}. ${fix}`,
    ...(where === undefined ? {} : { target: where }),
  };
}

/** Beside the differences of an environment, or where it stands untouched, what becomes of it. */
function withEffects(changes: readonly Change[], effects: readonly Effect[]): readonly Change[] {
  const told = changes.map((change): Change => {
    const effect = effects.find(({ id }) => sameId(id, change.resourceId));
    if (effect === undefined) return change;
    if (change.changeType !== "Create")
      return { ...change, delta: [...change.delta, effectDifference(effect)] };
    const networkEffect = effectLines(effect).map(({ text }) => text);
    return { ...change, after: { ...change.after, networkEffect } };
  });
  const elsewhere = effects
    .filter(({ id }) => !changes.some(({ resourceId }) => sameId(id, resourceId)))
    .map((effect): Change => ({
      resourceId: effect.id,
      changeType: "Ignore",
      delta: [effectDifference(effect)],
    }));
  return [...told, ...elsewhere];
}

function sameId(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}

function effectDifference(effect: Effect): Difference {
  return {
    path: "networkEffect",
    propertyChangeType: "Array",
    children: effectLines(effect).map(({ mark, text }, index): Difference => {
      const path = String(index);
      if (mark === "gained") return { path, propertyChangeType: "Create", after: text };
      if (mark === "lost") return { path, propertyChangeType: "Delete", before: text };
      return { path, propertyChangeType: "NoEffect", after: text };
    }),
  };
}

type Line = {
  readonly mark: "gained" | "lost" | "told";
  readonly level: "Info" | "Warning" | "Error";
  readonly code: string;
  readonly text: string;
};

function effectDiagnostics(effect: Effect): readonly JsonObject[] {
  return effectLines(effect).map(({ code, level, text }) => ({
    level,
    code,
    message: text,
    target: effect.id,
  }));
}

/** What an environment gains and loses, the worst first. */
function effectLines(effect: Effect): readonly Line[] {
  switch (effect.kind) {
    case "unknown":
      return [line("told", "Warning", "NetworkEffectUnknown", describeProblem(effect.problem))];
    case "new":
      return [
        line("told", levelOf(effect.verdict), "NetworkEffect", LIFE[effect.verdict]),
        ...effect.failures.map(failureLine),
      ];
    case "changed": {
      const { after, before, difference, failures } = effect;
      const { gained, lost, more, routes, verdicts } = difference;
      const life =
        before === after
          ? []
          : [
              line(
                "told",
                levelOf(after),
                "NetworkEffect",
                `${LIFE[after]}; before, ${LIFE[before]}`,
              ),
            ];
      return [
        ...life,
        ...failures.map(failureLine),
        ...verdicts
          .filter(({ id }) => !failures.some((failure) => failure.id === id))
          .map(({ after: is, before: was, id, title }) =>
            line(
              is === "proven" ? "gained" : "lost",
              is === "violated" ? "Warning" : "Info",
              "RequirementChanged",
              `${title} (${id}): ${VERDICTS[was]} before, ${VERDICTS[is]} after`,
            ),
          ),
        ...lost.map((flow) => line("lost", "Warning", "FlowLost", `lost: ${flowWords(flow)}`)),
        ...gained.map((flow) => line("gained", "Info", "FlowGained", `gained: ${flowWords(flow)}`)),
        ...routes.map(({ after: is, before: was, to }) =>
          line("told", "Info", "RouteChanged", `to ${to}: ${is}; before, ${was}`),
        ),
        ...(more
          ? [line("told", "Info", "NetworkEffect", "and more; `ase diff` lists sets of packets")]
          : []),
      ];
    }
  }
}

function line(mark: Line["mark"], level: Line["level"], code: string, text: string): Line {
  return { mark, level, code, text };
}

function failureLine(failure: Extract<Effect, { kind: "new" }>["failures"][number]): Line {
  const { consequence, culprit, grade, id, packet, title, what } = failure;
  const level = grade === "hard" ? "Error" : "Warning";
  const example =
    packet === undefined
      ? ""
      : `, e.g. ${packet.protocol} ${packet.from}:${packet.fromPort} -> ${packet.to}:${packet.toPort}`;
  const parts = [`${title} (${id}): ${what}${example}`, culprit?.sentence, consequence];
  const text = parts.filter((part) => part !== undefined).join("; ");
  return line("lost", level, "RequirementViolated", text);
}

function flowWords({ direction, packet, sentence }: FlowChange): string {
  return `${direction.toLowerCase()} ${sentence}, e.g. ${packet}`;
}

const LIFE: Readonly<Record<LifeVerdict, string>> = {
  lives: "every flow the environment depends on is proven",
  unclear: "whether the environment lives depends on how Azure's documents are read",
  suspended: "a flow the environment depends on is stopped, and in the end it is suspended",
};

const VERDICTS: Readonly<Record<Verdict, string>> = {
  proven: "met",
  "default-rule": "met by default rules only",
  unclear: "unclear",
  violated: "not met",
};

function levelOf(verdict: LifeVerdict): Line["level"] {
  return ({ lives: "Info", unclear: "Warning", suspended: "Error" } as const)[verdict];
}
