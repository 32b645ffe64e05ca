/**
 * What the machine must have for a world, and why it could not be made.
 *
 * Looks only; setting up is scripts/set-up.
 */
import { accessSync, constants, existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { declined, found, type Problem, type Result } from "../../base/problem.ts";
import { USUAL_PATH } from "./program-place.ts";

const PROGRAMS = [
  { command: "haproxy", debian: "haproxy" },
  { command: "bwrap", debian: "bubblewrap" },
  { command: "unshare", debian: "util-linux" },
  { command: "setpriv", debian: "util-linux" },
  { command: "mount", debian: "mount" },
] as const;

/** Programs and libraries; whether namespaces are allowed is seen when they are made. */
export function checkRequirements(): Result<"met"> {
  const missing = PROGRAMS.filter(({ command }) => !isInstalled(command)).map(
    ({ command, debian }) => ({ name: command as string, debian: debian as string }),
  );
  if (!hasLibrary("libnftables.so.1"))
    missing.push({ name: "libnftables", debian: "libnftables1" });
  if (missing.length === 0) return found("met");
  const packages = [...new Set(missing.map(({ debian }) => debian))].join(" ");
  return declined({
    code: "ProgramsMissing",
    what: `the machine lacks ${missing.map(({ name }) => name).join(", ")}`,
    fix: `Install them: apt-get install -y ${packages}`,
  });
}

/** One sentence on why the namespaces of the world were refused, where `unshare` said so. */
export function explainRefusal(said: string, userId: number): Problem | undefined {
  const line = said.split("\n").find((text) => text.startsWith("unshare:"));
  if (line === undefined) return undefined;
  const problem = (why: string, fix: string): Problem => ({
    code: "NamespacesRefused",
    what: `this machine refuses the namespaces a world needs: ${why}`,
    fix,
  });
  if (userId === 0)
    return problem(
      `root may not make them here (${line})`,
      "In a container, give it CAP_SYS_ADMIN and CAP_NET_ADMIN, an unmasked /proc and no seccomp filter for unshare.",
    );
  if (setting("user/max_user_namespaces") === "0")
    return problem(
      "user namespaces are off (user.max_user_namespaces is 0)",
      "Run as root, or: sysctl -w user.max_user_namespaces=15000",
    );
  if (setting("kernel/unprivileged_userns_clone") === "0")
    return problem(
      "users may not make user namespaces (kernel.unprivileged_userns_clone is 0)",
      "Run as root, or: sysctl -w kernel.unprivileged_userns_clone=1",
    );
  if ((setting("kernel/apparmor_restrict_unprivileged_userns") ?? "0") !== "0")
    return problem(
      "AppArmor keeps users from making user namespaces",
      "Run as root, or: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
    );
  return problem(`user ${userId} may not make them (${line})`, "Run as root.");
}

function setting(name: string): string | undefined {
  try {
    return readFileSync(join("/proc/sys", name), "utf8").trim();
  } catch {
    return undefined;
  }
}

function isInstalled(command: string): boolean {
  return USUAL_PATH.split(":").some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/** Where Debian and others put libraries, the folder of the processor's type included. */
function hasLibrary(file: string): boolean {
  return ["/usr/lib", "/lib", "/usr/lib64", "/usr/local/lib"].some(
    (folder) =>
      existsSync(join(folder, file)) ||
      (existsSync(folder) &&
        readdirSync(folder).some(
          (name) => name.endsWith("-linux-gnu") && existsSync(join(folder, name, file)),
        )),
  );
}
