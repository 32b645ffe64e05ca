import { describe, expect, test } from "vitest";

import { addressesAtRest, addressesWhileScaling, infrastructureRoles } from "./addresses.ts";

const usual = { frontEndScaleFactor: 15 };

describe("addresses of an environment", () => {
  test("an empty one takes 12, or 13 with an internal load balancer", () => {
    expect(addressesAtRest({ kind: "External", instances: 0, ...usual })).toBe(12);
    expect(addressesAtRest({ kind: "Internal", instances: 0, ...usual })).toBe(13);
  });

  test("roles join at every multiple of 15 and of 20 instances", () => {
    const total = (instances: number) => addressesAtRest({ kind: "External", instances, ...usual });
    const joins = [...Array(61).keys()].filter((n) => 0 < n && 1 < total(n) - total(n - 1));
    expect(joins).toEqual([15, 20, 30, 40, 45, 60]);
    expect(total(60) - total(59)).toBe(3);
  });

  test("two front ends at first, and one more per scale factor", () => {
    const frontEnds = (instances: number, frontEndScaleFactor: number) =>
      infrastructureRoles({ kind: "External", instances, frontEndScaleFactor }).FrontEnd;
    expect([frontEnds(0, 15), frontEnds(15, 15), frontEnds(30, 15), frontEnds(10, 5)]).toEqual([
      2, 3, 4, 4,
    ]);
  });

  test("a /24 suffices for 100 instances while they scale, and a /25 does not", () => {
    const peak = addressesWhileScaling({ kind: "Internal", instances: 100, ...usual }, 100);
    expect(peak).toBeLessThanOrEqual(256);
    expect(peak).toBeGreaterThan(128);
  });
});
