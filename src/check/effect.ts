/**
 * What a change of resources does to the environments among them: requirements that are met or no
 * longer met, flows gained and lost, where routes lead, and for a new one how it fares.
 *
 * Environment by environment, so that one that cannot be judged hides none of the others.
 */
import type { Problem } from "../base/problem.ts";
import { check, type CheckRequest } from "./check.ts";
import { diff, type Difference } from "./diff.ts";
import { fails, type Finding, type LifeVerdict } from "./finding.ts";
import { ofType } from "./subject.ts";

export type Effect =
  | {
      readonly kind: "new";
      readonly id: string;
      readonly name: string;
      readonly verdict: LifeVerdict;
      /** What an environment would suffer from; what is met by default rules only left out. */
      readonly failures: readonly Finding[];
    }
  | {
      readonly kind: "changed";
      readonly id: string;
      readonly name: string;
      readonly before: LifeVerdict;
      readonly after: LifeVerdict;
      readonly difference: Difference;
      /** Failures that were none before. */
      readonly failures: readonly Finding[];
    }
  | {
      readonly kind: "unknown";
      readonly id: string;
      readonly name: string;
      readonly problem: Problem;
    };

type Side = Pick<CheckRequest, "resources">;

/** Environments that fare as before are left out. */
export function effectsOf(before: Side, after: Side, tag: CheckRequest["tag"]): readonly Effect[] {
  const known = new Set(environmentsIn(before).map(({ key }) => key));
  const request = (side: Side, environment: string): CheckRequest => ({
    resources: side.resources,
    environment,
    placeOf: () => undefined,
    tag,
  });
  return environmentsIn(after).flatMap(({ id, key, name }): readonly Effect[] => {
    const now = request(after, name);
    const old = request(before, name);
    const effect = known.has(key) ? changed(id, old, now) : created(id, now);
    if (!("problem" in effect))
      return effect.kind === "changed" && isNothing(effect) ? [] : [effect];
    return [{ kind: "unknown", id, name, problem: effect.problem }];
  });
}

type Judged = Exclude<Effect, { readonly kind: "unknown" }> | { readonly problem: Problem };

function created(id: string, now: CheckRequest): Judged {
  const report = check(now);
  if (!report.ok) return { problem: report.problem };
  const own = report.value.environments.find((one) => one.id === id);
  if (own === undefined) return { problem: unreported(id) };
  const { findings, name, verdict } = own;
  return { kind: "new", id, name, verdict, failures: findings.filter(isFailure) };
}

function changed(id: string, old: CheckRequest, now: CheckRequest): Judged {
  const [was, is] = [check(old), check(now)];
  if (!is.ok) return { problem: is.problem };
  // What could not be judged before is judged as something new.
  if (!was.ok) return created(id, now);
  const differences = diff(old, now);
  if (!differences.ok) return { problem: differences.problem };
  const [one, other] = [was, is].map(({ value }) =>
    value.environments.find((environment) => environment.id === id),
  );
  const difference = differences.value.find(({ environment }) => environment === other?.name);
  if (one === undefined || other === undefined || difference === undefined)
    return { problem: unreported(id) };
  const failedBefore = new Set(one.findings.filter(isFailure).map((finding) => finding.id));
  return {
    kind: "changed",
    id,
    name: other.name,
    before: one.verdict,
    after: other.verdict,
    difference,
    failures: other.findings.filter(
      (finding) => isFailure(finding) && !failedBefore.has(finding.id),
    ),
  };
}

function isFailure(finding: Finding): boolean {
  return fails(finding, "app");
}

function isNothing({ difference }: Extract<Effect, { readonly kind: "changed" }>): boolean {
  const { gained, lost, routes, verdicts } = difference;
  return gained.length + lost.length + routes.length + verdicts.length === 0;
}

function environmentsIn({ resources }: Side) {
  return ofType(resources, "Microsoft.Web/hostingEnvironments");
}

function unreported(id: string): Problem {
  return {
    code: "EnvironmentNotFound",
    what: `nothing could be said of ${id}`,
    fix: "Give environments names of their own.",
    where: id,
  };
}
