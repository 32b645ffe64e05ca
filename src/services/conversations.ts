/**
 * What is said over each required flow, so that its use is real; the answer is read and checked.
 *
 * A conversation tells what it saw, or rejects; deadlines and sockets are the attempt's.
 */
import { randomInt } from "node:crypto";
import type { Socket as UdpSocket } from "node:dgram";
import type { Socket } from "node:net";

import type { Conversation } from "../environment/flows.ts";
import { MANAGEMENT_PORTS } from "../environment/ports.ts";
import { CLOSED, reasonOf, Unanswered, type Attempt } from "./attempt.ts";
import { REVOCATION_PATH } from "./certificates.ts";
import { encodeQuery, readAnswer, withLength } from "./dns-endpoint.ts";
import { askOver, type HttpRequest } from "./http-answers.ts";
import { readLines } from "./listeners.ts";
import { MANIFEST_PATH, readRevocationList } from "./publication-endpoint.ts";
import { clientContext } from "./secure-contexts.ts";
import { DATABASE } from "./sql-endpoint.ts";
import { tdsOver } from "./tds-client.ts";
import { encodeTimeRequest, readTimeAnswer } from "./time-endpoint.ts";

export type Converse = (attempt: Attempt) => Promise<string>;

export const CONVERSATIONS: Readonly<Record<Conversation, Converse>> = {
  management: manage,
  "keep-alive": keepAlive,
  internal: askInside,
  dns: lookUp,
  time: readTime,
  http: fetchRevocationList,
  https: fetchManifest,
  sql: writeHeartbeat,
  monitoring: pushMetric,
  resolver: reachResolver,
};

/** A clock further away than this would make certificates and tokens invalid. */
const LARGEST_OFFSET_MS = 10_000;
const LONGEST_LINE = 4_096;

/** 455 is asked for metrics, every other port for its roles. Roles that are silent are no failure. */
async function manage(attempt: Attempt): Promise<string> {
  const { tls, name, to } = attempt.probe;
  if (tls === undefined) throw new Unanswered("the probe was given no client certificate");
  const context = await clientContext(tls);
  if (!context.ok) throw new Unanswered(context.problem.what);
  const socket = await attempt.secure({ secureContext: context.value, servername: name });
  const isMonitoring = to.port === MANAGEMENT_PORTS.monitoring;
  const wish = { path: isMonitoring ? "/metrics" : "/roles", host: name };
  const { roles, answering } = await fetchJson(socket, wish).catch(closedAfterHandshake);
  if (isMonitoring)
    return `monitoring sees ${Number(answering)} of ${Number(roles)} roles answering`;
  if (!Array.isArray(roles)) throw new Unanswered("the answer holds no roles");
  return `command and control names ${roles.length} roles`;
}

/** A server that does not accept a client's certificate says so by closing. */
function closedAfterHandshake(thrown: unknown): never {
  if (reasonOf(thrown) !== CLOSED) throw thrown;
  throw new Unanswered(
    "TLS: closed after the handshake, as for a certificate that is not accepted",
  );
}

/** Two lines, so that the connection is seen to stay. */
async function keepAlive(attempt: Attempt): Promise<string> {
  const ask = linesOver(await attempt.connect());
  await ask("keep-alive");
  const answer = await ask("keep-alive");
  if (!/^OK \S+$/.test(answer)) throw new Unanswered(`"${answer}" is not keep-alive`);
  return `${answer.slice(3)} keeps alive`;
}

async function askInside(attempt: Attempt): Promise<string> {
  const { address } = attempt.probe.to;
  const { host, role } = await fetchJson(await attempt.connect(), {
    path: "/health",
    host: address,
  });
  if (typeof host !== "string") throw new Unanswered("the answer is not that of a role");
  return `${host} (${String(role)}) answers`;
}

/** The second query goes out at half time: datagrams may get lost. */
async function lookUp(attempt: Attempt): Promise<string> {
  const { name, to } = attempt.probe;
  if (to.protocol === "Tcp") return lookUpByStream(attempt);
  const id = randomInt(65_536);
  const socket = await attempt.datagrams();
  const read = (message: Buffer) => readAnswer(message, id);
  const { address } = await askDatagram(
    socket,
    attempt.probe.timeoutMs,
    () => encodeQuery(id, name),
    read,
  );
  return `${name} is ${address}`;
}

/** Whatever a DNS server says of a name: it is there. */
async function reachResolver(attempt: Attempt): Promise<string> {
  const { name, timeoutMs, to } = attempt.probe;
  const id = randomInt(65_536);
  const socket = await attempt.datagrams();
  const read = (message: Buffer) => {
    const answer = readAnswer(message, id);
    if (answer === "not ours") return answer;
    return { said: "address" in answer ? answer.address : answer.reason };
  };
  const { said } = await askDatagram(socket, timeoutMs, () => encodeQuery(id, name), read);
  return `${to.address} answers ${name}: ${said}`;
}

async function lookUpByStream(attempt: Attempt): Promise<string> {
  const { name } = attempt.probe;
  const id = randomInt(65_536);
  const socket = await attempt.connect();
  socket.write(withLength(encodeQuery(id, name)));
  const message = await new Promise<Buffer>((resolve, reject) => {
    let received: Buffer = Buffer.alloc(0);
    socket.once("error", reject);
    socket.once("close", () => reject(new Unanswered(CLOSED)));
    socket.on("data", (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0))
        resolve(received.subarray(2));
    });
  });
  const answer = readAnswer(message, id);
  if (answer === "not ours") throw new Unanswered("the answer belongs to another question");
  if ("reason" in answer) throw new Unanswered(answer.reason);
  return `${name} is ${answer.address}`;
}

async function readTime(attempt: Attempt): Promise<string> {
  let request = encodeTimeRequest(Date.now());
  const socket = await attempt.datagrams();
  const again = () => (request = encodeTimeRequest(Date.now()));
  const read = (message: Buffer) => readTimeAnswer(message, request, Date.now());
  const { offsetMs } = await askDatagram(socket, attempt.probe.timeoutMs, again, read);
  if (Math.abs(offsetMs) > LARGEST_OFFSET_MS)
    throw new Unanswered(`the clock of the server is ${Math.round(offsetMs)} ms away`);
  return `the clock is ${offsetMs.toFixed(1)} ms away`;
}

async function fetchRevocationList(attempt: Attempt): Promise<string> {
  const wish = { path: REVOCATION_PATH, host: attempt.probe.name };
  const list = readRevocationList(await fetchBody(await attempt.connect(), wish));
  if ("reason" in list) throw new Unanswered(list.reason);
  if (Date.parse(list.next) < Date.now())
    throw new Unanswered(`the revocation list ran out on ${list.next}`);
  return `revocation list of ${list.updated}`;
}

async function fetchManifest(attempt: Attempt): Promise<string> {
  const { tls, name } = attempt.probe;
  if (tls === undefined) throw new Unanswered("the probe was given no authority to check against");
  const context = await clientContext(tls);
  if (!context.ok) throw new Unanswered(context.problem.what);
  const socket = await attempt.secure({ secureContext: context.value, servername: name });
  const { components, published } = await fetchJson(socket, { path: MANIFEST_PATH, host: name });
  if (!Array.isArray(components)) throw new Unanswered("the answer is not an update manifest");
  return `update manifest of ${String(published)}`;
}

async function writeHeartbeat(attempt: Attempt): Promise<string> {
  const { environment, from, name } = attempt.probe;
  const host = from.kind === "host" ? from.name : from.address;
  const connection = tdsOver(await attempt.connect());
  await connection.login({ user: DATABASE, host, server: name, database: DATABASE });
  const beat = Date.now();
  const where = `WHERE environment = ${quoted(environment)} AND host = ${quoted(host)}`;
  await connection.batch(
    `DELETE FROM heartbeat ${where}; INSERT INTO heartbeat (environment, host, beat) ` +
      `VALUES (${quoted(environment)}, ${quoted(host)}, ${beat})`,
  );
  const { rows } = await connection.batch(`SELECT beat FROM heartbeat ${where}`);
  if (Number(rows[0]?.[0]) !== beat)
    throw new Unanswered("the heartbeat that was written was not read back");
  return `heartbeat ${beat} written and read back`;
}

async function pushMetric(attempt: Attempt): Promise<string> {
  const ask = linesOver(await attempt.connect());
  const metric = { name: `${attempt.probe.flow}.probe`, value: 1, at: new Date().toISOString() };
  const answer = await ask(JSON.stringify(metric));
  const told = parseJson(answer);
  if (told["accepted"] !== 1) throw new Unanswered(`the metric was not accepted: ${answer}`);
  return "metric accepted";
}

async function fetchJson(socket: Socket, wish: Omit<HttpRequest, "method">) {
  return parseJson((await fetchBody(socket, wish)).toString("utf8"));
}

async function fetchBody(socket: Socket, wish: Omit<HttpRequest, "method">): Promise<Buffer> {
  const { status, body } = await askOver(socket, { ...wish, method: "GET" });
  if (status !== 200) throw new Unanswered(`${wish.path} was answered ${status}`);
  return body;
}

function parseJson(text: string): Readonly<Record<string, unknown>> {
  try {
    const told: unknown = JSON.parse(text);
    if (typeof told === "object" && told !== null) return told as Record<string, unknown>;
  } catch {
    // Falls through to the same reason.
  }
  throw new Unanswered("the answer is not JSON");
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

/** Sends a line, waits for the next one. */
function linesOver(socket: Socket): (line: string) => Promise<string> {
  const waiting: ((line: string) => void)[] = [];
  readLines(socket, LONGEST_LINE, (line) => waiting.shift()?.(line));
  return (line) =>
    new Promise((resolve, reject) => {
      waiting.push(resolve);
      socket.once("error", reject);
      socket.once("close", () => reject(new Unanswered(CLOSED)));
      socket.write(`${line}\n`);
    });
}

/** Sends a datagram now and, unanswered, once more at half time; takes the first answer to it. */
function askDatagram<Read extends object>(
  socket: UdpSocket,
  timeoutMs: number,
  encode: () => Buffer,
  read: (message: Buffer) => Read | { readonly reason: string } | "not ours",
): Promise<Read> {
  return new Promise((resolve, reject) => {
    const send = () => socket.send(encode(), (failed) => failed && reject(failed));
    const second = setTimeout(send, timeoutMs / 2);
    socket.once("close", () => clearTimeout(second));
    socket.on("error", reject);
    socket.on("message", (message) => {
      const answer = read(message);
      if (answer === "not ours") return;
      clearTimeout(second);
      if ("reason" in answer) reject(new Unanswered(answer.reason));
      else resolve(answer);
    });
    send();
  });
}
