import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { afterEach, beforeEach, describe, expect, test } from "vitest";

import { keyOf } from "../arm/ids.ts";
import { found } from "../base/problem.ts";
import { compile } from "../blueprint/compile.ts";
import { EMPTY_LEDGER, type Ledger } from "../blueprint/ledger.ts";
import { openSqliteStore } from "../store/sqlite-store.ts";
import type { Store } from "../store/store.ts";
import {
  ENVIRONMENT_ID,
  sketch,
  SUBNET_ID,
  wanted,
  type Sketch,
} from "../../test/support/resources.ts";
import { addressHistory, heldSince, noteAddresses } from "./address-records.ts";
import { storeResource } from "./wanted.ts";

let folder: string;
let store: Store;
let ledger: Ledger;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "ase-addresses-"));
  const opened = openSqliteStore({ file: join(folder, "ase.db"), now: () => 1 });
  if (!opened.ok) throw new Error(opened.problem.what);
  store = opened.value;
  ledger = EMPTY_LEDGER;
});
afterEach(() => {
  store.close();
  rmSync(folder, { recursive: true, force: true });
});

/** The world becomes what the sketch says; what is due is reported. */
function become(of: Sketch, now: number, runs = true) {
  const resources = sketch(of);
  const after = compile(wanted(resources, { runs: () => runs }), ledger, 1).ledger;
  const noted = store.transaction((transaction) => {
    for (const resource of resources)
      storeResource(transaction, { resource, createdAt: 1, changedAt: 1, generation: 1 });
    const events = noteAddresses(transaction, { before: ledger, after }, now);
    for (const event of events) transaction.append(event);
    return found(events);
  });
  if (!noted.ok) throw new Error(noted.problem.what);
  ledger = after;
  return noted.value.map(({ code, message }) => `${code}: ${message}`);
}
const since = (owner: string) => {
  const address = ledger.addresses[keyOf(SUBNET_ID)]?.held[owner];
  return address && heldSince(store, keyOf(SUBNET_ID), { owner, address });
};
const history = () => addressHistory(store.events, ENVIRONMENT_ID);

describe("addresses that change hands", () => {
  test("are told once, with who holds them since when", () => {
    const [told = ""] = become({ instances: 1 }, 100);
    expect(told).toBe(
      "AddressesChanged: taken: 198.18.0.1 (the public address), 198.18.0.2 (the address of apps number 1), 10.0.1.4 (shop-front-end-0), 10.0.1.5 (shop-front-end-1) and 6 more",
    );
    expect(become({ instances: 1 }, 200)).toEqual([]);
    expect(become({ instances: 2 }, 300)).toEqual([
      expect.stringMatching(/^AddressesChanged: taken: 10\.[\d.]+ \(shop-plan-1\)$/),
    ]);
    expect(since("shop-front-end-0")).toBe(100);
    expect(since("shop-plan-1")).toBe(300);
    expect(become({ instances: 1 }, 400)).toEqual([
      expect.stringMatching(/^AddressesChanged: given back: 10\.[\d.]+ \(shop-plan-1\)$/),
    ]);
    expect(history()[0]).toMatchObject({ change: "given back", holder: "shop-plan-1" });
  });

  test("are all of them when an environment is suspended and restored, the public one too", () => {
    become({ instances: 1 }, 100);
    const held = ledger.addresses["public"]?.held[keyOf(ENVIRONMENT_ID)];
    become({ instances: 1 }, 200, false);
    expect(history().filter(({ change }) => change === "given back")).toHaveLength(
      history().filter(({ change }) => change === "taken").length,
    );
    become({ instances: 1 }, 300);
    const now = ledger.addresses["public"]?.held[keyOf(ENVIRONMENT_ID)];
    expect(now).not.toBe(held);
    expect(history().filter(({ holder }) => holder === "the public address")).toMatchObject([
      { change: "taken", address: now },
      { change: "given back", address: held },
      { change: "taken", address: held },
    ]);
    expect(since("shop-front-end-0")).toBe(300);
  });
});

describe("alerts", () => {
  const alertsOf = (told: readonly string[]) =>
    told.filter((line) => !line.startsWith("AddressesChanged"));

  test("tell of a subnet that is almost full, in Azure's words, once until it is over", () => {
    const small = { subnet: "10.0.1.0/27" };
    expect(alertsOf(become({ ...small, instances: 1 }, 100))).toEqual([]);
    expect(alertsOf(become({ ...small, instances: 10 }, 200))).toEqual([
      expect.stringMatching(/^SubnetAlmostFull: .*There are 10 remaining addresses\./),
    ]);
    expect(alertsOf(become({ ...small, instances: 12 }, 300))).toEqual([]);
    expect(alertsOf(become({ ...small, instances: 2 }, 400))).toEqual([]);
    expect(alertsOf(become({ ...small, instances: 12 }, 500))).toHaveLength(1);
  });

  test("tell of an environment that comes close to the limit of instances", () => {
    expect(alertsOf(become({ instances: 180 }, 100))).toEqual([]);
    expect(alertsOf(become({ instances: 185 }, 200))).toEqual([
      expect.stringMatching(
        /^InstanceLimitNear: .*185 App Service Plan instances of a maximum 201/,
      ),
    ]);
  });
});
