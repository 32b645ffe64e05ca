/**
 * The content of sites on disk: taken in whole, checked, and switched to at once.
 *
 *     <root>/<site key>/           the site's /home, shared by all its instances
 *       versions/<version>/        one deployment; the App program is given this folder as wwwroot
 *       wwwroot -> versions/...    the current one, for people and publishers
 *       LogFiles/ data/            /home/LogFiles and /home/data, which no deployment touches
 *
 * Decided: every deployment is a folder of its own, so a running instance never sees half of one
 * and keeps the old one until it is restarted on the new. wwwroot stays writable, and what the app
 * wrote there itself comes along to the next version (KuduSync's rule: only files that an earlier
 * deployment brought, and the new one lacks, go). What must not be lost between the copy and the
 * restart belongs into /home/data. Restarting instances is not done here.
 */
import { createHash, randomUUID } from "node:crypto";
import type { Dirent } from "node:fs";
import {
  chmod,
  cp,
  lchown,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  realpath,
  rename,
  rm,
  symlink,
  writeFile,
} from "node:fs/promises";
import { basename, dirname, join, relative, resolve } from "node:path";

import { declined, found, problemOf, type Result } from "../base/problem.ts";
import {
  CONTENT_LIMITS,
  insideLink,
  refuseEntry,
  requireWithin,
  type ContentLimits,
} from "./content-rules.ts";
import { keepWritten } from "./keep-written.ts";
import { unpackZip } from "./unpack-zip.ts";

export type SiteFolder = {
  readonly root: string;
  /** Unique per site, made of letters, digits, dot, dash and underscore. */
  readonly siteKey: string;
  /** The app's user id, who owns all of it; without root it stays ours. */
  readonly user: number;
};

export type PutContent = {
  /** Begins with the hash of what was deployed; also the name of the folder. */
  readonly version: string;
  /** What the App program is given as `content`. */
  readonly folder: string;
  /** Files that the app had written itself and that came along. */
  readonly keptCount: number;
};

/** Takes in a ZIP file or a folder. The same content again, while it is current, changes nothing. */
export async function putContent(
  site: SiteFolder,
  source: { readonly zip: string } | { readonly folder: string },
  limits: ContentLimits = CONTENT_LIMITS,
): Promise<Result<PutContent>> {
  const home = await prepareHome(site);
  if (!home.ok) return home;
  const draft = join(home.value, "versions", `.draft-${randomUUID()}`);
  try {
    await mkdir(draft, { mode: 0o755 });
    if ("zip" in source) await unpackZip(source.zip, draft, limits);
    else await copyFolder(source.folder, draft, limits);
    return found(await adopt(site, home.value, draft));
  } catch (thrown) {
    return declined(
      problemOf(thrown, {
        code: "ContentNotTaken",
        what: `The content for ${site.siteKey} could not be taken; what runs stays as it is`,
        fix: "Correct what is named below and deploy again.",
        where: "zip" in source ? source.zip : source.folder,
      }),
    );
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

/** The current content; for a new site an empty folder, which shows the default page. */
export async function currentContent(site: SiteFolder): Promise<Result<PutContent>> {
  const home = await prepareHome(site);
  if (!home.ok) return home;
  const current = await currentFolder(home.value);
  if (current !== undefined)
    return found({ version: basename(current), folder: current, keptCount: 0 });
  const draft = join(home.value, "versions", `.draft-${randomUUID()}`);
  await mkdir(draft, { mode: 0o755 });
  return found(await adopt(site, home.value, draft));
}

/** Takes everything of a site from the disk: content, logs and data. */
export async function removeContent(site: Pick<SiteFolder, "root" | "siteKey">): Promise<void> {
  if (SITE_KEY.test(site.siteKey))
    await rm(join(site.root, site.siteKey), { recursive: true, force: true });
}

/** The /home a content folder belongs to, if it is one of ours. */
export function homeOfContent(folder: string): string | undefined {
  return basename(dirname(folder)) === "versions" ? dirname(dirname(folder)) : undefined;
}

const SITE_KEY = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const KEPT_VERSIONS = 3;
const HASH_DIGITS = 16;

async function prepareHome(site: SiteFolder): Promise<Result<string>> {
  if (!SITE_KEY.test(site.siteKey))
    return declined({
      code: "SiteKeyInvalid",
      what: `${JSON.stringify(site.siteKey)} cannot name the folder of a site`,
      fix: "Use letters, digits, dot, dash and underscore.",
    });
  const home = join(resolve(site.root), site.siteKey);
  try {
    await mkdir(site.root, { recursive: true, mode: 0o711 });
    // These two stay ours: the app passes through them and cannot replace what stands in them.
    for (const folder of [home, join(home, "versions")]) {
      await mkdir(folder, { recursive: true });
      await chmod(folder, 0o711);
    }
    for (const folder of [join(home, "LogFiles"), join(home, "data")]) {
      await mkdir(folder, { recursive: true });
      await own(folder, site.user);
    }
    return found(home);
  } catch (thrown) {
    return declined(
      problemOf(thrown, {
        code: "ContentFolderUnusable",
        what: `The folder ${home} cannot be prepared`,
        fix: "Check the rights and the free space of the disk.",
        where: home,
      }),
    );
  }
}

/** Turns a finished draft into the current version: hash, keep what the app wrote, rename, link. */
async function adopt(site: SiteFolder, home: string, draft: string): Promise<PutContent> {
  await requireLinksInside(draft);
  const listed = await describeFolder(draft);
  const hash = createHash("sha256").update(listed.join("\n")).digest("hex").slice(0, HASH_DIGITS);
  const previous = await currentFolder(home);
  if (previous !== undefined && basename(previous).split("_")[0] === hash)
    return { version: basename(previous), folder: previous, keptCount: 0 };
  const keptCount =
    previous === undefined ? 0 : await keepWritten(previous, await deployedIn(previous), draft);
  const names = new Set(await readdir(join(home, "versions")));
  let version = hash;
  for (let again = 2; names.has(version); again++) version = `${hash}_${again}`;
  await ownAll(draft, site.user);
  const folder = join(home, "versions", version);
  const deployed = listed.map((line) => line.slice(line.indexOf(" ") + 1));
  await writeFile(manifestOf(folder), JSON.stringify(deployed), { mode: 0o600 });
  await rename(draft, folder);
  const link = join(home, `.wwwroot-${randomUUID()}`);
  await symlink(join("versions", version), link);
  await rename(link, join(home, "wwwroot"));
  await removeOldVersions(home, version);
  return { version, folder, keptCount };
}

async function currentFolder(home: string): Promise<string | undefined> {
  return realpath(join(home, "wwwroot")).catch(() => undefined);
}

/** One sorted line per file and link: what it holds, and its path. */
async function describeFolder(folder: string): Promise<readonly string[]> {
  const lines: string[] = [];
  for await (const { path, entry } of walk(folder)) {
    if (entry.isDirectory()) continue;
    const held = entry.isSymbolicLink()
      ? `link:${await readlink(path)}`
      : `${((await lstat(path)).mode & 0o111) === 0 ? "" : "x:"}${await hashOf(path)}`;
    lines.push(`${held.replaceAll(" ", "%20")} ${relative(folder, path)}`);
  }
  return lines.toSorted();
}

async function hashOf(path: string): Promise<string> {
  return createHash("sha256")
    .update(await readFile(path))
    .digest("hex");
}

/** Refuses links whose real end lies outside, however they get there. */
async function requireLinksInside(folder: string): Promise<void> {
  for await (const { path, entry } of walk(folder)) {
    if (!entry.isSymbolicLink()) continue;
    const end = await realpath(path).catch(() => undefined);
    if (end !== undefined && end !== folder && !end.startsWith(`${folder}/`))
      refuseEntry(relative(folder, path), `it links out of the content, to ${end}`);
  }
}

async function copyFolder(source: string, target: string, limits: ContentLimits): Promise<void> {
  let bytes = 0;
  let fileCount = 0;
  const top = await realpath(source);
  for await (const { path, entry } of walk(top)) {
    const name = relative(top, path);
    const to = join(target, name);
    fileCount++;
    if (entry.isDirectory()) await mkdir(to, { mode: 0o755 });
    else if (entry.isSymbolicLink()) await symlink(insideLink(name, await readlink(path)), to);
    else if (entry.isFile()) {
      const about = await lstat(path);
      bytes += about.size;
      requireWithin({ fileCount, bytes }, limits);
      await cp(path, to);
      await chmod(to, (about.mode & 0o111) === 0 ? 0o644 : 0o755);
    } else refuseEntry(name, "it is neither file, folder nor link");
    requireWithin({ fileCount, bytes }, limits);
  }
}

async function* walk(folder: string): AsyncGenerator<{ path: string; entry: Dirent }> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    yield { path, entry };
    if (entry.isDirectory()) yield* walk(path);
  }
}

async function ownAll(folder: string, user: number): Promise<void> {
  await own(folder, user);
  for await (const { path } of walk(folder)) await own(path, user);
}

/** Only root may give files away; in a user namespace the number may mean nobody. */
async function own(path: string, user: number): Promise<void> {
  if (process.getuid?.() !== 0) return;
  await lchown(path, user, user).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EINVAL") throw error;
  });
}

/** Names of what a deployment brought, beside its folder, where the app cannot change them. */
function manifestOf(versionFolder: string): string {
  return join(dirname(versionFolder), `.${basename(versionFolder)}.json`);
}

async function deployedIn(versionFolder: string): Promise<ReadonlySet<unknown>> {
  const text = await readFile(manifestOf(versionFolder), "utf8").catch(() => "[]");
  return new Set(JSON.parse(text) as readonly unknown[]);
}

async function removeOldVersions(home: string, current: string): Promise<void> {
  const folder = join(home, "versions");
  const names = (await readdir(folder)).filter((name) => !name.startsWith(".") && name !== current);
  const aged = await Promise.all(
    names.map(async (name) => ({
      name,
      at: (await lstat(manifestOf(join(folder, name))).catch(() => undefined))?.mtimeMs ?? 0,
    })),
  );
  const old = aged.toSorted((a, b) => b.at - a.at).slice(KEPT_VERSIONS - 1);
  for (const { name } of old) {
    await rm(join(folder, name), { recursive: true, force: true });
    await rm(manifestOf(join(folder, name)), { force: true });
  }
}
