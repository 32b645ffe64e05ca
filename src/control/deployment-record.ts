/**
 * What is remembered of a deployment and of each of its steps. Documents only; what is done with
 * them is deployment-run.ts.
 */
import type { JsonObject } from "../arm/json.ts";
import type { Problem } from "../base/problem.ts";
import type { Caller } from "../identity/identity.ts";
import type { Reading, Transaction } from "../store/store.ts";

export type Deployment = {
  readonly id: string;
  readonly key: string;
  readonly name: string;
  /** Of a deployment to a subscription. */
  readonly location?: string;
  readonly mode: "Incremental" | "Complete";
  readonly template: JsonObject;
  /** As sent, while it runs; secrets are forgotten with its end. */
  readonly parameters: JsonObject;
  /** Without secrets, defaults included. */
  readonly shownParameters: JsonObject;
  readonly state: "Accepted" | "Running" | "Succeeded" | "Failed" | "Canceled";
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  readonly finishedAt?: number;
  /** Its operation; empty for a nested one, which is part of another's. */
  readonly operation: string;
  readonly correlationId: string;
  /** What newGuid() is made of. */
  readonly guidSeed: string;
  readonly outputs?: JsonObject;
  readonly error?: Problem;
  readonly warnings: readonly Problem[];
  /** Ids of the resources it wrote. */
  readonly outputResources: readonly string[];
  /** In whose name it is done. */
  readonly caller: Caller;
  /** Key of the deployment it is nested in. */
  readonly within?: string;
};

export type DeploymentStep = {
  /** Unique in its deployment. */
  readonly operationId: string;
  readonly target: string;
  readonly type: string;
  readonly name: string;
  /** Where it stands in the template. */
  readonly path: string;
  readonly state: "Running" | "Succeeded" | "Failed";
  readonly startedAt: number;
  readonly finishedAt?: number;
  readonly error?: Problem;
};

const DEPLOYMENT = "deployment";
const STEP = "deployment-step";
const MARK = "/providers/microsoft.resources/deployments/";

export function readDeployment(reading: Reading, key: string): Deployment | undefined {
  return reading.get<Deployment>(DEPLOYMENT, key)?.value;
}

/** @param scopeKey a group's or the subscription's key; undefined for all of them */
export function readDeployments(
  reading: Reading,
  scopeKey: string | undefined,
): readonly Deployment[] {
  const prefix = scopeKey === undefined ? "" : scopeKey + MARK;
  return reading.list<Deployment>(DEPLOYMENT, prefix).map(({ value }) => value);
}

export function readSteps(reading: Reading, key: string): readonly DeploymentStep[] {
  return reading.list<DeploymentStep>(STEP, `${key}/`).map(({ value }) => value);
}

export function storeDeployment(transaction: Transaction, deployment: Deployment): void {
  transaction.put(DEPLOYMENT, deployment.key, deployment);
}

export function storeStep(transaction: Transaction, key: string, step: DeploymentStep): void {
  transaction.put(STEP, `${key}/${step.operationId}`, step);
}

/** False: there was none. */
export function removeDeployment(transaction: Transaction, key: string): boolean {
  for (const step of transaction.list(STEP, `${key}/`)) transaction.remove(STEP, step.key);
  return transaction.remove(DEPLOYMENT, key);
}
