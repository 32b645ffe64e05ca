import { describe, expect, test } from "vitest";

import {
  countFailures,
  describeHealth,
  judge,
  PREPARING_MS,
  type Cause,
  type Health,
} from "./health.ts";

const cause = (grade: Cause["grade"]): Cause => ({
  flow: "sql",
  title: "the environment's database",
  grade,
  met: "no answer within 1000 ms",
  stoppedBy: "denied by rule NoSql (priority 200, outbound) of ase-nsg",
});
const healthy: Health = { state: "healthy", since: 0, causes: [] };
const minutes = 60_000;

describe("health of an environment", () => {
  test("a cut hard flow makes it unhealthy, and suspended when it lasts", () => {
    const failures = [cause("hard")];
    const ill = judge(healthy, { now: 5, complete: true, failures }, 10 * minutes);
    expect(ill).toMatchObject({ state: "unhealthy", since: 5 });
    const still = judge(ill, { now: 9 * minutes, complete: true, failures }, 10 * minutes);
    expect(still).toMatchObject({ state: "unhealthy", since: 5 });
    const end = judge(still, { now: 10 * minutes + 5, complete: true, failures }, 10 * minutes);
    expect(end).toMatchObject({ state: "suspended", by: "health", causes: failures });
  });

  test("repair in time heals, and a suspended one stays so until it is resumed", () => {
    const ill: Health = { state: "unhealthy", since: 0, causes: [cause("hard")] };
    const round = { now: 7, complete: true, failures: [] };
    expect(judge(ill, round, minutes)).toEqual({ state: "healthy", since: 7, causes: [] });
    const suspended: Health = { state: "suspended", since: 0, causes: [], by: "health" };
    expect(judge(suspended, round, minutes)).toBe(suspended);
  });

  test("flows that are not hard are named and do not make ill", () => {
    const round = { now: 7, complete: true, failures: [cause("app"), cause("degraded")] };
    expect(judge(healthy, round, minutes)).toMatchObject({ state: "healthy", since: 0 });
    expect(describeHealth(judge(healthy, round, minutes))).toContain("NoSql");
  });

  test("an environment becomes healthy only after every flow was tried", () => {
    const preparing: Health = { state: "preparing", since: 0, causes: [] };
    expect(judge(preparing, { now: 1, complete: false, failures: [] }, 1)).toBe(preparing);
    expect(judge(preparing, { now: 1, complete: true, failures: [] }, 1).state).toBe("healthy");
  });

  test("a new one is given some time before it is called unhealthy", () => {
    const preparing: Health = { state: "preparing", since: 0, causes: [] };
    const failures = [cause("hard")];
    const early = judge(preparing, { now: 1_000, complete: true, failures }, minutes);
    expect(early).toEqual({ state: "preparing", since: 0, causes: failures });
    expect(judge(early, { now: PREPARING_MS, complete: true, failures }, minutes).state).toBe(
      "unhealthy",
    );
  });

  test("only rounds in a row count", () => {
    const once = countFailures({}, ["sql", "dns"]);
    expect(countFailures(once, ["sql"])).toEqual({ sql: 2 });
  });
});
