/**
 * Unpacks a ZIP file into an empty folder and refuses what has no place in a site: paths and links
 * that lead out, sizes over the limit as they really unpack. Links are made last, so that nothing
 * is written through one. Knows nothing of sites; problems are thrown as ProblemError.
 */
import { createWriteStream } from "node:fs";
import { mkdir, symlink } from "node:fs/promises";
import { dirname } from "node:path";
import { Transform, type Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { buffer } from "node:stream/consumers";

import yauzl, { type Entry, type ZipFile } from "yauzl";

import { ProblemError } from "../base/problem.ts";
import {
  insideLink,
  pathBelow,
  refuseEntry,
  requireWithin,
  type ContentLimits,
} from "./content-rules.ts";

const TYPE_MASK = 0o170_000;
const TYPE_LINK = 0o120_000;
const LINK_BYTES = 4096;

export async function unpackZip(
  path: string,
  folder: string,
  limits: ContentLimits,
): Promise<void> {
  const options = { lazyEntries: true, autoClose: false, validateEntrySizes: true } as const;
  const zip = await yauzl.openPromise(path, options).catch(unreadable);
  try {
    await unpackEntries(zip, folder, limits).catch(unreadable);
  } finally {
    zip.close();
  }
}

async function unpackEntries(zip: ZipFile, folder: string, limits: ContentLimits): Promise<void> {
  const links: { readonly path: string; readonly target: string }[] = [];
  const size = { fileCount: 0, bytes: 0 };
  for await (const entry of zip.eachEntry()) {
    size.fileCount++;
    requireWithin({ ...size, bytes: size.bytes + entry.uncompressedSize }, limits);
    const path = pathBelow(folder, entry.fileName);
    const mode = entry.externalFileAttributes >>> 16;
    if (entry.fileName.endsWith("/")) {
      await mkdir(path, { recursive: true, mode: 0o755 });
      continue;
    }
    await mkdir(dirname(path), { recursive: true, mode: 0o755 });
    const content = await zip.openReadStreamPromise(entry);
    if ((mode & TYPE_MASK) === TYPE_LINK)
      links.push({ path, target: await readLink(entry, content) });
    else
      await pipeline(
        content,
        counting(size, limits),
        createWriteStream(path, { flags: "wx", mode: (mode & 0o111) === 0 ? 0o644 : 0o755 }),
      );
  }
  for (const link of links) await symlink(link.target, link.path);
}

/** Counts what really comes out: the sizes an archive states are its author's. */
function counting(size: { fileCount: number; bytes: number }, limits: ContentLimits): Transform {
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      size.bytes += chunk.length;
      try {
        requireWithin(size, limits);
        done(null, chunk);
      } catch (error) {
        done(error instanceof Error ? error : new Error(String(error)));
      }
    },
  });
}

async function readLink(entry: Entry, content: Readable): Promise<string> {
  if (entry.uncompressedSize > LINK_BYTES) refuseEntry(entry.fileName, "its link is too long");
  return insideLink(entry.fileName, (await buffer(content)).toString("utf8"));
}

function unreadable(error: unknown): never {
  if (error instanceof ProblemError) throw error;
  throw new ProblemError({
    code: "ZipUnreadable",
    what: `The ZIP file cannot be unpacked: ${error instanceof Error ? error.message : String(error)}`,
    fix: "Make it again with `zip -r`, without encryption, and with paths relative to the site.",
  });
}
