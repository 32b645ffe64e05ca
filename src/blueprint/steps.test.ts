import fc from "fast-check";
import { describe, expect, test } from "vitest";

import { sketch, wanted } from "../../test/support/resources.ts";
import { NO_CONNECTIONS, type Blueprint } from "./blueprint.ts";
import { compile } from "./compile.ts";
import { EMPTY_LEDGER } from "./ledger.ts";
import { planSteps, same, type Standing, type Step } from "./steps.ts";

const NOTHING: Standing = { tags: {}, networks: [], connections: NO_CONNECTIONS, hosts: [] };
const blueprintOf = (instances: number, kind: "External" | "Internal" = "External") =>
  compile(wanted(sketch({ instances, kind })), EMPTY_LEDGER, 1).blueprint;

/** What a fabric runs after the steps, by their plain meaning. */
function after(standing: Standing, steps: readonly Step[]): Standing {
  return steps.reduce<Standing>((now, step) => {
    const withoutHost = (name: string) => now.hosts.filter(({ host }) => host.name !== name);
    const withoutNetwork = (id: string) => now.networks.filter((network) => network.id !== id);
    switch (step.do) {
      case "put-tags":
        return { ...now, tags: step.tags };
      case "put-internet":
        return { ...now, internet: step.internet };
      case "put-network": {
        const before = now.networks.find(({ id }) => id === step.network.id);
        const network = { ...step.network, translations: before?.translations ?? [] };
        return { ...now, networks: [...withoutNetwork(network.id), network] };
      }
      case "put-connections":
        return { ...now, connections: step.connections };
      case "put-host":
        return { ...now, hosts: [...withoutHost(step.host.name), { host: step.host }] };
      case "put-translations": {
        const { translations, network: id } = step;
        return {
          ...now,
          networks: now.networks.map((n) => (n.id === id ? { ...n, translations } : n)),
        };
      }
      case "wait":
        return now;
      case "remove-host":
        return { ...now, hosts: withoutHost(step.name) };
      case "remove-network":
        return { ...now, networks: withoutNetwork(step.id) };
    }
  }, standing);
}

describe("steps to a blueprint", () => {
  test("lead there from anywhere, and then there is nothing left to do", () => {
    const size = fc.record({
      instances: fc.nat(25),
      kind: fc.constantFrom("External" as const, "Internal" as const),
    });
    fc.assert(
      fc.property(size, size, (from, to) => {
        const start = after(
          NOTHING,
          planSteps(NOTHING, blueprintOf(from.instances, from.kind)).flat(),
        );
        const wantedNow = blueprintOf(to.instances, to.kind);
        const end = after(start, planSteps(start, wantedNow).flat());
        expect(planSteps(end, wantedNow)).toEqual([]);
        expect(end.hosts.map(({ host }) => host.name).sort()).toEqual(
          wantedNow.hosts.map(({ name }) => name).sort(),
        );
      }),
      { numRuns: 25 },
    );
  });

  test("gates stand before hosts, hosts before translations", () => {
    const order = planSteps(NOTHING, blueprintOf(2))
      .flat()
      .map((step) => step.do);
    expect(order.indexOf("put-network")).toBeLessThan(order.indexOf("put-host"));
    expect(order.lastIndexOf("put-host")).toBeLessThan(order.indexOf("put-translations"));
  });

  test("proxies lead to new workers only when these stand, and away from old ones before they go", () => {
    const small = after(NOTHING, planSteps(NOTHING, blueprintOf(1)).flat());
    const words = (blueprint: Blueprint, from: Standing) =>
      planSteps(from, blueprint)
        .flat()
        .map((step) =>
          step.do === "put-host"
            ? step.host.name
            : step.do === "remove-host"
              ? `-${step.name}`
              : step.do,
        );
    const out = words(blueprintOf(2), small);
    expect(out.indexOf("shop-plan-1")).toBeLessThan(out.indexOf("shop-front-end-0"));
    const large = after(NOTHING, planSteps(NOTHING, blueprintOf(2)).flat());
    const inward = words(blueprintOf(1), large);
    expect(inward.indexOf("shop-front-end-0")).toBeLessThan(inward.indexOf("-shop-plan-1"));
    expect(inward.at(-1)).toBe("-shop-plan-1");
  });

  test("a change of rules touches the network alone", () => {
    const at = (rules: object[]) => compile(wanted(sketch({ rules })), EMPTY_LEDGER, 1).blueprint;
    const standing = after(NOTHING, planSteps(NOTHING, at([])).flat());
    expect(
      planSteps(standing, at([{ access: "Deny" }]))
        .flat()
        .map((step) => step.do),
    ).toEqual(["put-network"]);
  });

  test("a host comes to an address only after the one that had it has gone", () => {
    const before = blueprintOf(2);
    const standing = after(NOTHING, planSteps(NOTHING, before).flat());
    const renamed = (name: string) => (name === "shop-plan-1" ? "another" : name);
    const next = {
      ...before,
      hosts: before.hosts.map((host) => ({ ...host, name: renamed(host.name) })),
    };
    const words = planSteps(standing, next)
      .flat()
      .map((step) =>
        "host" in step ? step.host.name : "name" in step ? `-${step.name}` : step.do,
      );
    expect(words.indexOf("-shop-plan-1")).toBeLessThan(words.indexOf("another"));
    expect(words.filter((word) => word === "-shop-plan-1")).toHaveLength(1);
  });

  test("an app that starts anew is never away as a whole", () => {
    const at = (version: string) =>
      compile(
        wanted(sketch({ instances: 5 }), {
          contentOf: () => ({ folder: "/content/hello", version, runtime: "static", number: 1 }),
        }),
        EMPTY_LEDGER,
        1,
      ).blueprint;
    const standing = after(NOTHING, planSteps(NOTHING, at("1")).flat());
    const stages = planSteps(standing, at("2"));
    expect(stages.map((stage) => stage.map((step) => step.do))).toEqual([
      Array.from({ length: 3 }, () => "put-host"),
      ["wait"],
      Array.from({ length: 2 }, () => "put-host"),
    ]);
  });

  test("equality of values does not depend on the order of keys", () => {
    expect(same({ a: 1, b: [1, { c: 2 }] }, { b: [1, { c: 2 }], a: 1 })).toBe(true);
    expect(same({ a: 1 }, { a: 1, b: undefined })).toBe(true);
    expect(same([1], { 0: 1 })).toBe(false);
    expect(same({ a: [1, 2] }, { a: [1] })).toBe(false);
  });
});
