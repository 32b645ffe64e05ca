/** The control plane dies at any instant: apps go on, what was acknowledged stays, the world is adopted. */
import { setTimeout as pause } from "node:timers/promises";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { endServer } from "../../src/cli/server.ts";
import { groupsOf, machineNetwork, processesOf, treeOf, worldId } from "../support/machine.ts";
import {
  good,
  openTestWorld,
  until,
  untilHealthy,
  type Loose,
  type TestWorld,
} from "../support/world.ts";

const NETWORK_BEFORE = machineNetwork();

/** Deaths of the control plane in a row; 100 by hand: KILLS=100. */
const KILLS = Number(process.env["KILLS"] ?? 20);

let world: TestWorld;
beforeAll(async () => {
  world = await openTestWorld({ app: "hello" });
  await untilHealthy(world);
});
afterAll(async () => {
  await world?.close();
  expect(machineNetwork()).toBe(NETWORK_BEFORE);
});

const rule = (name: string) =>
  world.network(`networkSecurityGroups/demo-nsg/securityRules/${name}`);
const allow = (priority: number) => ({
  properties: {
    priority,
    direction: "Inbound",
    access: "Allow",
    protocol: "Tcp",
    sourceAddressPrefix: "*",
    sourcePortRange: "*",
    destinationAddressPrefix: "*",
    destinationPortRange: "8080",
  },
});
const control = () => processesOf(world.home.folder).find(({ what }) => what.includes(" control "));
const others = () =>
  treeOf(world.home.folder)
    .filter(({ what }) => !what.includes(" control "))
    .map(({ pid, startTime, what }) => `${pid} ${startTime} ${what}`);
/** One for each front end; its workers are children of it. */
const proxies = () => {
  const tree = treeOf(world.home.folder);
  const isProxy = (pid: number) =>
    tree.some((one) => one.pid === pid && one.what.startsWith("haproxy "));
  return tree
    .filter(
      ({ pid, parent, what }) => isProxy(pid) && !isProxy(parent) && what.includes("front-end"),
    )
    .map(({ pid }) => pid);
};

function kill(): void {
  const running = control();
  if (running === undefined) throw new Error("no control plane runs");
  process.kill(running.pid, "SIGKILL");
}

/** Requests one after the other through the doorway, each a new connection, until told to end. */
function steadyRequests() {
  const seen: string[] = [];
  let isOn = true;
  const one = async () => {
    while (isOn)
      await world.door("/").then(
        ({ status }) => seen.push(String(status)),
        (thrown: unknown) => seen.push(String(thrown)),
      );
  };
  const work = Promise.all([one(), one()]);
  return {
    more: (count: number) => {
      const from = seen.length;
      return until(
        `${count} more requests`,
        () => (seen.length >= from + count ? true : undefined),
        20_000,
      );
    },
    end: async () => {
      isOn = false;
      await work;
      return seen;
    },
  };
}

describe("the world", () => {
  test("goes without a trace with `ase down`, and comes back as it was declared", async () => {
    const before = await world.ledger();
    expect(good(await endServer(world.home, "keep"))).toBe("ended");
    expect(treeOf(world.home.folder)).toEqual([]);
    expect(groupsOf(worldId(world.home.folder))).toEqual([]);
    expect(machineNetwork()).toBe(NETWORK_BEFORE);
    await world.startAgain();
    await untilHealthy(world);
    await until(
      "the app answers",
      async () => ((await world.door("/")).status === 200 ? true : undefined),
      10_000,
    );
    expect(await world.ledger()).toEqual(before);
  });

  test("that is killed itself is made anew by the next start", async () => {
    const outermost = processesOf(world.home.folder).find(({ what }) =>
      what.startsWith("unshare "),
    );
    expect(outermost).toBeDefined();
    if (outermost !== undefined) process.kill(outermost.pid, "SIGKILL");
    await until(
      "nothing is left of it",
      () => (treeOf(world.home.folder).length === 0 ? true : undefined),
      10_000,
    );
    await world.startAgain();
    await untilHealthy(world);
    await until(
      "the app answers",
      async () => ((await world.door("/")).status === 200 ? true : undefined),
      10_000,
    );
  });

  test("starts a front end's proxy again when it is killed, and goes on answering meanwhile", async () => {
    const before = proxies();
    const requests = steadyRequests();
    await requests.more(20);
    const [victim] = before;
    expect(victim).toBeDefined();
    if (victim !== undefined) process.kill(victim, "SIGKILL");
    await until(
      "another one runs",
      () => {
        const now = proxies();
        return now.length === before.length && victim !== undefined && !now.includes(victim)
          ? true
          : undefined;
      },
      10_000,
    );
    await requests.more(20);
    const seen = await requests.end();
    // What it carried, and what came until the keep-alive found out, may have failed; not the rest.
    expect(seen.slice(-20).every((answer) => answer === "200")).toBe(true);
    await untilHealthy(world);
  });
});

describe("the control plane is killed", () => {
  test("no request fails, and the next one adopts the very same processes", async () => {
    const before = others();
    expect(before.length).toBeGreaterThan(3);
    const requests = steadyRequests();
    await requests.more(100);
    kill();
    await until("it is gone", () => (control() === undefined ? true : undefined), 5_000);
    await requests.more(200);
    expect(others()).toEqual(before);
    const [vip, rows] = await (async () => {
      await world.startAgain();
      return [await world.vip(), await world.ledger()] as const;
    })();
    await requests.more(100);
    await untilHealthy(world);
    await requests.more(100);
    const seen = await requests.end();
    expect(seen.filter((answer) => answer !== "200")).toEqual([]);
    expect(others()).toEqual(before);
    expect(await world.vip()).toBe(vip);
    expect(rows.filter(({ use }) => use === "Worker")).toHaveLength(2);
    expect(machineNetwork()).toBe(NETWORK_BEFORE);
  });

  test("what was acknowledged is there, wherever in a row of writes it died", async () => {
    for (const [round, killAfterMs] of [15, 60, 130].entries()) {
      const acknowledged: string[] = [];
      let isDead = false;
      const writing = (async () => {
        for (let index = 0; index < 60 && !isDead; index += 1) {
          const name = `written-${round}-${index}`;
          const answer = await world
            .ask("PUT", rule(name), allow(2_000 + round * 100 + index))
            .catch(() => undefined);
          if (answer === undefined) return;
          expect([200, 201]).toContain(answer.status);
          acknowledged.push(name);
        }
      })();
      // The instant of the death is chance; that it comes amid the writes is not.
      await pause(killAfterMs);
      kill();
      isDead = true;
      await writing;
      await world.startAgain();
      const { value } = await world.arm(
        "GET",
        world.network("networkSecurityGroups/demo-nsg/securityRules"),
      );
      const names = value.map(({ name }: { readonly name: string }) => name);
      expect(acknowledged.filter((name) => !names.includes(name))).toEqual([]);
      expect((await world.door("/")).status).toBe(200);
    }
  });

  test("a write that it had only just taken is in force after the next start", async () => {
    const deny = {
      properties: { ...allow(105).properties, access: "Deny", destinationPortRange: "80" },
    };
    const answer = await world.ask("PUT", rule("just-taken"), deny);
    kill();
    expect(answer.status).toBe(201);
    await world.startAgain();
    const vip = await world.vip();
    const call = ["curl", "-s", "-m", "1", "-H", "Host: hello.demo.localhost", `http://${vip}/`];
    await until(
      "the rule is in force",
      async () => ((await world.exec("internet", call)).exitCode === 28 ? true : undefined),
      5_000,
    );
    await world.arm("DELETE", rule("just-taken"));
    expect((await world.exec("internet", call)).exitCode).toBe(0);
  });

  test("a deployment it was carrying out goes on", async () => {
    const template = {
      $schema: "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
      contentVersion: "1.0.0.0",
      resources: Array.from({ length: 10 }, (_, index) => ({
        type: "Microsoft.Network/routeTables",
        apiVersion: "2022-01-01",
        name: `table-${index}`,
        location: "local",
        properties: {},
        ...(index === 0
          ? {}
          : { dependsOn: [`[resourceId('Microsoft.Network/routeTables', 'table-${index - 1}')]`] }),
      })),
    };
    const deployment = `${world.network("").split("/providers/")[0]}/providers/Microsoft.Resources/deployments/row?api-version=2021-04-01`;
    const taken = await world.ask("PUT", deployment, {
      properties: { mode: "Incremental", template },
    });
    expect([200, 201]).toContain(taken.status);
    kill();
    await world.startAgain();
    const ended = await until(
      "the deployment ended",
      async () => {
        const { properties } = await world.arm("GET", deployment);
        return ["Succeeded", "Failed"].includes(properties.provisioningState)
          ? properties
          : undefined;
      },
      20_000,
    );
    expect(ended.provisioningState).toBe("Succeeded");
    expect((await world.ask("GET", world.network("routeTables/table-9"))).status).toBe(200);
  });

  test(
    `${KILLS} times amid writes and scaling: no request fails, no acknowledged write is lost`,
    { timeout: 60_000 + KILLS * 20_000 },
    async () => {
      const requests = steadyRequests();
      const plan = world.web("serverfarms/demo-plan");
      // What may stand: what was acknowledged last, or what was sent since without an answer.
      const possible = new Map<string, readonly number[]>();
      const write = async (name: string, value: number, id: string, body: Loose) => {
        const before = possible.get(name) ?? [name === "capacity" ? 2 : -1];
        possible.set(name, [...before, value]);
        const answer = await world.ask("PUT", id, body).catch(() => undefined);
        // A refused one (the same priority is another rule's) changes nothing.
        if (answer !== undefined) possible.set(name, answer.status < 300 ? [value] : before);
        return answer;
      };
      const capacityNow = async () => (await world.arm("GET", plan)).sku.capacity;
      for (let round = 0; round < KILLS; round += 1) {
        let isDead = false;
        const capacity = 1 + (round % 3);
        const writing = (async () => {
          await write("capacity", capacity, plan, {
            location: "local",
            sku: { name: "I1", capacity },
            properties: {
              hostingEnvironmentProfile: { id: world.web("hostingEnvironments/demo") },
            },
          });
          for (let index = 0; index < 40 && !isDead; index += 1) {
            const name = `killed-${index}`;
            const priority = 1_000 + ((round * 41 + index) % 900);
            if ((await write(name, priority, rule(name), allow(priority))) === undefined) return;
          }
        })();
        // Another instant of the work each time.
        await pause(5 + ((round * 37) % 300));
        kill();
        isDead = true;
        await writing;
        await world.startAgain();
        const { value } = await world.arm(
          "GET",
          world.network("networkSecurityGroups/demo-nsg/securityRules"),
        );
        const now = new Map<string, number>(
          value.map((one: Loose) => [one.name, one.properties.priority]),
        );
        if (possible.has("capacity")) now.set("capacity", await capacityNow());
        const lost = [...possible].filter(
          ([name, values]) => !values.includes(now.get(name) ?? -1),
        );
        expect(lost).toEqual([]);
      }
      await untilHealthy(world);
      const seen = await requests.end();
      expect(seen.filter((answer) => answer !== "200")).toEqual([]);
      expect(KILLS * 10).toBeLessThan(seen.length);
      await until(
        "the last change of the plan has ended",
        async () => {
          const workers = (await world.ledger()).filter(({ use }) => use === "Worker");
          return workers.length === (await capacityNow()) ? true : undefined;
        },
        20_000,
      );
    },
  );
});
