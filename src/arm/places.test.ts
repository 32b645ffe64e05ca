import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

import { isJsonObject, propertyAt, readJson, type JsonValue } from "./json.ts";
import { formatPlace, Places } from "./places.ts";

function read(text: string): { readonly places: Places; readonly root: JsonValue } {
  const places = new Places();
  const value = readJson(text, "t.json", places);
  if (!value.ok) throw new Error(value.problem.what);
  return { places, root: value.value };
}

const TEXT = `\uFEFF{
  "a": [1, { "b": { } }], // a comment
  "dotted.name": {
    "c": "text"
  }
}`;

describe("places", () => {
  test("of objects and arrays are those of their opening brackets", () => {
    const { places, root } = read(TEXT);
    expect(places.of(root)).toEqual({ file: "t.json", line: 1, column: 1, path: "" });
    expect(places.of(propertyAt(root, "a"))).toMatchObject({ line: 2, column: 8, path: "a" });
    expect(places.along(root, "a[1].b")).toMatchObject({ line: 2, column: 19, path: "a[1].b" });
  });

  test("of texts and numbers are those of their names; names may hold dots", () => {
    const { places, root } = read(TEXT);
    const place = places.along(root, "dotted.name.c");
    expect(place).toMatchObject({ line: 4, column: 5, path: "dotted.name.c" });
    expect(place && formatPlace(place)).toBe("t.json:4:5");
  });

  test("go as far as a path can be followed", () => {
    const { places, root } = read(TEXT);
    expect(places.along(root, "a[7].b")).toMatchObject({ path: "a" });
    expect(places.along(root, "nothing")).toMatchObject({ path: "" });
  });

  test("follow what is made of a value, and lead into linked templates", () => {
    const { places, root } = read(TEXT);
    const made = { made: true };
    places.follow(made, propertyAt(root, "a") ?? null);
    expect(places.of(made)).toMatchObject({ line: 2, path: "a" });
    const linked = readJson('{\n"x": {}}', "linked.json", places);
    if (!linked.ok || !isJsonObject(root)) throw new Error("unreadable");
    places.graft(root, "template", linked.value);
    expect(places.along(root, "template.x")).toMatchObject({ file: "linked.json", line: 2 });
  });

  test("of any JSON: the text at the place begins with the value's bracket", () => {
    fc.assert(
      fc.property(fc.json(), fc.integer({ min: 0, max: 4 }), (text, indent) => {
        const laidOut = JSON.stringify(JSON.parse(text), null, indent);
        const { places, root } = read(laidOut);
        const lines = laidOut.split("\n");
        const visit = (value: JsonValue): void => {
          if (typeof value !== "object" || value === null) return;
          const place = places.of(value);
          const mark = lines[(place?.line ?? 0) - 1]?.[(place?.column ?? 0) - 1];
          expect(mark).toBe(Array.isArray(value) ? "[" : "{");
          for (const inner of Object.values(value)) visit(inner);
        };
        visit(root);
      }),
      { numRuns: 200 },
    );
  });
});
