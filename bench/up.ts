/**
 * How long `ase up` takes in a fresh home until the sample's app answers, and on what.
 *
 *     node bench/up.ts [--rounds 5]
 *
 * Read from outside: the server's files and events, and an HTTP client at the doorway. Nothing is
 * measured inside the program, and nothing is asserted.
 */
import { spawn } from "node:child_process";
import { request } from "node:http";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { setTimeout as pause } from "node:timers/promises";

import { median, printMachine, printTable, readNumbers, spread } from "./figures.ts";
import { inBenchWorld, readOr, there, type BenchWorld } from "./world.ts";

const ASE = fileURLToPath(new URL("../ase", import.meta.url));
const HOST = "hello.demo.localhost";
const LOOK_EVERY_MS = 3;
const LONGEST_MS = 60_000;

type Event = {
  readonly time: number;
  readonly code: string;
  readonly subject?: string;
  readonly message: string;
};

/** Moments of one start, in milliseconds since the command began. */
type Moments = Readonly<Record<(typeof PHASES)[number][0], number>>;

/** Each phase ends at its moment and begins at the one before. */
const PHASES = [
  ["serverStarts", "command line read, server process begins"],
  ["worldStands", "server's code, store, authority; world made"],
  ["serverAnswers", "service tags, API certificate, API listens"],
  ["deploymentTaken", "command sees the server, sends the template"],
  ["networkDone", "rules, routes, network"],
  ["hostsStand", "environment: certificates, hosts, front ends"],
  ["healthy", "every role and flow was tried"],
  ["deploymentDone", "plan, site and its first instances"],
  ["firstAnswer", "content unpacked, the app's own first answer at the doorway"],
  ["contentDone", "every instance changed over"],
  ["commandEnds", "last look, report"],
] as const;

const { rounds } = readNumbers({ rounds: 5 });
printMachine();
const all: Moments[] = [];
for (let round = 0; round < rounds; round += 1) {
  const moments = await inBenchWorld(measure);
  console.log(`round ${round + 1}: first answer after ${moments.firstAnswer.toFixed(0)} ms`);
  all.push(moments);
}
let before: keyof Moments | undefined;
printTable(
  `\`ase up\` in a fresh home, ms, median (least..greatest) of ${rounds}`,
  PHASES.map(([moment, words]) => {
    const since = before;
    before = moment;
    const takes = all.map((one) => one[moment] - (since === undefined ? 0 : one[since]));
    return {
      phase: words,
      takes: spread(takes),
      "since the beginning": median(all.map((one) => one[moment])).toFixed(0),
    };
  }),
);

async function measure(world: BenchWorld): Promise<Moments> {
  const begun = Date.now();
  const child = spawn(ASE, ["up", ...world.portOptions], {
    env: { ...process.env, ASE_HOME: world.folder },
    stdio: ["ignore", "ignore", "inherit"],
  });
  let endedAt: number | undefined;
  child.once("exit", () => (endedAt = Date.now()));
  const serverStarts = await until(() => existsSync(join(world.folder, "logs", "control.log")));
  const answered = await untilAnswered(world.ports.http);
  await until(() => endedAt !== undefined);
  const events = JSON.parse(await world.ase("events", "-o", "json")) as readonly Event[];
  const time = (code: string, of: string, message = "") =>
    there(
      events.find(
        (event) =>
          event.code === code &&
          (event.subject ?? "").endsWith(of) &&
          event.message.startsWith(message),
      ),
      `${code} of ${of} happened`,
    ).time;
  const moments = {
    serverStarts,
    worldStands: logged(world, "fabric.log", "the world stands", "message"),
    serverAnswers: logged(world, "control.log", "the control plane answers", "msg"),
    deploymentTaken: time("ResourceCreated", "/networkSecurityGroups/demo-nsg"),
    networkDone: time("OperationSucceeded", "/virtualNetworks/demo-vnet"),
    hostsStand: time("EnvironmentPreparing", "/hostingEnvironments/demo"),
    healthy: time("EnvironmentHealthy", "/hostingEnvironments/demo"),
    deploymentDone: time("DeploymentSucceeded", "/deployments/azuredeploy"),
    firstAnswer: answered,
    contentDone: time("OperationSucceeded", "/sites/hello", "content"),
    commandEnds: there(endedAt, "the command ended"),
  };
  return Object.fromEntries(
    Object.entries(moments).map(([name, at]) => [name, at - begun]),
  ) as Moments;
}

/** Many requests overlap, so that one that a proxy holds back for a while hides nothing. */
async function untilAnswered(port: number): Promise<number> {
  const deadline = Date.now() + LONGEST_MS;
  let answeredAt: number | undefined;
  while (answeredAt === undefined) {
    if (deadline < Date.now()) throw new Error("the app did not answer");
    void answersAsSample(port).then((answers) => {
      if (answers) answeredAt ??= Date.now();
    });
    await pause(10);
  }
  return answeredAt;
}

/** The page of an app without content is an answer too, and not the one that counts. */
async function answersAsSample(port: number): Promise<boolean> {
  return await new Promise((resolve) => {
    const call = request(
      { host: "127.0.0.1", port, agent: false, headers: { host: HOST } },
      (answer) => {
        let text = "";
        answer.setEncoding("utf8").on("data", (part: string) => (text += part));
        answer.on("end", () => resolve(answer.statusCode === 200 && text.includes('"instance"')));
      },
    );
    call.on("error", () => resolve(false));
    call.end();
  });
}

function logged(world: BenchWorld, file: string, message: string, field: string): number {
  const line = readOr(join(world.folder, "logs", file), "")
    .split("\n")
    .filter((text) => text.startsWith("{"))
    .map((text) => JSON.parse(text) as Readonly<Record<string, unknown>>)
    .find((entry) => entry[field] === message);
  return Date.parse(String(there(line, `${file} says ${message}`)["time"]));
}

/** The moment at which it was seen to hold. */
async function until(holds: () => boolean): Promise<number> {
  const deadline = Date.now() + LONGEST_MS;
  while (!holds()) {
    if (deadline < Date.now()) throw new Error("what was waited for did not come");
    await pause(LOOK_EVERY_MS);
  }
  return Date.now();
}
