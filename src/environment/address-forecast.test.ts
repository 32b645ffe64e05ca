import { describe, expect, test } from "vitest";

import { forecastAddresses } from "./address-forecast.ts";

const external = (instances: number) =>
  ({ kind: "External", instances, frontEndScaleFactor: 15 }) as const;
const reach = (subnet: number, kind: "External" | "Internal" = "External") => {
  const { mostInstances, mostWhileScaling } = forecastAddresses({ ...external(0), kind }, subnet);
  return [mostInstances, mostWhileScaling];
};

describe("how far a subnet reaches", () => {
  test("is what the published sizes say: instances at rest, and of one plan that changes its size", () => {
    expect(reach(16)).toEqual([4, 2]);
    expect(reach(16, "Internal")).toEqual([3, 1]);
    expect(reach(32)).toEqual([19, 9]);
    expect(reach(64)).toEqual([47, 23]);
    expect(reach(128)).toEqual([104, 52]);
    expect(reach(256)).toEqual([201, 100]);
  });

  test("is told step by step: a /24 stands with 201, and cannot change a plan of 100 then", () => {
    const { free, steps, used } = forecastAddresses(external(2), 256);
    expect([used, free]).toEqual([14, 242]);
    expect(steps.find(({ instances }) => instances === 201)).toEqual({
      instances: 201,
      atRest: 236,
      whileScaling: 348,
      reach: "rests",
    });
    expect(steps.map(({ instances }) => instances).slice(0, 5)).toEqual([0, 2, 15, 20, 30]);
  });
});
