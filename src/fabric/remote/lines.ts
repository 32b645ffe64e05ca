/**
 * JSON lines over a stream socket: one value, one line, bounded in size.
 *
 * What the values mean is in messages.ts.
 */
import type { Socket } from "node:net";

/** Room for the prefixes of every published tag, several times over. */
export const LONGEST_LINE = 32 * 1024 * 1024;

export type LineReader = {
  readonly value: (value: unknown) => void;
  /** The other side does not keep to the protocol; nothing more is read. */
  readonly broken: (why: string) => void;
};

/** Calls `reader` with every value that arrives, until one cannot be read. */
export function readLines(socket: Socket, reader: LineReader): void {
  let parts: Buffer[] = [];
  let length = 0;
  let isBroken = false;
  socket.on("data", (chunk: Buffer) => {
    let rest = chunk;
    while (!isBroken) {
      const end = rest.indexOf(0x0a);
      const part = end < 0 ? rest : rest.subarray(0, end);
      length += part.length;
      if (length > LONGEST_LINE) return stop(`a message is longer than ${LONGEST_LINE} bytes`);
      parts.push(part);
      if (end < 0) return;
      const line = parts.length === 1 ? part : Buffer.concat(parts);
      parts = [];
      length = 0;
      rest = rest.subarray(end + 1);
      const read = parse(line.toString("utf8"));
      if (read === undefined) return stop("a message is not JSON");
      reader.value(read.value);
    }
  });

  function stop(why: string): void {
    isBroken = true;
    parts = [];
    reader.broken(why);
  }
}

export function writeLine(socket: Socket, value: unknown): void {
  if (socket.writable) socket.write(`${JSON.stringify(value)}\n`);
}

function parse(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
}
