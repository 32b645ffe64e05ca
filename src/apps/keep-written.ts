/**
 * Brings along what an app wrote into its wwwroot when a new version takes its place.
 *
 * The app may be running, and its folder is its own: it could swap a folder for a link while we
 * read with more rights than it has. So every step down is taken from an open folder, and no link
 * is ever followed; links the app made stay behind.
 */
import { constants } from "node:fs";
import { lstat, mkdir, open, readdir, type FileHandle } from "node:fs/promises";
import { join } from "node:path";

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;

const CHUNK_BYTES = 256 * 1024;

/** Copies files that no deployment brought and the new version does not have; answers how many. */
export async function keepWritten(
  previous: string,
  deployed: ReadonlySet<unknown>,
  next: string,
): Promise<number> {
  await using top = await open(previous, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  // Awaited here: the folder must stay open until all of it was read.
  return await keepFrom(top, "", deployed, next);
}

async function keepFrom(
  folder: FileHandle,
  name: string,
  deployed: ReadonlySet<unknown>,
  next: string,
): Promise<number> {
  let count = 0;
  for (const entry of await readdir(pathOf(folder), { withFileTypes: true })) {
    const inner = join(name, entry.name);
    const path = join(pathOf(folder), entry.name);
    if (entry.isDirectory()) {
      if (!(await isFree(join(next, inner), "or a folder"))) continue;
      const opened = await openSafely(path, O_DIRECTORY);
      if (opened === undefined) continue;
      await using child = opened;
      count += await keepFrom(child, inner, deployed, next);
    } else if (entry.isFile() && !deployed.has(inner)) {
      if (!(await isFree(join(next, inner), "only"))) continue;
      const opened = await openSafely(path, O_NONBLOCK);
      if (opened === undefined) continue;
      await using file = opened;
      if (await keepFile(file, join(next, name), entry.name)) count++;
    }
  }
  return count;
}

async function keepFile(file: FileHandle, folder: string, name: string): Promise<boolean> {
  const about = await file.stat();
  if (!about.isFile()) return false;
  await mkdir(folder, { recursive: true });
  await using target = await open(join(folder, name), "wx", about.mode & 0o755);
  const chunk = Buffer.alloc(CHUNK_BYTES);
  for (;;) {
    const { bytesRead } = await file.read(chunk, 0, chunk.length, null);
    if (bytesRead === 0) break;
    await target.appendFile(chunk.subarray(0, bytesRead));
  }
  return true;
}

/** Undefined: it went, or became a link, since the folder was read. */
async function openSafely(path: string, flags: number): Promise<FileHandle | undefined> {
  return open(path, O_RDONLY | O_NOFOLLOW | flags).catch(() => undefined);
}

async function isFree(path: string, may: "only" | "or a folder"): Promise<boolean> {
  const about = await lstat(path).catch(() => undefined);
  return about === undefined || (may === "or a folder" && about.isDirectory());
}

function pathOf(folder: FileHandle): string {
  return `/proc/self/fd/${folder.fd}`;
}
