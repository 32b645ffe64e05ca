import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterEach, describe, expect, test } from "vitest";

import type { Endpoint } from "../blueprint/blueprint.ts";
import type { RunningProgram } from "../fabric/fabric.ts";
import type { Ipv4 } from "../network/prefix.ts";
import { loopbackPlace } from "./loopback-sockets.ts";
import { startService } from "./start-service.ts";

const [FIRST, SECOND, PLATFORM, HERE] = [
  "127.22.3.1",
  "127.22.3.2",
  "127.22.3.3",
  "127.53.0.9",
] as unknown as readonly [Ipv4, Ipv4, Ipv4, Ipv4];
const running: RunningProgram[] = [];
afterEach(async () => {
  for (const program of running.splice(0)) await program.stop();
});

async function start(wish: Partial<Endpoint> & Pick<Endpoint, "service" | "address">) {
  const endpoint: Endpoint = { kind: "endpoint", name: wish.service, port: 53, ...wish };
  const place = loopbackPlace("worker", wish.address, [endpoint]);
  const started = await startService(endpoint, place);
  if (!started.ok) throw new Error(started.problem.what);
  running.push(started.value);
}
const server = (address: Ipv4, names: Record<string, string>) =>
  start({ service: "dns", address, names: names as unknown as Record<string, Ipv4> });
const resolver = (...servers: readonly Ipv4[]) =>
  start({ service: "app-resolver", address: HERE, asks: [{ at: HERE, servers }] });

/** The judge is Python's socket: nothing of ours on the asking side. */
async function ask(name: string, over: "udp" | "tcp" = "udp"): Promise<string> {
  const script = `
import socket, struct
q = struct.pack(">HHHHHH", 4711, 0x0100, 1, 0, 0, 0) + b"".join(bytes([len(l)]) + l.encode() for l in "${name}".split(".")) + b"\\0" + struct.pack(">HH", 1, 1)
if "${over}" == "udp":
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(9); s.sendto(q, ("${HERE}", 53)); a = s.recv(4096)
else:
    s = socket.create_connection(("${HERE}", 53), 9); s.sendall(struct.pack(">H", len(q)) + q)
    n = struct.unpack(">H", s.recv(2))[0]; a = s.recv(n)
i, f, qd, an, _, _ = struct.unpack(">HHHHHH", a[:12])
assert i == 4711 and f >> 15 == 1
print(socket.inet_ntoa(a[-4:]) if an else "rcode=%d" % (f & 15))
`;
  const { stdout } = await promisify(execFile)("python3", ["-c", script], { timeout: 15_000 });
  return stdout.trim();
}

describe("the resolver of a worker's apps", () => {
  test("asks the servers in turn, and the last for what the others do not know", async () => {
    await server(FIRST, { "both.test": "127.1.1.1" });
    await server(SECOND, { "both.test": "127.1.1.2", "second.test": "127.1.1.2" });
    await server(PLATFORM, { "public.test": "127.1.1.3" });
    await resolver(FIRST, SECOND, PLATFORM);
    for (const over of ["udp", "tcp"] as const) {
      expect(await ask("both.test", over)).toBe("127.1.1.1");
      expect(await ask("second.test", over)).toBe("127.1.1.2");
      expect(await ask("public.test", over)).toBe("127.1.1.3");
      expect(await ask("nowhere.test", over)).toBe("rcode=3");
    }
  });

  test("passes a silent server over, once it has waited for it", async () => {
    await server(PLATFORM, { "public.test": "127.1.1.3" });
    await start({ service: "time", address: FIRST });
    await resolver(FIRST, PLATFORM);
    expect(await ask("public.test")).toBe("127.1.1.3");
    const begun = performance.now();
    expect(await ask("public.test")).toBe("127.1.1.3");
    expect(performance.now() - begun).toBeLessThan(2_000);
  });

  test("says that it failed where nobody answers", async () => {
    await resolver(FIRST);
    expect(await ask("public.test", "tcp")).toBe("rcode=2");
  });
});
