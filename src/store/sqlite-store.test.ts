import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import { afterEach, describe, expect, test } from "vitest";

import { describeStore } from "../../test/conformance/store.conformance.ts";
import type { Store } from "./store.ts";
import { openSqliteStore } from "./sqlite-store.ts";

function makeHome() {
  const folder = mkdtempSync(join(tmpdir(), "ase-store-"));
  const file = join(folder, "state.db");
  return {
    file,
    open: () => opened(file),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function opened(file: string): Store {
  const store = openSqliteStore({ file, now: () => 1_000 });
  if (!store.ok) throw new Error(store.problem.what);
  return store.value;
}

describeStore("the SQLite store", makeHome);

describe("the SQLite store", () => {
  const cleanups: (() => void)[] = [];
  afterEach(() => {
    for (const cleanup of cleanups.splice(0).reverse()) cleanup();
  });
  const home = () => {
    const made = makeHome();
    cleanups.push(made.remove);
    return made;
  };

  test("a second control plane on the same home is refused, and may come when the first is gone", () => {
    const { file, open } = home();
    const first = open();
    const second = openSqliteStore({ file, now: () => 0 });
    expect(second).toMatchObject({
      ok: false,
      problem: { code: "HomeInUse", where: file, what: expect.stringContaining(`${process.pid}`) },
    });
    first.close();
    open().close();
  });

  test("an older program does not touch the store of a newer one", () => {
    const { file, open } = home();
    open().close();
    const database = new DatabaseSync(file);
    database.exec("pragma user_version = 1000");
    database.close();
    const refused = openSqliteStore({ file, now: () => 0 });
    expect(refused).toMatchObject({ ok: false, problem: { code: "StoreIsNewer" } });
  });

  test("a file that is no store is a problem with its name", () => {
    const { file } = home();
    writeFileSync(file, "this is not a database, and long enough to be told from an empty one");
    expect(openSqliteStore({ file, now: () => 0 })).toMatchObject({
      ok: false,
      problem: { code: "StoreUnreadable", where: file },
    });
  });

  test("nobody else may read its files", () => {
    const { file, open } = home();
    open().close();
    expect(statSync(file).mode & 0o077).toBe(0);
  });

  test(
    "every acknowledged write is there after SIGKILL at any instant, and nothing is half done",
    { timeout: 60_000 },
    async () => {
      const { file, open } = home();
      let acknowledged = 0;
      for (const writesBeforeKill of [1, 7, 40, 90]) {
        acknowledged = await writeUntilKilled(file, acknowledged + writesBeforeKill);
        const store = open();
        const count = store.list("write", "").length;
        expect(count).toBeGreaterThanOrEqual(acknowledged);
        expect(store.list("twin", "")).toHaveLength(count);
        expect(store.events.newest()).toBe(count);
        store.close();
        acknowledged = count;
      }
    },
  );
});

/** A process that writes as fast as it can and says what was acknowledged; killed amid it. */
async function writeUntilKilled(file: string, enough: number): Promise<number> {
  const writer: ChildProcess = spawn(
    process.execPath,
    [join(import.meta.dirname, "../../test/programs/store-writer.ts"), file],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const exit = once(writer, "exit");
  let acknowledged = 0;
  if (writer.stdout === null) throw new Error("the writer has no output");
  for await (const line of createInterface({ input: writer.stdout })) {
    acknowledged = Number(line);
    if (enough <= acknowledged) writer.kill("SIGKILL");
  }
  await exit;
  return acknowledged;
}
