/**
 * Plans and front ends change while clients ask without pause: nobody notices. One scale operation
 * at a time, others queue; what does not fit, or does not run, is taken back.
 */
import { afterAll, beforeAll, describe, expect, test, onTestFinished } from "vitest";

import { fileURLToPath } from "node:url";

import {
  openTestWorld,
  until,
  untilHealthy,
  type Loose,
  type TestWorld,
} from "../support/world.ts";

const LOAD = fileURLToPath(new URL("../support/load-client.mjs", import.meta.url));
const HOST = "hello.demo.localhost";

let world: TestWorld;
beforeAll(async () => {
  // 32 addresses: room for eight instances to exist twice, and not for ten.
  world = await openTestWorld({ app: "hello", parameters: { subnetPrefix: "10.1.1.0/27" } });
  await untilHealthy(world);
});
afterAll(() => world?.close());

const plan = (name = "demo-plan") => world.web(`serverfarms/${name}`);
const environment = () => world.web("hostingEnvironments/demo");
const body = (size: string, capacity: number): Loose => ({
  location: "local",
  sku: { name: size, tier: "Isolated", capacity },
  properties: { hostingEnvironmentProfile: { id: environment() } },
});
const scale = (size: string, capacity: number, name?: string) =>
  world.arm("PUT", plan(name), body(size, capacity));
const change = async (properties: Loose) => {
  const shown = await world.arm("GET", environment());
  return world.arm("PUT", environment(), {
    location: shown.location,
    properties: { ...shown.properties, ...properties },
  });
};
const hostsOf = async (use: string) =>
  (await world.ledger()).filter((row) => row.use === use).map(({ host }) => host);
const operations = async () => (await world.arm("GET", "/openase/operations")).value;
const codes = async (after: number) =>
  (await world.events(after)).map(({ code }: Loose) => code as string);

/** Clients on the internet that ask through the VIP. */
async function load() {
  const vip = await world.vip();
  const client = world.begin("internet", [process.execPath, LOAD, vip, HOST]);
  const seen = () => {
    const line = client.said().trimEnd().split("\n").at(-1) ?? "";
    return line === "" ? { kept: 0, idle: 0, new: 0, failed: [] } : JSON.parse(line);
  };
  const total = () => seen().kept + seen().new + seen().idle;
  return {
    seen,
    total,
    more: (count: number) => {
      const from = total();
      return until(
        `${count} more answers`,
        () => (from + count <= total() ? true : undefined),
        30_000,
      );
    },
    end: () => client.end(),
  };
}

describe("under load, without a failed request", () => {
  let clients: Awaited<ReturnType<typeof load>>;
  let before = 0;
  beforeAll(async () => {
    before = await world.newestEvent();
    clients = await load();
    await clients.more(200);
  });
  afterAll(() => clients?.end());

  test("a plan is scaled out, and in", async () => {
    const before = await world.newestEvent();
    await scale("I1", 5);
    expect(await hostsOf("Worker")).toHaveLength(5);
    await clients.more(300);
    const instances = new Set<string>();
    for (let turn = 0; turn < 40; turn += 1) instances.add((await world.door("/")).json.instance);
    expect(instances.size).toBe(5);
    await scale("I1", 3);
    expect(await hostsOf("Worker")).toEqual([
      "demo-demo-plan-0",
      "demo-demo-plan-1",
      "demo-demo-plan-2",
    ]);
    await clients.more(300);
    expect(clients.seen().failed).toEqual([]);
    const told = (await world.events(before)).filter(({ category }: Loose) => category);
    expect(told.map(({ message }: Loose) => message)).toEqual([
      "An App Service plan (demo-plan) has begun scaling. Desired state: 5 I1 workers.",
      "An App Service plan (demo-plan) has finished scaling. Current state: 5 I1 workers.",
      "An App Service plan (demo-plan) has begun scaling. Desired state: 3 I1 workers.",
      "An App Service plan (demo-plan) has finished scaling. Current state: 3 I1 workers.",
    ]);
  });

  test("a plan is scaled up and down: its instances exist twice for a while", async () => {
    const most = { count: 0 };
    const watching = { isOn: true };
    const watch = (async () => {
      while (watching.isOn) most.count = Math.max(most.count, (await hostsOf("Worker")).length);
    })();
    await scale("I2", 3);
    watching.isOn = false;
    await watch;
    expect(most.count).toBe(6);
    expect(await hostsOf("Worker")).toEqual([
      "demo-demo-plan-0-i2",
      "demo-demo-plan-1-i2",
      "demo-demo-plan-2-i2",
    ]);
    await clients.more(300);
    // Down and out at once.
    await scale("I1", 6);
    expect(await hostsOf("Worker")).toHaveLength(6);
    await clients.more(300);
    expect(clients.seen().failed).toEqual([]);
  });

  test("front ends become more, larger, and fewer again", async () => {
    await change({ frontEndScaleFactor: 5 });
    expect(await hostsOf("FrontEnd")).toHaveLength(3);
    await clients.more(300);
    await change({ multiSize: "Standard_D2_V2" });
    expect(await hostsOf("FrontEnd")).toEqual([
      "demo-front-end-0-i2",
      "demo-front-end-1-i2",
      "demo-front-end-2-i2",
    ]);
    await clients.more(300);
    await change({ frontEndScaleFactor: 15, multiSize: "Standard_D1_V2" });
    expect(await hostsOf("FrontEnd")).toEqual(["demo-front-end-0", "demo-front-end-1"]);
    await clients.more(300);
    expect(clients.seen().failed).toEqual([]);
    const shown = await world.arm("GET", environment());
    expect(shown.properties).toMatchObject({
      status: "Ready",
      lastAction: "ChangeConfiguration",
      lastActionResult: "Succeeded",
      environmentIsHealthy: true,
    });
  });

  test("more than 10,000 requests were answered meanwhile", async () => {
    await scale("I1", 2);
    await until("10,000 answers", () => (10_000 < clients.total() ? true : undefined), 60_000);
    const { failed, kept, idle, new: fresh } = clients.seen();
    expect(failed).toEqual([]);
    expect([kept, fresh].every((count) => 1_000 < count) && 10 < idle).toBe(true);
    // Nor was a host that had gone taken for a cut flow.
    const told = (await world.events(before)).map(({ message }: Loose) => message);
    expect(told.filter((text: string) => text.includes("no host has the address"))).toEqual([]);
  });
});

test("a request that takes long is answered by an instance that is on its way out", async () => {
  await scale("I1", 3);
  const slow = Array.from({ length: 6 }, () => world.door("/slowly?ms=2000"));
  await scale("I1", 1);
  const answers = await Promise.all(slow);
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 200]);
  expect(new Set(answers.map(({ json }) => json.instance)).size).toBe(3);
});

test("one scale operation runs; others are queued, shown, and then run together; one may be canceled", async () => {
  const asked = async (name: string, size: string, capacity: number) =>
    expect((await world.ask("PUT", plan(name), body(size, capacity))).status).toBe(200);
  const before = await world.newestEvent();
  onTestFinished(async () => {
    for (const name of ["second", "third", "fourth"]) await world.arm("DELETE", plan(name));
    await scale("I1", 2);
  });
  // So many that they are not there before the others have been asked for.
  await asked("demo-plan", "I1", 8);
  await until(
    "it runs",
    async () => ((await operations())[0]?.status === "Running" ? true : undefined),
    5_000,
  );
  await asked("second", "I1", 1);
  await asked("third", "I1", 1);
  await asked("fourth", "I1", 1);
  const listed = await operations();
  expect(listed.map(({ status, position }: Loose) => [status, position])).toEqual([
    ["Running", 0],
    ["Queued", 1],
    ["Queued", 2],
    ["Queued", 3],
  ]);
  expect(listed[0].progress).toMatch(/^1 I1 serve; 7 I1 come, \d of them answer$/);
  expect((await world.arm("GET", environment())).properties.status).toBe("Scaling");
  await world.arm("POST", `/openase/operations/${listed[2].id}/cancel`);
  await until(
    "all are done",
    async () => ((await operations()).length === 0 ? true : undefined),
    20_000,
  );
  expect((await world.arm("GET", plan("third"))).sku.capacity).toBe(0);
  const workers = await hostsOf("Worker");
  expect(workers).toContain("demo-second-0");
  expect(workers).not.toContain("demo-third-0");
  const scaled = (await codes(before)).filter((code: string) => code.startsWith("Scale"));
  // The first alone, the others together.
  expect(scaled).toEqual([
    "ScaleStarted",
    "ScaleCompleted",
    "ScaleStarted",
    "ScaleStarted",
    "ScaleCompleted",
    "ScaleCompleted",
  ]);
});

test("a change that needs more addresses than the subnet has is refused, with both numbers", async () => {
  await scale("I1", 10);
  const refused = await world.refused("PUT", plan(), body("I2", 10));
  expect(refused.code).toBe("SubnetIsFull");
  expect(refused.what).toMatch(/needs 34 addresses while demo-plan changes its size.*has 32/);
  expect((await world.arm("GET", plan())).sku).toMatchObject({ name: "I1", capacity: 10 });
  expect((await world.door("/")).status).toBe(200);
});

test("where the new instances do not run, the plan stays what it was", async () => {
  await scale("I1", 1);
  await world.arm("PUT", world.web("sites/hello/config/appsettings"), {
    properties: { FAIL_ON: "-i3" },
  });
  await until(
    "the app answers",
    async () => ((await world.door("/")).status === 200 ? true : undefined),
    5_000,
  );
  const refused = await world.refused("PUT", plan(), body("I3", 1));
  expect(refused.code).toBe("InstancesNotReady");
  expect(refused.what).toContain("cannot run here");
  expect((await world.arm("GET", plan())).sku).toMatchObject({ name: "I1", capacity: 1 });
  expect((await world.door("/")).status).toBe(200);
  await until(
    "the new instance is gone",
    async () => ((await hostsOf("Worker")).length === 1 ? true : undefined),
    5_000,
  );
});
