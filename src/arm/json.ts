/**
 * JSON as clients write it for Azure: with comments, trailing commas, a byte order mark, newlines
 * inside strings and unquoted keys (az splices the text of a template into its body).
 *
 * Reading only; what we send is strict JSON. Nothing here knows what the values mean.
 */
import { declined, found, ProblemError, type Result } from "../base/problem.ts";

export type JsonValue = string | number | boolean | null | readonly JsonValue[] | JsonObject;
export type JsonObject = { readonly [name: string]: JsonValue };

/** Deeper nesting than any template has, and shallow enough for the stack. */
const DEEPEST = 512;

/** @param source what the text is called in problems: a file name or "request body" */
export function readJson(text: string, source: string): Result<JsonValue> {
  const reader = new JsonReader(text.charCodeAt(0) === 0xfe_ff ? text.slice(1) : text, source);
  try {
    return found(reader.readWhole());
  } catch (thrown) {
    if (thrown instanceof ProblemError) return declined(thrown.problem);
    throw thrown;
  }
}

/** Like `readJson`, for texts that must be an object. */
export function readJsonObject(text: string, source: string): Result<JsonObject> {
  const read = readJson(text, source);
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
  const spelled = Object.keys(object).find((key) => key.toLowerCase() === wanted);
  return spelled === undefined ? undefined : object[spelled];
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

/** Has a life: a position in a text. */
class JsonReader {
  readonly #text: string;
  readonly #source: string;
  #at = 0;

  constructor(text: string, source: string) {
    this.#text = text;
    this.#source = source;
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
    this.#at += 1;
    const entries: [string, JsonValue][] = [];
    for (;;) {
      this.#skip();
      if (this.#took("}")) return Object.fromEntries(entries);
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
    this.#at += 1;
    const items: JsonValue[] = [];
    for (;;) {
      this.#skip();
      if (this.#took("]")) return items;
      items.push(this.#value(depth + 1));
      this.#skip();
      if (this.#took(",")) continue;
      if (this.#text[this.#at] !== "]") this.#refuse('neither "," nor "]" after an item');
    }
  }

  #key(): string {
    if (this.#text[this.#at] === '"') return this.#string();
    const bare = /[\p{L}_$][\p{L}\p{N}_$.-]*/uy;
    bare.lastIndex = this.#at;
    const word = bare.exec(this.#text)?.[0];
    if (word === undefined) this.#refuse("no key where one should be");
    this.#at += word.length;
    return word;
  }

  #string(): string {
    const start = this.#at;
    this.#at += 1;
    let value = "";
    for (;;) {
      const plain = /[^"\\]*/y;
      plain.lastIndex = this.#at;
      const run = plain.exec(this.#text)?.[0] ?? "";
      value += run;
      this.#at += run.length;
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
    const pattern = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:e[+-]?\d+)?(?![\w.])|true\b|false\b|null\b/iy;
    pattern.lastIndex = this.#at;
    const word = pattern.exec(this.#text)?.[0];
    if (word === undefined) this.#refuse(`"${this.#text[this.#at]}" where a value should be`);
    this.#at += word.length;
    return JSON.parse(word.toLowerCase()) as JsonValue;
  }

  #took(mark: string): boolean {
    if (this.#text[this.#at] !== mark) return false;
    this.#at += 1;
    return true;
  }

  /** White space and comments. */
  #skip(): void {
    const blank = /(?:[\s\uFEFF]+|\/\/[^\n\r]*|\/\*[\s\S]*?\*\/)*/y;
    blank.lastIndex = this.#at;
    this.#at += blank.exec(this.#text)?.[0].length ?? 0;
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
