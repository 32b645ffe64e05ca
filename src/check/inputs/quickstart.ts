/**
 * The placeholders that Azure's public quickstart templates carry in their parameters files:
 * `GEN-UNIQUE` stands for a name of its own, `GET-PREREQ-x` for the output x of the template in
 * the folder `prereqs`. Read as they are meant, and said so.
 */
import type { JsonValue } from "../../arm/json.ts";
import { guidOf, uniqueText } from "../../arm/deterministic.ts";
import type { Problem } from "../../base/problem.ts";

/** Value of an output of another template by its name; undefined: there is none. */
export type Outputs = (name: string) => JsonValue | undefined;

export type Told = {
  readonly value: JsonValue | undefined;
  /** `name="value"` where a placeholder was read. */
  readonly reading: readonly string[];
  readonly missing: readonly Problem[];
};

export function asTold(
  value: JsonValue | undefined,
  {
    file,
    name,
    outputs,
  }: { readonly file: string; readonly name: string; readonly outputs: Outputs },
): Told {
  const plain: Told = { value, reading: [], missing: [] };
  if (typeof value !== "string") return plain;
  const asked = /^GET[-_]PREREQ[-_](.+)$/i.exec(value)?.[1];
  if (asked !== undefined) {
    const output = outputs(asked);
    if (output !== undefined)
      return { ...plain, value: output, reading: [`${name}=${JSON.stringify(output)}`] };
    return {
      ...plain,
      missing: [
        {
          code: "MissingPrerequisite",
          what: `the parameter ${name} is ${value}: the output "${asked}" of another template`,
          fix: `Give that template as another FILE, or --parameters ${name}=VALUE.`,
          where: file,
        },
      ],
    };
  }
  const made = generated(value, name);
  return made === undefined
    ? plain
    : { ...plain, value: made, reading: [`${name}=${JSON.stringify(made)}`] };
}

/** One value for each parameter's name, always the same. */
function generated(word: string, name: string): string | undefined {
  const length = /^GEN[-_]UNIQUE(?:[-_](\d+))?$/i.exec(word);
  if (length !== null)
    return `u${uniqueText([name])}`.slice(
      0,
      length[1] === undefined ? 14 : Number(length[1]) || 14,
    );
  if (/^GEN[-_]GUID$/i.test(word)) return guidOf([name]);
  if (/^GEN[-_]PASSWORD$/i.test(word)) return "Not-known-0xxxxx";
  return undefined;
}

/** One note for all placeholders of a template's parameters. */
export function noteOf(readings: readonly string[], file: string): readonly Problem[] {
  const [first] = readings;
  if (first === undefined) return [];
  const name = first.slice(0, first.indexOf("="));
  return [
    {
      code: "PlaceholderRead",
      what: `placeholders among the parameters of ${file} are read as they are meant: ${readings.join(", ")}`,
      fix: `Give --parameters ${name}=VALUE where a name matters.`,
      where: file,
    },
  ];
}
