/** What passes the gates of a network; asserted in gates.test.ts. */
import {
  answerAs,
  answerDatagrams,
  ask,
  call,
  callFrom,
  CLIENT,
  ok,
  OTHER,
  outside,
  ping,
  rule,
  spoof,
  STRANGER,
  subnet,
  TAGS,
  withDefaults,
  type Place,
  type Scenario,
} from "./world.testing.ts";

const PLATFORM = "168.63.129.16";
const ALICE = "10.0.1.4";
const BOB = "10.0.1.5";
const CAROL = "10.0.2.4";
const WEB = 80;

/** Alice and Bob in one subnet, Carol in another; all answer at the same port. */
async function people(
  at: Place,
  rules: Parameters<typeof subnet>[1] = {},
  others: Parameters<typeof subnet>[1] = {},
) {
  at.put([subnet(1, rules), subnet(2, others)]);
  const spaces = {
    alice: at.host("alice", ALICE),
    bob: at.host("bob", BOB),
    carol: at.host("carol", CAROL),
  };
  for (const [name, space] of Object.entries(spaces)) {
    await answerAs(space, "0.0.0.0", WEB, name);
    await answerAs(space, "0.0.0.0", WEB + 1, `${name} at 81`);
  }
  return spaces;
}

const nothingIn = rule("Inbound", 4_000, "Deny");
const nothingOut = rule("Outbound", 4_000, "Deny");

export const scenarios: Readonly<Record<string, Scenario>> = {
  "no group": async (at) => {
    const { alice, carol } = await people(at);
    return {
      inside: await call(alice, BOB, WEB),
      across: await call(carol, ALICE, WEB),
      out: await call(alice, STRANGER, 7),
      platform: await call(at.platform(), BOB, WEB),
      nobody: await call(alice, "10.0.1.77", WEB),
      closedPort: await call(alice, BOB, 9),
    };
  },
  "default rules": async (at) => {
    const { alice, carol } = await people(at, { rules: withDefaults() });
    at.balance([
      {
        at: "edge",
        address: at.vip as never,
        protocol: "Tcp",
        port: 80,
        targets: [{ host: "alice", address: ALICE as never, port: 80 }],
      },
    ]);
    return {
      inside: await call(alice, BOB, WEB),
      across: await call(carol, ALICE, WEB),
      out: await call(alice, STRANGER, 7),
      platform: await call(at.platform(), BOB, WEB),
      fromInternet: await call(outside(at.kernel, CLIENT), at.vip, 80),
    };
  },
  "inside the subnet": async (at) => {
    const { alice, bob, carol } = await people(at, {
      rules: withDefaults(rule("Inbound", 100, "Deny", { from: ["10.0.1.0/24"], ports: [WEB] })),
    });
    return {
      denied: await call(alice, BOB, WEB),
      otherPort: await call(bob, ALICE, WEB + 1),
      fromElsewhere: await call(carol, BOB, WEB),
    };
  },
  "outbound gate inside the subnet": async (at) => {
    const { alice, bob } = await people(at, {
      rules: withDefaults(rule("Outbound", 100, "Deny", { to: [BOB] })),
    });
    return { toBob: await call(alice, BOB, WEB), toAlice: await call(bob, ALICE, WEB) };
  },
  "both gates": async (at) => {
    const { alice, carol } = await people(
      at,
      { rules: withDefaults(nothingOut) },
      { rules: withDefaults(nothingIn, rule("Inbound", 100, "Allow", { from: [BOB] })) },
    );
    return { out: await call(alice, CAROL, WEB), replyPasses: await call(carol, ALICE, WEB) };
  },
  "first match decides": async (at) => {
    const { alice, carol } = await people(at, {
      rules: withDefaults(
        rule("Inbound", 100, "Allow", { from: [CAROL] }),
        rule("Inbound", 200, "Deny"),
      ),
    });
    return { earlier: await call(carol, BOB, WEB), later: await call(alice, BOB, WEB) };
  },
  protocols: async (at) => {
    const { alice, bob, carol } = await people(at, {
      rules: withDefaults(
        rule("Inbound", 100, "Allow", { protocol: "Udp", ports: [53, { low: 60, high: 62 }] }),
        rule("Inbound", 110, "Allow", {
          protocol: "Tcp",
          from: [CAROL],
          sourcePorts: [{ low: 7_000, high: 7_001 }],
        }),
        nothingIn,
      ),
    });
    for (const port of [53, 54, 60, 62, 63]) await answerDatagrams(bob, BOB, port);
    const udp = await Promise.all([53, 54, 60, 62, 63].map((port) => ask(alice, ALICE, BOB, port)));
    return {
      udp,
      tcp: await call(alice, BOB, 53),
      fromPorts: await Promise.all(
        [6_999, 7_000, 7_001, 7_002].map((port) => callFrom(carol, CAROL, port, BOB, WEB)),
      ),
    };
  },
  icmp: async (at) => {
    const ports = rule("Inbound", 100, "Deny", { protocol: "*", ports: [WEB] });
    const { alice } = await people(at, { rules: withDefaults(ports) });
    const before = { ping: await ping(alice, BOB), web: await call(alice, BOB, WEB) };
    at.put([
      subnet(1, { rules: withDefaults(rule("Inbound", 100, "Deny", { protocol: "Icmp" })) }),
      subnet(2),
    ]);
    return { before, denied: { ping: await ping(alice, BOB), web: await call(alice, BOB, WEB) } };
  },
  tags: async (at) => {
    const { alice } = await people(at, {
      rules: withDefaults(
        rule("Outbound", 100, "Allow", { to: ["Known"] }),
        rule("Outbound", 110, "Deny", { to: ["Internet"] }),
      ),
    });
    return {
      named: await call(alice, STRANGER, 7),
      other: await call(alice, OTHER, 7),
      inside: await call(alice, CAROL, WEB),
    };
  },
  internet: async (at) => {
    const { alice, carol } = await people(at, {
      rules: withDefaults(
        rule("Outbound", 100, "Deny", { to: ["Internet"] }),
        rule("Inbound", 100, "Deny", { from: ["Internet"] }),
      ),
    });
    await answerDatagrams(at.platform(), PLATFORM, 53);
    return {
      world: await call(alice, STRANGER, 7),
      network: await call(alice, CAROL, WEB),
      intoIt: await call(carol, ALICE, WEB),
      platform: await ask(alice, ALICE, PLATFORM, 53),
      fromPlatform: await call(at.platform(), BOB, WEB),
    };
  },
  "ipv6 prefixes": async (at) => {
    const { alice } = await people(at, {
      rules: withDefaults(
        rule("Inbound", 100, "Deny", { from: ["::/0"] }),
        rule("Outbound", 100, "Deny", { to: ["::/0"] }),
      ),
    });
    return call(alice, BOB, WEB);
  },
  "platform's resolver": async (at) => {
    const named = rule("Outbound", 3_000, "Deny", {
      protocol: "Udp",
      to: ["AzurePlatformDNS"],
      ports: [53],
    });
    const { alice } = await people(at, { rules: withDefaults(nothingOut) });
    await answerDatagrams(at.platform(), PLATFORM, 53);
    const exempt = await ask(alice, ALICE, PLATFORM, 53);
    at.put([subnet(1, { rules: withDefaults(nothingOut, named) }), subnet(2)]);
    return { exempt, named: await ask(alice, ALICE, PLATFORM, 53) };
  },
  "load balancer tag": async (at) => {
    await people(at, {
      rules: withDefaults(
        rule("Inbound", 200, "Deny"),
        rule("Inbound", 100, "Allow", { from: ["AzureLoadBalancer"], ports: [WEB] }),
      ),
    });
    return {
      allowed: await call(at.platform(), BOB, WEB),
      other: await call(at.platform(), BOB, WEB + 1),
    };
  },
  "spoofed source": async (at) => {
    const { alice, carol } = await people(at);
    const seen: string[] = [];
    await answerDatagrams(carol, CAROL, 9_000, (message) => seen.push(message));
    const honest = await ask(alice, ALICE, CAROL, 9_000);
    await spoof(alice, { pretended: BOB, to: CAROL, port: 9_000 });
    const again = await ask(alice, ALICE, CAROL, 9_000);
    return { honest, again, seen };
  },
  "changes follow": async (at) => {
    const { alice, carol } = await people(at, { rules: withDefaults() });
    const seen: string[] = [];
    const look = async () =>
      void seen.push(`${await call(alice, BOB, WEB)} | ${await call(carol, BOB, WEB)}`);
    const many = Array.from({ length: 30 }, (_, place) =>
      rule("Inbound", 200 + place, "Deny", { from: [`10.0.9.${place}`] }),
    );
    const variants = [
      withDefaults(...many),
      withDefaults(...many, rule("Inbound", 100, "Deny", { from: [ALICE] })),
      withDefaults(...many.slice(1), rule("Inbound", 100, "Deny", { from: [CAROL] })),
      withDefaults(
        ...many,
        rule("Inbound", 150, "Allow", { from: [ALICE] }),
        rule("Inbound", 300, "Deny"),
      ),
      withDefaults(
        ...many,
        rule("Inbound", 150, "Allow", { from: [CAROL] }),
        rule("Inbound", 300, "Deny"),
      ),
      withDefaults(...many),
      undefined,
      withDefaults(nothingIn),
      undefined,
    ];
    for (const rules of variants) {
      at.put([subnet(1, rules === undefined ? {} : { rules }), subnet(2)]);
      at.put([subnet(1, rules === undefined ? {} : { rules }), subnet(2)]);
      await look();
    }
    return seen;
  },
  large: async (at) => {
    const many = Array.from({ length: 1_000 }, (_, place) =>
      rule("Inbound", 100 + place, "Deny", {
        protocol: "Tcp",
        from: [`10.9.${place >> 8}.${place & 255}`],
        ports: [7, { low: 9, high: 11 + place }],
      }),
    );
    const out = rule("Outbound", 100, "Deny", { to: ["Large"] });
    const { alice } = await people(at, { rules: withDefaults(...many, out) });
    const seen = [
      await call(alice, BOB, WEB),
      await call(alice, STRANGER, 7),
      await call(alice, OTHER, 7),
    ];
    const last = rule("Inbound", 4_000, "Deny", { from: [ALICE] });
    at.put([subnet(1, { rules: withDefaults(...many, last) }), subnet(2)]);
    return [...seen, await call(alice, BOB, WEB), await call(alice, STRANGER, 7)].map(
      (said) => said.split(" ")[0],
    );
  },
  "counts what it denies": async (at) => {
    const { alice } = await people(at, {
      rules: withDefaults(
        rule("Inbound", 100, "Deny", { from: [ALICE] }),
        rule("Outbound", 100, "Deny", { to: ["::/0"] }),
      ),
    });
    await call(alice, BOB, WEB);
    return ok(at.kernel.readDenied(at.id)).map(({ packets, ...of }) => ({
      ...of,
      packets: packets > 0,
    }));
  },
  "tag that went away": async (at) => {
    const { alice } = await people(at, {
      rules: withDefaults(
        rule("Outbound", 100, "Allow", { to: ["Fleeting", "10.9.0.0/16"] }),
        rule("Outbound", 110, "Deny", { to: ["Internet"] }),
      ),
    });
    const before = await call(alice, STRANGER, 7);
    const { Fleeting: _, ...without } = TAGS;
    const put = at.kernel.putTags(without);
    return { before, put: put.ok, stillNamed: await call(alice, STRANGER, 7) };
  },
};
