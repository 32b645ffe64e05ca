/**
 * A small app: says which instance answered, by which way the request came, and one setting.
 * A browser gets a page, everything else JSON. No packages.
 */
import { createServer } from "node:http";
import { hostname } from "node:os";

const port = process.env.PORT ?? 8080;
const instance = process.env.COMPUTERNAME ?? hostname();
const greeting = process.env.GREETING ?? "Hello";
const startedAt = new Date().toISOString();
let answered = 0;

const server = createServer((request, response) => {
  answered += 1;
  const { headers, socket } = request;
  const answer = {
    greeting,
    instance,
    app: process.env.WEBSITE_SITE_NAME ?? "hello",
    startedAt,
    answered,
    request: { method: request.method, url: request.url, host: headers.host },
    way: {
      client: headers["x-forwarded-for"] ?? null,
      protocol: headers["x-forwarded-proto"] ?? null,
      frontEnd: socket.remoteAddress,
      worker: socket.localAddress,
    },
  };
  if (request.url === "/crash") setTimeout(() => process.exit(1), 50);
  const isBrowser = (headers.accept ?? "").includes("text/html");
  response.setHeader("Cache-Control", "no-store");
  response.setHeader("Content-Type", isBrowser ? "text/html; charset=utf-8" : "application/json");
  response.end(isBrowser ? page(answer) : `${JSON.stringify(answer, undefined, 2)}\n`);
});

server.listen(port, () => console.log(`instance ${instance} listens on ${port}`));
process.on("SIGTERM", () => server.close(() => process.exit(0)));

function page({ greeting, instance, answered, way, request }) {
  const rows = {
    Instance: instance,
    Answered: answered,
    Host: request.host,
    Client: way.client,
    Protocol: way.protocol,
    "Front end": way.frontEnd,
    Worker: way.worker,
  };
  const cells = Object.entries(rows).map(
    ([name, value]) => `<tr><th>${name}</th><td>${escape(value)}</td></tr>`,
  );
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>${escape(greeting)}</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:4rem auto;padding:0 1rem}
th{text-align:left;padding:.2rem 2rem .2rem 0;font-weight:500}td{font-family:ui-monospace,monospace}</style>
<h1>${escape(greeting)}</h1><p>Load the page again: another instance may answer.</p>
<table>${cells.join("")}</table></html>`;
}

function escape(value) {
  return String(value ?? "-").replace(/[&<>"]/g, (mark) => `&#${mark.charCodeAt(0)};`);
}
