/**
 * JSON as clients write it for Azure: with comments, trailing commas, a byte order mark, newlines
 * inside strings and unquoted keys (az splices the text of a template into its body).
 *
 * Reading only; what we send is strict JSON. Nothing here knows what the values mean.
 */
import { declined, found, ProblemError, type Result } from "../base/problem.ts";
import type { NoteContainer, Places } from "./places.ts";

export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject;
export type JsonObject = { readonly [name: string]: JsonValue };

/** Deeper nesting than any template has, and shallow enough for the stack. */
const DEEPEST = 512;

/**
 * @param source what the text is called in problems: a file name or "request body"
 * @param places learns where each object and array stands, for those who must point there
 */
export function readJson(text: string, source: string, places?: Places): Result<JsonValue> {
  const plain = text.charCodeAt(0) === 0xfe_ff ? text.slice(1) : text;
  const noting = places?.begin(source, plain);
  const reader = new JsonReader(plain, source, noting?.note ?? ignore);
  try {
    const value = reader.readWhole();
    noting?.close(value);
    return found(value);
  } catch (thrown) {
    if (thrown instanceof ProblemError) return declined(thrown.problem);
    throw thrown;
  }
}

/** Like `readJson`, for texts that must be an object. */
export function readJsonObject(text: string, source: string, places?: Places): Result<JsonObject> {
  const read = readJson(text, source, places);
  if (!read.ok) return read;
  if (isJsonObject(read.value)) return found(read.value);
  return declined({
    code: "InvalidRequestContent",
    what: `${source} is ${describeKind(read.value)}, not an object`,
    fix: "Send a JSON object, { ... }.",
    where: source,
  });
}

export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === "object" && value !== null && !isJsonArray(value);
}

export function isJsonArray(value: JsonValue | undefined): value is readonly JsonValue[] {
  return Array.isArray(value);
}

/** Property of an object whatever the casing of its name; the exact spelling is preferred. */
export function property(object: JsonValue | undefined, name: string): JsonValue | undefined {
  if (!isJsonObject(object)) return undefined;
  if (Object.hasOwn(object, name)) return object[name];
  const wanted = name.toLowerCase();
  // Lengths first: most lookups are of names that are not there, and there are very many.
  for (const key of Object.keys(object))
    if (key.length === name.length && key.toLowerCase() === wanted) return object[key];
  return undefined;
}

/** Property by a path of names, `propertyAt(body, "properties", "subnet", "id")`. */
export function propertyAt(
  object: JsonValue | undefined,
  ...path: readonly string[]
): JsonValue | undefined {
  return path.reduce<JsonValue | undefined>(property, object);
}

/** Everything but the named properties, whatever their casing. */
export function withoutProperties(object: JsonObject, names: readonly string[]): JsonObject {
  const dropped = new Set(names.map((name) => name.toLowerCase()));
  return Object.fromEntries(
    Object.entries(object).filter(([name]) => !dropped.has(name.toLowerCase())),
  );
}

/** Any value as text: texts as they are, nothing as an empty one, the rest as JSON. */
export function plainText(value: JsonValue | undefined): string {
  if (value === undefined || value === null) return "";
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** A value's kind in words, for problems. */
export function describeKind(value: JsonValue | undefined): string {
  if (value === undefined) return "absent";
  if (value === null) return "null";
  if (isJsonArray(value)) return "an array";
  if (typeof value === "object") return "an object";
  if (typeof value === "string") return `the string "${shorten(value)}"`;
  return `the ${typeof value} ${value}`;
}

function shorten(text: string): string {
  return text.length <= 60 ? text : `${text.slice(0, 57)}...`;
}

const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  "'": "'",
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
};

/**
 * Where the names of an object's properties stand.
 * @param offset of its opening brace, in a text that could be read
 */
export function keyOffsets(text: string, offset: number): ReadonlyMap<string, number> {
  return new JsonReader(text, "", ignore).readKeys(offset);
}

function ignore(): void {
  // Whoever does not ask for places pays for none.
}

const KEY = /[\p{L}_$][\p{L}\p{N}_$.-]*/uy;
const PLAIN = /[^"\\]*/y;
const LITERAL = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:e[+-]?\d+)?(?![\w.])|true\b|false\b|null\b/iy;
/** White space and comments. */
const BLANK = /(?:[\s\uFEFF]+|\/\/[^\n\r]*|\/\*[\s\S]*?\*\/)*/y;
const SLASH = 0x2f;

/** Has a life: a position in a text. */
class JsonReader {
  readonly #text: string;
  readonly #source: string;
  readonly #note: NoteContainer;
  #at = 0;

  constructor(text: string, source: string, note: NoteContainer) {
    this.#text = text;
    this.#source = source;
    this.#note = note;
  }

  /** @param offset of the opening brace of an object that can be read */
  readKeys(offset: number): ReadonlyMap<string, number> {
    this.#at = offset;
    const offsets = new Map<string, number>();
    if (!this.#took("{")) return offsets;
    for (;;) {
      this.#skip();
      if (this.#took("}")) return offsets;
      const at = this.#at;
      offsets.set(this.#key(), at);
      this.#skip();
      this.#took(":");
      this.#value(0);
      this.#skip();
      this.#took(",");
    }
  }

  readWhole(): JsonValue {
    const value = this.#value(0);
    this.#skip();
    if (this.#at < this.#text.length) this.#refuse("text after the end of the value");
    return value;
  }

  #value(depth: number): JsonValue {
    this.#skip();
    if (DEEPEST < depth) this.#refuse(`values nested deeper than ${DEEPEST}`);
    const next = this.#text[this.#at];
    if (next === "{") return this.#object(depth);
    if (next === "[") return this.#array(depth);
    if (next === '"') return this.#string();
    if (next === undefined) this.#refuse("the end of the text where a value should be");
    return this.#literal();
  }

  #object(depth: number): JsonObject {
    const start = this.#at;
    this.#at += 1;
    const entries: [string, JsonValue][] = [];
    for (;;) {
      this.#skip();
      if (this.#took("}")) {
        const object = Object.fromEntries(entries);
        this.#note(object, start);
        return object;
      }
      const name = this.#key();
      this.#skip();
      if (!this.#took(":")) this.#refuse(`no colon after the key "${name}"`);
      entries.push([name, this.#value(depth + 1)]);
      this.#skip();
      if (this.#took(",")) continue;
      if (this.#text[this.#at] !== "}") this.#refuse('neither "," nor "}" after a property');
    }
  }

  #array(depth: number): readonly JsonValue[] {
    const start = this.#at;
    this.#at += 1;
    const items: JsonValue[] = [];
    for (;;) {
      this.#skip();
      if (this.#took("]")) {
        this.#note(items, start);
        return items;
      }
      items.push(this.#value(depth + 1));
      this.#skip();
      if (this.#took(",")) continue;
      if (this.#text[this.#at] !== "]") this.#refuse('neither "," nor "]" after an item');
    }
  }

  #key(): string {
    if (this.#text[this.#at] === '"') return this.#string();
    const word = this.#match(KEY);
    if (word === undefined) this.#refuse("no key where one should be");
    return word;
  }

  #string(): string {
    const start = this.#at;
    this.#at += 1;
    let value = "";
    for (;;) {
      value += this.#match(PLAIN) ?? "";
      const next = this.#text[this.#at];
      if (next === undefined) {
        this.#at = start;
        this.#refuse("a string without its closing quote");
      }
      this.#at += 1;
      if (next === '"') return value;
      value += this.#escape();
    }
  }

  #escape(): string {
    const letter = this.#text[this.#at] ?? "";
    if (letter === "u") {
      const digits = this.#text.slice(this.#at + 1, this.#at + 5);
      if (!/^[\da-f]{4}$/i.test(digits)) this.#refuse("a \\u without four hexadecimal digits");
      this.#at += 5;
      return String.fromCharCode(Number.parseInt(digits, 16));
    }
    const meant = ESCAPES[letter];
    if (meant === undefined) this.#refuse(`the unknown escape \\${letter}`);
    this.#at += 1;
    return meant;
  }

  #literal(): JsonValue {
    const word = this.#match(LITERAL);
    if (word === undefined) this.#refuse(`"${this.#text[this.#at]}" where a value should be`);
    return JSON.parse(word.toLowerCase()) as JsonValue;
  }

  #took(mark: string): boolean {
    if (this.#text[this.#at] !== mark) return false;
    this.#at += 1;
    return true;
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const seen = pattern.exec(this.#text)?.[0];
    this.#at += seen?.length ?? 0;
    return seen;
  }

  #skip(): void {
    const next = this.#text.charCodeAt(this.#at);
    if (0x20 < next && next < 0x7f && next !== SLASH) return;
    this.#match(BLANK);
    if (this.#text.startsWith("/*", this.#at)) this.#refuse("a comment without its end");
  }

  #refuse(seen: string): never {
    const before = this.#text.slice(0, this.#at).split(/\r\n|\n|\r/);
    const line = before.length;
    const column = (before.at(-1)?.length ?? 0) + 1;
    throw new ProblemError({
      code: "InvalidRequestContent",
      what: `${this.#source} is not JSON: ${seen} at line ${line}, column ${column}`,
      fix: `Look at line ${line}, column ${column}, and just before it.`,
      where: `${this.#source}:${line}:${column}`,
    });
  }
}
