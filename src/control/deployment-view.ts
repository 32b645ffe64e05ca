/**
 * Deployments and their steps as ARM shows them. Rendering only.
 */
import type { JsonObject } from "../arm/json.ts";
import type { Deployment, DeploymentStep } from "./deployment-record.ts";
import { bodyOfProblem } from "./error-body.ts";

export function renderDeployment(deployment: Deployment): JsonObject {
  const { error, finishedAt, location, outputs, warnings } = deployment;
  return {
    id: deployment.id,
    name: deployment.name,
    type: "Microsoft.Resources/deployments",
    ...(location === undefined ? {} : { location }),
    properties: {
      provisioningState: deployment.state,
      mode: deployment.mode,
      correlationId: deployment.correlationId,
      timestamp: timeOf(finishedAt ?? deployment.startedAt),
      duration: durationOf(deployment),
      parameters: withTypes(deployment),
      outputs: outputs ?? {},
      outputResources: deployment.outputResources.map((id) => ({ id })),
      providers: [],
      dependencies: [],
      diagnostics: warnings.map(({ code, fix, what, where }) => ({
        level: "Warning",
        code,
        message: `${what}. ${fix}`,
        ...(where === undefined ? {} : { target: where }),
      })),
      ...(error === undefined ? {} : { error: bodyOfProblem(error) }),
    },
  };
}

export function renderStep(deployment: Deployment, step: DeploymentStep): JsonObject {
  const { error, finishedAt, name, path, startedAt, state, target, type } = step;
  return {
    id: `${deployment.id}/operations/${step.operationId}`,
    operationId: step.operationId,
    properties: {
      provisioningOperation: "Create",
      provisioningState: state,
      timestamp: timeOf(finishedAt ?? startedAt),
      duration: durationOf(step),
      statusCode: { Running: "Accepted", Succeeded: "OK", Failed: "BadRequest" }[state],
      targetResource: { id: target, resourceType: type, resourceName: name, templatePath: path },
      ...(error === undefined ? {} : { statusMessage: { error: bodyOfProblem(error) } }),
    },
  };
}

function withTypes({ shownParameters, template }: Deployment): JsonObject {
  const declared = (template["parameters"] ?? {}) as JsonObject;
  return Object.fromEntries(
    Object.entries(shownParameters).map(([name, value]) => {
      const type = (declared[name] as JsonObject | undefined)?.["type"] ?? "String";
      return [name, { type, value }];
    }),
  );
}

function timeOf(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

function durationOf(of: { readonly startedAt: number; readonly finishedAt?: number }): string {
  const seconds = ((of.finishedAt ?? of.startedAt) - of.startedAt) / 1000;
  return `PT${seconds}S`;
}
