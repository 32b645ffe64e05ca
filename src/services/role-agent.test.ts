import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { execFile } from "node:child_process";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";

import type { CertificateFiles, RoleAgent } from "../blueprint/blueprint.ts";
import type { RunningProgram } from "../fabric/fabric.ts";
import type { Ipv4 } from "../network/prefix.ts";
import { openAuthority } from "./certificates.ts";
import { loopbackPlace } from "./loopback-sockets.ts";
import { startService } from "./start-service.ts";

const MANAGEMENT = "127.21.0.1" as Ipv4;
const WORKER = "127.21.0.2" as Ipv4;
const NEWCOMER = "127.21.0.3" as Ipv4;
const started: RunningProgram[] = [];
let folder = "";
let server: CertificateFiles;
let client: CertificateFiles;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "ase-agent-"));
  const authority = await openAuthority(folder);
  if (!authority.ok) throw new Error(authority.problem.what);
  const issue = async (stem: string, use: "client" | "server") => {
    const files = await authority.value.issue({
      stem,
      names: [`${stem}.test`],
      addresses: [MANAGEMENT],
      uses: [use],
    });
    if (!files.ok) throw new Error(files.problem.what);
    return files.value;
  };
  server = await issue("management", "server");
  client = await issue("commander", "client");
});
afterEach(async () => {
  await Promise.all(started.splice(0).map((program) => program.stop()));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

describe("a role agent", () => {
  test("obeys commands of the management role, and of nobody else", async () => {
    const worker = await run(agentOf(WORKER, { commandedFrom: [MANAGEMENT] }));
    await run(managementOf([{ host: "worker", address: WORKER, port: 21_001 }]));
    const stranger = await curl(
      "-XPOST",
      "--interface",
      NEWCOMER,
      `http://${WORKER}:21001/restart`,
    );
    expect(stranger).toMatchObject({ status: 403 });
    expect(worker.place.restarts()).toBe(0);
    const told = await curl(
      ...mutual(),
      "-XPOST",
      `https://${MANAGEMENT}:454/roles/worker/restart`,
    );
    expect(told).toMatchObject({ status: 202, body: { host: "host", restarting: true } });
    expect(worker.place.restarts()).toBe(1);
    expect(
      await curl(...mutual(), "-XPOST", `https://${MANAGEMENT}:454/roles/nobody/restart`),
    ).toMatchObject({ status: 404 });
    await worker.program.stop();
    expect(await curl(...mutual(), `https://${MANAGEMENT}:454/roles`)).toMatchObject({
      body: {
        roles: [
          { host: "worker", answering: false, reason: expect.stringContaining("ECONNREFUSED") },
        ],
      },
    });
  });

  test("shows its monitoring to openssl's client, with a certificate only", async () => {
    await run(managementOf([]));
    const ask = (args: readonly string[]) =>
      withInput(
        "openssl",
        [
          "s_client",
          "-connect",
          `${MANAGEMENT}:455`,
          "-CAfile",
          server.authority,
          "-verify_return_error",
          "-quiet",
          ...args,
        ],
        "GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
      );
    expect(await ask(["-cert", client.certificate, "-key", client.key])).toContain(
      '{"roles":0,"answering":0,"unreachable":[]}',
    );
    expect(await ask([])).not.toContain("HTTP/1.1");
    expect(await ask(["-cert", server.certificate, "-key", server.key])).not.toContain("HTTP/1.1");
  });

  test("takes new peers without a restart, and asks for one when listeners change", async () => {
    await run(agentOf(WORKER));
    await run(agentOf(NEWCOMER));
    const { program } = await run(
      managementOf([{ host: "worker", address: WORKER, port: 21_001 }]),
    );
    const hosts = async () => {
      const { body } = await curl(...mutual(), `https://${MANAGEMENT}:454/roles`);
      return (body as { roles: { host: string; answering: boolean }[] }).roles.map(
        ({ host, answering }) => `${host} ${answering}`,
      );
    };
    expect(await hosts()).toEqual(["worker true"]);
    expect(
      await program.change(managementOf([{ host: "newcomer", address: NEWCOMER, port: 21_001 }])),
    ).toBe(true);
    expect(await hosts()).toEqual(["newcomer true"]);
    expect(await program.change({ ...managementOf([]), internalPorts: [21_009] })).toBe(false);
  });

  test("answers the address and nothing more on 7654 and 1221, and keeps 16001 open", async () => {
    const { program } = await run(agentOf(WORKER, { keepAlive: true }));
    for (const port of [7_654, 1_221]) expect(await readAll(port)).toBe("198.18.0.1");
    const socket = connect(16_001, WORKER);
    let heard = "";
    socket.on("data", (chunk) => (heard += String(chunk)));
    for (const count of [1, 2, 3]) {
      socket.write("\r\n");
      await expect.poll(() => heard).toBe("OK host\n".repeat(count));
    }
    const closed = new Promise((resolve) => socket.once("close", resolve));
    await program.stop();
    await closed;
  });

  test("a port that is taken is a problem, and nothing stays open", async () => {
    await run(agentOf(WORKER));
    const program = agentOf(WORKER, { internalPorts: [21_002, 21_001] });
    const second = await startService(program, loopbackPlace("host", WORKER, [program]));
    expect(second).toMatchObject({
      ok: false,
      problem: { what: expect.stringContaining("EADDRINUSE") },
    });
    expect(await curl(`http://${WORKER}:21002/health`)).toMatchObject({ status: 0 });
  });
});

function agentOf(address: Ipv4, more: Partial<RoleAgent> = {}): RoleAgent {
  return {
    kind: "role-agent",
    name: "agent",
    role: "Worker",
    address,
    internalPorts: [21_001],
    keepAlive: false,
    echoAddress: "198.18.0.1" as Ipv4,
    ...more,
  };
}

function managementOf(peers: NonNullable<RoleAgent["management"]>["peers"]): RoleAgent {
  return agentOf(MANAGEMENT, { role: "Management", management: { tls: server, peers } });
}

async function run(program: RoleAgent) {
  const place = loopbackPlace("host", program.address, [program]);
  const running = await startService(program, place);
  if (!running.ok) throw new Error(running.problem.what);
  started.push(running.value);
  return { place, program: running.value };
}

function mutual(): readonly string[] {
  return [
    "--interface",
    MANAGEMENT,
    "--cacert",
    client.authority,
    "--cert",
    client.certificate,
    "--key",
    client.key,
  ];
}

async function curl(
  ...args: readonly string[]
): Promise<{ readonly status: number; readonly body: unknown }> {
  const out = await promisify(execFile)("curl", [
    "-sS",
    "--noproxy",
    "*",
    "-m",
    "5",
    "-w",
    "\n%{http_code}",
    ...args,
  ]).then(
    ({ stdout }) => stdout,
    () => "\n0",
  );
  const [body = "", status] = out.split("\n");
  return { status: Number(status), body: body === "" ? undefined : JSON.parse(body) };
}

function withInput(command: string, args: readonly string[], input: string): Promise<string> {
  return new Promise((resolve) => {
    const child = execFile(command, args, { timeout: 5_000 }, (_, stdout) => resolve(stdout));
    child.stdin?.write(input);
  });
}

function readAll(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = "";
    const socket = connect(port, WORKER);
    socket.on("data", (chunk) => (text += String(chunk)));
    socket.on("end", () => resolve(text));
    socket.on("error", reject);
  });
}
