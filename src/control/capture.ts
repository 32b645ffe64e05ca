/**
 * Packet captures: tcpdump stands at a place of the world for a while and writes a pcap file.
 *
 * Bounded in time and size. What a filter means is tcpdump's matter.
 */
import { randomUUID } from "node:crypto";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";

import { declined, found, type Result } from "../base/problem.ts";
import type { Fabric, StandingPlace } from "../fabric/fabric.ts";

export type CaptureRequest = {
  readonly seconds: number;
  /** As of tcpdump: `tcp port 443 and host 10.1.1.4`. */
  readonly filter?: string;
};

export type Capture = { readonly pcap: Buffer; readonly said: string };

export const MOST_CAPTURE_SECONDS = 300;
const MOST_PACKETS = 10_000;
const MOST_BYTES_OF_ONE = 1_600;
/** Of `timeout`, when the time is up: the usual end. */
const TIME_IS_UP = 124;

export async function capture(
  at: StandingPlace,
  { seconds, filter }: CaptureRequest,
  { fabric, folder }: { readonly fabric: Fabric; readonly folder: string },
): Promise<Result<Capture>> {
  if (!Number.isInteger(seconds) || seconds < 1 || MOST_CAPTURE_SECONDS < seconds)
    return declined({
      code: "InvalidRequest",
      what: `a capture of ${seconds} seconds is not offered`,
      fix: `Choose 1 to ${MOST_CAPTURE_SECONDS} whole seconds.`,
    });
  const file = join(folder, `${randomUUID()}.pcap`);
  let said = "";
  const words = [
    ...["timeout", "-s", "INT", String(seconds), "tcpdump", "-Z", "root", "-n", "-U"],
    ...["-i", at.kind === "internet" ? "any" : "eth0", "-w", file],
    ...["-c", String(MOST_PACKETS), "-s", String(MOST_BYTES_OF_ONE)],
    ...(filter === undefined || filter.trim() === "" ? [] : ["--", filter]),
  ];
  try {
    const begun = await fabric.run(at, { argv: words, onOutput: (_, chunk) => (said += chunk) });
    if (!begun.ok) return begun;
    const { exitCode } = await begun.value.ended;
    const why = said.trim().split("\n").at(-1) ?? "";
    if (exitCode !== 0 && exitCode !== TIME_IS_UP)
      return declined({
        code: "CaptureNotPossible",
        what: `tcpdump ended with ${exitCode}: ${why}`,
        fix: "Check the filter (man pcap-filter) and that tcpdump is installed; without root it cannot be used.",
      });
    return found({ pcap: await readFile(file), said: said.trim() });
  } finally {
    await rm(file, { force: true });
  }
}
