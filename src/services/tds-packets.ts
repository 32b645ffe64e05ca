/**
 * Packets and messages of TDS 7.4, as published in MS-TDS 2.2.3: eight bytes of header, then
 * data; a message ends with the packet that says so.
 *
 * What the messages hold is in tds-answers.ts (server) and tds-client.ts (client).
 */
import type { Socket } from "node:net";

export const PACKET = {
  batch: 0x01,
  answer: 0x04,
  attention: 0x06,
  login: 0x10,
  prelogin: 0x12,
} as const;
export const PACKET_SIZE = 4_096;
export const TDS_7_4 = 0x74000004;
/** ENCRYPT_NOT_SUP: this side speaks without TLS. */
export const NO_ENCRYPTION = 0x02;

const HEADER_BYTES = 8;
const END_OF_MESSAGE = 0x01;
/** What one message may hold at most; ours are far smaller. */
const LARGEST_MESSAGE = 65_536;

export type Message = { readonly type: number; readonly data: Buffer };

export function encodeMessage({ type, data }: Message): Buffer {
  const room = PACKET_SIZE - HEADER_BYTES;
  const count = Math.max(1, Math.ceil(data.length / room));
  const packets = Array.from({ length: count }, (_, index) => {
    const part = data.subarray(index * room, (index + 1) * room);
    const header = Buffer.alloc(HEADER_BYTES);
    header[0] = type;
    header[1] = index === count - 1 ? END_OF_MESSAGE : 0;
    header.writeUInt16BE(HEADER_BYTES + part.length, 2);
    header[6] = (index + 1) % 256;
    return Buffer.concat([header, part]);
  });
  return Buffer.concat(packets);
}

/** Calls with every whole message; a stream that is not TDS is destroyed with the reason. */
export function readMessages(socket: Socket, take: (message: Message) => void): void {
  let rest: Buffer = Buffer.alloc(0);
  let parts: readonly Buffer[] = [];
  socket.on("data", (chunk: Buffer) => {
    rest = Buffer.concat([rest, chunk]);
    while (rest.length >= HEADER_BYTES && !socket.destroyed) {
      const length = rest.readUInt16BE(2);
      const size = parts.reduce((sum, part) => sum + part.length, length);
      if (length < HEADER_BYTES || size > LARGEST_MESSAGE) {
        socket.destroy(new Error("what was received is not TDS"));
        return;
      }
      if (rest.length < length) return;
      const type = rest[0] ?? 0;
      const isLast = ((rest[1] ?? 0) & END_OF_MESSAGE) !== 0;
      parts = [...parts, rest.subarray(HEADER_BYTES, length)];
      rest = rest.subarray(length);
      if (!isLast) continue;
      const data = Buffer.concat(parts);
      parts = [];
      take({ type, data });
    }
  });
}

/** PRELOGIN: a list of options (token, offset, length), its end 0xFF, then their data. */
export function encodePrelogin(
  options: readonly { readonly token: number; readonly data: Buffer }[],
): Buffer {
  const list = Buffer.alloc(options.length * 5 + 1, 0xff);
  let offset = list.length;
  for (const [index, { token, data }] of options.entries()) {
    list[index * 5] = token;
    list.writeUInt16BE(offset, index * 5 + 1);
    list.writeUInt16BE(data.length, index * 5 + 3);
    offset += data.length;
  }
  return Buffer.concat([list, ...options.map(({ data }) => data)]);
}

/** An option of a PRELOGIN message; undefined when it is not there. */
export function preloginOption(data: Buffer, wanted: number): Buffer | undefined {
  for (let at = 0; at + 5 <= data.length && data[at] !== 0xff; at += 5) {
    const offset = data.readUInt16BE(at + 1);
    if (data[at] === wanted) return data.subarray(offset, offset + data.readUInt16BE(at + 3));
  }
  return undefined;
}
