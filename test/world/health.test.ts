/**
 * What fails besides rules and routes: an endpoint that is down, a name that is not found, hosts
 * and programs that end. What users see, what is told, and what heals by itself.
 */
import { fileURLToPath } from "node:url";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { treeOf } from "../support/machine.ts";
import {
  openTestWorld,
  until,
  untilHealthy,
  untilText,
  type Loose,
  type TestWorld,
} from "../support/world.ts";

const LOAD = fileURLToPath(new URL("../support/load-client.mjs", import.meta.url));
const HOST = "hello.demo.localhost";

let world: TestWorld;
beforeAll(async () => {
  world = await openTestWorld({ app: "hello" });
  await untilHealthy(world);
});
afterAll(() => world?.close());

const environment = () => world.web("hostingEnvironments/demo");
const shown = async (): Promise<Loose> => (await world.arm("GET", environment())).properties;
const platformLog = async (): Promise<readonly string[]> =>
  (await world.arm("GET", "/openase/logs?environment=demo&lines=100")).value.map(
    ({ text }: Loose) => text,
  );

async function load() {
  const client = world.begin("internet", [process.execPath, LOAD, await world.vip(), HOST]);
  const seen = (): Loose => {
    const line = client.said().trimEnd().split("\n").at(-1) ?? "";
    return line === "" ? { kept: 0, new: 0, idle: 0, failed: [] } : JSON.parse(line);
  };
  const total = () => seen().kept + seen().new + seen().idle;
  const more = (count: number) => {
    const from = total();
    return until(`${count} more`, () => (from + count <= total() ? true : undefined), 30_000);
  };
  await more(50);
  return { seen, more, total, end: () => client.end() };
}

describe("a reboot of the environment", () => {
  test("makes every host anew, and no request fails", async () => {
    const clients = await load();
    const before = (await world.arm("GET", "/openase/world")).hosts as readonly Loose[];
    const begun = before.filter((host) => host.environment);
    await world.arm("POST", `${environment()}/reboot`);
    await until(
      "every host is another one",
      async () => {
        const now = (await world.arm("GET", "/openase/world")).hosts as readonly Loose[];
        const again = begun.every(({ name, programs }) => {
          const host = now.find((one) => one.name === name);
          return (programs as Loose[]).every((program) =>
            host?.programs.some(
              (one: Loose) =>
                one.name === program.name && one.state === "running" && program.since < one.since,
            ),
          );
        });
        return again ? true : undefined;
      },
      30_000,
    );
    await clients.more(200);
    clients.end();
    expect(clients.seen().failed).toEqual([]);
    await untilHealthy(world);
  });
});

describe("a dependency that is down", () => {
  test.each([
    ["database", "the environment's database"],
    ["public-dns", "names by public DNS"],
    ["time", "time"],
    ["monitoring", "monitoring"],
    ["revocation", "certificate revocation lists"],
    ["updates", "updates and services of the platform"],
  ])(
    "%s: unhealthy with its name, told in order, and healed when it is back",
    async (name, title) => {
      const before = await world.newestEvent();
      await world.arm("POST", `/openase/endpoints/${name}/stop`);
      const status = await untilText(
        "it is named",
        world.health,
        (text) => text.startsWith("Unhealthy: ") && text.includes(`${title} (`),
        10_000,
      );
      // No rule and no route is to blame.
      expect(status).not.toContain("denied by");
      expect(await shown()).toMatchObject({
        environmentIsHealthy: false,
        suspended: false,
        status: "Ready",
        provisioningState: "Succeeded",
      });
      expect((await world.door("/")).status).toBe(200);
      await world.arm("POST", `/openase/endpoints/${name}/start`);
      await untilHealthy(world);
      const told = (await world.events(before))
        .map(({ code }: Loose) => code as string)
        .filter((code: string) => /Environment|Dependency|Unhealthy/.test(code));
      expect([...new Set(told)]).toEqual([
        "EnvironmentUnhealthy",
        "UnhealthyLogged",
        "DependencyUnreachable",
        "EnvironmentHealthy",
      ]);
    },
  );

  test("shows in the platform's log, in Azure's words", async () => {
    const lines = await platformLog();
    expect(lines).toContain(
      "The specified ASE is unhealthy due to an invalid virtual network configuration. The ASE will be suspended if the unhealthy state continues.",
    );
    expect(
      lines.some((line) =>
        /^The specified ASE isn't able to reach the environment's database \(Tcp .*:1433\)\.$/.test(
          line,
        ),
      ),
    ).toBe(true);
  });
});

describe("what ends", () => {
  const kill = (what: (line: string) => boolean): number => {
    const found = treeOf(world.home.folder).filter((one) => what(one.what));
    for (const { pid } of found) process.kill(pid, "SIGKILL");
    return found.length;
  };

  const untilBack = (before: number) =>
    until(
      "it is told that it ended and runs again",
      async () => {
        const told = (await world.events(before)).map(({ code }: Loose) => code);
        return told.includes("ProgramEnded") && told.includes("ProgramRuns") ? true : undefined;
      },
      10_000,
    );

  test("one of two front ends: the balancer leaves it out, and it starts again", async () => {
    const clients = await load();
    const before = await world.newestEvent();
    expect(
      kill((line) => line.startsWith("haproxy ") && line.includes("demo-front-end-0/")),
    ).toBeGreaterThan(0);
    await untilBack(before);
    await clients.more(100);
    const failed = clients.seen().failed.length;
    await clients.more(300);
    clients.end();
    // What it carried is lost, and what came until it listened again; nothing else is.
    expect(clients.seen().failed).toHaveLength(failed);
    expect(failed).toBeLessThan(clients.total() / 4);
    await untilHealthy(world);
  });

  test("all apps of a worker: the other instance answers, and it starts again", async () => {
    const clients = await load();
    const before = await world.newestEvent();
    expect((await world.door("/crash")).status).toBe(200);
    await untilBack(before);
    await clients.more(100);
    clients.end();
    expect(clients.seen().failed.length).toBeLessThan(5);
  });
});
