/**
 * Time by NTP version 4 in its simple form (RFC 5905, client and server mode), from this
 * machine's clock. It keeps no associations and steers no clock.
 */
import type { Result } from "../base/problem.ts";
import type { Serving } from "./endpoints.ts";

const PACKET_BYTES = 48;
const CLIENT_MODE = 3;
const SERVER_MODE = 4;
/** Seconds between 1900, where NTP begins, and 1970. */
const EPOCH_SECONDS = 2_208_988_800;
/** The clock tells milliseconds: 2^-10 seconds. */
const PRECISION = -10;
const ERA_SECONDS = 2 ** 32;
/** Of a server that takes its time from another clock of its machine. */
const STRATUM = 2;

export function serveTime({ current, listeners }: Serving): Promise<Result<"listening">> {
  return listeners.receive(current(), (message) => answerTime(message, () => Date.now()));
}

function answerTime(message: Buffer, now: () => number): Buffer | undefined {
  const received = now();
  const first = message[0] ?? 0;
  const version = (first >> 3) & 7;
  if (message.length < PACKET_BYTES || (first & 7) !== CLIENT_MODE || version < 1 || version > 4)
    return undefined;
  const answer = Buffer.alloc(PACKET_BYTES);
  answer[0] = (version << 3) | SERVER_MODE;
  answer[1] = STRATUM;
  answer[2] = message[2] ?? 0;
  answer.writeInt8(PRECISION, 3);
  // Root delay 0; dispersion one millisecond, in 1/65536 seconds.
  answer.writeUInt32BE(66, 8);
  answer.write("LOCL", 12, "latin1");
  writeTimestamp(answer, 16, received);
  message.copy(answer, 24, 40, 48);
  writeTimestamp(answer, 32, received);
  writeTimestamp(answer, 40, now());
  return answer;
}

export function encodeTimeRequest(nowMs: number): Buffer {
  const request = Buffer.alloc(PACKET_BYTES);
  request[0] = (4 << 3) | CLIENT_MODE;
  writeTimestamp(request, 40, nowMs);
  return request;
}

/** How far the server's clock is ahead of ours, over the four timestamps of RFC 5905. */
export function readTimeAnswer(
  message: Buffer,
  request: Buffer,
  arrivedMs: number,
): { readonly offsetMs: number } | { readonly reason: string } | "not ours" {
  const first = message[0] ?? 0;
  const isOurs =
    message.length >= PACKET_BYTES &&
    (first & 7) === SERVER_MODE &&
    message.subarray(24, 32).equals(request.subarray(40, 48));
  if (!isOurs) return "not ours";
  const stratum = message[1] ?? 0;
  if (first >> 6 === 3 || stratum === 0 || stratum > 15)
    return { reason: "the time server is not synchronised" };
  const sent = readTimestamp(request, 40, arrivedMs);
  const received = readTimestamp(message, 32, arrivedMs);
  const answered = readTimestamp(message, 40, arrivedMs);
  return { offsetMs: (received - sent + (answered - arrivedMs)) / 2 };
}

function writeTimestamp(packet: Buffer, at: number, ms: number): void {
  const seconds = Math.floor(ms / 1000);
  packet.writeUInt32BE((seconds + EPOCH_SECONDS) % ERA_SECONDS, at);
  packet.writeUInt32BE(Math.floor(((ms - seconds * 1000) / 1000) * ERA_SECONDS), at + 4);
}

/** Milliseconds since 1970, in the era next to `nearMs`: the seconds begin anew in 2036. */
function readTimestamp(packet: Buffer, at: number, nearMs: number): number {
  const seconds = packet.readUInt32BE(at) - EPOCH_SECONDS;
  const fraction = packet.readUInt32BE(at + 4) / ERA_SECONDS;
  const era = Math.round((nearMs / 1000 - seconds) / ERA_SECONDS);
  return (seconds + era * ERA_SECONDS + fraction) * 1000;
}
