/**
 * A folder's files as one zip, to be sent as an app's content.
 *
 * Writing only; the server reads it with all due mistrust. Links are followed, so that what is
 * deployed is what the folder shows; `.git` and files that are no files (sockets) stay behind.
 */
import { readdirSync, readFileSync, realpathSync, statSync } from "node:fs";
import { join } from "node:path";

import { zipSync, type Zippable } from "fflate";

import { declined, found, type Result } from "../base/problem.ts";

/** Content larger than this is a mistake more often than an app. */
const LARGEST_CONTENT = 512 * 1024 * 1024;
const LEFT_BEHIND = new Set([".git"]);

/** The bytes of a zip file, or of a folder zipped now. */
export function readContent(source: string): Result<Buffer> {
  try {
    const isFolder = statSync(source).isDirectory();
    if (isFolder) return zipFolder(source);
    const bytes = readFileSync(source);
    if (bytes.subarray(0, 2).toString("latin1") === "PK") return found(bytes);
    return declined({
      code: "InvalidAppContent",
      what: `${source} is neither a folder nor a zip file`,
      where: source,
      fix: "Name the folder of the app's files, or a .zip of it.",
    });
  } catch (thrown) {
    return declined({
      code: "InvalidAppContent",
      what: `the app's content cannot be read: ${thrown instanceof Error ? thrown.message : String(thrown)}`,
      where: source,
      fix: "Name a folder or zip file that exists and that you may read.",
    });
  }
}

function zipFolder(folder: string): Result<Buffer> {
  const files: Record<string, Zippable[string]> = {};
  let size = 0;
  const walk = (path: string, name: string, above: readonly string[]) => {
    const real = realpathSync(path);
    if (above.includes(real)) return;
    for (const entry of readdirSync(path).toSorted()) {
      if (LEFT_BEHIND.has(entry)) continue;
      const inner = join(path, entry);
      const innerName = name === "" ? entry : `${name}/${entry}`;
      const stat = statSync(inner);
      if (stat.isDirectory()) {
        walk(inner, innerName, [...above, real]);
      } else if (stat.isFile()) {
        size += stat.size;
        if (LARGEST_CONTENT < size) return;
        const executable = (stat.mode & 0o111) !== 0;
        files[innerName] = [
          readFileSync(inner),
          { mtime: stat.mtime, os: 3, attrs: (executable ? 0o100755 : 0o100644) << 16 },
        ];
      }
    }
  };
  walk(folder, "", []);
  if (LARGEST_CONTENT < size)
    return declined({
      code: "InvalidAppContent",
      what: `the folder holds more than ${LARGEST_CONTENT / 1024 ** 2} MB`,
      where: folder,
      fix: "Name the folder of one app, or leave out what it does not need.",
    });
  if (Object.keys(files).length > 0) return found(Buffer.from(zipSync(files, { level: 1 })));
  return declined({
    code: "InvalidAppContent",
    what: "the folder holds no files",
    where: folder,
    fix: "Name the folder that holds the app's files.",
  });
}
