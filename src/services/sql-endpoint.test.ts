import { connect } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import type { Endpoint } from "../blueprint/blueprint.ts";
import type { RunningProgram } from "../fabric/fabric.ts";
import type { Ipv4 } from "../network/prefix.ts";
import { loopbackPlace, loopbackSockets } from "./loopback-sockets.ts";
import { startService } from "./start-service.ts";
import { tdsOver } from "./tds-client.ts";

const HERE = "127.24.9.1" as Ipv4;
const LOGIN = { user: "u", host: "h", server: "s", database: "environment" };
let program: RunningProgram;

beforeAll(async () => {
  const endpoint: Endpoint = {
    kind: "endpoint",
    name: "sql",
    service: "sql",
    address: HERE,
    port: 1433,
  };
  const started = await startService(endpoint, loopbackPlace("database", HERE, [endpoint]));
  if (!started.ok) throw new Error(started.problem.what);
  program = started.value;
});
afterAll(() => program.stop());

describe("the database's wire, byte for byte", () => {
  // Request: MS-TDS 4.1, as published.
  const PRELOGIN =
    "1201002f000001000000" +
    "1a0006010020000102002100010300220004040026 0001ff 090000000000 01 00 b80d0000 01";

  test("the published pre-login request is answered with the same options, without encryption", async () => {
    const { body, header } = await exchange([hex(PRELOGIN)]);
    expect(header).toBe("0401" + (body.length + 8).toString(16).padStart(4, "0") + "00000100");
    expect(body.toString("hex")).toBe(
      "00001a0006" +
        "0100200001" +
        "0200210001" +
        "0300220000" +
        "0400220001" +
        "ff" +
        "100000000000" +
        "02" +
        "00" +
        "00",
    );
  });

  test("a login by the published layout is acknowledged for TDS 7.4", async () => {
    const { body } = await exchange([login("someone", "environment")]);
    const tokens = body.toString("hex");
    // LOGINACK: length, SQL_TSQL, 0x74000004, name in letters, version; then DONE, final.
    const name = Buffer.from("OpenASE", "utf16le").toString("hex");
    expect(tokens).toContain(`ad1800017400000407${name}10000000`);
    expect(tokens.endsWith("fd00000000" + "00".repeat(8))).toBe(true);
  });

  test("results are COLMETADATA, ROW and DONE as in MS-TDS 4.7", async () => {
    const insert = batch("DELETE FROM heartbeat; INSERT INTO heartbeat VALUES ('foo', 'h', 258)");
    const inserted = await exchange([login("someone", ""), insert]);
    // Statement counts: status 0x11 (more, counted) for all but the last, whose status is 0x10.
    expect(inserted.body.toString("hex")).toMatch(/^fd1100c400.{16}fd1000c3000100000000000000$/);
    const { body } = await exchange([
      login("someone", ""),
      batch("SELECT environment AS bar, beat FROM heartbeat"),
    ]);
    expect(body.toString("hex")).toBe(
      "810200" +
        "00000000" +
        "2100" +
        "e7" +
        "401f" +
        "0904d00034" +
        "03" +
        "620061007200" +
        "00000000" +
        "2100" +
        "26" +
        "04" +
        "04" +
        "6200650061007400" +
        "d1" +
        "0600" +
        "66006f006f00" +
        "04" +
        "02010000" +
        "fd" +
        "1000" +
        "c100" +
        "0100000000000000",
    );
  });

  test("a refused login is ERROR and DONE with the error bit, then the end", async () => {
    const { body } = await exchange([login("someone", "master")]);
    expect(body[0]).toBe(0xaa);
    expect(body.readInt32LE(3)).toBe(4_060);
    expect(body.subarray(-13, -10).toString("hex")).toBe("fd0200");
  });

  test("a message may come in many packets, cut anywhere", async () => {
    const whole = Buffer.concat([
      login("someone", ""),
      batch("SELECT count(*) AS n FROM heartbeat"),
    ]);
    const { body } = await exchange(
      [...whole].map((byte) => Buffer.from([byte])),
      2,
    );
    expect(body[0]).toBe(0x81);
  });

  test("what is no TDS is not listened to", async () => {
    const socket = connect(1433, HERE);
    const closed = new Promise((resolve) => socket.once("close", () => resolve("closed")));
    socket.write("GET / HTTP/1.1\r\n\r\n".padEnd(30_000, "x"));
    socket.on("error", () => undefined);
    expect(await closed).toBe("closed");
  });
});

describe("the table of heartbeats", () => {
  test("is kept for one writer as for the next, whatever the letters", async () => {
    const ask = await session();
    await ask(
      "DELETE FROM heartbeat; INSERT INTO heartbeat VALUES ('é''; SELECT values heartbeat', 'h', 1764000000000)",
    );
    const next = await session();
    const { rows, columns } = await next("SELECT environment, beat FROM heartbeat");
    expect({ rows, columns }).toEqual({
      rows: [["é'; SELECT values heartbeat", 1_764_000_000_000n]],
      columns: ["environment", "beat"],
    });
  });

  test("a batch that fails changes nothing", async () => {
    const ask = await session();
    await ask("DELETE FROM heartbeat");
    await expect(ask("INSERT INTO heartbeat VALUES ('a', 'b', 1); nonsense")).rejects.toThrow(
      /102/,
    );
    expect((await ask("SELECT beat FROM heartbeat")).rows).toEqual([]);
  });

  test.each([
    "ATTACH '/tmp/stolen' AS x",
    "VACUUM INTO '/tmp/stolen'",
    "PRAGMA journal_mode = off",
    "CREATE TABLE t (a)",
    "DROP TABLE heartbeat",
    "SELECT * FROM sqlite_master",
    "SELECT load_extension('x') FROM heartbeat",
    "SELECT randomblob(1000000000)",
    "SELECT count(*) FROM heartbeat a, heartbeat b",
    "SELECT count(*) FROM (VALUES (1), (2)) a, (VALUES (1), (2)) b",
    "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c",
    'SELECT 1 FROM "\'" , heartbeat a, heartbeat b, "\'"',
    "INSERT INTO heartbeat VALUES ('a', 'b', 'no number')",
    "INSERT OR ROLLBACK INTO heartbeat VALUES ('a', 'b', 'no number')",
    "COMMIT",
  ])("refuses %s", async (statement) => {
    const ask = await session();
    await expect(ask(statement)).rejects.toThrow(/the server refused \(102\)/);
    expect((await ask("SELECT count(*) AS n FROM heartbeat")).rows).toHaveLength(1);
  });
});

async function session() {
  const connected = await loopbackSockets.connect({ address: HERE, port: 1433, timeoutMs: 1_000 });
  if (!connected.ok) throw new Error(connected.problem.what);
  const connection = tdsOver(connected.value);
  await connection.login(LOGIN);
  return connection.batch;
}

/** Sends the pieces; waits for the answer to the last of `count` messages. */
async function exchange(pieces: readonly Buffer[], count = pieces.length) {
  const socket = connect(1433, HERE);
  socket.setNoDelay(true);
  for (const piece of pieces) socket.write(piece);
  let heard = Buffer.alloc(0);
  const packets = (): readonly Buffer[] => {
    const found: Buffer[] = [];
    for (let at = 0; at + 8 <= heard.length; at += heard.readUInt16BE(at + 2))
      if (heard.length >= at + heard.readUInt16BE(at + 2))
        found.push(heard.subarray(at, at + heard.readUInt16BE(at + 2)));
    return found;
  };
  socket.on("data", (chunk: Buffer) => (heard = Buffer.concat([heard, chunk])));
  await expect.poll(() => packets().length).toBe(count);
  socket.destroy();
  const last = packets().at(-1) ?? Buffer.alloc(0);
  return { header: last.subarray(0, 8).toString("hex"), body: last.subarray(8) };
}

function hex(text: string): Buffer {
  return Buffer.from(text.replaceAll(" ", ""), "hex");
}

function packet(type: number, data: Buffer): Buffer {
  const length = (data.length + 8).toString(16).padStart(4, "0");
  return Buffer.concat([hex(`${type.toString(16).padStart(2, "0")}01${length}00000100`), data]);
}

/** LOGIN7 as MS-TDS 2.2.6.4 lays it out: 36 fixed bytes, 58 of offsets, then the texts. */
function login(user: string, database: string): Buffer {
  const fields = ["host", user, "", "", "", "", "", "", database];
  let at = 94;
  const offsets = fields.map((field) => {
    const pair = Buffer.from([at & 255, at >> 8, field.length, 0]);
    at += field.length * 2;
    return pair;
  });
  const total = Buffer.from([at & 255, at >> 8, 0, 0]);
  const fixed = hex("04000074 00100000 00000007 00010000 00000000 e0 03 00 00 c4ffffff 09040000");
  const rest = Buffer.concat([
    hex("000000000000"),
    ...[0, 1, 2].map(() => Buffer.from([at & 255, at >> 8, 0, 0])),
    hex("00000000"),
  ]);
  return packet(
    0x10,
    Buffer.concat([total, fixed, ...offsets, rest, Buffer.from(fields.join(""), "utf16le")]),
  );
}

/** A batch with the headers of the published example (MC-SMP 4.3). */
function batch(text: string): Buffer {
  return packet(
    0x01,
    Buffer.concat([
      hex("16000000 12000000 0200 0000000000000000 01000000"),
      Buffer.from(text, "utf16le"),
    ]),
  );
}
