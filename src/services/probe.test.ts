import { copyFile, mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import type { CertificateFiles, Endpoint, RoleAgent } from "../blueprint/blueprint.ts";
import type { Probe } from "../blueprint/probes.ts";
import type { Conversation } from "../environment/flows.ts";
import type { HostSockets, RunningProgram } from "../fabric/fabric.ts";
import type { Ipv4 } from "../network/prefix.ts";
import { openAuthority, type Authority } from "./certificates.ts";
import { loopbackPlace, loopbackSockets } from "./loopback-sockets.ts";
import { runProbe } from "./probe.ts";
import { startService } from "./start-service.ts";

const HERE = "127.20.0.1" as Ipv4;
const WORLD = "127.20.0.2" as Ipv4;
const MANAGEMENT = "127.20.0.3" as Ipv4;
const SILENT = "127.20.0.4" as Ipv4;
const running: RunningProgram[] = [];
let folder = "";
let authority: Authority;
let manager: CertificateFiles;
let updates: CertificateFiles;
let silent: Server;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "ase-probe-"));
  authority = await authorityOf(folder);
  manager = await certificate("manager", "management.demo.test", ["client", "server"]);
  updates = await certificate("updates", "management.azure.com", ["server"]);
  const names = { "known.test": "127.1.2.3" as Ipv4 };
  const endpoints: readonly Omit<Endpoint, "kind" | "name" | "address">[] = [
    { service: "dns", port: 53, names },
    { service: "time", port: 123 },
    { service: "http", port: 80, tls: updates },
    { service: "https", port: 443, tls: updates },
    { service: "sql", port: 1433 },
    { service: "monitoring", port: 12_000 },
  ];
  for (const each of endpoints)
    await start({ kind: "endpoint", name: each.service, address: WORLD, ...each });
  await start(agentOf());
  silent = createServer();
  await loopbackSockets.listen(silent, { address: SILENT, port: 16_001 });
});
afterAll(async () => {
  await Promise.all(running.map((program) => program.stop()));
  silent.close();
  await rm(folder, { recursive: true, force: true });
});

describe("a probe uses its flow for real", () => {
  const uses: readonly [Conversation, Partial<Probe>, RegExp][] = [
    ["management", { to: tcp(MANAGEMENT, 454), name: "management.demo.test" }, /names 2 roles/],
    ["management", { to: tcp(MANAGEMENT, 455), name: "management.demo.test" }, /1 of 2 roles/],
    ["keep-alive", { to: tcp(MANAGEMENT, 16_001) }, /^agent-host keeps alive$/],
    ["internal", { to: tcp(MANAGEMENT, 20_500) }, /^agent-host \(Management\) answers$/],
    [
      "dns",
      { to: { ...tcp(WORLD, 53), protocol: "Udp" }, name: "known.test" },
      /^known.test is 127.1.2.3$/,
    ],
    ["dns", { to: tcp(WORLD, 53), name: "known.test" }, /^known.test is 127.1.2.3$/],
    ["time", { to: { ...tcp(WORLD, 123), protocol: "Udp" } }, /^the clock is -?\d+\.\d ms away$/],
    ["http", { to: tcp(WORLD, 80), name: "ocsp.msocsp.com" }, /^revocation list of \d{4}-/],
    ["https", { to: tcp(WORLD, 443), name: "management.azure.com" }, /^update manifest of \d{4}-/],
    [
      "sql",
      { to: tcp(WORLD, 1433), environment: "/groups/o'values/select/heartbeat" },
      /read back$/,
    ],
    ["monitoring", { to: tcp(WORLD, 12_000) }, /^metric accepted$/],
  ];
  test.each(uses)("%s %o", async (conversation, wish, detail) => {
    const result = await runProbe(probeOf(conversation, wish), loopbackSockets);
    expect(result).toMatchObject({ ok: true, detail: expect.stringMatching(detail) });
  });
});

describe("a probe that fails says why", () => {
  const failures: readonly [string, Conversation, () => Partial<Probe>, RegExp][] = [
    ["refused", "internal", () => ({ to: tcp(WORLD, 9) }), /^connection refused$/],
    [
      "nobody answers",
      "keep-alive",
      () => ({ to: tcp(SILENT, 16_001), timeoutMs: 80 }),
      /^no answer within 80 ms$/,
    ],
    [
      "datagrams are not answered",
      "dns",
      () => ({ to: { ...tcp(WORLD, 9), protocol: "Udp" } }),
      /^connection refused$/,
    ],
    [
      "an unknown name",
      "dns",
      () => ({ to: { ...tcp(WORLD, 53), protocol: "Udp" }, name: "other.test" }),
      /^the answer was NXDOMAIN$/,
    ],
    [
      "the wrong name",
      "https",
      () => ({ to: tcp(WORLD, 443), name: "other.test" }),
      /^TLS: .*other\.test/,
    ],
    [
      "a certificate that is not for clients",
      "management",
      () => ({ to: tcp(MANAGEMENT, 454), name: "management.demo.test", tls: updates }),
      /^TLS: /,
    ],
    [
      "no certificate",
      "management",
      () => ({ to: tcp(MANAGEMENT, 454), tls: { ...manager, key: "/nowhere" } }),
      /could not be read$/,
    ],
    [
      "another service",
      "monitoring",
      () => ({ to: tcp(WORLD, 80) }),
      /^(the answer is not JSON|connection closed)/,
    ],
    [
      "a database that is none",
      "sql",
      () => ({ to: tcp(WORLD, 80) }),
      /^(what was received is not TDS|the server closed)/,
    ],
  ];
  test.each(failures)("%s (%s)", async (_, conversation, wish, reason) => {
    const result = await runProbe(probeOf(conversation, wish()), loopbackSockets);
    expect(result).toMatchObject({ ok: false, reason: expect.stringMatching(reason) });
  });

  test("an authority that did not sign the certificate", async () => {
    const other = await authorityOf(join(folder, "other"));
    const tls = { ...updates, authority: other.certificate };
    const wish = { to: tcp(WORLD, 443), name: "management.azure.com", tls };
    const result = await runProbe(probeOf("https", wish), loopbackSockets);
    expect(result).toMatchObject({ ok: false, reason: expect.stringMatching(/^TLS: /) });
  });

  test("a revoked client is refused by management", async () => {
    const revoked = await certificate("leaver", "leaver.demo.test", ["client"]);
    const kept = { ...revoked, certificate: join(folder, "kept.crt") };
    await copyFile(revoked.certificate, kept.certificate);
    const wish = { to: tcp(MANAGEMENT, 454), name: "management.demo.test", tls: kept };
    expect(await runProbe(probeOf("management", wish), loopbackSockets)).toMatchObject({
      ok: true,
    });
    await authority.revoke("leaver");
    await running.at(-1)?.change(agentOf());
    const result = await runProbe(probeOf("management", wish), loopbackSockets);
    expect(result).toMatchObject({
      ok: false,
      reason: expect.stringMatching(/^TLS: closed after the handshake/),
    });
  });

  test("the time is kept, and every socket is closed, however it ends", async () => {
    const open = new Set<object>();
    const watched: HostSockets = {
      ...loopbackSockets,
      connect: async (to) => {
        const connected = await loopbackSockets.connect(to);
        if (connected.ok) {
          open.add(connected.value);
          connected.value.once("close", () => open.delete(connected.value));
        }
        return connected;
      },
    };
    const wish = { to: tcp(SILENT, 16_001), timeoutMs: 60 };
    const conversations: readonly Conversation[] = [
      "management",
      "keep-alive",
      "internal",
      "http",
      "https",
      "sql",
      "monitoring",
    ];
    const results = await Promise.all(
      conversations.map((each) => runProbe(probeOf(each, wish), watched)),
    );
    for (const result of results) {
      expect(result).toMatchObject({ ok: false, reason: "no answer within 60 ms" });
      expect(result.elapsedMs).toBeLessThan(200);
    }
    await expect.poll(() => open.size).toBe(0);
  });
});

function agentOf(): RoleAgent {
  const peers = [
    { host: "agent-host", address: MANAGEMENT, port: 20_500 },
    { host: "gone", address: MANAGEMENT, port: 9 },
  ];
  return {
    kind: "role-agent",
    name: "agent",
    role: "Management",
    address: MANAGEMENT,
    internalPorts: [20_500],
    keepAlive: true,
    echoAddress: "198.18.0.1" as Ipv4,
    management: { tls: manager, peers },
  };
}

function probeOf(conversation: Conversation, wish: Partial<Probe>): Probe {
  return {
    flow: conversation,
    environment: "/environments/demo",
    from: { kind: "internet", address: HERE },
    to: tcp(WORLD, 0),
    conversation,
    name: "",
    tls: manager,
    timeoutMs: 1_000,
    ...wish,
  };
}

function tcp(address: Ipv4, port: number) {
  return { address, port, protocol: "Tcp" } as const;
}

async function start(program: RoleAgent | Endpoint): Promise<void> {
  const started = await startService(
    program,
    loopbackPlace("agent-host", program.address, [program]),
  );
  if (!started.ok) throw new Error(started.problem.what);
  running.push(started.value);
}

async function authorityOf(at: string): Promise<Authority> {
  const opened = await openAuthority(at);
  if (!opened.ok) throw new Error(opened.problem.what);
  return opened.value;
}

async function certificate(stem: string, name: string, uses: readonly ("client" | "server")[]) {
  const files = await authority.issue({ stem, names: [name], addresses: [], uses });
  if (!files.ok) throw new Error(files.problem.what);
  return files.value;
}
