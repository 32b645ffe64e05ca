/** Apps in their rooms: instances, settings, logs, and what their sandbox keeps from them. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { groupsOf, treeOf, worldId } from "../support/machine.ts";
import {
  askDoor,
  openTestWorld,
  until,
  untilHealthy,
  WITNESS_APP,
  type Loose,
  type TestWorld,
} from "../support/world.ts";

let world: TestWorld;
beforeAll(async () => {
  world = await openTestWorld({ app: "hello" });
  await untilHealthy(world);
});
afterAll(() => world?.close());

const app = async (path: string, host?: string): Promise<Loose> =>
  (await world.door(path, host)).json;
const query = (values: Readonly<Record<string, string>>) => new URLSearchParams(values).toString();

describe("an app", () => {
  test("is balanced over its instances, by both front ends", async () => {
    const answers = await Promise.all(Array.from({ length: 40 }, () => app("/")));
    expect(new Set(answers.map(({ instance }) => instance))).toEqual(
      new Set(["demo-demo-plan-0", "demo-demo-plan-1"]),
    );
    const frontEnds = (await world.ledger())
      .filter(({ use }) => use === "FrontEnd")
      .map(({ address }) => address);
    expect(new Set(answers.map(({ value }) => value.frontEnd))).toEqual(new Set(frontEnds));
  });

  test("starts again after a crash, while its other instance answers", async () => {
    const crashed = await app("/crash");
    const answers: number[] = [];
    await until(
      "the instance is back",
      async () => {
        const { status, json } = await world.door("/");
        answers.push(status);
        return json?.instance === crashed.instance && json.started !== crashed.value.started
          ? json
          : undefined;
      },
      10_000,
    );
    // Only requests that were under way at the crash may fail.
    expect(answers.filter((status) => status !== 200).length).toBeLessThanOrEqual(1);
  });

  test("takes new content without a failed request", async () => {
    const folder = mkdtempSync(join(tmpdir(), "ase-content-"));
    cpSync(WITNESS_APP, folder, { recursive: true });
    writeFileSync(join(folder, "new.txt"), "new");
    let isDeploying = true;
    const statuses: number[] = [];
    const deploying = world.deploy("hello", folder).finally(() => (isDeploying = false));
    // And some more, for front ends that have not found an instance again.
    for (let more = 50; isDeploying || 0 < more; more -= isDeploying ? 0 : 1)
      statuses.push((await world.door("/")).status);
    await deploying;
    rmSync(folder, { recursive: true });
    expect(statuses.length).toBeGreaterThan(60);
    expect(statuses.filter((status) => status !== 200)).toEqual([]);
  });

  test("starts again when its process is killed", async () => {
    const { instance, started } = await app("/");
    const pid = appProcesses(world, instance)[0];
    expect(pid).toBeDefined();
    if (pid !== undefined) process.kill(pid, "SIGKILL");
    await until(
      "the instance is back",
      async () => {
        const { json } = await world.door("/");
        return json?.instance === instance && json.started !== started ? json : undefined;
      },
      10_000,
    );
  });

  test("finds its settings in its environment, also changed ones", async () => {
    expect((await app("/settings")).value).toMatchObject({
      GREETING: "Hello",
      WEBSITE_SITE_NAME: "hello",
    });
    await world.arm("PUT", world.web("sites/hello/config/appsettings"), {
      properties: { GREETING: "Moin", OTHER: "two words" },
    });
    const settings = await until(
      "both instances have the new settings",
      async () => {
        const seen = await Promise.all(Array.from({ length: 6 }, () => app("/settings")));
        return seen.every(({ value }) => value?.GREETING === "Moin") ? seen[0]?.value : undefined;
      },
      10_000,
    );
    expect(settings).toMatchObject({ OTHER: "two words", APPSETTING_GREETING: "Moin" });
  });

  test("answers 403 while it is stopped", async () => {
    await world.arm("POST", world.web("sites/hello/stop"));
    const stopped = await until(
      "403",
      async () => {
        const answer = await world.door("/");
        return answer.status === 403 ? answer : undefined;
      },
      5_000,
    );
    expect(stopped.json).toBeUndefined();
    await world.arm("POST", world.web("sites/hello/start"));
    await until(
      "200 by every front end",
      async () => {
        const seen = await Promise.all(Array.from({ length: 12 }, () => world.door("/")));
        return seen.every(({ status }) => status === 200) ? true : undefined;
      },
      10_000,
    );
  });

  test("is heard in the logs", async () => {
    const { instance } = await app(`/say?${query({ text: "a line of its own" })}`);
    const line = await until(
      "the line",
      async () => {
        const { value } = await world.arm("GET", "/openase/logs?site=hello&lines=500");
        return value.find(({ text }: Loose) => text === "a line of its own");
      },
      3_000,
    );
    expect(line).toMatchObject({ host: instance, program: "app-hello", stream: "stdout" });
  });
});

describe("the room an app runs in", () => {
  test("has a user of its own without any right", async () => {
    const { value } = await app("/who");
    expect(value).toMatchObject({ capabilities: "0000000000000000" });
    expect(value.uid).toBeGreaterThan(30_000);
    const pids = appProcesses(world, "demo-demo-plan-0");
    expect(pids.length).toBeGreaterThan(0);
    for (const pid of pids)
      expect(
        /^Uid:\s+(.*)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]?.split("\t"),
      ).toEqual(Array.from({ length: 4 }, () => String(value.uid)));
  });

  test("shows no file of the machine, and can be written to in the app's folders only", async () => {
    const hidden = ["/etc/shadow", "/root", world.home.folder, "/run/openase", "/sys", "/var"];
    for (const path of hidden) {
      expect(await app(`/read?${query({ path })}`)).toMatchObject({ error: "ENOENT" });
      expect(await app(`/list?${query({ path })}`)).toMatchObject({ error: "ENOENT" });
    }
    for (const path of ["/usr/bin/mine", "/etc/mine", "/mine", "/opt/mine"])
      expect((await app(`/write?${query({ path, text: "x" })}`)).error).toMatch(/EROFS|EACCES/);
    expect(await app(`/write?${query({ path: "/home/data/mine", text: "x" })}`)).toMatchObject({
      value: "written",
    });
    expect(await app(`/write?${query({ path: "/tmp/mine", text: "x" })}`)).toMatchObject({
      value: "written",
    });
  });

  test("sees its own processes only", async () => {
    const { value } = await app(
      `/run?${query({ command: "tr '\\0' ' ' < /proc/1/cmdline | head -c 5; ls /proc" })}`,
    );
    expect(value.stdout).toMatch(/^bwrap/);
    const numbers = value.stdout.split("\n").filter((name: string) => /^\d+$/.test(name));
    // The first one, the app, the shell and its listing.
    expect(numbers.length).toBeLessThanOrEqual(4);
  });

  test("does not reach the machine's loopback", async () => {
    let reached = 0;
    const secret = createServer((socket) => {
      reached += 1;
      socket.end("reached");
    });
    const port = await new Promise<number>((resolve) => {
      secret.listen(0, "127.0.0.1", () => {
        const address = secret.address();
        resolve(typeof address === "object" && address !== null ? address.port : 0);
      });
    });
    for (const to of [port, world.ports.api, world.ports.http])
      expect(await app(`/call?${query({ host: "127.0.0.1", port: String(to) })}`)).toMatchObject({
        error: "ECONNREFUSED",
      });
    secret.close();
    expect(reached).toBe(0);
  });

  test("parts it from another app of the same workers", async () => {
    const { location, properties } = await world.arm("GET", world.web("sites/hello"));
    const { serverFarmId, hostingEnvironmentProfile } = properties;
    await world.arm("PUT", world.web("sites/other"), {
      location,
      properties: { serverFarmId, hostingEnvironmentProfile: { id: hostingEnvironmentProfile.id } },
    });
    await world.deploy("other", WITNESS_APP);
    const host = "other.demo.localhost";
    const other = await until(
      "the other app answers",
      async () => {
        // Several front ends answer, each of which is told of the app in its turn.
        const asked = Array.from({ length: 8 }, () => askDoor(world.ports.http, host, "/who"));
        const answers = await Promise.all(asked);
        return answers.every(({ status }) => status === 200) ? answers[0]?.json : undefined;
      },
      10_000,
    );
    const own = await app("/who");
    expect(other.value.uid).not.toBe(own.value.uid);
    const secrets = [
      "/home/data/secret-of-other",
      "/tmp/secret-of-other",
      "/home/site/wwwroot/secret-of-other",
    ];
    for (const path of secrets)
      expect(await app(`/write?${query({ path, text: "x" })}`, host)).toMatchObject({
        value: "written",
      });
    const found = await app(
      `/run?${query({ command: "find /home /tmp /opt /etc /dev/shm -name 'secret-of-other'; true" })}`,
    );
    expect(found.value.stdout).toBe("");
    const told = await app(`/settings`, host);
    expect(told.value.GREETING).toBeUndefined();
    await world.arm("DELETE", world.web("sites/other"));
    await until(
      "it is gone",
      async () => ((await askDoor(world.ports.http, host, "/")).status === 404 ? true : undefined),
      5_000,
    );
  });

  test("has the memory, processor time and processes of the plan's size", () => {
    const groups = groupsOf(worldId(world.home.folder)).filter((group) =>
      group.endsWith("-demo-demo-plan-0"),
    );
    const value = (...names: readonly string[]) =>
      groups.flatMap((group) => names.flatMap((name) => readIfThere(`${group}/${name}`)))[0];
    expect(value("memory.limit_in_bytes", "memory.max")).toBe(String(3_584 * 1024 * 1024));
    expect(value("cpu.cfs_quota_us", "cpu.max")).toMatch(/^100000( 100000)?$/);
    expect(Number(value("pids.max"))).toBeGreaterThan(10);
    const members = groups
      .flatMap((group) => readIfThere(`${group}/cgroup.procs`))
      .join("\n")
      .split("\n");
    for (const pid of appProcesses(world, "demo-demo-plan-0"))
      expect(members).toContain(String(pid));
  });
});

/** The app's own processes on the machine, by its worker: those that run Node inside the sandbox. */
function appProcesses(of: TestWorld, worker: string): readonly number[] {
  const tree = treeOf(of.home.folder);
  const inRoom = (pid: number): boolean => {
    const parent = tree.find((one) => one.pid === pid);
    return (
      parent !== undefined &&
      (parent.what.includes(`--hostname ${worker} `) || inRoom(parent.parent))
    );
  };
  return tree
    .filter(({ what, parent }) => what === "node server.js" && inRoom(parent))
    .map(({ pid }) => pid);
}

/** One text, or none. */
function readIfThere(file: string): readonly string[] {
  try {
    return [readFileSync(file, "utf8").trim()];
  } catch {
    return [];
  }
}
