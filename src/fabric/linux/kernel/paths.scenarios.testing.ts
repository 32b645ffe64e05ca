/** Which way packets take through a network and its edge; asserted in paths.test.ts. */
import { readdirSync, readFileSync } from "node:fs";

import type { Translation } from "../../../blueprint/blueprint.ts";
import type { Cidr, Ipv4 } from "../../../network/prefix.ts";
import type { NextHop } from "../../../network/route.ts";
import { createNamespace, currentNamespace, inNamespace } from "./libc.ts";
import { openKernel } from "./open-kernel.ts";
import {
  answerAs,
  answerDatagrams,
  ask,
  call,
  CLIENT,
  conversation,
  LOCAL,
  MANAGER,
  ok,
  OTHER,
  OUT,
  outside,
  placeIn,
  route,
  rule,
  STRANGER,
  subnet,
  until,
  withDefaults,
  type Place,
  type Scenario,
} from "./world.testing.ts";

const ALICE = "10.0.1.4";
const BOB = "10.0.1.5";
const CAROL = "10.0.2.4";
const GUARD = "10.0.3.4";
const GUARD_BESIDE = "10.0.2.9";
const BALANCER = "10.0.1.200";
const WEB = 80;
const viaGuard: NextHop = { kind: "VirtualAppliance", address: GUARD as Ipv4 };
const none: NextHop = { kind: "None" };

type Routes = NonNullable<Parameters<typeof subnet>[1]>["routes"];

async function people(
  at: Place,
  of: {
    readonly one?: Routes;
    readonly two?: Routes;
    readonly rules?: ReturnType<typeof withDefaults>;
  } = {},
) {
  putPeople(at, of);
  const spaces = {
    alice: at.host("alice", ALICE),
    bob: at.host("bob", BOB),
    carol: at.host("carol", CAROL),
  };
  for (const [name, space] of Object.entries(spaces)) await answerAs(space, "0.0.0.0", WEB, name);
  return spaces;
}

function putPeople(
  at: Place,
  { one, two, rules }: NonNullable<Parameters<typeof people>[1]> = {},
): void {
  at.put([
    subnet(1, {
      ...(one === undefined ? {} : { routes: one }),
      ...(rules === undefined ? {} : { rules }),
    }),
    subnet(2, two === undefined ? {} : { routes: two }),
    subnet(3),
  ]);
}

function translation(
  at: Place,
  to: Record<string, string>,
  of: Partial<Translation> = {},
): Translation {
  return {
    at: "edge",
    address: at.vip as Ipv4,
    protocol: "Tcp",
    port: WEB,
    targets: Object.entries(to).map(([host, address]) => ({
      host,
      address: address as Ipv4,
      port: WEB,
    })),
    ...of,
  };
}

export const scenarios: Readonly<Record<string, Scenario>> = {
  "in by the vip": async (at) => {
    await people(at);
    at.balance([translation(at, { alice: ALICE, bob: BOB })]);
    const calls = await Promise.all(
      Array.from({ length: 40 }, () => call(outside(at.kernel, CLIENT), at.vip, WEB)),
    );
    return {
      answered: [...new Set(calls)].sort(),
      manager: (await call(outside(at.kernel, MANAGER), at.vip, WEB)).replace(/^\w+/, "somebody"),
      otherPort: await call(outside(at.kernel, CLIENT), at.vip, 81),
    };
  },
  "nothing behind": async (at) => {
    const { alice } = await people(at);
    const before = await call(outside(at.kernel, CLIENT), at.vip, WEB);
    at.balance([translation(at, { alice: ALICE })]);
    const opened = await call(outside(at.kernel, CLIENT), at.vip, WEB);
    at.balance([]);
    return {
      before,
      opened,
      closed: await call(outside(at.kernel, CLIENT), at.vip, WEB),
      own: await call(alice, at.vip, WEB),
    };
  },
  "direct from outside": async (at) => {
    await people(at);
    return call(outside(at.kernel, CLIENT), ALICE, WEB);
  },
  "no target": async (at) => {
    await people(at);
    at.balance([
      translation(at, {}),
      translation(at, {}, { at: "router", address: BALANCER as Ipv4 }),
    ]);
    return call(outside(at.kernel, CLIENT), at.vip, WEB);
  },
  "out by the edge": async (at) => {
    const { alice, carol } = await people(at);
    const second = `198.18.${at.vip.split(".")[2] ?? ""}.5`;
    at.put([subnet(1), subnet(2), subnet(3)], {
      publicAddresses: [
        { address: second as Ipv4, sourceOf: ["10.0.2.0/24" as Cidr] },
        { address: at.vip as Ipv4, sourceOf: ["10.0.0.0/16" as Cidr] },
      ],
    });
    return {
      alice: (await call(alice, STRANGER, 7)).replace(at.vip, "VIP"),
      carol: (await call(carol, STRANGER, 7)).replace(second, "SECOND"),
      datagrams: (await ask(alice, ALICE, STRANGER, 7)).replace(at.vip, "VIP"),
    };
  },
  "own vip from inside": async (at) => {
    const { carol } = await people(at);
    at.balance([translation(at, { alice: ALICE })]);
    return (await call(carol, at.vip, WEB)).replace(at.vip, "VIP");
  },
  "inside balancer": async (at) => {
    const { alice, carol } = await people(at, {
      rules: withDefaults(rule("Outbound", 100, "Deny", { to: ["10.0.2.0/24"] })),
    });
    at.balance([translation(at, { carol: CAROL }, { at: "router", address: BALANCER as Ipv4 })]);
    const seesBalancer = await call(alice, BALANCER, WEB);
    putPeople(at, { rules: withDefaults(rule("Outbound", 100, "Deny", { to: [BALANCER] })) });
    const deniedByIt = await call(alice, BALANCER, WEB);
    putPeople(at);
    at.balance([translation(at, { alice: ALICE }, { at: "router", address: BALANCER as Ipv4 })]);
    return {
      seesBalancer,
      deniedByIt,
      changed: await call(carol, BALANCER, WEB),
      direct: await call(alice, CAROL, WEB),
    };
  },
  "inside balancer and routes": async (at) => {
    const { carol } = await people(at, { two: [LOCAL, OUT, route("10.0.1.0/25", none)] });
    at.balance([translation(at, { alice: ALICE }, { at: "router", address: BALANCER as Ipv4 })]);
    // Routes are asked for the address the client wrote, which is the balancer's.
    const pastTarget = await call(carol, BALANCER, WEB);
    putPeople(at, { two: [LOCAL, OUT, route(`${BALANCER}/32`, none)] });
    const stopped = await call(carol, BALANCER, WEB);
    at.host("guard", GUARD, "forwards");
    putPeople(at, { two: [LOCAL, OUT, route(`${BALANCER}/32`, viaGuard)] });
    return { pastTarget, stopped, viaGuard: await call(carol, BALANCER, WEB) };
  },
  "route to nowhere": async (at) => {
    const { alice } = await people(at, { one: [LOCAL, OUT, route("10.0.2.0/24", none)] });
    const stopped = await call(alice, CAROL, WEB);
    putPeople(at, {
      one: [LOCAL, OUT, route("10.0.2.0/24", none), route(`${CAROL}/32`, { kind: "VnetLocal" })],
    });
    const longest = await call(alice, CAROL, WEB);
    putPeople(at, { one: [LOCAL, route("0.0.0.0/0", none)] });
    const noInternet = await call(alice, STRANGER, 7);
    putPeople(at, {
      one: [LOCAL, route("0.0.0.0/0", none), route(`${STRANGER}/32`, { kind: "Internet" })],
    });
    return {
      stopped,
      longest,
      noInternet,
      exception: (await call(alice, STRANGER, 7)).replace(at.vip, "VIP"),
      other: await call(alice, OTHER, 7),
    };
  },
  "local beyond the network": async (at) => {
    const { alice } = await people(at, { one: [LOCAL, route("0.0.0.0/0", { kind: "VnetLocal" })] });
    return { outside: await call(alice, STRANGER, 7), inside: await call(alice, CAROL, WEB) };
  },
  "replaced routes": async (at) => {
    const invalid = { ...route("10.0.2.0/24", none), state: "Invalid" as const };
    const { alice } = await people(at, { one: [LOCAL, OUT, invalid] });
    return call(alice, CAROL, WEB);
  },
  appliance: async (at) => {
    const { alice } = await people(at, {
      one: [LOCAL, OUT, route("10.0.2.0/24", viaGuard), route("203.0.113.0/24", viaGuard)],
    });
    const nobody = await call(alice, CAROL, WEB);
    at.host("guard", GUARD);
    const doesNotForward = await call(alice, CAROL, WEB);
    at.removeHost("guard");
    const guard = at.host("guard", GUARD, "forwards");
    const passed = await call(alice, CAROL, WEB);
    const out = (await call(alice, STRANGER, 7)).replace(at.vip, "VIP");
    const before = forwardedBy(guard);
    await call(alice, CAROL, WEB);
    const carried = forwardedBy(guard) > before;
    at.put([
      subnet(1, { routes: [LOCAL, OUT, route("10.0.2.0/24", viaGuard)] }),
      subnet(2),
      subnet(3, { rules: withDefaults(rule("Inbound", 100, "Deny", { to: [CAROL] })) }),
    ]);
    const deniedAtGuard = await call(alice, CAROL, WEB);
    at.removeHost("guard");
    putPeople(at, { one: [LOCAL, OUT, route("10.0.2.0/24", viaGuard)] });
    return {
      nobody,
      doesNotForward,
      passed,
      out,
      carried,
      deniedAtGuard,
      gone: await call(alice, CAROL, WEB),
    };
  },
  asymmetric: async (at) => {
    await people(at);
    at.host("guard", GUARD, "forwards");
    at.balance([translation(at, { alice: ALICE })]);
    const client = outside(at.kernel, CLIENT);
    const seen: Record<string, string> = { direct: await call(client, at.vip, WEB) };
    putPeople(at, { one: [LOCAL, route("0.0.0.0/0", viaGuard)] });
    seen["appliance"] = await call(client, at.vip, WEB);
    putPeople(at, {
      one: [LOCAL, route("0.0.0.0/0", viaGuard), route(`${CLIENT}/32`, { kind: "Internet" })],
    });
    seen["healed"] = await call(client, at.vip, WEB);
    putPeople(at, { one: [LOCAL, route("0.0.0.0/0", none)] });
    seen["none"] = await call(client, at.vip, WEB);
    return seen;
  },
  "same prefixes": async (at) => {
    await people(at);
    const twin = placeIn(at.kernel, 99);
    twin.put([subnet(1)]);
    await answerAs(twin.host("alice", ALICE), "0.0.0.0", WEB, "twin");
    for (const place of [at, twin]) place.balance([translation(place, { alice: ALICE })]);
    const from = outside(at.kernel, CLIENT);
    const seen = [await call(from, at.vip, WEB), await call(from, twin.vip, WEB)];
    ok(at.kernel.removeNetwork(twin.id));
    return [...seen, await call(from, at.vip, WEB), await call(from, twin.vip, WEB)];
  },
  visitors: async (at) => {
    await people(at, { rules: withDefaults(), one: [LOCAL, route("0.0.0.0/0", none)] });
    const guest = at.visitor("guest", "10.0.255.254");
    await answerAs(guest, "0.0.0.0", WEB, "guest");
    return {
      in: await call(guest, ALICE, WEB),
      out: (await call(guest, STRANGER, 7)).replace(at.vip, "VIP"),
      reached: await call(at.platform(), "10.0.255.254", WEB),
    };
  },
  "again and again": async (at) => {
    const seen: string[] = [];
    for (let round = 0; round < 5; round += 1) {
      const { alice } = await people(at, {
        rules: withDefaults(rule("Inbound", 100, "Allow", { from: ["Internet"] })),
        one: [LOCAL, OUT, route("10.0.9.0/24", none)],
      });
      at.balance([translation(at, { alice: ALICE })]);
      at.balance([translation(at, { alice: ALICE })]);
      seen.push(await call(alice, BOB, WEB), await call(outside(at.kernel, CLIENT), at.vip, WEB));
      at.removeHost("alice");
      at.removeHost("alice");
      ok(at.kernel.removeNetwork(at.id));
      ok(at.kernel.removeNetwork(at.id));
    }
    return [...new Set(seen)];
  },
  "host on a taken address": async (at) => {
    const { bob } = await people(at);
    await answerAs(at.host("heir", ALICE), "0.0.0.0", WEB, "heir");
    at.removeHost("alice");
    return call(bob, ALICE, WEB);
  },
  "nothing stays": async () => {
    // A world apart, so that the other scenarios' things do not count.
    const home = currentNamespace();
    const apart = createNamespace(home);
    const inside = <Value>(work: () => Value) => inNamespace(apart, home, work);
    const kernel = inside(() => ok(openKernel()));
    const [before, after] = inside(() => {
      const first = inventory();
      const at = placeIn(kernel, 98);
      at.put([subnet(1, { rules: withDefaults(), routes: [LOCAL, OUT] }), subnet(2)]);
      at.host("alice", ALICE);
      at.host("guard", GUARD_BESIDE, "forwards");
      at.balance([
        translation(at, { alice: ALICE }),
        translation(at, { alice: ALICE }, { at: "router", address: BALANCER as Ipv4 }),
      ]);
      at.removeHost("alice");
      ok(kernel.removeNetwork(at.id));
      return [first, inventory()];
    });
    return {
      // The kernel takes them away with the namespaces, a little later.
      links: await until(() => inside(inventory).links.length === before.links.length),
      routes: after.routes.length === before.routes.length,
      descriptors: after.descriptors - before.descriptors,
    };
  },
  "open flow": async (at) => {
    const { alice } = await people(at);
    const talk = await conversation(alice, BOB, WEB);
    const before = await talk.goesOn();
    at.put([
      subnet(1, { rules: withDefaults(rule("Inbound", 100, "Deny")) }),
      subnet(2),
      subnet(3),
    ]);
    const after = await talk.goesOn();
    talk.end();
    return { before, after, anew: await call(alice, BOB, WEB) };
  },
  "flushed flow": async (at) => {
    const { alice, carol } = await people(at);
    const put = (more: Parameters<typeof subnet>[1]) =>
      at.put([subnet(1, { ...more, flushConnection: true }), subnet(2), subnet(3)]);
    put({ rules: withDefaults() });
    await answerDatagrams(alice, ALICE, 9_000);
    at.balance([
      translation(at, { alice: ALICE }),
      translation(at, { carol: CAROL }, { at: "router", address: BALANCER as Ipv4 }),
    ]);
    const talks = {
      denied: await conversation(alice, BOB, WEB),
      allowed: await conversation(carol, BOB, WEB),
      balanced: await conversation(alice, BALANCER, WEB),
      leaving: await conversation(alice, STRANGER, 7),
    };
    const goOn = async () =>
      Object.fromEntries(
        await Promise.all(
          Object.entries(talks).map(async ([name, talk]) => [name, await talk.goesOn()] as const),
        ),
      );
    const before = await goOn();
    put({
      rules: withDefaults(
        rule("Inbound", 100, "Deny", { from: [ALICE] }),
        rule("Outbound", 100, "Deny", { to: ["10.0.2.0/24"] }),
        rule("Outbound", 110, "Deny", { to: ["Known"] }),
      ),
    });
    const after = await goOn();
    put({ rules: withDefaults(rule("Outbound", 100, "Deny", { to: [BALANCER] })) });
    const balancer = await talks.balanced.goesOn();
    for (const talk of Object.values(talks)) talk.end();
    return { before, after, balancer };
  },
};

/** What a network could leave behind in the world it stood in, and open in this process. */
function inventory() {
  const rows = (file: string) =>
    readFileSync(`/proc/thread-self/net/${file}`, "utf8").trim().split("\n");
  return {
    links: rows("dev"),
    routes: rows("route"),
    descriptors: readdirSync("/proc/self/fd").length,
  };
}

/** Packets a host has passed on, as its own kernel counts them. */
function forwardedBy(space: ReturnType<Place["host"]>): number {
  const [names = "", values = ""] = space
    .inside(() => readFileSync("/proc/thread-self/net/snmp", "utf8"))
    .split("\n")
    .filter((line) => line.startsWith("Ip:"));
  return Number(values.split(" ")[names.split(" ").indexOf("ForwDatagrams")]);
}
