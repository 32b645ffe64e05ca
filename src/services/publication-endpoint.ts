/**
 * What the platform publishes: the revocation list over HTTP, the update manifest over HTTPS.
 *
 * All of it is true of this machine: the list is the authority's, the manifest says which
 * versions run here. Nothing is installed from it.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer } from "node:https";

import { declined, type Result } from "../base/problem.ts";
import { REVOCATION_PATH, revocationListOf } from "./certificates.ts";
import type { Serving } from "./endpoints.ts";
import { answering, httpServer, json, notFound, type Answer, type Asked } from "./http-answers.ts";
import { readContext } from "./secure-contexts.ts";

export const MANIFEST_PATH = "/updates/manifest.json";
const INDEX_PATH = "/updates/index.json";

export async function servePublications(serving: Serving): Promise<Result<"listening">> {
  const { name, tls } = serving.current();
  if (tls === undefined) return missingCertificates(name, "whose revocation list it offers");
  const server = httpServer((asked) => answerPublication(asked, revocationListOf(tls.authority)));
  return serving.listeners.serve(server, serving.current());
}

export async function serveUpdates(serving: Serving): Promise<Result<"listening">> {
  const { name, tls } = serving.current();
  if (tls === undefined) return missingCertificates(name, "that it shows to clients");
  const context = await readContext(tls);
  if (!context.ok) return context;
  // Everyone may read updates; `crl` is for checking clients, and these show no certificate.
  const { cert, key, minVersion } = context.value;
  const since = Date.now();
  const server = createServer(
    { cert, key, minVersion },
    answering((asked) => answerUpdate(asked, since)),
  );
  return serving.listeners.serve(server, serving.current());
}

/** Reads and checks the outer form of a revocation list (RFC 5280, DER). */
export function readRevocationList(
  list: Buffer,
): { readonly updated: string; readonly next: string } | { readonly reason: string } {
  const outer = readElement(list, 0);
  const inner = outer && readElement(list, outer.start);
  if (outer?.tag !== 0x30 || outer.end !== list.length || inner?.tag !== 0x30)
    return { reason: "the revocation list is not one" };
  const times: string[] = [];
  for (let at = inner.start; at < inner.end;) {
    const element = readElement(list, at);
    if (element === undefined) return { reason: "the revocation list breaks off" };
    if (element.tag === 0x17 || element.tag === 0x18)
      times.push(list.toString("latin1", element.start, element.end));
    at = element.end;
  }
  const [updated, next] = times.map(readTime);
  if (updated === undefined || next === undefined)
    return { reason: "the revocation list names no times" };
  return { updated, next };
}

async function answerPublication(asked: Asked, listFile: string): Promise<Answer> {
  const isRead = asked.method === "GET" || asked.method === "HEAD";
  if (!isRead || (asked.path !== REVOCATION_PATH && asked.path !== INDEX_PATH))
    return notFound(asked);
  const list = derOf(await readFile(listFile, "utf8"));
  if (asked.path === REVOCATION_PATH)
    return { status: 200, type: "application/pkix-crl", body: list };
  const sha256 = createHash("sha256").update(list).digest("hex");
  return json(200, { published: [{ path: REVOCATION_PATH, bytes: list.length, sha256 }] });
}

function answerUpdate(asked: Asked, since: number): Answer {
  if (asked.method !== "GET") return notFound(asked);
  if (asked.path === "/health")
    return json(200, { status: "available", since: new Date(since).toISOString() });
  if (asked.path !== MANIFEST_PATH) return notFound(asked);
  const { node, openssl, sqlite } = process.versions;
  const components = Object.entries({ node, openssl, sqlite });
  return json(200, {
    published: new Date(since).toISOString(),
    components: components.map(([component, version]) => ({ component, version })),
  });
}

function missingCertificates(name: string, why: string) {
  return declined({
    code: "EndpointWithoutCertificates",
    what: `The endpoint ${name} was given no certificates, ${why}`,
    fix: "Name the authority's files in the endpoint's `tls`.",
    where: name,
  });
}

function derOf(pem: string): Buffer {
  return Buffer.from(pem.replaceAll(/-----[^-]+-----|\s/g, ""), "base64");
}

type Element = { readonly tag: number; readonly start: number; readonly end: number };

/** One element of DER: its tag, and where its content begins and ends. */
function readElement(bytes: Buffer, at: number): Element | undefined {
  const tag = bytes[at];
  const length = bytes[at + 1];
  if (tag === undefined || length === undefined) return undefined;
  const lengthBytes = length < 128 ? 0 : length - 128;
  if (lengthBytes > 4 || at + 2 + lengthBytes > bytes.length) return undefined;
  const start = at + 2 + lengthBytes;
  const size = lengthBytes === 0 ? length : bytes.readUIntBE(at + 2, lengthBytes);
  return start + size > bytes.length ? undefined : { tag, start, end: start + size };
}

/** `YYMMDDhhmmssZ`, or with four digits of the year. */
function readTime(text: string): string | undefined {
  const found = /^(\d\d)?(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(text);
  if (!found) return undefined;
  const [, century, year = "", month, day, hour, minute, second] = found;
  const full = `${century ?? (Number(year) < 50 ? "20" : "19")}${year}`;
  return `${full}-${month}-${day}T${hour}:${minute}:${second}Z`;
}
