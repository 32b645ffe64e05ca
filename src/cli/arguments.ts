/**
 * Words of the command line, read once: durations, ports, `NAME=FOLDER`.
 *
 * Which command takes which words stands in program.ts.
 */
import { declined, found, type Result } from "../base/problem.ts";

const UNITS_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 } as const;

/** Reads `90s`, `10m`, `1h30m` or `500ms`. */
export function parseDuration(text: string): Result<number> {
  const parts = [...text.matchAll(/(\d+)(ms|s|m|h)/g)];
  const whole = parts.map(([part]) => part).join("");
  if (parts.length > 0 && whole === text)
    return found(
      parts.reduce(
        (sum, [, count, unit]) => sum + Number(count) * UNITS_MS[unit as keyof typeof UNITS_MS],
        0,
      ),
    );
  return declined({
    code: "InvalidDuration",
    what: `"${text}" is not a duration`,
    fix: "Write a number and a unit, like 90s, 10m or 1h30m.",
  });
}

/** Reads a TCP port from 1 to 65535. */
export function parsePort(text: string): Result<number> {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (1 <= port && port <= 65_535) return found(port);
  return declined({
    code: "InvalidPort",
    what: `"${text}" is not a port`,
    fix: "Write a number from 1 to 65535.",
  });
}

/** An app and the folder or zip file of its content. */
export type AppContent = { readonly name: string; readonly source: string };

/** Reads `hello=examples/hello-app`. */
export function parseAppContent(text: string): Result<AppContent> {
  const split = text.indexOf("=");
  const name = text.slice(0, Math.max(split, 0));
  const source = text.slice(split + 1);
  if (name !== "" && source !== "") return found({ name, source });
  return declined({
    code: "InvalidAppContent",
    what: `"${text}" names no app and folder`,
    fix: "Write NAME=FOLDER or NAME=FILE.zip, like hello=examples/hello-app.",
  });
}
