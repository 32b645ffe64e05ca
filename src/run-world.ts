/** Joins what stands in hosts to the Linux fabric, in the process that owns the world. */
import { startApp } from "./apps/start-app.ts";
import { writeTools } from "./apps/tools.ts";
import { found } from "./base/problem.ts";
import type { RunningProgram, StartProgram } from "./fabric/fabric.ts";
import { runFabricProcess } from "./fabric/linux/fabric-process.ts";
import { DOOR_DESCRIPTORS } from "./fabric/linux/world.ts";
import { runProbe } from "./services/probe.ts";
import { startService } from "./services/start-service.ts";

export async function runWorld(home: string, doors: "with-doors" | "without-doors"): Promise<void> {
  await runFabricProcess({
    home,
    startProgram,
    runProbe,
    writeTools: (folder) => writeTools(folder, { folder, node: process.execPath }),
    ...(doors === "with-doors" ? { doorFds: DOOR_DESCRIPTORS } : {}),
  });
}

const startProgram: StartProgram = async (program, place) => {
  switch (program.kind) {
    case "app":
    case "front-end":
      return startApp(program, place);
    case "role-agent":
    case "endpoint": {
      const started = await startService(program, place);
      return started.ok ? found<RunningProgram>(started.value) : started;
    }
  }
};
