/**
 * The database of the environments: one table of heartbeats, in memory.
 *
 * Whoever stands in a virtual network may reach it, so a statement may read or write that table
 * once, and nothing else: no files, no other tables, no functions, no joins, whose cost would
 * grow without bound in the process of the world. It says nothing of the wire.
 */
import { constants, DatabaseSync } from "node:sqlite";

import { declined, found, type Result } from "../base/problem.ts";

export type Outcome = {
  readonly command: "select" | "insert" | "update" | "delete" | "other";
  readonly columns: readonly string[];
  readonly rows: readonly (readonly (number | bigint | string | null)[])[];
  /** Rows returned or changed. */
  readonly count: number;
};

export type EnvironmentDatabase = {
  /** Runs statements one after the other, all or none. */
  readonly run: (batch: string) => Result<readonly Outcome[]>;
  readonly close: () => void;
};

const TABLE = "heartbeat";
const MOST_ROWS = 10_000;
const LONGEST_TEXT = 4_096;
const SCHEMA = `
  CREATE TABLE ${TABLE} (
    environment TEXT NOT NULL CHECK (length(environment) <= 512),
    host TEXT NOT NULL CHECK (length(host) <= 128),
    beat INTEGER NOT NULL CHECK (typeof(beat) = 'integer')
  );
  CREATE UNIQUE INDEX one_per_host ON ${TABLE} (environment, host);
  CREATE TRIGGER not_too_many BEFORE INSERT ON ${TABLE}
    WHEN (SELECT count(*) FROM ${TABLE}) >= ${MOST_ROWS}
    BEGIN SELECT RAISE(ABORT, 'the table is full'); END;
`;
const FUNCTIONS: readonly (string | null)[] = ["length", "typeof", "count"];
const ALLOWED: readonly number[] = [constants.SQLITE_SELECT, constants.SQLITE_TRANSACTION];
const OF_THE_TABLE: readonly number[] = [
  constants.SQLITE_READ,
  constants.SQLITE_INSERT,
  constants.SQLITE_UPDATE,
  constants.SQLITE_DELETE,
];

export function openEnvironmentDatabase(): EnvironmentDatabase {
  const database = new DatabaseSync(":memory:", {
    limits: {
      length: 2 * LONGEST_TEXT,
      sqlLength: LONGEST_TEXT,
      attach: 0,
      column: 32,
      exprDepth: 32,
    },
  });
  database.exec(SCHEMA);
  database.setAuthorizer((action, first, second) => {
    const isTable = OF_THE_TABLE.includes(action) && first === TABLE;
    const isFunction = action === constants.SQLITE_FUNCTION && FUNCTIONS.includes(second);
    return ALLOWED.includes(action) || isTable || isFunction
      ? constants.SQLITE_OK
      : constants.SQLITE_DENY;
  });
  return {
    run: (batch) => runBatch(database, batch),
    close: () => database.close(),
  };
}

function runBatch(database: DatabaseSync, batch: string): Result<readonly Outcome[]> {
  const statements = statementsOf(batch);
  const refused = statements.find((statement) => !isOneUse(statement));
  if (refused !== undefined || batch.length > LONGEST_TEXT)
    return badStatement(
      "a statement reads or writes the table heartbeat once, in at most 4096 letters",
    );
  database.exec("BEGIN");
  try {
    const outcomes = statements.map((statement) => runStatement(database, statement));
    database.exec("COMMIT");
    return found(outcomes);
  } catch (thrown) {
    // `INSERT OR ROLLBACK` has done so already.
    if (database.isTransaction) database.exec("ROLLBACK");
    return badStatement(thrown instanceof Error ? thrown.message : String(thrown));
  }
}

function runStatement(database: DatabaseSync, statement: string): Outcome {
  // What clients say about their session (SET …) has nothing to change here.
  if (/^set\s/i.test(statement)) return { command: "other", columns: [], rows: [], count: 0 };
  const prepared = database.prepare(statement);
  const columns = prepared.columns().map(({ name }) => name);
  if (columns.length === 0) {
    const count = Number(prepared.run().changes);
    return { command: commandOf(statement), columns, rows: [], count };
  }
  prepared.setReadBigInts(true);
  prepared.setReturnArrays(true);
  const rows = prepared.all() as unknown as (number | bigint | string | null)[][];
  return { command: "select", columns, rows, count: rows.length };
}

function commandOf(statement: string): Outcome["command"] {
  const verb = /^[a-z]+/i.exec(statement)?.[0].toLowerCase();
  return verb === "insert" || verb === "update" || verb === "delete" ? verb : "other";
}

/** Cut at semicolons, those inside quotes excepted. */
function statementsOf(batch: string): readonly string[] {
  const parts = batch.match(/(?:'[^']*'|[^;'])+/g) ?? [];
  return parts.map((part) => part.trim()).filter((part) => part !== "");
}

/** Quoted names and comments are refused: without them, cutting out the texts is exact. */
function isOneUse(statement: string): boolean {
  const words = statement.replaceAll(/'[^']*'/g, " ");
  const uses = (pattern: RegExp) => words.match(pattern)?.length ?? 0;
  const isPlain = !/["'`[\]]|--|\/\*/.test(words);
  const isKnown = /^(?:select|insert|update|delete|set)\s/i.test(words);
  return isKnown && isPlain && uses(/heartbeat/gi) <= 1 && uses(/\b(?:select|values)\b/gi) <= 1;
}

function badStatement(what: string) {
  return declined({
    code: "StatementRefused",
    what,
    fix: "Use the table heartbeat (environment, host, beat).",
  });
}
