/**
 * The fabric's own view of the file system, made inside its mount namespace; the machine's stays.
 *
 * /run becomes a folder in memory: it holds the scratch folders of programs, goes with the last
 * process, and hides the sockets of the machine's own daemons from whatever runs in the world.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, readlinkSync, realpathSync, statSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";

import { declined, found, type Result } from "../../base/problem.ts";

export const SCRATCH = "/run/openase";

const RESOLVER_FILE = "/etc/resolv.conf";

export type PrivateView = {
  /** Which resolvers commands and programs ask that use the machine's library. */
  readonly writeResolvers: (addresses: readonly string[]) => void;
  /** Words before a command that is to see other resolvers; `name` tells places apart. */
  readonly withResolvers: (name: string, file: ResolverFile) => readonly string[];
};

export type ResolverFile = {
  readonly asked: readonly string[];
  /** Servers that one of our own asks in turn. */
  readonly behind: readonly string[];
};

/** Only ever called inside a mount namespace of our own. */
export function makePrivateView(): Result<PrivateView> {
  const target = resolverTarget();
  const tmpfs = mount(["-t", "tmpfs", "-o", "mode=0755,nosuid,nodev", "openase", "/run"]);
  if (!tmpfs.ok) return tmpfs;
  mkdirSync(SCRATCH, { recursive: true, mode: 0o755 });
  if (target === undefined)
    return found({ writeResolvers: () => undefined, withResolvers: () => [] });
  const isHidden = target.startsWith("/run/");
  const own = isHidden ? target : `${SCRATCH}/resolv.conf`;
  mkdirSync(dirname(own), { recursive: true });
  writeFileSync(own, "");
  if (!isHidden) {
    const bound = mount(["--bind", own, target]);
    if (!bound.ok) return bound;
  }
  return found({
    writeResolvers: (addresses) => {
      const lines = addresses.slice(0, MOST_RESOLVERS).map((address) => `nameserver ${address}\n`);
      writeFileSync(own, `${lines.join("")}options timeout:2 attempts:2\n`, { mode: 0o644 });
    },
    withResolvers: (name, { asked, behind }) => {
      const file = `${SCRATCH}/resolv-${encodeURIComponent(name)}.conf`;
      const comment = behind.length === 0 ? [] : [`# asks in turn: ${behind.join(", ")}`];
      const servers = asked.slice(0, MOST_RESOLVERS).map((address) => `nameserver ${address}`);
      const patience = behind.length === 0 ? "timeout:3 attempts:2" : "timeout:10 attempts:1";
      const lines = [...comment, ...servers, `options ${patience}`];
      writeFileSync(file, `${lines.join("\n")}\n`, { mode: 0o644 });
      const script = 'mount --no-mtab --bind "$1" "$2" || exit 125; shift 2; exec "$@"';
      return ["unshare", "--mount", "--", "/bin/sh", "-c", script, "sh", file, target];
    },
  });
}

/** What the C library reads at most. */
const MOST_RESOLVERS = 3;

/** The file behind the link, there or not; undefined where the machine has none. */
function resolverTarget(): string | undefined {
  try {
    return realpathSync(RESOLVER_FILE);
  } catch {
    // A link into /run that leads nowhere yet still tells where the library will look.
  }
  try {
    const led = resolve(dirname(RESOLVER_FILE), readlinkSync(RESOLVER_FILE));
    return led.startsWith("/run/") ? led : undefined;
  } catch {
    return statSync(RESOLVER_FILE, { throwIfNoEntry: false }) && RESOLVER_FILE;
  }
}

function mount(words: readonly string[]): Result<"made"> {
  const { status, stderr, error } = spawnSync("mount", ["--no-mtab", ...words], {
    encoding: "utf8",
  });
  if (status === 0) return found("made");
  return declined({
    code: "MountRefused",
    what: `mount ${words.join(" ")} failed: ${error?.message ?? stderr.trim()}`,
    fix: "Run where a process may mount inside its own namespace: as root, or with user namespaces.",
  });
}
