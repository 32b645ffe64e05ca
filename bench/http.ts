/**
 * Requests through the environment against the same HAProxy and app on loopback, taking turns.
 *
 *     node bench/http.ts [--rounds 3] [--seconds 2] [--connections 32]
 *
 * - world: client on the internet of the world -> VIP -> front end -> worker
 * - loopback: the same configuration of the front end, one HAProxy, the same app, no world
 * - plain: as loopback, without what a front end adds to each request
 *
 * CPU is that of client, proxies and app together, so it holds on a machine that does other things
 * too. Needs wrk (Debian package). Nothing is asserted.
 */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

import { frontEndFiles } from "../src/apps/front-end-config.ts";
import type { FrontEnd } from "../src/blueprint/blueprint.ts";
import type { Ipv4 } from "../src/network/prefix.ts";
import { median, printMachine, printTable, readNumbers, spread } from "./figures.ts";
import { bringUpSample, HELLO_APP, HOST, SITE } from "./sample.ts";
import {
  end,
  freePorts,
  good,
  inBenchWorld,
  processesOf,
  readOr,
  run,
  there,
  type BenchWorld,
} from "./world.ts";

type Mode = {
  readonly name: string;
  readonly tls: boolean;
  readonly anew: boolean;
  readonly goal: number;
};
const MODES: readonly Mode[] = [
  { name: "keep-alive", tls: false, anew: false, goal: 0.85 },
  { name: "TLS 1.3 keep-alive", tls: true, anew: false, goal: 0.9 },
  { name: "new connections", tls: false, anew: true, goal: 0.75 },
];

type Target = {
  readonly name: string;
  readonly address: string;
  readonly ports: { readonly http: number; readonly https: number };
  /** Proxies and apps. */
  readonly pids: () => readonly number[];
  readonly wrk: (words: readonly string[]) => Promise<string>;
};

type Run = {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly cpuUs: number;
};

const { rounds, seconds, connections } = readNumbers({ rounds: 3, seconds: 2, connections: 32 });
const TICKS_PER_SECOND = 100;
/** The client's own CPU is told by the shell that runs it. */
const WITH_TIMES = ["sh", "-c", '"$@"; times', "sh"];

printMachine();
await inBenchWorld(async (world) => {
  const address = await bringUpSample(world, 1);
  const certificate = there(
    readdirSync(join(world.folder, "pki"))
      .filter((file) => file.endsWith(".pem"))
      .find((file) => file.includes("demo")),
    "the environment has a certificate",
  );
  const lone = await startLoopback(join(world.folder, "pki", certificate));
  try {
    await compare([inWorld(world, address), ...lone.targets]);
  } finally {
    await lone.stop();
  }
});

async function compare(targets: readonly Target[]): Promise<void> {
  for (const mode of MODES) {
    const runs = new Map<string, Run[]>(targets.map(({ name }) => [name, []]));
    for (const target of targets) await once(target, mode, 0.5);
    for (let round = 0; round < rounds; round += 1)
      for (const target of round % 2 === 0 ? targets : targets.toReversed())
        runs.get(target.name)?.push(await once(target, mode, seconds));
    const of = (name: string, value: (run: Run) => number) => (runs.get(name) ?? []).map(value);
    const rate = (name: string) => median(of(name, ({ perSecond }) => perSecond));
    const cpu = (name: string) => median(of(name, ({ cpuUs }) => cpuUs));
    const base = "loopback";
    printTable(
      `${mode.name}: median (least..greatest) of ${rounds} runs of ${seconds} s, ${connections} connections; goal ${mode.goal} of ${base}`,
      targets.map(({ name }) => ({
        way: name,
        "requests/s": spread(of(name, ({ perSecond }) => perSecond)),
        "p50 ms": median(of(name, ({ p50Ms }) => p50Ms)).toFixed(2),
        "p99 ms": median(of(name, ({ p99Ms }) => p99Ms)).toFixed(2),
        "CPU us/request": spread(
          of(name, ({ cpuUs }) => cpuUs),
          1,
        ),
        "rate of loopback's": (rate(name) / rate(base)).toFixed(2),
        "loopback's CPU of this": (cpu(base) / cpu(name)).toFixed(2),
      })),
    );
  }
}

async function once(target: Target, mode: Mode, takes: number): Promise<Run> {
  const port = mode.tls ? target.ports.https : target.ports.http;
  const url = `${mode.tls ? "https" : "http"}://${target.address}:${port}/`;
  const pids = target.pids();
  const before = cpuSeconds(pids);
  const said = await target.wrk([
    ...["wrk", "-t1", `-c${connections}`, `-d${Math.max(1, Math.round(takes))}s`, "--latency"],
    ...["-H", `Host: ${HOST}`, ...(mode.anew ? ["-H", "Connection: close"] : []), url],
  ]);
  const used = cpuSeconds(pids) - before + cpuOfClient(said);
  const number = (pattern: RegExp, what: string) =>
    there(pattern.exec(said)?.[1], `wrk tells ${what}: ${said}`);
  const requests = Number(number(/(\d+) requests in/, "requests"));
  if (/Non-2xx|Socket errors: connect [1-9]/.test(said))
    throw new Error(`not all went well: ${said}`);
  return {
    perSecond: Number(number(/Requests\/sec:\s+([\d.]+)/, "a rate")),
    p50Ms: inMs(number(/^\s+50%\s+(\S+)/m, "p50")),
    p99Ms: inMs(number(/^\s+99%\s+(\S+)/m, "p99")),
    cpuUs: (used / requests) * 1e6,
  };
}

function inWorld(world: BenchWorld, address: string): Target {
  return {
    name: "world",
    address,
    ports: { http: 80, https: 443 },
    pids: () => [...processesOf(world, "haproxy"), ...processesOf(world, "server.js")],
    wrk: (words) => world.ase("exec", "--at", "internet", "--", ...WITH_TIMES, ...words),
  };
}

/** The app once, and before it two HAProxies: one as a front end is configured, one without headers. */
async function startLoopback(certificate: string) {
  const [app, http, https] = await freePorts();
  const [, plainHttp, plainHttps] = await freePorts();
  const folder = mkdtempSync(join(tmpdir(), "ase-bench-loopback-"));
  const frontEnd: FrontEnd = {
    kind: "front-end",
    name: "proxy",
    address: "127.0.0.1" as Ipv4,
    certificates: [],
    sites: [
      {
        name: SITE,
        hostNames: [HOST],
        httpsOnly: false,
        running: true,
        backends: [{ name: "one", address: "127.0.0.1" as Ipv4, port: app }],
      },
    ],
  };
  const configure = (
    name: string,
    ports: { readonly http: number; readonly https: number },
    change: (text: string) => string,
  ) => {
    const own = join(folder, name);
    mkdirSync(own);
    const files = good(
      frontEndFiles(frontEnd, {
        folder: own,
        workerSocket: join(own, "worker.sock"),
        certificateFiles: [certificate],
        maxConnections: 1_000,
        threads: 1,
      }),
    );
    for (const [file, text] of Object.entries(files)) writeFileSync(join(own, file), text);
    const bound = (files["haproxy.cfg"] ?? "")
      .replace("127.0.0.1:80\n", `127.0.0.1:${ports.http}\n`)
      .replace("127.0.0.1:443 ", `127.0.0.1:${ports.https} `);
    writeFileSync(join(own, "haproxy.cfg"), change(bound));
    return spawn("haproxy", ["-db", "-f", join(own, "haproxy.cfg")], { stdio: "inherit" });
  };
  const server = spawn(process.execPath, ["server.js"], {
    cwd: HELLO_APP,
    env: { PORT: String(app), BENCH_ADDRESS: "127.0.0.1" },
    stdio: "inherit",
  });
  const same = configure("same", { http, https }, (text) => text);
  const plain = configure("plain", { http: plainHttp, https: plainHttps }, (text) =>
    text.replaceAll(/^ {2}http-request (set-header|del-header|set-var-fmt) .*\n/gm, ""),
  );
  const children = [server, same, plain];
  const target = (name: string, ports: Target["ports"], proxy: typeof same): Target => ({
    name,
    address: "127.0.0.1",
    ports,
    pids: () => [proxy, server].flatMap(({ pid }) => pid ?? []),
    wrk: ([...words]) => run("sh", [...WITH_TIMES.slice(1), ...words]),
  });
  for (const port of [http, plainHttp]) await untilAnswers(port);
  return {
    targets: [
      target("loopback", { http, https }, same),
      target("plain", { http: plainHttp, https: plainHttps }, plain),
    ],
    stop: async () => {
      await Promise.all(children.map(end));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function untilAnswers(port: number): Promise<void> {
  const deadline = Date.now() + 10_000;
  const answers = () =>
    new Promise<boolean>((resolve) => {
      const call = request(
        { host: "127.0.0.1", port, agent: false, headers: { host: HOST } },
        (response) => {
          response.resume();
          resolve(response.statusCode === 200);
        },
      );
      call.on("error", () => resolve(false));
      call.end();
    });
  while (!(await answers())) {
    if (deadline < Date.now()) throw new Error(`nothing answers at port ${port}`);
    await pause(20);
  }
}

function cpuSeconds(pids: readonly number[]): number {
  const ticks = pids.map((pid) => {
    const text = readOr(`/proc/${pid}/stat`, "");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
  });
  return ticks.reduce((sum, one) => sum + one, 0) / TICKS_PER_SECOND;
}

/** What `times` says of children, on its second line: `0m1.23s 0m0.45s`. */
function cpuOfClient(said: string): number {
  const told = said.trimEnd().split("\n").at(-1) ?? "";
  return [...told.matchAll(/(\d+)m([\d.]+)s/g)].reduce(
    (sum, [, minutes, rest]) => sum + Number(minutes) * 60 + Number(rest),
    0,
  );
}

function inMs(text: string): number {
  const [, value, unit] = /^([\d.]+)(us|ms|s)$/.exec(text) ?? [];
  const scale = { us: 0.001, ms: 1, s: 1_000 }[unit ?? "ms"] ?? 1;
  return Number(value) * scale;
}
