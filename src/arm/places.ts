/**
 * Where values stood in the texts they were read from, and where values that an evaluation made
 * of them come from.
 *
 * By identity: the reader notes each object and array, and whoever makes a new one of it says so
 * (`follow`). Lines, columns and paths are computed when asked for; reading pays one note each.
 */
import { isJsonArray, isJsonObject, type JsonObject, type JsonValue, keyOffsets } from "./json.ts";

export type Place = {
  readonly file: string;
  /** Both from 1. */
  readonly line: number;
  readonly column: number;
  /** From the outermost value of the text: `resources[3].properties`; empty for that value. */
  readonly path: string;
};

type Container = JsonObject | readonly JsonValue[];
type Spot = {
  readonly text: PlacedText;
  /** Of the opening bracket. */
  readonly offset: number;
  readonly container: Container;
};

/** @param offset of the opening bracket */
export type NoteContainer = (container: Container, offset: number) => void;

/** A text that was read. Has a life: lines and paths are worked out when first asked for. */
class PlacedText {
  readonly name: string;
  readonly text: string;
  #root: JsonValue = null;
  #lines: readonly number[] | undefined;
  #paths: ReadonlyMap<Container, string> | undefined;

  constructor(name: string, text: string) {
    this.name = name;
    this.text = text;
  }

  close(root: JsonValue): void {
    this.#root = root;
  }

  pathOf(container: Container): string {
    this.#paths ??= pathsOf(this.#root);
    return this.#paths.get(container) ?? "";
  }

  point(offset: number): Pick<Place, "line" | "column"> {
    this.#lines ??= lineStarts(this.text);
    let low = 0;
    let high = this.#lines.length - 1;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.#lines[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: offset - (this.#lines[low] ?? 0) + 1 };
  }
}

/** Has a life: it learns while texts are read and evaluated. */
export class Places {
  // Kept as long as the reading: weak maps cost the garbage collector more than they save.
  readonly #spots = new Map<object, Spot>();
  readonly #grafts = new Map<object, Readonly<Record<string, JsonValue>>>();

  /** For the reader of a text: notes its containers, and at last the whole. */
  begin(
    name: string,
    text: string,
  ): { readonly note: NoteContainer; readonly close: (root: JsonValue) => void } {
    const placed = new PlacedText(name, text);
    return {
      note: (container, offset) => this.#spots.set(container, { text: placed, offset, container }),
      close: (root) => placed.close(root),
    };
  }

  /** What was made of a value stands where that stood. */
  follow(made: JsonValue, from: JsonValue): void {
    if (!isContainer(made) || !isContainer(from) || this.#spots.has(made)) return;
    const spot = this.#spots.get(from);
    if (spot !== undefined) this.#spots.set(made, spot);
  }

  /** A property that was written elsewhere: the template of a link. */
  graft(container: JsonObject, name: string, value: JsonValue): void {
    this.#grafts.set(container, { ...this.#grafts.get(container), [name]: value });
  }

  /** Undefined for what was not read from a text, or made of nothing that was. */
  of(value: JsonValue | undefined): Place | undefined {
    const spot = isContainer(value) ? this.#spots.get(value) : undefined;
    if (spot === undefined) return undefined;
    const { text, offset, container } = spot;
    const { line, column } = text.point(offset);
    return {
      file: text.name,
      line,
      column,
      // All paths of a text are worked out together: only when somebody wants one.
      get path() {
        return text.pathOf(container);
      },
    };
  }

  /** Where a property's name stands; the object where that cannot be told. */
  ofProperty(object: JsonValue, name: string): Place | undefined {
    const spot = isContainer(object) ? this.#spots.get(object) : undefined;
    if (spot === undefined) return undefined;
    const { text, container } = spot;
    const offset = keyOffsets(text.text, spot.offset).get(name) ?? spot.offset;
    const path = text.pathOf(container);
    return { file: text.name, ...text.point(offset), path: path === "" ? name : `${path}.${name}` };
  }

  /** The place a path leads to, `properties.routes[2].name`, as far as it can be followed. */
  along(root: JsonValue, path: string): Place | undefined {
    let value: JsonValue = root;
    let place = this.of(root);
    for (let rest = path; rest !== "" && isContainer(value);) {
      const step = this.#step(value, rest);
      if (step === undefined) break;
      place =
        this.of(step.value) ??
        (typeof step.key === "string" ? this.ofProperty(value, step.key) : undefined) ??
        place;
      value = step.value;
      rest = rest.slice(step.length).replace(/^\./, "");
    }
    return place;
  }

  #step(container: Container, rest: string): Step | undefined {
    if (isJsonArray(container)) {
      const index = /^\[(\d+)\]/.exec(rest);
      const key = Number(index?.[1]);
      const value = container[key];
      if (index === null || value === undefined) return undefined;
      return { key, value, length: index[0].length };
    }
    const all = { ...this.#grafts.get(container), ...container };
    // Names may hold dots: the longest that fits is meant.
    const fitting = Object.keys(all)
      .filter((name) => begins(rest, name))
      .sort((a, b) => b.length - a.length);
    const [key] = fitting;
    const value = key === undefined ? undefined : all[key];
    if (key === undefined || value === undefined) return undefined;
    return { key, value, length: key.length };
  }
}

type Step = { readonly key: string | number; readonly value: JsonValue; readonly length: number };

/** `file:line:column`, as editors and terminals follow it. */
export function formatPlace({ file, line, column }: Place): string {
  return `${file}:${line}:${column}`;
}

function begins(path: string, name: string): boolean {
  const after = path[name.length];
  return (
    path.slice(0, name.length).toLowerCase() === name.toLowerCase() &&
    (after === undefined || after === "." || after === "[")
  );
}

function isContainer(value: JsonValue | undefined): value is Container {
  return isJsonArray(value) || isJsonObject(value);
}

function lineStarts(text: string): readonly number[] {
  const starts = [0];
  for (const end of text.matchAll(/\r\n|\n|\r/g)) starts.push(end.index + end[0].length);
  return starts;
}

function pathsOf(root: JsonValue): ReadonlyMap<Container, string> {
  const paths = new Map<Container, string>();
  const open: (readonly [JsonValue, string])[] = [[root, ""]];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [value, path] = next;
    if (!isContainer(value)) continue;
    paths.set(value, path);
    if (isJsonArray(value))
      for (const [index, item] of value.entries()) open.push([item, `${path}[${index}]`]);
    else
      for (const [name, item] of Object.entries(value))
        open.push([item, path === "" ? name : `${path}.${name}`]);
  }
  return paths;
}
