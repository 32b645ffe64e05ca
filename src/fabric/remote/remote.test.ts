import { mkdtempSync, rmSync, statSync } from "node:fs";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";

import { declined, found } from "../../base/problem.ts";
import { NO_CONNECTIONS } from "../../blueprint/blueprint.ts";
import type { Probe } from "../../blueprint/probes.ts";
import type { Command, Fabric, Observed } from "../fabric.ts";
import { openRemoteFabric, type RemoteFabric } from "./client.ts";
import { LONGEST_LINE } from "./lines.ts";
import { serveFabric } from "./server.ts";

const cleanUps: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).toReversed()) await cleanUp();
});

/** A fabric that keeps tags and generation, and whose commands run until they are told to end. */
function openSmallFabric() {
  let observed: Observed = {
    generation: 0,
    tags: {},
    networks: [],
    connections: NO_CONNECTIONS,
    hosts: [],
  };
  const commands: { at: string; command: Command; end: (exitCode: number) => void }[] = [];
  const state = { killedCount: 0, endedCount: 0, holdObserve: false };
  const fabric: Fabric = {
    observe: () =>
      state.holdObserve ? new Promise(() => undefined) : Promise.resolve(found(observed)),
    carryOut: async (generation, step) => {
      if (generation < observed.generation)
        return declined({ code: "OlderBlueprint", what: "older", fix: "newer" });
      if (step.do === "remove-host") throw new Error("it broke");
      observed = {
        ...observed,
        generation,
        ...(step.do === "put-tags" ? { tags: step.tags } : {}),
      };
      return found("done");
    },
    probe: async ({ flow }) => ({ ok: true, elapsedMs: 1, detail: flow }),
    flows: async () => found({ flows: [], newest: 0, isLossy: false }),
    trace: async () => found({ steps: [], answer: "nothing" }),
    run: async (at, command) => {
      if (command.argv[0] === "nothing")
        return declined({ code: "CommandNotStarted", what: "nothing", fix: "something" });
      command.onOutput("stdout", "early ");
      const ended = new Promise<{ exitCode: number }>((resolve) => {
        commands.push({ at: at.kind, command, end: (exitCode) => resolve({ exitCode }) });
      });
      const kill = () => {
        state.killedCount += 1;
        commands.at(-1)?.end(137);
      };
      return found({ ended, kill });
    },
    logs: async ({ lines }) =>
      found([{ time: 1, host: "h", program: "p", stream: "stdout", text: `last ${lines}` }]),
    end: async () => void (state.endedCount += 1),
  };
  return { fabric, commands, state };
}

async function serve(small = openSmallFabric()) {
  const folder = mkdtempSync(join(tmpdir(), "ase-rpc-"));
  cleanUps.push(() => rmSync(folder, { recursive: true, force: true }));
  const socketPath = join(folder, "fabric.sock");
  let endedTold = () => {};
  const ended = new Promise<void>((resolve) => (endedTold = resolve));
  const served = await serveFabric(small.fabric, { socketPath, world: "abc", ended: endedTold });
  if (!served.ok) throw new Error(served.problem.what);
  cleanUps.push(served.value.close);
  const connect = (): RemoteFabric => {
    const client = openRemoteFabric(socketPath);
    cleanUps.push(client.disconnect);
    return client;
  };
  return { ...small, socketPath, connect, close: served.value.close, ended };
}

async function until(holds: () => boolean): Promise<void> {
  const deadline = Date.now() + 5_000;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`never held: ${holds.toString()}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe("a fabric of another process", () => {
  test("answers as it would here: values, refusals and what broke", async () => {
    const { connect } = await serve();
    const fabric = connect();
    expect(await fabric.greet()).toMatchObject({ ok: true, value: { world: "abc" } });
    expect(await fabric.carryOut(4, { do: "put-tags", tags: { Sql: ["10.0.0.0/8"] } })).toEqual(
      found("done"),
    );
    expect(await fabric.observe()).toMatchObject({
      value: { generation: 4, tags: { Sql: ["10.0.0.0/8"] } },
    });
    expect(await fabric.carryOut(3, { do: "put-tags", tags: {} })).toMatchObject({
      ok: false,
      problem: { code: "OlderBlueprint" },
    });
    expect(await fabric.carryOut(4, { do: "remove-host", name: "x" })).toMatchObject({
      ok: false,
      problem: { code: "FabricBroke", cause: { what: "it broke" } },
    });
    expect(await fabric.probe({ flow: "sql", timeoutMs: 100 } as Probe)).toMatchObject({
      detail: "sql",
    });
    expect(await fabric.logs({ lines: 7 })).toMatchObject({ value: [{ text: "last 7" }] });
  });

  test("only its owner may open the socket", async () => {
    const { socketPath } = await serve();
    expect(statSync(socketPath).mode & 0o777).toBe(0o600);
  });

  test("a step of several megabytes arrives whole", async () => {
    const { connect } = await serve();
    const prefixes = Array.from({ length: 300_000 }, (_, at) => `10.${at % 256}.0.0/16`);
    const fabric = connect();
    expect(await fabric.carryOut(1, { do: "put-tags", tags: { Big: prefixes } })).toEqual(
      found("done"),
    );
    expect(await fabric.observe()).toMatchObject({ value: { tags: { Big: prefixes } } });
  });

  test("a message beyond the bound ends its connection and no other", async () => {
    const { connect, socketPath } = await serve();
    const other = connect();
    const flood = createConnection(socketPath);
    const closed = new Promise<void>((resolve) => flood.once("close", () => resolve()));
    flood.on("error", () => undefined);
    flood.write(Buffer.alloc(LONGEST_LINE + 1, "x"));
    await closed;
    expect(await other.greet()).toMatchObject({ ok: true });
  });

  test("a command's output streams, and its end comes last", async () => {
    const { connect, commands } = await serve();
    const said: string[] = [];
    const onOutput = (stream: string, chunk: string) => said.push(`${stream}: ${chunk}`);
    const started = await connect().run(
      { kind: "internet" },
      { argv: ["work"], input: "in", onOutput },
    );
    if (!started.ok) throw new Error("not started");
    expect(commands[0]).toMatchObject({ at: "internet", command: { argv: ["work"], input: "in" } });
    commands[0]?.command.onOutput("stderr", "late");
    commands[0]?.end(3);
    expect(await started.value.ended).toEqual({ exitCode: 3 });
    expect(said).toEqual(["stdout: early ", "stderr: late"]);
  });

  test("a command that does not start is refused", async () => {
    const { connect } = await serve();
    const started = await connect().run(
      { kind: "internet" },
      { argv: ["nothing"], onOutput: () => {} },
    );
    expect(started).toMatchObject({ ok: false, problem: { code: "CommandNotStarted" } });
  });

  test("killing a command reaches it, and so does the death of its client, which harms no other", async () => {
    const { connect, state } = await serve();
    const [one, other] = [connect(), connect()];
    const first = await one.run({ kind: "internet" }, { argv: ["a"], onOutput: () => {} });
    if (!first.ok) throw new Error("not started");
    first.value.kill();
    expect(await first.value.ended).toEqual({ exitCode: 137 });
    await one.run({ kind: "internet" }, { argv: ["b"], onOutput: () => {} });
    one.disconnect();
    await until(() => state.killedCount === 2);
    expect(await other.observe()).toMatchObject({ ok: true });
  });

  test("when the connection closes, pending and later calls answer with a problem", async () => {
    const { connect, close, state } = await serve();
    const fabric = connect();
    const running = await fabric.run({ kind: "internet" }, { argv: ["a"], onOutput: () => {} });
    state.holdObserve = true;
    const pending = fabric.observe();
    await fabric.greet();
    await close();
    expect(await pending).toMatchObject({ ok: false, problem: { code: "FabricGone" } });
    expect(await fabric.closed).toMatchObject({ code: "FabricGone" });
    expect(await fabric.observe()).toMatchObject({ ok: false, problem: { code: "FabricGone" } });
    expect(await fabric.probe({ flow: "x", timeoutMs: 1 } as Probe)).toMatchObject({ ok: false });
    expect(running.ok && (await running.value.ended)).toEqual({ exitCode: 137 });
  });

  test("where nobody listens, every call answers with a problem", async () => {
    const fabric = openRemoteFabric(join(tmpdir(), "ase-no-such.sock"));
    expect(await fabric.observe()).toMatchObject({ ok: false, problem: { code: "FabricGone" } });
  });

  test("ending is answered before the process goes", async () => {
    const { connect, state, ended } = await serve();
    await connect().end();
    await ended;
    expect(state.endedCount).toBe(1);
  });
});
