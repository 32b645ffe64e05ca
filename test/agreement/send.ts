/**
 * The packets of a round, sent for real between the hosts of a standing world.
 *
 * Every host answers at every port with its name. What the law says is not known here.
 */
import type { Socket as UdpSocket } from "node:dgram";
import { writeFileSync } from "node:fs";
import { createServer, Socket } from "node:net";

import type { Flow } from "../../src/blueprint/walk.ts";
import type { Kernel, Space } from "../../src/fabric/linux/kernel/kernel.ts";
import { tcpSocket } from "../../src/fabric/linux/kernel/libc.ts";
import { Nft } from "../../src/fabric/linux/kernel/nft.ts";
import { addressOf } from "./generate.ts";

const ANSWERING_PORT = 7;

/** All ports of the addresses lead to one, whatever the address. */
export function answerEverywhere(space: Space): void {
  space.inside(() => {
    // Ports are used again in the next round, at once.
    writeFileSync("/proc/sys/net/ipv4/tcp_max_tw_buckets", "0");
    const nft = new Nft();
    nft.run(`
table ip everywhere {
  chain arriving {
    type nat hook prerouting priority dstnat;
    fib daddr type local meta l4proto { tcp, udp } th dport 1-65535 dnat to :${ANSWERING_PORT}
  }
}`);
    nft.close();
  });
}

/** Says its name to whoever comes to one of its addresses. */
export async function answerAs(
  space: Space,
  names: ReadonlyMap<string, string>,
  port = ANSWERING_PORT,
): Promise<readonly { close: () => void }[]> {
  const answering: { close: () => void }[] = [];
  for (const [address, name] of names) {
    const accepted = new Set<Socket>();
    const server = createServer((socket) => {
      accepted.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => accepted.delete(socket));
      socket.end(name);
    });
    const listening = await space.sockets.listen(server, { address, port });
    const socket = await space.sockets.udp({ address, port });
    if (!listening.ok || !socket.ok) throw new Error(`${name} cannot listen at ${address}`);
    socket.value.on("error", () => undefined);
    socket.value.on("message", (message, from) =>
      socket.value.send(`${message.toString()} ${name}`, from.port, from.address),
    );
    const close = () => {
      server.close();
      // Some never hear that the other side is gone.
      for (const one of accepted) one.destroy();
    };
    answering.push({ close }, socket.value);
  }
  return answering;
}

/** Who answered each flow: a name, or undefined. Those in `awaited` are given more time. */
export async function sendAll(
  kernel: Kernel,
  flows: readonly Flow[],
  awaited: ReadonlySet<Flow>,
): Promise<ReadonlyMap<Flow, string>> {
  const answers = new Map<Flow, string>();
  const sockets: { destroy: () => void }[] = [];
  const datagrams = new Map<string, UdpSocket>();
  await Promise.all(
    flows.map(async (flow, number) => {
      const space = spaceOf(kernel, flow);
      if (flow.protocol === "Tcp")
        sockets.push(sendTcp(space, flow, (name) => answers.set(flow, name)));
      else
        datagrams.set(
          String(number),
          await sendUdp(space, flow, (name) => answers.set(flow, name)),
        );
    }),
  );
  const SETTLE_MS = 120;
  const LONGEST_MS = 3_000;
  const begun = performance.now();
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    const missing = [...awaited].some((flow) => !answers.has(flow));
    if (!missing || LONGEST_MS < performance.now() - begun) break;
  }
  for (const socket of sockets) socket.destroy();
  for (const socket of datagrams.values()) socket.close();
  return answers;
}

function spaceOf(kernel: Kernel, { from }: Flow): Space {
  const space =
    from.kind === "host"
      ? kernel.space({ kind: "host", name: from.name })
      : from.kind === "internet"
        ? kernel.space({ kind: "internet", address: from.address })
        : kernel.space({ kind: "load-balancer", network: from.network });
  if (space === undefined) throw new Error(`broken promise: there is ${JSON.stringify(from)}`);
  return space;
}

function sendTcp(
  space: Space,
  flow: Flow,
  answered: (name: string) => void,
): { readonly destroy: () => void } {
  const fd = space.inside(() => tcpSocket({ address: addressOf(flow.from), port: flow.fromPort }));
  const socket = new Socket({ fd, readable: true, writable: true, manualStart: true } as {
    fd: number;
  });
  socket.on("error", () => undefined);
  socket.on("data", (said: Buffer) => answered(said.toString()));
  socket.connect({ host: flow.to, port: flow.toPort });
  return { destroy: () => void socket.resetAndDestroy() };
}

async function sendUdp(
  space: Space,
  flow: Flow,
  answered: (name: string) => void,
): Promise<UdpSocket> {
  const bound = await space.sockets.udp({ address: addressOf(flow.from), port: flow.fromPort });
  if (!bound.ok) throw new Error(bound.problem.what);
  const socket = bound.value;
  socket.on("error", () => undefined);
  // An answer from another address is nobody's: a translation was not undone.
  socket.on("message", (said, from) => {
    if (from.address === flow.to) answered(said.toString().replace("who ", ""));
  });
  socket.send("who", flow.toPort, flow.to, () => undefined);
  return socket;
}
