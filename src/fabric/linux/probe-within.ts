/**
 * A probe with an end: whatever its conversation does, the answer comes in time and no socket
 * stays behind.
 */
import type { Socket as UdpSocket } from "node:dgram";
import type { Server, Socket } from "node:net";

import type { Probe, ProbeResult } from "../../blueprint/probes.ts";
import type { HostSockets, RunProbe } from "../fabric.ts";

/** The conversation may report its own timeout in better words. */
const GRACE_MS = 100;

export async function probeWithin(
  probe: Probe,
  sockets: HostSockets,
  runProbe: RunProbe,
): Promise<ProbeResult> {
  const startedAt = performance.now();
  const watched = watchSockets(sockets);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<ProbeResult>((resolve) => {
    timer = setTimeout(
      () =>
        resolve({
          ok: false,
          elapsedMs: performance.now() - startedAt,
          reason: `no answer from ${probe.to.address}:${probe.to.port} within ${probe.timeoutMs} ms`,
        }),
      probe.timeoutMs + GRACE_MS,
    );
  });
  const spoken = runProbe(probe, watched.sockets).catch((thrown: unknown) => ({
    ok: false as const,
    elapsedMs: performance.now() - startedAt,
    reason: thrown instanceof Error ? thrown.message : String(thrown),
  }));
  const result = await Promise.race([spoken, late]);
  clearTimeout(timer);
  watched.close();
  return result;
}

/** The same sockets, and a way to close all that came of them, also those still to come. */
function watchSockets(sockets: HostSockets): {
  readonly sockets: HostSockets;
  readonly close: () => void;
} {
  const closers: (() => void)[] = [];
  let isClosed = false;
  const watch = (close: () => void) => {
    if (isClosed) close();
    else closers.push(close);
  };
  return {
    sockets: {
      listen: (server: Server, at) => {
        watch(() => server.close());
        return sockets.listen(server, at);
      },
      connect: async (to) => {
        const connected = await sockets.connect(to);
        if (connected.ok) watch(() => quietly(connected.value));
        return connected;
      },
      udp: async (at) => {
        const bound = await sockets.udp(at);
        if (bound.ok) watch(() => closeUdp(bound.value));
        return bound;
      },
    },
    close: () => {
      isClosed = true;
      for (const close of closers) close();
    },
  };
}

function quietly(socket: Socket): void {
  socket.on("error", () => undefined);
  socket.destroy();
}

function closeUdp(socket: UdpSocket): void {
  try {
    socket.close();
  } catch {
    // The conversation closed it itself.
  }
}
