/**
 * Starts the programs of this room: role agents and endpoints.
 *
 * Front ends and apps are started by apps/; main joins both.
 */
import { declined } from "../base/problem.ts";
import type { StartProgram } from "../fabric/fabric.ts";
import { startDnsServer } from "./dns-server.ts";
import { startEndpoint } from "./endpoints.ts";
import { startRoleAgent } from "./role-agent.ts";

export const startService: StartProgram = async (program, place) => {
  if (program.kind === "role-agent") return startRoleAgent(program, place);
  if (program.kind === "endpoint" && program.service === "dns-server")
    return startDnsServer(program, place);
  if (program.kind === "endpoint") return startEndpoint(program, place);
  return declined({
    code: "NotAService",
    what: `The program ${program.name} is of kind ${program.kind}; it is no service of the world`,
    fix: "Give it to the part that starts apps and front ends.",
    where: place.host.name,
  });
};
