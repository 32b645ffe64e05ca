/**
 * A customer's DNS server: Debian's dnsmasq in a machine of the network.
 *
 * It knows what its description says, asks whom it may forward to for all other names, and denies
 * them where it may ask nobody. Its queries are in the machine's log.
 *
 * @article Customer DNS
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

import { declined, found, type Problem, type Result } from "../base/problem.ts";
import type { Endpoint } from "../blueprint/blueprint.ts";
import type { ProgramPlace, RunningProgram } from "../fabric/fabric.ts";

const START_LIMIT_MS = 5_000;
const LOOK_EVERY_MS = 20;

export async function startDnsServer(
  program: Endpoint,
  place: ProgramPlace,
): Promise<Result<RunningProgram>> {
  const file = join(place.scratch, "dnsmasq.conf");
  const user = await userOf();
  await writeFile(file, dnsServerConfiguration(program, user));
  // Where there is one user only, it must not try to become another: that is its debug mode.
  const stay = user === undefined ? "--no-daemon" : "--keep-in-foreground";
  const argv = ["dnsmasq", stay, `--conf-file=${file}`];
  const child = place.spawn(argv, { environment: {} });
  let stopping = false;
  const exit = new Promise<Problem>((resolve) => {
    const say = (how: string) => resolve(endedProblem(place, how));
    child.once("error", (error) => say(`cannot be started: ${error.message}`));
    child.once("exit", (code, signal) => say(`ended ${signal ?? `with code ${code ?? "?"}`}`));
  });
  const ready = await Promise.race([exit.then(declined), listens(program, place)]);
  if (!ready.ok) {
    child.kill("SIGKILL");
    return ready;
  }
  return found({
    change: async () => false,
    stop: async () => {
      stopping = true;
      child.kill("SIGTERM");
      await exit;
    },
    ended: new Promise((resolve) => {
      void exit.then((problem) => (stopping ? undefined : resolve(problem)));
    }),
  });
}

/** @param user whom it becomes after it holds its port; absent where there is one user */
export function dnsServerConfiguration(program: Endpoint, user: string | undefined): string {
  const { address, port, names = {}, aliases = {}, forwardTo = [] } = program;
  const isWild = (name: string) => name.startsWith("*.");
  return [
    `port=${port}`,
    `listen-address=${address}`,
    ...["bind-interfaces", "no-resolv", "no-hosts", "no-poll", "pid-file", "log-queries"],
    ...["log-facility=-", "local-ttl=5"],
    ...(user === undefined ? [] : [`user=${user}`]),
    ...Object.entries(names).map(([name, of]) =>
      isWild(name) ? `address=/${name.slice(2)}/${of}` : `host-record=${name},${of}`,
    ),
    ...Object.entries(aliases).map(([name, target]) => `cname=${name},${target}`),
    // Whom it may ask for the rest; nobody: there is no such name.
    ...(forwardTo.length === 0 ? ["local=/#/"] : forwardTo.map((server) => `server=${server}`)),
    "",
  ].join("\n");
}

/** Nobody, where the kernel lets us become others. */
async function userOf(): Promise<string | undefined> {
  const map = await readFile("/proc/self/uid_map", "utf8");
  const count = Number(map.trim().split(/\s+/)[2] ?? 0);
  return process.getuid?.() === 0 && 65_534 < count ? "nobody" : undefined;
}

async function listens(program: Endpoint, place: ProgramPlace): Promise<Result<"listening">> {
  const deadline = performance.now() + START_LIMIT_MS;
  const { address, port } = program;
  while (performance.now() < deadline) {
    const connected = await place.sockets.connect({ address, port, timeoutMs: 500 });
    if (connected.ok) {
      connected.value.destroy();
      return found("listening");
    }
    await pause(LOOK_EVERY_MS);
  }
  return declined(endedProblem(place, `did not listen within ${START_LIMIT_MS / 1000} s`));
}

function endedProblem(place: ProgramPlace, how: string): Problem {
  return {
    code: "DnsServerEnded",
    what: `dnsmasq on ${place.host.name} ${how}`,
    fix: `Read its log (ase logs ${place.host.name}); apt-get install dnsmasq-base if it is missing.`,
    where: place.host.name,
  };
}
