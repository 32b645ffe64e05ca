/**
 * What a TDS 7.4 server says: the tokens of MS-TDS 2.2.7, and the two messages it must read.
 *
 * Columns are INTN or NVARCHAR. What is executed is in environment-database.ts.
 */
import { encodePrelogin, NO_ENCRYPTION, PACKET_SIZE, TDS_7_4 } from "./tds-packets.ts";

export type Value = number | bigint | string | null;
export type RowSet = {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Value[])[];
};
export type TdsError = {
  readonly number: number;
  readonly severity: number;
  readonly message: string;
};
export type Login = { readonly user: string; readonly host: string; readonly database: string };

const SERVER_NAME = "OpenASE";
/** 16.0.0.0: major, minor, build. */
const SERVER_VERSION = Buffer.from([0x10, 0, 0, 0]);
/** Latin1_General_CI_AS, as SQL Server ships. */
const COLLATION = Buffer.from([0x09, 0x04, 0xd0, 0x00, 0x34]);
const NVARCHAR_BYTES = 8_000;
const DONE = { more: 0x0001, error: 0x0002, count: 0x0010, attention: 0x0020 } as const;
const COMMAND = { select: 0x00c1, insert: 0x00c3, delete: 0x00c4, update: 0x00c5 } as const;

export function preloginAnswer(): Buffer {
  const version = Buffer.concat([SERVER_VERSION, Buffer.alloc(2)]);
  return encodePrelogin([
    { token: 0, data: version },
    { token: 1, data: Buffer.from([NO_ENCRYPTION]) },
    { token: 2, data: Buffer.from([0]) },
    { token: 3, data: Buffer.alloc(0) },
    { token: 4, data: Buffer.from([0]) },
  ]);
}

/** LOGIN7: after 36 fixed bytes, pairs of offset and length in letters. */
export function readLogin(data: Buffer): Login | undefined {
  if (data.length < 94 || data.readUInt32LE(0) !== data.length) return undefined;
  const text = (at: number): string => {
    const offset = data.readUInt16LE(at);
    return data.toString("utf16le", offset, offset + data.readUInt16LE(at + 2) * 2);
  };
  return { host: text(36), user: text(40), database: text(68) };
}

/** The text of a SQLBatch, behind its headers. */
export function readBatch(data: Buffer): string | undefined {
  const headers = data.length < 4 ? 0 : data.readUInt32LE(0);
  return headers < 4 || headers > data.length ? undefined : data.toString("utf16le", headers);
}

export function loginAccepted(database: string): Buffer {
  const text = (value: string) => byteText(value);
  return Buffer.concat([
    token(0xe3, [Buffer.from([1]), text(database), text("master")]),
    token(0xe3, [Buffer.from([7]), Buffer.from([COLLATION.length]), COLLATION, Buffer.from([0])]),
    token(0xe3, [Buffer.from([4]), text(String(PACKET_SIZE)), text(String(PACKET_SIZE))]),
    token(0xad, [Buffer.from([1]), tdsVersion(), text(SERVER_NAME), SERVER_VERSION]),
    doneToken({ status: 0, command: 0, count: 0n }),
  ]);
}

export function refusal({ number, severity, message }: TdsError): Buffer {
  const head = Buffer.alloc(6);
  head.writeInt32LE(number, 0);
  head[4] = 1;
  head[5] = severity;
  const line = Buffer.alloc(4);
  line.writeInt32LE(1);
  const text = Buffer.from(message.slice(0, 1_000), "utf16le");
  const error = token(0xaa, [
    head,
    shortLength(text.length / 2),
    text,
    byteText(SERVER_NAME),
    byteText(""),
    line,
  ]);
  return Buffer.concat([error, doneToken({ status: DONE.error, command: 0, count: 0n })]);
}

export function attentionAnswer(): Buffer {
  return doneToken({ status: DONE.attention, command: 0, count: 0n });
}

/** The end of a statement; `isLast`: of the whole batch. */
export function statementDone(done: {
  readonly command: keyof typeof COMMAND | "other";
  readonly count: number;
  readonly isLast: boolean;
}): Buffer {
  const command = done.command === "other" ? 0 : COMMAND[done.command];
  const counted = done.command === "other" ? 0 : DONE.count;
  const status = counted | (done.isLast ? 0 : DONE.more);
  return doneToken({ status, command, count: BigInt(done.count) });
}

/** COLMETADATA and one ROW per row. */
export function rowSet({ columns, rows }: RowSet): Buffer {
  const widths = columns.map((_, index) => widthOf(rows.map((row) => row[index] ?? null)));
  const described = columns.map((name, index) => {
    const typed =
      widths[index] === "text"
        ? Buffer.concat([Buffer.from([0xe7]), shortLength(NVARCHAR_BYTES), COLLATION])
        : Buffer.from([0x26, widths[index] ?? 4]);
    // User type 0; flags: nullable, read-only or writable unknown (as SQL Server does for expressions).
    return Buffer.concat([Buffer.from([0, 0, 0, 0, 0x21, 0]), typed, byteText(name)]);
  });
  const told = rows.map((row) =>
    Buffer.concat([
      Buffer.from([0xd1]),
      ...columns.map((_, index) => cell(row[index] ?? null, widths[index] ?? "text")),
    ]),
  );
  return Buffer.concat([Buffer.from([0x81]), shortLength(columns.length), ...described, ...told]);
}

type Width = 4 | 8 | "text";

function widthOf(values: readonly Value[]): Width {
  const given = values.filter((value) => value !== null);
  const isWhole = (value: Value) => typeof value === "bigint" || Number.isSafeInteger(value);
  if (given.length === 0 || !given.every(isWhole)) return "text";
  const fitsInt = (value: Value) => BigInt.asIntN(32, BigInt(value ?? 0)) === BigInt(value ?? 0);
  return given.every(fitsInt) ? 4 : 8;
}

function cell(value: Value, width: Width): Buffer {
  if (value === null) return width === "text" ? Buffer.from([0xff, 0xff]) : Buffer.from([0]);
  if (width === "text") {
    const text = Buffer.from(String(value), "utf16le").subarray(0, NVARCHAR_BYTES);
    return Buffer.concat([shortLength(text.length), text]);
  }
  const bytes = Buffer.alloc(1 + width);
  bytes[0] = width;
  if (width === 4) bytes.writeInt32LE(Number(value), 1);
  else bytes.writeBigInt64LE(BigInt(value), 1);
  return bytes;
}

function doneToken(done: {
  readonly status: number;
  readonly command: number;
  readonly count: bigint;
}): Buffer {
  const bytes = Buffer.alloc(13);
  bytes[0] = 0xfd;
  bytes.writeUInt16LE(done.status, 1);
  bytes.writeUInt16LE(done.command, 3);
  bytes.writeBigUInt64LE(done.count, 5);
  return bytes;
}

function token(type: number, parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([type]), shortLength(body.length), body]);
}

/** B_VARCHAR: the count of letters in a byte, then the letters. */
function byteText(text: string): Buffer {
  const letters = text.slice(0, 255);
  return Buffer.concat([Buffer.from([letters.length]), Buffer.from(letters, "utf16le")]);
}

function shortLength(length: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(length);
  return bytes;
}

/** The one number in TDS that a server sends with its high byte first. */
function tdsVersion(): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(TDS_7_4);
  return bytes;
}
