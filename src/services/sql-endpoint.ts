/**
 * A SQL server on the wire, the environment's own or a user's: a TDS 7.4 server without TLS.
 *
 * Its firewall is asked at the login. Logins are not checked: that the database is reached and works is what counts, and whoever
 * reaches it can use nothing but the table of heartbeats. Remote procedure calls are refused.
 *
 * @article ASE outbound dependencies
 */
import type { Socket } from "node:net";

import type { Result } from "../base/problem.ts";
import { refusalOf } from "../blueprint/admission.ts";
import type { Ipv4 } from "../network/prefix.ts";
import type { Serving } from "./endpoints.ts";
import {
  openEnvironmentDatabase,
  type EnvironmentDatabase,
  type Outcome,
} from "./environment-database.ts";
import {
  attentionAnswer,
  loginAccepted,
  preloginAnswer,
  readBatch,
  readLogin,
  refusal,
  rowSet,
  statementDone,
} from "./tds-answers.ts";
import { encodeMessage, PACKET, readMessages, type Message } from "./tds-packets.ts";

export const DATABASE = "environment";
const MOST_UNREAD_BYTES = 65_536;

/** Numbers of SQL Server that clients know. */
const LOGIN_FAILED = { number: 18_456, severity: 14 } as const;
/** Of the firewall of Azure SQL: neither a rule for the address nor one for the subnet. */
const NOT_ADMITTED = { number: 40_615, severity: 14 } as const;
const NO_SUCH_DATABASE = { number: 4_060, severity: 11 } as const;
const STATEMENT_FAILED = { number: 102, severity: 15 } as const;

type Said = { readonly data: Buffer; readonly stays: "open" | "closed" };

export function serveDatabase({
  current,
  listeners,
  network,
}: Serving): Promise<Result<"listening">> {
  const database = openEnvironmentDatabase();
  return listeners.accept(current(), (socket) => {
    const { admits } = current();
    const source = (socket.remoteAddress ?? "") as Ipv4;
    converse(socket, database, admits && refusalOf(admits, source, network));
  });
}

/** @param refused why this client may not log in; undefined: it may */
function converse(socket: Socket, database: EnvironmentDatabase, refused?: string): void {
  let isLoggedIn = false;
  readMessages(socket, (message) => {
    const said = isLoggedIn ? answerSession(message, database) : answerStranger(message, refused);
    if (said === undefined || socket.writableLength > MOST_UNREAD_BYTES) {
      socket.destroy();
      return;
    }
    if (message.type === PACKET.login && said.stays === "open") isLoggedIn = true;
    const bytes = encodeMessage({ type: PACKET.answer, data: said.data });
    if (said.stays === "open") socket.write(bytes);
    else socket.end(bytes);
  });
}

function answerStranger({ type, data }: Message, refused?: string): Said | undefined {
  if (type === PACKET.prelogin) return { data: preloginAnswer(), stays: "open" };
  const login = type === PACKET.login ? readLogin(data) : undefined;
  if (login === undefined) return undefined;
  if (refused !== undefined) {
    const message = `Cannot open server requested by the login: ${refused}.`;
    return { data: refusal({ ...NOT_ADMITTED, message }), stays: "closed" };
  }
  if (login.user === "")
    return {
      data: refusal({ ...LOGIN_FAILED, message: "Login failed: no user was named." }),
      stays: "closed",
    };
  if (login.database !== "" && login.database !== DATABASE) {
    const message = `Cannot open database "${login.database}" requested by the login.`;
    return { data: refusal({ ...NO_SUCH_DATABASE, message }), stays: "closed" };
  }
  return { data: loginAccepted(DATABASE), stays: "open" };
}

function answerSession({ type, data }: Message, database: EnvironmentDatabase): Said | undefined {
  if (type === PACKET.attention) return { data: attentionAnswer(), stays: "open" };
  const batch = type === PACKET.batch ? readBatch(data) : undefined;
  if (batch === undefined) {
    const message = "Only SQL batches are answered here.";
    return { data: refusal({ ...STATEMENT_FAILED, message }), stays: "open" };
  }
  const ran = database.run(batch);
  if (!ran.ok)
    return { data: refusal({ ...STATEMENT_FAILED, message: ran.problem.what }), stays: "open" };
  return { data: answerOutcomes(ran.value), stays: "open" };
}

function answerOutcomes(outcomes: readonly Outcome[]): Buffer {
  if (outcomes.length === 0) return statementDone({ command: "other", count: 0, isLast: true });
  return Buffer.concat(
    outcomes.flatMap((outcome, index) => {
      const { command, count } = outcome;
      const done = statementDone({ command, count, isLast: index === outcomes.length - 1 });
      return outcome.columns.length > 0 ? [rowSet(outcome), done] : [done];
    }),
  );
}
