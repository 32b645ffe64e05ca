/**
 * The room an app runs in, as a bubblewrap command: its own user, processes, mounts and nothing
 * of the machine but /usr (read-only) and the Node that runs it.
 *
 * Network and limits are not made here: the process is started inside its host's network and
 * limits group by the fabric. No setting of the app stands in an argument, since arguments are
 * visible to the whole machine; settings go through the environment of the process.
 */
import { constants } from "node:fs";
import { lstat, readFile, readlink, stat } from "node:fs/promises";
import { dirname, resolve } from "node:path";

import { declined, found, never, type Result } from "../base/problem.ts";

export const WWWROOT_INSIDE = "/home/site/wwwroot";
export const NODE_INSIDE = "/opt/node/bin/node";
export const STATIC_SERVER_INSIDE = "/opt/openase/static-server.mjs";
/** nameresolver, tcpping and nslookup. */
export const TOOLS_INSIDE = "/opt/openase/bin";

const TMP_BYTES = 512 * 1024 * 1024;
const SHARED_MEMORY_BYTES = 64 * 1024 * 1024;
/** Parts of the machine's /etc that hold no secret and that programs of /usr miss. */
const ETC_OF_MACHINE = [
  "/etc/alternatives",
  "/etc/ld.so.cache",
  "/etc/localtime",
  "/etc/mime.types",
  "/etc/ssl/certs",
  "/etc/ssl/openssl.cnf",
] as const;

/** Who the app is to the kernel. */
export type Confinement =
  /** bubblewrap itself runs as the app's user; a user namespace of its own, no further ones. */
  | { readonly kind: "own-user"; readonly user: number }
  /** The same, but paths that only root can reach are first bound into `stage`. */
  | { readonly kind: "staged-user"; readonly user: number; readonly stage: string }
  /** Where users may not make user namespaces: root builds the room, then becomes the user. */
  | { readonly kind: "dropped-user"; readonly user: number }
  /** Without root there is one user only; the namespaces still part the apps. */
  | { readonly kind: "same-user" };

export type SandboxContents = {
  readonly wwwroot: string;
  readonly logFiles: string;
  readonly data: string;
  readonly node: string;
  readonly staticServer: string;
  /** Holds what tools.ts writes. */
  readonly tools: string;
  /** Holds the files of generatedEtc(). */
  readonly etc: string;
  readonly hostName: string;
};

export type SandboxCommand = { readonly argv: readonly string[]; readonly user?: number };

export function sandboxCommand(
  contents: SandboxContents,
  confinement: Confinement,
  machine: MachineLinks,
  command: readonly string[],
): SandboxCommand {
  switch (confinement.kind) {
    case "own-user":
      return {
        argv: [...unprivileged(contents, machine, confinement.user), "--", ...command],
        user: confinement.user,
      };
    case "staged-user": {
      const staged = stagedContents(contents, confinement.stage);
      return {
        argv: [
          ["bwrap", "--dev-bind", "/", "/", ...staged.binds],
          // Without a process namespace around it, the app would outlive a killed outer bwrap:
          // a parent without capabilities may not signal another user's processes.
          ["--unshare-pid", "--die-with-parent", "--"],
          ...becomeUser(confinement.user),
          ...unprivileged(staged.contents, machine, confinement.user),
          "--",
          ...command,
        ].flat(),
      };
    }
    case "dropped-user":
      return {
        argv: [
          "bwrap",
          ...namespaces(contents.hostName),
          ...mounts(contents, machine),
          ...["CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP"].flatMap((name) => ["--cap-add", name]),
          "--",
          ...becomeUser(confinement.user),
          ...command,
        ],
      };
    case "same-user":
      return { argv: [...unprivileged(contents, machine, 1000), "--", ...command] };
    default:
      return never(confinement);
  }
}

/** The users of the sandbox and its names; no line of the machine's own files is in them. */
export function generatedEtc(about: {
  readonly user: number;
  readonly hostName: string;
  readonly address: string;
  /** Whom lookups go to, and who is asked behind that. */
  readonly names: { readonly resolver: string; readonly servers: readonly string[] };
}): Readonly<Record<string, string>> {
  const { user, hostName, address, names } = about;
  return {
    passwd: `root:x:0:0:root:/root:/usr/sbin/nologin\napp:x:${user}:${user}:app:/home:/bin/sh\n`,
    group: `root:x:0:\napp:x:${user}:\n`,
    hosts: `127.0.0.1 localhost\n${address} ${hostName}\n`,
    hostname: `${hostName}\n`,
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
    "resolv.conf": resolverFile(names),
  };
}

/** A resolver of our own tries all servers behind it before it answers: it is given the time. */
function resolverFile({
  resolver,
  servers,
}: {
  readonly resolver: string;
  readonly servers: readonly string[];
}): string {
  if (servers.length === 0) return `nameserver ${resolver}\noptions timeout:3 attempts:2\n`;
  const behind = `# asks in turn: ${servers.join(", ")}\n`;
  return `${behind}nameserver ${resolver}\noptions timeout:10 attempts:1\n`;
}

/** Top folders of the machine that are links into /usr, or folders beside it. */
export type MachineLinks = readonly { readonly path: string; readonly target?: string }[];

export async function readMachineLinks(): Promise<MachineLinks> {
  const links: { path: string; target?: string }[] = [];
  for (const path of ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"]) {
    const entry = await lstat(path).catch(() => undefined);
    if (entry?.isSymbolicLink()) links.push({ path, target: await readlink(path) });
    else if (entry?.isDirectory()) links.push({ path });
  }
  return links;
}

/** Looks at the machine: which users we may become, and whether the paths are within their reach. */
export async function chooseConfinement(wish: {
  readonly user: number;
  readonly paths: readonly string[];
  readonly stage: string;
}): Promise<Result<Confinement>> {
  if (!(await mayBecome(wish.user))) return found({ kind: "same-user" });
  if (!(await usersMakeNamespaces())) return found({ kind: "dropped-user", user: wish.user });
  const blocked = await Promise.all(wish.paths.map((path) => blockingFolder(path, wish.user)));
  if (blocked.every((folder) => folder === undefined))
    return found({ kind: "own-user", user: wish.user });
  const stageBlocked = await blockingFolder(wish.stage, wish.user);
  if (stageBlocked === undefined)
    return found({ kind: "staged-user", user: wish.user, stage: wish.stage });
  return declined({
    code: "AppFolderOutOfReach",
    what: `User ${wish.user} of the app may not pass through ${stageBlocked}`,
    fix: `Allow passing through it: chmod o+x ${stageBlocked}`,
    where: wish.stage,
  });
}

/** The first folder on the way to the path that the user may not pass through. */
export async function blockingFolder(path: string, user: number): Promise<string | undefined> {
  const parts: string[] = [];
  for (let at = resolve(path); ; at = dirname(at)) {
    parts.unshift(at);
    if (at === "/") break;
  }
  for (const folder of parts) {
    const about = await stat(folder).catch(() => undefined);
    if (about === undefined) return folder;
    if (!about.isDirectory()) continue;
    const bit =
      about.uid === user
        ? constants.S_IXUSR
        : about.gid === user
          ? constants.S_IXGRP
          : constants.S_IXOTH;
    if ((about.mode & bit) === 0) return folder;
  }
  return undefined;
}

/** bubblewrap without privileges: the rights inside are those of `user`, at most. */
function unprivileged(contents: SandboxContents, machine: MachineLinks, user: number): string[] {
  return [
    ["bwrap", "--unshare-user", "--uid", `${user}`, "--gid", `${user}`, "--disable-userns"],
    ...namespaces(contents.hostName),
    ...mounts(contents, machine),
  ].flat();
}

function namespaces(hostName: string): readonly string[] {
  return [
    "--unshare-pid",
    "--unshare-ipc",
    "--unshare-cgroup-try",
    "--unshare-uts",
    "--hostname",
    hostName,
    "--die-with-parent",
    "--new-session",
    "--cap-drop",
    "ALL",
    "--chdir",
    WWWROOT_INSIDE,
  ];
}

function mounts(contents: SandboxContents, machine: MachineLinks): readonly string[] {
  const folders = ["/etc", "/etc/ssl", "/home", "/home/site", "/opt", "/opt/node", "/opt/node/bin"];
  const etcNames = ["passwd", "group", "hosts", "hostname", "nsswitch.conf", "resolv.conf"];
  return [
    ["--ro-bind", "/usr", "/usr"],
    ...machine.flatMap(({ path, target }) =>
      target === undefined ? ["--ro-bind", path, path] : ["--symlink", target, path],
    ),
    ...[...folders, "/opt/openase"].flatMap((path) => ["--perms", "0755", "--dir", path]),
    ...etcNames.flatMap((name) => ["--ro-bind", `${contents.etc}/${name}`, `/etc/${name}`]),
    ...ETC_OF_MACHINE.flatMap((path) => ["--ro-bind-try", path, path]),
    ["--proc", "/proc", "--dev", "/dev"],
    ["--size", `${SHARED_MEMORY_BYTES}`, "--perms", "1777", "--tmpfs", "/dev/shm"],
    ["--size", `${TMP_BYTES}`, "--perms", "1777", "--tmpfs", "/tmp"],
    ["--bind", contents.wwwroot, WWWROOT_INSIDE],
    ["--bind", contents.logFiles, "/home/LogFiles"],
    ["--bind", contents.data, "/home/data"],
    ["--ro-bind", contents.node, NODE_INSIDE],
    ["--ro-bind", contents.staticServer, STATIC_SERVER_INSIDE],
    ["--ro-bind", contents.tools, TOOLS_INSIDE],
    ["--remount-ro", "/dev", "--remount-ro", "/"],
  ].flat();
}

/** Ends being root for good: no group, no capability, and no way to gain one. */
function becomeUser(user: number): readonly string[] {
  return [
    "/usr/bin/setpriv",
    "--reuid",
    `${user}`,
    "--regid",
    `${user}`,
    "--clear-groups",
    "--bounding-set=-all",
    "--inh-caps=-all",
    "--ambient-caps=-all",
    "--no-new-privs",
    "--",
  ];
}

function stagedContents(
  contents: SandboxContents,
  stage: string,
): { readonly contents: SandboxContents; readonly binds: readonly string[] } {
  const at = {
    wwwroot: `${stage}/wwwroot`,
    logFiles: `${stage}/LogFiles`,
    data: `${stage}/data`,
    node: `${stage}/node`,
  };
  return {
    contents: { ...contents, ...at },
    binds: [
      "--bind",
      contents.wwwroot,
      at.wwwroot,
      "--bind",
      contents.logFiles,
      at.logFiles,
      "--bind",
      contents.data,
      at.data,
      "--ro-bind",
      contents.node,
      at.node,
    ],
  };
}

/** Root may become others; in a user namespace of ours (rootless) most numbers are nobody. */
export async function mayBecome(user: number): Promise<boolean> {
  return process.getuid?.() === 0 && (await isMapped(user));
}

async function isMapped(user: number): Promise<boolean> {
  const lines = (await readFile("/proc/self/uid_map", "utf8")).trim().split("\n");
  return lines.some((line) => {
    const [inside = 0, , count = 0] = line.trim().split(/\s+/).map(Number);
    return inside <= user && user < inside + count;
  });
}

/** Kernels and distributions that refuse user namespaces to users say so in one of these. */
async function usersMakeNamespaces(): Promise<boolean> {
  const read = (name: string) =>
    readFile(`/proc/sys/${name}`, "utf8").then(
      (text) => text.trim(),
      () => undefined,
    );
  const [clone, restricted, most] = await Promise.all([
    read("kernel/unprivileged_userns_clone"),
    read("kernel/apparmor_restrict_unprivileged_userns"),
    read("user/max_user_namespaces"),
  ]);
  return clone !== "0" && (restricted === undefined || restricted === "0") && most !== "0";
}
