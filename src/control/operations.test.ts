import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { openTestPlane, type TestPlane } from "../../test/support/plane.ts";
import { settleOperations, tidyOperations } from "./operations.ts";
import { wantedGeneration, wantedResources } from "./wanted.ts";

let t: TestPlane;
beforeEach(async () => {
  t = await openTestPlane();
  t.world.status = () => ({ state: "pending" });
});
afterEach(() => t.end());

const put = (name: string) =>
  t.plane.resources.put({
    id: {
      subscription: t.plane.account.subscriptionId,
      resourceGroup: "rg1",
      namespace: "Microsoft.Network",
      types: ["routeTables"],
      names: [name],
    },
    body: { location: "here" },
  });

describe("operations", () => {
  test("are asked about with the generation that their write brought", async () => {
    await t.ask("PUT", "{rg}", { location: "here" });
    put("a");
    const generation = wantedGeneration(t.store);
    put("b");
    const asked: [string, number][] = [];
    const finished = settleOperations(t.store, (key, at) => {
      asked.push([key.split("/").at(-1) ?? "", at]);
      return { state: at <= generation ? "reached" : "pending" };
    });
    expect(finished).toBe(1);
    expect(asked.toSorted(([one], [other]) => one.localeCompare(other))).toEqual([
      ["a", generation],
      ["b", generation + 1],
    ]);
    expect(settleOperations(t.store, () => ({ state: "pending" }))).toBe(0);
    expect(settleOperations(t.store, () => ({ state: "failed" }))).toBe(1);
  });

  test("who waits for one is woken when it ends, or when the time is up", async () => {
    await t.ask("PUT", "{rg}", { location: "here" });
    const written = put("a");
    const id = written.ok ? (written.value.operation?.id ?? "") : "";
    expect((await t.plane.operations.wait(id, 1))?.state).toBe("InProgress");
    const waiting = t.plane.operations.wait(id, 60_000);
    settleOperations(t.store, () => ({ state: "reached" }));
    expect((await waiting)?.state).toBe("Succeeded");
  });

  test("of work that died with the control plane are ended at the next start, others go on", async () => {
    await t.ask("PUT", "{rg}", { location: "here" });
    const written = put("a");
    const begun = t.plane.operations.begin({ kind: "content", target: "/x", targetKey: "/x" });
    t = await t.restart();
    const state = (id: string) => t.plane.operations.get(id);
    expect(begun.ok && state(begun.value.id)).toMatchObject({
      state: "Failed",
      error: { code: "OperationInterrupted" },
    });
    expect(written.ok && state(written.value.operation?.id ?? "")).toMatchObject({
      state: "InProgress",
    });
  });

  test("that ended long ago are forgotten", async () => {
    const begun = t.plane.operations.begin({ kind: "action", target: "/x", targetKey: "/x" });
    const id = begun.ok ? begun.value.id : "";
    t.plane.operations.finish(id, undefined);
    tidyOperations(t.store, Date.now());
    expect(t.plane.operations.get(id)?.state).toBe("Succeeded");
    tidyOperations(t.store, Date.now() + 25 * 60 * 60 * 1000);
    expect(t.plane.operations.get(id)).toBeUndefined();
  });

  test("every write makes a new wanted generation, a refused one does not", async () => {
    await t.ask("PUT", "{rg}", { location: "here" });
    const before = wantedGeneration(t.store);
    put("a");
    put("a");
    expect(wantedGeneration(t.store)).toBe(before + 2);
    await t.ask("PUT", "{rg}/providers/Microsoft.Network/virtualNetworks/v", {});
    expect(wantedGeneration(t.store)).toBe(before + 2);
    expect(wantedResources(t.store).map(({ name }) => name)).toEqual(["rg1", "a"]);
  });

  test("subscription and tenant stay over a start", async () => {
    const { account } = t.plane;
    t = await t.restart();
    expect(t.plane.account).toEqual(account);
  });
});
