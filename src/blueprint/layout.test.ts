import fc from "fast-check";
import { describe, expect, test } from "vitest";

import {
  addressesOfLayout,
  advanceLayout,
  beginLayout,
  FRONT_ENDS,
  giveUp,
  hasArrived,
  queueOf,
  takenBack,
  type Batch,
  type BatchSeen,
  type Layout,
  type Told,
  type WantedLayout,
  type WantedPlan,
} from "./layout.ts";

const READY: BatchSeen = { state: "ready", busy: false };

function wantedOf(
  plans: readonly Partial<WantedPlan>[],
  of: Partial<WantedLayout["configuration"]> & { readonly room?: number } = {},
): WantedLayout {
  const { room = 256, ...configuration } = of;
  return {
    kind: "External",
    room,
    configuration: {
      generation: 1,
      frontEndScaleFactor: 15,
      frontEndSize: "I1",
      settings: "[]",
      ...configuration,
    },
    plans: plans.map((plan, index) => ({
      key: `plan-${index}`,
      name: `plan-${index}`,
      size: "I1",
      count: 1,
      generation: 1,
      ...plan,
    })),
  };
}

/** Batches in words: `0-2 I1 serving`. */
function words(layout: Layout, crew = "plan-0"): readonly string[] {
  return (layout.crews[crew]?.batches ?? []).map(
    ({ from, to, size, state }) => `${from}-${to} ${size} ${state}`,
  );
}

/** Steps until nothing changes; what was told on the way. */
function settle(
  layout: Layout,
  wanted: WantedLayout,
  see: (crew: string, batch: Batch) => BatchSeen = () => READY,
  from = 0,
): { readonly layout: Layout; readonly told: readonly Told[]; readonly steps: readonly Layout[] } {
  const told: Told[] = [];
  const steps: Layout[] = [layout];
  let now = wanted;
  for (let turn = 1; turn < 60; turn += 1) {
    const last = steps.at(-1) ?? layout;
    const next = advanceLayout({ layout: last, wanted: now, see, now: from + turn * 1_000 });
    now = takenBack(now, next.told);
    told.push(...next.told);
    steps.push(next.layout);
    if (next.layout.move === undefined && next.told.length === 0) break;
  }
  return { layout: steps.at(-1) ?? layout, told, steps };
}

describe("a plan", () => {
  const small = beginLayout(wantedOf([{ count: 2 }]), 0);

  test("begins with all its instances", () => {
    expect(words(small)).toEqual(["0-2 I1 serving"]);
    expect(words(small, FRONT_ENDS)).toEqual(["0-2 I1 serving"]);
  });

  test("that grows has its new instances serve when they are ready", () => {
    const wanted = wantedOf([{ count: 5, generation: 2 }]);
    const begun = advanceLayout({ layout: small, wanted, see: () => READY, now: 1 });
    expect(words(begun.layout)).toEqual(["0-2 I1 serving", "2-5 I1 coming"]);
    const starting = (_: string, { state }: Batch): BatchSeen =>
      state === "coming" ? { state: "starting", busy: false } : READY;
    const waiting = advanceLayout({ layout: begun.layout, wanted, see: starting, now: 2 });
    expect(words(waiting.layout)).toEqual(words(begun.layout));
    const done = settle(waiting.layout, wanted);
    expect(words(done.layout)).toEqual(["0-5 I1 serving"]);
    expect(hasArrived(done.layout, "plan-0", 2)).toBe(true);
  });

  test("that shrinks lets those go when nothing of theirs is under way", () => {
    const wanted = wantedOf([{ count: 1, generation: 2 }]);
    const begun = advanceLayout({ layout: small, wanted, see: () => READY, now: 1 });
    expect(words(begun.layout)).toEqual(["0-1 I1 serving", "1-2 I1 leaving"]);
    const busy = (): BatchSeen => ({ state: "ready", busy: true });
    const waiting = advanceLayout({ layout: begun.layout, wanted, see: busy, now: 60_000 });
    expect(words(waiting.layout)).toEqual(words(begun.layout));
    expect(hasArrived(waiting.layout, "plan-0", 2)).toBe(false);
    // No request takes longer than App Service allows.
    const late = advanceLayout({ layout: waiting.layout, wanted, see: busy, now: 300_000 });
    expect(words(late.layout)).toEqual(["0-1 I1 serving"]);
  });

  test("of another size exists twice, the old instances serve until the new ones do", () => {
    const wanted = wantedOf([{ count: 2, size: "I3", generation: 2 }]);
    const { steps, layout } = settle(small, wanted);
    expect(steps.map((step) => words(step).join(", "))).toEqual([
      "0-2 I1 serving",
      "0-2 I1 serving, 0-2 I3 coming",
      "0-2 I1 leaving, 0-2 I3 serving",
      "0-2 I3 serving",
      "0-2 I3 serving",
    ]);
    expect(layout.last).toEqual({ kind: "scale", result: "Succeeded" });
    expect(Math.max(...steps.map((step) => addressesOfLayout(step, "External")))).toBe(16);
  });

  test("of another size whose instances fail stays what it was", () => {
    const wanted = wantedOf([{ count: 2, size: "I2", generation: 2 }]);
    const fails = (_: string, { size }: Batch): BatchSeen =>
      size === "I2" ? { state: "failed", busy: false } : READY;
    const { layout, told } = settle(small, wanted, fails);
    expect(words(layout)).toEqual(["0-2 I1 serving"]);
    expect(told.map(({ kind }) => kind)).toEqual(["began", "declined"]);
    expect(told[1]).toMatchObject({
      target: { size: "I1", count: 2 },
      problem: { code: "InstancesNotReady" },
    });
  });

  test("may be given up while its new instances take no traffic, and not later", () => {
    const wanted = wantedOf([{ count: 2, size: "I2", generation: 2 }]);
    const problem = { code: "OperationCanceled", what: "it was canceled", fix: "None." };
    const { steps } = settle(small, wanted);
    const given = giveUp(steps[1] ?? small, "plan-0", problem, 5);
    expect(words(given?.layout ?? small)).toEqual(["0-2 I1 serving"]);
    expect(giveUp(steps[2] ?? small, "plan-0", problem, 5)).toBeUndefined();
  });
});

describe("moves", () => {
  test("go one at a time; what comes meanwhile goes together afterwards", () => {
    const begun = beginLayout(wantedOf([{}, {}, {}]), 0);
    const first = wantedOf([{ count: 2, generation: 2 }, {}, {}]);
    const moving = advanceLayout({ layout: begun, wanted: first, see: () => READY, now: 1 });
    const more = wantedOf([
      { count: 2, generation: 2 },
      { count: 3, generation: 4 },
      { count: 4, generation: 3 },
    ]);
    const starting = (): BatchSeen => ({ state: "starting", busy: false });
    const waiting = advanceLayout({ layout: moving.layout, wanted: more, see: starting, now: 2 });
    expect(Object.keys(waiting.layout.move?.before ?? {})).toEqual(["plan-0"]);
    expect(queueOf(waiting.layout, more)).toEqual({ "plan-0": 0, "plan-2": 1, "plan-1": 2 });
    const { told } = settle(waiting.layout, more);
    expect(told.map(({ kind, crew }) => `${crew} ${kind}`)).toEqual([
      "plan-0 ended",
      "plan-2 began",
      "plan-1 began",
      "plan-2 ended",
      "plan-1 ended",
    ]);
  });

  test("of the configuration go alone, in their turn", () => {
    const begun = beginLayout(wantedOf([{}, {}]), 0);
    const wanted = wantedOf(
      [
        { count: 2, generation: 2 },
        { count: 2, generation: 4 },
      ],
      {
        generation: 3,
        frontEndSize: "I2",
      },
    );
    const { told, layout } = settle(begun, wanted);
    expect(told.filter(({ kind }) => kind === "began").map(({ crew }) => crew)).toEqual([
      "plan-0",
      "plan-1",
      FRONT_ENDS,
    ]);
    const turned = wantedOf(
      [
        { count: 3, generation: 9 },
        { count: 2, generation: 4 },
      ],
      {
        generation: 8,
        frontEndSize: "I1",
      },
    );
    const again = settle(layout, turned);
    expect(again.told.map(({ kind, crew }) => `${crew} ${kind}`)).toEqual([
      `${FRONT_ENDS} began`,
      `${FRONT_ENDS} ended`,
      "plan-0 began",
      "plan-0 ended",
    ]);
    expect(words(again.layout, FRONT_ENDS)).toEqual(["0-2 I1 serving"]);
  });

  test("that need more addresses than there are go one by one, or not at all", () => {
    const begun = beginLayout(wantedOf([{ count: 6 }, { count: 6 }], { room: 32 }), 0);
    const both = wantedOf(
      [
        { count: 6, size: "I2", generation: 2 },
        { count: 6, size: "I2", generation: 3 },
      ],
      { room: 32 },
    );
    const { told, steps } = settle(begun, both);
    expect(told.map(({ kind, crew }) => `${crew} ${kind}`)).toEqual([
      "plan-0 began",
      "plan-0 ended",
      "plan-1 began",
      "plan-1 ended",
    ]);
    expect(Math.max(...steps.map((step) => addressesOfLayout(step, "External")))).toBe(30);
    const tooMuch = wantedOf([{ count: 12, size: "I3", generation: 9 }], { room: 32 });
    const full = beginLayout(wantedOf([{ count: 12 }], { room: 32 }), 0);
    const refused = advanceLayout({ layout: full, wanted: tooMuch, see: () => READY, now: 1 });
    expect(refused.told).toMatchObject([
      {
        kind: "declined",
        target: { size: "I1", count: 12 },
        problem: {
          code: "SubnetIsFull",
          what: "plan-0 cannot change from 12 I1 to 12 I3: on the way 36 addresses are needed, and the subnet has 32",
        },
      },
    ]);
    expect(words(refused.layout)).toEqual(["0-12 I1 serving"]);
  });

  test("end as wanted, whatever is asked for in which order, and somebody always serves", () => {
    const size = fc.constantFrom("I1" as const, "I2" as const, "I3" as const);
    const plan = fc.record({ size, count: fc.integer({ min: 1, max: 40 }) });
    const wish = fc.record({
      plans: fc.tuple(plan, plan),
      frontEndScaleFactor: fc.integer({ min: 5, max: 15 }),
      frontEndSize: size,
      turns: fc.integer({ min: 1, max: 6 }),
    });
    fc.assert(
      fc.property(fc.array(wish, { minLength: 1, maxLength: 6 }), (wishes) => {
        let layout = beginLayout(wantedOf([{}, {}]), 0);
        let now = 0;
        let wanted = wantedOf([{}, {}]);
        for (const [index, one] of wishes.entries()) {
          const generation = index + 2;
          wanted = wantedOf(
            one.plans.map((each) => ({ ...each, generation })),
            { ...one, generation, room: 1_024 },
          );
          for (let turn = 0; turn < one.turns; turn += 1) {
            now += 1_000;
            ({ layout } = advanceLayout({ layout, wanted, see: () => READY, now }));
            for (const crew of ["plan-0", "plan-1", FRONT_ENDS]) {
              const batches = layout.crews[crew]?.batches ?? [];
              expect(batches.some(({ state }) => state === "serving")).toBe(true);
              const names = batches.flatMap(({ from, to, size: of }) =>
                Array.from({ length: to - from }, (_, offset) => `${of} ${from + offset}`),
              );
              expect(new Set(names).size).toBe(names.length);
            }
          }
        }
        const end = settle(layout, wanted, () => READY, now).layout;
        for (const { key, count, size: of } of wanted.plans)
          expect(words(end, key)).toEqual([`0-${count} ${of} serving`]);
        expect(hasArrived(end, FRONT_ENDS, wanted.configuration.generation)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });
});
