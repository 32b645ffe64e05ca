import { execFile } from "node:child_process";
import { chmod, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, test } from "vitest";

import {
  blockingFolder,
  generatedEtc,
  readMachineLinks,
  sandboxCommand,
  type Confinement,
  type SandboxContents,
} from "./sandbox.ts";

const USER = 21_500;
let folder: string;
let contents: SandboxContents;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "ase-sandbox-"));
  const below = (name: string) => join(folder, name);
  contents = {
    wwwroot: below("www"),
    logFiles: below("logs"),
    data: below("data"),
    node: process.execPath,
    staticServer: below("server.mjs"),
    tools: below("tools"),
    etc: below("etc"),
    hostName: "worker-0",
  };
  for (const name of ["www", "logs", "data", "etc", "tools"]) await mkdir(below(name));
  await writeFile(below("server.mjs"), "");
  const etc = generatedEtc({
    user: USER,
    hostName: "worker-0",
    address: "10.0.0.4",
    names: { resolver: "168.63.129.16", servers: [] },
  });
  for (const [name, text] of Object.entries(etc)) await writeFile(join(contents.etc, name), text);
});

afterEach(() => rm(folder, { recursive: true, force: true }));

async function run(
  confinement: Confinement,
  script: string,
  through: readonly string[] = [],
): Promise<{ readonly out: string; readonly err: string }> {
  const built = sandboxCommand(contents, confinement, await readMachineLinks(), [
    "/bin/sh",
    "-c",
    script,
  ]);
  const [command = "", ...args] = [...through, ...built.argv];
  const identity = built.user === undefined ? {} : { uid: built.user, gid: built.user };
  return new Promise((resolve) => {
    execFile(command, args, { cwd: "/", ...identity }, (_, out, err) => resolve({ out, err }));
  });
}

describe("where users may not make user namespaces, root builds the sandbox and", () => {
  const dropped = { kind: "dropped-user", user: USER } as const;

  test("the app is its own user without any capability", async () => {
    const { out, err } = await run(dropped, "id -u; id -G; grep -E 'Cap|NoNew' /proc/self/status");
    expect(err).toBe("");
    expect(out).toMatchInlineSnapshot(`
      "21500
      21500
      CapInh:	0000000000000000
      CapPrm:	0000000000000000
      CapEff:	0000000000000000
      CapBnd:	0000000000000000
      CapAmb:	0000000000000000
      NoNewPrivs:	1
      "
    `);
  });

  test("nothing of the machine can be written or seen", async () => {
    const { out } = await run(
      dropped,
      "for path in /x /etc/x /usr/x /opt/x /proc/sys/kernel/hostname; do (echo > $path) 2>/dev/null && echo wrote $path; done; ls -d /root /work /var 2>/dev/null; mount -t tmpfs x /tmp 2>/dev/null && echo mounted; kill -9 1 2>/dev/null && echo killed; echo end",
    );
    expect(out).toBe("end\n");
  });
});

test("without root, in a user namespace of ours, the sandbox stands all the same", async () => {
  const { out, err } = await run(
    { kind: "same-user" },
    "id -u; ls -d /root /work 2>/dev/null; grep CapEff /proc/self/status; echo x > /home/site/wwwroot/x && cat x",
    ["unshare", "--user", "--map-root-user", "--mount"],
  );
  expect(err).toBe("");
  expect(out).toBe("1000\nCapEff:\t0000000000000000\nx\n");
});

test("the folder that bars a user's way is named", async () => {
  await mkdir(join(folder, "www", "inner"));
  expect(await blockingFolder(contents.wwwroot, USER)).toBe(folder);
  await chmod(folder, 0o711);
  expect(await blockingFolder(join(contents.wwwroot, "inner"), USER)).toBeUndefined();
  expect(await blockingFolder("/root/x", USER)).toBe("/root");
});
