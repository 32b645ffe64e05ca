/**
 * A small TDS 7.4 client: login, then batches with results, over a given socket.
 *
 * It reads what an environment's database answers (INTN and NVARCHAR columns); other types
 * reject. It opens and closes nothing.
 */
import type { Socket } from "node:net";

import {
  encodeMessage,
  encodePrelogin,
  NO_ENCRYPTION,
  PACKET,
  PACKET_SIZE,
  preloginOption,
  readMessages,
  TDS_7_4,
  type Message,
} from "./tds-packets.ts";

export type TdsLogin = {
  readonly user: string;
  readonly host: string;
  readonly server: string;
  readonly database: string;
};
export type Answered = {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (number | bigint | string | null)[])[];
  readonly counts: readonly number[];
};
export type TdsConnection = {
  readonly login: (login: TdsLogin) => Promise<void>;
  readonly batch: (text: string) => Promise<Answered>;
};

const FIXED_LOGIN_BYTES = 94;

/** Rejects when the server refuses; the caller's deadline ends what is never answered. */
export function tdsOver(socket: Socket): TdsConnection {
  const waiting: { take: (message: Message) => void }[] = [];
  readMessages(socket, (message) => waiting.shift()?.take(message));
  const ask = async (type: number, data: Buffer): Promise<Message> => {
    socket.write(encodeMessage({ type, data }));
    return new Promise((take, reject) => {
      waiting.push({ take });
      socket.once("close", () => reject(new Error("the server closed the connection")));
    });
  };
  return {
    login: async (login) => {
      const greeted = await ask(PACKET.prelogin, clientPrelogin());
      if (preloginOption(greeted.data, 1)?.[0] !== NO_ENCRYPTION)
        throw new Error("the server asks for encryption");
      const answer = readTokens((await ask(PACKET.login, encodeLogin(login))).data);
      if (!answer.isAcknowledged) throw new Error("the server did not acknowledge the login");
    },
    batch: async (text) => readTokens((await ask(PACKET.batch, encodeBatch(text))).data),
  };
}

function clientPrelogin(): Buffer {
  return encodePrelogin([
    { token: 0, data: Buffer.alloc(6) },
    { token: 1, data: Buffer.from([NO_ENCRYPTION]) },
    { token: 2, data: Buffer.from([0]) },
    { token: 3, data: Buffer.alloc(4) },
    { token: 4, data: Buffer.from([0]) },
  ]);
}

function encodeLogin(login: TdsLogin): Buffer {
  const fixed = Buffer.alloc(FIXED_LOGIN_BYTES);
  fixed.writeUInt32LE(TDS_7_4, 4);
  fixed.writeUInt32LE(PACKET_SIZE, 8);
  fixed.writeUInt32LE(process.pid, 16);
  // Host, user, password, program, server, extension, library, language, database.
  const texts = [
    login.host,
    login.user,
    "",
    "environment",
    login.server,
    "",
    "OpenASE",
    "",
    login.database,
  ];
  let offset = FIXED_LOGIN_BYTES;
  const encoded = texts.map((text, index) => {
    fixed.writeUInt16LE(offset, 36 + index * 4);
    fixed.writeUInt16LE(text.length, 38 + index * 4);
    const bytes = Buffer.from(text, "utf16le");
    offset += bytes.length;
    return bytes;
  });
  // Security token, attached file and new password are empty and stand at the end.
  for (const at of [78, 82, 86]) fixed.writeUInt16LE(offset, at);
  fixed.writeUInt32LE(offset, 0);
  return Buffer.concat([fixed, ...encoded]);
}

/** Behind one header: the transaction, none. */
function encodeBatch(text: string): Buffer {
  const headers = Buffer.alloc(22);
  headers.writeUInt32LE(22, 0);
  headers.writeUInt32LE(18, 4);
  headers.writeUInt16LE(2, 8);
  headers.writeUInt32LE(1, 18);
  return Buffer.concat([headers, Buffer.from(text, "utf16le")]);
}

type Column = { readonly name: string; readonly type: number };

class Reader {
  readonly #data: Buffer;
  #at = 0;

  constructor(data: Buffer) {
    this.#data = data;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#data.length;
  }

  bytes(count: number): Buffer {
    if (this.#at + count > this.#data.length) throw new Error("the server's answer breaks off");
    this.#at += count;
    return this.#data.subarray(this.#at - count, this.#at);
  }

  byte(): number {
    return this.bytes(1).readUInt8();
  }

  short(): number {
    return this.bytes(2).readUInt16LE();
  }

  text(letters: number): string {
    return this.bytes(letters * 2).toString("utf16le");
  }
}

function readTokens(data: Buffer): Answered & { readonly isAcknowledged: boolean } {
  const reader = new Reader(data);
  const rows: (number | bigint | string | null)[][] = [];
  const counts: number[] = [];
  let columns: readonly Column[] = [];
  let isAcknowledged = false;
  while (!reader.isAtEnd) {
    const token = reader.byte();
    if (token === 0x81) columns = Array.from({ length: reader.short() }, () => readColumn(reader));
    else if (token === 0xd1) rows.push(columns.map(({ type }) => readCell(reader, type)));
    else if (token === 0xfd) counts.push(Number(reader.bytes(12).readBigUInt64LE(4)));
    else if (token === 0xaa) throw errorOf(reader);
    else if (token === 0xad || token === 0xe3 || token === 0xab) {
      isAcknowledged ||= token === 0xad;
      reader.bytes(reader.short());
    } else throw new Error(`the server's answer holds an unknown token ${token}`);
  }
  return { columns: columns.map(({ name }) => name), rows, counts, isAcknowledged };
}

function readColumn(reader: Reader): Column {
  reader.bytes(6);
  const type = reader.byte();
  if (type === 0x26) reader.byte();
  else if (type === 0xe7) reader.bytes(7);
  else throw new Error(`the server's answer holds a column of unknown type ${type}`);
  return { name: reader.text(reader.byte()), type };
}

function readCell(reader: Reader, type: number): number | bigint | string | null {
  if (type === 0xe7) {
    const length = reader.short();
    return length === 0xffff ? null : reader.text(length / 2);
  }
  const length = reader.byte();
  if (length === 0) return null;
  const bytes = reader.bytes(length);
  return length === 8 ? bytes.readBigInt64LE() : bytes.readIntLE(0, length);
}

function errorOf(reader: Reader): Error {
  reader.short();
  const number = reader.bytes(4).readInt32LE();
  reader.bytes(2);
  return new Error(`the server refused (${number}): ${reader.text(reader.short())}`);
}
