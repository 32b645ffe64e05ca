/**
 * Template functions about time: `dateTimeAdd`, `dateTimeFromEpoch`, `dateTimeToEpoch`, and the
 * formats of .NET that they and `utcNow` write. No clock; time is always an argument.
 */
import type { JsonValue } from "../json.ts";
import { type FunctionTable, intOf, isEmpty, refuse, takes, textOf } from "./arguments.ts";

const SECOND_MS = 1_000;
const DAY_SECONDS = 86_400;

export const DATE_FUNCTIONS: FunctionTable = {
  datetimeadd: takes(2, 3, ([base, duration, format]) => {
    const end = dateOf(base).getTime() + durationMs(textOf(duration));
    return shown(end, isEmpty(format) ? ISO : textOf(format));
  }),
  datetimefromepoch: takes(1, 1, ([seconds]) => shown(intOf(seconds) * SECOND_MS, ISO)),
  datetimetoepoch: takes(1, 1, ([text]) => Math.floor(dateOf(text).getTime() / SECOND_MS)),
};

const ISO = "yyyy-MM-ddTHH:mm:ssZ";

function shown(milliseconds: number, format: string): string {
  const date = new Date(milliseconds);
  if (Number.isNaN(date.getTime())) return refuse("the time is out of range");
  return formatTime(date.toISOString(), format);
}

function dateOf(value: JsonValue | undefined): Date {
  const text = textOf(value);
  const zoned = /(Z|[+-]\d{2}:?\d{2})$/i.test(text) ? text : `${text}Z`;
  const date = new Date(zoned.replace(/^(\d{4}-\d{2}-\d{2})Z$/, "$1"));
  if (!Number.isNaN(date.getTime())) return date;
  return refuse(`"${text}" is not a time`, "Write it like 2026-01-31T12:00:00Z.");
}

/** ISO 8601; a year is 365 days and a month 30, as published. */
function durationMs(text: string): number {
  const parts =
    /^(-?)P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$/i.exec(
      text,
    );
  if (parts === null || /[PT]$/i.test(text))
    return refuse(`"${text}" is not a duration`, "Write it like P1D, PT2H30M or -P10D.");
  const [, sign, ...counts] = parts;
  const seconds = [365 * DAY_SECONDS, 30 * DAY_SECONDS, 7 * DAY_SECONDS, DAY_SECONDS, 3_600, 60, 1];
  const sum = seconds.reduce((total, each, index) => total + each * Number(counts[index] ?? 0), 0);
  return (sign === "-" ? -1 : 1) * sum * SECOND_MS;
}

const DAYS = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS = [
  "January",
  "February",
  "March",
  "April",
  "May",
  "June",
  "July",
  "August",
  "September",
  "October",
  "November",
  "December",
];

/** The standard formats of .NET, in the invariant culture, as custom ones. */
const STANDARD: Readonly<Record<string, string>> = {
  d: "MM/dd/yyyy",
  D: "dddd, dd MMMM yyyy",
  f: "dddd, dd MMMM yyyy HH:mm",
  F: "dddd, dd MMMM yyyy HH:mm:ss",
  g: "MM/dd/yyyy HH:mm",
  G: "MM/dd/yyyy HH:mm:ss",
  m: "MMMM dd",
  M: "MMMM dd",
  o: "yyyy-MM-ddTHH:mm:ss.fffffffZ",
  O: "yyyy-MM-ddTHH:mm:ss.fffffffZ",
  r: "ddd, dd MMM yyyy HH:mm:ss 'GMT'",
  R: "ddd, dd MMM yyyy HH:mm:ss 'GMT'",
  s: "yyyy-MM-ddTHH:mm:ss",
  t: "HH:mm",
  T: "HH:mm:ss",
  u: "yyyy-MM-dd HH:mm:ssZ",
  y: "yyyy MMMM",
  Y: "yyyy MMMM",
};

/** The custom formats of .NET that templates use, and the standard ones. */
export function formatTime(now: string, format: string): string {
  const date = new Date(now);
  const two = (value: number) => String(value).padStart(2, "0");
  const hour12 = date.getUTCHours() % 12 === 0 ? 12 : date.getUTCHours() % 12;
  const fraction = `${String(date.getUTCMilliseconds()).padStart(3, "0")}0000`;
  const day = DAYS[date.getUTCDay()] ?? "";
  const month = MONTHS[date.getUTCMonth()] ?? "";
  const parts: Readonly<Record<string, string>> = {
    yyyy: String(date.getUTCFullYear()).padStart(4, "0"),
    yy: two(date.getUTCFullYear() % 100),
    MMMM: month,
    MMM: month.slice(0, 3),
    MM: two(date.getUTCMonth() + 1),
    M: String(date.getUTCMonth() + 1),
    dddd: day,
    ddd: day.slice(0, 3),
    dd: two(date.getUTCDate()),
    d: String(date.getUTCDate()),
    HH: two(date.getUTCHours()),
    H: String(date.getUTCHours()),
    hh: two(hour12),
    h: String(hour12),
    mm: two(date.getUTCMinutes()),
    m: String(date.getUTCMinutes()),
    ss: two(date.getUTCSeconds()),
    s: String(date.getUTCSeconds()),
    tt: date.getUTCHours() < 12 ? "AM" : "PM",
    t: date.getUTCHours() < 12 ? "A" : "P",
    zzz: "+00:00",
    zz: "+00",
    K: "Z",
  };
  return (Object.hasOwn(STANDARD, format) ? (STANDARD[format] ?? format) : format).replaceAll(
    /yyyy|yy|M{1,4}|d{1,4}|HH?|hh?|mm?|ss?|tt?|f{1,7}|zzz|zz|K|'[^']*'|\\./g,
    (part) => {
      if (part.startsWith("f")) return fraction.slice(0, part.length);
      if (part.startsWith("\\")) return part.slice(1);
      return parts[part] ?? part.replaceAll("'", "");
    },
  );
}
