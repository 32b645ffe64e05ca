/**
 * What every store promises. Each implementation runs this over its own way of opening one.
 *
 * That writes outlive a crash is tested beside the implementation, which knows how to crash it.
 */
import { afterEach, describe, expect, test } from "vitest";

import { declined, found, type Problem } from "../../src/base/problem.ts";
import type { Store } from "../../src/store/store.ts";

const REFUSED: Problem = { code: "Refused", what: "no", fix: "none" };

/** @param open opens the same store each time within one test, a new one for the next */
export function describeStore(
  name: string,
  makeHome: () => { readonly open: () => Store; readonly remove: () => void },
): void {
  describe(name, () => {
    const cleanups: (() => void)[] = [];
    afterEach(() => {
      for (const cleanup of cleanups.splice(0).reverse()) cleanup();
    });
    const home = () => {
      const made = makeHome();
      cleanups.push(made.remove);
      return {
        open: () => {
          const store = made.open();
          cleanups.push(() => store.close());
          return store;
        },
      };
    };

    test("what was put is read back, and its generation counts its writes", () => {
      const store = home().open();
      store.transaction((t) => found(t.put("color", "a", { red: 1 })));
      expect(store.get("color", "a")).toEqual({
        kind: "color",
        key: "a",
        value: { red: 1 },
        generation: 1,
      });
      store.transaction((t) => found(t.put("color", "a", { red: 2 })));
      expect(store.get("color", "a")?.generation).toBe(2);
    });

    test("kinds do not see each other", () => {
      const store = home().open();
      store.transaction((t) => found([t.put("one", "a", 1), t.put("two", "a", 2)]));
      expect(store.get("one", "a")?.value).toBe(1);
      expect(store.list("two", "").map(({ value }) => value)).toEqual([2]);
      expect(store.get("three", "a")).toBeUndefined();
    });

    test("a list holds the keys that begin with the prefix, in their order", () => {
      const store = home().open();
      const keys = ["/a/b", "/a", "/a/c%_", "/ab", "/a/b/c", "/a/é", "/a/\u{1f600}"];
      store.transaction((t) => found(keys.map((key) => t.put("k", key, key))));
      expect(store.list("k", "/a/").map(({ key }) => key)).toEqual([
        "/a/b",
        "/a/b/c",
        "/a/c%_",
        "/a/é",
        "/a/\u{1f600}",
      ]);
      expect(store.list("k", "")).toHaveLength(keys.length);
    });

    test("removing says whether something was there, and a new document begins anew", () => {
      const store = home().open();
      store.transaction((t) => found([t.put("k", "a", 1), t.put("k", "a", 2)]));
      expect(store.transaction((t) => found(t.remove("k", "a")))).toEqual(found(true));
      expect(store.transaction((t) => found(t.remove("k", "a")))).toEqual(found(false));
      const again = store.transaction((t) => found(t.put("k", "a", 3)));
      expect(again).toMatchObject({ value: { generation: 1 } });
    });

    test("a declined transaction leaves nothing, neither documents nor events", () => {
      const store = home().open();
      const refused = store.transaction((t) => {
        t.put("k", "a", 1);
        t.append("happened");
        expect(t.get("k", "a")?.value).toBe(1);
        return declined(REFUSED);
      });
      expect(refused).toEqual(declined(REFUSED));
      expect(store.get("k", "a")).toBeUndefined();
      expect(store.events.newest()).toBe(0);
    });

    test("a transaction that throws leaves nothing, and the next one works", () => {
      const store = home().open();
      const bug = new Error("bug");
      expect(() =>
        store.transaction((t) => {
          t.put("k", "a", 1);
          throw bug;
        }),
      ).toThrow(bug);
      expect(store.get("k", "a")).toBeUndefined();
      expect(store.transaction((t) => found(t.put("k", "a", 2).value))).toEqual(found(2));
    });

    test("a transaction within a transaction is a bug", () => {
      const store = home().open();
      expect(() => store.transaction(() => store.transaction(() => found(1)))).toThrow("nested");
    });

    test("a transaction is not used after its end", () => {
      const store = home().open();
      let kept: (() => unknown) | undefined;
      store.transaction((t) => {
        kept = () => t.put("k", "a", 1);
        return found("done");
      });
      expect(kept).toThrow("after its end");
    });

    test("events have numbers without gaps in the order of commits", () => {
      const store = home().open();
      store.transaction((t) => found([t.append("a"), t.append("b")]));
      store.transaction((t) => {
        t.append("lost");
        return declined(REFUSED);
      });
      store.transaction((t) => found(t.append({ word: "c" })));
      const events = store.events.after(0, 10);
      expect(events.map(({ sequence, value }) => [sequence, value])).toEqual([
        [1, "a"],
        [2, "b"],
        [3, { word: "c" }],
      ]);
      expect(store.events.after(1, 1).map(({ value }) => value)).toEqual(["b"]);
      expect(store.events.newest()).toBe(3);
    });

    test("who waits for events is woken by the commit", async () => {
      const store = home().open();
      const woken = store.events.waitAfter(0, 60_000);
      store.transaction((t) => found(t.append("now")));
      await woken;
      expect(store.events.newest()).toBe(1);
    });

    test("nobody waits for what is already there", async () => {
      const store = home().open();
      store.transaction((t) => found(t.append("before")));
      await store.events.waitAfter(0, 60_000);
      expect(store.events.newest()).toBe(1);
    });

    test("waiting ends with its time, its signal and the store", async () => {
      const store = home().open();
      await store.events.waitAfter(0, 1);
      const abort = new AbortController();
      const signalled = store.events.waitAfter(0, 60_000, abort.signal);
      abort.abort();
      await signalled;
      const closed = store.events.waitAfter(0, 60_000);
      store.close();
      await closed;
    });

    test("everything is there after closing and opening again", () => {
      const { open } = home();
      const first = open();
      first.transaction((t) => found([t.put("k", "a", "ä"), t.append("e")]));
      first.close();
      const second = open();
      expect(second.get("k", "a")?.value).toBe("ä");
      expect(second.events.after(0, 10)).toHaveLength(1);
      second.transaction((t) => found(t.append("f")));
      expect(second.events.newest()).toBe(2);
    });
  });
}
