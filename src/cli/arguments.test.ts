import { describe, expect, test } from "vitest";

import { parseAppContent, parseDuration, parsePort } from "./arguments.ts";

const value = (result: { ok: boolean; value?: unknown }) => (result.ok ? result.value : "declined");

describe("words of the command line", () => {
  test("durations are counts with units", () => {
    expect(["500ms", "90s", "10m", "1h30m"].map((text) => value(parseDuration(text)))).toEqual([
      500, 90_000, 600_000, 5_400_000,
    ]);
    for (const text of ["", "10", "m", "10 m", "1d", "-1s", "10mx"])
      expect(value(parseDuration(text))).toBe("declined");
  });

  test("ports are 1 to 65535", () => {
    expect(["1", "65535"].map((text) => value(parsePort(text)))).toEqual([1, 65_535]);
    for (const text of ["0", "65536", "http", "-1", "1.5", ""])
      expect(value(parsePort(text))).toBe("declined");
  });

  test("an app's content is NAME=FOLDER, and the folder may hold =", () => {
    expect(value(parseAppContent("shop=./a=b"))).toEqual({ name: "shop", source: "./a=b" });
    for (const text of ["shop", "=x", "shop="])
      expect(value(parseAppContent(text))).toBe("declined");
  });
});
