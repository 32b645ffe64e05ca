/**
 * Serves the files of the current folder over HTTP: what an app without a program runs.
 *
 * It runs inside the sandbox of the app, alone, hence plain JavaScript without a package. Our own
 * because the parts at hand do not fit: HAProxy serves no files, and nginx or busybox would be one
 * more Debian package on every machine for 100 lines over node:http. No listing, no compression,
 * no uploads; files whose names begin with a dot stay private, except /.well-known.
 */
import { createReadStream } from "node:fs";
import { readdir, realpath, stat } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { pipeline } from "node:stream";

const root = await realpath(process.cwd());
const INDEXES = ["index.html", "index.htm", "default.html", "default.htm"];
const TYPES = {
  ".avif": "image/avif",
  ".css": "text/css; charset=utf-8",
  ".csv": "text/csv; charset=utf-8",
  ".gif": "image/gif",
  ".htm": "text/html; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".ico": "image/x-icon",
  ".jpeg": "image/jpeg",
  ".jpg": "image/jpeg",
  ".js": "text/javascript; charset=utf-8",
  ".json": "application/json; charset=utf-8",
  ".map": "application/json; charset=utf-8",
  ".md": "text/markdown; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".mp4": "video/mp4",
  ".pdf": "application/pdf",
  ".png": "image/png",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=utf-8",
  ".wasm": "application/wasm",
  ".webm": "video/webm",
  ".webmanifest": "application/manifest+json",
  ".webp": "image/webp",
  ".woff": "font/woff",
  ".woff2": "font/woff2",
  ".xml": "application/xml; charset=utf-8",
  ".zip": "application/zip",
};
const DEFAULT_PAGE = `<!doctype html><html lang="en"><meta charset="utf-8"><title>App Service</title>
<body style="font:1.1rem system-ui;margin:15vh auto;max-width:40rem">
<h1>Your app is up and running</h1><p>Deploy your code to see it here.</p></body></html>\n`;

const server = createServer((request, response) => {
  answer(request, response).catch((error) => {
    process.stderr.write(`${request.method} ${request.url}: ${error}\n`);
    if (response.headersSent) response.destroy();
    else plain(response, 500, "Internal Server Error");
  });
});
server.keepAliveTimeout = 120_000;
server.listen(Number(process.env["PORT"] ?? 8080));
process.on("SIGTERM", () => {
  server.close(() => process.exit(0));
  server.closeIdleConnections();
});

async function answer(request, response) {
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.setHeader("Allow", "GET, HEAD");
    return plain(response, 405, "Method Not Allowed");
  }
  const [encoded = "/", query] = (request.url ?? "/").split(/\?(.*)/s);
  const path = decoded(encoded);
  if (path === undefined) return plain(response, 400, "Bad Request");
  if (path.split("/").some((part) => part.startsWith(".") && part !== ".well-known"))
    return plain(response, 404, "Not Found");
  const file = await fileAt(path);
  if (file === "folder") {
    response.setHeader("Location", `${encoded.replace(/^\/+/, "/")}/${query ? `?${query}` : ""}`);
    return plain(response, 301, "Moved Permanently");
  }
  if (file !== undefined) return send(file, request, response);
  if (path === "/" && (await readdir(root)).length === 0) {
    response.writeHead(200, { "Content-Type": TYPES[".html"] });
    return response.end(request.method === "HEAD" ? undefined : DEFAULT_PAGE);
  }
  return plain(response, 404, "Not Found");
}

/** The file a path means, if it lies under the root after all links are followed. */
async function fileAt(path) {
  const candidates = path.endsWith("/") ? INDEXES.map((name) => join(path, name)) : [path];
  for (const candidate of candidates) {
    const real = await realpath(join(root, candidate)).catch(() => undefined);
    if (real === undefined || !`${real}/`.startsWith(`${root}/`)) continue;
    const about = await stat(real).catch(() => undefined);
    if (about?.isFile()) return { path: real, size: about.size, modified: about.mtime };
    if (about?.isDirectory() && !path.endsWith("/")) return "folder";
  }
  return undefined;
}

function send(file, request, response) {
  const etag = `"${file.size.toString(16)}-${Math.trunc(file.modified.getTime()).toString(16)}"`;
  response.setHeader("ETag", etag);
  response.setHeader("Last-Modified", file.modified.toUTCString());
  response.setHeader("Accept-Ranges", "bytes");
  response.setHeader("X-Content-Type-Options", "nosniff");
  if (isFresh(request.headers, etag, file.modified)) {
    response.writeHead(304).end();
    return;
  }
  response.setHeader(
    "Content-Type",
    TYPES[extname(file.path).toLowerCase()] ?? "application/octet-stream",
  );
  const range = rangeOf(request.headers, etag, file);
  if (range === "unsatisfiable") {
    response.setHeader("Content-Range", `bytes */${file.size}`);
    plain(response, 416, "Range Not Satisfiable");
    return;
  }
  const { start, end } = range ?? { start: 0, end: file.size - 1 };
  if (range) response.setHeader("Content-Range", `bytes ${start}-${end}/${file.size}`);
  response.writeHead(range ? 206 : 200, { "Content-Length": end - start + 1 });
  if (request.method === "HEAD" || end < start) response.end();
  else pipeline(createReadStream(file.path, { start, end }), response, () => {});
}

function isFresh(headers, etag, modified) {
  const match = headers["if-none-match"];
  if (match !== undefined)
    return match.split(",").some((one) => ["*", etag, `W/${etag}`].includes(one.trim()));
  const since = Date.parse(headers["if-modified-since"] ?? "");
  return Math.trunc(modified.getTime() / 1000) * 1000 <= since;
}

/** One range only; of several, or with a stale If-Range, the whole file is sent, as HTTP allows. */
function rangeOf(headers, etag, file) {
  const condition = headers["if-range"];
  if (condition !== undefined && condition !== etag && condition !== file.modified.toUTCString())
    return undefined;
  const match = /^bytes=(\d*)-(\d*)$/.exec(headers.range ?? "");
  if (match === null || (match[1] === "" && match[2] === "")) return undefined;
  const last = file.size - 1;
  const start = match[1] === "" ? Math.max(0, file.size - Number(match[2])) : Number(match[1]);
  const end = match[1] === "" || match[2] === "" ? last : Math.min(last, Number(match[2]));
  return start <= end && start <= last ? { start, end } : "unsatisfiable";
}

function decoded(path) {
  try {
    const text = decodeURIComponent(path);
    return text.startsWith("/") && !text.includes("\0") ? text : undefined;
  } catch {
    return undefined;
  }
}

function plain(response, status, text) {
  response.writeHead(status, { "Content-Type": "text/plain; charset=utf-8" });
  response.end(response.req.method === "HEAD" ? undefined : `${status} ${text}\n`);
}
