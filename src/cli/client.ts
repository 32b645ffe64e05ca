/**
 * The client of the ARM API: requests over TLS to loopback, and operations followed to their end.
 *
 * Trusts only the authority of its own home. Knows no resource; what is asked for stands in
 * commands/, what answers mean in resources.ts.
 */
import { readFileSync } from "node:fs";
import type { IncomingHttpHeaders, IncomingMessage } from "node:http";
import { Agent, request as httpsRequest } from "node:https";
import { setTimeout as pause } from "node:timers/promises";

import { readJson, type JsonValue } from "../arm/json.ts";
import { declined, found, type Problem, type Result } from "../base/problem.ts";
import type { Home, RunningServer } from "./home.ts";
import { textAt } from "./read.ts";
import { problemOfAnswer } from "./refusals.ts";

export type Request = {
  readonly method: string;
  /** Path and query, from the root. */
  readonly path: string;
  /** JSON, or the bytes of a file. */
  readonly body?: JsonValue | Buffer;
};

export type Answer = {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Undefined when there is none, or none that is JSON. */
  readonly body: JsonValue | undefined;
  readonly text: string;
};

export type Client = {
  /** Any answer, refusals too. */
  readonly ask: (request: Request) => Promise<Result<Answer>>;
  /** The body of a good answer. */
  readonly get: (path: string) => Promise<Result<JsonValue>>;
  /** Sends and follows the operation until it ended; answers with the resource. */
  readonly carryOut: (request: Request) => Promise<Result<JsonValue>>;
  /** The lines of an answer as they come; resolves at its end. */
  readonly lines: (request: Request, onLine: (line: string) => void) => Promise<Result<"ended">>;
  readonly close: () => void;
};

export type Door = {
  readonly port: number;
  readonly authority: string;
  readonly token: string;
};

/** Where the server of a home is reached, with what proves who we are. */
export function readDoor(home: Home, server: RunningServer): Result<Door> {
  try {
    return found({
      port: server.apiPort,
      authority: readFileSync(home.authority, "utf8"),
      token: readFileSync(home.token, "utf8").trim(),
    });
  } catch (thrown) {
    return declined({
      code: "HomeUnreadable",
      what: `the keys of the running server cannot be read: ${messageOf(thrown)}`,
      where: home.folder,
      fix: "Run ase as the user who started the server, or set ASE_HOME to its home.",
    });
  }
}

/** An operation must end within this time; environments of a hundred instances take seconds. */
const LONGEST_OPERATION_MS = 15 * 60_000;
const FASTEST_POLL_MS = 20;
const SLOWEST_POLL_MS = 1_000;
/** The end is seen at most this part of the time too late that the operation took. */
const LATENESS = 0.05;

export function openClient(door: Door): Client {
  const agent = new Agent({ keepAlive: true, ca: door.authority, servername: "localhost" });
  const ask = async (request: Request) => {
    const response = await send(door, agent, request);
    return response.ok ? await readAnswer(response.value) : response;
  };
  const get = async (path: string) => {
    const answer = await ask({ method: "GET", path });
    return answer.ok ? bodyOf(answer.value, path) : answer;
  };
  return {
    ask,
    get,
    carryOut: async (request) => {
      const accepted = await ask(request);
      return accepted.ok ? await follow(accepted.value, request, ask) : accepted;
    },
    lines: async (request, onLine) => {
      const response = await send(door, agent, request);
      if (!response.ok) return response;
      return await passLines(response.value, request.path, onLine);
    },
    close: () => agent.destroy(),
  };
}

/** Follows `Azure-AsyncOperation`, else `Location`, until the operation ended. */
async function follow(
  accepted: Answer,
  request: Request,
  ask: Client["ask"],
): Promise<Result<JsonValue>> {
  const operation = headerPath(accepted, "azure-asyncoperation");
  const location = headerPath(accepted, "location");
  const first = bodyOf(accepted, request.path);
  if (!first.ok) return first;
  if (operation !== undefined) {
    const ended = await poll(operation, ask, ({ body }) => operationEnd(body));
    if (!ended.ok) return ended;
    // What was made is read again; what an action answers lies at Location; a DELETE leaves nothing.
    if (request.method === "DELETE") return found(null);
    const result = request.method === "POST" ? location : request.path;
    return result === undefined ? found(ended.value) : await poll(result, ask, resultOf);
  }
  if (accepted.status === 202 && location !== undefined) return await poll(location, ask, resultOf);
  return first;
}

/** @param ended undefined while the operation is under way */
async function poll(
  path: string,
  ask: Client["ask"],
  ended: (answer: Answer) => Result<JsonValue> | undefined,
): Promise<Result<JsonValue>> {
  const begun = Date.now();
  const deadline = begun + LONGEST_OPERATION_MS;
  while (Date.now() < deadline) {
    const answer = await ask({ method: "GET", path });
    if (!answer.ok) return answer;
    const good = bodyOf(answer.value, path);
    if (!good.ok) return good;
    const end = ended(answer.value);
    if (end !== undefined) return end;
    const waitMs = Math.max(FASTEST_POLL_MS, (Date.now() - begun) * LATENESS);
    await pause(Math.min(waitMs, SLOWEST_POLL_MS));
  }
  return declined({
    code: "OperationTakesTooLong",
    what: `the operation has not ended after ${LONGEST_OPERATION_MS / 60_000} minutes`,
    where: path,
    fix: "Look at `ase events` and `ase status`; the operation goes on without this command.",
  });
}

function resultOf({ status, body }: Answer): Result<JsonValue> | undefined {
  return status === 202 ? undefined : found(body ?? null);
}

function operationEnd(body: JsonValue | undefined): Result<JsonValue> | undefined {
  const status = textAt(body, "status")?.toLowerCase();
  if (status === "succeeded") return found(body ?? null);
  if (status !== "failed" && status !== "canceled") return undefined;
  return declined(problemOfAnswer(body, `the operation ended as ${status}`));
}

/** The path of a header's URL: wherever it points by name, our own server is asked. */
function headerPath(answer: Answer, name: string): string | undefined {
  const value = answer.headers[name];
  if (typeof value !== "string" || !URL.canParse(value, "https://localhost")) return undefined;
  const url = new URL(value, "https://localhost");
  return url.pathname + url.search;
}

function bodyOf(answer: Answer, path: string): Result<JsonValue> {
  if (200 <= answer.status && answer.status < 300) return found(answer.body ?? null);
  const refusal = problemOfAnswer(answer.body, `the server answered ${answer.status}`);
  return declined({ ...refusal, where: refusal.where ?? path.replace(/\?.*/, "") });
}

async function readAnswer(response: IncomingMessage): Promise<Result<Answer>> {
  try {
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString("utf8");
    const read = text.trim() === "" ? undefined : readJson(text, "answer");
    const body = read?.ok === true ? read.value : undefined;
    return found({ status: response.statusCode ?? 0, headers: response.headers, body, text });
  } catch (thrown) {
    return declined(connectionLost(thrown));
  }
}

async function passLines(
  response: IncomingMessage,
  path: string,
  onLine: (line: string) => void,
): Promise<Result<"ended">> {
  if (300 <= (response.statusCode ?? 0)) {
    const answer = await readAnswer(response);
    if (!answer.ok) return answer;
    const refused = bodyOf(answer.value, path);
    return refused.ok ? found("ended") : refused;
  }
  try {
    let rest = "";
    response.setEncoding("utf8");
    for await (const chunk of response) {
      const lines = (rest + String(chunk)).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) if (line !== "") onLine(line);
    }
    if (rest !== "") onLine(rest);
    return found("ended");
  } catch (thrown) {
    return declined(connectionLost(thrown));
  }
}

async function send(door: Door, agent: Agent, request: Request): Promise<Result<IncomingMessage>> {
  const { body } = request;
  const bytes =
    body === undefined
      ? undefined
      : Buffer.isBuffer(body)
        ? body
        : Buffer.from(JSON.stringify(body));
  const type = Buffer.isBuffer(body) ? "application/zip" : "application/json";
  return await new Promise((resolve) => {
    const call = httpsRequest(
      {
        agent,
        host: "127.0.0.1",
        port: door.port,
        method: request.method,
        path: request.path,
        headers: {
          host: `localhost:${door.port}`,
          authorization: `Bearer ${door.token}`,
          accept: "application/json",
          ...(bytes && { "content-type": type, "content-length": bytes.length }),
        },
      },
      (response) => resolve(found(response)),
    );
    call.on("error", (error) => resolve(declined(connectionLost(error))));
    call.end(bytes);
  });
}

function connectionLost(thrown: unknown): Problem {
  return {
    code: "ServerUnreachable",
    what: `the server does not answer: ${messageOf(thrown)}`,
    fix: "Run `ase status`; if the server has ended, `ase up` starts it and apps go on meanwhile.",
  };
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
