import { expect, test, vi } from "vitest";

import { found } from "../../base/problem.ts";
import type { Endpoint } from "../../blueprint/blueprint.ts";
import type { Ipv4 } from "../../network/prefix.ts";
import { KeptProgram } from "./kept-program.ts";

const endpoint = (port: number): Endpoint => ({
  kind: "endpoint",
  name: "time",
  service: "time",
  address: "198.18.0.9" as Ipv4,
  port,
});

test("a description that cannot be run now is told, and tried again until it can", async () => {
  const asked: unknown[] = [];
  const answers = [{ code: "FileMissing", what: "a file is missing", fix: "Wait." }];
  const said: string[] = [];
  const kept = new KeptProgram(endpoint(1), {
    report: (text) => said.push(text),
    start: () => ({
      cleanUp: () => undefined,
      running: Promise.resolve(
        found({
          change: async (program: unknown) => {
            asked.push(program);
            return answers.shift() ?? true;
          },
          stop: async () => undefined,
          ended: new Promise<never>(() => undefined),
        }),
      ),
    }),
  });
  await kept.start();
  await kept.change(endpoint(2));
  expect(kept.look()).toMatchObject({ state: "running", problem: { code: "FileMissing" } });
  await vi.waitFor(() => expect(kept.look().problem).toBeUndefined());
  expect(asked).toEqual([endpoint(2), endpoint(2)]);
  expect(said).toEqual(["a file is missing; it goes on as it was"]);
  await kept.stop();
});
