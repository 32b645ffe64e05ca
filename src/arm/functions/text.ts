/**
 * Template functions about text: `concat` (for texts), `replace`, `format`, `base64`, `uri`, ...
 */
import { fromBase64, guidOf, toBase64, uniqueText } from "../deterministic.ts";
import { readJson } from "../json.ts";
import {
  ANY_NUMBER,
  asText,
  boolOf,
  type FunctionTable,
  intOf,
  refuse,
  takes,
  textOf,
} from "./arguments.ts";

export const TEXT_FUNCTIONS: FunctionTable = {
  base64: takes(1, 1, ([text]) => toBase64(textOf(text))),
  base64tostring: takes(1, 1, ([text]) => decode(textOf(text))),
  base64tojson: takes(1, 1, ([text]) => jsonOf(decode(textOf(text)))),
  datauri: takes(1, 1, ([text]) => `data:text/plain;charset=utf8;base64,${toBase64(textOf(text))}`),
  datauritostring: takes(1, 1, ([text]) => {
    const comma = textOf(text).indexOf(",");
    return decode(textOf(text).slice(comma + 1));
  }),
  endswith: takes(2, 2, ([text, end]) => lower(text).endsWith(lower(end))),
  format: takes(1, ANY_NUMBER, ([pattern, ...values]) =>
    textOf(pattern).replaceAll(/\{\{|\}\}|\{(\d+)(?::([^}]*))?\}/g, (mark, digits, style) => {
      if (mark === "{{") return "{";
      if (mark === "}}") return "}";
      if (values.length <= Number(digits))
        refuse(`format has no value for ${mark}; ${values.length} were given`);
      return styled(asText(values[Number(digits)]), style as string | undefined);
    }),
  ),
  guid: takes(1, ANY_NUMBER, (values) => guidOf(values.map(asText))),
  indexof: takes(2, 2, ([text, part]) => lower(text).indexOf(lower(part))),
  join: takes(2, 2, ([items, mark]) => {
    if (!Array.isArray(items)) refuse("join takes an array and a text");
    return items.map(asText).join(textOf(mark));
  }),
  json: takes(1, 1, ([text]) => jsonOf(textOf(text))),
  lastindexof: takes(2, 2, ([text, part]) => lower(text).lastIndexOf(lower(part))),
  padleft: takes(2, 3, ([value, length, mark]) =>
    asText(value).padStart(intOf(length), mark === undefined ? " " : textOf(mark)),
  ),
  replace: takes(3, 3, ([text, from, to]) =>
    textOf(from) === "" ? textOf(text) : textOf(text).replaceAll(textOf(from), () => textOf(to)),
  ),
  split: takes(2, 2, ([text, marks]) => {
    const all = Array.isArray(marks) ? marks.map(textOf) : [textOf(marks)];
    return all.reduce<string[]>(
      (parts, mark) => parts.flatMap((part) => part.split(mark)),
      [textOf(text)],
    );
  }),
  startswith: takes(2, 2, ([text, start]) => lower(text).startsWith(lower(start))),
  string: takes(1, 1, ([value]) => asText(value)),
  substring: takes(2, 3, ([text, from, length]) => {
    const whole = textOf(text);
    const start = intOf(from);
    const end = length === undefined ? whole.length : start + intOf(length);
    if (start < 0 || whole.length < end || end < start)
      refuse(
        `substring(${start}, ${end - start}) does not lie inside "${whole}" of length ${whole.length}`,
      );
    return whole.slice(start, end);
  }),
  tolower: takes(1, 1, ([text]) => textOf(text).toLowerCase()),
  toupper: takes(1, 1, ([text]) => textOf(text).toUpperCase()),
  trim: takes(1, 1, ([text]) => textOf(text).trim()),
  uniquestring: takes(1, ANY_NUMBER, (values) => uniqueText(values.map(asText))),
  uri: takes(2, 2, ([base, relative]) => joinUri(textOf(base), textOf(relative))),
  uricomponent: takes(1, 1, ([text]) => encodeURIComponent(textOf(text))),
  uricomponenttostring: takes(1, 1, ([text]) => {
    try {
      return decodeURIComponent(textOf(text));
    } catch {
      return refuse(`"${textOf(text)}" is not an encoded uri component`);
    }
  }),
  bool: takes(1, 1, ([value]) => {
    if (typeof value === "number") return value !== 0;
    if (typeof value === "string" && /^(true|false|1|0)$/i.test(value))
      return /^(true|1)$/i.test(value);
    return boolOf(value);
  }),
};

function lower(value: Parameters<typeof textOf>[0]): string {
  return textOf(value).toLowerCase();
}

function decode(text: string): string {
  const decoded = fromBase64(text);
  return decoded ?? refuse(`"${text}" is not base64 of a text`);
}

function jsonOf(text: string) {
  const read = readJson(text, "the argument of json()");
  return read.ok ? read.value : refuse(read.problem.what, read.problem.fix);
}

/** The styles of .NET that templates use: D3, X, 00. */
function styled(text: string, style: string | undefined): string {
  const digits = /^[dD](\d+)$/.exec(style ?? "")?.[1];
  if (digits !== undefined) return text.padStart(Number(digits), "0");
  if (/^0+$/.test(style ?? "")) return text.padStart(style?.length ?? 0, "0");
  if (/^[xX]$/.test(style ?? "")) {
    const hex = Number(text).toString(16);
    return style === "X" ? hex.toUpperCase() : hex;
  }
  return text;
}

/** Azure replaces what follows the last slash of the base, as RFC 3986 does. */
function joinUri(base: string, relative: string): string {
  try {
    return new URL(relative, base).href;
  } catch {
    return refuse(`"${base}" and "${relative}" do not make a uri`);
  }
}
