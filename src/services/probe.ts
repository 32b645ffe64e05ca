/**
 * Uses a required flow once, for real, from where it begins.
 *
 * Never rejects, keeps to the probe's time, and closes what it opened. What a failure means for
 * an environment is decided in environment/.
 */
import type { RunProbe } from "../fabric/fabric.ts";
import { Attempt, reasonOf } from "./attempt.ts";
import { CONVERSATIONS } from "./conversations.ts";

export const runProbe: RunProbe = async (probe, sockets) => {
  const attempt = new Attempt(probe, sockets);
  try {
    const conversation = CONVERSATIONS[probe.conversation](attempt);
    const detail = await Promise.race([conversation, attempt.deadline]);
    return { ok: true, elapsedMs: attempt.elapsedMs, detail };
  } catch (thrown) {
    return { ok: false, elapsedMs: attempt.elapsedMs, reason: reasonOf(thrown) };
  } finally {
    attempt.close();
  }
};
