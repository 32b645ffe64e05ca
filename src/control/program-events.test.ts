import { expect, test } from "vitest";

import type { Observed } from "../fabric/fabric.ts";
import { programEvents } from "./program-events.ts";

function seen(state: "starting" | "running" | "failed", restarts: number): Observed {
  return {
    generation: 1,
    tags: {},
    networks: [],
    connections: { peerings: [], gateways: [], sites: [] },
    hosts: [
      {
        host: {
          name: "ase-plan-0",
          place: { kind: "internet", address: "198.18.0.1" as never },
          role: "Worker",
          environment: "/ase",
          forwards: false,
          programs: [],
        },
        programs: [{ name: "app", state, restarts, since: 0 }],
      },
    ],
  };
}

test.each([
  [[seen("starting", 0), seen("running", 0)], []],
  [[seen("running", 0), seen("failed", 1), seen("failed", 1)], ["ProgramEnded"]],
  [[seen("failed", 1), seen("starting", 1), seen("running", 1)], ["ProgramRuns"]],
  [
    [seen("running", 1), seen("running", 2)],
    ["ProgramEnded", "ProgramRuns"],
  ],
  [
    [seen("running", 1), seen("starting", 2), seen("running", 2)],
    ["ProgramEnded", "ProgramRuns"],
  ],
  [
    [seen("starting", 0), seen("failed", 0), seen("running", 0)],
    ["ProgramEnded", "ProgramRuns"],
  ],
] as const)(
  "an end and a new start are told once each, whenever one looks (%#)",
  (looks, codes) => {
    const told = looks.flatMap((look, position) =>
      position === 0 ? [] : programEvents(looks[position - 1], look),
    );
    expect(told.map(({ code }) => code)).toEqual(codes);
  },
);
