/**
 * Small HTTP answers for the programs of the world, and one HTTP request over a given socket.
 *
 * Bodies are bounded. No routing library: each of these programs has two or three resources.
 */
import {
  createServer,
  request,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from "node:http";
import type { Socket } from "node:net";

export type Asked = {
  readonly method: string;
  readonly path: string;
  /** Address of the other side. */
  readonly from: string;
};

export type Answer = {
  readonly status: number;
  readonly type: string;
  readonly body: string | Buffer;
};

export type GiveAnswer = (asked: Asked) => Answer | Promise<Answer>;

const LARGEST_BODY = 1_048_576;

export function json(status: number, body: unknown): Answer {
  return { status, type: "application/json", body: JSON.stringify(body) };
}

export function notFound(asked: Asked): Answer {
  return json(404, { error: `There is no ${asked.method} ${asked.path} here.` });
}

export function httpServer(give: GiveAnswer): Server {
  return createServer(answering(give));
}

/** The listener of an http or https server. */
export function answering(give: GiveAnswer) {
  return (incoming: IncomingMessage, response: ServerResponse): void => {
    incoming.resume();
    const asked = {
      method: incoming.method ?? "GET",
      path: (incoming.url ?? "/").split("?", 1)[0] ?? "/",
      from: incoming.socket.remoteAddress ?? "",
    };
    Promise.resolve(asked)
      .then(give)
      .catch((thrown: unknown) => json(500, { error: String(thrown) }))
      .then(
        ({ status, type, body }) => {
          response.writeHead(status, {
            "content-type": type,
            "content-length": Buffer.byteLength(body),
          });
          response.end(asked.method === "HEAD" ? undefined : body);
        },
        () => response.destroy(),
      );
  };
}

export type HttpRequest = {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly host: string;
};

/** Sends one request over the socket and reads the whole answer. Rejects when it breaks off. */
export function askOver(
  socket: Socket,
  wish: HttpRequest,
): Promise<{ readonly status: number; readonly body: Buffer }> {
  return new Promise((resolve, reject) => {
    const asking = request({
      method: wish.method,
      path: wish.path,
      headers: { host: wish.host, connection: "close" },
      createConnection: () => socket,
    });
    asking.on("error", reject);
    asking.on("response", (response) => {
      const chunks: Buffer[] = [];
      let size = 0;
      response.on("data", (chunk: Buffer) => {
        size += chunk.length;
        chunks.push(chunk);
        if (size > LARGEST_BODY)
          response.destroy(new Error(`the answer is over ${LARGEST_BODY} bytes`));
      });
      response.on("error", reject);
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) }),
      );
    });
    asking.end();
  });
}
