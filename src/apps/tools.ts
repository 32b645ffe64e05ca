/**
 * Where the network tools stand, and the commands people call them by.
 *
 * What they do is network-tools.mjs, which runs outside of this program.
 */
import { chmod, copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const NETWORK_TOOLS = ["nameresolver", "tcpping", "nslookup"] as const;
const SOURCE = fileURLToPath(new URL("network-tools.mjs", import.meta.url));
const SCRIPT = "network-tools.mjs";

/**
 * Writes the tools into a folder.
 * @param seen the folder and the Node as those who call the tools see them
 */
export async function writeTools(
  folder: string,
  seen: { readonly folder: string; readonly node: string },
): Promise<void> {
  await mkdir(folder, { recursive: true });
  await chmod(folder, 0o755);
  await copyFile(SOURCE, join(folder, SCRIPT));
  await chmod(join(folder, SCRIPT), 0o644);
  for (const name of NETWORK_TOOLS) {
    const path = join(folder, name);
    await writeFile(path, `#!/bin/sh\nexec ${seen.node} ${seen.folder}/${SCRIPT} ${name} "$@"\n`);
    await chmod(path, 0o755);
  }
}
