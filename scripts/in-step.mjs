/**
 * Ends with 0 when node_modules holds what package-lock.json names, with 1 when it does not.
 *
 * Plain JavaScript for Node 20: it runs before anything is installed. Reads two files of npm and
 * changes nothing.
 */
import { existsSync, readFileSync } from "node:fs";

const root = new URL("../", import.meta.url);

function packagesIn(file) {
  try {
    return JSON.parse(readFileSync(new URL(file, root), "utf8")).packages ?? {};
  } catch {
    return {};
  }
}

const wanted = Object.entries(packagesIn("package-lock.json")).filter(([path]) => path !== "");
const installed = packagesIn("node_modules/.package-lock.json");
const fits = (list, own) => list === undefined || list.includes(own);
const isStale = ([path, { version, os, cpu, optional }]) => {
  if (optional && !(fits(os, process.platform) && fits(cpu, process.arch))) return false;
  // Optional and left out by npm for a reason of its own (another libc).
  if (optional && installed[path] === undefined && !path.includes("/node-linux-")) return false;
  return installed[path]?.version !== version || !existsSync(new URL(`${path}/`, root));
};

process.exit(wanted.length > 0 && !wanted.some(isStale) ? 0 : 1);
