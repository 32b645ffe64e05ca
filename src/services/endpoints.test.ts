import { execFile } from "node:child_process";
import { connect } from "node:net";
import { promisify } from "node:util";
import { afterEach, describe, expect, test } from "vitest";

import type { Endpoint } from "../blueprint/blueprint.ts";
import type { RunningProgram } from "../fabric/fabric.ts";
import type { Ipv4 } from "../network/prefix.ts";
import { loopbackPlace } from "./loopback-sockets.ts";
import { startService } from "./start-service.ts";

const HERE = "127.22.0.1" as Ipv4;
let program: RunningProgram | undefined;
afterEach(async () => {
  await program?.stop();
  program = undefined;
});

/** The judges are Python's sockets and struct: nothing of ours on the asking side. */
describe("a dns endpoint, asked by another program", () => {
  const names = {
    "a.test": "127.1.1.1",
    "*.wild.test": "127.1.1.2",
    "x.wild.test": "127.1.1.3",
  } as unknown as Record<string, Ipv4>;

  test("answers exact names first, then wildcards, over UDP and TCP", async () => {
    await start({ service: "dns", port: 53, names });
    expect(await ask("A.test", 1, "udp")).toBe("rcode=0 qr=1 answers=1 127.1.1.1");
    expect(await ask("x.wild.test", 1, "tcp")).toBe("rcode=0 qr=1 answers=1 127.1.1.3");
    expect(await ask("deep.er.wild.test", 1, "udp")).toBe("rcode=0 qr=1 answers=1 127.1.1.2");
    expect(await ask("wild.test", 1, "udp")).toBe("rcode=3 qr=1 answers=0");
    expect(await ask("constructor", 1, "udp")).toBe("rcode=3 qr=1 answers=0");
    expect(await ask("a.test", 28, "udp")).toBe("rcode=0 qr=1 answers=0");
  });

  test("takes new names without a restart", async () => {
    await start({ service: "dns", port: 53, names });
    const next = {
      kind: "endpoint",
      name: "dns",
      address: HERE,
      service: "dns",
      port: 53,
      names: { "b.test": "127.1.1.4" as Ipv4 },
    } as const;
    expect(await program?.change(next)).toBe(true);
    expect(await ask("a.test", 1, "udp")).toBe("rcode=3 qr=1 answers=0");
    expect(await ask("b.test", 1, "udp")).toBe("rcode=0 qr=1 answers=1 127.1.1.4");
    expect(await program?.change({ ...next, port: 54 })).toBe(false);
  });

  test("lives on after what is no query", async () => {
    await start({ service: "dns", port: 53, names });
    await python(`
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
import random
random.seed(1)
noise = tuple(b"\\x00\\x09\\x01\\x00\\x00\\x01" + b"\\x00" * 6 + random.randbytes(random.randrange(60)) + b"\\x00\\x00\\x01\\x00\\x01" for _ in range(2000))
for junk in noise + (b"", b"x", b"\\xff" * 600, b"\\x00\\x01\\x80\\x00" + b"\\x00" * 8, b"\\x00\\x07\\x01\\x00\\x00\\x01" + b"\\x00" * 6 + b"\\xc0\\x0c" * 9):
    s.sendto(junk, ("${HERE}", 53))
`);
    expect(await ask("a.test", 1, "udp")).toBe("rcode=0 qr=1 answers=1 127.1.1.1");
  });
});

test("a time endpoint answers NTP with our own timestamp and the machine's time", async () => {
  await start({ service: "time", port: 123 });
  const said = await python(`
import socket, struct, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(2)
request = bytearray(48); request[0] = 0x23; request[40:48] = b"mynonce!"
s.sendto(bytes(request), ("${HERE}", 123)); a = s.recv(100)
first, stratum = a[0], a[1]
received, sent = (struct.unpack(">II", a[i:i+8]) for i in (32, 40))
seconds = lambda t: t[0] - 2208988800 + t[1] / 2**32
print(len(a), first >> 6, (first >> 3) & 7, first & 7, stratum, a[24:32].decode(), abs(seconds(sent) - time.time()) < 0.1, seconds(received) <= seconds(sent))
`);
  expect(said).toBe("48 0 4 4 2 mynonce! True True");
});

test("a monitoring endpoint acknowledges every metric, and refuses what is none", async () => {
  await start({ service: "monitoring", port: 12_000 });
  const socket = connect(12_000, HERE);
  let heard = "";
  socket.on("data", (chunk) => (heard += String(chunk)));
  const metric = JSON.stringify({ name: "cpu", value: 1, at: "2026-01-01T00:00:00Z" });
  socket.write(`${metric}\n{"name":1}\nnonsense\n${metric}\n`);
  await expect.poll(() => heard.split("\n").length).toBeGreaterThanOrEqual(5);
  const answers = heard
    .trimEnd()
    .split("\n")
    .filter((line) => line.startsWith("{"));
  expect(answers.map((line) => Object.keys(JSON.parse(line) as object)[0])).toEqual([
    "accepted",
    "refused",
    "refused",
    "accepted",
  ]);
  socket.destroy();
});

test("programs of other rooms and endpoints without certificates are declined", async () => {
  const endpoint = {
    kind: "endpoint",
    name: "crl",
    address: HERE,
    service: "http",
    port: 80,
  } as const;
  expect(await startService(endpoint, loopbackPlace("h", HERE, []))).toMatchObject({
    ok: false,
    problem: { code: "EndpointWithoutCertificates" },
  });
  const frontEnd = {
    kind: "front-end",
    name: "proxy",
    address: HERE,
    sites: [],
    certificates: [],
  } as const;
  expect(await startService(frontEnd, loopbackPlace("h", HERE, []))).toMatchObject({
    ok: false,
    problem: { code: "NotAService" },
  });
});

async function start(wish: Pick<Endpoint, "service" | "port" | "names">): Promise<void> {
  const endpoint: Endpoint = { kind: "endpoint", name: wish.service, address: HERE, ...wish };
  const started = await startService(endpoint, loopbackPlace("endpoint", HERE, [endpoint]));
  if (!started.ok) throw new Error(started.problem.what);
  program = started.value;
}

function ask(name: string, type: number, over: "udp" | "tcp"): Promise<string> {
  return python(`
import socket, struct
q = struct.pack(">HHHHHH", 4711, 0x0100, 1, 0, 0, 0) + b"".join(bytes([len(l)]) + l.encode() for l in "${name}".split(".")) + b"\\0" + struct.pack(">HH", ${type}, 1)
if "${over}" == "udp":
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(2); s.sendto(q, ("${HERE}", 53)); a = s.recv(4096)
else:
    s = socket.create_connection(("${HERE}", 53), 2); s.sendall(struct.pack(">H", len(q)) + q)
    n = struct.unpack(">H", s.recv(2))[0]; a = s.recv(n)
i, f, qd, an, _, _ = struct.unpack(">HHHHHH", a[:12])
assert i == 4711 and qd == 1 and a[12:len(q)] == q[12:]
print("rcode=%d qr=%d answers=%d" % (f & 15, f >> 15, an), socket.inet_ntoa(a[-4:]) if an else "")
`);
}

async function python(script: string): Promise<string> {
  const { stdout } = await promisify(execFile)("python3", ["-c", script], { timeout: 5_000 });
  return stdout.trim();
}
