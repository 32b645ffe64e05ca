/**
 * The store in one SQLite file.
 *
 * WAL with synchronous=FULL: a transaction that returned is on disk. The file is locked while it
 * is open, by the kernel, so that a lock never outlives its holder; a second control plane on
 * the same home is refused. Nothing here knows what documents mean.
 */
import { closeSync, mkdirSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync, type StatementSync } from "node:sqlite";

import { declined, found, must, problemOf, ProblemError, type Result } from "../base/problem.ts";
import { openWaiters, type Waiters } from "./waiters.ts";
import type { Document, EventStream, Reading, Store, StoredEvent, Transaction } from "./store.ts";

export type SqliteStoreOptions = {
  /** The database file; its folder is made when missing. */
  readonly file: string;
  /** Milliseconds since 1970, for events. */
  readonly now: () => number;
};

/** The newest shape of the tables. Each entry leads from the version before it to its own. */
const SCHEMA_STEPS: readonly string[] = [
  `create table document (
     kind text not null, key text not null, value text not null, generation integer not null,
     primary key (kind, key)
   ) strict, without rowid;
   create table event (
     sequence integer primary key, time integer not null, value text not null
   ) strict;`,
];

export function openSqliteStore(options: SqliteStoreOptions): Result<Store> {
  let database: DatabaseSync | undefined;
  try {
    mkdirSync(dirname(options.file), { recursive: true, mode: 0o700 });
    closeSync(openSync(options.file, "a", 0o600));
    database = new DatabaseSync(options.file);
    database.exec("pragma busy_timeout = 0; pragma locking_mode = exclusive");
    database.exec("pragma journal_mode = wal; pragma synchronous = full");
    // The first write takes the lock, which then stays until the file is closed.
    database.exec("begin exclusive; commit");
    const upgraded = upgrade(database, options.file);
    if (!upgraded.ok) {
      database.close();
      return upgraded;
    }
    writeFileSync(holderFile(options.file), `${process.pid}\n`, { mode: 0o600 });
    return found(storeOver(database, options.now));
  } catch (thrown) {
    database?.close();
    return declined(
      isBusy(thrown) ? lockedProblem(options.file) : unreadable(thrown, options.file),
    );
  }
}

function storeOver(database: DatabaseSync, now: () => number): Store {
  const statements = prepare(database);
  const waiters = openWaiters();
  let open = true;
  let busy = false;
  const check = (): void => must(open, "a closed store is not used");
  const reading = readingOf(statements, check);

  function transaction<Value>(work: (transaction: Transaction) => Result<Value>): Result<Value> {
    check();
    must(!busy, "transactions are not nested");
    const within = transactionOver(statements, reading, now);
    busy = true;
    database.exec("begin immediate");
    try {
      const result = work(within.transaction);
      database.exec(result.ok ? "commit" : "rollback");
      if (result.ok && within.appended()) waiters.wake();
      return result;
    } catch (thrown) {
      if (database.isTransaction) database.exec("rollback");
      if (sqliteCode(thrown) === undefined) throw thrown;
      return declined(unwritable(thrown));
    } finally {
      within.end();
      busy = false;
    }
  }

  return {
    ...reading,
    events: eventsOf(statements, waiters, check),
    transaction,
    close: () => {
      if (!open) return;
      must(!busy, "a store is not closed within a transaction");
      open = false;
      waiters.close();
      database.close();
    },
  };
}

function transactionOver(statements: Statements, reading: Reading, now: () => number) {
  let appended = false;
  let live = true;
  const check = (): void => must(live, "a transaction is not used after its end");
  const transaction: Transaction = {
    ...reading,
    put: <Value>(kind: string, key: string, value: Value): Document<Value> => {
      check();
      const row = statements.put.get(kind, key, textOf(value)) as { generation: number };
      return { kind, key, value, generation: row.generation };
    },
    remove: (kind, key) => {
      check();
      return statements.remove.run(kind, key).changes !== 0;
    },
    append: (event) => {
      check();
      appended = true;
      const row = statements.append.get(now(), textOf(event)) as { sequence: number };
      return row.sequence;
    },
  };
  return { transaction, appended: () => appended, end: () => (live = false) };
}

function readingOf(statements: Statements, check: () => void): Reading {
  type Row = { kind: string; key: string; value: string; generation: number };
  const documentOf = <Value>(row: Row): Document<Value> => ({
    kind: row.kind,
    key: row.key,
    value: JSON.parse(row.value) as Value,
    generation: row.generation,
  });
  return {
    get: <Value>(kind: string, key: string) => {
      check();
      const row = statements.get.get(kind, key) as Row | undefined;
      return row === undefined ? undefined : documentOf<Value>(row);
    },
    list: <Value>(kind: string, keyPrefix: string) => {
      check();
      // Keys are compared byte by byte; no key goes beyond its prefix and the last code point.
      const rows = statements.list.all(kind, keyPrefix, `${keyPrefix}\u{10ffff}`) as Row[];
      return rows.map((row) => documentOf<Value>(row));
    },
  };
}

function eventsOf(statements: Statements, waiters: Waiters, check: () => void): EventStream {
  const newest = (): number => {
    check();
    return (statements.newest.get() as { newest: number }).newest;
  };
  return {
    newest,
    after: <Value>(sequence: number, limit: number) => {
      check();
      const rows = statements.events.all(sequence, limit) as {
        sequence: number;
        time: number;
        value: string;
      }[];
      return rows.map((row): StoredEvent<Value> => ({
        sequence: row.sequence,
        time: row.time,
        value: JSON.parse(row.value) as Value,
      }));
    },
    waitAfter: async (sequence, timeoutMs, signal) => {
      const deadline = Date.now() + timeoutMs;
      while (waiters.open() && newest() <= sequence && !signal?.aborted) {
        const left = deadline - Date.now();
        if (left <= 0) return;
        await waiters.wait(left, signal);
      }
    },
  };
}

type Statements = ReturnType<typeof prepare>;

function prepare(database: DatabaseSync) {
  const statement = (sql: string): StatementSync => database.prepare(sql);
  return {
    get: statement("select * from document where kind = ? and key = ?"),
    list: statement("select * from document where kind = ? and key >= ? and key < ? order by key"),
    put: statement(
      `insert into document (kind, key, value, generation) values (?, ?, ?, 1)
       on conflict do update set value = excluded.value, generation = document.generation + 1
       returning generation`,
    ),
    remove: statement("delete from document where kind = ? and key = ?"),
    append: statement(
      `insert into event (sequence, time, value)
       values ((select coalesce(max(sequence), 0) + 1 from event), ?, ?) returning sequence`,
    ),
    newest: statement("select coalesce(max(sequence), 0) as newest from event"),
    events: statement("select * from event where sequence > ? order by sequence limit ?"),
  };
}

function upgrade(database: DatabaseSync, file: string): Result<"current"> {
  const row = database.prepare("pragma user_version").get() as { user_version: number };
  const version = row.user_version;
  if (SCHEMA_STEPS.length < version)
    return declined({
      code: "StoreIsNewer",
      what: `the store has schema ${version}; this version knows ${SCHEMA_STEPS.length} at most`,
      fix: "Run the newer version that wrote it, or choose another home.",
      where: file,
    });
  SCHEMA_STEPS.slice(version).forEach((step, index) => {
    database.exec(`begin; ${step} pragma user_version = ${version + index + 1}; commit`);
  });
  return found("current");
}

function textOf(value: unknown): string {
  const text = JSON.stringify(value) as string | undefined;
  must(text !== undefined, "a stored value is JSON");
  return text;
}

/** The error code of SQLite; undefined for everything that is not its error. */
function sqliteCode(thrown: unknown): number | undefined {
  const code = thrown instanceof Error && "errcode" in thrown ? thrown.errcode : undefined;
  return typeof code === "number" ? code & PRIMARY_CODE : undefined;
}

/** The upper bits of a code only refine it. */
const PRIMARY_CODE = 0xff;
const SQLITE_BUSY = 5;
const SQLITE_LOCKED = 6;

function isBusy(thrown: unknown): boolean {
  const code = sqliteCode(thrown);
  return code === SQLITE_BUSY || code === SQLITE_LOCKED;
}

function unwritable(thrown: unknown) {
  return problemOf(thrown, {
    code: "StoreUnwritable",
    what: "the store could not be written; nothing of this change is kept",
    fix: "Check that the disk of the home has room and works, then try again.",
  });
}

function lockedProblem(file: string) {
  const holder = readHolder(file);
  return {
    code: "HomeInUse",
    what: `another control plane${holder === undefined ? "" : ` (process ${holder})`} has the store open`,
    fix: "Use the one that runs, end it with `ase down`, or choose another home.",
    where: file,
  };
}

function unreadable(thrown: unknown, file: string) {
  if (thrown instanceof ProblemError) return thrown.problem;
  return problemOf(thrown, {
    code: "StoreUnreadable",
    what: `the store cannot be opened: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
    fix: "Check that the folder can be written and the file is a store of this product; restore a copy or choose another home.",
    where: file,
  });
}

/** Only for the words of a refusal; the lock itself is the kernel's. */
function holderFile(file: string): string {
  return `${file}.holder`;
}

function readHolder(file: string): string | undefined {
  try {
    return readFileSync(holderFile(file), "utf8").trim();
  } catch {
    return undefined;
  }
}
