import { describe, expect, test } from "vitest";

import { sketch, wanted } from "../../test/support/resources.ts";
import type { Ipv4 } from "../network/prefix.ts";
import type { Blueprint, Host, Network } from "./blueprint.ts";
import { checkBlueprint, INVARIANTS } from "./check.ts";
import { compile } from "./compile.ts";
import { EMPTY_LEDGER } from "./ledger.ts";

const good = compile(
  wanted(sketch({ rules: [{ sources: [{ kind: "tag", tag: "Sql" }] }, {}] })),
  EMPTY_LEDGER,
  1,
).blueprint;

const changeHost = (name: string, change: (host: Host) => Host): Blueprint => ({
  ...good,
  hosts: good.hosts.map((host) => (host.name === name ? change(host) : host)),
});
const changeNetwork = (change: (network: Network) => Network): Blueprint => ({
  ...good,
  networks: good.networks.map(change),
});
const WORKER = "shop-plan-0";
const moveTo =
  (address: string) =>
  (host: Host): Host => ({
    ...host,
    place: { ...host.place, address: address as Ipv4 },
    programs: [],
  });

/** One blueprint per invariant that breaks it. */
const BROKEN: Record<keyof typeof INVARIANTS, Blueprint> = {
  "host names are unique": { ...good, hosts: [...good.hosts, ...good.hosts.slice(-1)] },
  "every host of a subnet stands in a subnet that exists, outside the network's own addresses":
    changeHost(WORKER, moveTo("10.0.1.255")),
  "no address is held twice": changeHost(WORKER, moveTo("10.0.1.4")),
  "a subnet with an environment holds nothing else": changeHost(
    WORKER,
    ({ environment: _, ...host }) => host,
  ),
  "numbers of networks and of the subnets in one are unique and small": changeNetwork(
    (network) => ({
      ...network,
      subnets: network.subnets.map((subnet) => ({ ...subnet, index: 201 })),
    }),
  ),
  "subnets lie in their network and do not touch": changeNetwork((network) => ({
    ...network,
    subnets: [...network.subnets, ...network.subnets.map((subnet) => ({ ...subnet, index: 9 }))],
  })),
  "a public address belongs to one network": {
    ...good,
    networks: good.networks.flatMap((network) => [
      network,
      { ...network, id: "other", index: 9, subnets: [] },
    ]),
  },
  "every edge translation is at a public address of its network": changeNetwork((network) => ({
    ...network,
    publicAddresses: [],
  })),
  "every translation leads to hosts that exist, at their address, and to at least one":
    changeNetwork((network) => ({
      ...network,
      translations: network.translations.map((translation) => ({ ...translation, targets: [] })),
    })),
  "an address and port are translated once": changeNetwork((network) => ({
    ...network,
    translations: [...network.translations, ...network.translations],
  })),
  "programs listen at their host's address": changeHost(WORKER, (host) => ({
    ...host,
    programs: host.programs.map((program) => ({ ...program, address: "10.0.1.200" as Ipv4 })),
  })),
  "programs of one host have names and ports of their own": changeHost(WORKER, (host) => ({
    ...host,
    programs: [...host.programs, ...host.programs],
  })),
  "front ends lead to apps that exist": changeHost(WORKER, (host) => ({ ...host, programs: [] })),
  "rules are sorted and priorities unique per direction": changeNetwork((network) => ({
    ...network,
    subnets: network.subnets.map((subnet) => ({
      ...subnet,
      rules: subnet.rules?.toReversed() ?? [],
    })),
  })),
  "every tag that a rule names is known": { ...good, tags: {} },
  "one route of a prefix is active": changeNetwork((network) => ({
    ...network,
    subnets: network.subnets.map((subnet) => ({
      ...subnet,
      routes: [...subnet.routes, ...subnet.routes],
    })),
  })),
};

describe("the promises of a blueprint", () => {
  test("hold of what is compiled", () => {
    expect(checkBlueprint(good)).toEqual([]);
  });

  test.each(Object.entries(BROKEN))(
    "%s: a blueprint that breaks it is found out",
    (promise, blueprint) => {
      expect(INVARIANTS[promise]?.(blueprint)).not.toEqual([]);
      expect(
        checkBlueprint(blueprint)
          .map(({ what }) => what)
          .join(),
      ).toContain(promise);
    },
  );

  test("each has a blueprint here that breaks it", () => {
    expect(Object.keys(BROKEN).sort()).toEqual(Object.keys(INVARIANTS).sort());
  });
});
