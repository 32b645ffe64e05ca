/**
 * A plan of many instances: time until all answer, memory, time of `ase down`; and what a host
 * without an app costs.
 *
 *     node bench/scale.ts [--instances 100]
 *
 * Memory of processes is PSS, so that what they share counts once. Slab is the whole machine's,
 * so it holds only where little else happens. Nothing is asserted.
 */
import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";

import { propertyAt } from "../src/arm/json.ts";
import { readAccount } from "../src/cli/resources.ts";
import { printMachine, printTable, readNumbers } from "./figures.ts";
import { bringUpSample, SITE } from "./sample.ts";
import { fabricPid, familyOf, good, inBenchWorld, readOr, worldPid, type BenchWorld } from "./world.ts";

const { instances } = readNumbers({ instances: 100 });
const LONGEST_MS = 180_000;
const LOOK_EVERY_MS = 20;
const WEB = "api-version=2022-03-01";

type Memory = { readonly fabric: number; readonly control: number; readonly all: number; readonly slab: number };

printMachine();
const rows: Record<string, string>[] = [];
const tell = (what: string, value: string) => rows.push({ what, value });

await inBenchWorld(async (world) => {
  await bringUpSample(world, 1);
  const client = world.client();
  const { subscription } = good(await readAccount(client));
  const group = `/subscriptions/${subscription}/resourceGroups/demo/providers/Microsoft.Web`;
  const plan = `${group}/serverfarms/demo-plan?${WEB}`;
  const site = `${group}/sites/${SITE}`;
  const before = memoryOf(world);
  const declared = good(await client.get(plan));
  const scale = async (capacity: number) => {
    const begun = performance.now();
    const body = {
      location: propertyAt(declared, "location") ?? "local",
      sku: { name: "I1", tier: "Isolated", capacity },
      properties: propertyAt(declared, "properties") ?? {},
    };
    good(await client.carryOut({ method: "PUT", path: plan, body }));
    return performance.now() - begun;
  };
  const begun = performance.now();
  const done = await scale(instances);
  tell(`1 to ${instances} instances, operation done`, inSeconds(done));
  tell("every instance's app accepts requests", inSeconds(await untilRunning(begun, instances)));
  await pause(2_000);
  const full = memoryOf(world);
  tell("fabric process, PSS", inMb(full.fabric));
  tell("control process, PSS", inMb(full.control));
  tell("everything in the world, PSS", inMb(full.all));
  tell(`per further instance with its app, PSS`, inMb((full.all - before.all) / (instances - 1)));

  good(await client.carryOut({ method: "POST", path: `${site}/stop?${WEB}` }));
  const idleBegun = performance.now();
  await untilRunning(idleBegun, 0);
  await pause(2_000);
  const idle = memoryOf(world);
  await scale(1);
  await pause(3_000);
  const one = memoryOf(world);
  const hosts = instances - 1;
  tell("idle host (no app), PSS of the fabric process", inMb((idle.fabric - one.fabric) / hosts));
  tell("idle host, slab of the kernel", inMb((idle.slab - one.slab) / hosts));

  good(await client.carryOut({ method: "POST", path: `${site}/start?${WEB}` }));
  await scale(instances);
  await untilRunning(performance.now(), instances);
  client.close();
  const downBegun = performance.now();
  await world.ase("down");
  tell(`\`ase down\` with ${instances} apps`, inSeconds(performance.now() - downBegun));

  /** Apps listen before their program counts as running. */
  async function untilRunning(since: number, count: number): Promise<number> {
    const deadline = since + LONGEST_MS;
    for (;;) {
      const answer = good(await client.get("/openase/world"));
      const running = JSON.stringify(answer).match(/"name":"app-[^}]*"state":"running"/g)?.length ?? 0;
      if (running === count) return performance.now() - since;
      if (deadline < performance.now()) throw new Error(`${running} of ${count} run`);
      await pause(LOOK_EVERY_MS);
    }
  }
});
printTable(`A plan of ${instances} instances of a Node app, once`, rows);

function memoryOf(world: BenchWorld): Memory {
  const slab = /^Slab:\s+(\d+) kB/m.exec(readFileSync("/proc/meminfo", "utf8"))?.[1];
  return {
    fabric: pss(fabricPid(world)),
    control: pss(world.server().pid),
    all: familyOf(worldPid(world)).reduce((sum, pid) => sum + pss(pid), 0),
    slab: Number(slab),
  };
}

/** In kB. */
function pss(pid: number): number {
  return Number(/^Pss:\s+(\d+) kB/m.exec(readOr(`/proc/${pid}/smaps_rollup`, ""))?.[1] ?? 0);
}

function inMb(kb: number): string {
  return `${(kb / 1_024).toFixed(kb < 10_240 ? 2 : 0)} MB`;
}

function inSeconds(ms: number): string {
  return `${(ms / 1_000).toFixed(2)} s`;
}
