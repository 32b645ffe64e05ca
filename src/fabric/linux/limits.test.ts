import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, describe, expect, test } from "vitest";

import { openLimits } from "./limits.ts";

const folders: string[] = [];
afterEach(() => folders.splice(0).forEach((folder) => rmSync(folder, { recursive: true })));

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), "ase-limits-"));
  folders.push(made);
  return made;
}

const SMALL = { cores: 0.5, memoryMb: 64, processes: 20 };

describe("limits of hosts", () => {
  test("stand in three groups of version 1, which a process joins by itself", () => {
    const root = folder();
    for (const name of ["memory", "cpu", "pids"]) {
      mkdirSync(join(root, name));
      writeFileSync(join(root, name, "cgroup.procs"), "");
    }
    const limits = openLimits("w", root);
    expect(limits.version).toBe("v1");
    expect(limits.group("worker-0", SMALL)).toEqual({
      ok: true,
      value: ["memory", "cpu", "pids"].map((name) => join(root, name, "ase-w-worker-0", "tasks")),
    });
    const read = (file: string) => readFileSync(join(root, file), "utf8");
    expect(read("memory/ase-w-worker-0/memory.limit_in_bytes")).toBe("67108864");
    expect(read("cpu/ase-w-worker-0/cpu.cfs_quota_us")).toBe("50000");
    expect(read("pids/ase-w-worker-0/pids.max")).toBe("20");
  });

  test("stand in one group of version 2 where one above may be divided", () => {
    const root = folder();
    for (const [file, text] of [
      ["cgroup.controllers", "cpu memory pids"],
      ["cgroup.procs", ""],
      ["cgroup.subtree_control", "cpu memory pids"],
    ] as const)
      writeFileSync(join(root, file), text);
    const limits = openLimits("w", root);
    expect(limits.version).toBe("v2");
    expect(limits.group("worker-0", SMALL)).toEqual({
      ok: true,
      value: [join(root, "ase-w-worker-0", "cgroup.procs")],
    });
    expect(readFileSync(join(root, "ase-w-worker-0", "cpu.max"), "utf8")).toBe("50000 100000");
  });

  test("are absent, with the reason, where no group may be divided", () => {
    const limits = openLimits("w", folder());
    expect(limits).toMatchObject({
      version: "none",
      why: expect.stringContaining("may be divided"),
    });
    expect(limits.group("worker-0", SMALL)).toEqual({ ok: true, value: [] });
  });
});
