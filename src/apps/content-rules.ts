/**
 * What may be part of a site's content: paths and links that stay inside, sizes within a limit.
 *
 * Reads and writes nothing. Refusals are thrown as ProblemError, through streams and iterators.
 */
import { dirname, join, resolve, sep } from "node:path";

import { ProblemError } from "../base/problem.ts";

export type ContentLimits = { readonly fileCount: number; readonly bytes: number };
/** As App Service: 2 GiB for one deployment. */
export const CONTENT_LIMITS: ContentLimits = { fileCount: 100_000, bytes: 2 * 1024 ** 3 };

/** A name of the archive as a path below the folder; yauzl has refused `..` and absolute names. */
export function pathBelow(folder: string, name: string): string {
  const path = join(folder, name);
  if (!path.startsWith(folder + sep)) refuseEntry(name, "it points out of the content");
  return path;
}

/** The target of a link, if it stays within the content. */
export function insideLink(name: string, target: string): string {
  const at = resolve("/content", dirname(name), target);
  if (target.startsWith("/") || (at !== "/content" && !at.startsWith("/content/")))
    refuseEntry(name, `it links out of the content, to ${target}`);
  return target;
}

export function requireWithin(size: ContentLimits, limits: ContentLimits): void {
  if (size.fileCount <= limits.fileCount && size.bytes <= limits.bytes) return;
  throw new ProblemError({
    code: "ContentTooLarge",
    what: `The content is larger than ${limits.fileCount} files or ${limits.bytes} bytes`,
    fix: "Deploy less, or keep large data in a store of its own.",
  });
}

export function refuseEntry(name: string, why: string): never {
  throw new ProblemError({
    code: "ContentEntryRefused",
    what: `${JSON.stringify(name)} cannot be part of a site: ${why}`,
    fix: "Leave it out.",
  });
}
