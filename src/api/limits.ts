/**
 * How often one caller may ask: reads, writes and deletions by buckets of their own, told by the
 * headers that Azure's clients know.
 *
 * The command line of this machine is not limited. Keeps one client from starving the others;
 * nothing here knows what is asked for.
 */
import type { Context, Next } from "hono";

import { type Bucket, openThrottle } from "../identity/throttle.ts";
import { callerIn } from "./access.ts";
import { refuse } from "./answer.ts";

export type Limits = Readonly<Record<"reads" | "writes" | "deletes", Bucket>>;

/** Room for a deployment or a test suite at once, and for a steady client after it. */
export const USUAL_LIMITS: Limits = {
  reads: { capacity: 15_000, perSecond: 500 },
  writes: { capacity: 1_200, perSecond: 50 },
  deletes: { capacity: 1_200, perSecond: 50 },
};

export function limited(limits: Limits, unlimitedObjectId: string, now: () => number) {
  const throttle = openThrottle(now);
  return async (context: Context, next: Next): Promise<Response | undefined> => {
    const kind = KINDS[context.req.method] ?? "writes";
    const { objectId } = callerIn(context);
    const key = `${objectId} ${kind}`;
    const taken =
      objectId === unlimitedObjectId
        ? throttle.look(key, limits[kind])
        : throttle.take(key, limits[kind]);
    const left = taken.ok ? taken.left : 0;
    if (taken.ok) await next();
    else context.header("Retry-After", String(taken.waitS));
    const response = taken.ok
      ? undefined
      : refuse(context, {
          code: "TooManyRequests",
          what: `Number of ${kind} for subscription exceeded the limit of ${limits[kind].capacity} at once and ${limits[kind].perSecond} per second`,
          fix: `Please try again after ${taken.waitS} seconds.`,
        });
    context.header(`x-ms-ratelimit-remaining-subscription-${kind}`, String(left));
    return response;
  };
}

const KINDS: Readonly<Record<string, keyof Limits>> = {
  GET: "reads",
  HEAD: "reads",
  DELETE: "deletes",
};
