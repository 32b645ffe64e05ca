/**
 * Answers what template expressions ask of what exists: reference() and list...().
 *
 * A resource that is kept but does not run answers with what it declares and with the names its
 * service would have by rule; keys are made up, and a warning says so.
 */
import { declaredValues, placeholderKeys } from "../arm/declared-values.ts";
import type { Runtime } from "../arm/evaluate.ts";
import { keyOf } from "../arm/ids.ts";
import { isJsonObject, type JsonObject, property } from "../arm/json.ts";
import { type Problem, ProblemError } from "../base/problem.ts";
import type { Reading } from "../store/store.ts";
import { readDeployment } from "./deployment-record.ts";
import { renderDeployment } from "./deployment-view.ts";
import type { Views } from "./view.ts";
import { storedResource } from "./wanted.ts";

export type RuntimeOptions = {
  readonly reading: Reading;
  readonly views: Views;
  readonly warn: (warning: Problem) => void;
};

export function runtimeOver({ reading, views, warn }: RuntimeOptions): Runtime {
  return (call) => {
    const key = keyOf(call.id);
    const resource = storedResource(reading, key)?.resource;
    const shown = views.of(reading, key) ?? deploymentAt(reading, key);
    if (shown === undefined)
      throw new ProblemError({
        code: "ResourceNotFound",
        what: `the template refers to ${call.id}, which does not exist`,
        fix: "Create it first, let the template depend on it, or correct the id.",
        where: call.id,
      });
    const declaredOnly = resource?.type === "DeclaredOnly" ? resource : undefined;
    if (call.call === "reference")
      return declaredOnly === undefined ? shown : withValues(shown, declaredValues(declaredOnly));
    if (declaredOnly !== undefined) {
      warn({
        code: "PlaceholderKeys",
        what: `${call.action} of ${declaredOnly.name} gives made-up keys: no ${declaredOnly.declaredType} runs here`,
        fix: "Give the app the keys of a service that runs, if it needs them.",
        where: declaredOnly.id,
      });
      return placeholderKeys(declaredOnly);
    }
    throw new ProblemError({
      code: "ActionNotSupported",
      what: `${call.action} is not offered by ${call.id}`,
      fix: "Use reference(), or leave it out.",
      where: call.id,
    });
  };
}

function deploymentAt(reading: Reading, key: string): JsonObject | undefined {
  const deployment = readDeployment(reading, key);
  return deployment === undefined ? undefined : renderDeployment(deployment);
}

/** What was declared counts; values that only the service would add stand beside it. */
function withValues(shown: JsonObject, values: JsonObject): JsonObject {
  const declared = property(shown, "properties");
  return { ...shown, properties: { ...values, ...(isJsonObject(declared) ? declared : {}) } };
}
