/** Starts the programs of this room: instances of apps, and front ends. Others are services'. */
import { declined, never, type Result } from "../base/problem.ts";
import type { Program } from "../blueprint/blueprint.ts";
import type { ProgramPlace, RunningProgram, StartProgram } from "../fabric/fabric.ts";
import { startApplication } from "./app.ts";
import { startFrontEnd } from "./front-end.ts";

export const startApp: StartProgram = async (
  program: Program,
  place: ProgramPlace,
): Promise<Result<RunningProgram>> => {
  switch (program.kind) {
    case "app":
      return startApplication(program, place);
    case "front-end":
      return startFrontEnd(program, place);
    case "role-agent":
    case "endpoint":
      return declined({
        code: "ProgramNotAnApp",
        what: `${program.name} is a ${program.kind}, which is not started as an app`,
        fix: "Report this: the program was given to the wrong room.",
        where: place.host.name,
      });
    default:
      return never(program);
  }
};
