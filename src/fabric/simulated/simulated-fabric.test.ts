import { describe, expect, test } from "vitest";

import {
  agentHost,
  BOB,
  CAROL,
  FAR,
  FROM_ALICE,
  probe,
  smallWorld,
} from "../../../test/support/worlds.ts";
import type { Blueprint } from "../../blueprint/blueprint.ts";
import { planSteps } from "../../blueprint/steps.ts";
import { openSimulatedFabric, type SimulatedFabric } from "./simulated-fabric.ts";

const TO_BOB = probe(FROM_ALICE, BOB);

async function standing(clock = { now: 0 }): Promise<SimulatedFabric> {
  const simulated = openSimulatedFabric(() => clock.now);
  await become(simulated, smallWorld());
  return simulated;
}

async function become({ fabric }: SimulatedFabric, blueprint: Blueprint) {
  const seen = await fabric.observe();
  if (!seen.ok) throw new Error(seen.problem.what);
  const answers = [];
  for (const step of planSteps(seen.value, blueprint).flat())
    answers.push(await fabric.carryOut(blueprint.generation, step));
  return answers;
}

describe("faults of a simulated world", () => {
  test("a killed program refuses connections and is observed as failed, until it is started", async () => {
    const clock = { now: 5 };
    const { fabric, faults } = await standing(clock);
    clock.now = 9;
    expect(faults.killProgram("bob", "agent")).toBe(true);
    expect(faults.killProgram("bob", "nothing")).toBe(false);
    expect(await fabric.probe(TO_BOB)).toMatchObject({
      ok: false,
      reason: expect.stringContaining("refuses"),
    });
    const seen = await fabric.observe();
    expect(
      seen.ok && seen.value.hosts.find(({ host }) => host.name === "bob")?.programs,
    ).toMatchObject([{ state: "failed", since: 9, problem: { code: "ProgramEnded" } }]);
    faults.startProgram("bob", "agent");
    expect(await fabric.probe(TO_BOB)).toMatchObject({ ok: true });
    const logs = await fabric.logs({ host: "bob", lines: 10 });
    expect(logs.ok && logs.value.map(({ text }) => text)).toEqual(["running", "failed", "running"]);
    expect(await fabric.logs({ host: "bob", lines: 0 })).toEqual({ ok: true, value: [] });
  });

  test("a host that dropped out is missed, and planning brings it back", async () => {
    const simulated = await standing();
    expect(simulated.faults.dropHost("bob")).toBe(true);
    expect(await simulated.fabric.probe(TO_BOB)).toMatchObject({
      ok: false,
      elapsedMs: TO_BOB.timeoutMs,
    });
    expect(await become(simulated, smallWorld())).toEqual([{ ok: true, value: "done" }]);
    expect(await simulated.fabric.probe(TO_BOB)).toMatchObject({ ok: true });
  });

  test("a proxy tells of requests that are under way with a host it leads to no more", async () => {
    const { fabric, faults } = await standing();
    const proxy = (...names: readonly string[]) => ({
      ...agentHost("carol", FAR, CAROL),
      programs: [
        {
          kind: "front-end" as const,
          name: "proxy",
          address: CAROL,
          sites: [
            {
              name: "shop",
              hostNames: ["shop.test"],
              running: true,
              httpsOnly: false,
              backends: names.map((name) => ({ name, address: BOB, port: 80 })),
            },
          ],
          certificates: [],
        },
      ],
    });
    const busy = async () => {
      const seen = await fabric.observe();
      const carol = seen.ok
        ? seen.value.hosts.find(({ host }) => host.name === "carol")
        : undefined;
      return carol?.programs[0]?.busyWith ?? [];
    };
    await fabric.carryOut(2, { do: "put-host", host: proxy("alice", "bob") });
    faults.holdRequests("bob");
    expect(await busy()).toEqual([]);
    await fabric.carryOut(2, { do: "put-host", host: proxy("alice") });
    expect(await busy()).toEqual(["bob"]);
    faults.endRequests("bob");
    expect(await busy()).toEqual([]);
  });

  test("steps are declined as a test says, and change nothing", async () => {
    const simulated = openSimulatedFabric(() => 0);
    const problem = { code: "Broken", what: "no", fix: "none" };
    simulated.faults.declineSteps((step) => (step.do === "put-host" ? problem : undefined));
    const answers = await become(simulated, smallWorld());
    expect(answers.filter(({ ok }) => !ok)).toEqual(
      ["alice", "bob", "carol"].map(() => ({ ok: false, problem })),
    );
    expect(await simulated.fabric.observe()).toMatchObject({ value: { hosts: [] } });
  });

  test("a conversation that nobody there speaks fails", async () => {
    const { fabric } = await standing();
    expect(await fabric.probe({ ...TO_BOB, conversation: "sql" })).toMatchObject({
      ok: false,
      reason: expect.stringContaining("does not speak sql"),
    });
  });

  test("an ended world declines everything", async () => {
    const { fabric } = await standing();
    await fabric.end();
    expect(await fabric.observe()).toMatchObject({ ok: false });
    expect(await fabric.carryOut(9, { do: "remove-host", name: "bob" })).toMatchObject({
      ok: false,
    });
    expect(await fabric.probe(TO_BOB)).toMatchObject({ ok: false });
  });
});
