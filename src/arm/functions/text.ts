/**
 * Template functions about text: `concat` (for texts), `replace`, `format`, `base64`, `uri`, ...
 */
import { fromBase64, guidOf, toBase64, uniqueText } from "../deterministic.ts";
import { isJsonArray, property, readJson } from "../json.ts";
import {
  ANY_NUMBER,
  asText,
  boolOf,
  type FunctionTable,
  intOf,
  objectOf,
  refuse,
  same,
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
    textOf(pattern).replaceAll(
      /\{\{|\}\}|\{(\d+)(?:,\s*(-?\d+))?(?::([^}]*))?\}/g,
      (mark: string, digits: string, width?: string, style?: string) => {
        if (mark === "{{") return "{";
        if (mark === "}}") return "}";
        if (values.length <= Number(digits))
          refuse(`format has no value for ${mark}; ${values.length} were given`);
        return aligned(styled(asText(values[Number(digits)]), style), Number(width ?? 0));
      },
    ),
  ),
  guid: takes(1, ANY_NUMBER, (values) => guidOf(values.map(asText))),
  indexof: takes(2, 2, ([from, part]) =>
    isJsonArray(from)
      ? from.findIndex((item) => same(item, part))
      : lower(from).indexOf(lower(part)),
  ),
  join: takes(2, 2, ([items, mark]) => {
    if (!Array.isArray(items)) refuse("join takes an array and a text");
    return items.map(asText).join(textOf(mark));
  }),
  json: takes(1, 1, ([text]) => jsonOf(textOf(text))),
  lastindexof: takes(2, 2, ([from, part]) =>
    isJsonArray(from)
      ? from.findLastIndex((item) => same(item, part))
      : lower(from).lastIndexOf(lower(part)),
  ),
  padleft: takes(2, 3, ([value, length, mark]) =>
    asText(value).padStart(
      Math.min(intOf(length), LONGEST_PAD),
      mark === undefined ? " " : textOf(mark),
    ),
  ),
  replace: takes(3, 3, ([text, from, to]) =>
    textOf(from) === "" ? textOf(text) : textOf(text).replaceAll(textOf(from), () => textOf(to)),
  ),
  replacemultiple: takes(2, 2, ([text, replacements]) => {
    const pairs = Object.entries(objectOf(replacements)).filter(([from]) => from !== "");
    // The longest first, and nothing that was put in is replaced again.
    const marks = pairs.map(([from]) => from).sort((a, b) => b.length - a.length);
    if (marks.length === 0) return textOf(text);
    const pattern = marks.map((mark) => mark.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|");
    const values = new Map(pairs.map(([from, to]) => [from, textOf(to)]));
    return textOf(text).replaceAll(new RegExp(pattern, "g"), (mark) => values.get(mark) ?? mark);
  }),
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
  parseuri: takes(1, 1, ([text]) => {
    const url = urlOf(textOf(text));
    return {
      scheme: url.protocol.replace(/:$/, ""),
      host: url.hostname,
      ...(url.port === "" ? {} : { port: Number(url.port) }),
      path: url.pathname,
      query: url.search,
    };
  }),
  builduri: takes(1, 1, ([parts]) => {
    const part = (name: string) => asText(property(objectOf(parts), name));
    const port = part("port") === "" ? "" : `:${part("port")}`;
    const path = part("path").replace(/^\/?/, part("path") === "" ? "" : "/");
    const query = part("query").replace(/^\??/, part("query") === "" ? "" : "?");
    return urlOf(`${part("scheme")}://${part("host")}${port}${path}${query}`).href;
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

function urlOf(text: string): URL {
  try {
    return new URL(text);
  } catch {
    return refuse(`"${text}" is not a uri`);
  }
}

/** `{0,8}`: to the right of eight places; negative: to the left. */
function aligned(text: string, width: number): string {
  const places = Math.min(Math.abs(width), LONGEST_PAD);
  return width < 0 ? text.padEnd(places) : text.padStart(places);
}

/** Nobody pads further, and texts stay of a size. */
const LONGEST_PAD = 10_000;

/** The styles of .NET that templates use: D3, X, X4, N0, 00. */
function styled(text: string, style: string | undefined): string {
  const digits = /^[dD](\d{1,3})$/.exec(style ?? "")?.[1];
  if (digits !== undefined) return text.padStart(Number(digits), "0");
  if (/^0+$/.test(style ?? "")) return text.padStart(style?.length ?? 0, "0");
  const hexadecimal = /^([xX])(\d*)$/.exec(style ?? "");
  if (hexadecimal !== null && Number.isInteger(Number(text))) {
    const hex = Number(text)
      .toString(16)
      .padStart(Number(hexadecimal[2] ?? 0), "0");
    return hexadecimal[1] === "X" ? hex.toUpperCase() : hex;
  }
  const grouped = /^[nN](\d*)$/.exec(style ?? "")?.[1];
  if (grouped !== undefined && Number.isFinite(Number(text)))
    return Number(text).toLocaleString("en-US", {
      minimumFractionDigits: grouped === "" ? 2 : Math.min(Number(grouped), 20),
      maximumFractionDigits: grouped === "" ? 2 : Math.min(Number(grouped), 20),
    });
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
