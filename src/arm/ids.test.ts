import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import {
  formatResourceId,
  keyOf,
  parentOf,
  parseResourceId,
  type ResourceId,
  typeOf,
} from "./ids.ts";

const word = fc
  .stringMatching(/^[A-Za-z][A-Za-z0-9_.-]{0,12}$/)
  .filter((text) => !/^(providers|subscriptions|resourcegroups)$/i.test(text));

describe("resource ids", () => {
  test("an id that was written is read back as it was", () => {
    const ids = fc
      .tuple(
        word,
        fc.option(word, { nil: undefined }),
        word,
        fc.array(fc.tuple(word, word), { minLength: 1, maxLength: 3 }),
      )
      .map(([subscription, resourceGroup, namespace, pairs]): ResourceId => ({
        subscription,
        ...(resourceGroup === undefined ? {} : { resourceGroup }),
        namespace: `X.${namespace}`,
        types: pairs.map(([type]) => type),
        names: pairs.map(([, name]) => name),
      }));
    fc.assert(
      fc.property(ids, (id) => {
        expect(parseResourceId(formatResourceId(id))).toEqual({ ok: true, value: id });
      }),
    );
  });

  test("casing and doubled slashes do not make another key", () => {
    const plain = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/sites/App";
    const odd = parseResourceId(
      "/SUBSCRIPTIONS/s//resourcegroups/g/providers/microsoft.web//sites/app/",
    );
    expect(odd.ok && keyOf(odd.value)).toBe(keyOf(plain));
    expect(keyOf("//subscriptions/s/resourcegroups/g/providers/Microsoft.Web//sites/APP")).toBe(
      keyOf(plain),
    );
  });

  test("a subnet's parent is its network, and a lock's is what it stands on", () => {
    const subnet = parseResourceId(
      "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v/subnets/a",
    );
    expect(subnet.ok && typeOf(subnet.value)).toBe("Microsoft.Network/virtualNetworks/subnets");
    const parent = subnet.ok ? parentOf(subnet.value) : undefined;
    expect(parent && formatResourceId(parent)).toBe(
      "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/v",
    );
    const text =
      "/subscriptions/s/resourceGroups/g/providers/Microsoft.Web/sites/a/providers/Microsoft.Authorization/locks/l";
    const lock = parseResourceId(text);
    expect(lock.ok && formatResourceId(lock.value)).toBe(text);
  });

  test("a group is an id of its own", () => {
    const group = parseResourceId("/subscriptions/s/resourcegroups/g");
    expect(group.ok && formatResourceId(group.value)).toBe("/subscriptions/s/resourceGroups/g");
  });

  test.each([
    "",
    "sites/a",
    "/subscriptions",
    "/subscriptions/s/providers/Microsoft.Web/sites",
    "/nothing/here",
  ])("%j is no id", (text) => {
    expect(parseResourceId(text).ok).toBe(false);
  });
});
