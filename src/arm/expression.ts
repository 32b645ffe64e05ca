/**
 * The grammar of template expressions: `[concat(parameters('a'), '-x')[0].name]` to a tree and back.
 *
 * Nothing is evaluated here; see evaluate.ts.
 */
import { declined, found, never, ProblemError, type Result } from "../base/problem.ts";

export type Expression =
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "int"; readonly value: number }
  /** `name` may carry the namespace of a user's function, `contoso.label`. */
  | { readonly kind: "call"; readonly name: string; readonly arguments: readonly Expression[] }
  | {
      readonly kind: "index";
      readonly of: Expression;
      readonly index: Expression;
      /** True: written as `.name` or `.?name`. */
      readonly dotted: boolean;
      /** True: `.?name` or `[?index]`, null where nothing is. */
      readonly safe: boolean;
    };

const DEEPEST = 256;

/** What a string of a template is: text as it stands, or an expression. */
export function readTemplateString(
  text: string,
):
  | { readonly kind: "text"; readonly text: string }
  | { readonly kind: "expression"; readonly source: string } {
  if (!text.startsWith("[") || !text.endsWith("]")) return { kind: "text", text };
  if (text.startsWith("[[")) return { kind: "text", text: text.slice(1) };
  return { kind: "expression", source: text.slice(1, -1) };
}

/** The inverse for text: what to write so that a template says exactly this. */
export function writeTemplateText(text: string): string {
  return text.startsWith("[") && text.endsWith("]") ? `[${text}` : text;
}

/** @param source without the brackets around it */
export function parseExpression(source: string): Result<Expression> {
  const reader = new ExpressionReader(source);
  try {
    return found(reader.readWhole());
  } catch (thrown) {
    if (thrown instanceof ProblemError) return declined(thrown.problem);
    throw thrown;
  }
}

/** The expression as text, without the brackets around it. */
export function formatExpression(expression: Expression): string {
  switch (expression.kind) {
    case "string":
      return `'${expression.value.replaceAll("'", "''")}'`;
    case "int":
      return String(expression.value);
    case "call":
      return `${expression.name}(${expression.arguments.map(formatExpression).join(", ")})`;
    case "index": {
      const of = formatExpression(expression.of);
      const mark = expression.safe ? "?" : "";
      if (expression.dotted && expression.index.kind === "string")
        return `${of}.${mark}${expression.index.value}`;
      return `${of}[${mark}${formatExpression(expression.index)}]`;
    }
    default:
      return never(expression);
  }
}

/** Every call in an expression, outermost first. */
export function callsIn(
  expression: Expression,
): readonly Extract<Expression, { readonly kind: "call" }>[] {
  if (expression.kind === "call")
    return [expression, ...expression.arguments.flatMap((argument) => callsIn(argument))];
  if (expression.kind === "index") return [...callsIn(expression.of), ...callsIn(expression.index)];
  return [];
}

/** Has a life: a position in a text. */
class ExpressionReader {
  readonly #source: string;
  #at = 0;

  constructor(source: string) {
    this.#source = source;
  }

  readWhole(): Expression {
    const expression = this.#expression(0);
    this.#skip();
    if (this.#at < this.#source.length)
      this.#refuse(`"${this.#source[this.#at]}" after the end of the expression`);
    return expression;
  }

  #expression(depth: number): Expression {
    if (DEEPEST < depth) this.#refuse("expressions nested too deeply");
    this.#skip();
    let expression = this.#primary(depth);
    for (;;) {
      this.#skip();
      if (this.#took(".")) {
        const safe = this.#took("?");
        const value = this.#match(/[\p{L}_$][\p{L}\p{N}_$-]*/uy);
        if (value === undefined) this.#refuse("no property name after the dot");
        expression = {
          kind: "index",
          of: expression,
          index: { kind: "string", value },
          dotted: true,
          safe,
        };
      } else if (this.#took("[")) {
        const safe = this.#took("?");
        const index = this.#expression(depth + 1);
        this.#expect("]");
        expression = { kind: "index", of: expression, index, dotted: false, safe };
      } else return expression;
    }
  }

  #primary(depth: number): Expression {
    if (this.#source[this.#at] === "'") return { kind: "string", value: this.#string() };
    const digits = this.#match(/[+-]?\d+/y);
    if (digits !== undefined) return { kind: "int", value: Number(digits) };
    const name = this.#match(
      /[\p{L}_][\p{L}\p{N}_]*(?:\s*\.\s*[\p{L}_][\p{L}\p{N}_]*)?(?=\s*\()/uy,
    );
    if (name === undefined) {
      const seen = this.#source[this.#at];
      this.#refuse(
        seen === undefined
          ? "the end of the expression"
          : `"${seen}" (a function, a 'text' or a number should stand here)`,
      );
    }
    this.#expect("(");
    const values: Expression[] = [];
    this.#skip();
    if (this.#took(")"))
      return { kind: "call", name: name.replaceAll(/\s/g, ""), arguments: values };
    for (;;) {
      values.push(this.#expression(depth + 1));
      this.#skip();
      if (this.#took(",")) continue;
      this.#expect(")");
      return { kind: "call", name: name.replaceAll(/\s/g, ""), arguments: values };
    }
  }

  #string(): string {
    const quoted = this.#match(/'(?:[^']|'')*'/y);
    if (quoted === undefined) this.#refuse("a text without its closing quote");
    return quoted.slice(1, -1).replaceAll("''", "'");
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const seen = pattern.exec(this.#source)?.[0];
    this.#at += seen?.length ?? 0;
    return seen;
  }

  #expect(mark: string): void {
    this.#skip();
    if (!this.#took(mark)) this.#refuse(`no "${mark}"`);
  }

  #took(mark: string): boolean {
    if (this.#source[this.#at] !== mark) return false;
    this.#at += 1;
    return true;
  }

  #skip(): void {
    this.#match(/\s*/y);
  }

  #refuse(seen: string): never {
    throw new ProblemError({
      code: "InvalidTemplate",
      what: `The expression "${this.#source}" cannot be read: ${seen} at character ${this.#at + 1}`,
      fix: "Correct the expression; a text that should begin with [ begins with [[.",
    });
  }
}
