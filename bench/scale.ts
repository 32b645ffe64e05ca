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
import {
  fabricPid,
  familyOf,
  good,
  inBenchWorld,
  readOr,
  worldPid,
  type BenchWorld,
} from "./world.ts";

const { instances } = readNumbers({ instances: 100 });
const LONGEST_MS = 180_000;
const LOOK_EVERY_MS = 20;
const SETTLE_MS = 2_000;
const WEB = "api-version=2022-03-01";

type Memory = {
  readonly fabric: number;
  readonly control: number;
  readonly all: number;
  readonly slab: number;
};

printMachine();
const rows: Record<string, string>[] = [];
const tell = (what: string, value: string) => rows.push({ what, value });

await inBenchWorld(withoutApps);
await inBenchWorld(withApps);
printTable(`A plan of ${instances} instances, once`, rows);

/** Growth is measured, not shrinking: a process does not give memory back. */
async function withoutApps(world: BenchWorld): Promise<void> {
  const sample = await openSample(world);
  good(await sample.client.carryOut({ method: "POST", path: `${sample.site}/stop?${WEB}` }));
  await sample.untilRunning(0);
  await pause(SETTLE_MS);
  const before = memoryOf(world);
  tell(`1 to ${instances} hosts without an app`, inSeconds(await sample.scale(instances)));
  await pause(SETTLE_MS);
  const after = memoryOf(world);
  const hosts = instances - 1;
  tell("idle host, PSS of the fabric process", inMb((after.fabric - before.fabric) / hosts));
  tell("idle host, PSS of everything in the world", inMb((after.all - before.all) / hosts));
  tell("idle host, slab of the kernel", inMb((after.slab - before.slab) / hosts));
  sample.client.close();
  const begun = performance.now();
  await world.ase("down");
  tell(`\`ase down\` with ${instances} hosts without an app`, inSeconds(performance.now() - begun));
}

async function withApps(world: BenchWorld): Promise<void> {
  const sample = await openSample(world);
  const before = memoryOf(world);
  const scaleBegun = performance.now();
  tell(
    `1 to ${instances} instances of a Node app, operation done`,
    inSeconds(await sample.scale(instances)),
  );
  await sample.untilRunning(instances);
  tell("until every instance's app accepts requests", inSeconds(performance.now() - scaleBegun));
  await pause(SETTLE_MS);
  const full = memoryOf(world);
  tell("fabric process, PSS", inMb(full.fabric));
  tell("control process, PSS", inMb(full.control));
  tell("everything in the world, PSS", inMb(full.all));
  tell("per further instance with its app, PSS", inMb((full.all - before.all) / (instances - 1)));
  sample.client.close();
  const downBegun = performance.now();
  await world.ase("down");
  tell(`\`ase down\` with ${instances} apps`, inSeconds(performance.now() - downBegun));
}

async function openSample(world: BenchWorld) {
  await bringUpSample(world, 1);
  const client = world.client();
  const { subscription } = good(await readAccount(client));
  const group = `/subscriptions/${subscription}/resourceGroups/demo/providers/Microsoft.Web`;
  const plan = `${group}/serverfarms/demo-plan?${WEB}`;
  const declared = good(await client.get(plan));
  return {
    client,
    site: `${group}/sites/${SITE}`,
    /** How many milliseconds the operation took. */
    scale: async (capacity: number) => {
      const begun = performance.now();
      const body = {
        location: propertyAt(declared, "location") ?? "local",
        sku: { name: "I1", tier: "Isolated", capacity },
        properties: propertyAt(declared, "properties") ?? {},
      };
      good(await client.carryOut({ method: "PUT", path: plan, body }));
      return performance.now() - begun;
    },
    /** An app counts as running once it accepts connections. */
    untilRunning: async (count: number) => {
      const deadline = performance.now() + LONGEST_MS;
      for (;;) {
        const answer = JSON.stringify(good(await client.get("/openase/world")));
        const running = answer.match(/"name":"app-[^}]*"state":"running"/g)?.length ?? 0;
        if (running === count) return;
        if (deadline < performance.now()) throw new Error(`${running} of ${count} run`);
        await pause(LOOK_EVERY_MS);
      }
    },
  };
}

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
