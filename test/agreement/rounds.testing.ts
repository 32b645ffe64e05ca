/**
 * Plays rounds of random worlds in namespaces of its own: `SEED ROUNDS PACKETS`. Says every
 * packet about which law and kernel differ, and at the end what was done, as lines of JSON.
 */
import { describeProblem, type Result } from "../../src/base/problem.ts";
import { NO_CONNECTIONS } from "../../src/blueprint/blueprint.ts";
import { openWalk, type Flow } from "../../src/blueprint/walk.ts";
import { contains } from "../../src/network/prefix.ts";
import { openKernel } from "../../src/fabric/linux/kernel/open-kernel.ts";
import { claimsOfProofs } from "./proof-flows.ts";
import { randomFrom } from "../../src/network/generate.testing.ts";
import { PLATFORM, SERVICES, randomBlueprint, randomFlows } from "./generate.ts";
import { answerAs, answerEverywhere, sendAll } from "./send.ts";

const [seed = 1, rounds = 1, packetCount = 100] = process.argv.slice(2).map(Number);
const kernel = ok(openKernel());
const begun = performance.now();
let packets = 0;
let delivered = 0;
let claimed = 0;
let claimedStopped = 0;

const first = randomBlueprint(randomFrom(0), 1);
ok(kernel.putInternet(first.internet));
const outside = first.hosts.filter(
  ({ place }) => place.kind === "internet" && place.address !== PLATFORM,
);
for (const host of outside) ok(kernel.createHost(host));
const world = kernel.space({ kind: "internet" });
if (world !== undefined) {
  answerEverywhere(world);
  await answerAs(world, new Map(outside.map(({ name, place }) => [place.address, name])));
}
for (let round = 0; round < rounds; round += 1) await play(seed + round);
say({
  packets,
  delivered,
  claimed,
  claimedStopped,
  rounds,
  elapsedMs: Math.round(performance.now() - begun),
});
process.exit(0);

async function play(roundSeed: number): Promise<void> {
  const random = randomFrom(roundSeed);
  const blueprint = randomBlueprint(random, 1);
  const answering: { close: () => void }[] = [];
  ok(kernel.putTags(blueprint.tags));
  for (const network of blueprint.networks) ok(kernel.putNetwork(network));
  ok(kernel.putConnections(blueprint.connections));
  for (const host of blueprint.hosts.filter(({ place }) => place.kind !== "internet")) {
    const space = ok(kernel.createHost(host));
    answerEverywhere(space);
    answering.push(...(await answerAs(space, new Map([[host.place.address, host.name]]))));
  }
  for (const { id, translations } of blueprint.networks)
    ok(kernel.putTranslations(id, translations));
  for (const { id } of blueprint.networks) {
    const platform = kernel.space({ kind: "load-balancer", network: id });
    if (platform !== undefined)
      answering.push(...(await answerAs(platform, new Map([[PLATFORM, "resolver"]]), 53)));
  }
  for (const { id } of blueprint.networks)
    for (const { name, place } of outside.filter((one) => contains(SERVICES, one.place.address))) {
      const space = kernel.space({ kind: "service", network: id, address: place.address });
      if (space === undefined) continue;
      answerEverywhere(space);
      answering.push(...(await answerAs(space, new Map([[place.address, name]]))));
    }
  const law = openWalk(blueprint);
  const drawn = randomFlows(random, blueprint, packetCount);
  const claims = claimsOfProofs(random, blueprint, drawn);
  const flows = [...drawn, ...claims.map(({ flow }) => flow)];
  const walks = new Map(flows.map((flow) => [flow, law(flow)]));
  const expected = new Set(flows.filter((flow) => walks.get(flow)?.delivered));
  const answers = new Map(await sendAll(kernel, flows, expected));
  // Hundreds of flows at once may get in each other's way: who was silent is asked once more, alone.
  for (const flow of [...expected].filter((one) => !answers.has(one)))
    for (const [one, host] of await sendAll(kernel, [flow], new Set([flow])))
      answers.set(one, host);
  for (const flow of flows) {
    const walked = walks.get(flow);
    const said = walked?.delivered ? walked.host : undefined;
    if (said !== answers.get(flow))
      say({
        seed: roundSeed,
        difference: flow,
        law: walked,
        kernel: answers.get(flow) ?? "silence",
        subnets: aboutSubnets(flow, roundSeed),
      });
  }
  for (const { flow, passes } of claims)
    if (passes !== answers.has(flow))
      say({
        seed: roundSeed,
        difference: flow,
        proofs: passes ? "all gates let it pass" : "a gate stops it",
        law: walks.get(flow),
        kernel: answers.get(flow) ?? "silence",
      });
  claimed += claims.length;
  claimedStopped += claims.filter(({ passes }) => !passes).length;
  packets += flows.length;
  delivered += answers.size;
  for (const one of answering) one.close();
  ok(kernel.putConnections(NO_CONNECTIONS));
  for (const { id } of blueprint.networks) ok(kernel.removeNetwork(id));
}

/** What a reader needs to see why: routes that are not system routes. */
function aboutSubnets(_: Flow, roundSeed: number): unknown {
  const { networks, connections } = randomBlueprint(randomFrom(roundSeed), 1);
  const subnets = networks.flatMap((network) => network.subnets);
  return [
    connections,
    ...subnets.map(({ name, routes, rules }) => ({
      name,
      group: rules !== undefined,
      routes: routes
        .filter(({ source }) => source === "User")
        .map(({ prefix, nextHop }) => `${prefix} ${JSON.stringify(nextHop)}`),
    })),
  ];
}

function ok<Value>(result: Result<Value>): Value {
  if (!result.ok) throw new Error(describeProblem(result.problem));
  return result.value;
}

function say(line: unknown): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
